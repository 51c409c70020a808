//! Tests of the `device` module.

mod refund;
mod refused;
mod returns;
mod seen;
mod succession;

use schemas::bundle::Attachment;
use schemas::codes::Code;
use schemas::ids::{CertificateId, Commitment, Salt};
use schemas::numbers::{Amount, Total};
use schemas::period::Reset;
use schemas::terms::{Mode, OnFork};
use schemas::text::UsageRef;

use super::*;
use crate::clock::Reading;
use crate::fixture::{ISSUED, MILES, RENDER, at, fingerprint, now, offered, pending, text};

type Change = fn(&mut VerifiedGrant);

const USUAL: [u8; 5] = [1, 2, 3, 4, 5];

/// Carries a decision out as the store does, with links that only count.
fn carry_out(device: &mut Device, decision: Decision) -> Vec<&'static str> {
    let Decision { events, mark, grant, .. } = decision;
    device.set_mark(mark);
    let at = events.last().map_or(mark.at(), |event| event.at);
    for event in &events {
        let seq = device.head().seq.next();
        device.apply(event, Head { seq, link: link(seq) });
    }
    if let Some(grant) = grant {
        device.take_grant(*grant, at);
    }
    events.iter().map(|event| event.body.name()).collect()
}

fn link(seq: Seq) -> Link {
    Link([u8::try_from(seq.0).expect("a short chain"); 32])
}

fn decide(device: &Device, command: &Command, time: &str) -> Result<Decision, DeviceError> {
    device.decide(command, &now(at(time), &fingerprint(USUAL)), Known::default())
}

fn apply_at(device: &mut Device, grant: AppliedGrant, time: &str) -> Result<Vec<&'static str>, Code> {
    let reported = |seq| Acknowledged { link: link(seq), at: device.saved().mark };
    let acknowledged = device.acknowledged_by(&grant).map(reported);
    let known = Known { acknowledged, first: None };
    let decision =
        device.decide(&Command::Apply(Box::new(grant)), &now(at(time), &fingerprint(USUAL)), known);
    match decision {
        Ok(Decision { done: Done::NotApplied(error), events, mark, .. }) => {
            let recorded = Decision { events, mark, attachment: None, grant: None, done: Done::Noted };
            carry_out(device, recorded);
            Err(error.code())
        }
        Ok(decision) => Ok(carry_out(device, decision)),
        Err(error) => Err(error.code()),
    }
}

fn activated() -> Device {
    let mut device = pending();
    apply_at(&mut device, offered(1, |_| {}), ISSUED).expect("applies");
    device
}

fn consume(feature: &str, n: u64) -> Consume {
    Consume { feature: feature.into(), n: Amount::new(n).expect("in range"), used_at: None, reference: None }
}

fn consume_at(device: &mut Device, consume: Consume, time: &str) -> Result<Consumed, Code> {
    let decision = decide(device, &Command::Consume(consume), time).map_err(|error| error.code())?;
    let Done::Consumed(consumed) = decision.done else { panic!("a consumption was decided") };
    carry_out(device, decision);
    Ok(consumed)
}

#[test]
fn the_first_event_of_a_process_follows_its_start() {
    let mut device = pending();
    assert_eq!(apply_at(&mut device, offered(1, |_| {}), ISSUED), Ok(vec!["agent.started", "grant.applied"]));
    let next = decide(&device, &Command::Consume(consume("miles", 1)), ISSUED).expect("counts");
    assert_eq!(carry_out(&mut device, next), ["feature.consumed"]);
}

#[test]
fn reserved_quota_is_spent_to_the_last_unit_and_not_further() {
    let mut device = activated();
    assert_eq!(consume_at(&mut device, consume("render", 60), ISSUED).map(|done| done.total.get()), Ok(60));
    assert_eq!(consume_at(&mut device, consume("render", 41), ISSUED), Err(Code::QuotaExhausted));
    assert_eq!(consume_at(&mut device, consume("render", 40), ISSUED).map(|done| done.total.get()), Ok(100));
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::QuotaExhausted));
    assert_eq!(device.left(), [0, 100]);
    let december = consume_at(&mut device, consume("render", 1), "2026-12-01T00:00:00Z");
    assert_eq!(december.map(|done| done.total.get()), Ok(1));
    assert_eq!(consume_at(&mut device, consume("render", 1), "2026-12-31T07:00:00Z"), Err(Code::Overdue));
}

#[test]
fn what_was_written_off_or_given_back_cannot_be_spent() {
    let mut device = pending();
    let written_off = |grant: &mut VerifiedGrant| {
        grant.body.quotas[0].written_off = Total::new(30).expect("small");
    };
    apply_at(&mut device, offered(1, written_off), ISSUED).expect("applies");
    let month = Period::of(Reset::Month, at(ISSUED));
    let returned = schemas::event::device::QuotaReturned {
        feature: RENDER,
        period: month,
        n: Amount::new(20).expect("in range"),
        total: Total::new(20).expect("small"),
    };
    let head = Head { seq: device.head().seq.next(), link: link(Seq(9)) };
    device.apply(&Event { at: at(ISSUED), body: Body::QuotaReturned(returned) }, head);
    assert_eq!(device.left(), [50, 70]);
    assert_eq!(consume_at(&mut device, consume("render", 51), ISSUED), Err(Code::QuotaExhausted));
    consume_at(&mut device, consume("render", 50), ISSUED).expect("50 are left");
}

#[test]
fn the_period_is_that_of_the_record_and_a_use_is_never_later_than_now() {
    let mut device = activated();
    let used = |used_at: &str| Consume { used_at: Some(at(used_at)), ..consume("miles", 5) };
    let past = consume_at(&mut device, used("2013-01-31T23:59:59Z"), ISSUED).expect("counts");
    assert_eq!(past.period, Period::of(Reset::Month, at(ISSUED)));
    assert_eq!(consume_at(&mut device, used(ISSUED), ISSUED).map(|done| done.total.get()), Ok(10));
    let later = used("2026-11-24T07:00:00.000001Z");
    assert_eq!(consume_at(&mut device, later, ISSUED), Err(Code::UsedAtInFuture));
    // A use that is dated back does not spend what was left over of a month that has passed.
    let render = Consume { used_at: Some(at("2026-10-31")), ..consume("render", 1) };
    assert_eq!(consume_at(&mut device, render, ISSUED).map(|done| done.period), Ok(past.period));
}

#[test]
fn features_that_are_absent_or_not_metered_are_not_consumed() {
    let mut device = activated();
    assert_eq!(consume_at(&mut device, consume("beta", 1), ISSUED), Err(Code::FeatureAbsent));
    assert_eq!(consume_at(&mut device, consume("export", 1), ISSUED), Err(Code::FeatureNotMetered));
    assert_eq!(consume_at(&mut pending(), consume("miles", 1), ISSUED), Err(Code::NotActivated));
}

#[test]
fn a_total_never_passes_what_every_reader_holds() {
    let mut device = activated();
    let month = Period::of(Reset::Month, at(ISSUED));
    let meter =
        Meter { gross: Total::new(schemas::limits::TOTAL_MAX - 1).expect("the limit"), ..Meter::default() };
    device.meters.insert((MILES, month), meter);
    assert_eq!(consume_at(&mut device, consume("miles", 2), ISSUED), Err(Code::TotalExceeded));
    consume_at(&mut device, consume("miles", 1), ISSUED).expect("the last unit");
}

#[test]
fn what_names_something_is_not_empty() {
    let mut device = activated();
    let reference = UsageRef::new("");
    let unnamed = Consume { reference, ..consume("miles", 1) };
    assert_eq!(consume_at(&mut device, unnamed, ISSUED), Err(Code::TextInvalid));
    let value = Attachment { commitment: Commitment([0; 32]), salt: Salt([0; 16]), value: Vec::new() };
    let unnamed = Command::Set { name: text(""), value };
    let refused = decide(&device, &unnamed, ISSUED).err();
    assert_eq!(refused.map(|error| error.code()), Some(Code::TextInvalid));
}

#[test]
fn a_known_ref_is_answered_with_the_first_event_and_counts_nothing() {
    let mut device = activated();
    let command = Consume { reference: UsageRef::new("job-1"), ..consume("miles", 5) };
    let decision = decide(&device, &Command::Consume(command.clone()), ISSUED).expect("counts");
    let Some(Body::FeatureConsumed(first)) = decision.events.last().map(|event| event.body.clone()) else {
        panic!("a consumption was decided")
    };
    carry_out(&mut device, decision);
    let known = Known { first: Some((Seq(5), first)), acknowledged: None };
    let usual = fingerprint(USUAL);
    // Also when the licence would no longer allow it.
    for time in [ISSUED, "2028-01-01"] {
        let again = device
            .decide(&Command::Consume(command.clone()), &now(at(time), &usual), known.clone())
            .expect("answers");
        assert!(again.events.is_empty());
        assert!(matches!(again.done, Done::Consumed(done) if done.seq == Seq(5) && done.repeated));
    }
}

#[test]
fn a_grant_never_goes_backwards() {
    let mut device = pending();
    apply_at(&mut device, offered(5, |_| {}), ISSUED).expect("applies");
    assert_eq!(apply_at(&mut device, offered(5, |_| {}), ISSUED), Ok(vec![]));
    assert_eq!(apply_at(&mut device, offered(4, |_| {}), ISSUED), Err(Code::GrantSuperseded));
    let other = |grant: &mut VerifiedGrant| grant.id = schemas::ids::EventId([1; 32]);
    assert_eq!(apply_at(&mut device, offered(5, other), ISSUED), Err(Code::GrantSuperseded));
    let next_epoch = |grant: &mut VerifiedGrant| grant.body.epoch = schemas::numbers::Epoch(1);
    apply_at(&mut device, offered(1, next_epoch), ISSUED).expect("a later epoch is newer");
    assert_eq!(apply_at(&mut device, offered(9, |_| {}), ISSUED), Err(Code::GrantSuperseded));
}

#[test]
fn a_grant_for_something_else_changes_nothing() {
    let cases: [(Change, Code); 6] = [
        (|grant| grant.body.device = ChainId([0; 32]), Code::GrantForeign),
        (|grant| grant.body.product = text("other"), Code::GrantMismatch),
        (|grant| grant.body.environment = text("production"), Code::GrantMismatch),
        (|grant| grant.body.revocations.certificates = vec![grant.issuer], Code::IssuerRevoked),
        (|grant| grant.body.import_until = Some(at(ISSUED)), Code::GrantLate),
        (|grant| grant.body.ack.link = Link([1; 32]), Code::AckUnknown),
    ];
    for (change, code) in cases {
        let mut device = pending();
        assert_eq!(apply_at(&mut device, offered(1, change), ISSUED), Err(code));
        assert!(device.grant().is_none(), "{code}");
    }
}

#[test]
fn revocations_only_rise() {
    let mut device = pending();
    let revoke = |version, certificate| {
        move |grant: &mut VerifiedGrant| {
            grant.body.revocations =
                Revocations { version, certificates: vec![CertificateId([certificate; 32])] };
        }
    };
    apply_at(&mut device, offered(1, revoke(2, 8)), ISSUED).expect("applies");
    apply_at(&mut device, offered(2, revoke(1, 9)), ISSUED).expect("applies");
    assert_eq!(device.revocations().version, 2);
    let by_revoked = |grant: &mut VerifiedGrant| grant.issuer = CertificateId([8; 32]);
    assert_eq!(apply_at(&mut device, offered(3, by_revoked), ISSUED), Err(Code::IssuerRevoked));
}

#[test]
fn a_device_that_was_set_back_says_so_once_and_stops_reserved_quota() {
    let mut device = activated();
    let ahead = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq: Seq(99), link: link(Seq(99)) };
    let before = device.head().seq;
    assert_eq!(apply_at(&mut device, offered(2, ahead), ISSUED), Err(Code::AckUnknown));
    assert_eq!(device.head().seq, before.next());
    assert_eq!(apply_at(&mut device, offered(2, ahead), ISSUED), Err(Code::AckUnknown));
    assert_eq!(device.head().seq, before.next());
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::Forked));
    consume_at(&mut device, consume("miles", 1), ISSUED).expect("counted use goes on");
    let other_link = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq: Seq(3), link: link(Seq(4)) };
    assert_eq!(apply_at(&mut device, offered(3, other_link), ISSUED), Err(Code::AckUnknown));
    let own = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq: Seq(3), link: link(Seq(3)) };
    apply_at(&mut device, offered(4, own), ISSUED).expect("its own history");
    assert!(!device.basis().set_back);
}

#[test]
fn a_wrong_clock_is_noted_and_cured_by_a_grant_that_knows_of_it() {
    let mut device = activated();
    let wrong = decide(&device, &Command::Note, "2027-06-01T00:00:00Z").expect("notes");
    assert_eq!(carry_out(&mut device, wrong), ["clock.noted"]);
    let noted = device.saved().noted.expect("noted");
    // The clock is right again; the mark is not.
    let back = "2026-11-25T00:00:00Z";
    let unaware = |grant: &mut VerifiedGrant| {
        grant.issued_at = at(back);
        grant.body.ack = Ack { seq: Seq(noted.0 - 1), link: link(Seq(noted.0 - 1)) };
    };
    let mut other = device.clone();
    assert_eq!(apply_at(&mut other, offered(2, unaware), back), Ok(vec!["clock.noted", "grant.applied"]));
    assert_eq!(other.saved().mark, at("2027-06-01T00:00:00Z"));
    let aware = |grant: &mut VerifiedGrant| {
        grant.issued_at = at(back);
        grant.body.ack = Ack { seq: noted, link: link(noted) };
        grant.body.import_until = Some(at("2027-01-01"));
    };
    assert_eq!(apply_at(&mut device, offered(2, aware), back), Ok(vec!["grant.applied"]));
    assert_eq!((device.saved().mark, device.saved().noted), (at(back), None));
    let right = decide(&device, &Command::Consume(consume("miles", 1)), back).expect("counts");
    assert_eq!(right.events.last().map(|event| event.at), Some(at(back)));
    assert_eq!(carry_out(&mut device, right), ["feature.consumed"]);
}

#[test]
fn a_changed_device_is_recorded_before_the_next_event_and_its_grace_does_not_start_anew() {
    let mut device = activated();
    let changed = fingerprint([1, 2, 9, 9, 9]);
    let command = || Command::Consume(consume("miles", 1));
    let first = device.decide(&command(), &now(at(ISSUED), &changed), Known::default()).expect("warned only");
    assert_eq!(carry_out(&mut device, first), ["fingerprint.changed", "feature.consumed"]);
    assert_eq!(device.basis().mismatch_since, Some(at(ISSUED)));
    let again = fingerprint([1, 2, 8, 8, 8]);
    let later = Now {
        reading: Reading { wall: at("2026-11-30T07:00:00Z"), monotonic: Seconds::days(6).micros() },
        ..now(at(ISSUED), &again)
    };
    let second = device.decide(&command(), &later, Known::default()).expect("still in the grace");
    assert_eq!(carry_out(&mut device, second), ["fingerprint.changed", "feature.consumed"]);
    assert_eq!(device.basis().mismatch_since, Some(at(ISSUED)));
    let over = at("2026-12-01T07:00:00Z");
    let refused = device.decide(&command(), &now(over, &again), Known::default());
    assert_eq!(refused.map_err(|error| error.code()).err(), Some(Code::FingerprintMismatch));
    let usual = fingerprint(USUAL);
    let noted = device.decide(&Command::Note, &now(over, &usual), Known::default()).expect("notes");
    assert_eq!(carry_out(&mut device, noted), ["fingerprint.changed"]);
    assert_eq!(device.basis().mismatch_since, None);
}

#[test]
fn a_component_that_cannot_be_read_today_is_no_event() {
    let mut device = activated();
    let fewer = fingerprint([1, 0, 0, 4, 5]);
    let command = Command::Consume(consume("miles", 1));
    let decision = device.decide(&command, &now(at(ISSUED), &fewer), Known::default()).expect("counts");
    assert_eq!(carry_out(&mut device, decision), ["feature.consumed"]);
    let too_few = fingerprint([1, 0, 0, 0, 5]);
    let noted = device.decide(&Command::Note, &now(at(ISSUED), &too_few), Known::default()).expect("notes");
    assert_eq!(carry_out(&mut device, noted), ["fingerprint.changed"]);
    assert_eq!(device.basis().mismatch_since, Some(at(ISSUED)));
}

#[test]
fn nothing_follows_the_end_of_a_chain() {
    let mut device = activated();
    let closed = decide(&device, &Command::Close, ISSUED).expect("closes");
    assert_eq!(carry_out(&mut device, closed), ["chain.closed"]);
    assert!(decide(&device, &Command::Close, ISSUED).expect("again").events.is_empty());
    let attachment = Attachment { commitment: Commitment([0; 32]), salt: Salt([0; 16]), value: Vec::new() };
    let set = Command::Set { name: text("site"), value: attachment };
    assert_eq!(decide(&device, &set, ISSUED).map_err(|error| error.code()).err(), Some(Code::Deactivated));
    let noted = decide(&device, &Command::Note, "2028-01-01").expect("notes nothing");
    assert!(noted.events.is_empty());
    // The receipt is kept, without an event.
    assert_eq!(apply_at(&mut device, offered(2, |_| {}), ISSUED), Ok(vec![]));
    assert_eq!(device.grant().map(|grant| grant.verified.seq), Some(Seq(2)));
}

#[test]
fn a_forked_chain_keeps_its_counted_features() {
    let mut device = pending();
    let forked = |grant: &mut VerifiedGrant| {
        grant.body.forked = Some(OnFork::Stop);
        let entitlement = grant.body.entitlement.as_mut().expect("granted");
        assert_eq!(entitlement.features[1].mode, Mode::Hard);
    };
    apply_at(&mut device, offered(1, forked), ISSUED).expect("applies");
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::Forked));
    consume_at(&mut device, consume("miles", 1), ISSUED).expect("counts");
}
