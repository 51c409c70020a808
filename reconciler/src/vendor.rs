//! The vendor at work: a home with its keys and the ledger, and what can be done with both.
//!
//! Each operation reads what it needs, lets a pure function decide, signs with the issuer's key and stores the result
//! in one commit. Nothing here knows SQL or the command line.

pub mod activations;
pub mod codes;
pub mod customers;
pub mod forks;
pub mod licenses;
pub mod periods;
pub mod products;
pub mod quarantine;
pub mod requests;
pub mod restore;
pub mod sheet;
pub mod tokens;
pub mod webhooks;

use std::fmt;
use std::sync::Arc;

use ledger::authority::Issuer;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;

use crate::home::Home;
use crate::store::Store;

/// A home whose ledger is open.
pub struct Vendor {
    /// The home.
    pub home: Arc<Home>,
    /// The ledger.
    pub store: Box<dyn Store>,
    pub(crate) issuer: Issuer,
    pub(crate) now: Micros,
}

impl Vendor {
    /// Makes the ledger of a new home: the catalog chain begins with the issuer's certificate.
    ///
    /// # Errors
    /// When the ledger cannot be made; the home is then not kept either.
    pub fn found(home: Home, now: Micros) -> Result<Self, Refusal> {
        let store = home.ledger().create().map_err(Refusal::from)?;
        let mut vendor = Self::with(home, Box::new(store), now);
        vendor.certify_issuer()?;
        Ok(vendor)
    }

    /// Opens the ledger of a home.
    ///
    /// # Errors
    /// When the ledger cannot be opened.
    pub fn open(home: Home, now: Micros) -> Result<Self, Refusal> {
        let store = home.ledger().open().map_err(|error| Refusal::from(error).at(home.store()))?;
        Ok(Self::with(home, Box::new(store), now))
    }

    /// The key that signs, with its certificate.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The vendor's time, read once for the whole operation.
    pub fn now(&self) -> Micros {
        self.now
    }

    fn with(home: Home, store: Box<dyn Store>, now: Micros) -> Self {
        let issuer = Issuer { key: home.issuer().clone(), certificate: home.trusted_issuer().clone() };
        Self { home: Arc::new(home), store, issuer, now }
    }

    /// The same vendor at work on something else at the same time, on whatever thread.
    ///
    /// # Errors
    /// When the ledger cannot be opened once more.
    pub fn another(&self) -> Result<Self, Refusal> {
        let (home, issuer) = (Arc::clone(&self.home), self.issuer.clone());
        Ok(Self { home, store: self.store.another()?, issuer, now: self.now })
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("home", &self.home).field("now", &self.now).finish_non_exhaustive()
    }
}
