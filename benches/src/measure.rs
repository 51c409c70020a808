//! What work takes, and counts as numbers to divide. The program in `peers` has this file too.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a process took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// Most memory that it ever had resident, in bytes.
    pub(crate) peak: u64,
    /// Seconds that its threads ran, in the system too.
    pub(crate) cpu: f64,
}

impl Cost {
    /// Of this process so far.
    pub(crate) fn so_far() -> anyhow::Result<Self> {
        Ok(Self { peak: peak(Path::new("/proc/self"))?, cpu: cpu()? })
    }
}

/// What some work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// From its start to its end.
    pub(crate) took: Duration,
    /// What the process took for it; its memory is the most that it ever had.
    pub(crate) cost: Cost,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.took += more.took;
        self.cost.cpu += more.cost.cpu;
        self.cost.peak = self.cost.peak.max(more.cost.peak);
    }
}

/// Measures the work of this process that follows.
#[derive(Debug)]
pub(crate) struct Watch {
    /// CPU before.
    ran: f64,
    start: Instant,
}

impl Watch {
    /// Begins.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { ran: cpu()?, start: Instant::now() })
    }

    /// Ends.
    pub(crate) fn stop(self) -> anyhow::Result<Spent> {
        let took = self.start.elapsed();
        let cpu = cpu()? - self.ran;
        Ok(Spent { took, cost: Cost { cpu, ..Cost::so_far()? } })
    }
}

/// Most memory that a process ever had resident, in bytes, by its folder in `/proc`.
pub(crate) fn peak(process: &Path) -> anyhow::Result<u64> {
    let status = fs::read_to_string(process.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

/// A count as a number to divide.
pub(crate) fn as_float(count: u64) -> f64 {
    let low = u32::try_from(count & 0xffff_ffff).map_or(0.0, f64::from);
    let high = u32::try_from(count >> 32).map_or(0.0, f64::from);
    high.mul_add(4_294_967_296.0, low)
}

/// Seconds that the threads of this process ran.
fn cpu() -> anyhow::Result<f64> {
    let ran = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) = (u32::try_from(ran.tv_sec)?, u32::try_from(ran.tv_nsec)?);
    Ok(f64::from(seconds) + f64::from(nanoseconds) / 1e9)
}
