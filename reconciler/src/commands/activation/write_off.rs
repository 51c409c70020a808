//! `counterfoil activation write-off`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::shown::activations::{UnitsWrittenOff, WriteOff};

/// Write off the units that a silent device holds and has not used
///
/// They are free again, and the device's next licence file takes them from it. What it turns out to have used before
/// it heard of that still counts. Before its check-in deadline, the grace and the clock tolerance have passed the device
/// may be at work, and it takes `--override`. Its seat is not touched: see `activation release`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation write-off CHAIN
  counterfoil activation write-off CHAIN --feature render --override")]
pub(crate) struct ActivationWriteOffArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// Only of this feature [default: of all]
    #[arg(long, value_name = "NAME")]
    feature: Option<Text>,
    /// Do not wait for the deadline; that is recorded
    #[arg(long = "override")]
    overridden: bool,
}

impl ActivationWriteOffArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license_id, chain) = vendor.find_chain(&self.chain)?;
        let done =
            WriteOff::carry_out(&mut vendor, license_id, chain, self.feature.as_ref(), self.overridden)?;
        context.output.result(&done)?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for WriteOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "written off of {}:", self.chain)?;
        for UnitsWrittenOff { feature, period, units, .. } in &self.written_off {
            write!(f, "\n  {units} of {feature}, period {period}")?;
        }
        Ok(())
    }
}
