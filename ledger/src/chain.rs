//! Chains: what names them, and how an event's place becomes part of what is signed.
//!
//! ```text
//! id   = SHA-256("cf/event/1" || chain || seq || prev || core)
//! sig  = Ed25519(key, "cf/sig/1" || id)
//! link = SHA-256("cf/link/1" || id || sig)
//! ```

use schemas::grant::Ack;
use schemas::ids::{ChainId, EventId, KeyReference, LicenseId, Link, PublicKey, Signature};
use schemas::numbers::{Epoch, Seq};
use schemas::run::Origin;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::keys::{self, SecretKey};

/// The name of a device's chain.
pub fn device_chain(signer: &PublicKey, reference: &KeyReference) -> ChainId {
    ChainId(hash(&[b"cf/chain/1", signer.as_bytes(), reference.as_bytes()]))
}

/// The name of a licence's authority chain.
pub fn authority_chain(product: &Text, environment: &Text, license: &LicenseId, epoch: Epoch) -> ChainId {
    ChainId(hash(&[
        b"cf/auth/1",
        &counted(product),
        &counted(environment),
        license.as_bytes(),
        &epoch.0.to_be_bytes(),
    ]))
}

/// The name of a vendor's catalog chain.
pub fn catalog_chain(root: &PublicKey, environment: &Text) -> ChainId {
    ChainId(hash(&[b"cf/catalog/1", root.as_bytes(), &counted(environment)]))
}

/// The name that follows from a header's origin.
pub fn chain_of(origin: &Origin) -> ChainId {
    match origin {
        Origin::Device(device) => device_chain(&device.signer, &device.reference),
        Origin::Authority(authority) => {
            authority_chain(&authority.product, &authority.environment, &authority.license, authority.epoch)
        }
        Origin::Catalog(catalog) => catalog_chain(&catalog.root, &catalog.environment),
    }
}

/// The end of a chain: the last event's place and link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// The last place; 0 before the first event.
    pub seq: Seq,
    /// The link after it.
    pub link: Link,
}

impl Head {
    /// Before the first event.
    pub const START: Self = Self { seq: Seq(0), link: Link::START };

    /// Signs `core` as the event after this head and returns it with the new head.
    pub fn append(self, chain: &ChainId, core: &[u8], key: &SecretKey) -> Appended {
        let seq = self.seq.next();
        let id = event_id(chain, seq, &self.link, core);
        let signature = sign(key, &id);
        Appended { id, signature, head: Self { seq, link: link(&id, &signature) } }
    }

    /// The event after this head that has `core` and `signature`: its id, and the head after it. Whether the signature
    /// is good is another question.
    #[inline]
    pub fn after(self, chain: &ChainId, core: &[u8], signature: &Signature) -> (EventId, Self) {
        let seq = self.seq.next();
        let id = event_id(chain, seq, &self.link, core);
        (id, Self { seq, link: link(&id, signature) })
    }
}

impl From<Head> for Ack {
    fn from(head: Head) -> Self {
        Self { seq: head.seq, link: head.link }
    }
}

impl From<Ack> for Head {
    fn from(ack: Ack) -> Self {
        Self { seq: ack.seq, link: ack.link }
    }
}

/// An event that was just signed.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// Its id.
    pub id: EventId,
    /// Its signature.
    pub signature: Signature,
    /// The chain's head after it.
    pub head: Head,
}

/// The id of an event: its place and its core.
#[inline]
pub fn event_id(chain: &ChainId, seq: Seq, prev: &Link, core: &[u8]) -> EventId {
    let mut place = [0; 82];
    place[..10].copy_from_slice(b"cf/event/1");
    place[10..42].copy_from_slice(chain.as_bytes());
    place[42..50].copy_from_slice(&seq.0.to_be_bytes());
    place[50..].copy_from_slice(prev.as_bytes());
    EventId(hash(&[&place, core]))
}

/// The link after an event.
#[inline]
pub fn link(id: &EventId, signature: &Signature) -> Link {
    let mut signed = [0; 105];
    signed[..9].copy_from_slice(b"cf/link/1");
    signed[9..41].copy_from_slice(id.as_bytes());
    signed[41..].copy_from_slice(signature.as_bytes());
    Link(hash(&[&signed]))
}

/// Whether `signature` is `key`'s over the event `id`.
pub fn verify(key: &PublicKey, id: &EventId, signature: &Signature) -> bool {
    keys::verify(key, &signed_message(id), signature)
}

/// The old chain's signature that lets `new` follow `old`.
pub fn sign_successor(key: &SecretKey, old: &ChainId, new: &ChainId) -> Signature {
    key.sign(&hash(&[b"cf/successor/1", old.as_bytes(), new.as_bytes()]))
}

/// Whether `signature` lets `new` follow `old`, whose key is `key`.
pub fn verify_successor(key: &PublicKey, old: &ChainId, new: &ChainId, signature: &Signature) -> bool {
    keys::verify(key, &hash(&[b"cf/successor/1", old.as_bytes(), new.as_bytes()]), signature)
}

fn sign(key: &SecretKey, id: &EventId) -> Signature {
    key.sign(&signed_message(id))
}

fn signed_message(id: &EventId) -> [u8; 40] {
    let mut message = [0; 40];
    message[..8].copy_from_slice(b"cf/sig/1");
    message[8..].copy_from_slice(id.as_bytes());
    message
}

/// A text with its length before it, so that two texts in a row cannot be read as two others.
fn counted(text: &Text) -> Vec<u8> {
    let len = u16::try_from(text.as_str().len()).expect("a text is at most 256 bytes");
    [&len.to_be_bytes()[..], text.as_str().as_bytes()].concat()
}

#[inline]
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_moves_or_changes_gives_another_link() {
        let key = SecretKey::from_seed(&[1; 32]);
        let chain = device_chain(&key.public(), &KeyReference([1; 5]));
        let first = Head::START.append(&chain, b"core", &key);
        let moved = Head { seq: Seq(1), ..Head::START }.append(&chain, b"core", &key);
        let changed = Head::START.append(&chain, b"cord", &key);
        assert_ne!(first.head.link, moved.head.link);
        assert_ne!(first.head.link, changed.head.link);
        assert!(verify(&key.public(), &first.id, &first.signature));
        assert!(!verify(&key.public(), &moved.id, &first.signature));
    }

    #[test]
    fn names_of_two_texts_do_not_run_into_each_other() {
        let text = |text: &str| Text::new(text).expect("short");
        let license = LicenseId([0; 16]);
        assert_ne!(
            authority_chain(&text("ab"), &text("c"), &license, Epoch(0)),
            authority_chain(&text("a"), &text("bc"), &license, Epoch(0))
        );
    }
}
