//! `counterfoil license revoke`

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::standing;
use crate::cli::Context;
use crate::vendor::licenses::StandingChange;

/// Revoke a licence for good
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license revoke LICENSE --reason \"refunded\" --yes")]
pub(crate) struct LicenseRevokeArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}

impl LicenseRevokeArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?.id;
        context.output.confirm(&format!("Revoke licence {license} for good?"))?;
        standing::change(context, &mut vendor, &license, StandingChange::Revoke, self.reason.as_ref())
    }
}
