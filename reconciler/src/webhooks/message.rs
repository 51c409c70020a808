//! What is sent: JSON of a fixed form that says what happened to which licence. It holds identifiers, codes and figures, and
//! never a licence key, a name or anything else that a device or a customer attached.

use ledger::authority::License;
use ledger::happening::Happening;
use schemas::event::authority::ReleaseReason;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, CustomerId, HookId, LicenseId, Link, MessageId};
use schemas::numbers::{FeatureNumber, Micros, Seq};
use schemas::period::Period;
use schemas::webhook::Topic;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Builder;

/// A message as it is sent.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    topic: Topic,
    timestamp: Micros,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    license_id: LicenseId,
    product: &'a str,
    customer_id: CustomerId,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Activation {
        chain: ChainId,
        status: GrantStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        released: Option<ReleaseReason>,
        sync_by: Option<Micros>,
    },
    Usage {
        features: Vec<Used>,
    },
    Quota {
        feature: String,
        period: Period,
        percent: u8,
        used: u64,
        limit: u64,
    },
    Forked {
        chain: ChainId,
        seq: Seq,
    },
    Overdue {
        chain: ChainId,
        sync_by: Micros,
    },
}

/// What was used of a feature in a period.
#[derive(Serialize)]
struct Used {
    feature: String,
    period: Period,
    n: u64,
    refunded: u64,
    events: u64,
}

/// A device that is past its check-in deadline, with what is told of its licence.
#[derive(Clone, Debug)]
pub struct Overdue {
    /// The licence.
    pub license: LicenseId,
    /// Its product.
    pub product: String,
    /// Its customer.
    pub customer: CustomerId,
    /// The device chain.
    pub chain: ChainId,
    /// The deadline.
    pub sync_by: Micros,
}

/// What is sent of something that happened to `license`, which stands as it does afterwards.
pub fn of_happening(license: &License, happening: &Happening) -> String {
    let feature = |number: FeatureNumber| {
        let granted = &license.terms.entitlement.features;
        let named = granted.iter().find(|granted| granted.number == number);
        named.map_or_else(|| format!("feature {number}"), |granted| granted.name.to_string())
    };
    let what = match happening.clone() {
        Happening::Activation { topic: _, chain, status, reason, released, sync_by } => What::Activation {
            chain,
            status,
            reason: reason.map(|reason| reason.to_string()),
            released,
            sync_by,
        },
        Happening::UsageMerged(sums) => What::Usage {
            features: sums
                .into_iter()
                .map(|((number, period), sum)| Used {
                    feature: feature(number),
                    period,
                    n: sum.n,
                    refunded: sum.refunded,
                    events: sum.events,
                })
                .collect(),
        },
        Happening::QuotaLow { feature: number, period, percent, used, limit } => {
            What::Quota { feature: feature(number), period, percent, used, limit }
        }
        Happening::Forked { chain, seq } => What::Forked { chain, seq },
    };
    text(&Message {
        topic: happening.topic(),
        timestamp: license.last_at,
        data: Data {
            license_id: license.id,
            product: license.product.as_str(),
            customer_id: license.customer,
            what,
        },
    })
}

/// What is sent of a device that is past its check-in deadline.
pub fn of_overdue(overdue: &Overdue) -> String {
    let Overdue { license, product, customer, chain, sync_by } = overdue;
    text(&Message {
        topic: Topic::Overdue,
        timestamp: *sync_by,
        data: Data {
            license_id: *license,
            product,
            customer_id: *customer,
            what: What::Overdue { chain: *chain, sync_by: *sync_by },
        },
    })
}

fn text(message: &Message<'_>) -> String {
    serde_json::to_string(message).expect("a message is text, numbers and maps of text")
}

/// The identifier of a message to an endpoint: a UUID of version 7 whose random part follows from what is told, so that
/// whoever finds the same again names it the same. `heads` are the links that the unit of work left at the ends of chains:
/// no other unit leaves them.
pub fn identify(hook: &HookId, at: Micros, body: &str, heads: &[Link]) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(hook.as_bytes());
    hash.update((body.len() as u64).to_be_bytes());
    hash.update(body);
    for head in heads {
        hash.update(head.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let random = digest.first_chunk().expect("a SHA-256 has 32 bytes");
    MessageId(Builder::from_unix_timestamp_millis(at.get() / 1_000, random).into_uuid().into_bytes())
}

/// Sorts before every message of `at` and later, and after those before.
pub fn first_at(at: Micros) -> MessageId {
    let millis = (at.get() / 1_000).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis[2..]);
    MessageId(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue(chain: u8) -> String {
        of_overdue(&Overdue {
            license: LicenseId([1; 16]),
            product: "studio".into(),
            customer: CustomerId([2; 16]),
            chain: ChainId([chain; 32]),
            sync_by: Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339"),
        })
    }

    #[test]
    fn a_message_has_the_form_of_standard_webhooks() {
        let expected = serde_json::json!({
            "type": "activation.overdue",
            "timestamp": "2026-11-24T07:00:00Z",
            "data": {
                "license_id": "01010101-0101-0101-0101-010101010101",
                "product": "studio",
                "customer_id": "02020202-0202-0202-0202-020202020202",
                "chain": "03".repeat(32),
                "sync_by": "2026-11-24T07:00:00Z",
            },
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&overdue(3)).ok(), Some(expected));
    }

    #[test]
    fn the_same_is_named_the_same_and_sorts_by_its_time() {
        let (one, two) = (HookId([1; 16]), HookId([2; 16]));
        let at = Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339");
        let id = identify(&one, at, &overdue(3), &[]);
        assert_eq!(id, identify(&one, at, &overdue(3), &[]));
        assert_eq!(id.uuid().get_version_num(), 7);
        let later = Micros::new(at.get() + 1_000);
        let others = [
            identify(&two, at, &overdue(3), &[]),
            identify(&one, at, &overdue(4), &[]),
            identify(&one, at, &overdue(3), &[Link::START]),
        ];
        for other in others {
            assert!(id != other && first_at(at) < other && other < first_at(later));
        }
    }
}
