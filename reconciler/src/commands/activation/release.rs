//! `counterfoil activation release`

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::bundle::{Answer, encode_answers};
use schemas::codes::Exit;
use schemas::container::FileKind;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::files;
use crate::output;
use crate::shown::activations::{ReleasedSeat, SilentSeat, SilentSeats};

/// Take an activation's seat back, for a device that is lost or broken
///
/// The seat is free when the device is certain to have stopped: when its check-in deadline, the grace and the clock
/// tolerance have passed; with `--override` at once, which is recorded. The device learns it with its next licence
/// file, which can be written here; what it reports is still taken in. What it holds of a quota stays out: see
/// `activation write-off`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation release CHAIN
  counterfoil activation release CHAIN --override --reason \"disk broken\" -o released.cfgrant
  counterfoil activation release --silent LICENSE
  counterfoil activation release --silent --all")]
pub(crate) struct ActivationReleaseArgs {
    /// The device chain, or enough of its beginning; with `--silent` the licence, by its identifier or key
    #[arg(value_name = "CHAIN|LICENSE", required_unless_present = "all")]
    of: Option<String>,
    /// Release every activation of a licence whose device was silent past its deadline
    #[arg(long)]
    silent: bool,
    /// Release the silent ones of every licence
    #[arg(long, requires = "silent", conflicts_with = "of")]
    all: bool,
    /// Free the seat at once, without waiting for the deadline; that is recorded
    #[arg(long = "override", conflicts_with = "silent")]
    overridden: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", conflicts_with = "silent")]
    reason: Option<Text>,
    #[command(flatten)]
    told: ToldOptions,
}

/// How the device is told at once.
#[derive(Args, Debug)]
struct ToldOptions {
    /// Write the device's licence file, which tells it
    #[arg(short, long, value_name = "FILE", conflicts_with = "silent")]
    output: Option<PathBuf>,
    /// Write the text form, which survives mail
    #[arg(long, requires = "output")]
    armor: bool,
}

impl ActivationReleaseArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        if self.silent { release_silent(context, self.of.as_deref()) } else { self.release_one(context) }
    }

    fn release_one(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license_id, chain) = vendor.find_chain(self.of.as_deref().unwrap_or_default())?;
        let reason = self.reason.as_ref().map(Text::as_str);
        let done = vendor.release(&license_id, chain, self.overridden, reason)?;
        if let Some(path) = &self.told.output {
            let answer = [Answer::Grant(Box::new(done.grant.clone()))];
            files::write(path, FileKind::Grants, encode_answers(&answer), self.told.armor)?;
        }
        if self.told.output.as_deref() != Some(Path::new("-")) {
            let released = ReleasedSeat::of(license_id, chain, &done, self.overridden);
            context.output.result(&Released { released, file: self.told.output })?;
        }
        Ok(Exit::Done)
    }
}

fn release_silent(context: &Context, license: Option<&str>) -> Result<Exit, Refusal> {
    let mut vendor = context.vendor()?;
    let license = license.map(|license| vendor.find_license(license)).transpose()?;
    let released = vendor.release_silent(license.map(|license| license.id))?;
    if released.is_empty() {
        output::talk(&"no device is silent past its deadline");
    }
    context.output.result(&SilentSeats::of(released))?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Released {
    #[serde(flatten)]
    released: ReleasedSeat,
    file: Option<PathBuf>,
}

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "released {} of licence {}; ", self.released.chain, self.released.license_id)?;
        if self.released.is_free {
            f.write_str("the seat is free")?;
        } else {
            write!(f, "the seat is free from {}, or at once with --override", self.released.seat_free_at)?;
        }
        match &self.file {
            Some(file) => write!(f, "; {} tells the device", file.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SilentSeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told =
            |silent: &SilentSeat| format!("released {} of licence {}", silent.chain, silent.license_id);
        f.write_str(&self.released.iter().map(told).collect::<Vec<_>>().join("\n"))
    }
}
