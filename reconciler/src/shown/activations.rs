//! Activations.

use std::collections::BTreeSet;

use ledger::authority::{Activation, License};
use ledger::evidence::Chain;
use ledger::forks::Verdict;
use ledger::{quotas, recovery, seats};
use schemas::codes::Code;
use schemas::event::Event;
use schemas::event::authority::ReleaseReason;
use schemas::grant::{GrantStatus, SeqRange};
use schemas::ids::{ChainId, LicenseId, Link};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seq};
use schemas::pack::ProductFeature;
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;
use utoipa::ToSchema;

use super::stranded::Stranded;
use super::values::{Attached, feature_name};
use crate::store::{ActivationFilter, ActivationSummary, StoreError};
use crate::vendor::Vendor;
use crate::vendor::activations::{Released, WrittenOff};
use crate::vendor::codes::{ToldHead, contradictions};
use crate::vendor::customers::customer_name;
use crate::vendor::products::known_product;

/// Activations.
#[derive(Serialize, ToSchema)]
pub(crate) struct Activations {
    pub(crate) activations: Vec<ActivationLine>,
}

/// What a list tells of an activation.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivationLine {
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    #[schema(value_type = String)]
    pub(crate) state: GrantStatus,
    pub(crate) reason: Option<String>,
    /// Whether the chain's histories part; see `audit forks`.
    pub(crate) forked: bool,
    #[schema(value_type = Option<String>)]
    pub(crate) host: Option<Attached>,
    pub(crate) agent: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(crate) requested_at: Option<Micros>,
    #[schema(value_type = Option<String>)]
    pub(crate) granted_at: Option<Micros>,
    #[schema(value_type = Option<String>)]
    pub(crate) released_at: Option<Micros>,
    #[schema(value_type = Option<String>)]
    pub(crate) sync_by: Option<Micros>,
    /// Events that the ledger holds of the device's chain.
    pub(crate) events: u64,
    #[schema(value_type = Option<String>)]
    pub(crate) last_event_at: Option<Micros>,
}

impl ActivationLine {
    /// Reads the activations that match, with the names of their hosts.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(vendor: &mut Vendor, filter: &ActivationFilter) -> Result<Vec<Self>, Refusal> {
        let found = vendor.store.activations(filter)?;
        found.into_iter().map(|activation| Self::of(vendor, activation)).collect()
    }

    fn of(vendor: &mut Vendor, activation: ActivationSummary) -> Result<Self, Refusal> {
        let host = Attached::read(vendor, &activation.license, activation.host.as_ref())?;
        Ok(Self {
            chain: activation.chain,
            license_id: activation.license,
            state: activation.status,
            reason: activation.reason,
            forked: activation.forked,
            host,
            agent: activation.agent,
            requested_at: activation.requested_at,
            granted_at: activation.granted_at,
            released_at: activation.released_at,
            sync_by: activation.sync_by,
            events: activation.seq.0,
            last_event_at: activation.last_at,
        })
    }
}

/// An activation: its device, its grant, its quotas.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivationDetails {
    #[serde(flatten)]
    pub(crate) line: ActivationLine,
    pub(crate) product: String,
    pub(crate) customer: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(crate) opened_at: Option<Micros>,
    #[schema(value_type = Option<String>)]
    pub(crate) closed_at: Option<Micros>,
    /// Why it was released.
    #[schema(value_type = Option<String>)]
    pub(crate) released: Option<ReleaseReason>,
    /// From when its seat can be given to another device.
    #[schema(value_type = Option<String>)]
    pub(crate) seat_free_at: Option<Micros>,
    pub(crate) head: Option<ChainHead>,
    /// How it forked, if it did.
    pub(crate) fork: Option<ChainFork>,
    /// Another trial that its device was given, where a restore had lost the first of both.
    #[schema(value_type = Option<String>)]
    pub(crate) other_trial: Option<ChainId>,
    /// Events that are missing before runs that wait.
    #[schema(value_type = Vec<Object>)]
    pub(crate) missing: Vec<SeqRange>,
    pub(crate) grant: NewestGrant,
    /// The last place that the newest grant acknowledges; 0: none.
    #[schema(value_type = u64)]
    pub(crate) acknowledged: Seq,
    pub(crate) quotas: Vec<ActivationQuota>,
    /// Units that it holds although it was released, or that it lacks because a released one holds them.
    pub(crate) stranded: Vec<Stranded>,
    pub(crate) variables: Vec<DeviceVariable>,
    pub(crate) quarantined: Vec<QuarantinedPart>,
    pub(crate) findings: Vec<ChainFinding>,
    /// What was told by a code last, of a device that codes were typed for.
    pub(crate) told_by_code: Option<ToldByCode>,
}

/// What a device told by codes.
#[derive(Serialize, ToSchema)]
pub(crate) struct ToldByCode {
    /// When the last code was typed.
    #[schema(value_type = String)]
    pub(crate) at: Micros,
    /// The version of its product pack.
    pub(crate) pack_version: u32,
    /// The head that its last return code named.
    pub(crate) head: Option<HeadByCode>,
}

/// A head that a return code named.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeadByCode {
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    /// The first 16 bytes of its link.
    pub(crate) link: String,
    /// Whether the chain holds it; absent as long as the chain was not carried out so far.
    pub(crate) held: Option<bool>,
}

impl ToldByCode {
    fn of(license: &License, chain: &ChainId, heads: &[ToldHead]) -> Option<Self> {
        let device = license.coded.device(chain)?;
        let head = heads.last().map(|told| HeadByCode {
            seq: told.head.seq,
            link: told.head.link.to_string(),
            held: told.is_held,
        });
        Some(Self { at: device.last_at, pack_version: device.pack_version, head })
    }
}

/// The head of the chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainHead {
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    #[schema(value_type = String)]
    pub(crate) link: Link,
}

/// How a chain forked.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainFork {
    /// The earliest place that is known at which the histories part.
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    #[schema(value_type = String)]
    pub(crate) verdict: Verdict,
    /// The heads of the histories that are attached.
    pub(crate) heads: Vec<ChainHead>,
}

impl ChainFork {
    fn of(license: &License, chain: &ChainId) -> Option<Self> {
        let evidence = license.chains.get(chain)?;
        let seq = license.fork_of(chain)?;
        let heads = evidence.branches.values().map(|branch| branch.head);
        Some(Self {
            seq,
            verdict: evidence.fork.map_or(Verdict::Unknown, |fork| fork.verdict),
            heads: heads.map(|head| ChainHead { seq: head.seq, link: head.link }).collect(),
        })
    }
}

/// The newest grant.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewestGrant {
    #[schema(value_type = u64)]
    pub(crate) epoch: Epoch,
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    #[schema(value_type = String)]
    pub(crate) at: Micros,
}

/// What the device holds of one feature in one period.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivationQuota {
    pub(crate) feature: String,
    #[schema(value_type = String)]
    pub(crate) period: Period,
    pub(crate) granted: u64,
    pub(crate) used: u64,
    pub(crate) returned: u64,
    pub(crate) written_off: u64,
    pub(crate) held: u64,
    /// Units used beyond what was granted.
    pub(crate) debt: u64,
}

/// A device variable.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeviceVariable {
    pub(crate) name: String,
    /// Absent when it was erased.
    #[schema(value_type = Option<String>)]
    pub(crate) value: Option<Attached>,
    #[schema(value_type = String)]
    pub(crate) set_at: Micros,
}

/// What the chain says that contradicts itself or came late.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainFinding {
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    pub(crate) code: String,
}

/// Runs of the chain that were not taken in.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuarantinedPart {
    pub(crate) id: i64,
    pub(crate) code: String,
}

impl ActivationDetails {
    /// Reads that of a chain.
    ///
    /// # Errors
    /// `not_activated` when nothing was decided about it.
    pub(crate) fn read(vendor: &mut Vendor, license: &License, chain: ChainId) -> Result<Self, Refusal> {
        let undecided = || Refusal::new(Code::NotActivated, chain.to_string());
        let filter =
            ActivationFilter { license: Some(license.id), chain: Some(chain), ..ActivationFilter::default() };
        let line = ActivationLine::read(vendor, &filter)?.pop().ok_or_else(undecided)?;
        let activation = license.activations.get(&chain).ok_or_else(undecided)?;
        let evidence = license.chains.get(&chain);
        let catalog = vendor.catalog()?;
        let features = &known_product(&catalog, &license.product)?.features;
        let grant = activation.grant;
        let heads = vendor.told_heads(license, &chain)?;
        Ok(Self {
            line,
            product: license.product.to_string(),
            customer: customer_name(vendor.store.as_mut(), &catalog, &license.customer)?,
            opened_at: evidence.and_then(|evidence| evidence.opened_at),
            closed_at: evidence
                .and_then(|evidence| evidence.closed_at)
                .or_else(|| license.coded.device(&chain)?.closed_at),
            released: activation.released.map(|released| released.why),
            seat_free_at: activation.released.map(|released| released.seat_free_at),
            head: evidence.map(Chain::head).map(|head| ChainHead { seq: head.seq, link: head.link }),
            fork: ChainFork::of(license, &chain),
            other_trial: recovery::other_trial(license, &chain),
            missing: evidence.map_or_else(Vec::new, Chain::missing),
            grant: NewestGrant { epoch: grant.epoch, seq: grant.seq, at: grant.at },
            acknowledged: activation.ack.seq,
            quotas: quotas(license, &chain, activation, features),
            stranded: stranded_units(license, &chain, features, vendor.now()),
            variables: variables(vendor, license, &chain)?,
            quarantined: quarantined(vendor, &chain)?,
            findings: findings(vendor, license, &chain, &heads)?,
            told_by_code: ToldByCode::of(license, &chain, &heads),
        })
    }
}

/// What was granted to the chain or used by it, by feature and period.
fn quotas(
    license: &License,
    chain: &ChainId,
    known: &Activation,
    features: &[ProductFeature],
) -> Vec<ActivationQuota> {
    let metered = license.chains.get(chain).into_iter().flat_map(|evidence| evidence.meters.keys());
    let keys: BTreeSet<(FeatureNumber, Period)> = known.quotas.keys().chain(metered).copied().collect();
    keys.into_iter()
        .map(|(feature, period)| {
            let account = quotas::accounts(license, feature, period).get(chain).copied().unwrap_or_default();
            ActivationQuota {
                feature: feature_name(features, feature),
                period,
                granted: account.granted,
                used: account.used,
                returned: account.returned,
                written_off: account.written_off,
                held: account.held(),
                debt: account.debt(),
            }
        })
        .collect()
}

fn stranded_units(
    license: &License,
    chain: &ChainId,
    features: &[ProductFeature],
    now: Micros,
) -> Vec<Stranded> {
    let concerns = quotas::stranded_for(license, chain, now);
    concerns.iter().map(|units| Stranded::of(units, features, now)).collect()
}

fn variables(
    vendor: &mut Vendor,
    license: &License,
    chain: &ChainId,
) -> Result<Vec<DeviceVariable>, Refusal> {
    let set = vendor.store.variables(&license.id, chain)?;
    set.into_iter()
        .map(|(name, variable)| {
            let value = Attached::read(vendor, &license.id, Some(&variable.value))?;
            Ok(DeviceVariable { name: name.to_string(), value, set_at: variable.at })
        })
        .collect()
}

fn quarantined(vendor: &mut Vendor, chain: &ChainId) -> Result<Vec<QuarantinedPart>, Refusal> {
    let of_chain = vendor.store.quarantine_of(chain)?.into_iter();
    Ok(of_chain.map(|entry| QuarantinedPart { id: entry.id, code: entry.code }).collect())
}

/// What contradicts itself, and what came late, in the order of the chain.
fn findings(
    vendor: &mut Vendor,
    license: &License,
    chain: &ChainId,
    heads: &[ToldHead],
) -> Result<Vec<ChainFinding>, Refusal> {
    let found = vendor.store.findings()?.into_iter();
    let of_chain = found.filter(|(owner, of, ..)| (owner, of) == (&license.id, chain));
    let mut findings: Vec<ChainFinding> =
        of_chain.map(|(_, _, seq, code)| ChainFinding { seq, code }).collect();
    let late = late(vendor, license)?.into_iter().filter(|(of, _)| of == chain);
    findings.extend(late.map(|(_, seq)| ChainFinding { seq, code: Code::ReportedLate.word().to_owned() }));
    let told = contradictions(license, chain, heads);
    findings.extend(told.map(|(seq, code)| ChainFinding { seq, code: code.word().to_owned() }));
    findings.sort_by_key(|found| found.seq);
    Ok(findings)
}

fn late(vendor: &mut Vendor, license: &License) -> Result<Vec<(ChainId, Seq)>, Refusal> {
    let device = |chain: &ChainId| license.chains.contains_key(chain);
    let history = vendor.store.history(&license.id)?;
    let authority = history.iter().filter(|entry| !device(&entry.chain));
    let events = authority.map(|entry| Event::decode(&entry.core)).collect::<Result<Vec<_>, _>>();
    Ok(seats::reported_late(&events.map_err(StoreError::from)?))
}

/// A seat that was taken back.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReleasedSeat {
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    #[schema(value_type = String)]
    pub(crate) state: GrantStatus,
    #[schema(value_type = String)]
    pub(crate) seat_free_at: Micros,
    /// Whether the seat is free already.
    pub(crate) is_free: bool,
    pub(crate) overridden: bool,
}

impl ReleasedSeat {
    pub(crate) fn of(license_id: LicenseId, chain: ChainId, done: &Released, overridden: bool) -> Self {
        let Released { seat_free_at, is_free, .. } = *done;
        Self { chain, license_id, state: GrantStatus::Released, seat_free_at, is_free, overridden }
    }
}

/// Seats of silent devices that were taken back.
#[derive(Serialize, ToSchema)]
pub(crate) struct SilentSeats {
    pub(crate) released: Vec<SilentSeat>,
}

impl SilentSeats {
    pub(crate) fn of(released: Vec<(LicenseId, ChainId)>) -> Self {
        let seats = released.into_iter().map(|(license_id, chain)| SilentSeat { chain, license_id });
        Self { released: seats.collect() }
    }
}

/// One of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct SilentSeat {
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
}

/// What was written off of an activation.
#[derive(Serialize, ToSchema)]
pub(crate) struct WriteOff {
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    pub(crate) overridden: bool,
    pub(crate) written_off: Vec<UnitsWrittenOff>,
}

/// Of one feature in one period.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnitsWrittenOff {
    pub(crate) feature: String,
    #[schema(value_type = String)]
    pub(crate) period: Period,
    /// Units written off now.
    pub(crate) units: u64,
    /// Units written off so far, these included.
    pub(crate) total: u64,
}

impl WriteOff {
    /// Writes off, as [`Vendor::write_off`].
    ///
    /// # Errors
    /// Those of [`Vendor::write_off`].
    pub(crate) fn carry_out(
        vendor: &mut Vendor,
        license_id: LicenseId,
        chain: ChainId,
        feature: Option<&Text>,
        overridden: bool,
    ) -> Result<Self, Refusal> {
        let done = vendor.write_off(&license_id, chain, feature, overridden)?;
        let product = vendor.find_license(&license_id.to_string())?.product;
        let features = vendor.product(&product)?.features;
        let named = |done: WrittenOff| UnitsWrittenOff {
            feature: feature_name(&features, done.feature),
            period: done.period,
            units: done.units,
            total: done.total,
        };
        Ok(Self { chain, license_id, overridden, written_off: done.into_iter().map(named).collect() })
    }
}
