//! `history`.

use std::fmt;

use clap::Args;
use ledger::store::HistoryEntry;
use schemas::codes::{Code, Exit};
use schemas::event::Body;
use schemas::event::device::{Claim, FeatureRefunded};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Show all that this device recorded, one event a line.
///
/// It works beside a running agent. With `--json`, each line is one event with all its fields.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent history
  counterfoil-agent history --json | jq 'select(.kind == \"feature.consumed\")'")]
pub(crate) struct HistoryArgs {}

#[derive(Serialize)]
struct Line(HistoryEntry);

pub(crate) fn run(_args: &HistoryArgs, context: &Context) -> Result<Exit, Refusal> {
    let mut printed = Ok(());
    context.reader()?.history(|entry| {
        if printed.is_ok() {
            printed = context.output.result(&Line(entry));
        }
    })?;
    printed.map(|()| Exit::Done)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HistoryEntry { seq, event, text: value } = &self.0;
        write!(f, "{seq:>6}  {}  {}", event.at, event.body.name())?;
        match &event.body {
            Body::FeatureConsumed(body) => {
                write!(f, "  feature {} in {}: {}, total {}", body.feature, body.period, body.n, body.total)?;
                body.used_at.map_or(Ok(()), |used_at| write!(f, ", used at {used_at}"))?;
                body.reference.as_ref().map_or(Ok(()), |reference| write!(f, ", ref {reference}"))
            }
            Body::FeatureRefunded(body) => {
                let FeatureRefunded { feature, period, n, consumption } = body;
                write!(f, "  feature {feature} in {period}: {n} of event {consumption}")
            }
            Body::QuotaReturned(body) => {
                write!(f, "  feature {} in {}: {}, total {}", body.feature, body.period, body.n, body.total)
            }
            Body::ActivationRequested(body) => match &body.claim {
                Claim::Successor(claim) => write!(f, "  follows {}", claim.follows),
                Claim::Trial(_) => f.write_str("  trial"),
                _ => Ok(()),
            },
            Body::VariableSet(body) => {
                write!(f, "  {} = {}", body.name, value.as_deref().unwrap_or("(not known)"))
            }
            Body::GrantApplied(body) => write!(f, "  licence file {} of epoch {}", body.seq, body.epoch),
            Body::GrantRefused(body) => {
                write!(f, "  licence file {}: {}", body.seq, title(body.code.as_str()))
            }
            Body::ClockNoted(body) => write!(f, "  expected {}, stood at {}", body.expected, body.wall),
            Body::FingerprintChanged(body) => write!(f, "  {} components match", body.matched),
            Body::ChainOpened(body) => write!(f, "  {}, {}", body.product, body.environment),
            Body::ChainClosed(body) => write!(f, "  {}", body.reason),
            _ => Ok(()),
        }
    }
}

fn title(code: &str) -> &str {
    code.parse::<Code>().map_or(code, |code| code.entry().title)
}
