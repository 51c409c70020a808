//! The library: a device's life.

use std::fs;
use std::sync::Arc;
use std::thread;

use counterfoil_sync_agent::{Agent, AgentReader, Code, Config, Consume, Refusal, State};
use schemas::grant::GrantStatus;
use schemas::numbers::{Amount, Seconds};
use schemas::terms::OnFork;
use schemas::text::UsageRef;

use crate::bench::{Device, code, kinds};
use crate::vendor::{Machine, Vendor, at, head_of, key_numbered, license_key};

#[test]
fn a_device_lives_from_activation_to_deactivation() {
    let mut device = Device::new();
    let agent = device.open();
    assert_eq!(agent.status().expect("readable").state, State::Unregistered);
    assert_eq!(agent.check("render").code, Code::NotActivated);
    let request = agent.activate(&license_key()).expect("asks");
    assert_eq!(agent.status().expect("readable").state, State::Pending);
    assert_eq!(agent.activate(&license_key()).expect("asks again"), request);

    let grant = device.vendor.answer(&request, device.clock.now(), |_| {});
    let applied = agent.apply(&grant).expect("applies");
    assert_eq!(applied.state, State::Active);
    assert!(!applied.changes.is_empty());
    assert!(agent.apply(&grant).expect("the same again").changes.is_empty());
    assert_eq!(agent.check("render").remaining, Some(100));

    assert_eq!(agent.consume("render", 5).expect("counts").total.get(), 5);
    assert_eq!(agent.check("render").remaining, Some(95));
    agent.set("site", "plant 7").expect("sets");
    device.sync(&agent);
    assert_eq!(agent.status().expect("readable").unacknowledged, 1);

    let bye = agent.deactivate().expect("closes");
    assert_eq!(agent.deactivate().expect("again"), bye);
    assert_eq!(agent.check("render").code, Code::Deactivated);
    assert_eq!(code(agent.consume("render", 1)), Some(Code::Deactivated));
    assert_eq!(
        kinds(&agent),
        [
            "chain.opened",
            "activation.requested",
            "agent.started",
            "grant.applied",
            "feature.consumed",
            "variable.set",
            "grant.applied",
            "chain.closed",
        ]
    );
    agent.verify().expect("every signature is good");
}

#[test]
fn a_denied_request_can_be_repeated_and_another_key_starts_anew() {
    let mut device = Device::new();
    let agent = device.open();
    let request = agent.activate(&license_key()).expect("asks");
    assert_eq!(code(agent.activate(&key_numbered(9))), Some(Code::ActivationPending));
    let denied = device.vendor.answer(&request, device.clock.now(), |grant| {
        grant.status = GrantStatus::Denied;
        grant.entitlement = None;
    });
    assert_eq!(agent.apply(&denied).expect("applies").state, State::Denied);
    assert_eq!(agent.check("export").code, Code::NotActivated);
    let again = agent.activate(&license_key()).expect("asks again");
    assert_eq!(head_of(&again).0, head_of(&request).0);
    let other = agent.activate(&key_numbered(9)).expect("asks anew");
    assert_ne!(head_of(&other).0, head_of(&request).0);
    assert_eq!(agent.status().expect("readable").state, State::Pending);
}

#[test]
fn an_ended_chain_goes_to_the_archive_and_another_begins() {
    let mut device = Device::new();
    let agent = device.activated();
    assert_eq!(code(agent.activate(&license_key())), Some(Code::AlreadyActivated));
    let old = agent.status().expect("readable").chain.expect("activated");
    agent.deactivate().expect("closes");
    let request = agent.activate(&license_key()).expect("asks anew");
    let archived = device.folder.path().join("state/archive").join(old.to_string());
    for name in ["chain.db", "device.key", "seal.key", "pack.cfpack"] {
        assert!(archived.join(name).exists(), "{name}");
    }
    let grant = device.vendor.answer(&request, device.clock.now(), |_| {});
    assert_eq!(agent.apply(&grant).expect("applies").state, State::Active);
    agent.consume("render", 1).expect("counts");
    drop(agent);
    assert_eq!(device.open().check("render").remaining, Some(99));
}

#[test]
fn no_changed_byte_and_no_cut_of_a_licence_file_changes_anything() {
    let mut device = Device::new();
    let agent = device.open();
    let request = agent.activate(&license_key()).expect("asks");
    let grant = device.vendor.answer(&request, device.clock.now(), |_| {});
    let before = agent.report().expect("reports");
    for at in 0..grant.len() {
        let mut flipped = grant.clone();
        flipped[at] ^= 0x10;
        let expected = match at {
            0..4 => Code::UnknownFile,
            4 => Code::UnsupportedVersion,
            _ => Code::Damaged,
        };
        assert_eq!(code(agent.apply(&flipped)), Some(expected), "byte {at}");
        let expected = if at < 4 { Code::UnknownFile } else { Code::Damaged };
        assert_eq!(code(agent.apply(&grant[..at])), Some(expected), "cut at {at}");
    }
    assert_eq!(agent.report().expect("reports"), before);
    assert_eq!(agent.status().expect("readable").state, State::Pending);
}

#[test]
fn a_damaged_store_is_read_only_and_never_unlimited() {
    let mut device = Device::new();
    drop(device.activated());
    let db = device.folder.path().join("state/chain.db");
    let bytes = fs::read(&db).expect("readable");
    for damage in [Some(&bytes[..bytes.len() / 2]), Some(&[][..]), None] {
        match damage {
            Some(bytes) => fs::write(&db, bytes).expect("writable"),
            None => fs::remove_file(&db).expect("removable"),
        }
        let agent = device.open();
        assert_eq!(agent.check("render").code, Code::NeedsRepair);
        assert_eq!(code(agent.consume("render", 1)), Some(Code::NeedsRepair));
        assert_eq!(code(agent.report()), Some(Code::NeedsRepair));
        assert_eq!(code(agent.activate(&license_key())), Some(Code::NeedsRepair));
        assert_eq!(agent.status().expect("readable").state, State::Damaged);
        assert_eq!(fs::read(&db).ok().as_deref(), damage);
    }
}

#[test]
fn a_chain_that_cannot_be_reported_is_not_closed() {
    let mut device = Device::new();
    let agent = device.activated();
    for _ in 0..3 {
        agent.consume("miles", 1).expect("counts");
    }
    let db = rusqlite::Connection::open(device.folder.path().join("state/chain.db")).expect("opens");
    let last = || db.query_row("SELECT max(seq) FROM events", [], |row| row.get::<_, i64>(0)).expect("reads");
    let before = last();
    db.execute("DELETE FROM events WHERE seq = ?1", [before - 1]).expect("executes");
    assert_eq!(code(agent.deactivate()), Some(Code::NeedsRepair));
    assert_eq!(last(), before);
}

#[test]
fn the_doctor_tells_of_a_copy_and_of_another_machine() {
    let mut device = Device::new();
    let agent = device.activated();
    let subjects = |config| {
        let findings = counterfoil_sync_agent::doctor::examine(config);
        findings.into_iter().map(|finding| finding.subject).collect::<Vec<_>>()
    };
    assert!(subjects(device.config()).is_empty());
    let report = agent.report().expect("reports");
    let forked = device.vendor.answer(&report, device.clock.now(), |grant| grant.forked = Some(OnFork::Flag));
    agent.apply(&forked).expect("applies");
    assert_eq!(subjects(device.config()), ["record"]);
    let mut machine = Machine::usual();
    for (_, value) in machine.0.iter_mut().take(3) {
        *value = "other";
    }
    let moved = Config { fingerprint: Arc::new(machine), ..device.config() };
    assert_eq!(subjects(moved), ["record", "fingerprint"]);
}

#[test]
fn a_lost_key_stops_writing_and_a_reader_still_reports() {
    let mut device = Device::new();
    drop(device.activated());
    fs::remove_file(device.folder.path().join("state/device.key")).expect("removable");
    let agent = device.open();
    assert_eq!(code(agent.consume("render", 1)), Some(Code::KeyUnreadable));
    head_of(&agent.report().expect("reports"));
}

#[test]
fn another_process_is_told_that_the_directory_is_busy_and_reads_beside_it() {
    let mut device = Device::new();
    let agent = device.activated();
    assert_eq!(code(Agent::open(device.config())), Some(Code::Busy));
    let reader = AgentReader::open(device.config()).expect("opens");
    assert!(reader.check(Some("render"), None).allowed);
    agent.consume("render", 5).expect("counts");
    let reader = AgentReader::open(device.config()).expect("opens");
    assert_eq!(reader.check(Some("render"), None).remaining, Some(95));
    assert_eq!(reader.report().expect("reports"), agent.report().expect("reports"));
}

#[test]
fn many_threads_meter_and_check_and_nothing_is_lost_or_overspent() {
    let mut device = Device::new();
    let agent = device.activated();
    let counted: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    (0..10)
                        .filter(|_| {
                            assert!(agent.check("export").allowed);
                            agent.consume("render", 1).is_ok()
                        })
                        .count() as u64
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(counted, 100);
    assert_eq!(agent.check("render").code, Code::QuotaExhausted);
    agent.verify().expect("all verifies");
}

#[test]
fn several_uses_share_a_commit_up_to_the_first_that_is_refused() {
    let mut device = Device::new();
    let agent = device.activated();
    let consume = |feature: &str, reference: Option<&str>| Consume {
        feature: feature.into(),
        n: Amount::new(1).expect("in range"),
        used_at: None,
        reference: reference.and_then(UsageRef::new),
    };
    let uses = vec![
        consume("miles", Some("a")),
        consume("miles", Some("a")),
        consume("beta", None),
        consume("miles", None),
    ];
    let outcomes = agent.consume_many(uses);
    let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map(Refusal::code)).collect();
    assert_eq!(codes, [None, None, Some(Code::FeatureAbsent)]);
    assert!(outcomes[1].as_ref().is_ok_and(|second| second.repeated));
}

#[test]
fn a_clock_once_set_wrong_is_cured_by_file() {
    let mut device = Device::new();
    let agent = device.activated();
    let right = device.clock.now();
    device.clock.set(at("2030-01-01"));
    agent.keep_time().expect("notes");
    assert_eq!(agent.check("export").code, Code::LicenseExpired);
    device.clock.set(right + Seconds(60));
    assert_eq!(agent.check("export").code, Code::LicenseExpired);
    agent.set("site", "plant 7").expect("what is no licensed act goes on");
    let noted = agent.status().expect("readable");
    assert!(noted.clock_behind && noted.clock_noted.is_some());
    device.sync(&agent);
    assert_eq!(agent.check("export").code, Code::Allowed);
    let cured = agent.status().expect("readable");
    assert_eq!((cured.clock_behind, cured.clock_noted), (false, None));
}

#[test]
fn time_is_kept_through_a_restart_and_warns_before_it_ends() {
    let mut device = Device::new();
    let agent = device.activated();
    let issued = device.clock.now();
    for _ in 0..28 {
        device.clock.pass(Seconds::days(1));
        agent.keep_time().expect("keeps");
    }
    drop(agent);
    device.clock.set(issued);
    let agent = device.open();
    assert_eq!(agent.check("export").code, Code::CheckInDue);
    assert!(agent.check("export").allowed);
}

#[test]
fn another_machine_is_warned_and_then_refused_and_can_still_report() {
    let mut device = Device::new();
    drop(device.activated());
    let mut machine = Machine::usual();
    for (_, value) in machine.0.iter_mut().take(3) {
        *value = "other";
    }
    let moved = Config { fingerprint: Arc::new(machine), ..device.config() };
    let agent = Agent::open(moved.clone()).expect("opens");
    assert_eq!(agent.check("export").code, Code::FingerprintMismatch);
    assert!(agent.check("export").allowed);
    assert!(kinds(&agent).contains(&"fingerprint.changed"));
    drop(agent);
    device.clock.pass(Seconds::days(7));
    let agent = Agent::open(moved).expect("opens");
    assert_eq!(agent.check("export").code, Code::FingerprintMismatch);
    assert!(!agent.check("export").allowed);
    assert_eq!(code(agent.consume("render", 1)), Some(Code::FingerprintMismatch));
    agent.report().expect("reports");
    agent.deactivate().expect("closes");
}

#[test]
fn a_pack_of_another_vendor_or_product_is_refused() {
    let mut device = Device::new();
    drop(device.activated());
    let kept = Config { pack: None, ..device.config() };
    assert!(Agent::open(kept).expect("the kept pack serves").check("export").allowed);
    let mut pack = device.vendor.pack();
    let last = pack.len() - 1;
    pack[last] ^= 1;
    let broken = Config { pack: Some(pack), ..device.config() };
    assert_eq!(code(Agent::open(broken)), Some(Code::Damaged));
    let other = Config { pack: Some(Vendor::of("other").pack()), ..device.config() };
    assert_eq!(code(Agent::open(other.clone())), Some(Code::PackMismatch));
    fs::write(device.folder.path().join("state/pack.cfpack"), b"damaged").expect("writable");
    assert_eq!(code(Agent::open(other)), Some(Code::PackMismatch));
    assert!(device.open().check("export").allowed);
}
