//! Lists and reports: read-only, each one statement.

use ledger::forks::Verdict;
use ledger::license_key;
use ledger::rows::{HistoryEntry, Variable};
use ledger::state;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, Commitment, CustomerId, KeyReference, LicenseId};
use schemas::numbers::{FeatureNumber, Seconds, Seq};
use schemas::period::Period;
use schemas::terms::OnFork;
use schemas::text::Text;
use schemas::typed::ChainReference;

use super::database::{Database, Row, Value, all};
use super::license::history_entry;
use super::{StoreError, runs, statements};
use crate::store::views::{
    ActivationFilter, ActivationSummary, EvidenceRow, ForkRow, LicenseFilter, LicenseSummary, UsageFilter,
    UsageRow,
};

/// Licences that match.
pub(super) fn licenses(
    db: &mut dyn Database,
    filter: &LicenseFilter,
) -> Result<Vec<LicenseSummary>, StoreError> {
    let limit = filter.limit.unwrap_or(u64::MAX);
    let mut found = Vec::new();
    let mut find = |customer: Option<&CustomerId>| {
        let values = [
            filter.product.as_deref().into(),
            filter.policy.as_deref().into(),
            filter.standing.as_deref().into(),
            customer.map(CustomerId::as_bytes).into(),
            filter.after.as_ref().map(LicenseId::as_bytes).into(),
            limit.into(),
        ];
        found.extend(all(db, &statements::LICENSE_LIST, &values, license)?);
        Ok::<_, StoreError>(())
    };
    match &filter.customers {
        None => find(None)?,
        Some(customers) => customers.iter().try_for_each(|customer| find(Some(customer)))?,
    }
    // Those of several customers of one name come customer by customer.
    found.sort_by_key(|license| license.id);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn license(row: &mut Row) -> Result<LicenseSummary, StoreError> {
    let (id, reference, product) = (LicenseId(row.fixed()?), KeyReference(row.fixed()?), row.string()?);
    Ok(LicenseSummary {
        id,
        is_trial: license_key::is_trial(reference, &product),
        product,
        policy: row.string()?,
        customer: CustomerId(row.fixed()?),
        standing: row.string()?,
        issued_at: row.micros()?,
        valid_until: row.optional_micros()?,
        valid_from_activation: row.optional_uint()?.map(Seconds),
        max_activations: row.small()?,
        activations: row.uint()?,
    })
}

/// Activations that match.
pub(super) fn activations(
    db: &mut dyn Database,
    filter: &ActivationFilter,
) -> Result<Vec<ActivationSummary>, StoreError> {
    let mut found = Vec::new();
    let mut take = |mut row: Row| {
        found.push(activation(&mut row)?);
        Ok(())
    };
    let chain = Value::from(filter.chain.as_ref().map(ChainId::as_bytes));
    let status = filter.status.map(GrantStatus::number).into();
    let (product, limit) = (filter.product.as_deref().into(), filter.limit.unwrap_or(u64::MAX).into());
    let (after_license, after_chain) = filter.after.as_ref().map(|(license, chain)| (license, chain)).unzip();
    let after_chain = Value::from(after_chain.map(ChainId::as_bytes));
    if let Some(license) = &filter.license {
        let values = [license.as_bytes().into(), chain, product, status, after_chain, limit];
        db.query(&statements::ACTIVATIONS_OF_LICENSE, &values, &mut take)?;
    } else {
        let after_license = after_license.map(LicenseId::as_bytes).into();
        let values = [chain, product, status, after_license, after_chain, limit];
        db.query(&statements::ACTIVATION_LIST, &values, &mut take)?;
    }
    Ok(found)
}

fn activation(row: &mut Row) -> Result<ActivationSummary, StoreError> {
    Ok(ActivationSummary {
        license: LicenseId(row.fixed()?),
        chain: ChainId(row.fixed()?),
        status: GrantStatus::from_number(row.uint()?).ok_or(StoreError::Damaged("status"))?,
        reason: row.optional_text()?,
        agent: row.optional_text()?,
        host: row.optional_fixed()?.map(Commitment),
        requested_at: row.optional_micros()?,
        granted_at: row.optional_micros()?,
        released_at: row.optional_micros()?,
        sync_by: row.optional_micros()?,
        seq: row.seq()?,
        last_at: row.optional_micros()?,
        forked: row.optional_seq()?.is_some(),
    })
}

/// The lifecycle events of a licence.
pub(super) fn history(db: &mut dyn Database, license: &LicenseId) -> Result<Vec<HistoryEntry>, StoreError> {
    let mut history = runs::authority_events(db, license)?;
    db.query(&statements::HISTORY, &[license.as_bytes().into()], &mut |mut row| {
        history.push(history_entry(&mut row)?);
        Ok(())
    })?;
    history.sort_by_key(runs::history_order);
    Ok(history)
}

/// The device variables of a chain.
pub(super) fn variables(
    db: &mut dyn Database,
    license: &LicenseId,
    chain: &ChainId,
) -> Result<Vec<(Text, Variable)>, StoreError> {
    let mut variables = Vec::new();
    let values = [license.as_bytes().into(), chain.as_bytes().into()];
    db.query(&statements::VARIABLES, &values, &mut |mut row| {
        let name = row.text()?;
        let (seq, at) = (row.seq()?, row.micros()?);
        variables.push((name, Variable { seq, at, value: Commitment(row.fixed()?) }));
        Ok(())
    })?;
    Ok(variables)
}

/// The device chains of which codes were typed.
pub(super) fn coded_chains(
    db: &mut dyn Database,
    reference: Option<&ChainReference>,
) -> Result<Vec<(LicenseId, ChainId)>, StoreError> {
    let bound = |filling: u8| {
        let mut chain = [filling; 32];
        if let Some(reference) = reference {
            chain[..ChainReference::LEN].copy_from_slice(reference.as_bytes());
        }
        chain
    };
    let (first, last) = (bound(0), bound(0xff));
    let mut chains = Vec::new();
    db.query(
        &statements::CODED_CHAINS,
        &[first.as_slice().into(), last.as_slice().into()],
        &mut |mut row| {
            chains.push((LicenseId(row.fixed()?), ChainId(row.fixed()?)));
            Ok(())
        },
    )?;
    Ok(chains)
}

/// Usage rows that match.
pub(super) fn usage(
    db: &mut dyn Database,
    filter: &UsageFilter,
    each: &mut dyn FnMut(UsageRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let product = Value::from(filter.product.as_deref());
    let (from, before) =
        (filter.from_day.unwrap_or(0).into(), filter.before_day.map_or(i64::MAX, i64::from).into());
    let mut take = |mut row: Row| each(usage_row(&mut row)?);
    match &filter.license {
        Some(license) => {
            let values = [license.as_bytes().into(), product, from, before];
            db.query(&statements::USAGE_OF_LICENSE, &values, &mut take)
        }
        None => db.query(&statements::USAGE_LIST, &[product, from, before], &mut take),
    }
}

fn usage_row(row: &mut Row) -> Result<UsageRow, StoreError> {
    Ok(UsageRow {
        license: LicenseId(row.fixed()?),
        product: row.string()?,
        chain: ChainId(row.fixed()?),
        feature: FeatureNumber(row.small()?),
        period: Period::from_number(row.small()?).ok_or(StoreError::Damaged("period"))?,
        day: row.small()?,
        used: row.uint()?,
        refunded: row.uint()?,
        events: row.uint()?,
    })
}

/// The branch heads of every device chain.
pub(super) fn evidence(db: &mut dyn Database) -> Result<Vec<EvidenceRow>, StoreError> {
    let mut evidence = Vec::new();
    db.query(&statements::BRANCHES, &[], &mut |mut row| {
        let (license, chain) = (LicenseId(row.fixed()?), ChainId(row.fixed()?));
        let branches = state::branches(&row.bytes()?)?;
        evidence.extend(branches.into_iter().map(|branch| EvidenceRow { license, chain, branch }));
        Ok(())
    })?;
    Ok(evidence)
}

/// The forks of device chains.
pub(super) fn forks(db: &mut dyn Database) -> Result<Vec<ForkRow>, StoreError> {
    all(db, &statements::FORKS, &[], fork)
}

fn fork(row: &mut Row) -> Result<ForkRow, StoreError> {
    let (license, chain) = (LicenseId(row.fixed()?), ChainId(row.fixed()?));
    let (seq, at) = (row.seq()?, row.optional_micros()?);
    let verdict =
        row.optional_text()?.map(|word| Verdict::from_word(&word).ok_or(StoreError::Damaged("verdict")));
    Ok(ForkRow {
        license,
        chain,
        seq,
        at,
        verdict: verdict.transpose()?,
        branches: state::branches(&row.bytes()?)?.len() as u64,
        on_fork: OnFork::from_number(row.uint()?).ok_or(StoreError::Damaged("policy"))?,
    })
}

/// Evidence that contradicts itself.
pub(super) fn findings(db: &mut dyn Database) -> Result<Vec<(LicenseId, ChainId, Seq, String)>, StoreError> {
    all(db, &statements::FINDINGS, &[], |row| {
        Ok((LicenseId(row.fixed()?), ChainId(row.fixed()?), row.seq()?, row.string()?))
    })
}
