//! `counterfoil audit clocks`

use std::fmt;

use clap::Args;
use ledger::clocks::{self, ClockFlag, Doubt};
use schemas::codes::Exit;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::run::Origin;
use serde::Serialize;

use crate::cli::Context;
use crate::output::Table;
use crate::shown::words;
use crate::store::LicenseFilter;
use crate::vendor::Vendor;

/// List the devices whose clocks are in doubt
///
/// A device notes each step of its clock beyond the tolerance itself; and an event whose time lies after its receipt was
/// recorded under a clock that ran ahead. Use is counted all the same: order is the chain's, never the clock's.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit clocks
  counterfoil audit clocks --license 01a20d53-3d26-72cd-9e59-5a0d0cf04e7a")]
pub(crate) struct AuditClocksArgs {
    /// Only those of this licence
    #[arg(long, value_name = "LICENSE")]
    license: Option<String>,
}

impl AuditClocksArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let licenses: Vec<LicenseId> = if let Some(license) = self.license {
            vec![vendor.find_license(&license)?.id]
        } else {
            let all = vendor.store.licenses(&LicenseFilter::default())?;
            all.into_iter().map(|license| license.id).collect()
        };
        let mut found = Vec::new();
        for license_id in licenses {
            let flags = flags(&mut vendor, &license_id)?;
            found.extend(flags.into_iter().map(|flag| Flagged { license_id, flag }));
        }
        context.output.result(&Clocks { clocks: found })?;
        Ok(Exit::Done)
    }
}

fn flags(vendor: &mut Vendor, id: &LicenseId) -> Result<Vec<ClockFlag>, Refusal> {
    let Some(license) = vendor.store.license(id)? else { return Ok(Vec::new()) };
    let (history, known) = (vendor.store.history(id)?, vendor.store.known(id)?);
    let mut taken_in = Vec::new();
    vendor.store.runs(Some(id), &mut |_, run| {
        if matches!(run.origin, Origin::Device(_)) {
            taken_in.extend(clocks::taken_in(&run, &known)?);
        }
        Ok(())
    })?;
    Ok(clocks::flags(&license, &history, &taken_in, &known))
}

#[derive(Serialize)]
struct Clocks {
    clocks: Vec<Flagged>,
}

#[derive(Serialize)]
struct Flagged {
    license_id: LicenseId,
    #[serde(flatten)]
    flag: ClockFlag,
}

impl fmt::Display for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.clocks.is_empty() {
            return write!(f, "no clock is in doubt");
        }
        let mut table = Table::new(&["CHAIN", "EVENT", "TIME", "WHAT"]);
        for Flagged { flag, .. } in &self.clocks {
            let what = match flag.doubt {
                Doubt::Stepped { expected, wall, cured } => {
                    let cured = if cured { "; set right since" } else { "" };
                    format!(
                        "the clock stood at {} instead of {}{cured}",
                        words::second(wall),
                        words::second(expected)
                    )
                }
                Doubt::AheadOfReceipt { received_at } => {
                    format!("received before that, at {}", words::second(received_at))
                }
            };
            table.row([
                words::short(&flag.chain),
                flag.seq.to_string(),
                words::second(flag.at).to_string(),
                what,
            ]);
        }
        write!(f, "{table}")
    }
}
