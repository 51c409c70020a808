//! `counterfoil restore`

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::home::Backup;
use crate::output::{Fields, talk};
use crate::progress::Progress;
use crate::vendor::Vendor;

/// Make a home from a backup, and go on where the backup ends
///
/// Every licence begins a new epoch, so that devices take its grants for newer than those that were issued after the
/// backup. What the backup lost comes back from the devices: with each report they enclose the last grant that they
/// applied, and they are asked to send again what is missing. Licences that were issued after the backup do not come back.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil restore /backups/2026-11-24
  counterfoil --home /srv/counterfoil restore /backups/2026-11-24")]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
}

impl RestoreArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let dir = context.config.home.value.clone();
        let backup = Backup::read(&self.backup)?;
        let reading = Progress::start("bytes restored", Some(backup.bytes()));
        let mut licenses = 0;
        let raise = |home| {
            let raising = Progress::start("licences raised", None);
            let mut vendor = Vendor::open(home, context.now)?;
            licenses = vendor.raise_epochs(&mut |raised| raising.add(raised))?;
            raising.finish();
            Ok(())
        };
        let restored = backup.restore(&self.backup, &dir, raise, &mut |bytes| reading.add(bytes));
        reading.finish();
        let home = restored?;
        let has_root_key = home.layout().root_key().exists();
        context.output.result(&Restored { home: dir, made_at: backup.made_at, licenses, has_root_key })?;
        talk(&"Ask for a report from every device: what the backup lost comes back with it.");
        talk(
            &"Until then units that were granted after the backup may be granted again: `counterfoil license show` \
              tells them as debt when they come back, and debt stops every raise.",
        );
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Restored {
    home: PathBuf,
    made_at: Micros,
    licenses: u64,
    #[serde(rename = "root_key")]
    has_root_key: bool,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("home", self.home.display())
            .with("backup made at", self.made_at)
            .with("licences", self.licenses)
            .with("root key", if self.has_root_key { "restored" } else { "not in the backup" })
            .fmt(f)
    }
}
