//! The seats of a licence, for whoever holds its key: which devices have them, and how many are left. It shows and changes
//! nothing: a seat comes back by its device, and an operator of the vendor's takes one back.

use ledger::license_key::LicenseKey;
use ledger::seats;
use schemas::codes::Code;
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;

use super::page::moment;
use super::reading::List;
use crate::shown::words::Attached;
use crate::store::{ActivationFilter, ActivationSummary};
use crate::vendor::Vendor;

/// The seats of a licence.
#[derive(Debug)]
pub(super) struct Seats {
    /// The licence.
    pub(super) license: String,
    /// Its product.
    pub(super) product: String,
    /// Whether it stands.
    pub(super) standing: &'static str,
    /// How many there are.
    pub(super) all: u32,
    /// How many are taken.
    pub(super) taken: usize,
    /// How often a seat may still move to another device for now; absent: without limit.
    pub(super) moves_left: Option<usize>,
    /// The devices that have them.
    pub(super) devices: List<Seat>,
}

/// A seat that is taken.
#[derive(Debug)]
pub(super) struct Seat {
    /// The chain's reference.
    pub(super) chain: String,
    /// The device's host name, where it told it.
    pub(super) host: Option<String>,
    /// Since when.
    pub(super) since: String,
    /// The time of its last event that is known.
    pub(super) heard_of: Option<String>,
    /// Until when, where that is known.
    pub(super) until: Option<String>,
}

impl Seats {
    /// Those of the licence whose whole key was typed.
    ///
    /// # Errors
    /// `license_key_mistyped`; `license_not_found` also where only the secret part is wrong.
    pub(super) fn of(vendor: &mut Vendor, typed: &str) -> Result<Self, Refusal> {
        let key = LicenseKey::parse(typed)
            .map_err(|error| Refusal::from_error(Code::LicenseKeyMistyped, &error))?;
        let known = vendor.store.license_of_key(&key.reference())?.ok_or(Code::LicenseNotFound)?;
        let license = vendor.store.license(&known)?.ok_or(Code::LicenseNotFound)?;
        if !is_same(&vendor.license_key(&license), &key) {
            return Err(Code::LicenseNotFound.into());
        }
        let now = vendor.now();
        let filter = ActivationFilter { license: Some(license.id), ..ActivationFilter::default() };
        let mut seated = vendor.store.activations(&filter)?;
        seated.retain(|device| {
            license.activations.get(&device.chain).is_some_and(|known| known.takes_seat(now))
        });
        let shown = List::of(seated.iter());
        let devices = List {
            rows: shown.rows.into_iter().map(|device| Seat::of(vendor, device)).collect::<Result<_, _>>()?,
            more: shown.more,
        };
        Ok(Self {
            license: license.id.to_string(),
            product: license.product.to_string(),
            standing: license.standing.word(),
            all: license.terms.rules.max_activations,
            taken: license.seats_taken(now),
            moves_left: seats::transfers(&license, now).left,
            devices,
        })
    }
}

impl Seat {
    fn of(vendor: &mut Vendor, device: &ActivationSummary) -> Result<Self, Refusal> {
        let host = Attached::read(vendor, &device.license, device.host.as_ref())?;
        let until = |released: Micros| format!("given back on {}; not free yet", moment(released));
        Ok(Self {
            chain: device.chain.to_string(),
            host: host.map(|host| host.to_string()),
            since: device.granted_at.map(moment).unwrap_or_default(),
            heard_of: device.last_at.map(moment),
            until: device
                .released_at
                .map(until)
                .or_else(|| device.sync_by.map(|by| format!("has to report by {}", moment(by)))),
        })
    }
}

/// Whether two keys have the same secret, in a time that tells nothing.
fn is_same(known: &LicenseKey, typed: &LicenseKey) -> bool {
    let any = ChainId([0; 32]);
    known.proves(&any, &typed.proof(&any))
}
