//! What waits in quarantine.

use ledger::inspect::{self, Inspection};
use schemas::codes::Code;
use schemas::ids::{ChainId, Digest};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::QuarantineEntry;

/// What waits in quarantine.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuarantineLines {
    pub(crate) entries: Vec<QuarantineLine>,
}

/// What a list tells of an entry.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuarantineLine {
    pub(crate) id: i64,
    pub(crate) code: String,
    pub(crate) source: String,
    #[schema(value_type = Option<String>)]
    pub(crate) chain: Option<ChainId>,
    #[schema(value_type = String)]
    pub(crate) received_at: Micros,
    pub(crate) size: u64,
    #[schema(value_type = String)]
    pub(crate) digest: Digest,
}

impl QuarantineLine {
    pub(crate) fn of(entry: QuarantineEntry) -> Self {
        let QuarantineEntry { id, code, source, chain, received_at, digest, size, .. } = entry;
        Self { id, code, source, chain, received_at, size, digest }
    }
}

/// An entry, and what its bytes say.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuarantineDetails {
    #[serde(flatten)]
    pub(crate) entry: QuarantineLine,
    pub(crate) title: Option<&'static str>,
    pub(crate) hint: Option<&'static str>,
    /// What the bytes say, where they can be read.
    #[schema(value_type = Option<Object>)]
    pub(crate) content: Option<Inspection>,
    /// Why they cannot.
    #[schema(value_type = Option<Object>)]
    pub(crate) unreadable: Option<Refusal>,
}

impl QuarantineDetails {
    /// With its bytes.
    pub(crate) fn of(entry: QuarantineEntry, bytes: &[u8]) -> Self {
        let code = entry.code.parse::<Code>().ok().map(Code::entry);
        let (content, unreadable) = match inspect::inspect(bytes) {
            Ok(inspection) => (Some(inspection), None),
            Err(refusal) => (None, Some(refusal)),
        };
        Self {
            entry: QuarantineLine::of(entry),
            title: code.map(|code| code.title),
            hint: code.map(|code| code.hint),
            content,
            unreadable,
        }
    }
}

/// Entries that were deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Dropped {
    pub(crate) dropped: Vec<i64>,
}
