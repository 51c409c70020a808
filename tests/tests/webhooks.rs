//! Webhooks: what happens is told, signed, once for each endpoint, whatever becomes of the service or of the endpoint; and
//! nothing is sent where it must not go.

use std::collections::BTreeSet;

use counterfoil_tests::http::{self, Answer};
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Cell, HandMade, Lab, License, Received, Receiver, Served, Tables};
use schemas::numbers::Micros;
use serde_json::{Value, json};

const STANDARD: &str = "--max-activations 100 --quota render=1000/month --sync-every 30d";
/// Limits that a test on one machine would meet.
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";

/// An endpoint for a receiver: its identifier, and what its messages are verified with.
#[track_caller]
fn endpoint(lab: &Lab, receiver: &Receiver, options: &str) -> (String, String) {
    let made = lab.vendor(&format!("webhook create {} --allow-private {options}", receiver.url())).done();
    (text(&made, "webhook_id"), text(&made, "key"))
}

/// Takes in all that a device said.
#[track_caller]
fn merge(lab: &Lab, device: &HandMade) {
    lab.write("device.cfbundle", device.bundle());
    lab.vendor("merge device.cfbundle").done();
}

#[track_caller]
fn deliveries(lab: &Lab, options: &str) -> Vec<Value> {
    let listed = lab.vendor(&format!("webhook deliveries {options}")).done();
    listed["deliveries"].as_array().expect("messages").clone()
}

/// Asks for the messages until they are so.
#[track_caller]
fn until(lab: &Lab, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    loop {
        let found = deliveries(lab, "");
        if is_so(&found) {
            return found;
        }
    }
}

fn all_are(state: &str) -> impl Fn(&[Value]) -> bool {
    move |found| !found.is_empty() && found.iter().all(|delivery| delivery["state"] == state)
}

#[track_caller]
fn ask(served: &Served, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("authorization", authorization.as_str())];
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    http::send(served.address, &http::request(method, path, &headers, body.as_bytes())).expect("it answers")
}

#[track_caller]
fn token(lab: &Lab, role: &str) -> String {
    text(&lab.vendor(&format!("token create --role {role} --name 'Ada of {role}'")).done(), "token")
}

/// The form that Standard Webhooks gives a message, and that nothing in it is a secret or somebody's name.
#[track_caller]
fn is_well_formed(message: &Received, license: &License) {
    assert_eq!(message.request_line(), "POST /hook HTTP/1.1");
    assert_eq!(message.header("content-type"), "application/json");
    let told = message.json();
    let keys: BTreeSet<&str> = told.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["data", "timestamp", "type"]));
    assert_eq!(text(&told["data"], "license_id"), license.id);
    assert_eq!(text(&told["data"], "product"), "studio");
    for secret in [license.key.as_str(), "ACME", "plant 7"] {
        assert!(!message.body().contains(secret), "{message:?}");
    }
}

#[test]
fn a_device_s_life_is_told_signed_and_each_thing_once() {
    let lab = Lab::with_policy("--max-activations 1 --quota render=1000/month --sync-every 30d");
    let license = lab.issue();
    let (all, seats) = (Receiver::begin(), Receiver::begin());
    let (_, secret) = endpoint(&lab, &all, "");
    let (_, public) =
        endpoint(&lab, &seats, "--sign v1a --on activation.activated --on activation.deactivated");
    assert!(secret.starts_with("whsec_") && public.starts_with("whpk_"));
    let served = lab.serve(FREE);
    let heard = |receiver: &Receiver, key: &str, count: usize| {
        let messages: Vec<Received> = (0..count).map(|_| receiver.next()).collect();
        for message in &messages {
            is_well_formed(message, &license);
            assert!(message.is_signed_by(key), "{message:?}");
        }
        messages
    };
    let topics = |messages: &[Received]| messages.iter().map(Received::topic).collect::<BTreeSet<_>>();
    let exchange = |device: &HandMade| assert_eq!(served.exchange(&device.bundle()).status, 200);

    let device = HandMade::new(1, &license);
    let chain = device.chain().to_string();
    exchange(&device);
    let activated = heard(&all, &secret, 1).remove(0);
    assert_eq!(activated.topic(), "activation.activated");
    let data = &activated.json()["data"];
    assert_eq!((text(data, "chain"), text(data, "status")), (chain.clone(), "active".into()));
    assert_eq!(heard(&seats, &public, 1)[0].topic(), "activation.activated");

    // The same again is known, and nothing is told of it; what comes next is.
    exchange(&device);
    let device = device.consume(300).consume(4);
    exchange(&device);
    let messages = heard(&all, &secret, 2);
    assert_eq!(topics(&messages), BTreeSet::from(["activation.refreshed".into(), "usage.merged".into()]));
    let usage = messages.iter().find(|message| message.topic() == "usage.merged").expect("just found");
    let used = &usage.json()["data"]["features"][0];
    assert_eq!((text(used, "feature"), text(used, "period")), ("render".into(), "2026-11".into()));
    assert_eq!((number(used, "n"), number(used, "events")), (304, 2));

    exchange(&HandMade::new(2, &license));
    let denied = heard(&all, &secret, 1).remove(0);
    assert_eq!(denied.topic(), "activation.denied");
    assert_eq!(text(&denied.json()["data"], "reason"), "no_seat_free");

    // A copy of the device, and then its end.
    exchange(&HandMade::new(1, &license).consume(7));
    let messages = heard(&all, &secret, 3);
    assert!(topics(&messages).contains("chain.forked"), "{messages:?}");
    // Closed on one history it is not closed on the other; then an operator takes the seat.
    exchange(&device.close());
    assert_eq!(heard(&all, &secret, 1)[0].topic(), "activation.refreshed");
    lab.vendor(&format!("activation release {chain} --override --reason copied --yes")).done();
    let ended = heard(&all, &secret, 1).remove(0);
    assert_eq!(ended.topic(), "activation.deactivated");
    assert_eq!(text(&ended.json()["data"], "chain"), chain);
    assert_eq!(heard(&seats, &public, 1)[0].topic(), "activation.deactivated");
    until(&lab, all_are("delivered"));
    assert!(all.is_empty() && seats.is_empty());
    lab.vendor("rebuild --check").done();
}

#[test]
fn what_was_not_taken_comes_again_with_the_same_name() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let (receiver, other) = (Receiver::begin(), Receiver::begin());
    let (_, secret) = endpoint(&lab, &receiver, "");
    endpoint(&lab, &other, "");
    receiver.answer(&["500 Internal Server Error|not today", "302 Found\r\nlocation: http://127.0.0.1:1/"]);
    let served = lab.serve(FREE);
    assert_eq!(served.exchange(&HandMade::new(1, &license).bundle()).status, 200);
    let first = receiver.next();
    assert_eq!(other.next().body(), first.body(), "it waits for nobody");
    let failed = until(&lab, |found| found.iter().any(|delivery| delivery["status"] == 500));
    let failed = failed.iter().find(|delivery| delivery["status"] == 500).expect("just found");
    assert_eq!((text(failed, "state"), text(failed, "answer")), ("pending".into(), "not today".into()));
    assert_eq!(text(failed, "message_id"), first.id());
    let second = receiver.next();
    assert_eq!((second.id(), second.body()), (first.id(), first.body()));
    assert!(second.is_signed_by(&secret) && first.is_signed_by(&secret));
    let attempted = until(&lab, |found| found.iter().any(|delivery| delivery["status"] == 302));
    assert_eq!(number(attempted.iter().find(|found| found["status"] == 302).expect("found"), "attempts"), 2);

    // Nobody waits for a minute here: it is sent again because somebody asks for it.
    let id = first.id().to_owned();
    lab.vendor(&format!("webhook replay {id}")).done();
    let third = receiver.next();
    assert_eq!((third.id(), third.body()), (first.id(), first.body()));
    until(&lab, all_are("delivered"));
    // What was taken can be sent again too, by whoever may.
    let path = format!("/v1/webhooks/deliveries/{id}/replay");
    assert_eq!(ask(&served, "POST", &path, &token(&lab, "auditor"), None).problem(403), "forbidden");
    let operator = token(&lab, "operator");
    assert_eq!(ask(&served, "POST", &path, &operator, None).json()["message_id"], id.as_str());
    assert_eq!(receiver.next().id(), id);
    for (id, code) in
        [("x", "delivery_unknown"), ("01234567-0123-7123-8123-0123456789ab", "delivery_unknown")]
    {
        let path = format!("/v1/webhooks/deliveries/{id}/replay");
        assert_eq!(ask(&served, "POST", &path, &operator, None).problem(404), code);
    }
}

#[test]
fn an_endpoint_that_is_gone_is_told_nothing_more() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let (gone, removed, last) = (Receiver::begin(), Receiver::begin(), Receiver::begin());
    let (id, _) = endpoint(&lab, &gone, "");
    let (removed_id, _) = endpoint(&lab, &removed, "");
    gone.answer(&["410 Gone"]);
    let served = lab.serve(FREE);
    assert_eq!(served.exchange(&HandMade::new(1, &license).bundle()).status, 200);
    let first = (gone.next(), removed.next());
    let settled = until(&lab, |found| found.iter().all(|delivery| delivery["state"] != "pending"));
    assert_eq!(settled.len(), 2);
    assert_eq!(deliveries(&lab, "--failed").len(), 1);
    let listed = lab.vendor("webhook list").done();
    assert_eq!(text(&listed["webhooks"][0], "state"), "disabled");
    lab.vendor(&format!("webhook replay {}", first.0.id())).refused(4, "webhook_disabled");
    lab.vendor(&format!("webhook replay --failed --hook {id}")).refused(4, "webhook_disabled");
    assert_eq!(number(&lab.vendor("webhook replay --failed").done(), "replayed"), 0);
    lab.vendor(&format!("webhook remove {removed_id}")).done();
    lab.vendor(&format!("webhook remove {removed_id}")).refused(3, "webhook_unknown");
    lab.vendor(&format!("webhook replay {}", first.1.id())).refused(3, "delivery_unknown");

    // Whoever is told last has been told after the others would have been.
    endpoint(&lab, &last, "");
    assert_eq!(served.exchange(&HandMade::new(2, &license).bundle()).status, 200);
    last.next();
    assert!(gone.is_empty() && removed.is_empty());
    assert_eq!(deliveries(&lab, "").len(), 2);
    lab.vendor(&format!("webhook remove {id}")).done();
    assert_eq!(deliveries(&lab, "").len(), 1);
}

/// Places where no message goes, and the code that says so.
const REFUSED: [(&str, &str); 12] = [
    ("https://127.0.0.1/", "webhook_address_refused"),
    ("https://2130706433/", "webhook_address_refused"),
    ("https://[::1]/", "webhook_address_refused"),
    ("https://[::ffff:10.0.0.1]/", "webhook_address_refused"),
    ("https://10.1.2.3/hook", "webhook_address_refused"),
    ("https://169.254.169.254/latest/meta-data", "webhook_address_refused"),
    ("https://localhost/", "webhook_address_refused"),
    ("http://1.1.1.1/", "webhook_url_invalid"),
    ("https://ada:secret@1.1.1.1/", "webhook_url_invalid"),
    ("ftp://1.1.1.1/", "webhook_url_invalid"),
    ("https://1.1.1.1/#part", "webhook_url_invalid"),
    ("nonsense", "webhook_url_invalid"),
];

#[test]
fn nothing_is_sent_to_this_machine_or_its_network() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    let served = lab.serve(FREE);
    let admin = token(&lab, "admin");
    for (url, code) in REFUSED {
        let exit = if code == "webhook_url_invalid" { 2 } else { 4 };
        lab.vendor(&format!("webhook create {url}")).refused(exit, code);
        let answer = ask(&served, "POST", "/v1/webhooks", &admin, Some(&json!({ "url": url })));
        assert_eq!(answer.problem(422), code, "{url}");
    }
    lab.vendor("webhook create http://169.254.169.254/ --allow-private")
        .refused(4, "webhook_address_refused");
    assert_eq!(lab.vendor("webhook list").done()["webhooks"], json!([]));

    // A name that stands for something else once its endpoint was made: what is connected to is judged, not what was saved.
    lab.vendor("webhook create https://1.1.1.1/ --on activation.activated").done();
    let url = format!("https://localhost:{}/hook", receiver.address.port());
    let moved = Tables::of(&lab.home()).execute("UPDATE hooks SET url = $1", &[Cell::Text(url)]);
    assert_eq!(moved, 1);
    assert_eq!(served.exchange(&HandMade::new(1, &license).bundle()).status, 200);
    let failed = until(&lab, |found| found.iter().any(|delivery| delivery["attempts"] == 1));
    let answer = text(&failed[0], "answer");
    assert!(answer.contains("127.0.0.1") || answer.contains("::1"), "{answer}");
    assert_eq!((text(&failed[0], "state"), &failed[0]["status"]), ("pending".into(), &Value::Null));
    assert!(receiver.is_empty());
}

#[test]
fn what_was_committed_is_told_however_the_service_ends() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    endpoint(&lab, &receiver, "--on activation.activated");
    // Nobody sends while there is no service: what a command does is told by the next one.
    merge(&lab, &HandMade::new(1, &license));
    assert_eq!(deliveries(&lab, "")[0]["state"], "pending");
    let served = lab.serve(FREE);
    let first = receiver.next();
    until(&lab, all_are("delivered"));

    // Killed while a message is on its way, without an answer.
    receiver.answer(&["silence"]);
    assert_eq!(served.exchange(&HandMade::new(2, &license).bundle()).status, 200);
    let second = receiver.next();
    served.signal("KILL");
    served.wait();
    // And killed as soon as a device was answered.
    let served = lab.serve(FREE);
    assert_eq!(served.exchange(&HandMade::new(3, &license).bundle()).status, 200);
    served.signal("KILL");
    served.wait();

    let served = lab.serve(FREE);
    let mut names = BTreeSet::from([first.id().to_owned()]);
    let mut again = 0;
    while names.len() < 3 || again == 0 {
        let message = receiver.next();
        again += usize::from(message.id() == second.id());
        names.insert(message.id().to_owned());
    }
    until(&lab, all_are("delivered"));
    // Told to end, it ends in time although nobody answers.
    receiver.answer(&["silence"]);
    assert_eq!(served.exchange(&HandMade::new(4, &license).bundle()).status, 200);
    // One that was sent twice may still lie there.
    let last = std::iter::repeat_with(|| receiver.next()).find(|message| !names.contains(message.id()));
    let last = last.expect("messages come");
    served.signal("TERM");
    let (status, log) = served.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let pending = deliveries(&lab, "");
    let pending = pending.iter().find(|delivery| delivery["message_id"] == last.id()).expect("it is kept");
    assert_eq!((text(pending, "state"), number(pending, "attempts")), ("pending".into(), 1));
}

#[test]
fn two_services_send_each_message_once() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    endpoint(&lab, &receiver, "--on activation.activated");
    let services = [lab.serve(FREE), lab.serve(FREE)];
    for seed in 0..24 {
        let served = &services[usize::try_from(seed % 2).expect("small")];
        assert_eq!(served.exchange(&HandMade::new(seed, &license).bundle()).status, 200);
    }
    let names: Vec<String> = (0..24).map(|_| receiver.next().id().to_owned()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 24, "{names:?}");
    let found = until(&lab, all_are("delivered"));
    assert!(found.iter().all(|delivery| delivery["attempts"] == 1));
    assert!(receiver.is_empty());
}

#[test]
fn a_quota_that_runs_low_is_told_at_each_mark() {
    let lab = Lab::with_policy("--max-activations 1 --quota render=1000");
    let license = lab.issue();
    let receiver = Receiver::begin();
    endpoint(&lab, &receiver, "--on quota.low");
    let _served = lab.serve(FREE);
    lab.activate("dev1", &license);
    let consume = |n: u64| {
        lab.device("dev1", &format!("consume render {n}")).done();
        lab.sync("dev1");
    };
    consume(790);
    consume(20);
    let low = receiver.next().json();
    let data = &low["data"];
    assert_eq!((number(data, "percent"), number(data, "used"), number(data, "limit")), (80, 810, 1_000));
    assert_eq!((text(data, "feature"), text(data, "period")), ("render".into(), "life".into()));
    consume(10);
    consume(140);
    assert_eq!(number(&receiver.next().json()["data"], "percent"), 95);
    until(&lab, all_are("delivered"));
    assert!(receiver.is_empty());
}

/// After the last attempt a message is given up, and sent when somebody asks for it; an endpoint may ask for patience.
#[test]
fn what_was_given_up_is_sent_when_somebody_asks() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    let (id, _) = endpoint(&lab, &receiver, "--on activation.activated");
    merge(&lab, &HandMade::new(1, &license));
    let tables = Tables::of(&lab.home());
    assert_eq!(tables.execute("UPDATE deliveries SET attempts = $1", &[Cell::Int(7)]), 1);
    receiver.answer(&["500 Internal Server Error", "503 Service Unavailable\r\nretry-after: 7200"]);
    let served = lab.serve(FREE);
    let first = receiver.next();
    let failed = until(&lab, all_are("failed"));
    assert_eq!(number(&failed[0], "attempts"), 8);
    assert_eq!(deliveries(&lab, &format!("--failed --hook {id}")), failed);

    assert_eq!(number(&lab.vendor(&format!("webhook replay --failed --hook {id}")).done(), "replayed"), 1);
    assert_eq!(receiver.next().id(), first.id());
    let waits = until(&lab, |found| found[0]["status"] == 503);
    assert_eq!((text(&waits[0], "state"), number(&waits[0], "attempts")), ("pending".into(), 1));
    let at = |key: &str| Micros::parse(&text(&waits[0], key)).expect("RFC 3339");
    assert!(at("due_at").since(at("created_at")) >= 7_200_000_000, "{waits:#?}");
    drop(served);
}

/// What was settled a month ago is taken away, and what is to nobody; the rest stays.
#[test]
fn messages_are_kept_for_a_month() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    let (id, _) = endpoint(&lab, &receiver, "--on activation.activated");
    for seed in 0..4 {
        merge(&lab, &HandMade::new(seed, &license));
    }
    let served = lab.serve(FREE);
    until(&lab, all_are("delivered"));
    served.signal("TERM");
    served.wait();
    // The first ones by name are the oldest: one delivered long ago, one that failed so, one to nobody, one still to be sent.
    let tables = Tables::of(&lab.home());
    let kept = tables.rows("SELECT message FROM deliveries ORDER BY message", &[]);
    let changes = [
        "UPDATE deliveries SET message = $1, delivered_at = 1 WHERE message = $2",
        "UPDATE deliveries SET message = $1, delivered_at = NULL, failed_at = 1 WHERE message = $2",
        "UPDATE deliveries SET message = $1, hook = message WHERE message = $2",
        "UPDATE deliveries SET message = $1, delivered_at = NULL, due_at = 1 WHERE message = $2",
    ];
    for (number, (change, row)) in (1..).zip(changes.into_iter().zip(kept)) {
        let name = [&[0; 15][..], &[number]].concat();
        assert_eq!(tables.execute(change, &[Cell::Bytes(name), row[0].clone()]), 1);
    }
    assert_eq!(deliveries(&lab, "").len(), 4);
    let _served = lab.serve(FREE);
    let left = until(&lab, |found| found.len() == 1 && found[0]["state"] == "delivered");
    assert_eq!(text(&left[0], "webhook_id"), id);
}

/// An endpoint proves who it is: another service, whose certificate is trusted or not.
#[test]
fn nothing_is_said_to_an_endpoint_whose_certificate_is_not_trusted() {
    let lab = Lab::with_policy(STANDARD);
    let other = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    for lab in [&lab, &other] {
        lab.write("cert.pem", certified.cert.pem());
        lab.write("key.pem", certified.signing_key.serialize_pem());
    }
    let receiver = other.serve(&format!("{FREE} --tls-cert cert.pem --tls-key key.pem"));
    let url = format!("https://localhost:{}/v1/exchange", receiver.address.port());
    lab.vendor(&format!("webhook create {url} --allow-private")).done();
    let served = lab.serve(FREE);
    assert_eq!(served.exchange(&HandMade::new(1, &license).bundle()).status, 200);
    let failed = until(&lab, |found| found.iter().any(|delivery| delivery["attempts"] == 1));
    assert_eq!(failed[0]["status"], Value::Null);
    assert!(text(&failed[0], "answer").contains("certificate"), "{failed:#?}");
    drop(served);
    // Trusted, it is sent the message, which it has no use for.
    let served = lab.serve_trusting(FREE, "cert.pem");
    lab.vendor(&format!("webhook replay {}", text(&failed[0], "message_id"))).done();
    until(&lab, |found| found.iter().any(|delivery| delivery["status"] == 415));
    drop(served);
}

/// Each service looks for itself, and what one found the other does not tell again.
#[test]
fn a_device_that_is_overdue_is_told_once_by_however_many() {
    let lab = Lab::with_policy("--max-activations 9 --sync-every 1s --grace 0s --clock-tolerance 0s");
    let license = lab.issue();
    let receiver = Receiver::begin();
    // Those that were overdue before the endpoint was there are nobody's news.
    merge(&lab, &HandMade::new(1, &license));
    let early = text(&lab.vendor("activation list").done()["activations"][0], "sync_by");
    while text(&lab.vendor("webhook create https://1.1.1.1/ --on chain.forked").done(), "created_at") <= early
    {
        let listed = lab.vendor("webhook list").done();
        lab.vendor(&format!("webhook remove {}", text(&listed["webhooks"][0], "webhook_id"))).done();
    }
    endpoint(&lab, &receiver, "--on activation.overdue");
    let device = HandMade::new(2, &license);
    merge(&lab, &device);
    let chain = device.chain().to_string();
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    let sync_by = text(&shown, "sync_by");
    while text(&lab.vendor("token create --role auditor").done(), "created_at") <= sync_by {}
    for _ in 0..2 {
        let services = [lab.serve(FREE), lab.serve(FREE)];
        until(&lab, all_are("delivered"));
        for served in services {
            served.signal("TERM");
            assert_eq!(served.wait().0.code(), Some(0));
        }
    }
    let told = receiver.next().json();
    assert_eq!(text(&told, "type"), "activation.overdue");
    let data = &told["data"];
    assert_eq!((text(data, "chain"), text(data, "sync_by")), (chain, sync_by));
    assert!(receiver.is_empty());
    assert_eq!(deliveries(&lab, "").len(), 1);
}

#[test]
fn endpoints_are_managed_over_http_as_on_the_command_line() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    let served = lab.serve(FREE);
    let [admin, operator, auditor] = ["admin", "operator", "auditor"].map(|role| token(&lab, role));
    let order = json!({ "url": receiver.url(), "on": ["usage.merged", "activation.activated"], "allow_private": true });
    assert_eq!(ask(&served, "POST", "/v1/webhooks", &operator, Some(&order)).problem(403), "forbidden");
    let made = ask(&served, "POST", "/v1/webhooks", &admin, Some(&order));
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(text(&made, "created_by"), "Ada of admin");
    for bad in [
        json!({}),
        json!({ "url": 1 }),
        json!({ "url": "https://1.1.1.1/", "on": ["everything"] }),
        json!({ "url": "https://1.1.1.1/", "sign": "v2" }),
        json!({ "url": "https://1.1.1.1/", "colour": "red" }),
    ] {
        let answer = ask(&served, "POST", "/v1/webhooks", &admin, Some(&bad));
        assert_eq!(answer.problem(400), "request_invalid", "{bad}");
    }
    let listed = ask(&served, "GET", "/v1/webhooks", &auditor, None);
    assert_eq!(listed.json(), lab.vendor("webhook list").done());
    assert!(!String::from_utf8_lossy(&listed.body).contains("whsec_"), "the secret is shown once");

    for seed in 0..7 {
        assert_eq!(served.exchange(&HandMade::new(seed, &license).bundle()).status, 200);
        assert!(receiver.next().is_signed_by(&text(&made, "key")));
    }
    let all = until(&lab, all_are("delivered"));
    let read = |filter: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/webhooks/deliveries?limit=3{filter}{cursor}");
            let page = ask(&served, "GET", &path, &auditor, None).json();
            found.extend(page["deliveries"].as_array().expect("messages").clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    };
    assert_eq!(read(""), all);
    assert_eq!(read("&failed=true"), Vec::<Value>::new());
    assert_eq!(read(&format!("&webhook={}", text(&made, "webhook_id"))), all);
    for (query, status, code) in [
        ("?limit=0", 400, "request_invalid"),
        ("?failed=maybe", 400, "request_invalid"),
        ("?cursor=x", 400, "cursor_invalid"),
        ("?webhook=x", 404, "webhook_unknown"),
    ] {
        let answer = ask(&served, "GET", &format!("/v1/webhooks/deliveries{query}"), &auditor, None);
        assert_eq!(answer.problem(status), code, "{query}");
    }
    let path = format!("/v1/webhooks/{}", text(&made, "webhook_id"));
    assert_eq!(ask(&served, "DELETE", &path, &operator, None).problem(403), "forbidden");
    assert_eq!(ask(&served, "DELETE", &path, &admin, None).status, 200);
    assert_eq!(ask(&served, "DELETE", &path, &admin, None).problem(404), "webhook_unknown");
    assert_eq!(ask(&served, "DELETE", "/v1/webhooks/x", &admin, None).problem(404), "webhook_unknown");
    assert_eq!(lab.vendor("webhook list").done()["webhooks"], json!([]));
}

/// What waits, and to whom, goes with a ledger that is copied.
#[test]
fn endpoints_and_messages_go_with_a_ledger_that_is_copied() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    let (_, secret) = endpoint(&lab, &receiver, "");
    merge(&lab, &HandMade::new(1, &license));
    let before = deliveries(&lab, "");
    lab.vendor("store copy --to sqlite:copied.db --switch").done();
    assert_eq!(deliveries(&lab, ""), before);
    let _served = lab.serve(FREE);
    assert!(receiver.next().is_signed_by(&secret));
    until(&lab, all_are("delivered"));
}

#[test]
fn there_is_an_end_to_how_many_endpoints_there_are() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let admin = token(&lab, "admin");
    let order = json!({ "url": "https://1.1.1.1/" });
    for _ in 0..64 {
        assert_eq!(ask(&served, "POST", "/v1/webhooks", &admin, Some(&order)).status, 201);
    }
    assert_eq!(ask(&served, "POST", "/v1/webhooks", &admin, Some(&order)).problem(409), "webhooks_full");
    lab.vendor("webhook create https://1.1.1.1/").refused(4, "webhooks_full");
}
