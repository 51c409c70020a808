//! `rebuild`: everything that follows from a ledger's events, folded anew, several times with one thread and with two.

use std::path::Path;

use anyhow::ensure;
use clap::Args;

use crate::options::Options;
use crate::report::{Report, Step, median_of};
use crate::vendor::{StoreArgs, Vendor};

/// Which ledger is folded, and how often.
#[derive(Args, Debug)]
pub(crate) struct RebuildArgs {
    /// Events in the ledger
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// Events in one bundle, which is how they are stored
    #[arg(long, default_value_t = 1_000)]
    bundle: u64,
    /// How often it is folded with each number of threads
    #[arg(long, default_value_t = 5)]
    times: usize,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    options: Options,
}

impl RebuildArgs {
    /// Fills a ledger, folds it anew, and prints the medians.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.events > 0 && self.bundle > 1 && self.times > 0, "there is nothing to fold");
        self.options.report(|work| self.load(work))
    }

    fn load(&self, work: &Path) -> anyhow::Result<Report> {
        let devices = self.events.div_ceil(self.bundle);
        let events = devices * self.bundle;
        let what = format!(
            "{devices} devices, {devices} bundles of {} events, seed {}",
            self.bundle, self.options.seed
        );
        eprintln!("making {what}");
        let (vendor, mut fleet) = Vendor::with_fleet(work, &self.store, devices, self.options.seed)?;
        let (requests, reports) = (work.join("requests"), work.join("reports"));
        fleet.ask(&requests)?;
        fleet.report(&reports, self.bundle)?;
        vendor.merge(&requests, None)?;
        vendor.merge(&reports, None)?;
        let mut steps = Vec::new();
        let kinds: [(&str, &[&str]); 3] = [
            ("rebuild, threads: 1", &["rebuild", "--jobs", "1"]),
            ("rebuild, threads: 2", &["rebuild", "--jobs", "2"]),
            ("rebuild --check, threads: 2", &["rebuild", "--check", "--jobs", "2"]),
        ];
        for (what, words) in kinds {
            let times = (0..self.times).map(|_| Ok(vendor.run(words)?.spent));
            let times = times.collect::<anyhow::Result<Vec<_>>>()?;
            steps.push(Step::new(what, events, "events", median_of(&times)));
        }
        Ok(Report { what, durability: vendor.durability().to_owned(), steps })
    }
}
