//! When a report is of use to the vendor.

use schemas::event::device::{
    ActivationRequested, ChainClosed, Claim, CloseReason, QuotaReturned, TrialClaim,
};
use schemas::grant::SeqRange;
use schemas::numbers::{Amount, Seq, Total};
use schemas::period::{Period, Reset};

use super::*;
use crate::fixture::{ISSUED, RENDER, at, offered, pending};
use crate::trust::VerifiedGrant;

/// A device whose last grant was changed so, and that recorded nothing since.
fn device(change: impl FnOnce(&mut VerifiedGrant)) -> Device {
    let mut device = pending();
    device.take_grant(offered(1, change), at(ISSUED));
    device
}

fn of(event_bodies: impl IntoIterator<Item = Body>) -> Unreported {
    let bodies: Vec<Body> = event_bodies.into_iter().collect();
    let mut unreported = Unreported::new(bodies.len() as u64);
    for body in bodies {
        unreported.hear(&Event { at: at(ISSUED), body });
    }
    unreported
}

fn returned() -> Body {
    let (period, n) = (Period::of(Reset::Month, at(ISSUED)), Amount::new(5).expect("small"));
    let total = Total::new(5).expect("small");
    Body::QuotaReturned(QuotaReturned { feature: RENDER, period, n, total })
}

fn because(device: &Device, unreported: &Unreported, now: &str) -> Option<UsefulBecause> {
    let usefulness = device.usefulness(unreported, at(now));
    assert_eq!(usefulness.useful, usefulness.because.is_some());
    assert!(!usefulness.useful || usefulness.at_latest.is_none(), "it is useful already");
    usefulness.because
}

/// Issued on the 24th of November with a deadline on the 24th of December.
#[test]
fn a_few_events_wait_for_the_last_quarter_of_the_time_until_the_check_in() {
    let device = device(|_| {});
    let few = Unreported::new(ENOUGH_EVENTS - 1);
    let latest = at("2026-12-16T19:00:00Z");
    assert_eq!(device.usefulness(&few, at(ISSUED)).at_latest, Some(latest));
    assert_eq!(because(&device, &few, "2026-12-16T18:59:59Z"), None);
    assert_eq!(because(&device, &few, "2026-12-16T19:00:00Z"), Some(UsefulBecause::CheckIn));
    assert_eq!(because(&device, &few, "2028-01-01"), Some(UsefulBecause::CheckIn), "long overdue");
}

#[test]
fn enough_events_wait_for_nothing() {
    let enough = Unreported::new(ENOUGH_EVENTS);
    assert_eq!(because(&device(|_| {}), &enough, ISSUED), Some(UsefulBecause::EnoughEvents));
}

#[test]
fn without_a_deadline_no_event_waits_longer_than_thirty_days() {
    let device = device(|grant| grant.body.check_in.sync_by = None);
    assert_eq!(device.usefulness(&Unreported::new(0), at("2028-01-01")).at_latest, None);
    let one = of([Body::VariableSet(schemas::event::device::VariableSet {
        name: crate::fixture::text("site"),
        value: schemas::ids::Commitment([1; 32]),
    })]);
    assert_eq!(device.usefulness(&one, at(ISSUED)).at_latest, Some(at("2026-12-24T07:00:00Z")));
    assert_eq!(because(&device, &one, "2026-12-24T06:59:59Z"), None);
    assert_eq!(because(&device, &one, "2026-12-24T07:00:00Z"), Some(UsefulBecause::WaitedLong));
}

#[test]
fn what_somebody_waits_for_is_reported_at_once() {
    let nothing = Unreported::default();
    assert_eq!(because(&pending(), &nothing, ISSUED), Some(UsefulBecause::Request), "no answer yet");
    let device = self::device(|_| {});
    assert_eq!(because(&device, &nothing, ISSUED), None);
    assert_eq!(because(&device, &of([returned()]), ISSUED), Some(UsefulBecause::QuotaReturned));
    let closed = Body::ChainClosed(ChainClosed { reason: CloseReason::Deactivated, successor: None });
    assert_eq!(because(&device, &of([returned(), closed]), ISSUED), Some(UsefulBecause::Closed));
    let claim = Claim::Trial(TrialClaim {});
    let asked = Body::ActivationRequested(Box::new(ActivationRequested { claim }));
    assert_eq!(because(&device, &of([asked]), ISSUED), Some(UsefulBecause::Request));
    let earlier = nothing.beside_earlier(true);
    assert_eq!(because(&device, &earlier, ISSUED), Some(UsefulBecause::EarlierRecord));
}

#[test]
fn what_the_vendor_asks_for_and_what_it_must_decide_is_reported_at_once() {
    let nothing = Unreported::default();
    let missing = SeqRange { first: Seq(3), last: Seq(4) };
    let asked = device(|grant| grant.body.missing = vec![missing]);
    assert_eq!(because(&asked, &nothing, ISSUED), Some(UsefulBecause::AskedFor));
    let again = device(|grant| grant.body.resend_from = Some(Seq(1)));
    assert_eq!(because(&again, &nothing, ISSUED), Some(UsefulBecause::AskedFor));
    let mut set_back = device(|_| {});
    set_back.note_set_back(true);
    assert_eq!(because(&set_back, &nothing, ISSUED), Some(UsefulBecause::SetBack));
    let mut stepped = device(|_| {});
    stepped.saved.noted = Some(Seq(9));
    assert_eq!(because(&stepped, &nothing, ISSUED), Some(UsefulBecause::ClockNoted));
    let told = |grant: &mut VerifiedGrant| grant.body.ack.seq = Seq(9);
    let mut stepped = device(told);
    stepped.saved.noted = Some(Seq(9));
    assert_eq!(because(&stepped, &nothing, ISSUED), None, "the vendor has the note");
}

#[test]
fn an_activation_that_does_not_stand_checks_in_for_nothing() {
    for status in [GrantStatus::Denied, GrantStatus::Revoked, GrantStatus::Released] {
        let device = device(|grant| grant.body.status = status);
        let few = Unreported::new(3);
        assert_eq!(because(&device, &few, "2028-01-01"), None, "{status:?}");
        assert_eq!(device.usefulness(&few, at(ISSUED)).at_latest, None);
        let enough = Unreported::new(ENOUGH_EVENTS);
        assert_eq!(because(&device, &enough, ISSUED), Some(UsefulBecause::EnoughEvents));
    }
    let suspended = device(|grant| grant.body.status = GrantStatus::Suspended);
    assert_eq!(because(&suspended, &Unreported::new(3), "2028-01-01"), Some(UsefulBecause::CheckIn));
}
