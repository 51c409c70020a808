//! Codes that are typed for devices which nothing else comes from: taken in, and answered by a code.
//!
//! A code is one of the two messages: a request or a report goes onto the licence's authority chain as it was typed, and what
//! answers it is a grant like any other, told as the policy of the device's pack lets a code tell it. The unlock code follows
//! from that grant, so it can be shown again.

mod told;

use std::num::NonZeroU16;

use ledger::authority::License;
use ledger::catalog::Catalog;
use ledger::coded::CodedDevice;
use ledger::codes::telling::{self, Telling};
use ledger::codes::{self, request, returned, unlock};
use ledger::draft::Draft;
use ledger::license_key::LicenseKey;
use ledger::{grants, refold, seats};
use schemas::codes::Code;
use schemas::event::authority::{CodeReceived, EntitlementChanged};
use schemas::event::{Body, Event};
use schemas::grant::{GrantBody, GrantStatus, Revocations};
use schemas::ids::{ChainId, Digest, LicenseId};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seq, Total};
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::run::DeviceOrigin;
use schemas::terms::Policy;
use schemas::text::Text;
use schemas::typed::{Day, Kind, RequestFields, ReturnStart, TypedCode};

pub use self::told::{Basis, ToldHead, contradictions};
use super::Vendor;
use super::licenses::refuse_too_long;
use crate::store::{StoreError, feature_names};

/// What an operator may set of an unlock code.
#[derive(Clone, Copy, Debug, Default)]
pub struct CodeTerms {
    /// The number of the pack's policy that is unlocked; the licence is changed to it where it grants something else. Absent: the
    /// one that gives what the licence grants.
    pub policy: Option<u16>,
    /// Days after which the code's validity ends, where that is sooner than the licence's end.
    pub valid_days: Option<NonZeroU16>,
}

/// A code that was taken in, with its answer.
#[derive(Debug)]
pub struct AnsweredCode {
    /// The licence.
    pub license: LicenseId,
    /// The device chain.
    pub chain: ChainId,
    /// What the device is told.
    pub status: GrantStatus,
    /// The policy that the code unlocks.
    pub policy: Text,
    /// The first instant after validity; absent: without end.
    pub valid_until: Option<Micros>,
    /// When the device must be heard of again.
    pub sync_by: Option<Micros>,
    /// Whether the code had been taken in before: the answer is the same again.
    pub is_repeat: bool,
    /// Whether it told that the device ended its activation.
    pub closing: bool,
    /// What it told was used.
    pub usage: Vec<CodeUsage>,
    /// Days of which a return code is missing before this one, each the last of a period: the check-in deadline stays what it was
    /// until they are told.
    pub untold: Vec<Micros>,
    /// The unlock code.
    pub unlock: TypedCode,
}

/// What a return code tells was used of a feature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeUsage {
    /// The feature.
    pub feature: Text,
    /// The period.
    pub period: Period,
    /// Units, net of refunds.
    pub total: Total,
}

/// A pack as it was published.
#[derive(Debug)]
struct Published {
    version: u32,
    digest: Digest,
    policies: Vec<Policy>,
}

/// A code that was believed.
struct Taken<'a> {
    code: &'a TypedCode,
    origin: DeviceOrigin,
    chain: ChainId,
    terms: CodeTerms,
}

impl Taken<'_> {
    /// The event that says so.
    fn received(&self) -> Body {
        Body::CodeReceived(Box::new(CodeReceived { chain: self.chain, code: self.code.clone() }))
    }
}

impl Vendor {
    /// Answers a request code that was typed with the licence's key.
    ///
    /// # Errors
    /// `license_not_found`; those of [`request::verify`]; `code_pack_unknown` for a pack that this home did not publish,
    /// `code_stale` for a request that others followed, `code_policy`; why the device is denied; `license_expired`, `code_unfit`.
    pub fn answer_code(
        &mut self,
        code: &TypedCode,
        key: &LicenseKey,
        terms: CodeTerms,
    ) -> Result<AnsweredCode, Refusal> {
        let license = self.license_of_holder(&key.reveal())?;
        let request =
            request::verify(code, key).map_err(|error| Refusal::from_error(error.code(), &error))?;
        let pack = self.published(&license.product, request.fields().pack_version)?;
        let origin = request.origin().clone();
        self.answer(&license, &Taken { code, origin, chain: request.chain(), terms }, &pack)
    }

    /// Takes a return code in and answers it.
    ///
    /// # Errors
    /// `code_chain_unknown`; those of [`returned::verify`]; `code_stale`, and otherwise as [`Self::answer_code`].
    pub fn take_code(&mut self, code: &TypedCode, terms: CodeTerms) -> Result<AnsweredCode, Refusal> {
        let start = ReturnStart::read(code).map_err(|error| Refusal::from_error(error.code(), &error))?;
        let sealing = self.home.sealing_secret()?;
        let mut refused = Refusal::new(Code::CodeChainUnknown, start.chain.to_string());
        for (license, chain) in self.store.coded_chains(Some(&start.chain))? {
            let Some(license) = self.store.license(&license)? else { continue };
            let Some(device) = license.coded.device(&chain) else { continue };
            let origin = DeviceOrigin { signer: device.signer, reference: license.key };
            let verified = metered(device, &start).and_then(|metered| {
                let verified = returned::verify(code, &origin, &sealing, metered);
                verified.map_err(|error| Refusal::from_error(error.code(), &error))
            });
            match verified {
                Ok(verified) => {
                    let pack = self.published(&license.product, device.pack_version)?;
                    let told: Vec<_> = device.told(verified.fields()).collect();
                    let untold = device.untold(verified.fields());
                    let taken = Taken { code, origin, chain, terms };
                    let closing = verified.fields().closing;
                    let answered = self.answer(&license, &taken, &pack)?;
                    let usage = self.usage_of(&license, told)?;
                    let untold = if answered.is_repeat { Vec::new() } else { untold };
                    return Ok(AnsweredCode { closing, usage, untold, ..answered });
                }
                Err(refusal) => refused = refusal,
            }
        }
        Err(refused)
    }

    fn answer(
        &mut self,
        license: &License,
        taken: &Taken<'_>,
        pack: &Published,
    ) -> Result<AnsweredCode, Refusal> {
        let revocations = self.store.revocations()?;
        let (chain, now) = (taken.chain, self.now);
        let mut repeated = false;
        let answered = self.change_license(&license.id, None, |draft| {
            repeated = take_in(draft, taken, pack, now, &revocations)?;
            Ok(())
        });
        let after = answered.or_else(|refusal| Err(self.keep_evidence(license, taken, refusal)?))?;
        if let Some(denial) = denial(&after, &chain) {
            return Err(denial);
        }
        let told = self.told(&after, taken, pack)?;
        Ok(AnsweredCode {
            license: after.id,
            chain,
            status: told.body.status,
            policy: told.policy.name.clone(),
            valid_until: told.body.entitlement.as_ref().and_then(|entitlement| entitlement.valid_until),
            sync_by: told.body.check_in.sync_by,
            is_repeat: repeated,
            closing: false,
            usage: Vec::new(),
            untold: Vec::new(),
            unlock: told.unlock,
        })
    }

    /// Takes in what a return tells although no code can answer it: what was used is evidence, whatever became of the licence.
    fn keep_evidence(
        &mut self,
        license: &License,
        taken: &Taken<'_>,
        refusal: Refusal,
    ) -> Result<Refusal, Refusal> {
        let untold = matches!(refusal.code(), Code::LicenseExpired | Code::CodePolicy | Code::CodeUnfit);
        if !untold || taken.code.kind() != Kind::Return {
            return Ok(refusal);
        }
        let digest = codes::digest(taken.code);
        self.change_license(&license.id, None, |draft| {
            let known = draft.license().coded.device(&taken.chain);
            if known.is_some_and(|device| device.last != digest) {
                draft.write(taken.received())?;
            }
            Ok(())
        })?;
        let detail = refusal.detail();
        let why = if detail.is_empty() { String::new() } else { format!("{detail}; ") };
        Ok(Refusal::new(refusal.code(), format!("{why}what the code tells was taken in")))
    }

    /// The unlock code of the newest grant of a chain.
    fn told<'p>(
        &mut self,
        license: &License,
        taken: &Taken<'_>,
        pack: &'p Published,
    ) -> Result<Told<'p>, Refusal> {
        let grant = self.grant(&license.id, &taken.chain)?;
        let (at, body) = body_of(&grant.core)?;
        let policy = pack.policy(body.typed.map(|typed| typed.policy)).ok_or(Code::CodePolicy)?;
        let purpose = unlock::Purpose::of(&taken.origin, pack.digest, codes::digest(taken.code));
        let key = self.home.code_key(&license.product, pack.version);
        let unlock = telling::fields(&body, grant.seq, at, policy)
            .and_then(|fields| unlock::write(&fields, &purpose, &key))
            .map_err(|unfit| Refusal::from_error(unfit.code(), &unfit))?;
        Ok(Told { body, policy, unlock })
    }

    /// A product's pack of a version, from the catalog as it stood when it was published.
    fn published(&mut self, product: &Text, version: u32) -> Result<Published, Refusal> {
        let mut catalog = Catalog::default();
        for run in self.store.catalog_runs()? {
            for (_, event) in refold::events(&run).map_err(StoreError::from)? {
                match &event.body {
                    Body::PackPublished(pack) if pack.product == *product && pack.version == version => {
                        let policies = catalog.air_gapped(product).cloned().collect();
                        return Ok(Published { version, digest: pack.digest, policies });
                    }
                    _ => catalog.apply(run.head, &event),
                }
            }
        }
        let why = format!("no pack {version} of {product} was published here");
        Err(Refusal::new(Code::CodePackUnknown, why))
    }

    fn usage_of(
        &mut self,
        license: &License,
        told: Vec<(FeatureNumber, Period, Total)>,
    ) -> Result<Vec<CodeUsage>, Refusal> {
        let names = feature_names(&self.catalog()?);
        let name = |number| names.get(&(license.product.to_string(), number)).cloned();
        let told = told.into_iter().filter_map(|(feature, period, total)| {
            Some(CodeUsage { feature: name(feature)?, period, total })
        });
        Ok(told.collect())
    }
}

/// What a device is told.
struct Told<'p> {
    body: GrantBody,
    policy: &'p Policy,
    unlock: TypedCode,
}

impl Published {
    fn policy(&self, number: Option<u16>) -> Option<&Policy> {
        self.policies.iter().find(|policy| number.is_some() && policy.air_gapped == number)
    }

    /// The policy that a code of the licence unlocks.
    fn choose(&self, license: &License, wanted: Option<u16>) -> Result<&Policy, Refusal> {
        if wanted.is_some() {
            return self.policy(wanted).ok_or_else(|| self.no_policy());
        }
        let mut fitting = self.policies.iter().filter(|policy| telling::gives(policy, &license.terms));
        let named = fitting.clone().find(|policy| policy.name == license.policy);
        named.or_else(|| fitting.next()).ok_or_else(|| self.no_policy())
    }

    fn no_policy(&self) -> Refusal {
        let known = self.policies.iter().filter_map(|policy| Some((policy.air_gapped?, &policy.name)));
        let known: Vec<String> = known.map(|(number, name)| format!("{number} {name}")).collect();
        let why = format!("pack {} holds: {}", self.version, known.join(", "));
        Refusal::new(Code::CodePolicy, why)
    }
}

/// Takes a code in and writes what answers it, unless that is written. Returns whether the code had been taken in before.
fn take_in(
    draft: &mut Draft<'_>,
    taken: &Taken<'_>,
    pack: &Published,
    now: Micros,
    revocations: &Revocations,
) -> Result<bool, Refusal> {
    let (chain, digest) = (taken.chain, codes::digest(taken.code));
    let known = draft.license().coded.device(&chain);
    let is_last = known.is_some_and(|device| device.last == digest);
    if is_last && is_answered(draft.license(), &chain, now) {
        return Ok(true);
    }
    let is_asked_again = is_asked_again(draft.license(), taken, &digest);
    if !is_asked_again && known.is_some_and(|device| is_stale(device, taken.code, &digest)) {
        return Err(Code::CodeStale.into());
    }
    let is_repeat = is_last || is_asked_again;
    let told = known.and_then(|device| Some((device, device.read_return(taken.code)?)));
    refuse_day(draft.license(), told.as_ref().map(|(_, fields)| fields.day))?;
    // A request tells nothing of use, and a return that leaves some out gains no time. What was never granted has no deadline
    // that could stay.
    let is_whole = told.is_some_and(|(device, fields)| device.untold(&fields).is_empty());
    let is_granted = draft.license().activations.get(&chain).is_some_and(|it| it.granted_at.is_some());
    let keeps_deadline = is_granted && (is_repeat || !is_whole);
    if !is_last {
        draft.write(taken.received())?;
    }
    let policy = pack.choose(draft.license(), taken.terms.policy)?;
    let is_changed = taken.terms.policy.is_some() && change_to(draft, policy)?;
    let telling = Telling { policy, answers: digest, valid_days: taken.terms.valid_days };
    grants::issue_by_code(draft, chain, revocations.clone(), telling, keeps_deadline)?;
    // A device that gets nothing changes no licence.
    if let Some(denial) = denial(draft.license(), &chain).filter(|_| is_changed) {
        return Err(denial);
    }
    refuse_untold(draft, &chain, policy)?;
    Ok(is_repeat)
}

/// Refuses a return for a day before there was a licence: nothing can have been used on it.
fn refuse_day(license: &License, day: Option<Day>) -> Result<(), Refusal> {
    match day {
        Some(day) if day.end() <= license.issued_at => {
            Err(Refusal::new(Code::CodeDay, format!("it tells of {day}")))
        }
        _ => Ok(()),
    }
}

/// Whether a request that was taken in before others asks again: because a restored ledger may lack what its device applied since,
/// or for a pack that is not the last one. A device has one request for each pack, so it can only show the same again.
fn is_asked_again(license: &License, taken: &Taken<'_>, digest: &Digest) -> bool {
    let Some(device) = license.coded.device(&taken.chain) else { return false };
    let restored = || license.activations.get(&taken.chain).is_some_and(|it| it.grant.epoch < license.epoch);
    let other_pack =
        || RequestFields::read(taken.code).is_ok_and(|request| request.pack_version != device.pack_version);
    taken.code.kind() == Kind::Request && device.earlier.contains(digest) && (restored() || other_pack())
}

/// Why a device is given nothing, if it is not.
fn denial(license: &License, chain: &ChainId) -> Option<Refusal> {
    let activation = license.activations.get(chain)?;
    let code = activation.reason.as_ref().and_then(|reason| reason.as_str().parse::<Code>().ok());
    (activation.status == GrantStatus::Denied).then(|| Refusal::from(code.unwrap_or(Code::NotActivated)))
}

/// Refuses, before anything is stored, what no code can tell.
fn refuse_untold(draft: &Draft<'_>, chain: &ChainId, policy: &Policy) -> Result<(), Refusal> {
    let Some(grant) = draft.grant(chain) else { return Ok(()) };
    let (at, body) = body_of(&grant.core)?;
    if body.status == GrantStatus::Denied {
        return Ok(());
    }
    let until = body.entitlement.as_ref().and_then(|entitlement| entitlement.valid_until);
    if body.status == GrantStatus::Active && until.is_some_and(|until| until <= at) {
        return Err(Code::LicenseExpired.into());
    }
    telling::fields(&body, grant.seq, at, policy)
        .and_then(|fields| fields.check())
        .map_err(|unfit| Refusal::from_error(unfit.code(), &unfit))
}

/// Whether the newest grant of a chain is the code that answered its last one, can still be applied, and is not from before a
/// restore: the device may have applied one since that the ledger lost.
fn is_answered(license: &License, chain: &ChainId, now: Micros) -> bool {
    let Some(activation) = license.activations.get(chain) else { return false };
    let place: (Epoch, Seq) = (activation.grant.epoch, activation.grant.seq);
    let device = license.coded.device(chain);
    let answers = device.map(|device| device.last);
    let told = device.and_then(|device| device.by_code).filter(|told| told.place == place);
    let told = told.filter(|told| answers == Some(told.answers));
    activation.status == seats::decision(license, chain, now).status()
        && activation.status != GrantStatus::Denied
        && !activation.is_answer_late(now)
        && activation.grant.epoch == license.epoch
        && told.is_some_and(|told| told.revision == license.terms.entitlement.revision)
}

/// Whether a code says less than one that was taken in, or was taken in before others.
fn is_stale(device: &CodedDevice, code: &TypedCode, digest: &Digest) -> bool {
    let says_less = device.read_return(code).is_some_and(|fields| device.is_stale(&fields));
    device.earlier.contains(digest) || says_less
}

/// Changes the licence to what the policy grants and asks, where that is something else.
/// Returns whether it did.
fn change_to(draft: &mut Draft<'_>, policy: &Policy) -> Result<bool, Refusal> {
    let terms = &draft.license().terms;
    if telling::gives(policy, terms) && terms.rules == policy.rules {
        return Ok(false);
    }
    let terms = telling::changed_to(policy, terms);
    refuse_too_long(&terms)?;
    draft.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })))?;
    Ok(true)
}

/// By how many metered features a return goes.
fn metered(device: &CodedDevice, start: &ReturnStart) -> Result<usize, Refusal> {
    let place = start.applied.map(|place| (place.epoch, place.seq));
    if device.heads.last().is_some_and(|last| place < last.applied) {
        return Err(Code::CodeStale.into());
    }
    // A restored ledger may lack the grant; without it, not even the code's length is known.
    let known = place.and_then(|place| device.metered.get(&place));
    known.map(Vec::len).ok_or_else(|| {
        let lacking = "the grant that the device applied last";
        Refusal::new(Code::CodeChainUnknown, lacking)
    })
}

fn body_of(core: &[u8]) -> Result<(Micros, GrantBody), Refusal> {
    match Event::decode(core) {
        Ok(Event { at, body: Body::GrantIssued(body) }) => Ok((at, *body)),
        _ => Err(Code::Failed.into()),
    }
}
