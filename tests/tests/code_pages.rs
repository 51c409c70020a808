//! Codes that are typed, by the forms of the portal and of the operators' pages: what is read, what is answered, what is named
//! as wrong, and how often it may be tried.

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::portal::Page;
use counterfoil_tests::{Lab, License, Served};
use ledger::codes::request;
use ledger::keys::SecretKey;
use ledger::license_key::{KeySecret, LicenseKey};
use schemas::typed::{CodeMac, Kind, ReturnCode, TypedCode};
use serde_json::Value;

const DARK: &str = "--max-activations 3 --quota render=100/month --sync-every 90d";
/// Limits that a test on one machine would meet.
const FREE: &str = "--rate-per-address 0 --rate-per-license 0 --codes-per-address 0";
const MARKUP: &str = "<script>alert(1)</script>";

/// The activations of a lab.
#[track_caller]
fn activations(lab: &Lab) -> Vec<Value> {
    lab.vendor("activation list").done()["activations"].as_array().expect("a list").clone()
}

/// Brings a device to its licence by codes.
#[track_caller]
fn activated(lab: &Lab, served: &Served, device: &str, license: &License) {
    let request = lab.request_code(device, license);
    lab.unlock(device, &served.answered_code(&request, &license.key).unlock(), "active");
}

/// The code with another symbol in one of its groups, counted from 1.
fn mistyped(code: &str, number: usize) -> String {
    let mut groups: Vec<String> = code.split('-').map(str::to_owned).collect();
    let other = if groups[number - 1].starts_with('A') { "B" } else { "A" };
    groups[number - 1].replace_range(..1, other);
    groups.join("-")
}

/// A return code whose groups are right and whose MAC is not.
fn forged(code: &str, guess: u8) -> String {
    let code = TypedCode::read(Some(Kind::Return), code).expect("as it was shown");
    let fields = ReturnCode::read(&code, 1).expect("whole").fields;
    fields.write(|_| CodeMac([guess; 10])).expect("it fitted before").to_string()
}

#[test]
fn a_device_is_activated_reports_and_gives_back_by_what_is_typed() {
    let lab = Lab::with_codes(DARK);
    let license = lab.issue_dark();
    let served = lab.serve(FREE);
    let request = lab.request_code("dev1", &license);
    assert_eq!(request.len(), 14 * 7 - 1);

    let read = Page::read(served.type_code(&request, &license.key), 200);
    read.says("<h1>Request code</h1>").says("Nothing has been sent yet").says("version ");
    read.says("as it is, with the licence key, and nothing else");
    assert_eq!(read.answer.header("cache-control"), "no-store", "a page that carries a key is not kept");
    assert!(read.answer.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!((read.carried("code"), read.carried("key")), (request.clone(), license.key.clone()));
    assert_eq!(activations(&lab), Vec::<Value>::new(), "it was only read");
    let page = Page::read(served.unlock(&read.carried("code"), &read.carried("key")), 200);
    page.says("<h1>The licence is granted to this device</h1>").says("<dd>dark</dd>").says("<svg ");
    page.says("Next code by").says("<span class=\"first\">21</span>");
    assert!(!page.html.contains(&license.key), "a key stands on no page but the one that carries it");
    let unlock = page.unlock();
    for group in unlock.split('-') {
        page.says(&format!("<code>{group}</code>"));
    }
    let chain = text(&activations(&lab)[0], "chain");
    page.says(&chain);
    read.says(&chain[..12]);

    // The same code again, typed otherwise, gets the same answer.
    let again = served.answered_code(&request.replace('-', "\n").to_lowercase(), &license.key);
    again.says("This code was answered before.");
    assert_eq!((again.unlock(), activations(&lab).len()), (unlock.clone(), 1));
    lab.unlock("dev1", &unlock, "active");

    lab.device("dev1", "consume render 9").done();
    let returned = lab.return_code("dev1");
    let read = Page::read(served.type_code(&returned, ""), 200);
    read.says("<h1>Return code</h1>").says("goes on").says(&chain[..10]);
    assert!(!read.html.contains("name=\"key\"") && !read.html.contains("with the licence key"));
    let page = served.answered_code(&returned, "");
    page.says(">render</th>").says("<td>9</td>");
    lab.unlock("dev1", &page.unlock(), "active");

    let closing = text(&lab.device("dev1", "deactivate --code").done(), "code");
    Page::read(served.type_code(&closing, ""), 200).says("gives its seat back").says("ends for good");
    served
        .answered_code(&closing, "")
        .says("This device holds no seat any more")
        .says("ended its activation");
    assert_eq!(text(&activations(&lab)[0], "state"), "released");
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
    served.signal("TERM");
    let (_, log) = served.wait();
    let secret = &license.key[16..];
    assert!(log.contains("/unlock") && !log.contains(secret) && !log.contains(&request[..20]), "{log}");
}

#[test]
fn what_is_wrong_is_named_where_it_was_typed_and_nothing_of_it_is_lost() {
    let lab = Lab::with_codes(DARK);
    let license = lab.issue_dark();
    let served = lab.serve(FREE);
    let request = lab.request_code("dev1", &license);

    let typed = format!("\r\n  {}  ", mistyped(&request, 3).to_lowercase().replace('-', " - "));
    let page = Page::read(served.type_code(&typed, &license.key), 422);
    page.says("<code>code_group_wrong</code>").says("group 3 ").says("id=\"code-trouble\"");
    page.says("<title>Not taken: ").says("aria-describedby=\"code-help code-trouble\" aria-invalid=\"true\"");
    // What follows the tag at once is one line end that browsers pass over.
    assert_eq!(page.area("code").strip_prefix('\n'), Some(typed.as_str()));
    assert!(!page.html.contains(&license.key), "a key is not repeated");
    let page = Page::read(served.type_code(&mistyped(&mistyped(&request, 3), 9), &license.key), 422);
    page.says("group 3 ").says("group 9 ");

    let unlock = served.answered_code(&request, &license.key).unlock();
    let other = License { id: String::new(), key: lab.issue_dark().key };
    let cases: [(&str, &str, u16, &str, &str); 7] = [
        (MARKUP, "", 422, "code_symbol", "code"),
        (&unlock, "", 422, "code_kind", "code"),
        (&request[..90], &license.key, 422, "code_length", "code"),
        (&request, "", 422, "license_key_mistyped", "code-key"),
        (&request, &license.key.replace('-', "")[1..], 422, "license_key_mistyped", "code-key"),
        (&request, &other.key, 409, "code_other_key", "code-key"),
        ("", &license.key, 422, "code_length", "code"),
    ];
    for (code, key, status, refusal, field) in cases {
        for answer in [served.type_code(code, key), served.unlock(code, key)] {
            let page = Page::read(answer, status);
            page.says(&format!("<code>{refusal}</code>")).says(&format!("id=\"{field}-trouble\""));
            assert!(!page.html.contains("<script>"), "{}", page.html);
        }
    }
    Page::read(served.type_code(&unlock, ""), 422).says("An unlock code is typed at the device");
    for step in ["/code", "/unlock"] {
        let opened = served.get(step);
        assert_eq!((opened.status, opened.header("location")), (303, "/"));
        let page = Page::read(served.form_from(step, &[], &[("code", None, request.as_bytes())]), 403);
        page.says("<code>cross_site</code>");
    }
}

#[test]
fn who_gets_no_seat_learns_why() {
    let lab = Lab::with_codes("--max-activations 1");
    let license = lab.issue_dark();
    let served = lab.serve(FREE);
    activated(&lab, &served, "dev1", &license);
    let request = lab.request_code("dev2", &license);
    Page::read(served.type_code(&request, &license.key), 200);
    let page = Page::read(served.unlock(&request, &license.key), 409);
    page.says("<h1>This was not done</h1>").says("<code>no_seat_free</code>").says("What to do:");
}

#[test]
fn so_many_wrong_codes_are_taken_for_one_device_and_right_ones_take_nothing_of_it() {
    let lab = Lab::with_codes(DARK);
    let license = lab.issue_dark();
    let served = lab.serve(FREE);
    for device in ["dev1", "dev2"] {
        activated(&lab, &served, device, &license);
    }
    let [one, other] = ["dev1", "dev2"].map(|device| lab.return_code(device));
    for guess in 0..9 {
        let page = Page::read(served.unlock(&forged(&one, guess), ""), 422);
        page.says("<code>code_mismatch</code>").says("id=\"code-trouble\"");
    }
    for _ in 0..20 {
        served.answered_code(&one, "");
    }
    Page::read(served.unlock(&forged(&one, 9), ""), 422).says("<code>code_mismatch</code>");
    for code in [&forged(&one, 10), &one] {
        let page = Page::read(served.unlock(code, ""), 429);
        page.says("<code>rate_limited</code>").says("wrong codes for this device");
        let again_in: u64 = page.answer.header("retry-after").parse().expect("seconds");
        assert!((3_000..=3_601).contains(&again_in), "{again_in}");
    }
    served.answered_code(&other, "");
    // Whoever is signed in is not held up by what strangers try.
    let token = lab.token("operator");
    let operator = served.signed_in(&token);
    let page = Page::read(operator.post("/operator/codes", &[("code", &one)]), 200);
    page.says("This code was answered before.");
}

#[test]
fn so_many_wrong_keys_are_taken_for_one_reference() {
    let lab = Lab::with_codes(DARK);
    let license = lab.issue_dark();
    let served = lab.serve(FREE);
    let request = lab.request_code("dev1", &license);
    let reference = LicenseKey::parse(&license.key).expect("a key").reference();
    // A request that goes with the key that is guessed, as whoever guesses makes one.
    let guessed = |guess: u8| {
        let key = KeySecret::new([guess; 32]).license_key(reference);
        let device = SecretKey::from_seed(&[guess; 32]).public();
        (request::write(&device, 1, &[], &key).expect("it fits").to_string(), key.reveal())
    };
    for guess in 0..10 {
        let (code, key) = guessed(guess);
        Page::read(served.unlock(&code, &key), 404).says("<code>license_not_found</code>");
    }
    let (code, key) = guessed(10);
    Page::read(served.unlock(&code, &key), 429).says("<code>rate_limited</code>");
    Page::read(served.unlock(&request, &license.key), 429).says("wrong codes or keys for this licence key");
    let other = lab.issue_dark();
    activated(&lab, &served, "dev2", &other);
}

#[test]
fn so_many_codes_are_taken_from_one_network() {
    let lab = Lab::with_codes(DARK);
    let license = lab.issue_dark();
    let served = lab.serve("--rate-per-address 0 --codes-per-address 2");
    let request = lab.request_code("dev1", &license);
    for _ in 0..5 {
        Page::read(served.type_code(&request, &license.key), 200);
    }
    for _ in 0..2 {
        Page::read(served.unlock(&request, &license.key), 200);
    }
    let page = Page::read(served.unlock(&request, &license.key), 429);
    page.says("<code>rate_limited</code>").says("codes from this network");
    assert!(page.answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 60));
}

#[test]
fn an_operator_answers_a_code_with_terms_of_its_own() {
    let lab = Lab::with_codes(DARK);
    lab.vendor("policy create darker --product studio --air-gapped --max-activations 9").done();
    lab.vendor("product pack studio -o studio.cfpack").done();
    let license = lab.issue_dark();
    let served = lab.serve(FREE);
    let (operator, auditor) = (lab.token("operator"), lab.token("auditor"));
    let (operator, auditor) = (served.signed_in(&operator), served.signed_in(&auditor));
    Page::read(auditor.get("/operator/codes"), 403).says("<code>forbidden</code>");
    Page::read(auditor.post("/operator/codes", &[]), 403).says("<code>forbidden</code>");
    assert!(!auditor.page("/operator").html.contains("/operator/codes"));
    operator.page(&format!("/operator/licenses/{}", license.id)).says("href=\"/operator/codes\"");
    operator.page("/operator/codes").says("<h1>Answer a code</h1>").says("portal-codes-");

    let request = lab.request_code("dev1", &license);
    let answer = |fields: &[(&str, &str)]| {
        let given = [("code", request.as_str()), ("key", license.key.as_str())];
        operator.post("/operator/codes", &[&given, fields].concat())
    };
    for (field, value) in [("policy", "64"), ("policy", "dark"), ("days", "0")] {
        let page = Page::read(answer(&[(field, value)]), 400);
        page.says("<code>request_invalid</code>").says(&format!("value=\"{value}\"")).says("open>");
        assert_eq!(page.area("code").trim(), request, "what was typed can be mended");
        assert!(!page.html.contains(&license.key));
    }
    let wrong = mistyped(&request, 14);
    let page = Page::read(operator.post("/operator/codes", &[("code", &wrong), ("policy", "2")]), 422);
    page.says("group 14 ").says("value=\"2\"").says("id=\"code-trouble\"");
    assert_eq!(activations(&lab), Vec::<Value>::new());

    let page = Page::read(answer(&[("policy", "2"), ("days", "30")]), 200);
    page.says("<h1>The licence is granted to this device</h1>").says("<dd>darker</dd>");
    page.says(&format!("/operator/licenses/{}", license.id));
    lab.unlock("dev1", &page.unlock(), "active");
    let again = Page::read(answer(&[]), 200);
    again.says("This code was answered before.").says("<dd>darker</dd>");
    assert_eq!(again.unlock(), page.unlock());
    assert_eq!(activations(&lab).len(), 1);
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    assert_eq!(number(&shown["rules"], "max_activations"), 9, "the licence is changed to what was unlocked");
}
