//! `counterfoil backup`

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::home::{Backup, Part};
use crate::output::{Fields, talk};
use crate::progress::Progress;
use crate::store::{Place, Store};

/// Copy the ledger and the keys to a new directory, while the ledger is in use
///
/// The copy is the ledger as it stands at one moment. It holds the keys that sign grants: keep it as safe as the home.
/// The root key is left out unless it is asked for.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil backup -o /backups/2026-11-24
  counterfoil backup -o /safe/2026-11-24 --with-root-key")]
pub(crate) struct BackupArgs {
    /// Make the backup here; there must be nothing yet
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Copy the root key too
    #[arg(long)]
    with_root_key: bool,
}

impl BackupArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let progress = Progress::start("bytes copied", None);
        let store = &mut vendor.store;
        let jobs = context.config.jobs.value;
        let backup = Backup::make(
            &vendor.home,
            &self.output,
            self.with_root_key,
            context.now,
            |ledger| copy_ledger(store.as_mut(), ledger, jobs, &mut |bytes| progress.add(bytes)),
            &mut |bytes| progress.add(bytes),
        );
        progress.finish();
        context.output.result(&BackedUp::of(self.output, backup?))?;
        talk(&"Keep it as safe as the home; `counterfoil restore` makes a home of it.");
        Ok(Exit::Done)
    }
}

/// Copies the ledger into a file: page by page if it is in one, and row by row otherwise.
fn copy_ledger(
    store: &mut dyn Store,
    path: &Path,
    jobs: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Refusal> {
    if !store.copy_file(path, progress)? {
        let beside = path.with_extension("copying");
        let mut target = Place::Sqlite(beside.clone()).create()?;
        store.copy_to(&mut target, jobs, &mut |_| {})?;
        target.copy_file(path, progress)?;
        drop(target);
        fs::remove_file(&beside).map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct BackedUp {
    backup: PathBuf,
    made_at: Micros,
    root_key: bool,
    bytes: u64,
    parts: Vec<Part>,
}

impl BackedUp {
    fn of(output: PathBuf, backup: Backup) -> Self {
        Self {
            backup: output,
            made_at: backup.made_at,
            root_key: backup.has_root_key(),
            bytes: backup.bytes(),
            parts: backup.parts,
        }
    }
}

impl fmt::Display for BackedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("backup", self.backup.display())
            .with("made at", self.made_at)
            .with("bytes", self.bytes)
            .with("root key", if self.root_key { "copied" } else { "not copied" })
            .fmt(f)
    }
}
