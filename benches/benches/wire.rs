//! The wire: canonical encoding and decoding of one consumption, and what it takes to believe a run of 1,000.
//!
//! Nothing is reused between two rounds: a run is read from its bytes to a [`VerifiedRun`] each time, with strict
//! decoding, both hashes an event and the one signature.
//!
//! [`VerifiedRun`]: ledger::run::VerifiedRun

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger::chain::Head;
use ledger::keys::SecretKey;
use ledger::run::{self, RunBuilder};
use schemas::event::device::FeatureConsumed;
use schemas::event::{Body, Event};
use schemas::ids::KeyReference;
use schemas::numbers::{Amount, FeatureNumber, Micros, Seconds, Total};
use schemas::period::{Period, Reset};
use schemas::run::{DeviceOrigin, Origin};

const EVENTS: u64 = 1_000;

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("canonical");
    let events: Vec<Event> = (1..=EVENTS).map(consumption).collect();
    let cores: Vec<Vec<u8>> = events.iter().map(Event::encode).collect();
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            for event in &events {
                black_box(black_box(event).encode());
            }
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            for core in &cores {
                black_box(Event::decode(black_box(core)).expect("canonical"));
            }
        });
    });
    group.finish();
}

fn verification(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("run");
    let bytes = run_of_consumptions();
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("verify_device", |bencher| {
        bencher.iter(|| run::verify_device(black_box(&bytes)).expect("signed"));
    });
    group.finish();
}

fn run_of_consumptions() -> Vec<u8> {
    let key = SecretKey::from_seed(&[3; 32]);
    let origin = DeviceOrigin { signer: key.public(), reference: KeyReference([1, 2, 3, 4, 5]) };
    let mut builder = RunBuilder::new(Origin::Device(origin), Head::START);
    for n in 1..=EVENTS {
        builder.push(&consumption(n), &key);
    }
    builder.finish()
}

/// The `n`-th of a stream of consumptions a second apart.
fn consumption(n: u64) -> Event {
    let at = Micros::parse("2026-11-24T07:00:00.123456Z").expect("RFC 3339") + Seconds(n);
    let body = FeatureConsumed {
        feature: FeatureNumber(2),
        period: Period::of(Reset::Month, at),
        n: Amount::new(5).expect("not zero"),
        total: Total::new(5 * n).expect("small"),
        used_at: None,
        reference: None,
    };
    Event { at, body: Body::FeatureConsumed(body) }
}

criterion_group!(benches, codec, verification);
criterion_main!(benches);
