//! `grow`: what an event costs while the ledger grows, wave after wave of reports of the same devices.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::fleet::Fleet;
use crate::measure::{Spent, as_float, median};
use crate::options::Options;
use crate::report::{Report, Step};
use crate::vendor::Vendor;

/// How far a ledger grows, and by what.
#[derive(Args, Debug)]
pub(crate) struct GrowArgs {
    /// Events in the ledger at the end
    #[arg(long, default_value_t = 50_000_000)]
    to: u64,
    /// Events of one wave, which are merged at one time
    #[arg(long, default_value_t = 1_000_000)]
    wave: u64,
    /// Events in one bundle; every device sends one a wave
    #[arg(long, default_value_t = 1_000)]
    bundle: u64,
    /// Points of the curve, each of the same number of waves
    #[arg(long, default_value_t = 10)]
    points: usize,
    #[command(flatten)]
    options: Options,
}

/// What merging one wave took, and bytes on disk.
struct Wave {
    spent: Spent,
    bytes: f64,
}

impl GrowArgs {
    /// Lets the ledger grow and prints the curve.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.bundle > 1 && self.wave >= self.bundle, "a wave has at least one bundle of two events");
        ensure!(self.points > 0 && self.waves() >= self.points, "every point has at least one wave");
        self.options.report(|work| self.load(work))
    }

    fn waves(&self) -> usize {
        usize::try_from(self.to / self.wave).unwrap_or(usize::MAX)
    }

    fn load(&self, work: &Path) -> anyhow::Result<Report> {
        let vendor = Vendor::found(work, &self.options.store)?;
        let devices = self.wave / self.bundle;
        let mut fleet = Fleet::new(self.options.seed, &vendor.sell(devices)?)?;
        let inbox = work.join("inbox");
        fleet.ask(&inbox)?;
        vendor.merge(&inbox, None)?;
        let mut waves = Vec::new();
        for number in 1..=self.waves() {
            fs::remove_dir_all(&inbox).with_context(|| inbox.display().to_string())?;
            fleet.report(&inbox, self.bundle)?;
            waves.push(merge(&vendor, &inbox, devices * self.bundle)?);
            eprintln!(
                "wave {number} of {}: {:.2} us of processor an event",
                self.waves(),
                self.cpu(&waves[number - 1])
            );
        }
        let what =
            format!("{devices} devices, waves of {} events each, seed {}", self.bundle, self.options.seed);
        Ok(Report { what, durability: vendor.durability(), steps: self.curve(&waves) })
    }

    /// Microseconds of processor an event.
    fn cpu(&self, wave: &Wave) -> f64 {
        wave.spent.cost.cpu * 1e6 / as_float(self.wave)
    }

    /// One step a point: the medians of its waves, and how its cost stands to that of the first.
    fn curve(&self, waves: &[Wave]) -> Vec<Step> {
        let each = waves.len() / self.points;
        let mut steps: Vec<Step> = Vec::new();
        let mut first = None;
        for (point, waves) in waves.chunks_exact(each).enumerate() {
            let spent = Spent::median(&waves.iter().map(|wave| wave.spent).collect::<Vec<_>>());
            let against = spent.cost.cpu / *first.get_or_insert(spent.cost.cpu);
            let million = as_float(self.wave * each as u64) / 1e6;
            let (from, to) = (as_float(point as u64) * million, as_float(point as u64 + 1) * million);
            let what = format!("{from:.1} to {to:.1} million events, CPU {against:.2} of the first");
            let bytes_each = Some(median(waves.iter().map(|wave| wave.bytes)) / as_float(self.wave));
            steps.push(Step { bytes_each, ..Step::new(what, self.wave, "events", spent) });
        }
        steps
    }
}

/// Merges a wave into a ledger.
fn merge(vendor: &Vendor, inbox: &Path, events: u64) -> anyhow::Result<Wave> {
    let before = vendor.ledger_bytes()?;
    let merged = vendor.merge(inbox, None)?;
    ensure!(merged.output["events"] == events, "not everything went in: {}", merged.output);
    let bytes = as_float(vendor.ledger_bytes()?) - as_float(before);
    Ok(Wave { spent: merged.spent, bytes })
}
