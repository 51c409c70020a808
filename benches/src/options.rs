//! What every load is told.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::report::Report;

/// Where a load works, and what it leaves.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The same seed makes the same events
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Work in this new folder and keep it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Write the numbers here as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Options {
    /// Lets `load` work in its folder and prints its numbers.
    pub(crate) fn report(&self, load: impl FnOnce(&Path) -> anyhow::Result<Report>) -> anyhow::Result<()> {
        let temporary = tempfile::tempdir()?;
        let work = self.keep.as_deref().unwrap_or(temporary.path());
        fs::create_dir_all(work).with_context(|| work.display().to_string())?;
        load(work)?.publish(self.json.as_deref())
    }
}
