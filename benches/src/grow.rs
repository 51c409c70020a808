//! `grow`: what an event costs while the ledger grows, wave after wave of reports of the same devices.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::measure::{Spent, as_float};
use crate::options::Options;
use crate::report::{Report, Step, median, median_of};
use crate::vendor::{StoreArgs, Vendor};

/// How far a ledger grows, and by what.
#[derive(Args, Debug)]
pub(crate) struct GrowArgs {
    /// Events in the ledger at the end
    #[arg(long, default_value_t = 50_000_000)]
    to: u64,
    /// Events of one wave, which are merged at one time: whole bundles
    #[arg(long, default_value_t = 1_000_000)]
    wave: u64,
    /// Events in one bundle; every device sends one a wave
    #[arg(long, default_value_t = 1_000)]
    bundle: u64,
    /// Points of the curve, each of the same number of waves
    #[arg(long, default_value_t = 10)]
    points: usize,
    #[command(flatten)]
    store: StoreArgs,
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
        let is_whole = self.bundle > 1 && self.wave > 0 && self.wave.is_multiple_of(self.bundle);
        ensure!(is_whole, "a wave is made of whole bundles, of two events or more");
        ensure!(self.to.is_multiple_of(self.wave), "{} events are no whole waves", self.to);
        let is_even =
            self.points > 0 && self.waves() >= self.points && self.waves().is_multiple_of(self.points);
        ensure!(is_even, "{} waves make no {} points of as many each", self.waves(), self.points);
        self.options.report(|work| self.load(work))
    }

    fn waves(&self) -> usize {
        usize::try_from(self.to / self.wave).unwrap_or(usize::MAX)
    }

    fn load(&self, work: &Path) -> anyhow::Result<Report> {
        let devices = self.wave / self.bundle;
        let (vendor, mut fleet) = Vendor::with_fleet(work, &self.store, devices, self.options.seed)?;
        let inbox = work.join("inbox");
        fleet.ask(&inbox)?;
        vendor.merge(&inbox, None)?;
        let mut waves = Vec::new();
        for number in 1..=self.waves() {
            fs::remove_dir_all(&inbox).with_context(|| inbox.display().to_string())?;
            fleet.report(&inbox, self.bundle)?;
            waves.push(merge(&vendor, &inbox, self.wave)?);
            eprintln!(
                "wave {number} of {}: {:.2} us of processor an event",
                self.waves(),
                self.cpu(&waves[number - 1])
            );
        }
        let (wave, bundle, seed) = (self.wave, self.bundle, self.options.seed);
        let what = format!("{devices} devices, waves of {wave} events in bundles of {bundle}, seed {seed}");
        Ok(Report { what, durability: vendor.durability().to_owned(), steps: self.curve(&waves) })
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
            let spent = median_of(&waves.iter().map(|wave| wave.spent).collect::<Vec<_>>());
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
