//! The catalog: its runs, its attachments, and the tables that follow from them.

use std::collections::BTreeMap;

use ledger::authority::Issuer;
use ledger::catalog::{Catalog, CatalogDraft, CatalogHead, IssuerRecord, Product};
use ledger::chain::Head;
use ledger::rows::{HistoryEntry, StoredRun};
use schemas::bundle::Attachment;
use schemas::canonical;
use schemas::event::Event;
use schemas::ids::{CertificateId, Commitment, CustomerId, Link};
use schemas::numbers::{Micros, Seq};
use schemas::run::pairs;
use schemas::terms::Policy;
use schemas::text::Text;

use super::database::{Database, Values, all, one};
use super::license::opened;
use super::statements::{self, Insert};
use super::{StoreError, runs};
use crate::store::ChangeCatalog;

/// Reads the catalog from its tables.
pub(super) fn load(db: &mut dyn Database) -> Result<Catalog, StoreError> {
    Ok(Catalog {
        head: head(db)?,
        products: products(db)?,
        policies: policies(db)?,
        customers: customers(db)?,
        issuers: issuers(db)?,
    })
}

/// Lets `change` write onto the catalog and stores what it wrote. Whoever wrote at the same place meanwhile was first: the
/// place is the key of a run.
pub(super) fn change(
    db: &mut dyn Database,
    issuer: &Issuer,
    now: Micros,
    change: &mut ChangeCatalog<'_>,
) -> Result<Catalog, StoreError> {
    let before = load(db)?;
    let mut draft = CatalogDraft::resume(issuer, before.clone(), now);
    let attachments = change(&mut draft)?;
    let (catalog, new, history) = draft.finish();
    for run in &new {
        db.insert(&statements::NEW_CATALOG_RUN, &[runs::content(run).into()])?;
    }
    for Attachment { commitment, salt, value } in &attachments {
        let row = vec![commitment.as_bytes().into(), salt.as_bytes().into(), value.as_slice().into()];
        db.insert(&statements::NEW_CATALOG_ATTACHMENT, &[row])?;
    }
    for (into, rows) in tables(&before, &catalog, &history) {
        if !rows.is_empty() {
            db.insert(into, &rows)?;
        }
    }
    Ok(catalog)
}

/// What follows from the catalog's runs.
pub(super) fn refold(db: &mut dyn Database) -> Result<(Catalog, Vec<HistoryEntry>), StoreError> {
    let mut catalog = Catalog::default();
    let mut history = Vec::new();
    for run in runs(db)? {
        let mut head = Head { seq: Seq(run.first_seq.0 - 1), link: run.prev };
        for pair in pairs(&run.pairs) {
            let pair = pair?;
            let event = Event::decode(pair.core)?;
            (_, head) = head.after(&run.chain, pair.core, &pair.signature);
            catalog.apply(head, &event);
            history.push(HistoryEntry {
                chain: run.chain,
                branch: 0,
                seq: head.seq,
                at: event.at,
                kind: event.body.kind(),
                core: pair.core.to_vec(),
            });
        }
    }
    Ok((catalog, history))
}

/// The runs of the catalog chain, in order.
pub(super) fn runs(db: &mut dyn Database) -> Result<Vec<StoredRun>, StoreError> {
    all(db, &statements::CATALOG_RUNS, &[], |row| runs::read(row, 0))
}

/// The value that a commitment stands for, beside the catalog's runs.
pub(super) fn attachment(
    db: &mut dyn Database,
    commitment: &Commitment,
) -> Result<Option<Attachment>, StoreError> {
    one(db, &statements::CATALOG_ATTACHMENT, &[commitment.as_bytes().into()], |row| opened(commitment, row))
}

/// The rows that changed, by where they are written.
pub(super) fn tables<'a>(
    before: &'a Catalog,
    catalog: &'a Catalog,
    history: &'a [HistoryEntry],
) -> [(&'static Insert, Vec<Values<'a>>); 5] {
    let products = changed(&before.products, &catalog.products).map(|(name, product)| {
        let features = canonical::to_bytes(&product.features);
        vec![name.into(), features.into(), product.pack_version.into(), product.defined_at.into()]
    });
    let policies = changed(&before.policies, &catalog.policies).map(|(name, (at, policy))| {
        vec![name.into(), (&policy.product).into(), canonical::to_bytes(policy).into(), (*at).into()]
    });
    let customers = changed(&before.customers, &catalog.customers)
        .map(|(customer, (at, name))| vec![customer.as_bytes().into(), name.as_bytes().into(), (*at).into()]);
    let issuers = changed(&before.issuers, &catalog.issuers).map(|(id, issuer)| {
        vec![id.as_bytes().into(), issuer.certificate.as_slice().into(), issuer.revoked_at.into()]
    });
    let history = history.iter().map(|entry| {
        vec![entry.seq.into(), entry.at.into(), entry.kind.0.into(), entry.core.as_slice().into()]
    });
    [
        (&statements::PRODUCT, products.collect()),
        (&statements::POLICY, policies.collect()),
        (&statements::CUSTOMER, customers.collect()),
        (&statements::ISSUER, issuers.collect()),
        (&statements::CATALOG_EVENT, history.collect()),
    ]
}

/// The entries of `after` that `before` lacks or has otherwise.
fn changed<'a, K: Ord, V: PartialEq>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    after.iter().filter(|(key, value)| before.get(key) != Some(value))
}

fn head(db: &mut dyn Database) -> Result<CatalogHead, StoreError> {
    let mut head = CatalogHead::default();
    db.query(&statements::CATALOG_HEAD, &[], &mut |mut row| {
        let (seq, link) = (row.seq()?, Link(row.fixed()?));
        head = CatalogHead { head: Head { seq, link }, at: row.micros()? };
        Ok(())
    })?;
    Ok(head)
}

fn products(db: &mut dyn Database) -> Result<BTreeMap<Text, Product>, StoreError> {
    let mut products = BTreeMap::new();
    db.query(&statements::PRODUCTS, &[], &mut |mut row| {
        let name = row.text()?;
        let features = canonical::from_bytes(&row.bytes()?)?;
        products.insert(name, Product { features, pack_version: row.small()?, defined_at: row.micros()? });
        Ok(())
    })?;
    Ok(products)
}

fn policies(db: &mut dyn Database) -> Result<BTreeMap<Text, (Micros, Policy)>, StoreError> {
    let mut policies = BTreeMap::new();
    db.query(&statements::POLICIES, &[], &mut |mut row| {
        let name = row.text()?;
        let policy: Policy = canonical::from_bytes(&row.bytes()?)?;
        policies.insert(name, (row.micros()?, policy));
        Ok(())
    })?;
    Ok(policies)
}

fn customers(db: &mut dyn Database) -> Result<BTreeMap<CustomerId, (Micros, Commitment)>, StoreError> {
    let mut customers = BTreeMap::new();
    db.query(&statements::CUSTOMERS, &[], &mut |mut row| {
        let (customer, name) = (CustomerId(row.fixed()?), Commitment(row.fixed()?));
        customers.insert(customer, (row.micros()?, name));
        Ok(())
    })?;
    Ok(customers)
}

/// The issuer certificates.
pub(super) fn issuers(db: &mut dyn Database) -> Result<BTreeMap<CertificateId, IssuerRecord>, StoreError> {
    let mut issuers = BTreeMap::new();
    db.query(&statements::ISSUERS, &[], &mut |mut row| {
        let (id, certificate) = (CertificateId(row.fixed()?), row.bytes()?);
        issuers.insert(id, IssuerRecord { certificate, revoked_at: row.optional_micros()? });
        Ok(())
    })?;
    Ok(issuers)
}
