//! The library: giving reserved quota back.

use counterfoil_sync_agent::{Agent, Code};
use schemas::grant::{GrantBody, ReturnRequest};
use schemas::numbers::Total;
use schemas::period::{Period, Reset};

use crate::bench::{Device, code, kinds};
use crate::vendor::{RENDER, at};

fn november() -> Period {
    Period::of(Reset::Month, at("2026-11-24"))
}

/// A change of a grant: it asks for `n` units back.
fn asking(n: u64) -> impl FnMut(&mut GrantBody) {
    move |grant| {
        let n = Total::new(n).expect("small");
        grant.return_requests = vec![ReturnRequest { feature: RENDER, period: november(), n }];
    }
}

/// What is left, given back and still asked back of the present month.
fn present(agent: &Agent) -> (Option<u64>, u64, Option<u64>) {
    let status = agent.status().expect("readable");
    let quota = status.quotas.iter().find(|quota| quota.period == november() && quota.left.is_some());
    let quota = quota.expect("a quota for the present month");
    (quota.left, quota.returned.get(), quota.asked_back)
}

#[test]
fn units_given_back_are_durable_and_reported() {
    let mut device = Device::new();
    let agent = device.activated();
    agent.consume("render", 10).expect("counts");
    let returned = agent.return_quota("render", 30, None).expect("90 are left");
    assert_eq!((returned.period, returned.total.get(), returned.left), (november(), 30, 60));
    assert_eq!(code(agent.return_quota("render", 61, None)), Some(Code::ReturnTooLarge));
    assert_eq!(code(agent.return_quota("render", 0, None)), Some(Code::AmountInvalid));
    assert_eq!(code(agent.return_quota("miles", 1, None)), Some(Code::QuotaNotReserved));
    let ahead = agent.return_quota("render", 100, Some(november().next())).expect("held ahead");
    assert_eq!(ahead.left, 0);
    assert_eq!(kinds(&agent).iter().filter(|kind| **kind == "quota.returned").count(), 2);
    drop(agent);
    let agent = device.open();
    assert_eq!(present(&agent), (Some(60), 30, None));
    assert_eq!(agent.check("render").remaining, Some(60));
    agent.verify().expect("the sums follow from the events");
    device.sync(&agent);
    assert_eq!(present(&agent), (Some(60), 30, None));
}

#[test]
fn what_a_grant_asks_back_is_given_once_and_told() {
    let mut device = Device::new();
    let agent = device.activated();
    agent.consume("render", 40).expect("counts");
    let applied = device.sync_with(&agent, asking(25));
    let told: Vec<&str> = applied.changes.iter().map(|change| change.what.as_str()).collect();
    assert!(told.contains(&"given back of render for 2026-11"), "{told:?}");
    assert_eq!(present(&agent), (Some(35), 25, None));
    device.sync_with(&agent, asking(25));
    assert_eq!(present(&agent), (Some(35), 25, None));
    device.sync_with(&agent, asking(80));
    assert_eq!(present(&agent), (Some(0), 60, Some(20)));
    assert_eq!(agent.check("render").code, Code::QuotaExhausted);
    drop(agent);
    let agent = device.open();
    assert_eq!(present(&agent), (Some(0), 60, Some(20)));
    agent.verify().expect("all verifies");
}

#[test]
fn a_grant_that_cures_the_clock_and_asks_quota_back_leaves_a_whole_store() {
    let mut device = Device::new();
    let agent = device.activated();
    let right = device.clock.now();
    device.clock.set(at("2030-01-01"));
    agent.keep_time().expect("notes");
    // The clock still stands wrong when the cure is applied, so the events are later than the mark.
    let report = agent.report().expect("reports");
    let cure = device.vendor.answer(&report, right, asking(25));
    agent.apply(&cure).expect("applies");
    drop(agent);
    let agent = device.open();
    agent.verify().expect("all verifies");
    assert!(kinds(&agent).ends_with(&["quota.returned", "agent.started", "clock.noted"]));
}
