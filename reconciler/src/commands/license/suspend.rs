//! `counterfoil license suspend`

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::standing;
use crate::cli::Context;
use crate::vendor::licenses::StandingChange;

/// Suspend a licence until it is resumed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license suspend LICENSE --reason \"payment overdue\"")]
pub(crate) struct LicenseSuspendArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}

impl LicenseSuspendArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?.id;
        standing::change(context, &mut vendor, &license, StandingChange::Suspend, self.reason.as_ref())
    }
}
