//! What the vendor said about products, policies, customers and keys: the fold over the catalog chain, and how it is
//! written.

use std::collections::BTreeMap;

use schemas::event::catalog::{PackPublished, ProductDefined};
use schemas::event::{Body, Event};
use schemas::grant::Revocations;
use schemas::ids::{CertificateId, Commitment, CustomerId};
use schemas::numbers::Micros;
use schemas::pack::ProductFeature;
use schemas::run::{CatalogOrigin, Origin};
use schemas::terms::Policy;
use schemas::text::Text;

use crate::authority::Issuer;
use crate::chain::Head;
use crate::rows::{HistoryEntry, StoredRun};
use crate::trust;
use crate::writer::{ChainWriter, TooLong};

/// What the catalog chain says so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Catalog {
    /// Its head.
    pub head: CatalogHead,
    /// Products by identifier.
    pub products: BTreeMap<Text, Product>,
    /// Policies by name.
    pub policies: BTreeMap<Text, (Micros, Policy)>,
    /// Customers: the commitment to the name, and when it was defined.
    pub customers: BTreeMap<CustomerId, (Micros, Commitment)>,
    /// Issuer certificates by name.
    pub issuers: BTreeMap<CertificateId, IssuerRecord>,
}

/// The catalog chain's head and the time of its last event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CatalogHead {
    /// The head.
    pub head: Head,
    /// The `at` of the last event.
    pub at: Micros,
}

impl Default for CatalogHead {
    fn default() -> Self {
        Self { head: Head::START, at: Micros::default() }
    }
}

/// A product.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Product {
    /// Its features in the order of their numbers.
    pub features: Vec<ProductFeature>,
    /// The version of the newest pack; 0: none was made.
    pub pack_version: u32,
    /// When it was first defined.
    pub defined_at: Micros,
}

impl Product {
    /// The feature of a name.
    pub fn feature(&self, name: &str) -> Option<&ProductFeature> {
        self.features.iter().find(|feature| feature.name.as_str() == name)
    }
}

/// An issuer certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerRecord {
    /// Its canonical bytes.
    pub certificate: Vec<u8>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// The list of revoked certificates as grants carry it. A certificate is revoked once and for good, so their number
/// is the list's version.
pub fn revocations(issuers: &BTreeMap<CertificateId, IssuerRecord>) -> Revocations {
    let revoked = issuers.iter().filter(|(_, issuer)| issuer.revoked_at.is_some());
    let certificates: Vec<CertificateId> = revoked.map(|(id, _)| *id).collect();
    let version = u32::try_from(certificates.len()).expect("a vendor certifies few keys");
    Revocations { version, certificates }
}

impl Catalog {
    /// Folds the next event, whose link becomes the head.
    pub fn apply(&mut self, head: Head, event: &Event) {
        self.head = CatalogHead { head, at: event.at };
        match &event.body {
            Body::ProductDefined(defined) => self.define_product(event.at, defined),
            Body::PolicyDefined(defined) => {
                self.policies.insert(defined.policy.name.clone(), (event.at, defined.policy.clone()));
            }
            Body::PackPublished(published) => self.publish_pack(published),
            Body::IssuerCertified(certified) => {
                let record = IssuerRecord { certificate: certified.certificate.clone(), revoked_at: None };
                self.issuers.insert(trust::certificate_id(&certified.certificate), record);
            }
            Body::IssuerRevoked(revoked) => {
                // Revoking twice changes nothing.
                if let Some(issuer) = self.issuers.get_mut(&revoked.certificate)
                    && issuer.revoked_at.is_none()
                {
                    issuer.revoked_at = Some(event.at);
                }
            }
            Body::CustomerDefined(defined) => {
                self.customers.insert(defined.customer, (event.at, defined.name));
            }
            _ => {}
        }
    }

    /// The policies of a product that typed codes may name, in the order of their numbers.
    pub fn air_gapped<'a>(&'a self, product: &'a Text) -> impl Iterator<Item = &'a Policy> {
        let of_product = self.policies.values().map(|(_, policy)| policy);
        let mut numbered: Vec<&Policy> =
            of_product.filter(|policy| policy.product == *product && policy.air_gapped.is_some()).collect();
        numbered.sort_by_key(|policy| policy.air_gapped);
        numbered.into_iter()
    }

    fn define_product(&mut self, at: Micros, defined: &ProductDefined) {
        self.products
            .entry(defined.product.clone())
            .or_insert_with(|| Product { features: Vec::new(), pack_version: 0, defined_at: at })
            .features
            .clone_from(&defined.features);
    }

    fn publish_pack(&mut self, published: &PackPublished) {
        if let Some(product) = self.products.get_mut(&published.product) {
            product.pack_version = product.pack_version.max(published.version);
        }
    }
}

/// The catalog while a unit of work writes onto it.
#[derive(Debug)]
pub struct CatalogDraft<'a> {
    issuer: &'a Issuer,
    now: Micros,
    writer: ChainWriter,
    catalog: Catalog,
    history: Vec<HistoryEntry>,
}

impl<'a> CatalogDraft<'a> {
    /// Goes on with the catalog as it is stored.
    pub fn resume(issuer: &'a Issuer, catalog: Catalog, now: Micros) -> Self {
        let origin = Origin::Catalog(CatalogOrigin {
            signer: issuer.certificate.id,
            root: issuer.certificate.body.root,
            environment: issuer.certificate.body.environment.clone(),
        });
        let writer = ChainWriter::new(origin, catalog.head.head);
        Self { issuer, now, writer, catalog, history: Vec::new() }
    }

    /// The catalog as it stands so far.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The vendor's time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Signs `body` as the next event, now or just after the event before it, and folds it.
    ///
    /// # Errors
    /// When it would be longer than a reader takes; nothing was written then.
    pub fn write(&mut self, body: Body) -> Result<(), TooLong> {
        let event = Event { at: self.now.max(Micros::new(self.catalog.head.at.get() + 1)), body };
        let written = self.writer.write(&event, &self.issuer.key)?;
        let head = self.writer.head();
        self.catalog.apply(head, &event);
        self.history.push(HistoryEntry {
            chain: self.writer.chain(),
            branch: 0,
            seq: head.seq,
            at: event.at,
            kind: event.body.kind(),
            core: written.core,
        });
        Ok(())
    }

    /// What is to be stored: the catalog afterwards, its new runs, and the events.
    pub fn finish(self) -> (Catalog, Vec<StoredRun>, Vec<HistoryEntry>) {
        (self.catalog, self.writer.finish(), self.history)
    }
}
