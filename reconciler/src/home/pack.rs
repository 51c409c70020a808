//! The product pack that ships with the application.

use ledger::keys::SecretKey;
use ledger::trust;
use schemas::ids::FingerprintKey;
use schemas::numbers::Micros;
use schemas::pack::{Pack, PackBody, ProductFeature};
use schemas::terms::FingerprintRule;
use schemas::text::Text;

use super::Home;

/// Makes the pack of a product and signs it with the root key.
///
/// `version` counts the product's packs from 1. The key of fingerprint tags follows from the home and the product,
/// so that every pack of a product gives the same tags.
pub fn build_pack(
    home: &Home,
    root: &SecretKey,
    product: &Text,
    features: &[ProductFeature],
    version: u32,
    now: Micros,
    portal: Option<Text>,
) -> Pack {
    let fingerprint_key = home.key_secret().derive(b"cf/fpkey/1", product.as_str().as_bytes());
    let body = PackBody {
        product: product.clone(),
        environment: home.environment().clone(),
        version,
        issued_at: now,
        root: *home.root_public(),
        sealing: *home.sealing_public(),
        fingerprint_key: FingerprintKey(fingerprint_key),
        fingerprint: FingerprintRule::default(),
        features: features.to_vec(),
        policies: Vec::new(),
        code_keys: Vec::new(),
        portal,
    };
    trust::sign_pack(&body, root)
}
