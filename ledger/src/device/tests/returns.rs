//! Tests of giving reserved quota back.

use schemas::grant::ReturnRequest;

use super::*;

fn month(time: &str) -> Period {
    Period::of(Reset::Month, at(time))
}

fn returning(feature: &str, n: u64, period: Option<Period>) -> Return {
    Return { feature: feature.into(), n: Amount::new(n).expect("in range"), period }
}

fn return_at(device: &mut Device, command: Return, time: &str) -> Result<Returned, Code> {
    let decision = decide(device, &Command::Return(command), time).map_err(|error| error.code())?;
    let Done::Returned(returned) = decision.done else { panic!("a return was decided") };
    carry_out(device, decision);
    Ok(returned)
}

/// A change of a grant: it asks for `n` units of `render` in the month of its issue.
fn asking(n: u64) -> impl FnOnce(&mut VerifiedGrant) {
    move |grant| {
        let request =
            ReturnRequest { feature: RENDER, period: month(ISSUED), n: Total::new(n).expect("small") };
        grant.body.return_requests = vec![request];
    }
}

#[test]
fn units_are_given_back_once_and_to_the_last_one_left() {
    let mut device = activated();
    consume_at(&mut device, consume("render", 30), ISSUED).expect("counts");
    let first = return_at(&mut device, returning("render", 20, None), ISSUED).expect("70 are left");
    assert_eq!((first.period, first.total.get(), first.left), (month(ISSUED), 20, 50));
    assert_eq!(return_at(&mut device, returning("render", 51, None), ISSUED), Err(Code::ReturnTooLarge));
    let second = return_at(&mut device, returning("render", 50, None), ISSUED).expect("the last");
    assert_eq!((second.total.get(), second.left), (70, 0));
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::QuotaExhausted));
    assert_eq!(device.left(), [0, 100]);
}

#[test]
fn units_of_a_period_ahead_are_given_back_and_those_of_a_past_one_are_not() {
    let mut device = activated();
    let december = Some(month("2026-12-01"));
    let ahead = return_at(&mut device, returning("render", 40, december), ISSUED).expect("held ahead");
    assert_eq!((Some(ahead.period), ahead.left), (december, 60));
    assert_eq!(device.left(), [100, 60]);
    for (period, time) in [("2026-11-01", "2026-12-01"), ("2026-10-01", ISSUED), ("2027-01-01", ISSUED)] {
        let refused = return_at(&mut device, returning("render", 1, Some(month(period))), time);
        assert_eq!(refused, Err(Code::NoQuotaForPeriod), "{period}");
    }
    let day = Period::of(Reset::Day, at(ISSUED));
    let refused = return_at(&mut device, returning("render", 1, Some(day)), ISSUED);
    assert_eq!(refused, Err(Code::NoQuotaForPeriod));
}

#[test]
fn what_is_not_reserved_is_not_given_back() {
    let mut device = activated();
    for (feature, code) in
        [("miles", Code::QuotaNotReserved), ("export", Code::QuotaNotReserved), ("beta", Code::FeatureAbsent)]
    {
        assert_eq!(return_at(&mut device, returning(feature, 1, None), ISSUED), Err(code), "{feature}");
    }
    assert_eq!(return_at(&mut pending(), returning("render", 1, None), ISSUED), Err(Code::NotActivated));
    let closed = decide(&device, &Command::Close, ISSUED).expect("closes");
    carry_out(&mut device, closed);
    assert_eq!(return_at(&mut device, returning("render", 1, None), ISSUED), Err(Code::Deactivated));
}

#[test]
fn units_are_given_back_also_when_the_licence_has_ended_but_never_by_a_device_that_was_set_back() {
    let mut device = activated();
    let suspended = |grant: &mut VerifiedGrant| grant.body.status = schemas::grant::GrantStatus::Suspended;
    apply_at(&mut device, offered(2, suspended), ISSUED).expect("applies");
    return_at(&mut device, returning("render", 1, None), ISSUED).expect("goes on");
    let ahead = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq: Seq(99), link: link(Seq(99)) };
    assert_eq!(apply_at(&mut device, offered(3, ahead), ISSUED), Err(Code::AckUnknown));
    assert_eq!(return_at(&mut device, returning("render", 1, None), ISSUED), Err(Code::Forked));
}

#[test]
fn a_grant_that_asks_quota_back_has_it_back_once() {
    let mut device = activated();
    consume_at(&mut device, consume("render", 30), ISSUED).expect("counts");
    let events = apply_at(&mut device, offered(2, asking(40)), ISSUED);
    assert_eq!(events, Ok(vec!["grant.applied", "quota.returned"]));
    assert_eq!(device.meter(RENDER, month(ISSUED)).returned.get(), 40);
    assert_eq!(device.left(), [30, 100]);
    assert_eq!(apply_at(&mut device, offered(2, asking(40)), ISSUED), Ok(vec![]));
    assert_eq!(apply_at(&mut device, offered(3, asking(40)), ISSUED), Ok(vec!["grant.applied"]));
    // More is asked for than is left.
    let events = apply_at(&mut device, offered(4, asking(90)), ISSUED);
    assert_eq!(events, Ok(vec!["grant.applied", "quota.returned"]));
    assert_eq!((device.meter(RENDER, month(ISSUED)).returned.get(), device.left()[0]), (70, 0));
    assert_eq!(apply_at(&mut device, offered(5, asking(90)), ISSUED), Ok(vec!["grant.applied"]));
}

#[test]
fn what_a_grant_asks_back_is_measured_by_its_own_quota() {
    let mut device = activated();
    let raised = |grant: &mut VerifiedGrant| {
        grant.body.quotas[0].granted = Total::new(150).expect("small");
        asking(120)(grant);
    };
    apply_at(&mut device, offered(2, raised), ISSUED).expect("applies");
    assert_eq!((device.meter(RENDER, month(ISSUED)).returned.get(), device.left()[0]), (120, 30));
    let twice = |grant: &mut VerifiedGrant| {
        asking(130)(grant);
        grant.body.quotas[0].granted = Total::new(150).expect("small");
        let request = grant.body.return_requests[0];
        grant.body.return_requests.push(request);
    };
    apply_at(&mut device, offered(3, twice), ISSUED).expect("applies");
    assert_eq!(device.meter(RENDER, month(ISSUED)).returned.get(), 130);
}

/// It was told as given back, while the vendor counts no return of a chain that has forked.
#[test]
fn nothing_is_given_back_where_it_would_free_nothing() {
    for on_fork in [OnFork::Flag, OnFork::Stop, OnFork::Heal] {
        let mut device = pending();
        let forked = |grant: &mut VerifiedGrant| grant.body.forked = Some(on_fork);
        apply_at(&mut device, offered(1, forked), ISSUED).expect("applies");
        let before = device.head();
        assert_eq!(return_at(&mut device, returning("render", 1, None), ISSUED), Err(Code::Forked));
        assert_eq!(device.head(), before);
    }
}
