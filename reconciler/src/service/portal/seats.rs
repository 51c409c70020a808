//! The seats of a licence, for whoever holds its key: which devices have them, how many are left, and one taken back from a
//! device that is lost, as far as seats may move to another one.

use ledger::authority::License;
use ledger::seats;
use schemas::codes::Code;
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;

use crate::service::html::list::List;
use crate::service::html::page::moment;
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
    /// What was just done.
    pub(super) told: Option<String>,
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
    /// From when it is free if it is taken back now; nothing where it cannot be, or is given back already.
    pub(super) free_from: Option<String>,
}

impl Seats {
    /// Those of the licence whose whole key was typed.
    ///
    /// # Errors
    /// Those of [`Vendor::license_of_holder`].
    pub(super) fn of(vendor: &mut Vendor, typed: &str) -> Result<Self, Refusal> {
        let license = vendor.license_of_holder(typed)?;
        Self::read(vendor, &license, None)
    }

    /// Takes a device's seat back, and tells the seats afterwards.
    ///
    /// # Errors
    /// Those of [`Vendor::license_of_holder`] and [`Vendor::release_for_customer`].
    pub(super) fn release(vendor: &mut Vendor, typed: &str, chain: &str) -> Result<Self, Refusal> {
        let license = vendor.license_of_holder(typed)?;
        let chain: ChainId = chain.parse().map_err(|_| Refusal::from(Code::ChainUnknown))?;
        let done = vendor.release_for_customer(&license, chain)?;
        let license = vendor.license_of_holder(typed)?;
        let told = if done.is_free {
            "The seat is free for another device.".to_owned()
        } else {
            format!("The seat is free for another device from {} on.", moment(done.seat_free_at))
        };
        Self::read(vendor, &license, Some(told))
    }

    fn read(vendor: &mut Vendor, license: &License, told: Option<String>) -> Result<Self, Refusal> {
        let now = vendor.now();
        let filter = ActivationFilter { license: Some(license.id), ..ActivationFilter::default() };
        let mut seated = vendor.store.activations(&filter)?;
        seated.retain(|device| {
            license.activations.get(&device.chain).is_some_and(|known| known.takes_seat(now))
        });
        let shown = List::of(seated.iter());
        let devices = List {
            rows: shown
                .rows
                .into_iter()
                .map(|device| Seat::of(vendor, license, device))
                .collect::<Result<_, _>>()?,
            more: shown.more,
        };
        Ok(Self {
            license: license.id.to_string(),
            product: license.product.to_string(),
            standing: license.standing.word(),
            all: license.terms.rules.max_activations,
            taken: license.seats_taken(now),
            moves_left: seats::transfers(license, now).left,
            told,
            devices,
        })
    }
}

impl Seat {
    fn of(vendor: &mut Vendor, license: &License, device: &ActivationSummary) -> Result<Self, Refusal> {
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
            free_from: seats::free_at_for_customer(license, &device.chain, vendor.now()).ok().map(moment),
        })
    }
}
