//! One slip in what was pasted moves all groups after it. Readers of whole codes find it; here they are put where they are
//! right, so that they need not be typed again.

use schemas::typed::{Cause, GROUP_SYMBOLS, Kind, ReadError, TypedCode, WrongGroup};

/// Moves the groups after a slip, if there is one, and gives it: the group that was left out is empty then, and the one
/// that was too many is gone; the one with a symbol more or less is cut as it was typed.
pub(super) fn mend(kind: Kind, groups: &mut Vec<String>) -> Option<WrongGroup> {
    // A gap is known already, and nothing is moved by it.
    if groups.iter().any(String::is_empty) {
        return None;
    }
    let slip = whole(kind, groups).or_else(|| shifted(kind, groups))?;
    let at = slip.number - 1;
    match slip.cause {
        Cause::LeftOut => groups.insert(at, String::new()),
        Cause::Extra => drop(groups.remove(at)),
        Cause::Length { found } => {
            let typed: Vec<char> = groups.split_off(at).concat().chars().collect();
            let (slipped, after) = typed.split_at(found.min(typed.len()));
            groups.push(String::from_iter(slipped));
            groups.extend(after.chunks(GROUP_SYMBOLS).map(String::from_iter));
        }
        Cause::Symbol { .. } | Cause::Check | Cause::Kind(_) => {}
    }
    Some(slip)
}

/// A group that was left out, or is one too many.
fn whole(kind: Kind, groups: &[String]) -> Option<WrongGroup> {
    let wrong = wrong(kind, &groups.join("-"));
    wrong.into_iter().find(|wrong| matches!(wrong.cause, Cause::LeftOut | Cause::Extra))
}

/// A group with a symbol more or less where no hyphens show its end: then all but the last have six as they were cut.
fn shifted(kind: Kind, groups: &[String]) -> Option<WrongGroup> {
    let lengths: Vec<usize> = groups.iter().map(|group| group.chars().count()).collect();
    if lengths.split_last().is_none_or(|(_, lengths)| lengths.iter().any(|length| *length != GROUP_SYMBOLS)) {
        return None;
    }
    let is_moved = |wrong: &WrongGroup| match wrong.cause {
        Cause::Length { found } => lengths.get(wrong.number - 1).is_some_and(|length| *length != found),
        Cause::Symbol { .. } | Cause::Check | Cause::Kind(_) | Cause::LeftOut | Cause::Extra => false,
    };
    wrong(kind, &groups.concat()).into_iter().find(is_moved)
}

fn wrong(kind: Kind, text: &str) -> Vec<WrongGroup> {
    match TypedCode::read(Some(kind), text) {
        Err(ReadError::Groups(wrong)) => wrong,
        Ok(_) | Err(ReadError::Empty | ReadError::TooLong { .. } | ReadError::Kind(_)) => Vec::new(),
    }
}
