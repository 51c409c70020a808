//! A device that is activated on this machine's clocks, what it is put to, and what that is held against.

use std::path::Path;
use std::thread;

use anyhow::{Context as _, anyhow};
use counterfoil_sync_agent::{Agent, Config, Consume, Refusal};
use rusqlite::{Connection, params};
use schemas::numbers::Amount;

#[path = "../../sync-agent/tests/device/vendor.rs"]
#[allow(dead_code, reason = "the tests of the device side use all of it")]
mod vendor;

/// A metered feature that the device's licence counts without a limit.
pub const METERED: &str = "miles";
/// Another feature of its three.
pub const CHECKED: &str = "render";

/// Uses a commit while many are recorded.
const GROUP: usize = 8_192;
/// About the bytes of a consumption's core, and those of its signature.
pub const CORE: [u8; 22] = [1; 22];
/// See [`CORE`].
pub const SIGNATURE: [u8; 64] = [2; 64];

/// A device whose state is in the new directory `state`, activated.
pub fn activated(state: &Path) -> anyhow::Result<Agent> {
    let mut vendor = vendor::Vendor::new();
    let agent = Agent::open(Config::new(state, Some(vendor.pack())))?;
    let request = agent.activate(&vendor::license_key())?;
    let now = agent.status()?.time;
    agent.apply(&vendor.answer(&request, now, |_| {}))?;
    Ok(agent)
}

/// Records so many uses, of amounts that follow from the seed, as fast as one thread can: many a commit.
pub fn record(agent: &Agent, events: usize, seed: u64) -> anyhow::Result<()> {
    let mut amounts = Amounts(seed);
    for first in (0..events).step_by(GROUP) {
        let uses = amounts.by_ref().take(GROUP.min(events - first)).map(use_of).collect();
        agent.consume_many(uses).into_iter().collect::<Result<Vec<_>, Refusal>>()?;
    }
    Ok(())
}

/// Has each of the threads record `each` uses, one by one, every one durable before the next.
pub fn record_from_threads(agent: &Agent, threads: u32, each: u64) -> anyhow::Result<()> {
    let one_by_one = || (0..each).try_for_each(|_| agent.consume(METERED, 1).map(drop));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one_by_one)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| Ok(thread.join().map_err(|_| anyhow!("a thread died"))??))
    })
}

/// The bytes of a consumption in a table of their own, with a store's settings.
#[derive(Debug)]
pub struct RawTable(Connection);

impl RawTable {
    /// Makes the table in a new file.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let db = Connection::open(path).with_context(|| path.display().to_string())?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY, core BLOB, signature BLOB) STRICT")?;
        Ok(Self(db))
    }

    /// Inserts one row in a transaction of its own.
    pub fn insert(&self) -> anyhow::Result<()> {
        let mut insert = self.0.prepare_cached("INSERT INTO events (core, signature) VALUES (?1, ?2)")?;
        insert.execute(params![CORE, SIGNATURE])?;
        Ok(())
    }
}

fn use_of(n: Amount) -> Consume {
    Consume { feature: METERED.into(), n, used_at: None, reference: None }
}

/// Amounts from 1 to 9, the same whenever the seed is: the upper bits of a linear congruential sequence.
struct Amounts(u64);

impl Iterator for Amounts {
    type Item = Amount;

    fn next(&mut self) -> Option<Amount> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Amount::new((self.0 >> 33) % 9 + 1)
    }
}
