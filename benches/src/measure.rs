//! What a process takes, and counts as numbers to divide. The programs that compare with peers read this file too.

use std::fs;

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a process took.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// Most memory that it ever had resident, in bytes.
    pub(crate) peak: u64,
    /// Seconds that its threads ran, in the system too.
    pub(crate) cpu: f64,
}

impl Cost {
    /// Of this process so far.
    pub(crate) fn so_far() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        let ran = clock_gettime(ClockId::ProcessCPUTime);
        let (seconds, nanoseconds) = (u32::try_from(ran.tv_sec)?, u32::try_from(ran.tv_nsec)?);
        Ok(Self { peak: kibibytes * 1024, cpu: f64::from(seconds) + f64::from(nanoseconds) / 1e9 })
    }

    /// Of this process since it had taken `before`.
    pub(crate) fn since(before: Self) -> anyhow::Result<Self> {
        let now = Self::so_far()?;
        Ok(Self { cpu: now.cpu - before.cpu, ..now })
    }
}

/// A count as a number to divide.
pub(crate) fn as_float(count: u64) -> f64 {
    let low = u32::try_from(count & 0xffff_ffff).map_or(0.0, f64::from);
    let high = u32::try_from(count >> 32).map_or(0.0, f64::from);
    high.mul_add(4_294_967_296.0, low)
}
