//! The portal and the operators' pages as people use them, in a real browser: at a desk and on a phone, with scripts and
//! without. What a browser saved is taken to the devices, and what was done is looked at with the commands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use counterfoil_tests::browser::{WAYS, drawn, file, kept, pictured, walk};
use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Cell, HandMade, Lab, License, Receiver, Tables};
use schemas::armor;
use schemas::bundle::{Attachment, Bundle};
use schemas::ids::{Commitment, Salt};
use serde_json::{Value, json};

const STANDARD: &str = "--max-activations 20 --quota render=1000000/month --sync-every 30d";
/// Limits that a test on one machine would meet.
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";

/// Something for each way in which a journey is walked.
#[track_caller]
fn each_way(prepare: impl Fn(&str) -> Value) -> Value {
    let ways: BTreeMap<&str, Value> = WAYS.iter().map(|way| (*way, prepare(way))).collect();
    json!(ways)
}

/// A licence with a single seat.
#[track_caller]
fn single_seat(lab: &Lab) -> License {
    lab.vendor("policy create single --product studio --max-activations 1 --same-device count").done();
    License::read(&lab.vendor("license issue --policy single --customer 'ACME GmbH'").done())
}

/// The device takes what a browser saved, and is in this state then.
#[track_caller]
fn takes(lab: &Lab, device: &str, file: &str, state: &str) {
    lab.device(device, &format!("apply {file}")).done();
    assert_eq!(lab.device(device, "status").done()["state"], state);
}

/// The text that a journey has kept is the licence file that it has saved.
#[track_caller]
fn is_the_same(lab: &Lab, way: &str) {
    let text = kept(lab, &format!("{way}.txt"));
    assert_eq!(armor::dearmor(text.into_bytes()).expect("whole"), lab.read(format!("{way}.cfgrant")));
}

#[test]
fn a_device_is_activated_by_its_request() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.write("letter.txt", "Dear vendor");
    let ways = each_way(|way| {
        lab.request(way, &license);
        json!({ "request": file(&lab, &format!("{way}.cfbundle")) })
    });
    let served = lab.serve(FREE);
    walk(&lab, &served, "activation", json!({ "key": license.key, "ways": ways }));
    for way in WAYS {
        is_the_same(&lab, way);
        takes(&lab, way, &format!("{way}.cfgrant"), "active");
    }
}

#[test]
fn devices_report_and_give_back_and_learn_why_not() {
    let lab = Lab::with_policy(STANDARD);
    let (license, single) = (lab.issue(), single_seat(&lab));
    let ways = each_way(|way| {
        let [works, ends, denied] = ["works", "ends", "denied"].map(|what| format!("{way}-{what}"));
        lab.activate(&works, &license);
        lab.device(&works, "consume render 9 --ref 'job 7'").done();
        lab.device(&works, "consume render 4 --ref '<b>job</b>'").done();
        lab.device(&works, "set operator 'M. Muster'").done();
        lab.report(&works, &format!("{works}.cfbundle"));
        lab.activate(&ends, &license);
        lab.device(&ends, &format!("deactivate --file {ends}.cfbundle")).done();
        lab.request(&denied, &single);
        let [usage, deactivation, denied] =
            [works, ends, denied].map(|name| file(&lab, &format!("{name}.cfbundle")));
        json!({ "usage": usage, "deactivation": deactivation, "denied": denied })
    });
    let both = bundle([1, 2].map(|seed| HandMade::new(seed, &single).run(1, 2)).to_vec());
    lab.write("several.cfbundle", both);
    let value =
        Attachment { commitment: Commitment([7; 32]), salt: Salt([7; 16]), value: vec![0xff; 60 * 1024] };
    let large = Bundle {
        runs: vec![HandMade::new(3, &license).run(1, 2)],
        attachments: vec![value; 32],
        last_grant: None,
    };
    lab.write("large.cfbundle", large.encode());
    let served = lab.serve(FREE);
    // The only seat of that licence is taken by the first of the devices in one file.
    served.answered(&HandMade::new(1, &single).bundle());
    walk(&lab, &served, "reports", json!({ "ways": ways }));
    for way in WAYS {
        takes(&lab, &format!("{way}-works"), &format!("{way}-usage.cfgrant"), "active");
        lab.device(&format!("{way}-ends"), &format!("apply {way}-deactivation.cfgrant")).done();
        takes(&lab, &format!("{way}-denied"), &format!("{way}-denied.cfgrant"), "denied");
    }
    assert_eq!(lab.vendor("audit usage").done()["rows"][0]["n"], 13 * WAYS.len());
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_device_is_refreshed_and_the_seats_are_seen() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let ways = each_way(|way| {
        let chain = lab.activate(way, &license);
        json!({ "chain": chain, "request": file(&lab, &format!("{way}.cfbundle")) })
    });
    let chains: Vec<&Value> = WAYS.iter().map(|way| &ways[way]["chain"]).collect();
    let served = lab.serve(FREE);
    walk(&lab, &served, "refresh", json!({ "key": license.key, "chains": chains, "ways": ways }));
    for way in WAYS {
        for file in ["first", "second"] {
            takes(&lab, way, &format!("{way}-{file}.cfgrant"), "active");
        }
        assert_eq!(lab.read(format!("{way}-again.cfgrant")), lab.read(format!("{way}-second.cfgrant")));
    }
}

#[test]
fn a_request_is_answered_by_keyboard() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let ways = each_way(|way| {
        lab.request(way, &license);
        json!({ "request": file(&lab, &format!("{way}.cfbundle")) })
    });
    let served = lab.serve(FREE);
    walk(&lab, &served, "keyboard", json!({ "ways": ways }));
    for way in WAYS.iter().filter(|way| way.starts_with("desk")) {
        is_the_same(&lab, way);
        takes(&lab, way, &format!("{way}.cfgrant"), "active");
    }
}

#[test]
fn pages_look_as_the_vendor_says() {
    let lab = Lab::with_policy(STANDARD);
    let other = Lab::with_policy(STANDARD);
    lab.write("stranger.cfbundle", HandMade::new(1, &other.issue()).bundle());
    let logo = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"96\" height=\"32\" viewBox=\"0 0 96 32\">\
                <rect width=\"96\" height=\"32\" rx=\"6\" fill=\"#cc8800\"/></svg>";
    lab.write("logo.svg", logo);
    let table = "[brand]\nname = \"ACME Software\"\nlogo = \"logo.svg\"\naccent = \"#ffcc00\"\n";
    lab.write("counterfoil-home/config.toml", table);
    let served = lab.serve(FREE);
    walk(&lab, &served, "brand", json!({}));
}

/// What is typed, and which groups of it are named, of the specification's vectors in a folder. A group that was left out or
/// typed twice is not looked for while somebody types.
#[track_caller]
fn vectors(folder: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden/codes/v1").join(folder);
    let names = fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable").path());
    let vectors = names.filter(|path| path.is_file()).filter_map(|path| {
        let vector: Value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
        let typed = vector.get("typed").or(vector.get("code"))?;
        let groups = vector["groups"].as_array().cloned().unwrap_or_default();
        let is_slip = |group: &Value| ["left out", "extra"].contains(&text(group, "cause").as_str());
        let has_hyphens = typed.as_str().is_some_and(|typed| typed.contains('-'));
        let is_named = vector["groups"].is_null() || !groups.is_empty();
        let numbers: Vec<Value> = groups.iter().map(|group| group["number"].clone()).collect();
        let is_told = is_named && !groups.iter().any(is_slip) && (has_hyphens || groups.is_empty());
        is_told.then(|| json!({ "name": path, "typed": typed, "groups": numbers }))
    });
    vectors.collect()
}

#[test]
fn codes_are_typed_and_answered() {
    let lab = Lab::with_codes("--max-activations 20 --quota render=1000/month --sync-every 90d");
    let license = lab.issue_dark();
    let served = lab.serve(&format!("{FREE} --codes-per-address 0"));
    let ways = each_way(|way| {
        let works = format!("{way}-works");
        let request = lab.request_code(&works, &license);
        lab.unlock(&works, &served.answered_code(&request, &license.key).unlock(), "active");
        lab.device(&works, "consume render 7").done();
        let (request, returned) = (lab.request_code(way, &license), lab.return_code(&works));
        let chain = text(&lab.device(way, "status").done(), "chain");
        json!({ "key": license.key, "request": request, "returned": returned, "chain": chain })
    });
    let vectors: Vec<Value> = ["typed", "wrong", "messages"].into_iter().flat_map(vectors).collect();
    assert!(vectors.len() > 25, "{vectors:#?}");
    walk(&lab, &served, "codes", json!({ "vectors": vectors, "ways": ways }));
    for way in WAYS {
        let unlock = kept(&lab, &format!("{way}.unlock"));
        assert_eq!(pictured(&lab, &format!("{way}-unlock.png")), unlock);
        lab.unlock(way, &unlock, "active");
        lab.unlock(&format!("{way}-works"), &kept(&lab, &format!("{way}-returned.unlock")), "active");
    }
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_code_that_a_device_shows_is_also_a_picture() {
    let lab = Lab::with_codes("--max-activations 2 --quota render=1000/month");
    let license = lab.issue_dark();
    let ask = format!("activate --license-key {} --code --qr request.svg", license.key);
    let request = text(&lab.device("dev1", &ask).done(), "code");
    lab.unlock("dev1", &text(&lab.answer_code(&request, &license).done(), "code"), "active");
    let returned = text(&lab.device("dev1", "report --code --qr return.svg").done(), "code");
    let closing = text(&lab.device("dev1", "deactivate --code --qr closing.svg").done(), "code");
    for (name, code) in [("request", request), ("return", returned), ("closing", closing)] {
        drawn(&lab, &format!("{name}.svg"), &format!("{name}.png"));
        assert_eq!(pictured(&lab, &format!("{name}.png")), code);
    }
}

#[test]
fn operators_answer_codes() {
    let lab = Lab::with_codes("--max-activations 20 --sync-every 90d");
    let license = lab.issue_dark();
    let ways = each_way(|way| json!({ "key": license.key, "request": lab.request_code(way, &license) }));
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    walk(&lab, &served, "operator_codes", json!({ "token": token, "ways": ways }));
    for way in WAYS {
        lab.unlock(way, &kept(&lab, &format!("{way}.unlock")), "active");
    }
    lab.vendor("rebuild --check").done();
}

/// A licence of a customer of this name.
#[track_caller]
fn issued_to(lab: &Lab, customer: &str) -> License {
    License::read(&lab.vendor(&format!("license issue --policy standard --customer '{customer}'")).done())
}

/// Puts two files of a device into quarantine: one with a signature that is wrong, one that is cut short. Their entries.
#[track_caller]
fn quarantined(lab: &Lab, way: &str, device: &HandMade) -> [String; 2] {
    let forged = bundle(vec![device.run_with_bad_signature(device.len())]);
    let files =
        [(format!("{way}-forged.cfbundle"), &forged[..]), (format!("{way}-damaged.cfbundle"), &forged[..99])];
    for (name, bytes) in &files {
        lab.write(name, bytes);
        lab.vendor(&format!("merge {name}")).exit();
    }
    let listed = lab.vendor("quarantine list").done();
    let entries = listed["entries"].as_array().expect("entries");
    files.map(|(name, _)| {
        let entry = entries.iter().find(|entry| text(entry, "source").ends_with(&name));
        entry.unwrap_or_else(|| panic!("no {name} in {listed:#}"))["id"].to_string()
    })
}

#[test]
fn operators_find_a_licence_and_look_at_what_waits() {
    let lab = Lab::with_policy(STANDARD);
    let ways = each_way(|way| {
        let customer = format!("Works of {way}");
        let license = issued_to(&lab, &customer);
        let chain = lab.activate(way, &license);
        lab.device(way, "consume render 120 --ref 'job 7'").done();
        lab.device(way, "set operator 'M. Muster'").done();
        lab.sync(way);
        let seed = 10 + WAYS.iter().position(|known| *known == way).expect("one of them") as u64;
        let device = HandMade::new(seed, &license).consume(1);
        let [forged, damaged] = quarantined(&lab, way, &device);
        lab.write(format!("{way}-one.cfbundle"), device.bundle());
        lab.write(format!("{way}-two.cfbundle"), HandMade::new(seed + 10, &license).consume(2).bundle());
        json!({
            "customer": customer, "license": license.id, "key": license.key, "chain": chain,
            "forged": forged, "damaged": damaged,
        })
    });
    let license = lab.issue();
    let [one, other] = [5, 6].map(|n| HandMade::new(1, &license).consume(1).consume(n));
    lab.write("one.cfbundle", one.bundle());
    lab.write("other.cfbundle", other.bundle());
    lab.vendor("merge one.cfbundle other.cfbundle").exit();
    let fork = &lab.vendor("audit forks").done()["forks"][0];
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let runs =
        vec![HandMade::new(2, &license).run(1, 2), HandMade::new(3, &license).run_with_bad_signature(2)];
    served.import(&token, "november.cfbundle", &bundle(runs));
    walk(&lab, &served, "operator_support", json!({ "token": token, "fork": fork, "ways": ways }));
    for way in WAYS {
        let shown = lab.vendor(&format!("activation show {}", text(&ways[way], "chain"))).done();
        assert_eq!(text(&shown, "state"), "released", "{way}");
        let told = lab.vendor(&format!("audit history {}", text(&ways[way], "license"))).done();
        let events = told["events"].as_array().expect("events");
        assert!(
            events.iter().any(|event| event["text"] == format!("the disk of Works of {way} broke")),
            "{told:#}"
        );
        let shown = lab.vendor(&format!("license show {}", text(&ways[way], "license"))).done();
        assert_eq!(number(&shown["quotas"][0], "used"), 120 + 1 + 2, "what was uploaded is taken in");
        let left = lab.vendor("quarantine list").done();
        let ids: Vec<String> = left["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| entry["id"].to_string())
            .collect();
        assert!(
            ids.contains(&text(&ways[way], "damaged")) && !ids.contains(&text(&ways[way], "forged")),
            "{ids:?}"
        );
    }
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn operators_issue_licences_and_change_them() {
    let lab = Lab::with_policy(STANDARD);
    let ways = each_way(|way| {
        let customer = format!("Works of {way}");
        let license = issued_to(&lab, &customer);
        lab.activate(way, &license);
        json!({ "customer": customer, "license": license.id })
    });
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    walk(&lab, &served, "operator_licenses", json!({ "token": token, "ways": ways }));
    for way in WAYS {
        let license =
            License { id: kept(&lab, &format!("{way}.license")), key: kept(&lab, &format!("{way}.key")) };
        let shown = lab.vendor(&format!("license show {}", license.id)).done();
        assert_eq!(
            (text(&shown, "customer"), text(&shown, "status")),
            (format!("Newcomer {way}"), "revoked".into())
        );
        assert_eq!(
            (text(&shown, "license_key"), number(&shown["rules"], "max_activations")),
            (license.key.clone(), 9)
        );
        let listed = lab.vendor("license list").done();
        let listed = listed["licenses"].as_array().expect("licences").iter();
        assert_eq!(listed.filter(|license| license["customer"] == format!("Newcomer {way}")).count(), 1);
        // The key that the page showed is one, and the licence is none any more.
        let late = format!("{way}-late");
        lab.request(&late, &license);
        lab.vendor(&format!("merge {late}.cfbundle --answers answers")).exit();
        takes(&lab, &late, &format!("answers/{late}.cfgrant"), "denied");
        // The device learns what was done to its licence.
        lab.sync(way);
        assert_eq!(lab.device(way, "status").done()["state"], "suspended", "{way}");
    }
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn operators_send_messages_again() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let receiver = Receiver::begin();
    let ways = each_way(|way| {
        let url = format!("http://{}/{way}", receiver.address);
        let line = format!("webhook create {url} --allow-private --on activation.activated");
        json!({ "url": url, "id": lab.vendor(&line).done()["webhook_id"] })
    });
    for seed in 1..=2 {
        lab.write("device.cfbundle", HandMade::new(seed, &license).bundle());
        lab.vendor("merge device.cfbundle").done();
    }
    let count = 2 * WAYS.len();
    // The next attempt is the last.
    let last = Tables::of(&lab.home()).execute("UPDATE deliveries SET attempts = $1", &[Cell::Int(7)]);
    assert_eq!(last, count as u64);
    receiver.answer(&vec!["500 Internal Server Error|not today"; count]);
    let token = lab.token("operator");
    let served = lab.serve(FREE);
    let sent: BTreeSet<String> = (0..count).map(|_| receiver.next().id().to_owned()).collect();
    let listed = loop {
        let listed = lab.vendor("webhook deliveries --failed").done();
        if listed["deliveries"].as_array().map(Vec::len) == Some(count) {
            break listed;
        }
    };
    let ways = each_way(|way| {
        let to = |delivery: &&Value| delivery["webhook_id"] == ways[way]["id"];
        let messages = listed["deliveries"].as_array().expect("messages").iter().filter(to);
        let messages: Vec<&Value> = messages.map(|delivery| &delivery["message_id"]).collect();
        json!({ "url": ways[way]["url"], "messages": messages })
    });
    walk(&lab, &served, "operator_webhooks", json!({ "token": token, "ways": ways }));
    let again: BTreeSet<String> = (0..count).map(|_| receiver.next().id().to_owned()).collect();
    assert_eq!(again, sent, "each was sent again");
    assert!(receiver.is_empty());
}
