//! What people do while they type a code.

use super::*;
use crate::commands::code::sample;
use schemas::typed::Lines;

fn unlock() -> TypedCode {
    sample(Kind::Unlock, 24)
}

fn groups_of(code: &TypedCode) -> Vec<String> {
    code.to_string().split('-').map(str::to_owned).collect()
}

fn new() -> Line {
    Line::new(Kind::Unlock)
}

fn type_in(line: &mut Line, text: &str) {
    for typed in text.chars() {
        assert_eq!(line.press(&Key::Typed(typed)), None);
    }
}

fn paste(line: &mut Line, text: &str) {
    assert_eq!(line.press(&Key::Pasted(text.to_owned())), None);
}

fn back(line: &mut Line, times: usize) {
    for _ in 0..times {
        assert_eq!(line.press(&Key::Back), None);
    }
}

fn enter(line: &mut Line) -> Option<TypedCode> {
    line.press(&Key::Enter)
}

/// Nothing is said against what stands, and it is this code.
fn ends_as(line: &mut Line, code: &TypedCode) {
    assert_eq!(line.note(), None);
    assert_eq!(enter(line).as_ref(), Some(code));
}

/// The numbers that are said.
fn named(line: &Line) -> Vec<usize> {
    let words: Vec<&str> = line.note().unwrap_or_default().split([' ', ':', ';', ',']).collect();
    let named = words.windows(2).filter(|pair| pair[0] == "group");
    named.filter_map(|pair| pair[1].parse().ok()).collect()
}

#[test]
fn a_code_that_is_typed_group_by_group_is_taken_at_enter() {
    let code = unlock();
    let mut line = new();
    for (group, number) in groups_of(&code).iter().zip(1..) {
        type_in(&mut line, group);
        assert_eq!((line.note(), line.at()), (None, number));
    }
    assert_eq!(enter(&mut line), Some(code));
}

#[test]
fn blanks_and_hyphens_between_groups_are_passed_over() {
    let code = unlock();
    for between in ["-", " ", " - ", "\u{2013}", "\t"] {
        let mut line = new();
        type_in(&mut line, &code.to_string().replace('-', between));
        ends_as(&mut line, &code);
    }
}

#[test]
fn what_was_understood_stands_in_capital_letters_with_zeros_and_ones() {
    let mut line = new();
    type_in(&mut line, "coil");
    assert_eq!(line.groups(), ["C011"]);
    let code = unlock();
    let mut line = new();
    type_in(&mut line, &code.to_string().to_lowercase().replace('0', "o").replace('1', "l"));
    assert_eq!(line.groups()[..24], groups_of(&code));
    assert_eq!(enter(&mut line), Some(code));
}

#[test]
fn a_wrong_group_is_named_at_once_and_it_alone_is_typed_again() {
    let code = unlock();
    let groups = groups_of(&code);
    let mut line = new();
    groups[..6].iter().for_each(|group| type_in(&mut line, group));
    let swapped: String = groups[6].chars().rev().collect();
    assert_ne!(swapped, groups[6]);
    type_in(&mut line, &swapped[..5]);
    assert_eq!(line.note(), None);
    type_in(&mut line, &swapped[5..]);
    assert_eq!((named(&line), line.at(), line.is_wrong(6)), (vec![7], 6, true));
    assert_eq!((&line.groups()[..6], &line.groups()[6]), (&groups[..6], &swapped));

    type_in(&mut line, &groups[6][..1]);
    assert_eq!((&line.groups()[6][..], line.note(), line.is_wrong(6)), (&groups[6][..1], None, false));
    type_in(&mut line, &groups[6][1..]);
    groups[7..].iter().for_each(|group| type_in(&mut line, group));
    assert_eq!(enter(&mut line), Some(code));
}

#[test]
fn a_wrong_group_can_be_mended_from_its_end() {
    let groups = groups_of(&unlock());
    let mut line = new();
    let last = groups[0].chars().last().expect("six symbols");
    let other = if last == '7' { '8' } else { '7' };
    type_in(&mut line, &groups[0][..5]);
    type_in(&mut line, &other.to_string());
    assert_eq!(named(&line), [1]);
    back(&mut line, 1);
    assert_eq!((line.groups(), line.note()), (&[groups[0][..5].to_owned()][..], None));
    type_in(&mut line, &last.to_string());
    assert_eq!((line.at(), line.note()), (1, None));
}

#[test]
fn backspace_goes_back_into_the_group_before() {
    let groups = groups_of(&unlock());
    let mut line = new();
    type_in(&mut line, &groups[..3].concat());
    assert_eq!(line.at(), 3);
    back(&mut line, 1);
    assert_eq!((line.at(), &line.groups()[2][..], line.groups().len()), (2, &groups[2][..5], 3));
    back(&mut line, 6);
    assert_eq!((line.at(), &line.groups()[1][..], line.groups().len()), (1, &groups[1][..5], 2));
    type_in(&mut line, &groups[1][5..]);
    assert_eq!((line.at(), line.note()), (2, None));
    back(&mut line, 100);
    assert_eq!((line.at(), line.groups()), (0, &[String::new()][..]));
    type_in(&mut line, &groups.concat());
    assert_eq!(enter(&mut line), Some(unlock()));
}

#[test]
fn a_character_that_no_code_has_is_named_and_not_taken() {
    let mut line = new();
    for foreign in ['u', 'U', '*', 'é', '１'] {
        type_in(&mut line, "c0");
        type_in(&mut line, &foreign.to_string());
        assert_eq!((named(&line), line.groups()), (vec![1], &["C0".to_owned()][..]));
        back(&mut line, 2);
    }
}

#[test]
fn a_hyphen_within_a_group_says_what_it_has() {
    let mut line = new();
    type_in(&mut line, "c00-");
    assert_eq!((named(&line), line.groups()), (vec![1], &["C00".to_owned()][..]));
}

#[test]
fn a_code_of_another_kind_is_told_at_its_first_group() {
    let request = sample(Kind::Request, 14);
    let mut line = new();
    type_in(&mut line, &groups_of(&request)[0]);
    let note = line.note().expect("it is told").to_owned();
    assert!(note.contains("request") && note.contains("unlock"), "{note}");
    paste(&mut line, &request.to_string());
    assert_eq!((named(&line), line.at()), (vec![1], 0));
    assert!(line.is_wrong(1), "every group of it is wrong here");
    assert_eq!(enter(&mut line), None);
    assert_eq!(named(&line), [1]);
}

#[test]
fn a_group_of_another_kind_is_wrong_in_any_place() {
    let (unlock, request) = (groups_of(&unlock()), groups_of(&sample(Kind::Request, 14)));
    let mut line = new();
    type_in(&mut line, &unlock[0]);
    type_in(&mut line, &request[1]);
    assert_eq!((named(&line), line.at()), (vec![2], 1));
}

#[test]
fn enter_says_what_is_missing() {
    let groups = groups_of(&unlock());
    let mut line = new();
    assert_eq!((enter(&mut line), line.note().is_some()), (None, true));
    type_in(&mut line, &groups[..3].concat());
    assert_eq!((enter(&mut line), named(&line)), (None, vec![4]));
    type_in(&mut line, &groups[3][..2]);
    assert_eq!((enter(&mut line), named(&line)), (None, vec![4]));
    type_in(&mut line, &groups[3][2..]);
    assert_eq!(line.note(), None);
    type_in(&mut line, &groups[4..].concat());
    assert_eq!(enter(&mut line), Some(unlock()));
}

#[test]
fn codes_of_every_kind_end_where_they_may_and_may_be_longer() {
    for (kind, groups) in [(Kind::Request, 14), (Kind::Unlock, 24), (Kind::Unlock, 27), (Kind::Return, 13)] {
        let code = sample(kind, groups);
        let mut line = Line::new(kind);
        type_in(&mut line, &code.to_string());
        assert_eq!(enter(&mut line), Some(code));
        let mut line = Line::new(kind);
        type_in(&mut line, &sample(kind, 12).to_string());
        assert_eq!((enter(&mut line), named(&line)), (None, vec![13]));
    }
}

#[test]
fn no_more_groups_are_taken_than_a_code_may_have() {
    let code = sample(Kind::Unlock, limits::CODE_GROUPS);
    let mut line = new();
    paste(&mut line, &code.to_string());
    assert_eq!((line.at(), line.note()), (limits::CODE_GROUPS, None));
    type_in(&mut line, "0");
    assert!(line.note().is_some());
    paste(&mut line, "0");
    assert!(line.note().is_some());
    assert_eq!(enter(&mut line), Some(code));
}

#[test]
fn a_whole_code_is_pasted_however_it_was_copied() {
    let code = unlock();
    let text = code.to_string();
    let copied =
        [text.clone(), text.replace('-', ""), text.replace('-', "\r\n"), Lines(&code).to_string() + "\n"];
    for copied in copied {
        let mut line = new();
        paste(&mut line, &copied);
        ends_as(&mut line, &code);
    }
}

#[test]
fn a_code_is_pasted_in_parts_and_typed_between_them() {
    let code = unlock();
    let groups = groups_of(&code);
    let lines: Vec<String> = Lines(&code).to_string().lines().map(str::to_owned).collect();
    let mut line = new();
    paste(&mut line, &lines[0]);
    paste(&mut line, &lines[1]);
    type_in(&mut line, &groups[10]);
    type_in(&mut line, &groups[11][..2]);
    paste(&mut line, &format!("{}-{}", &groups[11][2..], groups[12..].join("-")));
    ends_as(&mut line, &code);
}

#[test]
fn of_a_pasted_code_the_wrong_groups_are_named_one_by_one_and_the_others_stand() {
    let code = unlock();
    let groups = groups_of(&code);
    let mut typed = groups.clone();
    typed[6] = "ZZZZZZ".to_owned();
    typed[19] = "U00000".to_owned();
    let mut line = new();
    paste(&mut line, &typed.join("-"));
    assert_eq!((named(&line), line.at(), line.is_wrong(6), line.is_wrong(19)), (vec![7], 6, true, true));
    type_in(&mut line, &groups[6]);
    assert_eq!((named(&line), line.at()), (vec![20], 19));
    assert_eq!(enter(&mut line), None);
    paste(&mut line, &groups[19]);
    assert_eq!((line.note(), line.groups().len()), (None, 25));
    assert_eq!(enter(&mut line), Some(code));
}

#[test]
fn a_whole_code_that_is_pasted_again_takes_the_place_of_what_was_wrong() {
    let code = unlock();
    let mut typed = groups_of(&code);
    typed[6] = "ZZZZZZ".to_owned();
    let mut line = new();
    paste(&mut line, &typed.join("-"));
    paste(&mut line, &code.to_string());
    ends_as(&mut line, &code);
}

#[test]
fn backspace_from_a_wrong_group_in_the_middle_leaves_what_stands_after_it() {
    let code = unlock();
    let groups = groups_of(&code);
    let mut typed = groups.clone();
    typed[6] = "ZZZZZZ".to_owned();
    let mut line = new();
    paste(&mut line, &typed.join("-"));
    back(&mut line, 7);
    assert_eq!((line.at(), &line.groups()[5][..], &line.groups()[6][..]), (5, &groups[5][..5], ""));
    type_in(&mut line, &groups[5][5..]);
    assert_eq!((line.at(), named(&line)), (6, vec![7]));
    paste(&mut line, &groups[6]);
    ends_as(&mut line, &code);
}

#[test]
fn a_group_that_was_left_out_of_a_paste_is_asked_for_alone() {
    let code = unlock();
    let groups = groups_of(&code);
    let mut typed = groups.clone();
    typed.remove(9);
    for between in ["-", ""] {
        let mut line = new();
        paste(&mut line, &typed.join(between));
        assert_eq!((named(&line), line.at(), line.groups().len()), (vec![10], 9, 24));
        assert_eq!(enter(&mut line), None);
        type_in(&mut line, &groups[9]);
        ends_as(&mut line, &code);
    }
}

#[test]
fn a_group_that_was_pasted_twice_is_named_and_the_others_stand() {
    let code = unlock();
    let mut typed = groups_of(&code);
    typed.insert(9, typed[3].clone());
    let mut line = new();
    paste(&mut line, &typed.join("-"));
    assert_eq!((named(&line), line.at()), (vec![10], 24));
    assert_eq!(enter(&mut line), Some(code));
}

#[test]
fn a_symbol_that_a_paste_lacks_costs_its_own_group_only() {
    let code = unlock();
    let groups = groups_of(&code);
    let mut text = groups.concat();
    text.remove(9 * GROUP_SYMBOLS + 2);
    let mut line = new();
    paste(&mut line, &text);
    assert_eq!((named(&line), line.at(), line.groups().len()), (vec![10], 9, 24));
    type_in(&mut line, &groups[9]);
    ends_as(&mut line, &code);
}

#[test]
fn whatever_is_pressed_the_groups_before_the_one_that_is_typed_are_right() {
    let code = unlock();
    let text = code.to_string();
    let keys = [
        Key::Typed('c'),
        Key::Typed('Z'),
        Key::Typed('-'),
        Key::Typed('*'),
        Key::Back,
        Key::Enter,
        Key::Pasted(text.clone()),
        Key::Pasted(text[..70].to_owned()),
        Key::Pasted(text[50..].replacen('0', "2", 3)),
        Key::Pasted(text.replacen('-', "", 9).replacen('1', "", 1)),
        Key::Pasted(text[35..].to_owned()),
        Key::Pasted("8-*- U".to_owned()),
        Key::Pasted("\n".to_owned()),
    ];
    let mut random = 1_usize;
    let mut line = new();
    let mut ended = 0;
    for _ in 0..4_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if let Some(code) = line.press(&keys[(random >> 33) % keys.len()]) {
            assert_eq!(code.kind(), Kind::Unlock);
            ended += 1;
        }
        assert!(line.groups().len() <= limits::CODE_GROUPS + 1 && line.at() < line.groups().len());
        assert!((0..line.at()).all(|at| line.judge(at).is_ok()), "{line:?}");
    }
    assert!(ended > 0);
}
