//! Products, policies, packs and the issuer's certificate: what stands on the catalog chain.

use std::str::FromStr;

use ledger::catalog::{Catalog, CatalogDraft, Product};
use ledger::trust;
use schemas::bundle::encode_pack;
use schemas::canonical;
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::catalog::{IssuerCertified, PackPublished, PolicyDefined, ProductDefined};
use schemas::ids::PublicKey;
use schemas::limits;
use schemas::numbers::Seconds;
use schemas::pack::{Pack, ProductFeature};
use schemas::refusal::Refusal;
use schemas::terms::Policy;
use schemas::text::Text;
use schemas::typed::UnlockFields;

use super::Vendor;
use super::licenses::refuse_too_long;
use crate::home::{PackContent, build_pack};
use crate::options::resolve;
use crate::store::StoreError;

/// A feature that is asked for by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewFeature {
    /// Its name.
    pub name: Text,
    /// Whether its use is metered.
    pub metered: bool,
}

/// `NAME` or `NAME:metered`
impl FromStr for NewFeature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some(("", _)) => Err("a feature has a name".to_owned()),
            Some((name, "metered")) => Ok(Self { name: name.parse()?, metered: true }),
            Some(_) => Err("expected NAME or NAME:metered".to_owned()),
            None if text.is_empty() => Err("a feature has a name".to_owned()),
            None => Ok(Self { name: text.parse()?, metered: false }),
        }
    }
}

impl Vendor {
    /// Defines a product.
    ///
    /// # Errors
    /// `product_exists`; `terms_invalid` when a feature is named twice or there are too many.
    pub fn create_product(&mut self, product: &Text, features: &[NewFeature]) -> Result<Product, Refusal> {
        let catalog = self.change_catalog(|draft| {
            if draft.catalog().products.contains_key(product) {
                return Err(Refusal::new(Code::ProductExists, product.as_str()));
            }
            draft.write(product_defined(product, number(&[], features)?))?;
            Ok(())
        })?;
        Ok(catalog.products[product].clone())
    }

    /// Adds features to a product. Those that it has already are passed over.
    ///
    /// # Errors
    /// `product_unknown`; `terms_invalid` when there are too many; `pack_full` where packs have no room for them.
    pub fn add_features(&mut self, product: &Text, features: &[NewFeature]) -> Result<Product, Refusal> {
        let catalog = self.change_catalog(|draft| {
            let known = known_product(draft.catalog(), product)?.features.clone();
            let missing: Vec<NewFeature> = features
                .iter()
                .filter(|feature| known.iter().all(|known| known.name != feature.name))
                .cloned()
                .collect();
            if !missing.is_empty() {
                let features = number(&known, &missing)?;
                fits_into_a_pack(&features, draft.catalog().air_gapped(product))?;
                draft.write(product_defined(product, features))?;
            }
            Ok(())
        })?;
        Ok(catalog.products[product].clone())
    }

    /// A product by its identifier.
    ///
    /// # Errors
    /// `product_unknown`.
    pub fn product(&mut self, product: &Text) -> Result<Product, Refusal> {
        Ok(known_product(&self.catalog()?, product)?.clone())
    }

    /// Defines a policy; one that is `air_gapped` gets the next number by which typed codes name it, which no other policy of
    /// the product ever has. Returns it as it is defined.
    ///
    /// # Errors
    /// `policy_exists`, `product_unknown`; `pack_full` where there is no number or no room left.
    pub fn create_policy(&mut self, policy: &Policy, air_gapped: bool) -> Result<Policy, Refusal> {
        refuse_too_long(&resolve(policy, self.now))?;
        let name = policy.name.clone();
        let mut catalog = self.change_catalog(|draft| {
            let catalog = draft.catalog();
            known_product(catalog, &policy.product)?;
            if catalog.policies.contains_key(&policy.name) {
                return Err(Refusal::new(Code::PolicyExists, policy.name.as_str()));
            }
            if air_gapped {
                fits_into_a_code(policy)?;
            }
            let number = air_gapped.then(|| next_number(catalog, &policy.product)).transpose()?;
            let policy = Policy { air_gapped: number, ..policy.clone() };
            if air_gapped {
                let features = &known_product(catalog, &policy.product)?.features;
                fits_into_a_pack(features, catalog.air_gapped(&policy.product).chain([&policy]))?;
            }
            draft.write(Body::PolicyDefined(Box::new(PolicyDefined { policy })))?;
            Ok(())
        })?;
        Ok(catalog.policies.remove(&name).map(|(_, policy)| policy).expect("it was just defined"))
    }

    /// A policy by its name.
    ///
    /// # Errors
    /// `policy_unknown`.
    pub fn policy(&mut self, name: &Text) -> Result<Policy, Refusal> {
        let catalog = self.catalog()?;
        let (_, policy) =
            catalog.policies.get(name).ok_or_else(|| Refusal::new(Code::PolicyUnknown, name.as_str()))?;
        Ok(policy.clone())
    }

    /// Makes and records the next pack of a product, which tells where the portal is.
    ///
    /// # Errors
    /// `product_unknown`; `pack_full`.
    pub fn publish_pack(
        &mut self,
        product: &Text,
        root: &ledger::keys::SecretKey,
        portal: Option<&Text>,
    ) -> Result<(Pack, u32), Refusal> {
        let Self { home, store, issuer, now } = self;
        let mut made = None;
        store.change_catalog(issuer, *now, &mut |draft| {
            let known = known_product(draft.catalog(), product)?;
            let version = known.pack_version + 1;
            let policies = draft.catalog().air_gapped(product).cloned().collect();
            let features = known.features.clone();
            let content = PackContent { product: product.clone(), version, features, policies };
            let pack = build_pack(home, root, content, *now, portal.cloned());
            let size = encode_pack(&pack).len();
            if size > limits::PACK_BYTES {
                return Err(pack_too_long(size).into());
            }
            let digest = trust::pack_digest(&pack);
            let published = PackPublished { product: product.clone(), version, digest };
            draft.write(Body::PackPublished(Box::new(published)))?;
            made = Some((pack, version));
            Ok(Vec::new())
        })?;
        Ok(made.expect("the change was carried out"))
    }

    /// The catalog as it stands.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn catalog(&mut self) -> Result<Catalog, Refusal> {
        Ok(self.store.catalog()?)
    }

    /// The root key that this home's devices trust.
    pub fn root_public(&self) -> PublicKey {
        *self.home.root_public()
    }

    /// Begins the catalog chain with the certificate of the key that signs it.
    pub(super) fn certify_issuer(&mut self) -> Result<(), Refusal> {
        let certificate = self.home.certificate().to_vec();
        self.change_catalog(|draft| {
            draft.write(Body::IssuerCertified(Box::new(IssuerCertified {
                certificate: certificate.clone(),
            })))?;
            Ok(())
        })?;
        Ok(())
    }

    fn change_catalog(
        &mut self,
        mut change: impl FnMut(&mut CatalogDraft<'_>) -> Result<(), Refusal>,
    ) -> Result<Catalog, Refusal> {
        let changed = self.store.change_catalog(&self.issuer, self.now, &mut |draft| {
            change(draft).map_err(StoreError::Refused)?;
            Ok(Vec::new())
        });
        Ok(changed?)
    }
}

/// A product of the catalog.
///
/// # Errors
/// `product_unknown`.
pub fn known_product<'a>(catalog: &'a Catalog, product: &Text) -> Result<&'a Product, Refusal> {
    catalog.products.get(product).ok_or_else(|| Refusal::new(Code::ProductUnknown, product.as_str()))
}

/// The number after those that codes name the product's policies by.
fn next_number(catalog: &Catalog, product: &Text) -> Result<u16, Refusal> {
    let last = catalog.air_gapped(product).filter_map(|policy| policy.air_gapped).max();
    let next = last.unwrap_or(0) + 1;
    if next > limits::AIR_GAPPED_POLICIES {
        let why = format!("codes name {} policies of a product at most", limits::AIR_GAPPED_POLICIES);
        return Err(Refusal::new(Code::PackFull, why));
    }
    Ok(next)
}

/// Refuses a policy of which no code could be made on the day of issue.
fn fits_into_a_code(policy: &Policy) -> Result<(), Refusal> {
    let most = Seconds::days(u64::from(UnlockFields::CHECK_IN_DAYS) - 1);
    match policy.rules.sync_every {
        Some(every) if every > most => {
            let why = format!("a code tells a check-in deadline at most {} days ahead", most.0 / 86_400);
            Err(Refusal::new(Code::TermsInvalid, why))
        }
        _ => Ok(()),
    }
}

/// Bytes of a pack beside its features and policies, with room to spare.
const REST_OF_A_PACK: usize = 16 * 1024;

/// Refuses what would make packs that no device takes: neither features nor policies are ever taken out again.
fn fits_into_a_pack<'a>(
    features: &[ProductFeature],
    policies: impl Iterator<Item = &'a Policy>,
) -> Result<(), Refusal> {
    let policies: Vec<&Policy> = policies.collect();
    let size = canonical::to_bytes(&(features, policies)).len() + REST_OF_A_PACK;
    if size > limits::PACK_BYTES { Err(pack_too_long(size)) } else { Ok(()) }
}

fn pack_too_long(size: usize) -> Refusal {
    let why = format!(
        "the product's packs would have {size} bytes, and devices take {} at most",
        limits::PACK_BYTES
    );
    Refusal::new(Code::PackFull, why)
}

fn product_defined(product: &Text, features: Vec<ProductFeature>) -> Body {
    Body::ProductDefined(Box::new(ProductDefined { product: product.clone(), features }))
}

/// Gives new features the numbers after those that are known; none is ever used again.
///
/// # Errors
/// `terms_invalid` when a name is there already, or there are too many.
pub(crate) fn number(known: &[ProductFeature], new: &[NewFeature]) -> Result<Vec<ProductFeature>, Refusal> {
    let mut features = known.to_vec();
    for NewFeature { name, metered } in new {
        if features.iter().any(|feature| feature.name == *name) {
            return Err(Refusal::new(Code::TermsInvalid, format!("the feature {name} is named twice")));
        }
        let last = features.last().map_or(0, |feature| feature.number.0);
        features.push(ProductFeature {
            number: schemas::numbers::FeatureNumber(last + 1),
            name: name.clone(),
            metered: *metered,
        });
    }
    if features.len() > limits::FEATURES {
        return Err(Refusal::new(Code::TermsInvalid, format!("at most {} features", limits::FEATURES)));
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str) -> NewFeature {
        NewFeature { name: Text::new(name).expect("short"), metered: false }
    }

    #[test]
    fn features_are_numbered_on_and_never_twice() {
        let first = number(&[], &[feature("a"), feature("b")]).expect("two names");
        let second = number(&first, &[feature("c")]).expect("another name");
        assert_eq!(second.iter().map(|feature| feature.number.0).collect::<Vec<_>>(), [1, 2, 3]);
        let twice = number(&first, &[feature("a")]).expect_err("named twice");
        assert_eq!(twice.code(), Code::TermsInvalid);
    }

    #[test]
    fn a_feature_is_on_or_off_unless_it_is_said_to_be_metered() {
        for (text, expected) in [
            ("export", Some(("export", false))),
            ("render:metered", Some(("render", true))),
            ("a:b", None),
            ("", None),
        ] {
            let expected =
                expected.map(|(name, metered)| NewFeature { name: name.parse().expect("short"), metered });
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }
}
