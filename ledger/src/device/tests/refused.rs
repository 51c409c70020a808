//! Tests of grants that are not applied because they acknowledge what the device does not have.

use schemas::event::device::VariableSet;
use schemas::grant::GrantStatus;

use super::*;

/// A change of a grant: it acknowledges more than the device has, and says this of the licence.
fn ahead(status: GrantStatus) -> impl FnOnce(&mut VerifiedGrant) {
    move |grant| {
        grant.body.status = status;
        grant.body.ack = Ack { seq: Seq(99), link: link(Seq(99)) };
    }
}

fn said(device: &Device, feature: &str) -> Code {
    device.snapshot().check_at(Some(feature), None, at(ISSUED)).code
}

#[test]
fn what_a_refused_grant_takes_away_is_gone() {
    for (status, code) in [
        (GrantStatus::Active, Code::Allowed),
        (GrantStatus::Suspended, Code::LicenseSuspended),
        (GrantStatus::Revoked, Code::LicenseRevoked),
        (GrantStatus::Released, Code::Deactivated),
    ] {
        let mut device = activated();
        assert_eq!(apply_at(&mut device, offered(2, ahead(status)), ISSUED), Err(Code::AckUnknown));
        assert_eq!(said(&device, "export"), code);
        assert_eq!(device.may_be_succeeded(true).is_ok(), status == GrantStatus::Active);
        let used = consume_at(&mut device, consume("miles", 1), ISSUED).err();
        assert_eq!(used, Some(code).filter(|code| *code != Code::Allowed));
    }
}

#[test]
fn a_newer_refused_grant_gives_it_back_and_an_older_one_does_not() {
    let mut device = activated();
    let revoked = offered(5, ahead(GrantStatus::Suspended));
    assert_eq!(apply_at(&mut device, revoked.clone(), ISSUED), Err(Code::AckUnknown));
    let head = device.head();
    assert_eq!(apply_at(&mut device, revoked, ISSUED), Err(Code::AckUnknown));
    assert_eq!(device.head(), head, "it is recorded once");
    let older = offered(4, ahead(GrantStatus::Active));
    assert_eq!(apply_at(&mut device, older, ISSUED), Err(Code::GrantSuperseded));
    assert_eq!(said(&device, "export"), Code::LicenseSuspended);
    let newer = offered(6, ahead(GrantStatus::Active));
    assert_eq!(apply_at(&mut device, newer, ISSUED), Err(Code::AckUnknown));
    assert_eq!(said(&device, "export"), Code::Allowed);
    assert_eq!(said(&device, "render"), Code::Forked);
}

/// A device set back to before it applied grant 2 must not have its reserve back by applying it a second time.
#[test]
fn a_grant_from_before_the_one_that_told_of_a_restore_does_not_undo_it() {
    let mut device = activated();
    assert_eq!(apply_at(&mut device, offered(3, ahead(GrantStatus::Active)), ISSUED), Err(Code::AckUnknown));
    assert_eq!(apply_at(&mut device, offered(2, |_| {}), ISSUED), Err(Code::GrantSuperseded));
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::Forked));
    apply_at(&mut device, offered(4, |_| {}), ISSUED).expect("a newer one of its own history");
    consume_at(&mut device, consume("render", 1), ISSUED).expect("counts");
}

/// The vendor restored an older ledger, and its answer came too late to be applied. The device had no other way to learn
/// that what was acknowledged is lost, and sent the same end of its chain for ever.
#[test]
fn a_late_grant_of_a_newer_epoch_has_all_sent_again() {
    let mut device = pending();
    for _ in 0..2 {
        let set = VariableSet { name: text("site"), value: Commitment([1; 32]) };
        let seq = device.head().seq.next();
        device.apply(&Event { at: at(ISSUED), body: Body::VariableSet(set) }, Head { seq, link: link(seq) });
    }
    let knows = |epoch, seq: u64| {
        move |grant: &mut VerifiedGrant| {
            grant.body.epoch = Epoch(epoch);
            grant.body.ack = Ack { seq: Seq(seq), link: link(Seq(seq)) };
        }
    };
    let late = |epoch, seq| {
        move |grant: &mut VerifiedGrant| {
            knows(epoch, seq)(grant);
            grant.body.import_until = Some(at(ISSUED));
        }
    };
    apply_at(&mut device, offered(1, knows(1, 4)), ISSUED).expect("applies");
    let head = device.head();
    for of_no_interest in [late(1, 3), late(2, 4)] {
        assert_eq!(apply_at(&mut device, offered(9, of_no_interest), ISSUED), Err(Code::GrantLate));
        assert_eq!((device.head(), device.unreported_from()), (head, Seq(5)), "nothing is recorded");
    }
    assert_eq!(apply_at(&mut device, offered(9, late(2, 3)), ISSUED), Err(Code::GrantLate));
    assert_eq!((device.head().seq, device.unreported_from()), (head.seq.next(), Seq(1)));
    assert!(!device.basis().set_back, "it was not the device that was set back");
    let head = device.head();
    assert_eq!(apply_at(&mut device, offered(10, late(2, 3)), ISSUED), Err(Code::GrantLate));
    assert_eq!(device.head(), head, "it is recorded once");
    apply_at(&mut device, offered(11, knows(2, 4)), ISSUED).expect("in time");
    assert_eq!(device.unreported_from(), Seq(5));
}

/// What the device noted when it was started, after days in which it was off, looked like what it had come to.
#[test]
fn a_device_that_was_set_back_tells_how_far_it_had_come_before_it_was_started() {
    let mut device = activated();
    let before = device.head().seq;
    device.started = false;
    let noted = decide(&device, &Command::Note, "2026-12-20").expect("notes");
    assert_eq!(carry_out(&mut device, noted), ["agent.started", "clock.noted"]);
    let ahead = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq: Seq(5), link: link(Seq(9)) };
    let told = |device: &Device| {
        let (offered, usual) = (offered(2, ahead), fingerprint(USUAL));
        let reported = |seq| Acknowledged { link: link(seq), at: device.saved().mark };
        let known = Known { acknowledged: device.acknowledged_by(&offered).map(reported), first: None };
        let command = Command::Apply(Box::new(offered));
        match device.decide(&command, &now(at("2026-12-20"), &usual), known).map(|decision| decision.done) {
            Ok(Done::NotApplied(error)) => error,
            other => panic!("the grant is not applied, and that is recorded: {other:?}"),
        }
    };
    assert_eq!(told(&device), DeviceError::AckUnknown { acknowledged: Seq(5), held: before });
    consume_at(&mut device, consume("miles", 1), "2026-12-20").expect("counts");
    let held = device.head().seq;
    assert_eq!(told(&device), DeviceError::AckUnknown { acknowledged: Seq(5), held });
}
