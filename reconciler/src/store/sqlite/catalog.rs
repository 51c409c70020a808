//! The catalog: its runs, its attachments, and the tables that follow from them.

use std::collections::BTreeMap;

use ledger::authority::Issuer;
use ledger::catalog::{Catalog, CatalogDraft, CatalogHead, IssuerRecord, Product};
use ledger::chain::Head;
use ledger::rows::{HistoryEntry, StoredRun};
use rusqlite::{Connection, OptionalExtension as _, params};
use schemas::bundle::Attachment;
use schemas::canonical;
use schemas::event::Event;
use schemas::ids::{CertificateId, Commitment, CustomerId, Link};
use schemas::numbers::{Micros, Seq};
use schemas::run::pairs;
use schemas::text::Text;

use super::rows::{RUN_COLUMNS, bind_run, read_run};
use super::{ChangeCatalog, StoreError, int, micros, optional_micros, uint};

/// Reads the catalog from its tables.
pub(super) fn load(connection: &Connection) -> Result<Catalog, StoreError> {
    Ok(Catalog {
        head: head(connection)?,
        products: products(connection)?,
        policies: policies(connection)?,
        customers: customers(connection)?,
        issuers: issuers(connection)?,
    })
}

/// Lets `change` write onto the catalog and stores what it wrote.
pub(super) fn change(
    connection: &Connection,
    issuer: &Issuer,
    now: Micros,
    change: &mut ChangeCatalog<'_>,
) -> Result<Catalog, StoreError> {
    let before = load(connection)?;
    let mut draft = CatalogDraft::resume(issuer, before.clone(), now);
    let attachments = change(&mut draft)?;
    let (catalog, runs, history) = draft.finish();
    for Attachment { commitment, salt, value } in &attachments {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO catalog_attachments (commitment, salt, value) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![commitment.as_bytes(), salt.as_bytes(), value])?;
    }
    for run in &runs {
        insert_run(connection, run)?;
    }
    write_tables(connection, &before, &catalog)?;
    write_history(connection, &history)?;
    Ok(catalog)
}

/// Folds the catalog's runs into the tables of an emptied or new store.
pub(super) fn refold(source: &Connection, target: &Connection) -> Result<u64, StoreError> {
    let mut catalog = Catalog::default();
    let mut history = Vec::new();
    for run in runs(source)? {
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
    write_tables(target, &Catalog::default(), &catalog)?;
    write_history(target, &history)?;
    Ok(history.len() as u64)
}

/// The runs of the catalog chain, in order.
pub(super) fn runs(connection: &Connection) -> Result<Vec<StoredRun>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM catalog_runs ORDER BY first_seq"))?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(read_run(row, 0, 0)?);
    }
    Ok(runs)
}

fn insert_run(connection: &Connection, run: &StoredRun) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO catalog_runs ({RUN_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        ))?
        .execute(bind_run(run))?;
    Ok(())
}

/// Writes the rows that changed.
fn write_tables(connection: &Connection, before: &Catalog, catalog: &Catalog) -> Result<(), StoreError> {
    for (name, product) in changed(&before.products, &catalog.products) {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO products (product, features, packs, defined_at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                name.as_str(),
                canonical::to_bytes(&product.features),
                product.pack_version,
                int(product.defined_at.get())
            ])?;
    }
    for (name, (at, policy)) in changed(&before.policies, &catalog.policies) {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO policies (policy, product, definition, defined_at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                name.as_str(),
                policy.product.as_str(),
                canonical::to_bytes(policy),
                int(at.get())
            ])?;
    }
    for (customer, (at, name)) in changed(&before.customers, &catalog.customers) {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO customers (customer_id, name, defined_at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![customer.as_bytes(), name.as_bytes(), int(at.get())])?;
    }
    for (id, issuer) in changed(&before.issuers, &catalog.issuers) {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO issuers (certificate_id, certificate, revoked_at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![id.as_bytes(), issuer.certificate, issuer.revoked_at.map(|at| int(at.get()))])?;
    }
    Ok(())
}

/// The entries of `after` that `before` lacks or has otherwise.
fn changed<'a, K: Ord, V: PartialEq>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    after.iter().filter(|(key, value)| before.get(key) != Some(value))
}

fn write_history(connection: &Connection, history: &[HistoryEntry]) -> Result<(), StoreError> {
    for entry in history {
        connection
            .prepare_cached("INSERT INTO catalog_history (seq, at, kind, core) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![int(entry.seq.0), int(entry.at.get()), entry.kind.0, entry.core])?;
    }
    Ok(())
}

fn head(connection: &Connection) -> Result<CatalogHead, StoreError> {
    let last = connection
        .prepare_cached(
            "SELECT first_seq + events - 1, head, last_at FROM catalog_runs ORDER BY first_seq DESC LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?)))
        .optional()?;
    let Some((seq, link, at)) = last else { return Ok(CatalogHead::default()) };
    Ok(CatalogHead { head: Head { seq: Seq(uint(seq)?), link: Link(link) }, at: micros(at)? })
}

fn products(connection: &Connection) -> Result<BTreeMap<Text, Product>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT product, features, packs, defined_at FROM products")?;
    let mut rows = statement.query([])?;
    let mut products = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let features: Vec<u8> = row.get(1)?;
        let product = Product {
            features: canonical::from_bytes(&features)?,
            pack_version: row.get(2)?,
            defined_at: micros(row.get(3)?)?,
        };
        products.insert(text(&row.get::<_, String>(0)?)?, product);
    }
    Ok(products)
}

fn policies(connection: &Connection) -> Result<BTreeMap<Text, (Micros, schemas::terms::Policy)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT policy, definition, defined_at FROM policies")?;
    let mut rows = statement.query([])?;
    let mut policies = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let definition: Vec<u8> = row.get(1)?;
        let policy = (micros(row.get(2)?)?, canonical::from_bytes(&definition)?);
        policies.insert(text(&row.get::<_, String>(0)?)?, policy);
    }
    Ok(policies)
}

fn customers(connection: &Connection) -> Result<BTreeMap<CustomerId, (Micros, Commitment)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT customer_id, name, defined_at FROM customers")?;
    let mut rows = statement.query([])?;
    let mut customers = BTreeMap::new();
    while let Some(row) = rows.next()? {
        customers.insert(CustomerId(row.get(0)?), (micros(row.get(2)?)?, Commitment(row.get(1)?)));
    }
    Ok(customers)
}

/// The issuer certificates.
pub(super) fn issuers(connection: &Connection) -> Result<BTreeMap<CertificateId, IssuerRecord>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT certificate_id, certificate, revoked_at FROM issuers")?;
    let mut rows = statement.query([])?;
    let mut issuers = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let record = IssuerRecord { certificate: row.get(1)?, revoked_at: optional_micros(row.get(2)?)? };
        issuers.insert(CertificateId(row.get(0)?), record);
    }
    Ok(issuers)
}

/// Reads a text that was within its limits when it was stored.
pub(super) fn text(stored: &str) -> Result<Text, StoreError> {
    Text::new(stored).ok_or(StoreError::Damaged("text"))
}
