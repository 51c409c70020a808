//! `return`.

use std::fmt;

use clap::Args;
use counterfoil_sync_agent::Returned;
use schemas::codes::{Code, Exit};
use schemas::numbers::{Amount, Seq, Total};
use schemas::period::Period;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Give reserved quota back to the vendor.
///
/// Units that this device holds and will not use become free for other devices when the vendor has taken in the next
/// report. They cannot be used here any more. More than is left is not given back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent return render 200
  counterfoil-agent return render 200 --period 2026-12")]
pub(crate) struct ReturnArgs {
    /// The feature's name
    feature: String,
    /// How many units
    #[arg(allow_negative_numbers = true)]
    n: i128,
    /// The period that they are held for, as `status` shows it [default: the present one]
    #[arg(long, value_name = "PERIOD", value_parser = parse_period)]
    period: Option<Period>,
}

#[derive(Serialize)]
struct GivenBack<'a> {
    feature: &'a str,
    seq: Seq,
    period: Period,
    n: Amount,
    total: Total,
    left: u64,
}

pub(crate) fn run(args: &ReturnArgs, context: &Context) -> Result<Exit, Refusal> {
    let n = u64::try_from(args.n).map_err(|_| Code::AmountInvalid)?;
    let returned = context.agent()?.return_quota(&args.feature, n, args.period)?;
    let Returned { seq, period, n, total, left, .. } = returned;
    context.output.result(&GivenBack { feature: &args.feature, seq, period, n, total, left })?;
    Ok(Exit::Done)
}

fn parse_period(text: &str) -> Result<Period, String> {
    Period::parse(text)
        .ok_or_else(|| "expected a period such as 2026, 2026-11, 2026-11-24 or life".to_owned())
}

impl fmt::Display for GivenBack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature, seq, period, n, total, left } = self;
        write!(f, "event {seq}: {n} of {feature} given back for {period}, total {total}, {left} left")
    }
}
