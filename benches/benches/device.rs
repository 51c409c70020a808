//! The device: a check, the signing rate, durable appends alone and from 64 threads, use from a block, and opening a
//! long store.
//!
//! Rates are to be held against each other within one run: `append/one` against `raw/insert` (the same bytes in
//! `SQLite` with the same settings), and `append/64 threads` against `sign`. A disk that others use is a hundred times
//! slower in one second than in the next, so the last lines give both ratios from rounds that take turns.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_benches::device::{self, CHECKED, METERED, RawTable};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger::keys::SecretKey;
use sync_agent::{Agent, AgentReader, Config};
use tempfile::TempDir;

const THREADS: u32 = 64;

fn activated() -> (TempDir, Agent) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let agent = device::activated(&folder.path().join("state")).expect("activates");
    (folder, agent)
}

fn check(criterion: &mut Criterion) {
    let (_folder, agent) = activated();
    criterion.bench_function("check/one of three features", |bencher| {
        bencher.iter(|| black_box(agent.check(black_box(CHECKED))));
    });
}

fn sign(criterion: &mut Criterion) {
    let key = SecretKey::from_seed(&[7; 32]);
    let mut group = criterion.benchmark_group("sign");
    group.throughput(Throughput::Elements(1));
    group.bench_function("event", |bencher| bencher.iter(|| black_box(key.sign(black_box(&[1; 40])))));
    group.finish();
}

fn raw_table() -> (TempDir, RawTable) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let table = RawTable::create(&folder.path().join("raw.db")).expect("makes a table");
    (folder, table)
}

fn raw(criterion: &mut Criterion) {
    let (_folder, table) = raw_table();
    let mut group = criterion.benchmark_group("raw");
    group.throughput(Throughput::Elements(1));
    group.bench_function("insert", |bencher| {
        bencher.iter(|| table.insert().expect("inserts"));
    });
    group.finish();
}

/// Use from memory after one durable debit, on one thread; a block that is used up is followed by another.
fn block(criterion: &mut Criterion) {
    let (_folder, agent) = activated();
    let agent = Arc::new(agent);
    let open = || agent.block(METERED, u64::from(u32::MAX)).expect("counts");
    let mut block = open();
    let mut group = criterion.benchmark_group("block");
    group.throughput(Throughput::Elements(1));
    group.bench_function("take", |bencher| {
        bencher.iter(|| {
            if block.take(black_box(1)).is_err() {
                block = open();
            }
        });
    });
    group.finish();
}

/// Opening a store of many events of which nothing was ever acknowledged: the worst there is. `STORE_EVENTS` in the
/// environment says how many; 5,000,000 are ten years of a busy device, and take minutes to make.
fn open(criterion: &mut Criterion) {
    let events = env::var("STORE_EVENTS").map_or(100_000, |n| n.parse().expect("a number of events"));
    let (folder, agent) = activated();
    let config = || Config::new(folder.path().join("state"), None);
    device::record(&agent, events, 1).expect("counts");
    drop(agent);
    let mut group = criterion.benchmark_group("open");
    group.sample_size(20);
    group.bench_function(format!("{events} events to write"), |bencher| {
        bencher.iter(|| Agent::open(config()).expect("opens"));
    });
    group.bench_function(format!("{events} events to read"), |bencher| {
        bencher.iter(|| AgentReader::open(config()).expect("opens").status());
    });
    group.finish();
}

fn append(criterion: &mut Criterion) {
    let (_folder, agent) = activated();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one", |bencher| {
        bencher.iter(|| agent.consume(METERED, 1).expect("counts"));
    });
    group.throughput(Throughput::Elements(THREADS.into()));
    group.bench_function("64 threads", |bencher| bencher.iter_custom(|rounds| from_threads(&agent, rounds)));
    group.finish();
}

/// Each of the threads appends `rounds` times.
fn from_threads(agent: &Agent, rounds: u64) -> Duration {
    let start = Instant::now();
    device::record_from_threads(agent, THREADS, rounds).expect("counts");
    start.elapsed()
}

/// The ratios that matter: the medians of many short rounds in which two take turns, so that both meet the same disk.
fn ratios(_criterion: &mut Criterion) {
    let (_raw_folder, table) = raw_table();
    let (_folder, agent) = activated();
    let key = SecretKey::from_seed(&[7; 32]);
    let append = || assert!(agent.consume(METERED, 1).is_ok());
    let one = ratio(200, || table.insert().expect("inserts"), append);
    let signed = || {
        black_box(key.sign(black_box(&[1; 40])));
    };
    let many = ratio(
        16,
        || (0..THREADS * 100).for_each(|_| signed()),
        || {
            black_box(from_threads(&agent, 100));
        },
    );
    println!("append/one reaches {one:.2} of raw/insert");
    println!("append/64 threads reaches {many:.2} of sign");
}

/// The median over `rounds` of the time that `floor` takes to the time that `ours` takes.
fn ratio(rounds: usize, mut floor: impl FnMut(), mut ours: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..rounds).map(|_| time(&mut floor) / time(&mut ours)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[rounds / 2]
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = check, sign, raw, append, block, open, ratios
}
criterion_main!(benches);
