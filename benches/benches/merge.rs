//! Where a run attaches to a chain of a million events: extending it, known already, and parting from it in the middle.
//!
//! What is stored is stood in for by one run that is hashed again for its links, as a store does: a parting reads that
//! one and no other, however long the chain is. `floor` is the hashing alone.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ledger::chain::Head;
use ledger::digest::BranchEvidence;
use ledger::keys::SecretKey;
use ledger::merge::{Plan, decide};
use ledger::run::{RunBuilder, VerifiedRun, verify_device};
use schemas::event::device::FeatureConsumed;
use schemas::event::{Body, Event};
use schemas::ids::{KeyReference, Link};
use schemas::numbers::{Amount, FeatureNumber, Micros, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::run::{DeviceOrigin, Origin};

/// Events before the run in question.
const BEFORE: u64 = 1_000_000;
const EVENTS: u64 = 4_096;

/// The last run of the chain, whose uses from the place `parting` on are of `n` units.
fn last_run(parting: u64, n: u64) -> VerifiedRun {
    let key = SecretKey::from_seed(&[3; 32]);
    let origin = DeviceOrigin { signer: key.public(), reference: KeyReference([1, 2, 3, 4, 5]) };
    let before = Head { seq: Seq(BEFORE), link: Link([7; 32]) };
    let mut builder = RunBuilder::new(Origin::Device(origin), before);
    for place in 0..EVENTS {
        builder.push(&consumption(place, if place < parting { 1 } else { n }), &key);
    }
    verify_device(&builder.finish()).expect("it was just signed")
}

fn consumption(place: u64, n: u64) -> Event {
    let at = Micros::new(1_800_000_000_000_000 + place);
    let body = FeatureConsumed {
        feature: FeatureNumber(2),
        period: Period::of(Reset::Month, at),
        n: Amount::new(n).expect("small"),
        total: Total::new(BEFORE + place + n).expect("small"),
        used_at: None,
        reference: None,
    };
    Event { at, body: Body::FeatureConsumed(body) }
}

/// A trunk that ends with `run`.
fn trunk(run: &VerifiedRun) -> [BranchEvidence; 1] {
    [BranchEvidence { number: 0, parent: 0, first_seq: Seq(1), head: run.head() }]
}

fn plan(branches: &[BranchEvidence], stored: &[u8], run: &VerifiedRun) -> Plan {
    let links = OnceCell::new();
    let link_at = |_, seq: Seq| {
        let known: &VerifiedRun = links.get_or_init(|| verify_device(stored).expect("it is stored"));
        Ok::<_, Infallible>(known.link_at(seq).expect("a place of the stored run"))
    };
    match decide(branches, link_at, run) {
        Ok(plan) => plan,
    }
}

fn attaching(criterion: &mut Criterion) {
    let known = last_run(EVENTS, 1);
    let branches = trunk(&known);
    let stored = known.to_bytes();
    let parted = last_run(EVENTS / 2, 2);
    let half = usize::try_from(EVENTS / 2).expect("small");
    assert_eq!(plan(&branches, &stored, &known), Plan::Known);
    assert_eq!(plan(&branches, &stored, &parted), Plan::Part { parent: 0, from: half });
    let mut group = criterion.benchmark_group("decide, after a million events");
    group.bench_function("known", |bencher| {
        bencher.iter(|| black_box(plan(&branches, &stored, black_box(&known))));
    });
    group.bench_function("parts in the middle of a run of 4,096", |bencher| {
        bencher.iter(|| black_box(plan(&branches, &stored, black_box(&parted))));
    });
    group.bench_function("floor: the stored run read once", |bencher| {
        bencher.iter(|| black_box(verify_device(black_box(&stored)).expect("signed")));
    });
    group.finish();
}

criterion_group!(benches, attaching);
criterion_main!(benches);
