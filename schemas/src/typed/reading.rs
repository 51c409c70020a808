//! What was typed, cut into groups, and each of them judged by its number and the code's kind.
//!
//! Where many groups are wrong, one slip may have moved those after it: a group that was left out or typed twice, or a
//! symbol where no hyphens were typed. If they are right where that slip would have put them, the slip alone is named.

use super::bits::Bits;
use super::group::{self, Cause, Group, Symbols, WrongGroup, WrongKind};
use super::{GROUP_SYMBOLS, Kind, ReadError, SYMBOL_BITS, TypedCode, alphabet};
use crate::limits;

/// From so many wrong groups on a slip is looked for: fewer are right in another place by chance too often.
const LOOKS_LIKE_A_SLIP: usize = 5;

/// Reads a whole code.
pub(super) fn read(asked: Option<Kind>, text: &str) -> Result<TypedCode, ReadError> {
    let typed = Typed::cut(text);
    match typed.groups.len() {
        0 => return Err(ReadError::Empty),
        1..=limits::CODE_GROUPS => {}
        groups => return Err(ReadError::TooLong { groups }),
    }
    let plain = Reading { groups: numbered(&typed.groups, 1).collect(), slip: None };
    let mut verdict = plain.judge(asked);
    if verdict.wrong.len() >= LOOKS_LIKE_A_SLIP
        && let Some(slip) = with_slip(&typed, asked, verdict.wrong.len() / 2)
    {
        verdict = slip;
    }
    // Where the first symbol is not known, the first group is not right, and is named.
    let Some(header) = verdict.said else { return Err(ReadError::Groups(verdict.wrong)) };
    let kind = WrongKind::judge(asked, header)?;
    if !verdict.wrong.is_empty() {
        return Err(ReadError::Groups(verdict.wrong));
    }
    let mut bits = Bits::default();
    for value in plain.groups.iter().flat_map(|group| group.symbols).flat_map(|it| Group::of(it).values()) {
        bits.push(u64::from(value), SYMBOL_BITS);
    }
    Ok(TypedCode { kind, bits })
}

/// The verdict with one slip that names the fewest groups, the slip included, and at most `most`. Where several do, the
/// groups of all of them are named.
fn with_slip(typed: &Typed, asked: Option<Kind>, most: usize) -> Option<Verdict> {
    let mut verdicts: Vec<_> = (0..typed.groups.len())
        .flat_map(|at| Reading::with_slip_at(typed, at))
        .map(|reading| reading.judge(asked))
        .filter(|verdict| verdict.wrong.len() <= most)
        .collect();
    let least = verdicts.iter().map(|verdict| verdict.wrong.len()).min()?;
    verdicts.retain(|verdict| verdict.wrong.len() == least);
    let mut wrong = Vec::new();
    for group in verdicts.iter().flat_map(|verdict| &verdict.wrong) {
        if !wrong.contains(group) {
            wrong.push(*group);
        }
    }
    wrong.sort_by_key(|group| group.number);
    verdicts.first().map(|verdict| Verdict { said: verdict.said, wrong })
}

/// What one reading comes to.
struct Verdict {
    /// What the first symbol says, as far as that is known.
    said: Option<u8>,
    wrong: Vec<WrongGroup>,
}

/// A group as it was typed: its symbols, or why it has none.
type Read = Result<Symbols, Cause>;

/// The groups of what was typed, without blanks and dashes.
struct Typed {
    groups: Vec<Read>,
    /// Where no hyphens were typed: the groups after a first one of so many symbols. After a later one they are those from
    /// its place on.
    shifted: Vec<(usize, Vec<Read>)>,
}

impl Typed {
    fn cut(text: &str) -> Self {
        let pieces = pieces(text);
        let groups: Vec<_> = pieces.iter().map(|piece| group::symbols(piece)).collect();
        let mut shifted = Vec::new();
        if !has_hyphens(text) && groups.len() <= limits::CODE_GROUPS {
            let whole = pieces.concat();
            let cut = |found| Some((found, by_sixes(whole.get(found..)?).map(group::symbols).collect()));
            shifted.extend([GROUP_SYMBOLS - 1, GROUP_SYMBOLS + 1].into_iter().filter_map(cut));
        }
        Self { groups, shifted }
    }
}

/// Cuts what was typed into groups and writes each symbol as a code does; what is no symbol stands as it was typed.
/// Nothing is judged.
pub(super) fn cut(text: &str) -> Vec<String> {
    let written = |typed: &char| alphabet::value(*typed).map_or(*typed, alphabet::symbol);
    pieces(text).iter().map(|piece| piece.iter().map(written).collect()).collect()
}

/// The groups of what was typed, without blanks and dashes; none is empty.
fn pieces(text: &str) -> Vec<Vec<char>> {
    let hyphens = has_hyphens(text);
    let mut groups = Vec::new();
    for piece in text.split(alphabet::is_dash) {
        let piece: Vec<char> = piece.chars().filter(|typed| !alphabet::is_blank(*typed)).collect();
        // Between hyphens, twice as many symbols or more are groups whose hyphens were not typed.
        if hyphens && piece.len() < 2 * GROUP_SYMBOLS {
            groups.extend((!piece.is_empty()).then_some(piece));
        } else {
            groups.extend(by_sixes(&piece).map(<[char]>::to_vec));
        }
    }
    groups
}

fn has_hyphens(text: &str) -> bool {
    text.contains(alphabet::is_dash)
}

fn by_sixes(typed: &[char]) -> impl Iterator<Item = &[char]> {
    typed.chunks(GROUP_SYMBOLS)
}

/// A group with the number that it has in one reading.
#[derive(Clone, Copy)]
struct Numbered {
    number: usize,
    symbols: Read,
}

impl Numbered {
    /// The header for which the group is right, if there is one.
    fn header(&self) -> Option<u8> {
        let symbols = self.symbols.as_ref().ok()?;
        let header = group::header(self.number, *symbols);
        (self.number != 1 || header == symbols[0]).then_some(header)
    }

    fn judge(&self, header: u8) -> Option<WrongGroup> {
        let cause = match self.symbols {
            Err(cause) => cause,
            Ok(_) if self.header() == Some(header) => return None,
            Ok(_) => Cause::Check,
        };
        Some(WrongGroup { number: self.number, cause })
    }
}

/// One way to understand what was typed.
struct Reading {
    groups: Vec<Numbered>,
    /// The slip that is assumed, with the number of groups before it.
    slip: Option<(usize, WrongGroup)>,
}

impl Reading {
    /// Every slip that may have happened to the group `at`, counted from 0.
    fn with_slip_at(typed: &Typed, at: usize) -> Vec<Self> {
        let (before, after) = typed.groups.split_at(at);
        let number = at + 1;
        let slip = |cause, after: &[Read], first| Self {
            groups: numbered(before, 1).chain(numbered(after, first)).collect(),
            slip: Some((at, WrongGroup { number, cause })),
        };
        let moved = typed.shifted.iter().filter_map(|(found, groups)| {
            Some(slip(Cause::Length { found: *found }, groups.get(at..)?, number + 1))
        });
        // Of two groups that are the same the second one is too many.
        let extra = (after.get(1) != Some(&after[0])).then(|| slip(Cause::Extra, &after[1..], number));
        let whole = [Some(slip(Cause::LeftOut, after, number + 1)), extra].into_iter().flatten();
        whole.chain(moved).collect()
    }

    /// What the first symbol says: that for which more than half of the groups are right, else that of the first group
    /// if it is right.
    fn said(&self) -> Option<u8> {
        let (header, right) = self.most();
        let first = || self.groups.first().filter(|group| group.number == 1).and_then(Numbered::header);
        if right * 2 > self.groups.len() { Some(header) } else { first() }
    }

    /// The header for which most groups are right, the least of several, and how many are.
    fn most(&self) -> (u8, usize) {
        let mut right = [0; 32];
        for header in self.groups.iter().filter_map(Numbered::header) {
            right[usize::from(header)] += 1;
        }
        let most = (0..32).zip(right).rev();
        most.max_by_key(|(_, right)| *right).expect("there are 32 headers")
    }

    /// Judges the groups by what the first symbol says, else by what was asked for, else by what most are right for.
    fn judge(&self, asked: Option<Kind>) -> Verdict {
        let said = self.said();
        let header = said.or(asked.map(Kind::header)).unwrap_or_else(|| self.most().0);
        let slip_at = self.slip.map_or(self.groups.len(), |(before, _)| before);
        let (before, after) = self.groups.split_at(slip_at);
        let wrong = |groups: &[Numbered]| -> Vec<_> {
            groups.iter().filter_map(|group| group.judge(header)).collect()
        };
        let slip = self.slip.iter().map(|(_, slip)| *slip).collect();
        Verdict { said, wrong: [wrong(before), slip, wrong(after)].concat() }
    }
}

fn numbered(groups: &[Read], first: usize) -> impl Iterator<Item = Numbered> {
    groups.iter().zip(first..).map(|(symbols, number)| Numbered { number, symbols: *symbols })
}
