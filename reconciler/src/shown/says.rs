//! What an event says, in a few words: the fields that matter to a reader of a history.

use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, LicenseIssued, PeriodSealed, UsageAdjusted};
use schemas::event::device::ChainClosed;
use schemas::grant::{Ack, GrantBody};
use schemas::ids::ChainId;
use schemas::numbers::{Epoch, Seq};
use schemas::pack::ProductFeature;
use schemas::terms::{Entitlement, Terms};

use super::words;

/// The fields of an event that matter; empty where its kind says all.
pub(crate) fn says(body: &Body, features: &[ProductFeature]) -> String {
    let name = |number| words::feature_name(features, number);
    match body {
        Body::ChainOpened(opened) => format!("{} ({}), {}", opened.product, opened.environment, opened.agent),
        Body::ActivationRequested(requested) => format!("by {}", requested.claim.word().replace('_', " ")),
        Body::GrantApplied(applied) => place(applied.epoch, applied.seq),
        Body::GrantRefused(refused) => format!("{}: {}", place(refused.epoch, refused.seq), refused.code),
        Body::FeatureConsumed(used) => format!("{} of {} in {}", used.n, name(used.feature), used.period),
        Body::FeatureRefunded(back) => format!("{} of {} in {}", back.n, name(back.feature), back.period),
        Body::QuotaReturned(back) => format!("{} of {} for {}", back.n, name(back.feature), back.period),
        Body::VariableSet(set) => set.name.to_string(),
        Body::ClockNoted(noted) => format!("expected {}, stood at {}", noted.expected, noted.wall),
        Body::FingerprintChanged(changed) => format!("{} components still match", changed.matched),
        Body::CodeIssued(issued) => format!("kind {}", issued.code),
        Body::ChainClosed(closed) => chain_closed(closed),
        Body::LeaseOpened(lease) => format!("{} of {} until {}", lease.n, name(lease.pool), lease.until),
        Body::LeaseClosed(lease) => lease.end.to_string(),
        Body::BorrowOpened(borrow) => format!("{} of {} until {}", borrow.n, name(borrow.pool), borrow.until),
        Body::UsageHour(hour) => {
            format!("{} from {}: peak {}, denied {}", name(hour.pool), hour.hour, hour.peak, hour.denials)
        }
        Body::LicenseIssued(issued) => license_issued(issued),
        Body::EntitlementChanged(changed) => terms(&changed.terms),
        Body::ActivationReleased(released) => activation_released(released),
        Body::GrantIssued(grant) => grant_issued(grant),
        Body::QuotaWrittenOff(off) => {
            let overridden = overridden(off.overridden);
            format!(
                "{}: {} of {} in {}{overridden}",
                short(&off.chain),
                off.total,
                name(off.feature),
                off.period
            )
        }
        Body::ChainForked(forked) => format!("{} at event {}", short(&forked.chain), forked.seq),
        Body::UsageAdjusted(adjusted) => usage_adjusted(adjusted, &name(adjusted.feature)),
        Body::PeriodSealed(sealed) => period_sealed(sealed, &name(sealed.feature)),
        Body::AuthorityRestored(restored) => {
            format!("after event {} of epoch {}", restored.seq, restored.epoch)
        }
        Body::AttachmentErased(erased) => format!("{} values", erased.commitments.len()),
        Body::CodeReceived(received) => {
            format!("a {} code of {}", received.code.kind().word(), short(&received.chain))
        }
        Body::PassedOver(kind, _) => format!("kind {}, written by a newer version", kind.0),
        Body::AgentStarted(_)
        | Body::BorrowReturned(_)
        | Body::LicenseSuspended(_)
        | Body::LicenseResumed(_)
        | Body::LicenseRevoked(_)
        | Body::ProductDefined(_)
        | Body::PolicyDefined(_)
        | Body::PackPublished(_)
        | Body::IssuerCertified(_)
        | Body::IssuerRevoked(_)
        | Body::OperatorChanged(_)
        | Body::CustomerDefined(_) => String::new(),
    }
}

fn short(chain: &ChainId) -> String {
    chain.to_string()[..8].to_owned()
}

fn place(epoch: Epoch, seq: Seq) -> String {
    match epoch {
        Epoch(0) => format!("grant {seq}"),
        epoch => format!("grant {seq} of epoch {epoch}"),
    }
}

fn chain_closed(closed: &ChainClosed) -> String {
    match &closed.successor {
        Some(successor) => format!("{}, {} goes on", closed.reason, short(successor)),
        None => closed.reason.to_string(),
    }
}

fn license_issued(issued: &LicenseIssued) -> String {
    format!("policy {}, {}", issued.policy, terms(&issued.terms))
}

fn terms(terms: &Terms) -> String {
    let Entitlement { revision, kind, valid_until, features, .. } = &terms.entitlement;
    let until = match terms.valid_from_activation {
        Some(span) => format!("valid {} from the first activation", words::span(span)),
        None => format!("valid until {}", words::or(valid_until.map(words::second), "further notice")),
    };
    format!("{kind}, revision {revision}, {until}, features {}", words::features(features))
}

fn activation_released(released: &ActivationReleased) -> String {
    let ActivationReleased { chain, why, seat_free_at, overridden: is_overridden, .. } = released;
    let overridden = overridden(*is_overridden);
    format!("{}: {why}, seat free at {}{overridden}", short(chain), words::second(*seat_free_at))
}

fn overridden(is_overridden: bool) -> &'static str {
    if is_overridden { ", overridden" } else { "" }
}

fn grant_issued(grant: &GrantBody) -> String {
    let status = match &grant.reason {
        Some(reason) => format!("{} ({reason})", grant.status),
        None => grant.status.to_string(),
    };
    let acknowledged = match grant.ack {
        Ack::NONE => "nothing acknowledged".to_owned(),
        ack => format!("acknowledged up to event {}", ack.seq),
    };
    let check_in =
        words::or(grant.check_in.sync_by.map(|at| format!(", check-in by {}", words::second(at))), "");
    format!("{}: {status}, {acknowledged}{check_in}", short(&grant.device))
}

fn usage_adjusted(adjusted: &UsageAdjusted, feature: &str) -> String {
    let UsageAdjusted { period, added, removed, .. } = adjusted;
    format!("{feature} in {period}: {added} added, {removed} taken off")
}

fn period_sealed(sealed: &PeriodSealed, feature: &str) -> String {
    let PeriodSealed { period, used, silent, gaps, forks, .. } = sealed;
    format!("{feature} in {period}: {used} used; {silent} silent, {gaps} with gaps, {forks} forked")
}
