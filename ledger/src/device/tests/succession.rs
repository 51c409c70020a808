//! Tests of closing a chain in favour of a successor, and of going on under its predecessor's grant.

use super::*;
use crate::check::Snapshot;

const SUCCESSOR: ChainId = ChainId([7; 32]);

fn restored() -> Device {
    let mut device = activated();
    let ahead = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq: Seq(99), link: link(Seq(99)) };
    assert_eq!(apply_at(&mut device, offered(2, ahead), ISSUED), Err(Code::AckUnknown));
    device
}

fn succeed(device: &mut Device) -> Result<Vec<&'static str>, Code> {
    succeed_as(device, false)
}

/// The same, where a grant that cannot be applied says so, or not.
fn succeed_as(device: &mut Device, told: bool) -> Result<Vec<&'static str>, Code> {
    let command = Command::Succeed { successor: SUCCESSOR, told };
    let decision = decide(device, &command, ISSUED).map_err(|error| error.code())?;
    Ok(carry_out(device, decision))
}

fn said(snapshot: &Snapshot, feature: &str) -> (bool, Code) {
    let answer = snapshot.check_at(Some(feature), None, at(ISSUED));
    (answer.allowed, answer.code)
}

#[test]
fn a_chain_is_succeeded_only_where_the_vendor_heals_and_once() {
    assert_eq!(succeed(&mut pending()), Err(Code::NotRestored));
    assert_eq!(succeed(&mut activated()), Err(Code::NotRestored));
    for (on_fork, outcome) in [
        (OnFork::Flag, Err(Code::HealRefused)),
        (OnFork::Stop, Err(Code::HealRefused)),
        (OnFork::Heal, Ok(vec!["chain.closed"])),
    ] {
        let mut device = activated();
        let forked = move |grant: &mut VerifiedGrant| grant.body.forked = Some(on_fork);
        apply_at(&mut device, offered(2, forked), ISSUED).expect("applies");
        assert_eq!(succeed(&mut device), outcome, "{on_fork:?}");
    }
    assert_eq!(succeed_as(&mut activated(), true), Err(Code::NotRestored));
    let mut device = restored();
    let head = device.head();
    assert_eq!((succeed(&mut device), device.head()), (Err(Code::HealRefused), head));
    assert_eq!(succeed_as(&mut device, true), Ok(vec!["chain.closed"]));
    assert_eq!(succeed_as(&mut device, true), Err(Code::Deactivated));
}

#[test]
fn a_chain_that_was_succeeded_records_nothing_more_and_still_covers_what_reserves_nothing() {
    let mut device = restored();
    succeed_as(&mut device, true).expect("closes");
    assert_eq!(device.basis().life, Life::Succeeded);
    let snapshot = device.snapshot();
    assert_eq!(said(&snapshot, "export"), (true, Code::Allowed));
    assert_eq!(said(&snapshot, "render"), (false, Code::Forked));
    assert!(decide(&device, &Command::Close, ISSUED).expect("is closed").events.is_empty());
    let noted = decide(&device, &Command::Note, "2028-01-01").expect("notes nothing");
    assert!(noted.events.is_empty());
}

#[test]
fn a_successor_goes_on_under_the_old_terms_without_the_old_quota_until_it_has_its_own() {
    let mut device = pending();
    device.inherit(offered(9, |_| {}));
    assert_eq!(device.left(), [0, 0]);
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::Forked));
    consume_at(&mut device, consume("miles", 4), ISSUED).expect("counted use goes on");
    assert_eq!(said(&device.snapshot(), "export"), (true, Code::Allowed));
    assert!(device.grant().is_none());
    // Its own grant counts, wherever on the vendor's chain the old one stood.
    apply_at(&mut device, offered(3, |_| {}), ISSUED).expect("the first of its own");
    assert_eq!(device.left(), [100, 100]);
    consume_at(&mut device, consume("render", 100), ISSUED).expect("new quota");
    let denied = |grant: &mut VerifiedGrant| {
        grant.body.status = schemas::grant::GrantStatus::Denied;
        grant.body.entitlement = None;
    };
    let mut other = pending();
    other.inherit(offered(9, |_| {}));
    apply_at(&mut other, offered(3, denied), ISSUED).expect("applies");
    assert_eq!(said(&other.snapshot(), "export"), (false, Code::NotActivated));
}
