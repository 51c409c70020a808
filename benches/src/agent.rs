//! `agent`: the device side as a whole, on real stores: use from memory, durable appends, and a long life.

pub(crate) mod long_life;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use counterfoil_benches::device::{self, CHECKED, METERED, RawTable};
use ledger::keys::SecretKey;
use sync_agent::{Agent, Refusal};

use crate::measure::{Spent, Watch};
use crate::options::Options;
use crate::report::{Report, Step};

/// Turns that appends, signatures and raw inserts take with each other, so that all meet the same disk.
const TURNS: u64 = 20;

/// What a device is put to.
#[derive(Args, Debug)]
pub(crate) struct AgentArgs {
    /// Units used from one block, and as many checks
    #[arg(long, default_value_t = 20_000_000)]
    units: u64,
    /// Durable appends of each thread, and of one alone
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(TURNS..))]
    appends: u64,
    /// Threads that append together
    #[arg(long, default_value_t = 64)]
    threads: u32,
    /// Events of the long store, none of them reported; 5,000,000 are ten years of a busy device
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    #[command(flatten)]
    options: Options,
}

impl AgentArgs {
    /// Makes the devices, puts them to work, and prints the numbers.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.units > 0 && self.threads > 0 && self.events > 0, "there is nothing to do");
        self.options.report(|work| self.load(work))
    }

    fn load(&self, work: &Path) -> anyhow::Result<Report> {
        let agent = Arc::new(device::activated(&work.join("short"))?);
        let raw = RawTable::create(&work.join("raw.db"))?;
        let mut steps = Vec::new();
        steps.extend(self.in_memory(&agent)?);
        steps.extend(self.durably(&agent, &raw)?);
        steps.extend(long_life::steps(&work.join("long"), self.events, self.options.seed)?);
        let what = format!(
            "a device: {} units, {} appends a thread, a store of {} events, seed {}",
            self.units, self.appends, self.events, self.options.seed
        );
        let durability = "SQLite, WAL, synchronous=FULL, for each append, raw insert and debit; the report synced \
                          before it has its name";
        Ok(Report { what, durability: durability.to_owned(), steps })
    }

    fn in_memory(&self, agent: &Arc<Agent>) -> anyhow::Result<[Step; 2]> {
        eprintln!("checking, and using a block");
        let checked = spent(|| {
            for _ in 0..self.units {
                black_box(agent.check(black_box(CHECKED)));
            }
            Ok(())
        })?;
        let used = spent(|| {
            let block = agent.block(METERED, self.units)?;
            Ok((0..self.units).try_for_each(|_| block.take(black_box(1))).map_err(Refusal::from)?)
        })?;
        Ok([
            Step::new("check", self.units, "checks", checked),
            Step::new("use from a block, its durable debit included", self.units, "units", used),
        ])
    }

    fn durably(&self, agent: &Agent, raw: &RawTable) -> anyhow::Result<[Step; 4]> {
        eprintln!("appending from 1 thread and from {}", self.threads);
        let key = SecretKey::from_seed(&[7; 32]);
        let each = self.appends / TURNS;
        let together = each * u64::from(self.threads);
        let [mut signed, mut inserted, mut one, mut many] = [Spent::default(); 4];
        for _ in 0..TURNS {
            signed += spent(|| {
                for _ in 0..together {
                    black_box(key.sign(black_box(&[1; 40])));
                }
                Ok(())
            })?;
            inserted += spent(|| (0..each).try_for_each(|_| raw.insert()))?;
            one += spent(|| device::record_from_threads(agent, 1, each))?;
            many += spent(|| device::record_from_threads(agent, self.threads, each))?;
        }
        let (each, together) = (each * TURNS, together * TURNS);
        let from_all = format!("append durably, {} threads", self.threads);
        Ok([
            Step::new("raw SQLite insert, one a commit", each, "rows", inserted),
            Step::new("append durably, 1 thread", each, "events", one),
            Step::new("sign, 1 thread", together, "events", signed),
            Step::new(from_all, together, "events", many),
        ])
    }
}

fn spent(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Spent> {
    let watch = Watch::start()?;
    work()?;
    watch.stop()
}
