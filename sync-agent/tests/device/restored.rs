//! The library: a device that was set back to an older state, and the successor that goes on in its place.

use std::fs;
use std::path::Path;

use counterfoil_sync_agent::{Agent, AgentReader, Code, State};
use ledger::chain;
use ledger::run::VerifiedRun;
use schemas::event::Body;
use schemas::event::device::{Claim, CloseReason};
use schemas::grant::{Ack, GrantBody, GrantStatus, TookIn};
use schemas::ids::ChainId;
use schemas::numbers::Seq;
use schemas::run::Origin;
use schemas::terms::OnFork;

use crate::bench::{Device, code, kinds};
use crate::vendor::{at, heads_of, key_numbered, license_key, runs_of};

/// A device whose state was restored after the vendor had heard of five units more, and that does not know it yet.
fn set_back() -> (Device, Agent, Vec<u8>) {
    let mut device = Device::new();
    let agent = device.activated();
    device.back_up();
    agent.consume("render", 5).expect("counts");
    let report = agent.report().expect("reports");
    let refresh = device.vendor.answer(&report, device.clock.now(), |_| {});
    drop(agent);
    device.restore();
    let agent = device.open();
    (device, agent, refresh)
}

/// The same, and it has learned it.
fn restored() -> (Device, Agent) {
    let (device, agent, refresh) = set_back();
    assert_eq!(code(agent.apply(&refresh)), Some(Code::AckUnknown));
    (device, agent)
}

fn healing(grant: &mut GrantBody) {
    grant.forked = Some(OnFork::Heal);
}

/// Has the vendor, who holds more of the device's chain than the device, tell it to go on, and gives its request.
fn go_on(device: &mut Device, agent: &Agent) -> Vec<u8> {
    let chain = chain_of(agent);
    let heads = heads_of(&agent.report().expect("reports"));
    let (_, head) = heads.into_iter().find(|(of, _)| *of == chain).expect("the present chain is reported");
    let ahead = Ack { seq: head.seq.next(), ..head };
    let refresh = device.vendor.grant(chain, ahead, device.clock.now(), healing);
    agent.apply(&refresh).expect("goes on");
    assert_ne!(chain_of(agent), chain);
    agent.request().expect("asks")
}

fn chain_of(agent: &Agent) -> ChainId {
    agent.status().expect("readable").chain.expect("a chain")
}

fn goes_on_without_reserved_quota(agent: &Agent) {
    assert_eq!(agent.check("export").code, Code::Allowed);
    agent.consume("miles", 1).expect("counted use goes on");
    agent.set("site", "plant 7").expect("sets");
    assert_eq!(agent.check("render").code, Code::Forked);
    assert_eq!(code(agent.consume("render", 1)), Some(Code::Forked));
    assert_eq!(code(agent.return_quota("render", 1, None)), Some(Code::Forked));
    agent.report().expect("reports");
}

#[test]
fn a_device_learns_from_a_grant_that_it_was_set_back_and_says_so() {
    let (device, agent) = restored();
    goes_on_without_reserved_quota(&agent);
    let status = agent.status().expect("readable");
    assert!(status.restored);
    assert_eq!(status.why.map(|why| why.code), Some(Code::AckUnknown));
    assert_eq!(status.state, State::Active);
    assert!(status.quotas.iter().all(|quota| quota.left.is_none()), "what is left is not known");
    drop(agent);
    goes_on_without_reserved_quota(&device.open());
}

#[test]
fn a_successor_names_the_old_chain_which_signs_for_it_and_carries_the_rest_of_it() {
    let (mut device, agent) = restored();
    agent.consume("miles", 3).expect("counts");
    let old = chain_of(&agent);
    let request = go_on(&mut device, &agent);
    let new = chain_of(&agent);
    assert_eq!(heads_of(&request).iter().map(|(chain, _)| *chain).collect::<Vec<_>>(), [old, new]);
    let runs = runs_of(&request);
    let (earlier, own) = (&runs[0], &runs[1]);
    let last = earlier.events().last().map(|linked| linked.event.body.clone());
    let Some(Body::ChainClosed(closed)) = last else { panic!("the old chain ends") };
    assert_eq!((closed.reason, closed.successor), (CloseReason::Succeeded, Some(new)));
    let Body::ActivationRequested(asked) = &own.events()[1].event.body else { panic!("it asks") };
    let Claim::Successor(claim) = &asked.claim else { panic!("it follows") };
    assert_eq!(claim.follows, old);
    let origin = |run: &VerifiedRun| match &run.header().origin {
        Origin::Device(origin) => origin.clone(),
        _ => panic!("a device's run"),
    };
    assert!(chain::verify_successor(&origin(earlier).signer, &old, &new, &claim.signature));
    assert_eq!(origin(earlier).reference, origin(own).reference);
}

#[test]
fn a_successor_goes_on_under_the_old_terms_until_it_is_answered() {
    let (mut device, agent) = restored();
    let license = agent.status().expect("readable").license_id;
    let request = go_on(&mut device, &agent);
    assert_eq!(agent.succeed().expect("asks again"), request);
    assert_eq!(code(agent.activate(&license_key())), Some(Code::ActivationPending));
    let status = agent.status().expect("readable");
    assert_eq!((status.state, status.license_id), (State::Pending, license));
    assert_eq!(status.why.map(|why| why.code), Some(Code::SuccessorPending));
    assert!(status.quotas.iter().all(|quota| quota.left.is_none()));
    goes_on_without_reserved_quota(&agent);
    drop(agent);
    let reader = AgentReader::open(device.config()).expect("opens");
    assert_eq!(reader.check(Some("export"), None).code, Code::Allowed);
    let agent = device.open();
    goes_on_without_reserved_quota(&agent);

    let applied = device.sync(&agent);
    assert_eq!((applied.state, applied.why), (State::Active, None));
    // New quota only: nothing of the old chain is left or used.
    assert_eq!(agent.check("render").remaining, Some(100));
    agent.consume("render", 100).expect("counts");
    agent.verify().expect("all verifies");
    assert_eq!(code(agent.succeed()), Some(Code::NotRestored));
}

#[test]
fn the_old_chain_travels_until_the_vendor_has_its_end() {
    let (mut device, agent) = restored();
    let old = chain_of(&agent);
    let request = go_on(&mut device, &agent);
    let (new, own) = heads_of(&request)[1];
    let chains = |agent: &Agent| {
        heads_of(&agent.report().expect("reports")).iter().map(|(chain, _)| *chain).collect::<Vec<_>>()
    };
    // Only the new chain is answered, so the old one may not have come.
    let answer = device.vendor.grant(new, own, device.clock.now(), |_| {});
    agent.apply(&answer).expect("applies");
    assert_eq!(chains(&agent), [old, new]);
    assert_eq!(agent.status().expect("readable").unreported_records, [old]);
    // The vendor has the old chain, but not to its end.
    let (_, end) = heads_of(&request)[0];
    let before = Ack { seq: Seq(end.seq.0 - 1), ..end };
    let answer = device.vendor.grant(old, before, device.clock.now(), |_| {});
    assert!(agent.apply(&answer).expect("tells nothing new").changes.is_empty());
    assert_eq!(chains(&agent), [old, new]);
    let receipt = device.vendor.grant(old, end, device.clock.now(), |_| {});
    let applied = agent.apply(&receipt).expect("is for an earlier chain");
    assert_eq!(applied.changes.len(), 1);
    assert_eq!(applied.chain, new);
    assert!(agent.apply(&receipt).expect("again").changes.is_empty());
    assert_eq!(chains(&agent), [new]);
    // Everything, whatever was acknowledged.
    let all = agent.report_all().expect("reports");
    assert_eq!(heads_of(&all)[0], (old, end));
    assert_eq!(heads_of(&all).iter().map(|(chain, _)| *chain).collect::<Vec<_>>(), [old, new]);
    drop(agent);
    let agent = device.open();
    assert_eq!(chains(&agent), [new]);
    assert!(agent.status().expect("readable").unreported_records.is_empty());
}

#[test]
fn the_end_of_the_old_chain_may_be_told_by_the_new_ones_grant() {
    let (mut device, agent) = restored();
    let request = go_on(&mut device, &agent);
    let ((old, end), (new, own)) = (heads_of(&request)[0], heads_of(&request)[1]);
    let answer = device.vendor.grant(new, own, device.clock.now(), |grant| {
        let first_seq = Seq(4);
        let head = TookIn { chain: old, first_seq, seq: end.seq, link: end.link };
        grant.took_in = vec![head];
    });
    agent.apply(&answer).expect("applies");
    assert_eq!(heads_of(&agent.report().expect("reports")).len(), 1);
}

#[test]
fn a_vendor_that_heals_has_the_device_go_on_by_itself() {
    // The grant acknowledges what the device does not have.
    let (mut device, agent, _) = set_back();
    device.back_up();
    let old = chain_of(&agent);
    let (_, head) = heads_of(&agent.report().expect("reports"))[0];
    let ahead = Ack { seq: head.seq.next(), ..head };
    let refresh = device.vendor.grant(old, ahead, device.clock.now(), healing);
    let applied = agent.apply(&refresh).expect("goes on");
    assert_eq!(applied.state, State::Pending);
    assert_ne!(applied.chain, old);
    assert!(applied.changes.iter().any(|change| change.what == "record"));
    assert_eq!(heads_of(&agent.report().expect("reports")).len(), 2);
    goes_on_without_reserved_quota(&agent);
    // The same file again is for the old chain and tells nothing new.
    let again = agent.apply(&refresh).expect("is for an earlier chain");
    assert_eq!((again.chain, again.changes.len()), (applied.chain, 0));
    drop(agent);
    // The grant acknowledges this device's own branch.
    device.restore();
    let agent = device.open();
    let applied = device.sync_with(&agent, healing);
    assert_eq!(applied.state, State::Pending);
    assert_ne!(chain_of(&agent), old);
    // A licence that does not stand is not gone on with.
    drop(agent);
    device.restore();
    let agent = device.open();
    let applied = device.sync_with(&agent, |grant| {
        healing(grant);
        grant.status = GrantStatus::Released;
    });
    assert_eq!((applied.state, applied.chain), (State::Released, old));
}

#[test]
fn only_a_device_that_was_set_back_is_succeeded() {
    let mut device = Device::new();
    let agent = device.open();
    assert_eq!(code(agent.succeed()), Some(Code::NotActivated));
    drop(agent);
    let agent = device.activated();
    assert_eq!(code(agent.succeed()), Some(Code::NotRestored));
    device.sync_with(&agent, |grant| grant.forked = Some(OnFork::Stop));
    assert_eq!(code(agent.succeed()), Some(Code::HealRefused));
    assert_eq!(agent.status().expect("readable").why.map(|why| why.code), Some(Code::Forked));
    agent.deactivate().expect("closes");
    assert_eq!(code(agent.succeed()), Some(Code::Deactivated));
    assert!(!device.state().join("next").exists());
}

#[test]
fn a_device_that_is_not_told_to_go_on_keeps_its_record() {
    let (mut device, agent) = restored();
    let (chain, report) = (chain_of(&agent), agent.report().expect("reports"));
    assert_eq!(code(agent.succeed()), Some(Code::HealRefused));
    assert_eq!((chain_of(&agent), agent.report().expect("reports")), (chain, report));
    assert!(!device.state().join("next").exists() && !device.state().join("archive").exists());
    // The vendor's answer to its report brings the reserve back: nothing was spent for nothing.
    device.sync(&agent);
    assert_eq!(agent.check("render").code, Code::Allowed);
}

#[test]
fn a_licence_that_was_taken_away_does_not_come_back_with_an_older_state() {
    for (status, state, answer) in [
        (GrantStatus::Suspended, State::Suspended, Code::LicenseSuspended),
        (GrantStatus::Revoked, State::Revoked, Code::LicenseRevoked),
        (GrantStatus::Released, State::Released, Code::Deactivated),
    ] {
        let (mut device, agent, earlier) = set_back();
        let (chain, head) = heads_of(&agent.report().expect("reports"))[0];
        let ahead = Ack { seq: head.seq.next(), ..head };
        let taken = device.vendor.grant(chain, ahead, device.clock.now(), |grant| grant.status = status);
        assert_eq!(code(agent.apply(&taken)), Some(Code::AckUnknown));
        drop(agent);
        let agent = device.open();
        assert_eq!(agent.check("export").code, answer);
        assert_eq!(agent.status().expect("readable").state, state);
        assert_eq!(code(agent.apply(&earlier)), Some(Code::GrantSuperseded));
        assert_eq!(code(agent.succeed()), Some(answer));
        agent.report().expect("reports");
        agent.verify().expect("all verifies");
    }
}

#[test]
fn a_successor_that_is_denied_makes_room_for_an_activation() {
    let (mut device, agent) = restored();
    go_on(&mut device, &agent);
    let applied = device.sync_with(&agent, |grant| {
        grant.status = GrantStatus::Denied;
        grant.entitlement = None;
    });
    assert_eq!(applied.state, State::Denied);
    assert_eq!(agent.check("export").code, Code::NotActivated);
    agent.activate(&key_numbered(9)).expect("asks anew");
    device.sync(&agent);
    assert_eq!(agent.check("render").remaining, Some(100));
}

#[test]
fn a_successor_that_is_set_back_is_succeeded_again_and_all_before_it_travels() {
    let (mut device, agent) = restored();
    let first = chain_of(&agent);
    go_on(&mut device, &agent);
    let second = chain_of(&agent);
    let request = go_on(&mut device, &agent);
    let chains: Vec<ChainId> = heads_of(&request).iter().map(|(chain, _)| *chain).collect();
    assert_eq!(chains, [first, second, chain_of(&agent)]);
    goes_on_without_reserved_quota(&agent);
    device.sync(&agent);
    assert_eq!(heads_of(&agent.report().expect("reports")).len(), 1);
}

#[test]
fn a_reader_at_work_does_not_keep_a_successor_from_its_place() {
    let (mut device, agent) = restored();
    agent.consume("miles", 3).expect("counts");
    let reader = AgentReader::open(device.config()).expect("opens");
    let before = reader.report().expect("reports");
    let request = go_on(&mut device, &agent);
    assert_eq!(reader.report().expect("its view stands"), before);
    drop(reader);
    assert_eq!(heads_of(&request).len(), 2);
    assert!(heads_of(&request)[0].1.seq > heads_of(&before)[0].1.seq);
    drop(agent);
    let agent = device.open();
    assert_eq!(agent.request().expect("is asked again"), request);
}

#[test]
fn a_lost_archive_is_found_and_keeps_nothing_from_being_reported() {
    let (mut device, agent) = restored();
    go_on(&mut device, &agent);
    fs::remove_dir_all(device.state().join("archive")).expect("removable");
    assert_eq!(heads_of(&agent.report().expect("reports")).len(), 1);
    let findings = counterfoil_sync_agent::doctor::examine(device.config());
    assert!(findings.iter().any(|finding| finding.subject == "archive"), "{findings:?}");
}

#[test]
fn a_successor_gains_no_time() {
    let (mut device, agent) = restored();
    let right = device.clock.now();
    device.clock.set(at("2027-06-01"));
    agent.keep_time().expect("notes");
    device.clock.set(right);
    go_on(&mut device, &agent);
    let status = agent.status().expect("readable");
    assert!(status.time >= at("2027-06-01") && status.clock_noted.is_some());
    assert_eq!(agent.check("export").code, Code::CheckInDue);
    // The noted clock is cured as on any chain.
    device.sync(&agent);
    device.sync(&agent);
    assert_eq!(agent.check("export").code, Code::Allowed);
}

/// The files of a succession in the order in which they move, as the state directory's documentation has it.
const ARCHIVED: [&str; 3] = ["chain.db", "device.key", "seal.key"];
const TAKEN: [&str; 3] = ["seal.key", "device.key", "chain.db"];

fn move_file(from: &Path, to: &Path, name: &str) {
    fs::create_dir_all(to).expect("writable");
    fs::rename(from.join(name), to.join(name)).expect("movable");
}

/// The state directory as it is when the old chain is closed and nothing has moved.
fn just_closed(device: &Device, old: ChainId) {
    let (state, next) = (device.state(), device.state().join("next"));
    let archived = state.join("archive").join(old.to_string());
    for name in TAKEN {
        move_file(&state, &next, name);
    }
    for name in ARCHIVED {
        move_file(&archived, &state, name);
    }
    fs::remove_dir_all(state.join("archive")).expect("removable");
}

#[test]
fn a_succession_that_was_decided_is_finished_from_every_step() {
    let (mut device, agent) = restored();
    let old = chain_of(&agent);
    go_on(&mut device, &agent);
    let new = chain_of(&agent);
    drop(agent);
    just_closed(&device, old);
    device.back_up();
    for steps in 0..=ARCHIVED.len() + TAKEN.len() {
        device.restore();
        let (state, next) = (device.state(), device.state().join("next"));
        let archived = state.join("archive").join(old.to_string());
        let out = ARCHIVED.iter().map(|name| (&state, &archived, name));
        let back = TAKEN.iter().map(|name| (&next, &state, name));
        for (from, to, name) in out.chain(back).take(steps) {
            move_file(from, to, name);
        }
        // Who only reads is never told of damage or of a lost chain.
        let reader = AgentReader::open(device.config()).expect("opens");
        assert_eq!(reader.status().state, State::Pending, "after {steps} steps");
        drop(reader);
        let agent = device.open();
        assert_eq!(chain_of(&agent), new, "after {steps} steps");
        assert_eq!(agent.status().expect("readable").state, State::Pending);
        goes_on_without_reserved_quota(&agent);
        assert_eq!(heads_of(&agent.report().expect("reports")).len(), 2);
        agent.verify().expect("all verifies");
        for name in ARCHIVED {
            assert!(archived.join(name).exists(), "{name} after {steps} steps");
        }
        assert!(!next.exists());
    }
}

#[test]
fn a_succession_that_was_not_decided_is_undone_from_every_step() {
    let (mut device, agent) = restored();
    let old = chain_of(&agent);
    drop(agent);
    device.back_up();
    let agent = device.open();
    go_on(&mut device, &agent);
    drop(agent);
    let prepared = device.folder.path().join("prepared");
    for name in TAKEN {
        move_file(&device.state(), &prepared, name);
    }
    for steps in 0..=TAKEN.len() {
        device.restore();
        let next = device.state().join("next");
        fs::create_dir_all(&next).expect("writable");
        for name in TAKEN.iter().take(steps) {
            fs::copy(prepared.join(name), next.join(name)).expect("copies");
        }
        let agent = device.open();
        assert_eq!(chain_of(&agent), old, "after {steps} steps");
        assert!(!next.exists());
        assert!(!kinds(&agent).contains(&"chain.closed"));
        go_on(&mut device, &agent);
    }
}
