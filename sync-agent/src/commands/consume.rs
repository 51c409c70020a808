//! `consume`.

mod batch;

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use counterfoil_sync_agent::{Consume, Consumed};
use schemas::codes::{Code, Exit};
use schemas::numbers::{Amount, Micros, Seq, Total};
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::text::UsageRef;
use serde::Serialize;

use super::check::parse_date;
use crate::cli::Context;

/// Count units of a metered feature.
///
/// What is acknowledged is durable. With a `ref`, the same use given again is answered with the first and counts
/// nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
A batch is JSON lines {\"feature\", \"n\", \"ref\"?, \"used_at\"?}. Each is acknowledged in a line of its own, with
its number and the event's place, when it is durable. It stops at the first line that is not taken.

Examples:
  counterfoil-agent consume render 5
  counterfoil-agent consume render --ref job-4711
  counterfoil-agent consume --batch usage.jsonl
  counterfoil-agent consume --batch - < usage.jsonl")]
pub(crate) struct ConsumeArgs {
    /// The feature's name
    #[arg(required_unless_present = "batch")]
    feature: Option<String>,
    /// How many units
    #[arg(default_value_t = 1, allow_negative_numbers = true)]
    n: i128,
    /// Names this use, so that it is counted once
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// When the use was: a date, or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    used_at: Option<Micros>,
    /// Count the lines of this file; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["feature", "n", "reference", "used_at"])]
    batch: Option<PathBuf>,
}

#[derive(Serialize)]
struct Counted<'a> {
    feature: &'a str,
    seq: Seq,
    period: Period,
    n: Amount,
    total: Total,
    repeated: bool,
}

pub(crate) fn run(args: &ConsumeArgs, context: &Context) -> Result<Exit, Refusal> {
    if let Some(path) = &args.batch {
        return batch::run(path, context);
    }
    let feature = args.feature.as_deref().ok_or(Code::Usage)?;
    let consume = Consume {
        feature: feature.into(),
        n: u64::try_from(args.n).ok().and_then(Amount::new).ok_or(Code::AmountInvalid)?,
        used_at: args.used_at,
        reference: args.reference.as_deref().map(read_reference).transpose()?,
    };
    let Consumed { seq, period, n, total, repeated, .. } = context.agent()?.consume_as(consume)?;
    context.output.result(&Counted { feature, seq, period, n, total, repeated })?;
    Ok(Exit::Done)
}

fn read_reference(text: &str) -> Result<UsageRef, Refusal> {
    UsageRef::new(text).ok_or_else(|| Refusal::new(Code::TextInvalid, "the ref"))
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature, seq, period, n, total, .. } = self;
        let verb = if self.repeated { "was counted before" } else { "is counted" };
        write!(f, "event {seq}: {n} of {feature} {verb} for {period}, total {total}")
    }
}
