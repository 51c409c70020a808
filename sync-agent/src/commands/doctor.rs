//! `doctor`.

use std::fmt;

use clap::Args;
use counterfoil_sync_agent::doctor::{self, Finding};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Examine the state directory and say what is not in order.
///
/// Exit 6 when there are findings. It changes nothing and works beside a running agent.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent doctor")]
pub(crate) struct DoctorArgs {}

#[derive(Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

pub(crate) fn run(_args: &DoctorArgs, context: &Context) -> Result<Exit, Refusal> {
    let findings = doctor::examine(context.config()?);
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Findings };
    context.output.result(&Findings { findings })?;
    Ok(exit)
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return f.write_str("all is in order");
        }
        self.findings.iter().try_for_each(|Finding { subject, text }| writeln!(f, "{subject}: {text}"))
    }
}
