//! Imports: bundles that were uploaded to be merged.

use schemas::codes::Code;
use schemas::numbers::Micros;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::merging::MergeReport;

/// How far an import has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportState {
    /// Others are merged before it, or the service began anew and takes it up again.
    Waiting,
    /// It is being merged.
    Running,
    /// All of it was merged, or is in quarantine.
    Done,
    /// It could not be merged to its end: what was merged stays.
    Failed,
}

/// An import. It is also what lies in its folder: an upload that was not merged yet is read again by the next version.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "what names a thing is called so in every answer")]
pub(crate) struct Import {
    /// Names it.
    #[schema(value_type = String)]
    pub(crate) import_id: Uuid,
    /// What its file was called.
    pub(crate) name: String,
    pub(crate) state: ImportState,
    /// When it was uploaded (RFC 3339).
    #[serde(deserialize_with = "instant")]
    #[schema(value_type = String)]
    pub(crate) created_at: Micros,
    /// When it came as far as this.
    #[serde(deserialize_with = "instant")]
    #[schema(value_type = String)]
    pub(crate) updated_at: Micros,
    /// Bytes that there are, as they were uploaded.
    pub(crate) bytes: u64,
    /// Bytes that are read.
    pub(crate) bytes_read: u64,
    /// Files that are merged, those in archives each.
    pub(crate) files: u64,
    /// Events that were new.
    pub(crate) events: u64,
    /// What became of it, when it is done.
    pub(crate) counts: Option<ImportCounts>,
    /// Why it failed.
    #[schema(value_type = Option<String>)]
    pub(crate) code: Option<Code>,
    /// What happened then.
    pub(crate) detail: String,
}

/// An instant as it is shown.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Micros, D::Error> {
    let text = String::deserialize(deserializer)?;
    Micros::parse(&text).ok_or_else(|| D::Error::custom("no instant"))
}

/// What became of an import, in bundles counted once for each chain that they hold.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ImportCounts {
    /// Brought something new.
    pub(crate) merged: u64,
    /// Held nothing new.
    pub(crate) known: u64,
    /// Wait for events before them.
    pub(crate) parked: u64,
    /// Contradict a known history; both are kept.
    pub(crate) forked: u64,
    /// Were refused; kept in quarantine.
    pub(crate) refused: u64,
    /// Of a device that asks for an activation and is denied one.
    pub(crate) denied: u64,
    /// Files with something that was not simply taken in: so many findings there are.
    pub(crate) findings: u64,
}

impl ImportCounts {
    pub(crate) fn of(report: &MergeReport) -> Self {
        let MergeReport { merged, known, parked, forked, refused, denied, .. } = *report;
        Self { merged, known, parked, forked, refused, denied, findings: report.findings.len() as u64 }
    }
}

impl Import {
    /// Whether something of it is still to be merged.
    pub(crate) fn is_unfinished(&self) -> bool {
        matches!(self.state, ImportState::Waiting | ImportState::Running)
    }

    /// The part of it that is read, of a hundred.
    pub(crate) fn percent(&self) -> u64 {
        match self.state {
            ImportState::Done => 100,
            _ => (self.bytes_read.saturating_mul(100) / self.bytes.max(1)).min(99),
        }
    }
}
