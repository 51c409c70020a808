//! What operators do over HTTP: the same as on the command line, with the same answers, and nothing twice.

use std::net::SocketAddr;

use counterfoil_tests::http::Answer;
use counterfoil_tests::lab::text;
use counterfoil_tests::{Lab, Served, http};
use serde_json::{Value, json};

const STANDARD: &str = "--max-activations 3 --quota render=1000/month --sync-every 30d --transfers 2/90d";
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";
/// How often it is tried to interrupt an import.
const TRIED: u32 = 20;
/// How often an import is asked for before it is given up.
const ASKED: u32 = 100_000;
const SCRIPT: &str = "<script>alert(1)</script>";

/// An operator's way to a service.
struct Desk {
    address: SocketAddr,
    token: String,
}

impl Desk {
    #[track_caller]
    fn of(lab: &Lab, served: &Served, role: &str) -> Self {
        let token = text(&lab.vendor(&format!("token create --role {role}")).done(), "token");
        Self { address: served.address, token }
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let headers = [headers, &[("authorization", authorization.as_str())]].concat();
        http::send(self.address, &http::request(method, path, &headers, body)).expect("it answers")
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    #[track_caller]
    fn patch(&self, path: &str, tag: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        self.send("PATCH", path, &headers, body.to_string().as_bytes())
    }

    /// Waits for an import to end.
    #[track_caller]
    fn ended(&self, import: &str) -> Value {
        for _ in 0..ASKED {
            let shown = done(&self.get(&format!("/v1/imports/{import}")));
            if !["waiting", "running"].contains(&shown["state"].as_str().expect("a state")) {
                return shown;
            }
        }
        panic!("the import {import} does not end");
    }
}

/// What an answer says, which is no refusal.
#[track_caller]
fn done(answer: &Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.json()
}

#[test]
fn a_licence_is_made_changed_and_ended_over_http_as_on_the_command_line() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "operator");

    let product = json!({"product": "viewer", "features": ["export", "render:metered"]});
    assert_eq!(done(&desk.post("/v1/products", &product))["features"][1]["metered"], true);
    assert_eq!(desk.post("/v1/products", &product).problem(409), "product_exists");
    let policy = json!({"policy": "team", "product": "viewer",
        "terms": {"type": "subscription", "valid": "90d", "max_activations": 5, "quota": ["render=100/month"]}});
    assert_eq!(done(&desk.post("/v1/policies", &policy))["rules"]["max_activations"], 5);
    assert_eq!(desk.post("/v1/policies", &policy).problem(409), "policy_exists");
    let dark = json!({"policy": "dark", "product": "viewer", "air_gapped": true});
    assert_eq!(done(&desk.post("/v1/policies", &dark))["air_gapped"], 1);
    let customer = done(&desk.post("/v1/customers", &json!({"name": SCRIPT})));
    assert_eq!(
        done(&desk.post("/v1/customers", &json!({"name": SCRIPT}))),
        customer,
        "one of a name is there once"
    );

    let order = json!({"policy": "team", "customer": SCRIPT, "count": 2, "terms": {"max_activations": 7}});
    let issued = done(&desk.post("/v1/licenses", &order));
    let licenses = issued["licenses"].as_array().expect("licences");
    assert_eq!(licenses.len(), 2);
    assert_eq!((&licenses[0]["customer"], &licenses[0]["policy"]), (&json!(SCRIPT), &json!("team")));
    let id = text(&licenses[0], "license_id");
    let path = format!("/v1/licenses/{id}");

    let shown = desk.get(&path);
    let tag = shown.header("etag").to_owned();
    assert_eq!(tag, "\"1-active\"");
    assert_eq!(done(&shown), lab.vendor(&format!("license show {id}")).done(), "the same as there");
    let by_key = format!("/v1/licenses/{}", text(&licenses[0], "license_key"));
    assert_eq!(done(&desk.get(&by_key)), shown.json());

    let change = json!({"reason": "order 4711", "terms": {"valid": "365d", "feature": ["beta"]}});
    let changed = desk.patch(&path, &tag, &change);
    assert_eq!(done(&changed)["entitlement"]["revision"], 2);
    assert_eq!(changed.header("etag"), "\"2-active\"");
    assert_eq!(desk.patch(&path, &tag, &change).problem(412), "precondition_failed", "somebody changed it");
    let blind =
        desk.send("PATCH", &path, &[("content-type", "application/json")], change.to_string().as_bytes());
    assert_eq!(blind.problem(428), "precondition_required");
    let again = json!({"terms": {"max_activations": 8}, "remove_feature": ["beta"]});
    assert_eq!(done(&desk.patch(&path, "*", &again))["entitlement"]["revision"], 3);

    let table = format!("policy,customer,valid,count\nteam,{SCRIPT},30d,2\nteam,Beta,,\n");
    let import =
        |kind: &str, table: &[u8]| desk.send("POST", "/v1/licenses/import", &[("content-type", kind)], table);
    let imported = done(&import("text/csv; charset=utf-8", table.as_bytes()));
    let customers: Vec<_> = imported["licenses"].as_array().expect("licences").iter().collect();
    assert_eq!(customers.len(), 3);
    assert!(customers.iter().all(|license| license["policy"] == "team"));
    assert_eq!(customers[2]["customer"], "Beta");
    assert_eq!(import("text/csv", format!("{table}nosuch,Gamma,,\n").as_bytes()).problem(422), "csv_invalid");
    assert_eq!(import("text/csv", b"policy,customer,count\nteam,Beta,501\n").problem(422), "csv_invalid");
    assert_eq!(import("text/csv", b"policy,customer\nteam,\xff\n").problem(422), "csv_invalid");
    assert_eq!(import("application/json", table.as_bytes()).problem(415), "media_type_unsupported");
    let issued_by_now = done(&desk.get("/v1/licenses?policy=team"))["licenses"].as_array().map(Vec::len);
    assert_eq!(issued_by_now, Some(5), "what was refused issued nothing");

    let why = json!({"reason": format!("payment {SCRIPT}")});
    for (verb, status) in [("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")] {
        let stands = done(&desk.post(&format!("{path}/{verb}"), &why));
        assert_eq!(stands, json!({"license_id": id, "status": status}));
        assert_eq!(desk.post(&format!("{path}/{verb}"), &why).problem(409), "status_unchanged", "{verb}");
    }
    let history = done(&desk.get(&format!("{path}/history")));
    let told = lab.vendor(&format!("audit history {id}")).done();
    assert_eq!((&history["license_id"], &history["events"]), (&told["license_id"], &told["events"]));
    let told = told["events"].as_array().expect("events");
    assert_eq!(told.len(), 6, "{history}");
    let (mut seen, mut rest) = (Vec::new(), String::new());
    loop {
        let page = done(&desk.get(&format!("{path}/history?limit=4{rest}")));
        seen.extend(page["events"].as_array().expect("events").iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        rest = format!("&cursor={cursor}");
    }
    assert_eq!(&seen, told, "page by page");
    let other = text(&done(&desk.get("/v1/licenses?limit=1")), "next_cursor");
    let answer = desk.get(&format!("{path}/history?cursor={other}"));
    assert_eq!(answer.problem(400), "cursor_invalid", "of another list");

    for (path, command) in [
        ("/v1/products/viewer", "product show viewer"),
        ("/v1/products", "product list"),
        ("/v1/policies?product=viewer", "policy list --product viewer"),
        ("/v1/licenses?policy=team", "license list --policy team"),
        ("/v1/activations", "activation list"),
        ("/v1/forks", "audit forks"),
    ] {
        let mut page = done(&desk.get(path));
        page.as_object_mut().expect("an object").retain(|key, _| key != "next_cursor");
        assert_eq!(page, lab.vendor(command).done(), "{path}");
    }
    let auditor = Desk::of(&lab, &served, "auditor");
    assert_eq!(done(&auditor.get(&path))["license_key"], Value::Null, "who only reads has no key");
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn seats_are_taken_back_and_refreshed_over_http() {
    let lab = Lab::with_policy(STANDARD);
    let key = lab.issue().key;
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "operator");
    for name in ["one", "two", "three"] {
        let line = format!("activate --license-key {key} --server {}", served.url());
        lab.device(name, &line).done();
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = done(&desk.get(&format!("/v1/activations?limit=1{cursor}")));
        found.extend(page["activations"].as_array().expect("activations").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(Value::from(found.clone()), lab.vendor("activation list").done()["activations"]);
    let chain = text(&found[0], "chain");
    let path = format!("/v1/activations/{chain}");
    assert_eq!(done(&desk.get(&path)), lab.vendor(&format!("activation show {chain}")).done());
    let refreshed = desk.post(&format!("{path}/refresh"), &json!({}));
    assert_eq!(
        (refreshed.status, refreshed.header("content-type")),
        (200, "application/vnd.counterfoil.grant")
    );
    let newest = served.get(&format!("/v1/grants/{chain}"));
    assert_eq!(newest.body, refreshed.body, "it is the newest");

    assert_eq!(desk.post(&format!("{path}/write-off"), &json!({})).problem(409), "not_silent");
    let written_off = done(&desk.post(&format!("{path}/write-off"), &json!({"override": true})));
    assert!(written_off["written_off"][0]["units"].as_u64().is_some_and(|units| units > 0), "{written_off}");
    let release = json!({"override": true, "reason": "the disk is broken"});
    let released = done(&desk.post(&format!("{path}/release"), &release));
    assert_eq!((&released["state"], &released["is_free"]), (&json!("released"), &json!(true)));
    assert_eq!(desk.post(&format!("{path}/release"), &release).problem(409), "status_unchanged");
    let none = format!("/v1/activations/{}", "0".repeat(64));
    assert_eq!(desk.get(&none).problem(404), "chain_unknown");
    assert_eq!(desk.post(&format!("{none}/release"), &release).problem(404), "chain_unknown");
    let license = text(&found[0], "license_id");
    let silent = done(&desk.post(&format!("/v1/licenses/{license}/release-silent"), &json!({})));
    assert_eq!(silent, json!({"released": []}));
    lab.vendor("rebuild --check").done();
}

#[test]
fn what_waits_in_quarantine_is_seen_tried_again_and_dropped() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "operator");
    // A trial that was not issued yet, and a damaged file.
    lab.device("dev", "activate --trial --request request.cfbundle").done();
    let request = std::fs::read(lab.path("request.cfbundle")).expect("written");
    assert_eq!(served.exchange(&request).status, 200);
    let mut damaged = request.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    served.exchange(&damaged).problem(422);

    let page = done(&desk.get("/v1/quarantine"));
    assert_eq!(page["entries"], lab.vendor("quarantine list").done()["entries"]);
    let entries = page["entries"].as_array().expect("entries").clone();
    assert_eq!(entries.len(), 2);
    let first = done(&desk.get("/v1/quarantine?limit=1"));
    let next = text(&first, "next_cursor");
    let second = done(&desk.get(&format!("/v1/quarantine?limit=1&cursor={next}")));
    assert_eq!((&first["entries"][0], &second["entries"][0]), (&entries[0], &entries[1]));
    let waiting = done(&desk.get("/v1/quarantine?code=license_unknown"));
    let id = waiting["entries"][0]["id"].as_i64().expect("a number");
    let other = entries.iter().filter_map(|entry| entry["id"].as_i64()).find(|other| *other != id);
    let other = other.expect("the damaged one");
    assert_eq!(
        done(&desk.get(&format!("/v1/quarantine/{id}"))),
        lab.vendor(&format!("quarantine show {id}")).done()
    );
    let content = desk.get(&format!("/v1/quarantine/{other}/content"));
    assert_eq!((content.status, &content.body), (200, &damaged), "nothing of it is lost");

    lab.vendor("policy create try --product studio --type trial").done();
    lab.vendor("license issue --policy try --trial").done_lines();
    let retried = done(&desk.post("/v1/quarantine/retry", &json!({"ids": [id]})));
    assert_eq!(retried["merged"], 1, "{retried}");
    assert_eq!(desk.post("/v1/quarantine/retry", &json!({"ids": [id]})).problem(404), "quarantine_unknown");
    let dropped = desk.send("DELETE", &format!("/v1/quarantine/{other}"), &[], b"");
    assert_eq!(done(&dropped), json!({"dropped": [other]}));
    assert_eq!(
        desk.send("DELETE", &format!("/v1/quarantine/{other}"), &[], b"").problem(404),
        "quarantine_unknown"
    );
    assert_eq!(done(&desk.get("/v1/quarantine"))["entries"], json!([]));
    for (path, code) in [
        ("/v1/quarantine/none", "quarantine_unknown"),
        ("/v1/quarantine/99999999999999999999", "quarantine_unknown"),
        ("/v1/quarantine/-1", "quarantine_unknown"),
    ] {
        assert_eq!(desk.get(path).problem(404), code, "{path}");
    }
    assert_eq!(desk.get("/v1/quarantine?code=none").problem(400), "request_invalid");
}

#[test]
fn what_was_refused_of_an_import_is_told_page_by_page() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "operator");
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..7 {
        lab.write("junk", format!("this is no bundle, nor is it number {number}"));
        tar.append_path_with_name(lab.path("junk"), format!("{number}.cfbundle")).expect("readable");
    }
    let accepted = desk.send("POST", "/v1/imports", &[], &tar.into_inner().expect("in memory"));
    let id = text(&accepted.json(), "import_id");
    assert_eq!(desk.ended(&id)["counts"]["refused"], 7);
    let path = format!("/v1/imports/{id}/findings");
    let all = done(&desk.get(&path));
    assert_eq!(all["findings"].as_array().map(Vec::len), Some(7));
    assert!(all["next_cursor"].is_null());
    for size in 1..=7 {
        let (mut seen, mut rest) = (Vec::new(), String::new());
        loop {
            let page = done(&desk.get(&format!("{path}?limit={size}{rest}")));
            let findings = page["findings"].as_array().expect("findings");
            assert!((1..=size).contains(&findings.len()));
            seen.extend(findings.iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            rest = format!("&cursor={cursor}");
        }
        assert_eq!(json!(seen), all["findings"], "{size}");
    }
    let page = done(&desk.get(&format!("{path}?limit=1")));
    let cursor = text(&page, "next_cursor");
    // The last digits say where in the file the next page begins.
    for end in ["A", "8"] {
        let forged = format!("{}{end}", &cursor[..cursor.len() - 1]);
        let answer = desk.get(&format!("{path}?limit=1&cursor={forged}"));
        assert_eq!(answer.problem(400), "cursor_invalid", "{forged}");
    }
    let beyond = format!("{}f___w", &cursor[..cursor.len() - 5]);
    assert_eq!(desk.get(&format!("{path}?cursor={beyond}")).problem(400), "cursor_invalid");
}

#[test]
fn many_bundles_are_uploaded_at_once_and_answered_file_by_file() {
    let lab = Lab::with_policy(STANDARD);
    let key = lab.issue().key;
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "operator");
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["one", "two", "three"] {
        lab.device(name, &format!("activate --license-key {key} --request {name}.cfbundle")).done();
        tar.append_path_with_name(lab.path(format!("{name}.cfbundle")), format!("in/{name}.cfbundle"))
            .expect("readable");
    }
    std::fs::write(lab.path("junk"), b"this is no bundle").expect("writable");
    tar.append_path_with_name(lab.path("junk"), "in/junk.cfbundle").expect("readable");
    let tar = tar.into_inner().expect("in memory");

    let accepted = desk.send("POST", "/v1/imports?name=november.tar", &[], &tar);
    assert_eq!(accepted.status, 202);
    let id = text(&accepted.json(), "import_id");
    assert_eq!(accepted.header("location"), format!("/v1/imports/{id}"));
    let ended = desk.ended(&id);
    assert_eq!((&ended["state"], &ended["name"]), (&json!("done"), &json!("november.tar")));
    assert_eq!((&ended["counts"]["merged"], &ended["counts"]["refused"]), (&json!(3), &json!(1)), "{ended}");
    let findings = done(&desk.get(&format!("/v1/imports/{id}/findings")));
    assert_eq!(findings["findings"].as_array().map(Vec::len), Some(1));
    assert!(
        findings["findings"][0]["source"].as_str().is_some_and(|source| source.ends_with("in/junk.cfbundle"))
    );
    assert!(!findings.to_string().contains(lab.path("").to_str().expect("text")), "no path of the machine");

    let answers = desk.get(&format!("/v1/imports/{id}/answers"));
    assert_eq!((answers.status, answers.header("content-type")), (200, "application/x-tar"));
    let mut found = Vec::new();
    for entry in tar::Archive::new(answers.body.as_slice()).entries().expect("a tar") {
        let mut entry = entry.expect("whole");
        let path = entry.path().expect("a path").display().to_string();
        if path.ends_with(".cfgrant") {
            let name = path.rsplit('/').next().expect("a name").to_owned();
            entry.unpack(lab.path(&name)).expect("writable");
            found.push(name);
        }
    }
    found.sort();
    assert_eq!(found, ["one.cfgrant", "three.cfgrant", "two.cfgrant"]);
    for name in ["one", "two", "three"] {
        assert_eq!(lab.device(name, &format!("apply {name}.cfgrant")).done()["state"], "active");
    }
    // The same again changes nothing; one bundle needs no archive.
    let again = desk.ended(&text(&desk.send("POST", "/v1/imports", &[], &tar).json(), "import_id"));
    assert_eq!((&again["counts"]["merged"], &again["counts"]["known"]), (&json!(0), &json!(3)), "{again}");
    let one = std::fs::read(lab.path("one.cfbundle")).expect("written");
    let one =
        desk.ended(&text(&desk.send("POST", "/v1/imports?name=../../one", &[], &one).json(), "import_id"));
    assert_eq!((&one["state"], &one["files"]), (&json!("done"), &json!(1)));
    let listed = done(&desk.get("/v1/imports?limit=2"));
    assert_eq!(listed["imports"][0], one, "the newest first");
    assert!(listed["next_cursor"].is_string());
    for (path, code) in
        [("none", "import_unknown"), ("01a20d53-3d26-72cd-9e59-5a0d0cf04e7a", "import_unknown")]
    {
        for part in ["", "/findings", "/answers"] {
            assert_eq!(desk.get(&format!("/v1/imports/{path}{part}")).problem(404), code);
        }
    }
    lab.vendor("rebuild --check").done();
}

#[test]
fn an_import_that_a_kill_or_an_end_interrupts_is_taken_up_again() {
    let lab = Lab::with_policy("--max-activations 1000 --mode render=counted");
    let key = lab.issue().key;
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..40 {
        let name = format!("dev{number}");
        lab.device(&name, &format!("activate --license-key {key} --request {name}.cfbundle")).done();
        tar.append_path_with_name(lab.path(format!("{name}.cfbundle")), format!("{name}.cfbundle"))
            .expect("readable");
    }
    let tar = tar.into_inner().expect("in memory");
    for signal in ["KILL", "TERM"] {
        // It is tried until the signal came in the midst of one.
        let was_interrupted = (0..TRIED).any(|_| {
            let served = lab.serve(FREE);
            let desk = Desk::of(&lab, &served, "operator");
            let id = text(&desk.send("POST", "/v1/imports?name=all.tar", &[], &tar).json(), "import_id");
            served.signal(signal);
            served.wait();
            let kept = lab.home().join("imports").join(&id).join("import.json");
            let kept = std::fs::read_to_string(kept).expect("what was accepted is there");
            let served = lab.serve(FREE);
            let desk = Desk { address: served.address, ..desk };
            let done = desk.ended(&id);
            assert_eq!(
                (&done["state"], &done["files"]),
                (&json!("done"), &json!(40)),
                "after {signal}: {done}"
            );
            assert_eq!(desk.get(&format!("/v1/imports/{id}/answers")).status, 200);
            !kept.contains("\"state\":\"done\"")
        });
        assert!(was_interrupted, "no {signal} came in the midst of an import");
    }
    let listed = lab.vendor("activation list --status active").done();
    assert_eq!(listed["activations"].as_array().map(Vec::len), Some(40));
}

#[test]
fn what_is_sent_again_with_its_key_is_not_done_again() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "operator");
    let order = json!({"policy": "standard", "customer": "ACME GmbH"});
    let send = |desk: &Desk, key: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        desk.send("POST", "/v1/licenses", &headers, body.to_string().as_bytes())
    };
    let first = send(&desk, "order-1", &order);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let again = send(&desk, "order-1", &order);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("content-type"), "application/json");
    let other = json!({"policy": "standard", "customer": "Other"});
    assert_eq!(send(&desk, "order-1", &other).problem(422), "idempotency_key_reused");
    let refused = json!({"policy": "none", "customer": "ACME GmbH"});
    assert_eq!(send(&desk, "order-2", &refused).problem(404), "policy_unknown");
    assert_eq!(send(&desk, "order-2", &order).status, 201, "nothing was done with that key");
    let somebody = Desk::of(&lab, &served, "operator");
    assert_ne!(send(&somebody, "order-1", &order).body, first.body, "another token's keys are its own");
    for key in ["", "ä", &"x".repeat(256)] {
        assert_eq!(send(&desk, key, &order).problem(400), "request_invalid", "{key:?}");
    }
    let stranger = Desk { address: served.address, token: "cft_none".to_owned() };
    assert_eq!(send(&stranger, "order-1", &order).problem(401), "unauthorized");
    drop(served);
    let served = lab.serve(FREE);
    let desk = Desk { address: served.address, ..desk };
    assert_eq!(send(&desk, "order-1", &order).body, first.body, "also after the service began anew");
    let listed = lab.vendor("license list --customer 'ACME GmbH'").done();
    assert_eq!(listed["licenses"].as_array().map(Vec::len), Some(3), "{listed}");
}

/// Every operation that takes something, with something that is not understood: it is refused with a code, and nothing changes.
#[test]
fn every_route_refuses_what_is_not_understood() {
    let lab = Lab::with_policy(STANDARD);
    let key = lab.issue().key;
    let served = lab.serve(FREE);
    let desk = Desk::of(&lab, &served, "admin");
    lab.device("dev", &format!("activate --license-key {key} --server {}", served.url())).done();
    let activation = lab.vendor("activation list").done()["activations"][0].clone();
    let (chain, license) = (text(&activation, "chain"), text(&activation, "license_id"));
    let before = lab.vendor("digest").done();
    let catalog = ["product list", "policy list", "customer list", "license list", "token list"];
    let catalog_before = catalog.map(|command| lab.vendor(command).done());
    let described = served.get("/openapi.json").json();
    let too_long = vec![b' '; 10_000_000];
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{\"colour\": \"red\"}",
        b"{\"reason\": \"\xff\xfe\"}",
        b"{\"product\": \"../../etc\\u0000\", \"policy\": 7, \"name\": {}, \"ids\": [\"x\"]}",
        &too_long,
    ];
    let mut tried = 0;
    for (path, item) in described["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["security"].is_null() {
                continue;
            }
            let method = method.to_uppercase();
            // In the place of a parameter stands what is there, what is not, and what leads elsewhere.
            let known = if path.contains("{license}") { &license } else { &chain };
            for (value, is_there) in
                [(known.as_str(), true), ("..%2f..%2fetc%2fpasswd", false), ("%ff%00", false)]
            {
                let path = fill(path, value);
                let told = format!("{method} {path}");
                if path.contains('%') {
                    let answer = desk.send(&method, &path, &[("content-type", "application/json")], b"{}");
                    assert!((400..500).contains(&answer.status), "{told}: {answer:?}");
                    answer.problem(answer.status);
                }
                if !operation["requestBody"]["content"]["application/json"].is_object() || !is_there {
                    continue;
                }
                for body in bodies {
                    tried += 1;
                    let headers = [("content-type", "application/json"), ("if-match", "*")];
                    let answer = desk.send(&method, &path, &headers, body);
                    let beginning = String::from_utf8_lossy(&body[..body.len().min(60)]);
                    assert!((400..500).contains(&answer.status), "{told} with {beginning}: {answer:?}");
                    let code = answer.problem(answer.status);
                    assert!(["request_invalid", "too_large"].contains(&code.as_str()), "{told}: {code}");
                }
            }
            if method == "GET" {
                let path = format!("{}?colour=red", fill(path, &chain));
                let has_query = operation["parameters"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"));
                if has_query {
                    assert_eq!(desk.get(&path).problem(400), "request_invalid", "{path}");
                }
            }
        }
    }
    assert!(tried > 50, "{tried}");
    assert_eq!(lab.vendor("digest").done(), before);
    assert_eq!(catalog.map(|command| lab.vendor(command).done()), catalog_before);
}

fn fill(path: &str, value: &str) -> String {
    let mut plain = path.to_owned();
    while let Some((before, rest)) = plain.split_once('{') {
        let (_, after) = rest.split_once('}').expect("a parameter ends");
        plain = format!("{before}{value}{after}");
    }
    plain
}
