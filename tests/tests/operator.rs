//! The operators' pages, by their links and forms alone: who gets in, what is shown, what is done, and what is refused.

use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::operator::{COOKIE, Operator};
use counterfoil_tests::portal::Page;
use counterfoil_tests::{Cell, HandMade, Lab, Receiver, Served, Tables, http};
use serde_json::Value;

const STANDARD: &str = "--max-activations 3 --quota render=100/month --sync-every 30d";
/// Limits that a test on one machine would meet.
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";
const MARKUP: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&#60;script&#62;alert(1)&#60;/script&#62;";
/// Where the addresses of all pages stand.
const ROUTES: &str = include_str!("../../reconciler/src/service/pages.rs");

/// Every address of the operators' pages, with something in the place of its parameters.
fn addresses() -> Vec<String> {
    let literals = ROUTES.split('"').skip(1).step_by(2);
    let mut all: Vec<String> =
        literals.filter(|literal| literal.starts_with("/operator")).map(filled).collect();
    let standing = ["suspend", "resume", "revoke"].map(|word| format!("/operator/licenses/none/{word}"));
    all.retain(|address| address != "/operator/licenses/none/none");
    all.extend(standing);
    all.sort();
    all.dedup();
    all
}

fn filled(route: &str) -> String {
    let mut plain = String::new();
    let mut rest = route;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        plain.push_str("none");
        rest = after
            .trim_start_matches('{')
            .split_once('}')
            .map_or("", |(_, rest)| rest)
            .trim_start_matches('}');
    }
    plain + rest
}

#[track_caller]
fn standing(lab: &Lab, license: &str) -> String {
    text(&lab.vendor(&format!("license show {license}")).done(), "status")
}

/// The links of a page that begin so.
fn links<'a>(page: &'a Page, begin: &str) -> Vec<&'a str> {
    let hrefs = page.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    hrefs.filter(|href| href.starts_with(begin)).collect()
}

/// The fields of a form, by name.
type Fields<'a> = &'a [(&'a str, &'a str)];

#[test]
fn nobody_sees_a_page_who_is_not_signed_in() {
    let lab = Lab::with_policy(STANDARD);
    lab.token("admin");
    let served = lab.serve(FREE);
    let stranger = served.stranger();
    let all = addresses();
    assert!(all.len() >= 15, "{all:?}");
    for address in &all {
        for answer in [stranger.get(address), stranger.post(address, &[])] {
            let led = (answer.status, answer.header("location").split('?').next());
            let is_door = ["/operator/sign-in", "/operator/sign-out"].contains(&address.as_str());
            assert!(
                led == (303, Some("/operator/sign-in")) || answer.status == 405 || is_door,
                "{address}: {answer:?}"
            );
            assert!(answer.header("set-cookie").is_empty() || is_door, "{answer:?}");
        }
    }
    // The door leads on to what was asked for, and to nowhere else.
    let led = stranger.get("/operator?status=active&customer=A%20B");
    let door = Page::read(stranger.get(led.header("location")), 200);
    let then = door.carried("then");
    assert_eq!(then, "/operator?status=active&customer=A%20B");
    let token = lab.token("auditor");
    let on = stranger.post("/operator/sign-in", &[("token", &token), ("then", &then)]);
    assert_eq!((on.status, on.header("location")), (303, then.as_str()));
    for then in ["//elsewhere.example", "https://elsewhere.example/operator", "/operator\\@elsewhere", "/"] {
        let on = stranger.post("/operator/sign-in", &[("token", &token), ("then", then)]);
        assert_eq!((on.status, on.header("location")), (303, "/operator"), "{then}");
    }
    Page::read(stranger.get("/operator/sign-in?other=1"), 400).says("request_invalid");
}

#[test]
fn a_token_signs_in_and_every_wrong_one_is_answered_the_same() {
    let lab = Lab::with_policy(STANDARD);
    let good = lab.token("auditor");
    let revoked = lab.vendor("token create --role admin").done();
    lab.vendor(&format!("token revoke {}", text(&revoked, "name"))).done();
    let served = lab.serve(FREE);
    let stranger = served.stranger();
    let wrong = ["", "cft_nonsense", &good[1..], &text(&revoked, "token"), MARKUP, "\u{0}"];
    let pages = wrong.map(|token| Page::read(stranger.post("/operator/sign-in", &[("token", token)]), 401));
    for page in &pages {
        assert_eq!(page.html, pages[0].html);
        assert!(page.answer.header("set-cookie").is_empty());
    }
    pages[0].says("<code>unauthorized</code>").says("aria-invalid=\"true\"").says("autocomplete=\"off\"");

    let answer = stranger.post("/operator/sign-in", &[("token", &format!(" {good}\r\n"))]);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with(&format!("{COOKIE}=")), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&good), "the token is not in it");
    let operator = served.signed_in(&good);
    operator.page("/operator").says("<h1>Licences</h1>").says("auditor");

    // A changed cookie is none, and one of another home neither.
    for at in [COOKIE.len() + 1, operator.cookie.len() - 1] {
        let mut changed = operator.cookie.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = served.holding(String::from_utf8(changed).expect("ASCII"));
        assert_eq!(changed.get("/operator").status, 303);
    }
    let other = Lab::with_policy(STANDARD);
    let token = other.token("admin");
    let elsewhere = other.serve(FREE);
    let foreign = served.holding(elsewhere.signed_in(&token).cookie);
    assert_eq!(foreign.get("/operator").status, 303);

    // Two processes that serve one home take the same cookie.
    let second = lab.serve(FREE);
    let there = second.holding(operator.cookie.clone());
    there.page("/operator");
    served.signal("TERM");
    let (_, log) = served.wait();
    assert!(!log.contains(&good) && !log.contains(COOKIE), "no token stands in the log");
}

#[test]
fn signing_out_and_revoking_the_token_end_what_was_begun() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve("--rate-per-address 0");
    let made = lab.vendor("token create --role operator").done();
    let token = text(&made, "token");
    let operator = served.signed_in(&token);
    let copy = served.holding(operator.cookie.clone());
    let out = operator.post("/operator/sign-out", &[]);
    assert_eq!((out.status, out.header("location")), (303, "/operator/sign-in"));
    assert!(out.header("set-cookie").starts_with(&format!("{COOKIE}=;")), "{out:?}");
    assert!(out.header("set-cookie").ends_with("Max-Age=0"), "{out:?}");
    assert_eq!(copy.get("/operator").status, 303, "a copy of the cookie is of no use either");

    let operator = served.signed_in(&token);
    operator.page("/operator");
    lab.vendor(&format!("token revoke {}", text(&made, "name"))).done();
    assert_eq!(operator.get("/operator").status, 303);
}

#[test]
fn an_auditor_reads_and_changes_nothing() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    let token = lab.token("auditor");
    let served = lab.serve(FREE);
    let auditor = served.signed_in(&token);
    let page = auditor.page(&format!("/operator/licenses/{}", license.id));
    assert!(!page.html.contains(&license.key), "an auditor does not see the key");
    assert!(!page.html.contains("id=\"changes\"") && !page.html.contains("/operator/issue"));
    let changes = ["suspend", "resume", "revoke", "change"]
        .map(|word| format!("/operator/licenses/{}/{word}", license.id));
    let others = [
        format!("/operator/activations/{chain}/release"),
        "/operator/quarantine/1/drop".to_owned(),
        "/operator/issue".to_owned(),
    ];
    for address in changes.iter().chain(&others) {
        Page::read(auditor.get(address), 403)
            .says("<code>forbidden</code>")
            .says("the role operator is needed");
        Page::read(auditor.post(address, &[("reason", "because")]), 403).says("<code>forbidden</code>");
    }
    let posts = ["quarantine/1/retry", "imports", "webhooks/none/replay", "webhooks/messages/none/replay"];
    for address in posts.map(|address| format!("/operator/{address}")) {
        Page::read(auditor.post(&address, &[]), 403).says("<code>forbidden</code>");
    }
    assert!(!auditor.page("/operator/imports").html.contains("id=\"upload-form\""));
    assert_eq!(standing(&lab, &license.id), "active");
}

#[test]
fn a_form_of_another_site_changes_nothing() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    let from: [&[(&str, &str)]; 4] =
        [&[("sec-fetch-site", "cross-site")], &[("sec-fetch-site", "same-site")], &[("origin", "null")], &[]];
    let suspend = format!("/operator/licenses/{}/suspend", license.id);
    for headers in from {
        let others = ["sign-in", "sign-out", "find", "issue", "imports", "webhooks/none/replay"];
        for address in others.map(|word| format!("/operator/{word}")).iter().chain([&suspend]) {
            let page = Page::read(operator.post_from(address, headers, &[("reason", "because")]), 403);
            page.says("<code>cross_site</code>");
        }
    }
    assert_eq!(standing(&lab, &license.id), "active");
    operator.page("/operator");
}

#[test]
fn licences_are_found_and_filtered_page_by_page() {
    let lab = Lab::with_policy(STANDARD);
    lab.vendor("policy create other --product studio").done();
    lab.vendor("license issue --policy other --customer 'ACME & Sons' --count 60").done_lines();
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    let token = lab.token("auditor");
    let served = lab.serve(FREE);
    let auditor = served.signed_in(&token);
    let page = format!("/operator/licenses/{}", license.id);
    for typed in [&license.id, &license.key, &license.key.to_lowercase(), &chain, &chain[..12].to_owned()] {
        let found = auditor.post("/operator/find", &[("license", typed)]);
        assert_eq!((found.status, found.header("location")), (303, page.as_str()), "{typed}");
    }
    let mut mistyped = license.key.clone();
    mistyped.replace_range(0..1, if mistyped.starts_with('0') { "1" } else { "0" });
    for (typed, status, code) in [
        (mistyped.as_str(), 422, "license_key_mistyped"),
        ("0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59", 404, "license_not_found"),
        (MARKUP, 404, "license_not_found"),
        ("", 404, "license_not_found"),
    ] {
        let missed = Page::read(auditor.post("/operator/find", &[("license", typed)]), status);
        missed.says(&format!("<code>{code}</code>")).says("id=\"find-trouble\"").says("<title>Not found: ");
        assert!(!missed.html.contains(&mistyped) && !missed.html.contains("<script>"));
    }

    let mut found = Vec::new();
    let mut next = "/operator?product=studio&policy=&status=&customer=ACME+%26+Sons".to_owned();
    let pages = loop {
        let page = auditor.page(&next);
        found.extend(links(&page, "/operator/licenses/").iter().map(|link| (*link).to_owned()));
        match links(&page, "/operator?").first() {
            Some(link) => next = link.replace("&#38;", "&"),
            None => break found.len().div_ceil(50),
        }
    };
    assert_eq!((found.len(), pages), (60, 2));
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 60, "each once");
    auditor.page("/operator?status=suspended").says("No licence matches");
    for (query, status, code) in [
        ("status=lost", 400, "request_invalid"),
        ("cursor=%00", 400, "cursor_invalid"),
        ("limit=many", 400, "request_invalid"),
        ("colour=red", 400, "request_invalid"),
        ("product=none", 404, "product_unknown"),
        ("customer=%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404, "customer_unknown"),
    ] {
        let page = Page::read(auditor.get(&format!("/operator?{query}")), status);
        page.says(&format!("<code>{code}</code>"));
        assert!(!page.html.contains("<script>"), "{query}");
    }
}

#[test]
fn a_licence_is_suspended_resumed_and_revoked_with_a_reason() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    let page = format!("/operator/licenses/{}", license.id);
    operator.page(&page).says(&license.key).says("href=\"/operator/licenses/");
    let steps = [
        ("suspend", "suspended", "license.suspended"),
        ("resume", "active", "license.resumed"),
        ("revoke", "revoked", "license.revoked"),
    ];
    for (word, after, event) in steps {
        let address = format!("{page}/{word}");
        let asked = operator.page(&address);
        asked.says("What it means").says(&license.id).says("ACME GmbH");
        assert_eq!(asked.html.contains("This cannot be undone"), word == "revoke");
        let before = standing(&lab, &license.id);
        let empty = Page::read(operator.post(&address, &[("reason", "  ")]), 400);
        empty
            .says("say why it is done")
            .says("aria-describedby=\"reason-help trouble\" aria-invalid=\"true\"");
        let long = "x".repeat(257);
        Page::read(operator.post(&address, &[("reason", &long)]), 422).says("text_invalid").says(&long);
        let stale = Page::read(operator.post(&address, &[("reason", "x"), ("saw", "7-active")]), 412);
        stale.says("precondition_failed");
        assert_ne!(stale.carried("saw"), "7-active");
        Page::read(operator.post(&address, &[("reason", "x")]), 412);
        assert_eq!(standing(&lab, &license.id), before);

        let reason = format!("{word} {MARKUP}");
        let done = operator.follow(&operator.fill_in(&address, &[("reason", &reason)]));
        done.says("id=\"done\" role=\"status\"").says(event).says(&format!("<q>{word} {ESCAPED}</q>"));
        assert!(!done.html.contains("<script>"));
        assert_eq!(standing(&lab, &license.id), after);
        let again = Page::read(operator.fill_in(&address, &[("reason", &reason)]), 409);
        again.says("status_unchanged").says(&format!("value=\"{word} {ESCAPED}\""));
    }
    let told = lab.vendor(&format!("audit history {}", license.id)).done();
    let reasons: Vec<&Value> =
        told["events"].as_array().expect("events").iter().map(|told| &told["text"]).collect();
    assert_eq!(
        reasons,
        [
            &Value::Null,
            &format!("suspend {MARKUP}").into(),
            &format!("resume {MARKUP}").into(),
            &format!("revoke {MARKUP}").into()
        ]
    );
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn a_seat_is_taken_back_with_a_reason() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chains = ["dev1", "dev2"].map(|device| lab.activate(device, &license));
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    let address = |chain: &str| format!("/operator/activations/{chain}/release");
    operator.page(&format!("/operator/activations/{}", chains[0])).says(&address(&chains[0]));
    operator.page(&address(&chains[0])).says("This cannot be undone").says("id=\"free-from\"");
    Page::read(operator.post(&address(&chains[0]), &[("reason", "")]), 400).says("say why it is done");
    let state = |chain: &str| lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(text(&state(&chains[0]), "state"), "active");

    operator
        .done(&address(&chains[0]), &[("reason", "disk broken")])
        .says("The seat is taken back.")
        .says("disk broken");
    let released = state(&chains[0]);
    assert_eq!(text(&released, "state"), "released");
    assert_ne!(released["seat_free_at"], released["released_at"], "its device may still be at work");
    Page::read(operator.post(&address(&chains[0]), &[("reason", "again")]), 409).says("status_unchanged");
    operator
        .done(&address(&chains[1]), &[("reason", MARKUP), ("override", "yes")])
        .says("overridden")
        .says(ESCAPED);
    assert_eq!(state(&chains[1])["seat_free_at"], state(&chains[1])["released_at"]);
    lab.vendor("rebuild --check").done();
}

#[test]
fn every_line_of_a_timeline_leads_to_its_signed_event() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 9 --ref order-1").done();
    lab.device("dev1", &format!("set place '{MARKUP}'")).done();
    lab.sync("dev1");
    for turn in 0..30 {
        lab.vendor(&format!("license suspend {} --reason 'turn {turn}'", license.id)).done();
        lab.vendor(&format!("license resume {}", license.id)).done();
    }
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    let events = history["events"].as_array().expect("events");
    let token = lab.token("auditor");
    let served = lab.serve(FREE);
    let auditor = served.signed_in(&token);
    let mut found = Vec::new();
    let mut next = format!("/operator/licenses/{}", license.id);
    loop {
        let page = auditor.page(&next);
        let lines = links(&page, &format!("/operator/licenses/{}/events/", license.id));
        assert!(lines.len() <= 50);
        found.extend(lines.iter().map(|link| (*link).to_owned()));
        match links(&page, "/operator/licenses/").iter().find(|link| link.contains("?before=")) {
            Some(link) => next = link.split('#').next().expect("an address").to_owned(),
            None => break,
        }
    }
    let expected = events.iter().rev().map(|event| {
        let (chain, seq) = (text(event, "chain"), number(event, "seq"));
        format!("/operator/licenses/{}/events/{chain}/{seq}", license.id)
    });
    assert_eq!(found, expected.collect::<Vec<_>>(), "all of them, the latest first");
    for (address, event) in found.iter().zip(events.iter().rev()) {
        let page = auditor.page(address);
        page.says(&text(event, "kind")).says(&text(event, "at")).says("<dd>verifies</dd>");
        assert!(!page.html.contains("<script>"));
    }
    // Single uses are no lines, and can be looked at all the same.
    let places =
        (1..=9).map(|seq| auditor.get(&format!("/operator/licenses/{}/events/{chain}/{seq}", license.id)));
    let used =
        places.map(|answer| Page::read(answer, 200)).find(|page| page.html.contains("feature.consumed"));
    used.expect("it was used")
        .says("feature.consumed")
        .says("order-1")
        .says("9 of render")
        .says("<dd>verifies</dd>");
    let page = auditor.page(&format!("/operator/licenses/{}", license.id));
    page.says("9 used and").says("<rect class=\"used\" width=\"90\"");
    for before in ["x", "AAAA", "%00"] {
        let address = format!("/operator/licenses/{}?before={before}", license.id);
        Page::read(auditor.get(&address), 400).says("cursor_invalid");
    }
}

#[test]
fn a_fork_is_listed_and_both_of_its_histories_are_shown() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let [one, other] = [5, 6].map(|n| HandMade::new(1, &license).consume(1).consume(n));
    lab.write("one.cfbundle", one.bundle());
    lab.write("other.cfbundle", other.bundle());
    lab.vendor("merge one.cfbundle other.cfbundle").exit();
    let fork = lab.vendor("audit forks").done()["forks"][0].clone();
    let token = lab.token("auditor");
    let served = lab.serve(FREE);
    let auditor = served.signed_in(&token);
    let page = auditor.page("/operator/forks");
    let event =
        format!("/operator/licenses/{}/events/{}/{}", license.id, text(&fork, "chain"), number(&fork, "seq"));
    page.says(&event).says(&text(&fork, "verdict"));
    auditor.page(&event).says("it has 2 events at this place").says("5 of render").says("6 of render");
    auditor.page(&format!("/operator/activations/{}", text(&fork, "chain"))).says("forked at event");
}

#[test]
fn quarantine_is_read_tried_again_and_deleted() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let token = lab.token("operator");
    let device = HandMade::new(1, &license).consume(1).consume(2);
    let forged = bundle(vec![device.run_with_bad_signature(device.len())]);
    let name = format!("{}.cfbundle", MARKUP.replace('/', "_"));
    lab.write(&name, &forged);
    lab.vendor(&format!("merge '{name}'")).exit();
    lab.write("damaged.cfbundle", &forged[..forged.len() - 1]);
    lab.vendor("merge damaged.cfbundle").exit();
    let entries = lab.vendor("quarantine list").done()["entries"].as_array().expect("entries").clone();
    assert_eq!(entries.len(), 2, "{entries:?}");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    let list = operator.page("/operator/quarantine");
    assert!(!list.html.contains("<script>"));
    list.says("&#60;script&#62;");
    for entry in &entries {
        let address = format!("/operator/quarantine/{}", entry["id"]);
        list.says(&format!("href=\"{address}\""));
        let page = operator.page(&address);
        page.says(&text(entry, "code")).says(&text(entry, "digest")).says("What to do:");
        assert!(!page.html.contains("<script>"));
    }
    let [first, second] = [0, 1].map(|at| format!("/operator/quarantine/{}", entries[at]["id"]));
    operator.done(&format!("{first}/retry"), &[]).says("is refused as before");
    operator.page(&format!("{second}/drop")).says("This cannot be undone");
    operator.done(&format!("{second}/drop"), &[]).says("The entry is deleted.");
    assert_eq!(lab.vendor("quarantine list").done()["entries"].as_array().map(Vec::len), Some(1));
    for gone in [second.as_str(), "/operator/quarantine/0", "/operator/quarantine/-1"] {
        Page::read(operator.get(gone), 404).says("quarantine_unknown");
        Page::read(operator.post(&format!("{gone}/retry"), &[]), 404).says("quarantine_unknown");
        Page::read(operator.post(&format!("{gone}/drop"), &[]), 404).says("quarantine_unknown");
    }
    for wrong in ["none", "99999999999999999999", "%00", "1%2f2"] {
        Page::read(operator.get(&format!("/operator/quarantine/{wrong}")), 400).says("request_invalid");
    }
}

/// The second home is one that was copied before the licence was issued.
#[test]
fn what_waits_for_a_licence_goes_in_when_it_is_tried_again() {
    let lab = Lab::with_policy(STANDARD);
    let token = lab.token("operator");
    lab.copy("counterfoil-home", "second");
    let license = lab.issue();
    lab.write("early.cfbundle", HandMade::new(1, &license).consume(5).bundle());
    let merged = lab.vendor("--home second merge early.cfbundle").exits(6).json();
    assert_eq!(number(&merged, "refused"), 1);
    lab.move_licenses("counterfoil-home", "second");
    let served = lab.serve(&format!("{FREE} --home second"));
    let operator = served.signed_in(&token);
    let list = operator.page("/operator/quarantine");
    list.says("license_unknown").says("early.cfbundle");
    let entry = links(&list, "/operator/quarantine/")[0];
    operator.page(entry).says("What to do:");
    operator.done(&format!("{entry}/retry"), &[]).says("it is no longer in quarantine").says("Nothing waits");
    operator.page(&format!("/operator/licenses/{}", license.id)).says("5 used and");
}

#[test]
fn a_licence_is_issued_and_changed_as_on_the_command_line() {
    let lab = Lab::with_policy(STANDARD);
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    operator.page("/operator/issue").says("standard (studio)").says("How long it is valid");
    let order = [
        ("policy", "standard"),
        ("customer", MARKUP),
        ("valid", "730d"),
        ("max-activations", "7"),
        ("quota", "render=5000/month"),
        ("overage", "\r\n render=10 \r\n"),
    ];
    let page = operator.follow(&operator.order(&order));
    page.says("The licence is issued.").says(ESCAPED).says("license.issued").says("of 5000");
    let listed = lab.vendor("license list").done();
    let license = text(&listed["licenses"][0], "license_id");
    let shown = || lab.vendor(&format!("license show {license}")).done();
    assert_eq!(text(&shown(), "customer"), MARKUP);
    assert_eq!(
        (number(&shown()["rules"], "max_activations"), number(&shown()["quotas"][0], "overage")),
        (7, 10)
    );
    page.says(&text(&shown(), "license_key"));
    lab.vendor(&format!("license issue --policy standard --customer '{MARKUP}'")).done();
    assert_eq!(
        lab.vendor("customer list").done()["customers"].as_array().map(Vec::len),
        Some(1),
        "the same customer"
    );

    let wrong: [(Fields<'_>, u16, &str); 7] = [
        (&[("policy", "none"), ("customer", "ACME")], 404, "policy_unknown"),
        (&[("policy", ""), ("customer", "ACME")], 400, "request_invalid"),
        (&[("policy", "standard"), ("customer", "")], 400, "request_invalid"),
        (&[("policy", "standard"), ("customer", "ACME"), ("valid", MARKUP)], 400, "request_invalid"),
        (
            &[("policy", "standard"), ("customer", "ACME"), ("type", "perpetual"), ("valid", "1d")],
            422,
            "terms_invalid",
        ),
        (&[("policy", "standard"), ("customer", "ACME"), ("feature", "none")], 404, "feature_unknown"),
        (&[("policy", "standard"), ("customer", "ACME"), ("trial", "yes")], 422, "terms_invalid"),
    ];
    for (order, status, code) in wrong {
        let page = Page::read(operator.order(order), status);
        page.says(&format!("<code>{code}</code>")).says("<title>Not issued: ");
        let way_out = page.html.split("What to do:").nth(1).expect("there is one");
        assert!(!way_out.contains("openapi.json") && !way_out.contains('`'), "{way_out}");
        assert!(!page.html.contains("<script>"));
        for (name, value) in order.iter().filter(|(name, _)| ["customer", "valid"].contains(name)) {
            let kept = value.replace('<', "&#60;").replace('>', "&#62;");
            page.says(&format!("name=\"{name}\" value=\"{kept}\""));
        }
    }
    assert_eq!(lab.vendor("license list").done()["licenses"].as_array().map(Vec::len), Some(2));

    let address = format!("/operator/licenses/{license}/change");
    operator.page(&address).says("As it is now").says("As it is to be");
    let change =
        [("reason", "order 4711"), ("valid", "900d"), ("feature", "beta"), ("remove-feature", "export")];
    operator
        .follow(&operator.fill_in(&address, &change))
        .says("The licence is changed.")
        .says("<q>order 4711</q>")
        .says("beta");
    let names: Vec<String> =
        shown()["features"].as_array().expect("features").iter().map(|held| text(held, "name")).collect();
    assert_eq!(names, ["render", "beta"]);
    let before = shown();
    for (change, status, code) in [
        ([("reason", ""), ("valid", "1000d")], 400, "request_invalid"),
        ([("reason", "none"), ("valid", "")], 400, "request_invalid"),
        ([("reason", "none"), ("valid", "soon")], 400, "request_invalid"),
        ([("reason", "none"), ("remove-feature", "none")], 404, "feature_unknown"),
        ([("reason", "none"), ("start", "issue")], 422, "terms_invalid"),
    ] {
        let page = Page::read(operator.fill_in(&address, &change), status);
        page.says(&format!("<code>{code}</code>")).says("<title>Not changed: ");
    }
    let seen = operator.page(&address).carried("saw");
    lab.vendor(&format!("license change {license} --max-activations 9")).done();
    let late = operator.post(&address, &[("reason", "late"), ("valid", "1000d"), ("saw", &seen)]);
    Page::read(late, 412).says("precondition_failed").says("value=\"1000d\"");
    lab.vendor(&format!("license change {license} --max-activations 7")).done();
    assert_eq!(shown()["rules"], before["rules"]);
    assert_eq!(shown()["entitlement"]["valid_until"], before["entitlement"]["valid_until"]);
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn a_form_that_is_sent_again_issues_no_second_licence() {
    let lab = Lab::with_policy(STANDARD);
    let (token, other) = (lab.token("operator"), lab.token("admin"));
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    let number = || operator.page("/operator/issue").carried("once");
    let order = |once: &str, customer: &str| {
        operator.post("/operator/issue", &[("policy", "standard"), ("customer", customer), ("once", once)])
    };
    let issued = || {
        let listed = lab.vendor("license list").done();
        listed["licenses"].as_array().expect("licences").len()
    };
    let once = number();
    let first = order(&once, "ACME");
    let key = text(&lab.vendor("license list").done()["licenses"][0], "license_id");
    for again in [order(&once, "ACME"), order(&once, "ACME")] {
        assert_eq!((again.status, again.header("location")), (303, first.header("location")));
    }
    operator.follow(&first).says(&key).says("The licence is issued.");
    assert_eq!(issued(), 1);

    // Sent at the same time it is done once as well, and whoever sent it second sees the same page.
    let (once, served) = (number(), &served);
    let leads: Vec<String> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..6)
            .map(|_| {
                let (once, cookie) = (&once, operator.cookie.clone());
                scope.spawn(move || {
                    let fields = [("policy", "standard"), ("customer", "Twice"), ("once", once)];
                    let answer = served.holding(cookie).post("/operator/issue", &fields);
                    (answer.status, answer.header("location").to_owned())
                })
            })
            .collect();
        let answers = sent.into_iter().map(|sent| sent.join().expect("it is answered"));
        answers.map(|(status, location)| if status == 303 { location } else { status.to_string() }).collect()
    });
    assert!(leads.iter().all(|lead| *lead == leads[0] && lead.ends_with("?done=issue")), "{leads:?}");
    assert_eq!(issued(), 2);

    // Another order with the number of one that was done is none, and the page has another number for it.
    let reused = Page::read(order(&once, "Other"), 422);
    reused.says("idempotency_key_reused").says("value=\"Other\"");
    assert_eq!(order(&reused.carried("once"), "Other").status, 303);
    // What was refused can be mended and sent again with the number that it had.
    let mended = number();
    Page::read(order(&mended, ""), 400).says("customer is missing");
    assert_eq!(order(&mended, "Mended").status, 303);
    // The number is of use to whoever was given it.
    let admin = served.signed_in(&other);
    let fields = [("policy", "standard"), ("customer", "ACME"), ("once", once.as_str())];
    assert_ne!(admin.post("/operator/issue", &fields).header("location"), leads[0]);
    assert_eq!(issued(), 5);
    for wrong in ["", "x", "00", MARKUP] {
        Page::read(order(wrong, "ACME"), 400).says("request_invalid");
    }
    assert_eq!(issued(), 5);
}

/// Chooses these files on the page of the imports and uploads them.
#[track_caller]
fn upload(served: &Served, operator: &Operator<'_>, files: &[(&str, &[u8])]) -> http::Answer {
    let fields: Vec<_> = files.iter().map(|(name, content)| ("file", Some(*name), *content)).collect();
    let headers = [("sec-fetch-site", "same-origin"), ("cookie", operator.cookie.as_str())];
    served.form_from("/operator/imports", &headers, &fields)
}

/// The page of an import when it is done.
#[track_caller]
fn imported(operator: &Operator<'_>, answer: &http::Answer) -> Page {
    loop {
        let page = operator.follow(answer);
        if !page.html.contains("Look again") {
            return page;
        }
    }
}

#[test]
fn bundles_are_uploaded_by_a_form() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    operator.page("/operator/imports").says("multiple required");
    let none = Page::read(upload(&served, &operator, &[("", b"")]), 400);
    none.says("no file was chosen").says("aria-describedby=\"file-help file-trouble\" aria-invalid=\"true\"");
    let device = HandMade::new(1, &license).consume(7);
    let one = upload(&served, &operator, &[("one.cfbundle", &device.bundle_of(1, 2))]);
    imported(&operator, &one)
        .says("Import one.cfbundle")
        .says("How far it has come: done")
        .says("<dd>2</dd>");

    // The rest of it, another device, one of the same name that is damaged, and a name that would lead elsewhere.
    let more = upload(
        &served,
        &operator,
        &[
            ("one.cfbundle", &device.bundle()),
            ("two.cfbundle", &HandMade::new(2, &license).consume(4).bundle()),
            ("one.cfbundle", b"none"),
            ("../../etc/three.cfbundle", &HandMade::new(3, &license).bundle()),
        ],
    );
    let page = imported(&operator, &more);
    page.says("Import 4 files")
        .says("How far it has come: done")
        .says("3/one.cfbundle")
        .says("<code>unknown_file</code>");
    operator.page(&format!("/operator/licenses/{}", license.id)).says("11 used and").says("3 of 3");
    // An archive of them is an upload as well.
    let mut tar = tar::Builder::new(Vec::new());
    let bundle = HandMade::new(4, &license).bundle();
    let mut header = tar::Header::new_gnu();
    header.set_size(bundle.len() as u64);
    tar.append_data(&mut header, "four.cfbundle", &bundle[..]).expect("in memory");
    let archive = upload(&served, &operator, &[("all.tar", &tar.into_inner().expect("in memory"))]);
    imported(&operator, &archive).says("Import all.tar").says("<dt>Files merged</dt><dd>1</dd>");
    let listed = operator.page("/operator/imports");
    assert_eq!(links(&listed, "/operator/imports/").len(), 3);
    // Larger than any other form may be.
    let large = vec![7; 20 * 1024 * 1024];
    let many = upload(&served, &operator, &[("large.cfbundle", &large), (MARKUP, &device.bundle())]);
    let page = imported(&operator, &many);
    page.says("Import 2 files").says("How far it has come: done").says("large.cfbundle");
    assert!(!page.html.contains("<script>"));

    let headers = [("sec-fetch-site", "same-origin"), ("cookie", operator.cookie.as_str())];
    let no_form = http::request("POST", "/operator/imports", &headers, b"bytes");
    Page::read(http::send(served.address, &no_form).expect("it answers"), 400).says("request_invalid");
    let other = served.form_from("/operator/imports", &headers, &[("other", Some("a"), b"x")]);
    Page::read(other, 400).says("request_invalid");
    assert_eq!(links(&operator.page("/operator/imports"), "/operator/imports/").len(), 4);
    lab.vendor("rebuild --check").done();
}

#[test]
fn messages_to_endpoints_are_looked_at_and_sent_again() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let (receiver, gone) = (Receiver::begin(), Receiver::begin());
    let endpoint = |receiver: &Receiver| {
        let line = format!("webhook create {} --allow-private --on activation.activated", receiver.url());
        let made = lab.vendor(&line).done();
        (text(&made, "webhook_id"), text(&made, "key"))
    };
    let ((id, secret), (gone_id, _)) = (endpoint(&receiver), endpoint(&gone));
    for seed in 1..=2 {
        lab.write("device.cfbundle", HandMade::new(seed, &license).bundle());
        lab.vendor("merge device.cfbundle").done();
    }
    // The next attempt is the last.
    Tables::of(&lab.home()).execute("UPDATE deliveries SET attempts = $1", &[Cell::Int(7)]);
    receiver.answer(&[&format!("500 Internal Server Error|{MARKUP}"), "500 Internal Server Error|not today"]);
    gone.answer(&["410 Gone", "410 Gone"]);
    let (auditor, operator) = (lab.token("auditor"), lab.token("operator"));
    let served = lab.serve(FREE);
    let sent = [receiver.next(), receiver.next()];
    let failed = loop {
        let listed = lab.vendor(&format!("webhook deliveries --failed --hook {id}")).done();
        let failed = listed["deliveries"].as_array().expect("messages").clone();
        if failed.len() == 2 && lab.vendor("webhook list").done()["webhooks"][1]["state"] == "disabled" {
            break failed;
        }
    };

    let (auditor, operator) = (served.signed_in(&auditor), served.signed_in(&operator));
    let page = auditor.page("/operator/webhooks");
    page.says(&receiver.url()).says(&gone.url()).says(">active<").says(">disabled<").says(">failed<");
    page.says(ESCAPED).says("500 not today").says("activation.activated");
    assert!(!page.html.contains("<script>") && !page.html.contains(&secret));
    let messages = |query: &str| {
        let page = auditor.page(&format!("/operator/webhooks?{query}"));
        links(&page, "/operator/webhooks/messages/").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(messages(&format!("webhook={id}&failed=true")).len(), 2);
    let given_up = messages("failed=true");
    assert!(messages(&format!("webhook={id}&failed=true")).iter().all(|message| given_up.contains(message)));
    assert_eq!((messages("webhook="), messages("").len()), (messages(""), 4));
    let mut paged = Vec::new();
    let mut next = format!("/operator/webhooks?webhook={id}&failed=true&limit=1");
    loop {
        let page = auditor.page(&next);
        paged.extend(links(&page, "/operator/webhooks/messages/").iter().map(|link| (*link).to_owned()));
        match links(&page, "/operator/webhooks?").iter().find(|link| link.contains("cursor=")) {
            Some(link) => next = link.replace("&#38;", "&"),
            None => break,
        }
    }
    assert_eq!(paged, messages(&format!("webhook={id}")), "each once");

    // One message: what is sent, byte by byte, and how it went.
    let message =
        sent.iter().find(|message| message.id() == text(&failed[0], "message_id")).expect("it was sent");
    let address = format!("/operator/webhooks/messages/{}", message.id());
    let shown = auditor.page(&address);
    shown.says(&format!("<pre>{}</pre>", message.body().replace('"', "&#34;")));
    shown.says("<dt>attempts</dt><dd>8</dd>").says(&license.id).says("given up at");
    assert!(!shown.html.contains("replay-form") && !shown.html.contains(&secret));
    let hook = format!("/operator/webhooks/{id}");
    assert!(!auditor.page(&hook).html.contains("replay-form"));
    for address in [&address, &hook] {
        Page::read(auditor.post(&format!("{address}/replay"), &[]), 403).says("<code>forbidden</code>");
    }

    operator.page(&address).says("id=\"replay-form\"");
    operator.done(&format!("{address}/replay"), &[]).says("The message is sent again.");
    assert_eq!(receiver.next().id(), message.id());
    operator.page(&hook).says("id=\"replay-form\"");
    operator.done(&format!("{hook}/replay"), &[]).says("Messages that are sent again: 1.");
    assert_eq!(receiver.next().id(), sent.iter().find(|other| other.id() != message.id()).expect("two").id());
    operator.done(&format!("{hook}/replay"), &[]).says("No message to it was given up.");

    // To an endpoint that is gone nothing is sent.
    let gone_hook = format!("/operator/webhooks/{gone_id}");
    assert!(!operator.page(&gone_hook).says("It is disabled:").html.contains("replay-form"));
    Page::read(operator.post(&format!("{gone_hook}/replay"), &[]), 409).says("webhook_disabled");
    let to_gone = messages(&format!("webhook={gone_id}")).remove(0);
    Page::read(operator.post(&format!("{to_gone}/replay"), &[]), 409).says("webhook_disabled");
    let unknown = "0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59";
    for (address, status, code) in [
        (format!("/operator/webhooks/{unknown}"), 404, "webhook_unknown"),
        ("/operator/webhooks/none".to_owned(), 404, "webhook_unknown"),
        (format!("/operator/webhooks/messages/{unknown}"), 404, "delivery_unknown"),
        ("/operator/webhooks/messages/none".to_owned(), 404, "delivery_unknown"),
        ("/operator/webhooks?webhook=none".to_owned(), 404, "webhook_unknown"),
        ("/operator/webhooks?cursor=none".to_owned(), 400, "cursor_invalid"),
        ("/operator/webhooks?failed=maybe".to_owned(), 400, "request_invalid"),
    ] {
        Page::read(operator.get(&address), status).says(&format!("<code>{code}</code>"));
    }
}

#[test]
fn an_import_is_followed_to_its_end() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    operator.page("/operator/imports").says("Nothing was uploaded.");
    let device = HandMade::new(1, &license).consume(7);
    let runs = vec![device.run(1, device.len()), HandMade::new(2, &license).run_with_bad_signature(2)];
    let name = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let address =
        format!("/operator/imports/{}", text(&served.import(&token, name, &bundle(runs)), "import_id"));
    let done = operator.page(&address);
    done.says("How far it has come: done")
        .says("100 % read")
        .says(ESCAPED)
        .says("<code>signature_bad</code>");
    let list = operator.page("/operator/imports");
    list.says(&format!("<a href=\"{address}\">{ESCAPED}</a>")).says(">done</td>");
    assert!(!done.html.contains("<script>") && !list.html.contains("<script>"));
    operator.page(&format!("/operator/licenses/{}", license.id)).says("7 used and");
    for unknown in ["none", "0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59", ".."] {
        Page::read(operator.get(&format!("/operator/imports/{unknown}")), 404);
    }
}

#[test]
fn every_free_text_is_shown_as_text() {
    let lab = Lab::with_policy(STANDARD);
    let name = "<img src=x onerror=alert(1)>";
    lab.vendor(&format!("product create '{name}' --feature '{name}' --feature metered:metered")).done();
    lab.vendor(&format!("policy create '{MARKUP}' --product '{name}' --quota metered=10")).done();
    let issued = lab.vendor(&format!("license issue --policy '{MARKUP}' --customer '{MARKUP}'")).done();
    let made = lab.vendor(&format!("token create --role admin --name '{MARKUP}'")).done();
    let served = lab.serve(FREE);
    let operator = served.signed_in(&text(&made, "token"));
    let license = text(&issued, "license_id");
    let page = operator.page(&format!("/operator/licenses/{license}"));
    page.says("&#60;img src=x");
    let event = links(&page, "/operator/licenses/").into_iter().find(|link| link.contains("/events/"));
    let event = event.expect("it was issued").to_owned();
    for address in ["/operator", event.as_str(), &format!("/operator/licenses/{license}/suspend")] {
        let page = operator.page(address);
        page.says(ESCAPED);
        assert!(!page.html.contains("<script>") && !page.html.contains(name), "{}", page.html);
    }
}

#[test]
fn what_does_not_exist_is_a_page_that_says_so() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = HandMade::new(1, &license);
    lab.write("dev1.cfbundle", device.bundle());
    lab.vendor("merge dev1.cfbundle").done();
    let chain = device.chain();
    let token = lab.token("admin");
    let served = lab.serve(FREE);
    let operator = served.signed_in(&token);
    let unknown = "0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59";
    let zeros = "0".repeat(64);
    for (address, status, code) in [
        (format!("/operator/licenses/{unknown}"), 404, "license_not_found"),
        (format!("/operator/licenses/{unknown}/suspend"), 404, "license_not_found"),
        ("/operator/licenses/none".to_owned(), 404, "license_not_found"),
        (format!("/operator/licenses/{}", license.key), 404, "license_not_found"),
        ("/operator/licenses/%FF".to_owned(), 400, "request_invalid"),
        (format!("/operator/licenses/{}?colour=red", license.id), 400, "request_invalid"),
        (format!("/operator/licenses/{}/events/{chain}/0", license.id), 404, "event_unknown"),
        (format!("/operator/licenses/{}/events/{chain}/99", license.id), 404, "event_unknown"),
        (format!("/operator/licenses/{}/events/{chain}/{}", license.id, u64::MAX), 404, "event_unknown"),
        (format!("/operator/licenses/{}/events/{zeros}/1", license.id), 404, "event_unknown"),
        (format!("/operator/licenses/{}/events/x/1", license.id), 404, "chain_unknown"),
        (format!("/operator/licenses/{}/events/{chain}/x", license.id), 400, "request_invalid"),
        (format!("/operator/activations/{zeros}"), 404, "chain_unknown"),
        (format!("/operator/activations/{}", &chain.to_string()[..12]), 404, "chain_unknown"),
        (format!("/operator/activations/{zeros}/release"), 404, "chain_unknown"),
    ] {
        let page = Page::read(operator.get(&address), status);
        page.says(&format!("<code>{code}</code>")).says("href=\"/operator\"");
        let way_out = page.html.split("What to do:").nth(1).expect("there is one");
        assert!(!way_out.contains("openapi.json") && !way_out.contains('`'), "{way_out}");
    }
    let answer = operator.post(&format!("/operator/licenses/{unknown}/revoke"), &[("reason", "x")]);
    Page::read(answer, 404).says("license_not_found");
    let browsing = [("accept", "text/html"), ("cookie", operator.cookie.as_str())];
    let request = http::request("GET", "/operator/nowhere", &browsing, b"");
    Page::read(http::send(served.address, &request).expect("it answers"), 404).says("route_unknown");
    let odd = operator.post(&format!("/operator/licenses/{}/suspend", license.id), &[("reasons", "x")]);
    Page::read(odd, 400).says("request_invalid");
    assert_eq!(standing(&lab, &license.id), "active");
    every_page_stands_alone(&served, &operator, &license.id);
}

fn every_page_stands_alone(served: &Served, operator: &Operator<'_>, license: &str) {
    let pages = [
        Page::read(served.get("/operator/sign-in"), 200),
        operator.page("/operator"),
        operator.page(&format!("/operator/licenses/{license}")),
        operator.page("/operator/quarantine"),
        operator.page("/operator/forks"),
        operator.page("/operator/imports"),
        operator.page("/operator/webhooks"),
    ];
    for page in pages {
        let policy = page.answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.answer.header("cache-control"), "no-store");
        assert_eq!(page.answer.header("referrer-policy"), "same-origin");
        for foreign in ["http:", "https:", "src=\"//", "style=", "<style", " onclick", "javascript:"] {
            assert!(!page.html.contains(foreign), "{foreign}: {}", page.html);
        }
    }
}
