//! `status`.

use std::fmt;

use clap::Args;
use counterfoil_sync_agent::status::QuotaStatus;
use counterfoil_sync_agent::{Status, Usefulness};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::terms::Mode;
use serde::Serialize;

use crate::cli::Context;
use crate::output::Fields;

/// Show what this device knows about its licence.
///
/// State, licence, features, units left, the check-in deadline, what the vendor does not have yet, whether a report is of
/// use now, and what is noted about the clock. It works beside a running agent.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent status
  counterfoil-agent status --json")]
pub(crate) struct StatusArgs {}

#[derive(Serialize)]
struct Shown(Status);

pub(crate) fn run(_args: &StatusArgs, context: &Context) -> Result<Exit, Refusal> {
    context.output.result(&Shown(context.reader()?.status()))?;
    Ok(Exit::Done)
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = &self.0;
        let mut fields = Fields::default()
            .with("state", status.state.word())
            .with_some("reason", status.reason.as_ref())
            .with_some("why", status.why.map(|why| format!("{} [{}]", why.title, why.code)))
            .with_some("hint", status.why.map(|why| why.hint))
            .with("check", status.code)
            .with_some("chain", status.chain)
            .with_some("licence", status.license_id.as_ref())
            .with_some("product", status.product.as_ref())
            .with_some("environment", status.environment.as_ref())
            .with_some("known since", status.known_since);
        if let Some(entitlement) = &status.entitlement {
            fields = fields
                .with("licence type", entitlement.kind)
                .with("valid from", entitlement.starts_at)
                .with_some("valid until", entitlement.valid_until)
                .with_some("maintenance until", entitlement.maintenance_until);
            for feature in &entitlement.features {
                fields = fields.with(&format!("feature {}", feature.name), feature.mode);
            }
            for custom in &entitlement.custom {
                fields = fields.with(&format!("field {}", custom.name), &custom.value);
            }
        }
        for quota in &status.quotas {
            let note = if quota.mode == Mode::Hard { "quota" } else { "use" };
            fields = fields.with(&format!("{note} of {} for {}", quota.feature, quota.period), Units(quota));
        }
        for record in &status.unreported_records {
            fields = fields.with("not reported to its end", format!("record {record}"));
        }
        fields
            .with_some("check in by", status.sync_by)
            .with_some("grace until", status.overdue_at)
            .with("events", status.events)
            .with("not acknowledged", status.unacknowledged)
            .with_some("report", status.report.map(Use))
            .with_some("dropped up to event", status.dropped_to)
            .with_some("set back", status.restored.then_some("yes, reserved quota is not spent"))
            .with_some("after the fork", status.forked)
            .with_some("clock", status.clock_behind.then_some("set back"))
            .with_some("clock noted in event", status.clock_noted)
            .with_some("device differs since", status.fingerprint_mismatch_since)
            .with("time", status.time)
            .fmt(f)
    }
}

/// Whether a report is of use.
pub(crate) struct Use(pub(crate) Usefulness);

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usefulness { because, events, enough, at_latest, .. } = self.0;
        if let Some(because) = because {
            return write!(f, "useful now: {}", because.words());
        }
        write!(f, "useful with {enough} events ({events} wait)")?;
        at_latest.map_or(Ok(()), |at| write!(f, ", or from {at} on"))
    }
}

/// What became of a feature's units.
struct Units<'a>(&'a QuotaStatus);

impl fmt::Display for Units<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuotaStatus { used, left, returned, asked_back, .. } = self.0;
        write!(f, "{used} used")?;
        left.map_or(Ok(()), |left| write!(f, ", {left} left"))?;
        if returned.get() > 0 {
            write!(f, ", {returned} given back")?;
        }
        asked_back.map_or(Ok(()), |asked_back| write!(f, ", {asked_back} more asked back"))
    }
}
