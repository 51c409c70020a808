//! Codes that were mistyped, kept, mixed up and forged: each is refused with its code, and neither side is any different
//! afterwards. Thousands of variants of real codes are read in this process, by the same rules as in the programs.

use std::collections::BTreeSet;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Chance, Lab, License};
use ledger::codes::request;
use ledger::keys::SecretKey;
use ledger::license_key::LicenseKey;
use schemas::ids::Signature;
use schemas::numbers::{Seq, Total};
use schemas::typed::{
    ChainReference, CodeMac, CodeUnits, Day, Kind, ReadError, ReturnCode, ReturnFields, TypedCode,
    UnlockCode, UnlockFields, UnlockState,
};

const STANDARD: &str = "--type subscription --valid 365d --max-activations 2 --quota render=1000/month \
                        --sync-every 30d --grace 7d";
const SYMBOLS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Metered features of the policy `standard`.
const METERED: usize = 1;

fn issued() -> (Lab, License) {
    let lab = Lab::with_either(STANDARD);
    let license = lab.issue();
    (lab, license)
}

/// A request, an unlock code and a return code of one device, which was activated and used 5 units.
fn genuine(lab: &Lab, license: &License) -> [(Kind, String); 3] {
    let asked = lab.request_code("dev1", license);
    let unlock = text(&lab.answer_code(&asked, license).done(), "code");
    lab.apply_code("dev1", &unlock).done();
    lab.device("dev1", "consume render 5").done();
    let told = lab.return_code("dev1");
    [(Kind::Request, asked), (Kind::Unlock, unlock), (Kind::Return, told)]
}

fn read(code: &str) -> TypedCode {
    TypedCode::read(None, code).expect("it was shown by a program")
}

/// Types a code where its kind is typed.
fn typed(lab: &Lab, license: &License, kind: Kind, code: &str) -> counterfoil_tests::Ran {
    match kind {
        Kind::Request => lab.answer_code(code, license),
        Kind::Unlock => lab.apply_code("dev1", code),
        Kind::Return => lab.take_code(code),
    }
}

/// Both sides as they are, to be compared.
fn both(lab: &Lab) -> impl PartialEq + std::fmt::Debug {
    (lab.vendor_picture(), lab.device_picture("dev1"))
}

/// The groups that are named of a code that was mistyped.
#[track_caller]
fn named(kind: Kind, mistyped: &str) -> BTreeSet<usize> {
    match TypedCode::read(Some(kind), mistyped) {
        Err(ReadError::Groups(wrong)) => wrong.iter().map(|group| group.number).collect(),
        other => panic!("{mistyped}: {other:?}"),
    }
}

/// A code by its symbols, without hyphens.
fn symbols(code: &str) -> Vec<char> {
    code.chars().filter(|symbol| *symbol != '-').collect()
}

fn joined(symbols: &[char]) -> String {
    symbols.chunks(6).map(|group| group.iter().collect()).collect::<Vec<String>>().join("-")
}

#[test]
fn every_wrong_symbol_of_a_real_code_is_named_by_its_group() {
    let (lab, license) = issued();
    for (kind, code) in genuine(&lab, &license) {
        let symbols = symbols(&code);
        let mut tried = 0;
        for at in 0..symbols.len() {
            for wrong in SYMBOLS.chars().filter(|wrong| *wrong != symbols[at]) {
                let mut mistyped = symbols.clone();
                mistyped[at] = wrong;
                assert_eq!(named(kind, &joined(&mistyped)), BTreeSet::from([at / 6 + 1]));
                tried += 1;
            }
        }
        assert_eq!(tried, symbols.len() * 31);
    }
}

#[test]
fn every_two_neighbours_of_a_real_code_that_are_exchanged_are_named_by_their_groups() {
    let (lab, license) = issued();
    for (kind, code) in genuine(&lab, &license) {
        let symbols = symbols(&code);
        for at in 1..symbols.len() {
            if symbols[at - 1] == symbols[at] {
                continue;
            }
            let mut mistyped = symbols.clone();
            mistyped.swap(at - 1, at);
            assert_eq!(named(kind, &joined(&mistyped)), BTreeSet::from([(at - 1) / 6 + 1, at / 6 + 1]));
        }
    }
}

#[test]
fn every_two_groups_of_a_real_code_that_are_exchanged_are_named() {
    let (lab, license) = issued();
    for (kind, code) in genuine(&lab, &license) {
        let groups: Vec<&str> = code.split('-').collect();
        for one in 0..groups.len() {
            for other in one + 1..groups.len() {
                let mut mistyped = groups.clone();
                mistyped.swap(one, other);
                assert_eq!(named(kind, &mistyped.join("-")), BTreeSet::from([one + 1, other + 1]));
            }
        }
    }
}

/// The same once through each program, which name the groups as well.
#[test]
fn what_was_mistyped_is_refused_by_both_programs_and_changes_nothing() {
    let (lab, license) = issued();
    let genuine = genuine(&lab, &license);
    let before = both(&lab);
    for (kind, code) in &genuine {
        let symbols = symbols(code);
        let mistyped = |change: &dyn Fn(&mut Vec<char>)| {
            let mut symbols = symbols.clone();
            change(&mut symbols);
            joined(&symbols)
        };
        let at = (12..17).find(|at| symbols[*at] != symbols[at + 1]).expect("not all are the same");
        let wrong = SYMBOLS.chars().find(|symbol| *symbol != symbols[20]).expect("there are others");
        let cases = [
            (mistyped(&|symbols| symbols[20] = wrong), "group 4 ", "code_group_wrong"),
            (mistyped(&|symbols| symbols.swap(at, at + 1)), "group ", "code_group_wrong"),
            (
                mistyped(&|symbols| (0..6).for_each(|at| symbols.swap(6 + at, 30 + at))),
                "group 2 ",
                "code_group_wrong",
            ),
            (mistyped(&|symbols| symbols[8] = 'U'), "group 2 ", "code_symbol"),
            (mistyped(&|symbols| symbols.truncate(symbols.len() - 1)), "group ", "code_group_wrong"),
            (mistyped(&|symbols| symbols.truncate(30)), "", "code_length"),
        ];
        for (mistyped, group, refused) in cases {
            // A code that ends too soon may end where a field does, and is then none that was shown.
            let ran = typed(&lab, &license, *kind, &mistyped);
            let said = text(&ran.json(), "code");
            let exit = if said == "code_mismatch" { 5 } else { 2 };
            let refusal = ran.refused(exit, &said);
            assert!(said == refused || refused == "code_length" && exit == 5, "{kind}: {refusal:#}");
            assert!(text(&refusal, "detail").contains(group), "{kind} {mistyped}: {refusal:#}");
        }
        for other in Kind::ALL.iter().filter(|other| *other != kind) {
            typed(&lab, &license, *other, code).refused(2, "code_kind");
        }
        typed(&lab, &license, *kind, "''").refused(2, "code_length");
    }
    assert_eq!(both(&lab), before);
}

/// Groups that are right, and were not all shown together.
#[test]
fn groups_of_two_codes_make_no_third() {
    let (lab, license) = issued();
    let [_, (_, unlock), (_, told)] = genuine(&lab, &license);
    let later = lab.take_code(&told).done();
    lab.apply_code("dev1", &text(&later, "code")).done();
    lab.device("dev1", "consume render 1").done();
    let pairs = [(Kind::Unlock, unlock, text(&later, "code")), (Kind::Return, told, lab.return_code("dev1"))];
    let before = both(&lab);
    for (kind, one, other) in pairs {
        let [one, other] = [&one, &other].map(|code| code.split('-').collect::<Vec<&str>>());
        let mut tried = 0;
        for cut in 1..one.len() {
            let mixed = [&one[..cut], &other[cut..]].concat();
            if mixed == one || mixed == other {
                continue;
            }
            let mixed = mixed.join("-");
            assert!(TypedCode::read(Some(kind), &mixed).is_ok(), "each group is right");
            let ran = typed(&lab, &license, kind, &mixed);
            let (exit, code) = (ran.exit(), text(&ran.json(), "code"));
            assert!(
                [(Some(5), "code_mismatch"), (Some(2), "code_length")].contains(&(exit, code.as_str())),
                "{ran:?}"
            );
            tried += 1;
        }
        assert!(tried > 8, "{tried}");
    }
    assert_eq!(both(&lab), before);
}

#[test]
fn an_unlock_code_is_of_use_for_one_device_licence_key_and_pack_only() {
    let (lab, license) = issued();
    let [_, (_, unlock), _] = genuine(&lab, &license);
    // Another device of the licence, and a record of this one under another key.
    lab.request_code("dev2", &license);
    lab.apply_code("dev2", &unlock).refused(5, "code_mismatch");
    let other = lab.issue();
    lab.request_code("dev3", &other);
    lab.apply_code("dev3", &unlock).refused(5, "code_mismatch");
    lab.activate_by_code("dev3", &other);
    lab.apply_code("dev3", &unlock).refused(5, "code_mismatch");
    // An answer for the old pack, when the application has a new one and asked by that.
    let answered = lab.take_code(&lab.return_code("dev1")).done();
    let for_old_pack = text(&answered, "code");
    lab.vendor("product pack studio -o new.cfpack").done();
    let new = |line: &str| lab.device("dev1", &format!("--pack new.cfpack {line}"));
    new(&format!("activate --license-key {} --code", license.key)).done();
    let before = both(&lab);
    new(&format!("apply --code {for_old_pack}")).refused(4, "code_other_pack");
    lab.apply_code("dev1", &for_old_pack).refused(4, "code_answered_earlier");
    assert_eq!(both(&lab), before);
}

#[test]
fn a_request_is_taken_with_its_own_licence_key_and_a_pack_of_this_home_only() {
    let (lab, license) = issued();
    let other = lab.issue();
    let asked = lab.request_code("dev1", &license);
    let device = SecretKey::from_seed(&[42; 32]).public();
    let key = LicenseKey::parse(&license.key).expect("a key that was issued");
    let unpublished = request::write(&device, 3, &[], &key).expect("fits").to_string();
    let before = both(&lab);
    lab.answer_code(&asked, &other).refused(4, "code_other_key");
    lab.answer_code(&unpublished, &license).refused(3, "code_pack_unknown");
    lab.vendor(&format!("code answer {asked} --license-key {}", &license.key[..20]))
        .refused(2, "license_key_mistyped");
    assert_eq!(both(&lab), before);
    lab.answer_code(&asked, &license).done();
}

#[test]
fn an_unlock_code_that_was_kept_gives_nothing_again() {
    let (lab, license) = issued();
    let asked = lab.request_code("dev1", &license);
    let first = text(&lab.answer_code(&asked, &license).done(), "code");
    lab.apply_code("dev1", &first).done();
    lab.device("dev1", "consume render 400").done();
    let before = lab.device_picture("dev1");
    let again = lab.apply_code("dev1", &first).done();
    assert_eq!(again["changes"].as_array().map(Vec::len), Some(0));
    assert_eq!(lab.device_picture("dev1"), before);
    assert_eq!(number(&lab.device("dev1", "check render").done(), "remaining"), 100);

    let (answered, _) = lab.sync_by_code("dev1");
    let second = text(&answered, "code");
    let before = lab.device_picture("dev1");
    lab.apply_code("dev1", &first).refused(4, "code_answered_earlier");
    lab.apply_code("dev1", &second).done();
    assert_eq!(lab.device_picture("dev1"), before);

    // The request is shown again, so that its first answer answers what was shown last: it is older than what was applied.
    assert_eq!(lab.request_code("dev1", &license), asked);
    let before = lab.device_picture("dev1");
    lab.apply_code("dev1", &first).refused(4, "superseded");
    assert_eq!(lab.device_picture("dev1"), before);
    lab.answer_code(&asked, &license).refused(4, "code_stale");

    // An answer that is kept, until the licence is given back.
    let kept = text(&lab.take_code(&lab.return_code("dev1")).done(), "code");
    let closing = text(&lab.device("dev1", "deactivate --code").done(), "code");
    let before = lab.device_picture("dev1");
    for code in [&first, &kept] {
        lab.apply_code("dev1", code).refused(4, "code_answered_earlier");
    }
    assert_eq!(lab.apply_code("dev1", &second).done()["state"], "deactivated");
    assert_eq!(lab.device_picture("dev1"), before);
    lab.device("dev1", "check render").refused_by_check("deactivated");
    let receipt = text(&lab.take_code(&closing).done(), "code");
    lab.apply_code("dev1", &receipt).done();
    let before = lab.device_picture("dev1");
    for code in [&first, &kept, &second] {
        assert_ne!(lab.apply_code("dev1", code).exit(), Some(0));
    }
    assert_eq!(lab.device_picture("dev1"), before);

    // Installed again: a record with a key of its own.
    let asked = lab.request_code("dev1", &license);
    let before = lab.device_picture("dev1");
    for code in [&first, &kept, &second, &receipt] {
        lab.apply_code("dev1", code).refused(5, "code_mismatch");
    }
    assert_eq!(lab.device_picture("dev1"), before);
    let unlock = text(&lab.answer_code(&asked, &license).done(), "code");
    assert_eq!(lab.apply_code("dev1", &unlock).done()["state"], "active");
}

#[test]
fn a_code_from_before_the_last_one_is_stale_at_the_vendor() {
    let (lab, license) = issued();
    let asked = lab.request_code("dev1", &license);
    let unlock = text(&lab.answer_code(&asked, &license).done(), "code");
    lab.apply_code("dev1", &unlock).done();
    let never_taken = lab.return_code("dev1");
    lab.device("dev1", "consume render 5").done();
    let first = lab.return_code("dev1");
    let unlock = text(&lab.take_code(&first).done(), "code");
    let before = lab.vendor_picture();
    lab.answer_code(&asked, &license).refused(4, "code_stale");
    lab.take_code(&never_taken).refused(4, "code_stale");
    assert_eq!(lab.vendor_picture(), before);
    lab.apply_code("dev1", &unlock).done();
    lab.device("dev1", "consume render 5").done();
    let second = lab.return_code("dev1");
    lab.take_code(&second).done();
    let before = lab.vendor_picture();
    for stale in [&never_taken, &first] {
        lab.take_code(stale).refused(4, "code_stale");
    }
    lab.answer_code(&asked, &license).refused(4, "code_stale");
    lab.vendor(&format!("code return {first} --policy 1 --valid 300")).refused(4, "code_stale");
    assert_eq!(lab.vendor_picture(), before);
    let closing = text(&lab.device("dev1", "deactivate --code").done(), "code");
    lab.take_code(&closing).done();
    let before = lab.vendor_picture();
    for stale in [&never_taken, &first, &second] {
        lab.take_code(stale).refused(4, "code_stale");
    }
    lab.answer_code(&asked, &license).refused(4, "code_stale");
    assert_eq!(lab.vendor_picture(), before, "nothing opens again what was given back");
}

#[test]
fn a_return_code_is_of_one_chain_and_nobody_elses() {
    let (lab, license) = issued();
    let [_, _, (_, told)] = genuine(&lab, &license);
    lab.activate_by_code("dev2", &license);
    let of_other = lab.return_code("dev2");
    let [own, other] =
        [&told, &of_other].map(|code| ReturnCode::read(&read(code), METERED).expect("as it was shown"));
    // What the one tells for the other, with either's MAC, and for a chain that nobody has.
    let forged = |fields: &ReturnFields, mac| fields.write(|_| mac).expect("fits").to_string();
    let renamed =
        ReturnFields { chain: other.fields.chain, applied: other.fields.applied, ..own.fields.clone() };
    let nobodys = ReturnFields { chain: ChainReference([7; 5]), ..own.fields.clone() };
    let strangers = Lab::with_either(STANDARD);
    let before = both(&lab);
    for forged in [forged(&renamed, own.mac), forged(&renamed, other.mac), forged(&other.fields, own.mac)] {
        lab.take_code(&forged).refused(5, "code_mismatch");
    }
    lab.take_code(&forged(&nobodys, own.mac)).refused(3, "code_chain_unknown");
    strangers.take_code(&told).refused(3, "code_chain_unknown");
    assert_eq!(both(&lab), before);
}

/// What a person who knows the rules of groups makes of a code, with its check symbols right.
#[test]
fn what_an_unlock_code_says_cannot_be_changed() {
    let (lab, license) = issued();
    let asked = lab.request_code("dev1", &license);
    let unlock = text(&lab.answer_code(&asked, &license).done(), "code");
    let parts = UnlockCode::read_by_length(&read(&unlock)).expect("as it was shown");
    let fields = &parts.fields;
    let before = both(&lab);
    let forged_as = |what: &str, change: &dyn Fn(&mut UnlockFields)| {
        let mut fields = fields.clone();
        change(&mut fields);
        assert_ne!(fields, parts.fields, "{what}");
        let forged = fields.write(|_| parts.signature).expect("fits").to_string();
        lab.apply_code("dev1", &forged).refused(5, "code_mismatch");
    };
    let later = Day::from_number(u64::from(fields.issued.number()) + 30).expect("in range");
    let units = CodeUnits::at_most(Total::new(1_000_000).expect("in range"));
    forged_as("place", &|it| it.place.seq.0 += 1);
    forged_as("epoch", &|it| it.place.epoch.0 += 1);
    forged_as("state", &|it| it.state = UnlockState::Frozen);
    forged_as("policy", &|it| it.policy = 2);
    forged_as("day", &|it| it.issued = later);
    forged_as("start", &|it| it.since_start_days += 1);
    forged_as("end", &|it| it.to_end_days = None);
    forged_as("check-in", &|it| it.to_check_in_days = None);
    forged_as("units", &|it| it.quotas[0].units = units);
    forged_as("following", &|it| it.quotas[0].following = !it.quotas[0].following);
    forged_as("quotas", &|it| it.quotas.clear());
    let mut chance = Chance::new();
    for _ in 0..10 {
        let guessed = std::array::from_fn(|_| chance.number().to_le_bytes()[0]);
        let forged = fields.write(|_| Signature(guessed)).expect("fits").to_string();
        lab.apply_code("dev1", &forged).refused(5, "code_mismatch");
    }
    assert_eq!(both(&lab), before);
    assert_eq!(lab.apply_code("dev1", &unlock).done()["state"], "active");
}

#[test]
fn a_hundred_guessed_macs_are_a_hundred_refusals() {
    let (lab, license) = issued();
    let [_, _, (_, told)] = genuine(&lab, &license);
    let ReturnCode { fields, mac, .. } = ReturnCode::read(&read(&told), METERED).expect("as it was shown");
    let before = both(&lab);
    let mut chance = Chance::new();
    for _ in 0..100 {
        let guessed = CodeMac(std::array::from_fn(|_| chance.number().to_le_bytes()[0]));
        let forged = fields.write(|_| guessed).expect("fits").to_string();
        lab.take_code(&forged).refused(5, "code_mismatch");
    }
    let changes: [fn(&mut ReturnFields); 6] = [
        |it| it.closing = true,
        |it| it.seq = Seq(it.seq.0 + 1),
        |it| it.used = vec![Total::ZERO],
        |it| it.day = Day::from_number(u64::from(it.day.number()) - 1).expect("in range"),
        |it| it.link.0[0] ^= 1,
        |it| it.applied = None,
    ];
    for change in changes {
        let mut fields = fields.clone();
        change(&mut fields);
        let ran = lab.take_code(&fields.write(|_| mac).expect("fits").to_string());
        let said = text(&ran.json(), "code");
        assert!(["code_mismatch", "code_length", "code_chain_unknown"].contains(&said.as_str()), "{ran:?}");
        assert_ne!(ran.exit(), Some(0));
    }
    assert_eq!(both(&lab), before);
    lab.take_code(&told).done();
}
