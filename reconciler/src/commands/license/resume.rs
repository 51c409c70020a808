//! `counterfoil license resume`

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::standing;
use crate::cli::Context;
use crate::vendor::licenses::StandingChange;

/// Let a suspended licence stand again
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license resume LICENSE")]
pub(crate) struct LicenseResumeArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}

impl LicenseResumeArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?.id;
        standing::change(context, &mut vendor, &license, StandingChange::Resume, self.reason.as_ref())
    }
}
