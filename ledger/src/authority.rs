//! What the vendor said about a licence: the fold over its authority chain.

use std::collections::BTreeMap;

use schemas::event::authority::{ActivationReleased, ChainForked, LicenseIssued, ReleaseReason};
use schemas::event::{Body, Event};
use schemas::grant::{Ack, GrantBody, GrantStatus, QuotaLine};
use schemas::ids::{ChainId, CustomerId, KeyReference, LicenseId};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seconds, Seq, Total};
use schemas::period::Period;
use schemas::run::AuthorityOrigin;
use schemas::terms::{Entitlement, Terms};
use schemas::text::Text;
use serde::{Deserialize, Serialize};

use crate::chain::{self, Head};
use crate::coded::Coded;
use crate::evidence::Chain;
use crate::keys::SecretKey;
use crate::license_key;
use crate::periods::{self, Seal};
use crate::recovery::Recovery;
use crate::rows::Rows;
use crate::trust::TrustedIssuer;

/// What the ledger holds of one licence. All of it follows from the licence's authority chain and device chains.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct License {
    /// The licence.
    pub id: LicenseId,
    /// The product.
    pub product: Text,
    /// The environment.
    pub environment: Text,
    /// The public part of its key.
    pub key: KeyReference,
    /// The customer.
    pub customer: CustomerId,
    /// The name of the policy that it was issued from.
    pub policy: Text,
    /// When it was issued.
    pub issued_at: Micros,
    /// Whether it stands.
    pub standing: Standing,
    /// The terms in force.
    pub terms: Terms,
    /// The authority chain's epoch.
    pub epoch: Epoch,
    /// The authority chain's head.
    pub head: Head,
    /// The `at` of its last event.
    pub last_at: Micros,
    /// What was decided about each device chain.
    #[serde(skip)]
    pub activations: BTreeMap<ChainId, Activation>,
    /// What each device chain proves.
    #[serde(skip)]
    pub chains: BTreeMap<ChainId, Chain>,
    /// The forks that were recorded: of each chain the earliest place.
    pub forks: BTreeMap<ChainId, RecordedFork>,
    /// The periods that are sealed.
    pub periods: BTreeMap<(FeatureNumber, Period), Seal>,
    /// What was taken back after the ledger was restored from a backup.
    pub recovery: Recovery,
    /// What devices told by codes.
    #[serde(default)]
    pub coded: Coded,
}

/// A fork as the authority chain records it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RecordedFork {
    /// The place at which the histories part, as early as it is known.
    pub seq: Seq,
    /// The place of the `chain.forked` that says so.
    pub recorded: Seq,
    /// When it was recorded.
    pub at: Micros,
}

/// Whether a licence stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Standing {
    /// It stands.
    Active,
    /// It was suspended.
    Suspended,
    /// It was revoked for good.
    Revoked,
}

impl Standing {
    /// The word that people read and type.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Revoked].into_iter().find(|standing| standing.word() == word)
    }
}

/// What was decided about one device chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Activation {
    /// The status of the newest grant.
    pub status: GrantStatus,
    /// The code that says why.
    pub reason: Option<Text>,
    /// When a seat was first given.
    pub granted_at: Option<Micros>,
    /// Whether any grant had its device go on with a successor; see [`GrantBody::promises_heal`].
    pub told_to_heal: bool,
    /// How it ended.
    pub released: Option<Released>,
    /// The newest grant.
    pub grant: GrantPlace,
    /// How far the newest grant acknowledges the chain.
    pub ack: Ack,
    /// When the device must be heard of again.
    pub sync_by: Option<Micros>,
    /// The first instant at which the newest grant can no longer be applied.
    pub import_until: Option<Micros>,
    /// The first instant at which no grant that was given out lets the device run any more: the latest check-in deadline
    /// with the grace and the clock tolerance that were granted with it. Absent: no active grant was given out, or one
    /// without a deadline.
    pub runs_until: Option<Micros>,
    /// The epoch in which events of the device were last taken in.
    pub heard_in: Epoch,
    /// Whether its seat came back with a grant that a restore had lost.
    pub taken_back: bool,
    /// G and X by feature and period.
    pub quotas: BTreeMap<(FeatureNumber, Period), Quota>,
}

impl Activation {
    /// Whether it was given a seat and still has it.
    pub fn holds_seat(&self) -> bool {
        self.granted_at.is_some() && self.released.is_none()
    }

    /// Whether it takes a seat at `now`.
    pub fn takes_seat(&self, now: Micros) -> bool {
        match &self.released {
            Some(released) => now < released.seat_free_at,
            None => self.granted_at.is_some(),
        }
    }

    /// Whether at `now` the newest grant comes too late to be applied. One that is written at this very instant does not.
    pub fn is_answer_late(&self, now: Micros) -> bool {
        self.grant.at < now && self.import_until.is_some_and(|until| until <= now)
    }

    /// Takes in until when an active grant lets the device run. Which of its grants a device holds to, nobody can know.
    fn allow_until(&mut self, until: Option<Micros>) {
        self.runs_until = match self.granted_at {
            None => until,
            Some(_) => self.runs_until.zip(until).map(|(known, until)| known.max(until)),
        };
    }
}

/// How an activation ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Released {
    /// When.
    pub at: Micros,
    /// Why.
    pub why: ReleaseReason,
    /// From when the seat is free.
    pub seat_free_at: Micros,
}

/// Where a grant stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantPlace {
    /// The authority chain's epoch.
    pub epoch: Epoch,
    /// The place.
    pub seq: Seq,
    /// When it was issued.
    pub at: Micros,
}

/// Reserved quota of one chain in one period.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Quota {
    /// G: granted.
    pub granted: Total,
    /// X: written off.
    pub written_off: Total,
    /// The part of G that only came back with grants that a restore had lost.
    pub taken_back: Total,
}

impl Quota {
    /// Takes in what a grant states of G and X: neither ever falls.
    pub(crate) fn raise(&mut self, granted: Total, written_off: Total) {
        self.granted = self.granted.max(granted);
        self.written_off = self.written_off.max(written_off);
    }

    /// Takes in what a grant states that comes back after a restore, and says whether units came with it.
    fn take_back(&mut self, granted: Total, written_off: Total) -> bool {
        let lost = granted.get().saturating_sub(self.granted.get());
        self.taken_back = self.taken_back.saturating_plus(lost);
        self.raise(granted, written_off);
        lost > 0
    }
}

impl License {
    /// The licence as its first event leaves it.
    pub fn issued(origin: &AuthorityOrigin, at: Micros, issued: &LicenseIssued) -> Self {
        Self {
            id: origin.license,
            product: origin.product.clone(),
            environment: origin.environment.clone(),
            key: issued.key,
            customer: issued.customer,
            policy: issued.policy.clone(),
            issued_at: at,
            standing: Standing::Active,
            terms: issued.terms.clone(),
            epoch: origin.epoch,
            head: Head::START,
            last_at: Micros::default(),
            activations: BTreeMap::new(),
            chains: BTreeMap::new(),
            forks: BTreeMap::new(),
            periods: BTreeMap::new(),
            recovery: Recovery::default(),
            coded: Coded::default(),
        }
    }

    /// Folds the next event of the authority chain, whose link becomes the head. The caller has set the epoch to that
    /// of the event's chain.
    pub fn apply(&mut self, head: Head, event: &Event, rows: &mut Rows) {
        self.head = head;
        self.last_at = event.at;
        let takes_back = self.recovery.taking_back;
        self.recovery.apply(self.epoch, head, &event.body);
        rows.chains.extend(self.coded.apply(self.epoch, head.seq, event));
        match &event.body {
            Body::EntitlementChanged(changed) => {
                self.terms = changed.terms.clone();
                self.recovery.note_limits(&self.terms.rules.quotas);
            }
            Body::LicenseSuspended(_) => self.standing = Standing::Suspended,
            Body::LicenseResumed(_) => self.standing = Standing::Active,
            Body::LicenseRevoked(_) => self.standing = Standing::Revoked,
            Body::ActivationReleased(released) => self.apply_release(event.at, released, rows),
            Body::ChainForked(forked) => self.apply_fork(head.seq, event.at, forked, rows),
            Body::GrantIssued(grant) => {
                self.apply_grant(head.seq, event.at, grant, takes_back, rows);
                self.apply_quotas(grant, takes_back);
            }
            Body::QuotaWrittenOff(written_off) => {
                if let Some(activation) = self.activations.get_mut(&written_off.chain) {
                    let quota =
                        activation.quotas.entry((written_off.feature, written_off.period)).or_default();
                    quota.written_off = quota.written_off.max(written_off.total);
                    rows.chains.insert(written_off.chain);
                }
            }
            Body::PeriodSealed(sealed) => periods::apply_seal(self, head.seq, event.at, sealed),
            Body::UsageAdjusted(adjusted) => periods::apply_adjustment(self, adjusted),
            _ => {}
        }
    }

    /// The earliest place at which a device chain's histories are known to part: by its branches, or by the record of a
    /// contradiction of which only one side is attached.
    pub fn fork_of(&self, chain: &ChainId) -> Option<Seq> {
        let parted = self.chains.get(chain).and_then(|chain| chain.fork).map(|fork| fork.seq);
        let recorded = self.forks.get(chain).map(|fork| fork.seq);
        parted.into_iter().chain(recorded).min()
    }

    /// The device chains whose histories part.
    pub fn forked(&self) -> impl Iterator<Item = ChainId> {
        self.chains.keys().filter(|chain| self.fork_of(chain).is_some()).copied()
    }

    /// The name of the authority chain.
    pub fn authority_chain(&self) -> ChainId {
        chain::authority_chain(&self.product, &self.environment, &self.id, self.epoch)
    }

    /// Whether it is its product's trial: one licence for all devices that try the product, each for a time of its own.
    pub fn is_trial(&self) -> bool {
        license_key::is_trial(self.key, self.product.as_str())
    }

    /// What the licence grants to one device. A trial's dates run from the device's own first grant, which is made at
    /// `now` unless it was made before, to the chain or to one that it goes on for.
    pub fn entitlement_of(&self, chain: &ChainId, now: Micros) -> Entitlement {
        let mut entitlement = self.terms.entitlement.clone();
        if let (true, Some(valid_for)) = (self.is_trial(), self.terms.valid_from_activation) {
            let tried_from = self.tried_from(chain).unwrap_or_else(|| self.next_at(now));
            start(&mut entitlement, tried_from, valid_for);
        }
        entitlement
    }

    fn tried_from(&self, chain: &ChainId) -> Option<Micros> {
        let lineage = std::iter::successors(Some(*chain), |chain| self.chains.get(chain)?.follows);
        let granted_at = |chain| self.activations.get(&chain)?.granted_at;
        lineage.take(LINEAGE).filter_map(granted_at).min()
    }

    /// When the next event of the authority chain is written: at `now`, or just after the one before it.
    pub fn next_at(&self, now: Micros) -> Micros {
        now.max(Micros::new(self.last_at.get() + 1))
    }

    /// From when a device that was not heard of counts as silent: check-in deadline, grace and clock tolerance have
    /// passed, as its own grants state them. What the licence says now does not matter: the device may not know it.
    /// Absent: the device has no deadline.
    pub fn silent_from(&self, chain: &ChainId) -> Option<Micros> {
        self.activations.get(chain)?.runs_until
    }

    /// Whether a device counts as silent at `now`.
    pub fn is_silent(&self, chain: &ChainId, now: Micros) -> bool {
        self.silent_from(chain).is_some_and(|from| from <= now)
    }

    /// Seats taken at `now`.
    pub fn seats_taken(&self, now: Micros) -> usize {
        self.activations.values().filter(|activation| activation.takes_seat(now)).count()
    }

    /// Since when its device has a seat, if a grant issued at `at` is the first known to give it. A trial's dates say it:
    /// they run from the first grant of all, which a backup may have lost.
    pub(crate) fn seated_since(&self, grant: &GrantBody, at: Micros) -> Micros {
        let runs_from_grant = self.is_trial() && self.terms.valid_from_activation.is_some();
        let starts_at = grant.entitlement.as_ref().map(|entitlement| entitlement.starts_at);
        starts_at.filter(|_| runs_from_grant).map_or(at, |starts_at| starts_at.min(at))
    }

    /// Whether the device ended its chain, as its events or a code of it tell.
    pub fn is_closed(&self, chain: &ChainId) -> bool {
        let proved = self.chains.get(chain).is_some_and(|chain| chain.closed_at.is_some());
        proved || self.coded.is_closed(chain)
    }

    fn apply_fork(&mut self, recorded: Seq, at: Micros, forked: &ChainForked, rows: &mut Rows) {
        let fork = RecordedFork { seq: forked.seq, recorded, at };
        if self.forks.get(&forked.chain).is_none_or(|known| fork.seq < known.seq) {
            self.forks.insert(forked.chain, fork);
            rows.chains.insert(forked.chain);
        }
    }

    fn apply_release(&mut self, at: Micros, released: &ActivationReleased, rows: &mut Rows) {
        rows.chains.insert(released.chain);
        if let Some(activation) = self.activations.get_mut(&released.chain) {
            activation.released =
                Some(Released { at, why: released.why, seat_free_at: released.seat_free_at });
        }
    }

    fn apply_grant(&mut self, seq: Seq, at: Micros, grant: &GrantBody, takes_back: bool, rows: &mut Rows) {
        let place = GrantPlace { epoch: grant.epoch, seq, at };
        let seated_since = self.seated_since(grant, at);
        let activation = self.activations.entry(grant.device).or_insert_with(|| Activation {
            status: grant.status,
            reason: None,
            granted_at: None,
            told_to_heal: false,
            released: None,
            grant: place,
            ack: Ack::NONE,
            sync_by: None,
            import_until: None,
            runs_until: None,
            heard_in: Epoch::default(),
            taken_back: false,
            quotas: BTreeMap::new(),
        });
        activation.status = grant.status;
        activation.reason.clone_from(&grant.reason);
        activation.grant = place;
        activation.told_to_heal |= grant.promises_heal();
        activation.ack = grant.ack;
        activation.sync_by = grant.check_in.sync_by;
        activation.import_until = grant.import_until;
        if grant.status == GrantStatus::Active {
            activation.allow_until(runs_until(grant));
            activation.taken_back |= takes_back && activation.granted_at.is_none();
            activation.granted_at.get_or_insert(seated_since);
        }
        if !grant.took_in.is_empty() {
            activation.heard_in = grant.epoch;
        }
        rows.chains.insert(grant.device);
    }

    /// Takes in what a grant says of G and X; `takes_back` where it comes back after a restore.
    pub(crate) fn apply_quotas(&mut self, grant: &GrantBody, takes_back: bool) {
        let Some(activation) = self.activations.get_mut(&grant.device) else { return };
        for line in &grant.quotas {
            for period in line_periods(line) {
                let quota = activation.quotas.entry((line.feature, period)).or_default();
                if !takes_back {
                    quota.raise(line.granted, line.written_off);
                } else if quota.take_back(line.granted, line.written_off) {
                    self.recovery.note_units(line.feature, &self.terms.rules.quotas);
                }
            }
        }
    }
}

/// Until when an active grant lets its device run; absent: without end.
pub(crate) fn runs_until(grant: &GrantBody) -> Option<Micros> {
    grant.check_in.overdue_at().map(|overdue_at| overdue_at + grant.clock_tolerance)
}

/// Lets validity begin at `start`; maintenance ends as long after it as was said when the licence was issued.
pub(crate) fn start(entitlement: &mut Entitlement, start: Micros, valid_for: Seconds) {
    let issued_start = entitlement.starts_at;
    entitlement.starts_at = start;
    entitlement.valid_until = Some(start + valid_for);
    entitlement.maintenance_until = entitlement
        .maintenance_until
        .map(|until| Micros::new(start.get().saturating_add(until.since(issued_start))));
}

/// Chains of one device that follow each other, as far as they are looked at.
const LINEAGE: usize = 64;

/// Periods of one line that are written out; a grant never reserves further ahead.
const LINE_PERIODS: usize = 512;

/// The periods of a quota line.
pub fn line_periods(line: &QuotaLine) -> impl Iterator<Item = Period> {
    let last = line.last;
    std::iter::successors(Some(line.first), |period| Some(period.next()).filter(|next| next != period))
        .take_while(move |period| *period <= last)
        .take(LINE_PERIODS)
}

/// The key that signs for the vendor, with its certificate.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The secret key.
    pub key: SecretKey,
    /// The certificate that the root key signed for it.
    pub certificate: TrustedIssuer,
}
