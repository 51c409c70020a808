//! `import`: activations and usage reports of a fleet, merged, merged again, and folded anew.

use std::path::Path;

use anyhow::ensure;
use clap::Args;

use crate::floor;
use crate::measure::as_float;
use crate::options::Options;
use crate::report::{Report, Step};
use crate::vendor::{StoreArgs, Vendor};

/// What a load of usage reports consists of.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Events that the fleet reports
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Events in one bundle
    #[arg(long, default_value_t = 1_000)]
    bundle: u64,
    /// Bundles of each device
    #[arg(long, default_value_t = 1)]
    bundles_each: u64,
    /// Write answer files for the usage reports too
    #[arg(long)]
    answers: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    options: Options,
}

impl ImportArgs {
    /// Makes the fleet, merges what it sends, and prints the numbers.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.events > 0 && self.bundle > 1 && self.bundles_each > 0, "there is nothing to import");
        self.options.report(|work| self.load(work))
    }

    fn load(&self, work: &Path) -> anyhow::Result<Report> {
        let devices = self.events.div_ceil(self.bundle * self.bundles_each);
        let bundles = devices * self.bundles_each;
        let events = bundles * self.bundle;
        let what = format!(
            "{devices} devices, {bundles} bundles of {} events, seed {}",
            self.bundle, self.options.seed
        );
        eprintln!("making {what}");
        let (requests, reports) = (work.join("requests"), work.join("reports"));
        let (vendor, mut fleet) = Vendor::with_fleet(work, &self.store, devices, self.options.seed)?;
        fleet.ask(&requests)?;
        for number in 0..self.bundles_each {
            fleet.report(&reports.join(number.to_string()), self.bundle)?;
        }
        let mut steps = Vec::new();
        let activated = vendor.merge(&requests, None)?;
        steps.push(Step::new("merge activation requests", devices, "devices", activated.spent));
        let before = vendor.ledger_bytes()?;
        let answers = self.answers.then(|| work.join("answers"));
        let merged = vendor.merge(&reports, answers.as_deref())?;
        ensure!(merged.output["events"] == events, "not everything went in: {}", merged.output);
        let grown = as_float(vendor.ledger_bytes()?) - as_float(before);
        let bytes_each = Some(grown / as_float(events));
        steps.push(Step { bytes_each, ..Step::new("merge usage reports", events, "events", merged.spent) });
        let again = vendor.merge(&reports, answers.as_deref())?;
        ensure!(again.output["events"] == 0 && again.output["known"] == bundles, "{}", again.output);
        steps.push(Step::new("merge the same again", events, "events", again.spent));
        // Once each, for the size of it; `rebuild` gives medians.
        for jobs in ["1", "2"] {
            let rebuilt = vendor.run(&["rebuild", "--jobs", jobs])?;
            steps.push(Step::new(format!("rebuild, threads: {jobs}"), events, "events", rebuilt.spent));
        }
        steps.push(floor_of(work, events, self.bundle)?);
        let answers = if self.answers { "; answer files renamed, not synced" } else { "" };
        Ok(Report { what, durability: format!("{}{answers}", vendor.durability()), steps })
    }
}

/// The floor for the same number of events.
fn floor_of(work: &Path, events: u64, bundle: u64) -> anyhow::Result<Step> {
    let (spent, size) = floor::rows(&work.join("floor.db"), events, bundle)?;
    let bytes_each = Some(as_float(size) / as_float(events));
    Ok(Step { bytes_each, ..Step::new("floor: rows of a plain table", events, "events", spent) })
}
