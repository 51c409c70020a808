//! The device: a check, the signing rate, durable appends alone and from 64 threads, use from a block, and opening a
//! long store.
//!
//! Rates are to be held against each other within one run: `append/one` against `raw/insert` (the same bytes in
//! `SQLite` with the same settings), and `append/64 threads` against `sign`. A disk that others use is a hundred times
//! slower in one second than in the next, so the last lines give both ratios from rounds that take turns.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

// The tests, whose vendor is used here, know the crate by its own name.
extern crate sync_agent as counterfoil_sync_agent;

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use counterfoil_sync_agent::{Agent, AgentReader, Config, Consume};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger::keys::SecretKey;
use rusqlite::{Connection, params};
use schemas::numbers::Amount;
use tempfile::TempDir;

#[path = "../../sync-agent/tests/device/vendor.rs"]
#[allow(dead_code, reason = "the tests of the device side use all of it")]
mod vendor;

const THREADS: u64 = 64;
/// Uses a commit while a long store is made.
const GROUP: usize = 8_192;
/// A consumption's core and signature.
const CORE_BYTES: usize = 20;
const SIGNATURE_BYTES: usize = 64;

/// A device that is activated on this machine's clocks.
fn device() -> (TempDir, Agent) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut vendor = vendor::Vendor::new();
    let agent = Agent::open(Config::new(folder.path().join("state"), Some(vendor.pack()))).expect("opens");
    let request = agent.activate(&vendor::license_key()).expect("asks");
    let now = agent.status().expect("readable").time;
    agent.apply(&vendor.answer(&request, now, |_| {})).expect("applies");
    (folder, agent)
}

fn check(criterion: &mut Criterion) {
    let (_folder, agent) = device();
    criterion.bench_function("check/one of three features", |bencher| {
        bencher.iter(|| black_box(agent.check(black_box("render"))));
    });
}

fn sign(criterion: &mut Criterion) {
    let key = SecretKey::from_seed(&[7; 32]);
    let mut group = criterion.benchmark_group("sign");
    group.throughput(Throughput::Elements(1));
    group.bench_function("event", |bencher| bencher.iter(|| black_box(key.sign(black_box(&[1; 40])))));
    group.finish();
}

/// The bytes of a consumption in a table of their own, a transaction each.
fn raw_store() -> (TempDir, Connection) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let db = Connection::open(folder.path().join("raw.db")).expect("opens");
    db.pragma_update(None, "journal_mode", "WAL").expect("settable");
    db.pragma_update(None, "synchronous", "FULL").expect("settable");
    db.execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY, core BLOB, signature BLOB) STRICT")
        .expect("creatable");
    (folder, db)
}

fn insert_raw(db: &Connection) {
    db.prepare_cached("INSERT INTO events (core, signature) VALUES (?1, ?2)")
        .and_then(|mut insert| insert.execute(params![[1_u8; CORE_BYTES], [2_u8; SIGNATURE_BYTES]]))
        .expect("inserts");
}

fn raw(criterion: &mut Criterion) {
    let (_folder, db) = raw_store();
    let mut group = criterion.benchmark_group("raw");
    group.throughput(Throughput::Elements(1));
    group.bench_function("insert", |bencher| {
        bencher.iter(|| insert_raw(&db));
    });
    group.finish();
}

/// Use from memory after one durable debit, on one thread; a block that is used up is followed by another.
fn block(criterion: &mut Criterion) {
    let (_folder, agent) = device();
    let agent = Arc::new(agent);
    let open = || agent.block("miles", u64::from(u32::MAX)).expect("counts");
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
    let (folder, agent) = device();
    let config = || Config::new(folder.path().join("state"), None);
    for first in (0..events).step_by(GROUP) {
        let amount = |n| Amount::new(n as u64 % 9 + 1).expect("in range");
        let uses = (first..events.min(first + GROUP)).map(|n| Consume {
            feature: "miles".into(),
            n: amount(n),
            used_at: None,
            reference: None,
        });
        assert!(agent.consume_many(uses.collect()).iter().all(Result::is_ok));
    }
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
    let (_folder, agent) = device();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one", |bencher| {
        bencher.iter(|| agent.consume("miles", 1).expect("counts"));
    });
    group.throughput(Throughput::Elements(THREADS));
    group.bench_function("64 threads", |bencher| bencher.iter_custom(|rounds| from_threads(&agent, rounds)));
    group.finish();
}

/// Each of the threads appends `rounds` times.
fn from_threads(agent: &Agent, rounds: u64) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..rounds {
                    agent.consume("miles", 1).expect("counts");
                }
            });
        }
    });
    start.elapsed()
}

/// The ratios that matter: the medians of many short rounds in which two take turns, so that both meet the same disk.
fn ratios(_criterion: &mut Criterion) {
    let (_raw_folder, db) = raw_store();
    let (_folder, agent) = device();
    let key = SecretKey::from_seed(&[7; 32]);
    let append = || assert!(agent.consume("miles", 1).is_ok());
    let one = ratio(200, || insert_raw(&db), append);
    let signed = || {
        black_box(key.sign(black_box(&[1; 40])));
    };
    let many = ratio(
        16,
        || (0..100 * THREADS).for_each(|_| signed()),
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
