//! Evidence that contradicts itself is kept and found.

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::{FeatureConsumed, FeatureRefunded, QuotaReturned};
use schemas::numbers::{Amount, Micros, Seq};
use schemas::period;

use crate::fixture::RENDER;
use crate::merge::tests::world::{Device, World, month, total};

fn amount(n: u64) -> Amount {
    Amount::new(n).expect("small")
}

/// The findings on a chain with what `act` adds to an activated device, as place and code.
fn found(act: impl FnOnce(&mut Device)) -> Vec<(u64, Code)> {
    let (_, findings) = merged(act);
    findings
}

fn merged(act: impl FnOnce(&mut Device)) -> (super::ChainSum, Vec<(u64, Code)>) {
    let mut world = World::new(|_| ());
    let mut device = Device::new(1);
    device.consume(10);
    act(&mut device);
    let (outcome, rows) = world.merge_runs(device.chain(), &[device.whole()]);
    assert_eq!((outcome.refused, outcome.events), (None, device.events.len() as u64));
    let meter = world.license.chains[&device.chain()].meters[&(RENDER, month())];
    (meter, rows.findings.into_iter().map(|finding| (finding.seq.0, finding.code)).collect())
}

fn refund(n: u64, consumption: u64) -> Body {
    let consumption = Seq(consumption);
    Body::FeatureRefunded(FeatureRefunded { feature: RENDER, period: month(), n: amount(n), consumption })
}

fn returned(n: u64, stated: u64) -> Body {
    let total = total(stated);
    Body::QuotaReturned(QuotaReturned { feature: RENDER, period: month(), n: amount(n), total })
}

#[test]
fn an_honest_chain_has_no_findings() {
    let findings = found(|device| {
        device.consume(5);
        device.push(refund(3, 4));
        device.push(returned(100, 100));
        device.push(returned(20, 120));
        device.close();
    });
    assert_eq!(findings, []);
}

#[test]
fn returns_count_by_their_signed_total_and_never_go_back() {
    let (meter, findings) = merged(|device| {
        device.push(returned(100, 150));
        device.push(returned(10, 160));
        device.push(returned(10, 40));
    });
    assert_eq!(meter.returned, total(160));
    assert_eq!(findings, [(4, Code::TotalMismatch), (6, Code::TotalMismatch)]);
}

#[test]
fn a_refund_of_more_than_was_used_or_of_nothing_earlier_is_found() {
    let (meter, findings) = merged(|device| {
        device.push(refund(4, 4));
        device.push(refund(4, 9));
        device.push(refund(2, 3));
        device.push(refund(1, 3));
    });
    assert_eq!(meter.net(), 0);
    assert_eq!(findings, [4, 5, 7].map(|seq| (seq, Code::RefundMismatch)));
}

#[test]
fn a_consumption_in_another_period_than_its_times_is_found_and_counts_where_it_says() {
    let findings = found(|device| {
        device.push(Body::FeatureConsumed(FeatureConsumed {
            feature: RENDER,
            period: month().next(),
            n: amount(1),
            total: total(1),
            used_at: None,
            reference: None,
        }));
    });
    assert_eq!(findings, [(4, Code::PeriodMismatch)]);
}

#[test]
fn what_follows_the_closing_is_found_and_counts() {
    let (meter, findings) = merged(|device| {
        device.close();
        device.consume(5);
        device.push(returned(1, 1));
    });
    assert_eq!(meter.net(), 15);
    assert_eq!(findings, [5, 6].map(|seq| (seq, Code::EventAfterClose)));
}

#[test]
fn use_counts_on_the_day_of_use_but_never_after_its_event() {
    let consumed_at = |days: i64| {
        let mut world = World::new(|_| ());
        let mut device = Device::new(1);
        device.consume(1);
        let event = device.events.last_mut().expect("just pushed");
        let Body::FeatureConsumed(consumed) = &mut event.body else { panic!("it consumed") };
        consumed.used_at = Some(Micros::new(event.at.get().saturating_add_signed(days * 86_400_000_000)));
        let day = period::day(event.at);
        let (_, rows) = world.merge_runs(device.chain(), &[device.whole()]);
        let days: Vec<i64> =
            rows.usage.keys().map(|(_, _, _, used_on)| i64::from(*used_on) - i64::from(day)).collect();
        days
    };
    assert_eq!([-3, -1, 0, 1, 400].map(consumed_at), [[-3], [-1], [0], [0], [0]]);
}
