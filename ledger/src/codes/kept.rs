//! An unlock code as the grant that its device keeps: what the code says and the policy of the pack that it names make the same
//! state that a file would have brought. The grant is proved by the code, which stands in it beside the pack; it never travels.

use schemas::canonical::{self, DecodeError};
use schemas::event::{Body, Event};
use schemas::grant::{Ack, CheckIn, CodeProof, Grant, GrantBody, GrantStatus, Revocations, Typed};
use schemas::ids::{CertificateId, ChainId, Digest, KeyReference, LicenseId, Link, PublicKey};
use schemas::numbers::FeatureNumber;
use schemas::pack::{Pack, PackBody};
use schemas::period::Period;
use schemas::run;
use schemas::terms::{Entitlement, OnFork, Policy};
use schemas::typed::{TypedCode, UnlockCode, UnlockFields, UnlockState};
use sha2::{Digest as _, Sha256};

use super::hard;
use super::telling::{Dates, share, terms};
use super::unlock::{Purpose, VerifiedUnlock};
use crate::authority::Quota;
use crate::chain;
use crate::keys;
use crate::quotas;
use crate::trust::{self, TrustError, VerifiedGrant};

/// The place of the pack's key that signs codes.
const KEY: u16 = 0;

/// What a device knows of a code that it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'a> {
    /// Its chain.
    pub chain: ChainId,
    /// The public part of the licence key.
    pub reference: KeyReference,
    /// Its pack.
    pub pack: &'a Pack,
    /// What the pack says.
    pub body: &'a PackBody,
    /// The digest of the code that is answered.
    pub answers: Digest,
    /// The place of the event that shows that code.
    pub shown: Ack,
}

impl Keeping<'_> {
    /// The grant that a code stands for which was believed.
    pub fn grant(&self, code: &TypedCode, verified: &VerifiedUnlock) -> Grant {
        self.made(code, verified.fields(), verified.policy(), verified.signature())
    }

    fn made(
        &self,
        code: &TypedCode,
        fields: &UnlockFields,
        policy: &Policy,
        signature: schemas::ids::Signature,
    ) -> Grant {
        let body = self.told(fields, policy);
        let authority = chain::authority_chain(&body.product, &body.environment, &body.license, body.epoch);
        let event = Event { at: fields.issued.start(), body: Body::GrantIssued(Box::new(body)) };
        let proof =
            CodeProof { code: code.clone(), pack: canonical::to_bytes(self.pack), reference: self.reference };
        let certificate = canonical::to_bytes(&proof);
        trust::detach(authority, (fields.place.seq, Link::START), event.encode(), signature, certificate)
    }

    /// What the device is told.
    fn told(&self, fields: &UnlockFields, policy: &Policy) -> GrantBody {
        let rules = &policy.rules;
        let entitlement =
            Entitlement { valid_until: fields.valid_until(), ..terms(policy, fields.starts_at()) };
        let check_in = CheckIn { sync_by: fields.sync_by(), grace: rules.grace, after: rules.after };
        let dates = Dates { issued: fields.issued.start(), entitlement: &entitlement, check_in: &check_in };
        let quotas = quotas::lines(accounts(fields, policy, &dates).collect());
        GrantBody {
            device: self.chain,
            license: stand_in(self.reference),
            product: self.body.product.clone(),
            environment: self.body.environment.clone(),
            epoch: fields.place.epoch,
            status: status(fields.state),
            reason: None,
            entitlement: Some(entitlement),
            check_in,
            import_until: rules.import_for.map(|import_for| fields.issued.end() + import_for),
            clock_tolerance: rules.clock_tolerance,
            fingerprint: rules.fingerprint,
            forked: (fields.state == UnlockState::Frozen).then_some(OnFork::Stop),
            quotas,
            return_requests: Vec::new(),
            floating: None,
            took_in: Vec::new(),
            ack: self.shown,
            missing: Vec::new(),
            resend_from: None,
            revocations: Revocations::default(),
            compact: false,
            typed: Some(Typed { key: KEY, policy: fields.policy, answers: self.answers }),
        }
    }
}

/// Believes a grant that lies in the store of its own device, by the root key alone: one that came as a file, or one that was
/// typed. A file that holds one of the latter is not believed: which code it answers, only its device can say.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(grant: &Grant, root: &PublicKey) -> Result<VerifiedGrant, TrustError> {
    if is_typed(grant) { verify_typed(grant, root) } else { trust::verify_grant(grant, root) }
}

/// Believes a grant that was typed: it is just what its code makes it, and the code is signed for its chain by the key of a pack
/// that the root key signed.
fn verify_typed(grant: &Grant, root: &PublicKey) -> Result<VerifiedGrant, TrustError> {
    if grant.version != run::VERSION {
        return Err(DecodeError::UnknownVersion.into());
    }
    let proof: CodeProof = canonical::from_bytes(&grant.certificate)?;
    let event = Event::decode(&grant.core)?;
    let Body::GrantIssued(body) = event.body else { return Err(DecodeError::UnknownKind.into()) };
    let typed = body.typed.ok_or(DecodeError::OutOfRange)?;
    let pack: Pack = canonical::from_bytes(&proof.pack)?;
    let trusted = trust::verify_pack(&pack)?;
    if trusted.root != *root {
        return Err(TrustError::IssuerUnknown);
    }
    let read = UnlockCode::read_by_length(&proof.code).map_err(|_| DecodeError::OutOfRange)?;
    let key = trusted.code_keys.get(usize::from(KEY)).ok_or(TrustError::IssuerUnknown)?;
    let (chain, reference) = (body.device, proof.reference);
    let purpose = Purpose { chain, reference, pack: trust::pack_digest(&pack), answers: typed.answers };
    if !keys::verify(key, &purpose.signed(&read.signed), &read.signature) {
        return Err(TrustError::SignatureBad);
    }
    let policy = trusted.policies.iter().find(|policy| policy.air_gapped == Some(read.fields.policy));
    let policy = policy.ok_or(TrustError::IssuerOutOfScope)?;
    let keeping =
        Keeping { chain, reference, pack: &pack, body: &trusted, answers: typed.answers, shown: body.ack };
    if keeping.made(&proof.code, &read.fields, policy, read.signature) != *grant {
        return Err(TrustError::ChainMismatch);
    }
    let id = chain::event_id(&grant.chain, grant.seq, &grant.prev, &grant.core);
    let issuer = CertificateId(key.0);
    Ok(VerifiedGrant { body: *body, issued_at: event.at, id, seq: grant.seq, issuer })
}

/// The unlock code that a grant was typed as; nothing for one that came otherwise.
pub fn proof(grant: &Grant) -> Option<CodeProof> {
    is_typed(grant).then(|| canonical::from_bytes(&grant.certificate).ok()).flatten()
}

/// Whether a code stands in the place of the certificate: an array of three elements, where a certificate has two.
fn is_typed(grant: &Grant) -> bool {
    grant.certificate.first() == Some(&0x93)
}

/// The licence is not told by a code: what follows from its key's public part stands for it.
fn stand_in(reference: KeyReference) -> LicenseId {
    let digest = Sha256::new_with_prefix(b"cf/codelicense/1").chain_update(reference.as_bytes()).finalize();
    LicenseId::from_slice(&digest[..16]).expect("a digest is longer")
}

fn status(state: UnlockState) -> GrantStatus {
    match state {
        UnlockState::Active | UnlockState::Frozen => GrantStatus::Active,
        UnlockState::Suspended => GrantStatus::Suspended,
        UnlockState::Revoked => GrantStatus::Revoked,
        UnlockState::Released => GrantStatus::Released,
    }
}

/// The reserved quota that a code tells of: the units of the first period and the policy's share of those that follow.
fn accounts<'a>(
    fields: &'a UnlockFields,
    policy: &'a Policy,
    dates: &'a Dates<'_>,
) -> impl Iterator<Item = ((FeatureNumber, Period), Quota)> + 'a {
    hard(policy).zip(&fields.quotas).flat_map(move |(feature, told)| {
        let share = share(policy, feature.number).filter(|_| told.following);
        let mut periods = dates.periods(feature);
        let first = periods.next().map(|period| (period, told.units.total()));
        let further =
            share.into_iter().flat_map(move |share| periods.clone().map(move |period| (period, share)));
        let of = move |(period, granted)| ((feature.number, period), Quota { granted, ..Quota::default() });
        first.into_iter().chain(further.collect::<Vec<_>>()).map(of)
    })
}
