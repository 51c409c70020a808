//! Numbers as people and programs read them.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

use crate::measure::{Cost, Spent, as_float};

/// What was measured, and under which conditions.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What was asked for.
    pub(crate) what: String,
    /// What the durable ones of the numbers wait for.
    pub(crate) durability: String,
    /// One line a step.
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    /// What was done.
    pub(crate) what: String,
    /// How many of what.
    pub(crate) count: u64,
    /// Of what.
    pub(crate) unit: String,
    /// Seconds from start to end.
    pub(crate) seconds: f64,
    /// How many a second.
    pub(crate) rate: f64,
    /// What the process took for it.
    pub(crate) cost: Cost,
    /// Bytes on disk for each of them, where the step stores.
    pub(crate) bytes_each: Option<f64>,
    /// How long callers waited for one of them, where the step has callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits: Option<Waits>,
}

/// How long callers waited, in seconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Waits {
    /// Half of them not longer.
    pub(crate) p50: f64,
    /// 99 of 100 not longer.
    pub(crate) p99: f64,
    /// The longest.
    pub(crate) max: f64,
}

impl Waits {
    /// Of all that were taken down; none where nobody waited.
    pub(crate) fn of(mut waits: Vec<Duration>) -> Option<Self> {
        waits.sort_unstable();
        let at = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).max(1) - 1);
        let at = |percent| at(percent).map(Duration::as_secs_f64);
        Some(Self { p50: at(50)?, p99: at(99)?, max: at(100)? })
    }
}

impl Step {
    /// A step that took so much.
    pub(crate) fn new(what: impl Into<String>, count: u64, unit: &str, spent: Spent) -> Self {
        let seconds = spent.took.as_secs_f64();
        let rate = as_float(count) / seconds;
        Self {
            what: what.into(),
            count,
            unit: unit.to_owned(),
            seconds,
            rate,
            cost: spent.cost,
            bytes_each: None,
            waits: None,
        }
    }
}

impl Report {
    /// Prints the table, and writes the document where one is asked for.
    pub(crate) fn publish(&self, json: Option<&Path>) -> anyhow::Result<()> {
        println!("{self}");
        if let Some(path) = json {
            let document = serde_json::to_vec_pretty(self)?;
            fs::write(path, document).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.what, self.durability)?;
        let mut table = Table::new();
        table.load_preset(presets::UTF8_BORDERS_ONLY);
        table.set_header([
            "STEP",
            "COUNT",
            "SECONDS",
            "A SECOND",
            "EACH",
            "CPU US EACH",
            "PEAK MIB",
            "BYTES EACH",
        ]);
        for step in &self.steps {
            table.add_row([
                step.what.clone(),
                format!("{} {}", step.count, step.unit),
                format!("{:.2}", step.seconds),
                format!("{:.0}", step.rate),
                each(1.0 / step.rate),
                format!("{:.2}", step.cost.cpu * 1e6 / as_float(step.count)),
                (step.cost.peak / 1_048_576).to_string(),
                step.bytes_each.map_or_else(String::new, |bytes| format!("{bytes:.1}")),
            ]);
        }
        write!(f, "{table}")?;
        for (step, waits) in self.steps.iter().filter_map(|step| Some((step, step.waits?))) {
            let [p50, p99, max] = [waits.p50, waits.p99, waits.max].map(each);
            write!(f, "\n{}: half within {p50}, 99 of 100 within {p99}, all within {max}", step.what)?;
        }
        Ok(())
    }
}

/// Seconds in the unit that fits.
fn each(seconds: f64) -> String {
    match seconds {
        ..1e-6 => format!("{:.1} ns", seconds * 1e9),
        1e-6..1e-3 => format!("{:.1} us", seconds * 1e6),
        1e-3..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// The middle of what the same work took each time, and the most memory.
pub(crate) fn median_of(times: &[Spent]) -> Spent {
    let cost = Cost {
        cpu: median(times.iter().map(|spent| spent.cost.cpu)),
        peak: times.iter().map(|spent| spent.cost.peak).max().unwrap_or(0),
    };
    Spent { took: Duration::from_secs_f64(median(times.iter().map(|spent| spent.took.as_secs_f64()))), cost }
}

/// The middle one of some numbers; 0 of none.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;

    #[test]
    fn waits_are_told_by_how_many_were_not_longer() {
        let told = |all: RangeInclusive<u64>| {
            let waits = Waits::of(all.rev().map(Duration::from_secs).collect()).expect("somebody waited");
            [waits.p50, waits.p99, waits.max].map(|seconds| Duration::from_secs_f64(seconds).as_secs())
        };
        assert_eq!(told(1..=100), [50, 99, 100]);
        assert_eq!(told(7..=7), [7; 3]);
        assert!(Waits::of(Vec::new()).is_none());
    }
}
