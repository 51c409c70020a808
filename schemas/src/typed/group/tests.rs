//! What a group tells of every mistake that is seen for certain, of every kind and in every place.

use super::*;
use crate::limits;

/// Every kind with every number up to 64.
fn places() -> impl Iterator<Item = (Kind, usize)> {
    Kind::ALL.iter().flat_map(|kind| (1..=64).map(move |number| (*kind, number)))
}

/// A right group that has the given values at the given places, two of them at most, if there is one.
fn right((kind, number): (Kind, usize), given: &[(usize, u8)]) -> Option<Symbols> {
    let mut symbols = [7, 11, 29, 2, 23, 0];
    if number == 1 {
        symbols[0] = kind.header();
    }
    for (place, value) in given.iter().copied().filter(|(place, _)| *place < GROUP_DATA) {
        symbols[place] = value;
    }
    let is_given = |place: usize| given.iter().any(|(at, _)| *at == place);
    let free = (1..GROUP_DATA).find(|place| !is_given(*place)).expect("two are given at most");
    // Of the 32 values of any symbol each makes another check symbol.
    (0..32).find_map(|value| {
        if is_given(GROUP_DATA) {
            symbols[free] = value;
        }
        symbols[GROUP_DATA] = kind.header() ^ place(number) ^ weighted(&symbols[..GROUP_DATA]);
        let is_as_given = given.iter().all(|(place, value)| symbols[*place] == *value);
        (is_as_given && (number != 1 || symbols[0] == kind.header())).then_some(symbols)
    })
}

/// Any two places in a group.
fn places_of_two() -> impl Iterator<Item = (usize, usize)> {
    (0..GROUP_SYMBOLS).flat_map(|one| (one + 1..GROUP_SYMBOLS).map(move |other| (one, other)))
}

fn text(symbols: Symbols) -> String {
    symbols.iter().map(|value| alphabet::symbol(*value)).collect()
}

fn judged((kind, number): (Kind, usize), symbols: Symbols) -> Option<Cause> {
    Group::check(Some(kind), number, &text(symbols)).err().map(|wrong| wrong.cause)
}

#[test]
fn every_single_wrong_symbol_is_seen() {
    let mut tried = 0;
    for at in places() {
        for (place, value) in (0..GROUP_SYMBOLS).flat_map(|place| (0..32).map(move |value| (place, value))) {
            let Some(sound) = right(at, &[(place, value)]) else { continue };
            assert_eq!((judged(at, sound), sound[place]), (None, value));
            for wrong in (0..32).filter(|wrong| *wrong != value) {
                let mut typed = sound;
                typed[place] = wrong;
                assert_eq!(judged(at, typed), Some(Cause::Check), "{at:?} {}", text(typed));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 3 * 31 * (63 * 6 * 32 + 5 * 32 + 1));
}

#[test]
fn every_exchange_of_two_symbols_and_every_twin_is_seen() {
    let mut tried = 0;
    let values: Vec<_> = (0..32).flat_map(|a| (0..32).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
    for (at, (one, other)) in places().flat_map(|at| places_of_two().map(move |two| (at, two))) {
        for (a, b) in values.iter().copied() {
            if let Some(mut typed) = right(at, &[(one, a), (other, b)]) {
                assert_eq!((judged(at, typed), typed[one], typed[other]), (None, a, b));
                typed.swap(one, other);
                assert_eq!(judged(at, typed), Some(Cause::Check), "{at:?} {}", text(typed));
                tried += 1;
            }
            // aa typed as bb.
            if let Some(mut typed) = right(at, &[(one, a), (other, a)]) {
                assert_eq!((judged(at, typed), typed[one], typed[other]), (None, a, a));
                (typed[one], typed[other]) = (b, b);
                assert_eq!(judged(at, typed), Some(Cause::Check), "{at:?} {}", text(typed));
            }
        }
    }
    assert_eq!(tried, 3 * 31 * (63 * 15 * 32 + 10 * 32 + 5));
}

#[test]
fn a_group_is_right_for_one_kind_and_one_of_32_places() {
    let last = limits::CODE_GROUPS;
    for (number, typed_as) in (2..=last).flat_map(|number| (1..=last).map(move |typed_as| (number, typed_as)))
    {
        let sound = right((Kind::Unlock, number), &[(0, Kind::Unlock.header())]).expect("any first symbol");
        let fits = (typed_as % 32 == number % 32).then_some(Group::of(sound));
        assert_eq!(Group::check(Some(Kind::Unlock), typed_as, &text(sound)).ok(), fits);
    }
    for (kind, number) in places() {
        let sound = right((kind, number), &[]).expect("nothing is asked for");
        for asked in Kind::ALL {
            let right = judged((*asked, number), sound).is_none();
            assert_eq!(right, *asked == kind);
        }
        assert_eq!(Group::check(None, number, &text(sound)), Ok(Group::of(sound)));
    }
}

#[test]
fn two_wrong_symbols_are_seen_but_for_one_pair_in_31() {
    let sound = right((Kind::Request, 2), &[]).expect("nothing is asked for");
    for (one, other) in places_of_two() {
        let changes = (1..32).flat_map(|a| (1..32).map(move |b| (a, b)));
        let passed = changes.filter(|(a, b)| {
            let mut typed = sound;
            typed[one] ^= a;
            typed[other] ^= b;
            judged((Kind::Request, 2), typed).is_none()
        });
        assert_eq!(passed.count(), 31);
    }
}

#[test]
fn the_first_group_of_another_code_says_which_it_is() {
    let sound = right((Kind::Return, 1), &[]).expect("nothing is asked for");
    let other = WrongKind::Other { asked: Kind::Request, found: Kind::Return };
    assert_eq!(judged((Kind::Request, 1), sound), Some(Cause::Kind(other)));
}

#[test]
fn a_group_is_judged_as_far_as_it_is_typed() {
    let sound = text(right((Kind::Request, 2), &[]).expect("nothing is asked for"));
    for found in 0..GROUP_SYMBOLS {
        let wrong = WrongGroup { number: 2, cause: Cause::Length { found } };
        assert_eq!(Group::check(None, 2, &sound[..found]), Err(wrong));
    }
    assert!(Group::check(None, 2, &format!(" {}-", sound.to_lowercase())).is_ok());
    let mut foreign = sound;
    foreign.insert(2, '*');
    let wrong = WrongGroup { number: 2, cause: Cause::Symbol { place: 3, found: '*' } };
    assert_eq!(Group::check(None, 2, &foreign), Err(wrong));
}

#[test]
fn groups_that_follow_each_other_are_told_by_the_first_and_the_last() {
    let told = told(&[1, 4, 5, 6, 9].map(|number| WrongGroup { number, cause: Cause::Check }));
    let digits: String = told.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits, "1469", "{told}");
}
