//! Whole codes: as they are written, as people type them, and with what goes wrong on the way.

use proptest::prelude::*;

use super::*;

mod messages;

/// Any code: a kind and fields that fill some groups.
fn code() -> impl Strategy<Value = TypedCode> {
    (prop::sample::select(Kind::ALL), prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(kind, bytes)| {
        let mut writer = BitWriter::new(kind);
        writer.bytes(&bytes);
        writer.finish()
    })
}

/// A code of `groups` groups that a seed makes.
fn made(kind: Kind, groups: usize, random: &mut Random) -> TypedCode {
    let mut writer = BitWriter::new(kind);
    writer.uint(random.below(1 << 20), 20);
    (1..groups).for_each(|_| writer.uint(random.below(1 << 25), 25));
    writer.finish()
}

/// Numbers that a seed makes (splitmix64), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("below a usize")
    }
}

fn groups_of(code: &TypedCode) -> Vec<String> {
    code.to_string().split('-').map(str::to_owned).collect()
}

fn check(number: usize) -> WrongGroup {
    WrongGroup { number, cause: Cause::Check }
}

/// The groups that are named in what was typed.
fn named(asked: Option<Kind>, typed: &str) -> Vec<WrongGroup> {
    match TypedCode::read(asked, typed) {
        Err(ReadError::Groups(wrong)) => wrong,
        other => panic!("{typed}: {other:?}"),
    }
}

#[test]
fn what_was_typed_is_cut_and_written_as_a_code_is_and_not_judged() {
    let cut = |text: &str| cut(text).join(" ");
    assert_eq!(cut("8tq go5\n il0"), "8TQG05 110");
    assert_eq!(cut("8tqgos-il\u{2013}u--*"), "8TQG0S 11 u *");
    assert_eq!(cut("000000111111-222222"), "000000 111111 222222");
    assert_eq!(cut("00000001-2"), "00000001 2");
    assert_eq!(cut(" - \u{feff}"), "");
}

proptest! {
    #[test]
    fn a_code_reads_back_as_it_was_written(code in code()) {
        let text = code.to_string();
        prop_assert!(text.split('-').all(|group| group.len() == GROUP_SYMBOLS));
        prop_assert_eq!(text.split('-').count(), code.groups());
        prop_assert_eq!(TypedCode::read(Some(code.kind()), &text), Ok(code.clone()));
        prop_assert_eq!(TypedCode::read(None, &text), Ok(code));
    }

    #[test]
    fn a_code_reads_back_however_it_is_typed(
        code in code(),
        ways in prop::collection::vec((0..6_u8, any::<bool>()), 2_100),
        dash in prop::sample::select(vec!["-", "", " ", "\r\n", " - ", "\u{2013}", "--", "\u{2011}\n", "\u{ad}-"]),
    ) {
        let mut typed = String::from("\u{feff}\n ");
        for (symbol, (way, small)) in code.to_string().chars().zip(ways) {
            let symbol = match (symbol, way) {
                ('0', 0..3) => 'O',
                ('1', 0..2) => 'I',
                ('1', 2..4) => 'L',
                (symbol, _) => symbol,
            };
            match symbol {
                '-' => typed.push_str(dash),
                symbol if small => typed.push(symbol.to_ascii_lowercase()),
                symbol => typed.push(symbol),
            }
            if way == 5 {
                typed.push(' ');
            }
        }
        prop_assert_eq!(TypedCode::read(None, &typed), Ok(code));
    }

    #[test]
    fn whatever_is_typed_is_a_code_or_is_refused(text in ".{0,200}", kind in prop::option::of(prop::sample::select(Kind::ALL))) {
        match TypedCode::read(kind, &text) {
            Ok(code) => prop_assert_eq!(TypedCode::read(kind, &code.to_string()), Ok(code)),
            Err(ReadError::Groups(wrong)) => prop_assert!(!wrong.is_empty()),
            Err(_) => {}
        }
    }

    #[test]
    fn a_group_that_is_judged_alone_is_judged_as_in_its_code(code in code(), at in any::<prop::sample::Index>(), text in "[0-9A-Z]{6}") {
        let mut groups = groups_of(&code);
        let at = at.index(groups.len());
        groups[at].clone_from(&text);
        let alone = Group::check(Some(code.kind()), at + 1, &text);
        // Of two groups one that is wrong is half, and the other may be the first.
        if groups.len() > 2 {
            match TypedCode::read(Some(code.kind()), &groups.join("-")) {
                Ok(_) => prop_assert!(alone.is_ok()),
                Err(ReadError::Groups(wrong)) => match alone {
                    Err(WrongGroup { number, cause: Cause::Kind(_) }) => prop_assert_eq!(wrong, vec![check(number)]),
                    alone => prop_assert_eq!(Vec::from_iter(alone.err()), wrong),
                },
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}

#[test]
fn every_change_of_one_symbol_in_some_groups_names_just_those() {
    let mut random = Random(1);
    for _ in 0..20_000 {
        let kind = Kind::ALL[random.index(Kind::ALL.len())];
        let groups = 4 + random.index(40);
        let mut typed = groups_of(&made(kind, groups, &mut random));
        // Fewer than half, so that the others tell the kind where the first one does not.
        let mut changed: Vec<usize> = (0..=random.index(groups / 3)).map(|_| random.index(groups)).collect();
        changed.sort_unstable();
        changed.dedup();
        for at in &changed {
            typed[*at] = changed_group(&typed[*at], &mut random);
        }
        let expected: Vec<_> = changed.iter().map(|at| check(at + 1)).collect();
        let asked = [None, Some(kind), Some(Kind::Unlock)][random.index(3)].filter(|asked| *asked == kind);
        for text in [typed.join("-"), typed.concat()] {
            assert_eq!(named(asked, &text), expected, "{text}");
        }
    }
}

/// The group with one symbol replaced or two different ones exchanged.
fn changed_group(group: &str, random: &mut Random) -> String {
    let mut symbols: Vec<char> = group.chars().collect();
    let (one, other) = (random.index(symbols.len()), random.index(symbols.len()));
    if symbols[one] == symbols[other] {
        let others: Vec<char> =
            (0..32).map(alphabet::symbol).filter(|symbol| *symbol != symbols[one]).collect();
        symbols[one] = others[random.index(others.len())];
    } else {
        symbols.swap(one, other);
    }
    symbols.into_iter().collect()
}

#[test]
fn exchanged_groups_are_named_unless_their_places_are_32_apart() {
    let code = made(Kind::Unlock, 80, &mut Random(2));
    let groups = groups_of(&code);
    for (one, other) in (0..80).flat_map(|one| (one + 1..80).map(move |other| (one, other))) {
        let mut typed = groups.clone();
        typed.swap(one, other);
        let read = TypedCode::read(Some(Kind::Unlock), &typed.join("-"));
        match other - one {
            32 | 64 if one > 0 => assert_ne!(read.expect("each is right by itself"), code),
            // The other one does not begin with the header.
            32 | 64 => assert_eq!(read, Err(ReadError::Groups(vec![check(1)]))),
            _ => assert_eq!(read, Err(ReadError::Groups(vec![check(one + 1), check(other + 1)]))),
        }
    }
}

#[test]
fn what_stands_first_by_mistake_does_not_pass_for_another_kind() {
    let mut random = Random(13);
    let mut passing = 0;
    for _ in 0..2_000 {
        let groups = groups_of(&made(Kind::Unlock, 5, &mut random));
        for other in 1..5 {
            let mut typed = groups.clone();
            typed.swap(0, other);
            passing += usize::from(!matches!(
                Group::check(None, 1, &typed[0]),
                Err(WrongGroup { cause: Cause::Check, .. })
            ));
            assert_eq!(named(Some(Kind::Unlock), &typed.join("-")), [check(1), check(other + 1)]);
        }
    }
    assert!(passing > 100, "{passing} were right by themselves");
}

#[test]
fn a_symbol_that_moves_over_a_hyphen_and_back_names_both_groups() {
    let code = made(Kind::Return, 20, &mut Random(3));
    let groups = groups_of(&code);
    let mut tried = 0;
    for at in 0..19 {
        let mut typed: Vec<char> = code.to_string().chars().collect();
        let last = at * 7 + 5;
        if typed[last] != typed[last + 2] {
            typed.swap(last, last + 2);
            assert_eq!(named(None, &String::from_iter(typed)), [check(at + 1), check(at + 2)], "{groups:?}");
            tried += 1;
        }
    }
    assert!(tried > 15);
}

#[test]
fn a_code_of_another_kind_says_which_it_is_even_if_groups_are_wrong() {
    let mut random = Random(4);
    for (asked, found) in
        Kind::ALL.iter().flat_map(|asked| Kind::ALL.iter().map(move |found| (*asked, *found)))
    {
        if asked == found {
            continue;
        }
        let mut typed = groups_of(&made(found, 14, &mut random));
        let error = ReadError::Kind(WrongKind::Other { asked, found });
        assert_eq!(error.code(), Code::CodeKind);
        let refused = Err(error);
        assert_eq!(TypedCode::read(Some(asked), &typed.join("-")), refused);
        for at in [0, 5, 6, 13] {
            typed[at] = changed_group(&typed[at], &mut random);
            assert_eq!(TypedCode::read(Some(asked), &typed.join(" ")), refused, "{at}");
        }
    }
}

#[test]
fn a_code_that_a_newer_program_wrote_is_told_as_such() {
    for header in (0..32).filter(|header| Kind::of_header(*header).is_none()) {
        let groups = [[header, 1, 2, 3, 4], [5, 6, 7, 8, 9], [31, 30, 29, 28, 27]];
        let text: Vec<_> =
            groups.iter().zip(1..).map(|(values, number)| group::written(header, number, values)).collect();
        let unknown = WrongKind::Unknown { kind: header >> 2, version: (header & 3) + 1 };
        for asked in [None, Some(Kind::Request)] {
            let read = TypedCode::read(asked, &text.join("-"));
            assert_eq!(read, Err(ReadError::Kind(unknown)));
            assert_eq!(read.expect_err("just seen").code(), Code::UnsupportedVersion);
            let alone = Group::check(asked, 1, &text[0]);
            assert_eq!(alone, Err(WrongGroup { number: 1, cause: Cause::Kind(unknown) }));
        }
    }
}

#[test]
fn every_wrong_group_is_named_with_what_is_wrong_with_it() {
    let code = made(Kind::Request, 9, &mut Random(5));
    let mut typed = groups_of(&code);
    typed[1].replace_range(3..4, "U");
    typed[2].pop();
    typed[4].push('7');
    typed[6] = changed_group(&typed[6], &mut Random(6));
    typed[8].replace_range(0..1, "\u{e9}");
    let wrong = named(Some(Kind::Request), &typed.join("-"));
    let causes = [
        (2, Cause::Symbol { place: 4, found: 'U' }),
        (3, Cause::Length { found: 5 }),
        (5, Cause::Length { found: 7 }),
        (7, Cause::Check),
        (9, Cause::Symbol { place: 1, found: '\u{e9}' }),
    ];
    assert_eq!(wrong, causes.map(|(number, cause)| WrongGroup { number, cause }));
    let codes: Vec<_> = wrong.iter().map(|group| group.cause.code()).collect();
    assert_eq!(codes[..2], [Code::CodeSymbol, Code::CodeGroupWrong]);
    assert_eq!(ReadError::Groups(wrong).code(), Code::CodeSymbol);
}

#[test]
fn no_character_is_taken_that_is_none_of_the_alphabet() {
    let text = made(Kind::Request, 3, &mut Random(7)).to_string();
    for foreign in
        ['U', 'u', '*', '.', '/', '_', '\u{e9}', '\u{131}', '\u{212a}', '\u{ff21}', '\u{661}', '\0']
    {
        let mut typed: Vec<char> = text.chars().collect();
        typed[9] = foreign;
        let wrong = WrongGroup { number: 2, cause: Cause::Symbol { place: 3, found: foreign } };
        assert_eq!(named(None, &String::from_iter(&typed)), [wrong]);
    }
}

#[test]
fn hyphens_end_groups_and_those_that_were_not_typed_are_not_missed() {
    let code = made(Kind::Return, 12, &mut Random(8));
    let groups = groups_of(&code);
    for hyphens in 0..1 << 11_u32 {
        let mut typed = groups[0].clone();
        for (at, group) in groups[1..].iter().enumerate() {
            typed.push_str(if hyphens >> at & 1 == 1 { "-" } else { "\n" });
            typed.push_str(group);
        }
        assert_eq!(TypedCode::read(None, &typed), Ok(code.clone()), "{typed}");
    }
    assert_eq!(TypedCode::read(None, &format!("-{code}- -")), Ok(code.clone()));
}

#[test]
fn one_slip_that_moves_all_that_follows_is_named_alone() {
    let groups = 24;
    let code = made(Kind::Unlock, groups, &mut Random(9));
    let sound = groups_of(&code);
    for at in 0..groups - 5 {
        let slip = |cause| vec![WrongGroup { number: at + 1, cause }];
        for (joined, asked) in [("-", None), ("-", Some(Kind::Unlock)), ("", Some(Kind::Unlock))] {
            let mut left_out = sound.clone();
            left_out.remove(at);
            assert_eq!(named(asked, &left_out.join(joined)), slip(Cause::LeftOut));
            let mut twice = sound.clone();
            twice.insert(at, sound[at + 3].clone());
            assert_eq!(named(asked, &twice.join(joined)), slip(Cause::Extra));
            twice[at].clone_from(&sound[at]);
            let second = WrongGroup { number: at + 2, cause: Cause::Extra };
            assert_eq!(named(asked, &twice.join(joined)), [second]);
        }
    }
}

#[test]
fn a_symbol_too_few_or_too_many_without_hyphens_names_its_group() {
    let sound = made(Kind::Unlock, 24, &mut Random(12)).to_string().replace('-', "");
    let mut alone = 0;
    for at in 0..19 * GROUP_SYMBOLS {
        for (typed, found) in [
            (format!("{}{}", &sound[..at], &sound[at + 1..]), 5),
            (format!("{}7{}", &sound[..at], &sound[at..]), 7),
        ] {
            let wrong = WrongGroup { number: at / GROUP_SYMBOLS + 1, cause: Cause::Length { found } };
            // Between two groups, and by chance, another slip explains what was typed as well.
            let told = named(None, &typed);
            assert!(told.contains(&wrong), "{at} {told:?}");
            assert!(told.iter().all(|group| group.cause == wrong.cause), "{at} {told:?}");
            alone += usize::from(told.len() == 1);
        }
    }
    assert!(alone > 180, "{alone}");
}

#[test]
fn a_slip_does_not_hide_another_group_that_is_wrong() {
    let mut random = Random(10);
    let code = made(Kind::Request, 30, &mut random);
    let mut typed = groups_of(&code);
    typed[3] = changed_group(&typed[3], &mut random);
    typed[20] = changed_group(&typed[20], &mut random);
    typed.remove(9);
    let left_out = WrongGroup { number: 10, cause: Cause::LeftOut };
    assert_eq!(named(Some(Kind::Request), &typed.join("-")), [check(4), left_out, check(21)]);
}

#[test]
fn a_slip_that_did_not_happen_is_told_in_fewer_than_2_of_1000_cases() {
    let mut random = Random(14);
    for wrong in 5..8 {
        let expected: Vec<_> = (16 - wrong..16).map(|at| check(at + 1)).collect();
        let slips = (0..5_000).filter(|_| {
            let mut typed = groups_of(&made(Kind::Unlock, 16, &mut random));
            for group in &mut typed[16 - wrong..] {
                *group = changed_group(group, &mut random);
            }
            named(Some(Kind::Unlock), &typed.concat()) != expected
        });
        let slips = slips.count();
        assert!(slips < 10, "{slips} with {wrong} wrong");
    }
}

#[test]
fn too_much_and_nothing_are_refused_by_their_length() {
    assert_eq!(TypedCode::read(None, " \n - "), Err(ReadError::Empty));
    assert_eq!(ReadError::Empty.code(), Code::CodeLength);
    let longest = made(Kind::Unlock, 160, &mut Random(11));
    assert_eq!(TypedCode::read(None, &longest.to_string()), Ok(longest.clone()));
    let longer = TypedCode::read(None, &format!("{longest}-0"));
    assert_eq!(longer, Err(ReadError::TooLong { groups: 161 }));
    assert_eq!(longer.expect_err("just seen").code(), Code::CodeLength);
}

#[test]
fn what_is_typed_at_random_says_nothing_of_its_kind_and_is_named() {
    assert_eq!(named(None, "hello"), [WrongGroup { number: 1, cause: Cause::Length { found: 5 } }]);
    assert_eq!(named(Some(Kind::Return), "000000-111111").len(), 2);
}
