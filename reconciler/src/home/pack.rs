//! The product pack that ships with the application.

use ledger::keys::SecretKey;
use ledger::trust;
use schemas::ids::FingerprintKey;
use schemas::numbers::Micros;
use schemas::pack::{Pack, PackBody, ProductFeature};
use schemas::terms::{FingerprintRule, Policy};
use schemas::text::Text;

use super::Home;

/// What a pack says of its product.
#[derive(Clone, Debug)]
pub struct PackContent {
    /// The product.
    pub product: Text,
    /// Counts the product's packs from 1.
    pub version: u32,
    /// The product's features in the order of their numbers.
    pub features: Vec<ProductFeature>,
    /// The policies that typed codes may name, in the order of their numbers.
    pub policies: Vec<Policy>,
}

/// Makes a pack of a product and signs it with the root key.
///
/// The key of fingerprint tags follows from the home and the product, so that every pack of a product gives the same tags.
/// The key that signs typed codes follows from the home, the product and the pack's version: each pack has its own, and codes
/// for one are of no use with another.
pub fn build_pack(
    home: &Home,
    root: &SecretKey,
    content: PackContent,
    now: Micros,
    portal: Option<Text>,
) -> Pack {
    let PackContent { product, version, features, policies } = content;
    let fingerprint_key = home.key_secret().derive(b"cf/fpkey/1", product.as_str().as_bytes());
    let code_key = home.code_key(&product, version).public();
    let body = PackBody {
        product,
        environment: home.environment().clone(),
        version,
        issued_at: now,
        root: *home.root_public(),
        sealing: *home.sealing_public(),
        fingerprint_key: FingerprintKey(fingerprint_key),
        fingerprint: FingerprintRule::default(),
        features,
        policies,
        code_keys: vec![code_key],
        portal,
    };
    trust::sign_pack(&body, root)
}
