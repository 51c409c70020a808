//! Customers. The name is personal data: the catalog holds a commitment to it, and the name itself stands beside.

use std::collections::{BTreeMap, BTreeSet};

use ledger::catalog::Catalog;
use ledger::commitment;
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::catalog::CustomerDefined;
use schemas::ids::{Commitment, CustomerId};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::Vendor;
use crate::store::Store;

/// A customer as people see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Customer {
    /// Names the customer.
    pub id: CustomerId,
    /// The name; absent when it was erased.
    pub name: Option<String>,
    /// When it was defined.
    pub defined_at: Micros,
}

impl Vendor {
    /// The customers, in the order of their names.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn customers(&mut self) -> Result<Vec<Customer>, Refusal> {
        let catalog = self.catalog()?;
        let mut customers = catalog
            .customers
            .iter()
            .map(|(id, (defined_at, name))| {
                Ok(Customer { id: *id, name: name_of(self.store.as_mut(), name)?, defined_at: *defined_at })
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        customers.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(customers)
    }

    /// The names of all customers.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn customer_names(&mut self) -> Result<BTreeMap<CustomerId, String>, Refusal> {
        Ok(self.customers()?.into_iter().filter_map(|customer| Some((customer.id, customer.name?))).collect())
    }

    /// The customers of a name or an identifier.
    ///
    /// # Errors
    /// `customer_unknown` when there is none.
    pub fn find_customers(&mut self, wanted: &str) -> Result<Vec<CustomerId>, Refusal> {
        let found: Vec<CustomerId> = self
            .customers()?
            .into_iter()
            .filter(|customer| {
                customer.name.as_deref() == Some(wanted) || customer.id.uuid().to_string() == wanted
            })
            .map(|customer| customer.id)
            .collect();
        if found.is_empty() { Err(Refusal::new(Code::CustomerUnknown, wanted)) } else { Ok(found) }
    }

    /// The customer of a name or an identifier; a name that is new is defined.
    ///
    /// # Errors
    /// When the ledger cannot be changed.
    pub fn customer_of(&mut self, wanted: &Text) -> Result<CustomerId, Refusal> {
        match self.find_customers(wanted.as_str()) {
            Ok(found) => Ok(found[0]),
            Err(refusal) if refusal.code() == Code::CustomerUnknown => {
                Ok(self.customers_named(std::slice::from_ref(wanted))?[wanted])
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The customers of these names; those that are not there yet are defined.
    ///
    /// # Errors
    /// When the ledger cannot be changed.
    pub fn customers_named(&mut self, names: &[Text]) -> Result<BTreeMap<Text, CustomerId>, Refusal> {
        let known: BTreeMap<String, CustomerId> =
            self.customer_names()?.into_iter().map(|(id, name)| (name, id)).collect();
        let mut found = BTreeMap::new();
        let mut missing = BTreeSet::new();
        for name in names {
            match known.get(name.as_str()) {
                Some(id) => drop(found.insert(name.clone(), *id)),
                None => drop(missing.insert(name.clone())),
            }
        }
        let missing: Vec<Text> = missing.into_iter().collect();
        found.extend(self.define_customers(&missing)?);
        Ok(found)
    }

    fn define_customers(&mut self, names: &[Text]) -> Result<Vec<(Text, CustomerId)>, Refusal> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let defined = names
            .iter()
            .map(|name| {
                let attachment = commitment::attach(name.as_str().as_bytes())
                    .map_err(|error| Refusal::from_error(Code::Failed, &error))?;
                Ok((name.clone(), CustomerId(uuid::Uuid::now_v7().into_bytes()), attachment))
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        self.store.change_catalog(&self.issuer, self.now, &mut |draft| {
            for (_, customer, attachment) in &defined {
                draft.write(Body::CustomerDefined(CustomerDefined {
                    customer: *customer,
                    name: attachment.commitment,
                }))?;
            }
            Ok(defined.iter().map(|(_, _, attachment)| attachment.clone()).collect())
        })?;
        Ok(defined.into_iter().map(|(name, customer, _)| (name, customer)).collect())
    }
}

/// The name of a customer of the catalog; absent when it was erased.
///
/// # Errors
/// When the ledger cannot be read.
pub fn customer_name(
    store: &mut dyn Store,
    catalog: &Catalog,
    customer: &CustomerId,
) -> Result<Option<String>, Refusal> {
    match catalog.customers.get(customer) {
        Some((_, name)) => name_of(store, name),
        None => Ok(None),
    }
}

/// The name that the catalog has as an attachment; absent when it was erased.
pub(super) fn name_of(store: &mut dyn Store, name: &Commitment) -> Result<Option<String>, Refusal> {
    let attachment = store.attachment(None, name)?;
    Ok(attachment.map(|attachment| String::from_utf8_lossy(&attachment.value).into_owned()))
}
