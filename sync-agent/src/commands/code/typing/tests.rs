//! Codes as they stand on a command line or in a file.

use schemas::typed::Lines;

use super::*;
use crate::commands::code::sample;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn refused(kind: Kind, text: &str) -> (Code, String) {
    let refusal = parse(kind, &words(text)).expect_err("it is wrong");
    (refusal.code(), refusal.detail().to_owned())
}

#[test]
fn a_code_is_taken_in_one_argument_or_in_many_with_and_without_hyphens() {
    let code = sample(Kind::Unlock, 24);
    let text = code.to_string();
    let ways = [text.clone(), text.replace('-', " "), text.replace('-', ""), text.to_lowercase()];
    for way in ways.iter().chain([&Lines(&code).to_string()]) {
        assert_eq!(parse(Kind::Unlock, &words(way)).as_ref(), Ok(&code), "{way}");
        assert_eq!(parse(Kind::Unlock, std::slice::from_ref(way)).as_ref(), Ok(&code), "{way}");
    }
}

#[test]
fn every_group_that_is_wrong_is_named_by_its_number() {
    let code = sample(Kind::Unlock, 24);
    let mut groups: Vec<String> = code.to_string().split('-').map(str::to_owned).collect();
    groups[6] = "ZZZZZZ".to_owned();
    groups[18] = "UUUUUU".to_owned();
    let (refusal, detail) = refused(Kind::Unlock, &groups.join(" "));
    assert_eq!(refusal, Code::CodeGroupWrong);
    for (number, is_named) in [(6, false), (7, true), (8, false), (19, true)] {
        assert_eq!(detail.contains(&format!("group {number} ")), is_named, "{detail}");
    }
}

#[test]
fn refusals_have_the_code_of_what_is_wrong() {
    let request = sample(Kind::Request, 14).to_string();
    assert_eq!(refused(Kind::Unlock, &request).0, Code::CodeKind);
    assert_eq!(refused(Kind::Request, "").0, Code::CodeLength);
    assert_eq!(refused(Kind::Request, "U00000").0, Code::CodeSymbol);
    assert_eq!(refused(Kind::Request, &request.replace('-', "").repeat(12)).0, Code::CodeLength);
}
