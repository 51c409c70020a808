//! What lists and reports show of the ledger: what is asked for, and the rows that answer.

use std::collections::BTreeSet;

use ledger::authority::License;
use ledger::chain;
use ledger::digest::BranchEvidence;
use ledger::forks::Verdict;
use ledger::rows::BranchNumber;
use schemas::codes::Code;
use schemas::event::authority::Role;
use schemas::grant::{GrantStatus, SeqRange};
use schemas::ids::{ChainId, Commitment, CustomerId, Digest, LicenseId};
use schemas::numbers::{FeatureNumber, Micros, Seconds, Seq};
use schemas::period::Period;
use schemas::terms::OnFork;

/// Which licences are listed.
#[derive(Clone, Debug, Default)]
pub struct LicenseFilter {
    /// Of this product.
    pub product: Option<String>,
    /// Issued from this policy.
    pub policy: Option<String>,
    /// Of these customers.
    pub customers: Option<BTreeSet<CustomerId>>,
    /// Standing so.
    pub standing: Option<String>,
    /// Only those after this one, in the order of their identifiers.
    pub after: Option<LicenseId>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// One line of a list of licences.
#[derive(Clone, Debug)]
pub struct LicenseSummary {
    /// The licence.
    pub id: LicenseId,
    /// The product.
    pub product: String,
    /// The policy.
    pub policy: String,
    /// The customer.
    pub customer: CustomerId,
    /// Whether it stands.
    pub standing: String,
    /// When it was issued.
    pub issued_at: Micros,
    /// Whether it is the product's trial.
    pub is_trial: bool,
    /// How long it is valid from its first activation, while that has not come; of a trial, from each activation.
    pub valid_from_activation: Option<Seconds>,
    /// The first instant after validity.
    pub valid_until: Option<Micros>,
    /// Activations that were given a seat and not released.
    pub activations: u64,
    /// Most activations at one time.
    pub max_activations: u32,
}

/// Which activations are listed.
#[derive(Clone, Debug, Default)]
pub struct ActivationFilter {
    /// Of this licence.
    pub license: Option<LicenseId>,
    /// Of this chain.
    pub chain: Option<ChainId>,
    /// Of this product.
    pub product: Option<String>,
    /// With this status.
    pub status: Option<GrantStatus>,
    /// Only those after this one, in the order of licence and chain.
    pub after: Option<(LicenseId, ChainId)>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// One line of a list of activations.
#[derive(Clone, Debug)]
pub struct ActivationSummary {
    /// The licence.
    pub license: LicenseId,
    /// The device chain.
    pub chain: ChainId,
    /// The status of the newest grant.
    pub status: GrantStatus,
    /// Whether the chain's histories part.
    pub forked: bool,
    /// The code that says why.
    pub reason: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The commitment to the host's name.
    pub host: Option<Commitment>,
    /// When it was asked for.
    pub requested_at: Option<Micros>,
    /// When a seat was first given.
    pub granted_at: Option<Micros>,
    /// When it was released.
    pub released_at: Option<Micros>,
    /// When the device must be heard of again.
    pub sync_by: Option<Micros>,
    /// The last place that is attached.
    pub seq: Seq,
    /// The time of the event there.
    pub last_at: Option<Micros>,
}

/// Which usage is reported.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// Of this licence.
    pub license: Option<LicenseId>,
    /// Of this product.
    pub product: Option<String>,
    /// From this UTC day on.
    pub from_day: Option<u32>,
    /// Before this UTC day.
    pub before_day: Option<u32>,
}

/// Units of one feature on one UTC day by one device.
#[derive(Clone, Debug)]
pub struct UsageRow {
    /// The licence.
    pub license: LicenseId,
    /// The product.
    pub product: String,
    /// The device chain.
    pub chain: ChainId,
    /// The feature.
    pub feature: FeatureNumber,
    /// The period that the use counts in.
    pub period: Period,
    /// The UTC day.
    pub day: u32,
    /// Units used.
    pub used: u64,
    /// Units given back.
    pub refunded: u64,
    /// Events.
    pub events: u64,
}

/// One branch of a device chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EvidenceRow {
    /// The licence.
    pub license: LicenseId,
    /// The device chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchEvidence,
}

/// A fork of a device chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ForkRow {
    /// The licence.
    pub license: LicenseId,
    /// The device chain.
    pub chain: ChainId,
    /// The earliest place that is known at which its histories part.
    pub seq: Seq,
    /// When that was recorded with its proof; nothing where no proof is short enough to be.
    pub at: Option<Micros>,
    /// What the histories tell; nothing while only one of them is attached.
    pub verdict: Option<Verdict>,
    /// Branches that are attached.
    pub branches: u64,
    /// What follows from it by the terms of the licence.
    pub on_fork: OnFork,
}

/// Bytes that are refused for now, with the reason.
#[derive(Clone, Debug)]
pub struct NewQuarantine {
    /// Why.
    pub code: Code,
    /// Where they came from.
    pub source: String,
    /// The device chain, where that is known.
    pub chain: Option<ChainId>,
    /// The places of the run's events, where it is one that was believed.
    pub span: Option<SeqRange>,
    /// The chain that the run's own follows, where the run says so.
    pub follows: Option<ChainId>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A request that came before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptRequest {
    /// The SHA-256 of what was asked for.
    pub request: Digest,
    /// What it was answered, sealed; nothing while it is being worked on, or where that was cut off.
    pub answer: Option<Vec<u8>>,
}

/// What is in quarantine, without the bytes.
#[derive(Clone, Debug)]
pub struct QuarantineEntry {
    /// Its number.
    pub id: i64,
    /// Why it is there.
    pub code: String,
    /// Where it came from.
    pub source: String,
    /// The device chain, where that is known.
    pub chain: Option<ChainId>,
    /// The places of the run's events, where they are known.
    pub span: Option<SeqRange>,
    /// When it came.
    pub received_at: Micros,
    /// The SHA-256 of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
}

/// A projection that does not follow from the sources.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Mismatch {
    /// The table.
    pub table: &'static str,
    /// Rows that are there and do not follow.
    pub unexpected: u64,
    /// Rows that follow and are not there.
    pub missing: u64,
}

/// The end of a branch of a chain, onto which short runs were written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Tail {
    /// The licence.
    pub license: LicenseId,
    /// The chain: a device's or the vendor's.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
}

/// A place among the runs of a licence, in the order in which they are packed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RunPlace {
    /// The chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// The place of a run's first event.
    pub seq: Seq,
}

impl RunPlace {
    /// Before all runs.
    pub const START: Self = Self { chain: ChainId([0; 32]), branch: 0, seq: Seq(0) };
}

/// The place of a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GrantAt {
    /// The licence.
    pub license: LicenseId,
    /// The authority chain that it stands on.
    pub authority: ChainId,
    /// Its place there.
    pub seq: Seq,
}

impl GrantAt {
    /// That of the newest grant of a device chain, if there is one.
    pub fn newest(license: &License, chain: &ChainId) -> Option<Self> {
        let place = license.activations.get(chain)?.grant;
        let authority =
            chain::authority_chain(&license.product, &license.environment, &license.id, place.epoch);
        Some(Self { license: license.id, authority, seq: place.seq })
    }
}

/// What one unit of packing did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Packed {
    /// Runs that were joined.
    pub runs: u64,
    /// Runs that they became.
    pub into: u64,
    /// Events of these.
    pub events: u64,
    /// Where the next unit of work goes on; nothing when the licence's last runs were looked at.
    pub next: Option<RunPlace>,
}

/// Who may use the service and how far. What is shown to its holder is not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Token {
    /// The SHA-256 of what its holder has.
    pub digest: Digest,
    /// The operator's name, which the catalog has as an attachment.
    pub operator: Commitment,
    /// What the operator may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Micros,
    /// From when on it is of no use; nothing for never.
    pub expires_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

impl Token {
    /// Whether it is of use at the time `now`.
    pub fn is_valid(&self, now: Micros) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Where a table lies in a cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Placement {
    /// Whole on every machine.
    Everywhere,
    /// Spread by the licence, beside everything else of it.
    ByLicense,
    /// Spread by the column that is its key.
    ByKey(&'static str),
    /// Whole on the machine that coordinates the others.
    Coordinator,
}

/// A table of a ledger on a cluster.
#[derive(Clone, Copy, Debug)]
pub struct PlacedTable {
    /// Its name.
    pub table: &'static str,
    /// Where it lies.
    pub placement: Placement,
    /// Whether it was brought there now.
    pub is_new: bool,
}
