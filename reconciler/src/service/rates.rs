//! How many requests are taken from one address, and how many bundles for one licence: token buckets (GCRA), which hold what
//! may come at once for ten seconds' worth. Codes that people type are counted by the hour.
//!
//! What a licence is called is no secret, so that anybody can send bundles for it. Those of devices that it knows count for
//! it, once they are answered; beside, each network may send so many for it, so that nobody uses up what others need.

mod codes;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use schemas::ids::KeyReference;

pub(super) use self::codes::{Against, CodeRates};
use super::client::network;
use crate::wall_clock;

/// Seconds' worth of requests that may come at once.
const BURST_SECONDS: u32 = 10;

/// How often a network may send something for a licence whose devices were answered as often as they may be.
const WHEN_FULL: Duration = Duration::from_secs(10);

/// What was taken lately from whom.
pub(super) struct Rates {
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    licenses: Option<Licenses>,
    /// What was typed.
    pub(super) codes: CodeRates,
}

/// What was taken lately for licences.
struct Licenses {
    from_networks: DefaultKeyedRateLimiter<(KeyReference, IpAddr)>,
    answered: DefaultKeyedRateLimiter<KeyReference>,
    refreshed: DefaultKeyedRateLimiter<KeyReference>,
    /// The little that each network has where a licence's devices were answered as often as they may be: some of those devices
    /// may be others' business, such as all that try a product.
    when_full: DefaultKeyedRateLimiter<(KeyReference, IpAddr)>,
    /// Licences whose devices were answered as often as they may be, until when.
    full: Mutex<HashMap<KeyReference, Instant>>,
}

impl Rates {
    /// So many a second in the long run; 0 is any number.
    pub(super) fn new(per_address: u32, per_license: u32, codes: CodeRates) -> Self {
        Self { addresses: limiter(per_address), licenses: Licenses::new(per_license), codes }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn take_from(&self, address: IpAddr) -> Result<(), Duration> {
        self.addresses.as_ref().map_or(Ok(()), |addresses| take(addresses, &network(address)))
    }

    /// Counts a bundle of an address for the licence whose key has this reference, before it is read.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn take_for(&self, reference: KeyReference, address: IpAddr) -> Result<(), Duration> {
        let Some(licenses) = &self.licenses else { return Ok(()) };
        let full_until = licenses.full().get(&reference).copied();
        let place = (reference, network(address));
        if full_until.is_some_and(|until| until > wall_clock::instant()) {
            return take(&licenses.when_full, &place);
        }
        take(&licenses.from_networks, &place)
    }

    /// Counts a device of a licence that was given a grant.
    pub(super) fn answered(&self, reference: KeyReference) {
        let Some(licenses) = &self.licenses else { return };
        if let Err(wait) = take(&licenses.answered, &reference) {
            licenses.full().insert(reference, wall_clock::instant() + wait);
        }
    }

    /// Counts a grant of a licence that was asked for without a bundle.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn take_refresh(&self, reference: KeyReference) -> Result<(), Duration> {
        self.licenses.as_ref().map_or(Ok(()), |licenses| take(&licenses.refreshed, &reference))
    }

    /// Forgets those who could make as many requests as anybody new.
    pub(super) fn forget(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
        }
        if let Some(licenses) = &self.licenses {
            licenses.from_networks.retain_recent();
            licenses.when_full.retain_recent();
            licenses.answered.retain_recent();
            licenses.refreshed.retain_recent();
            let now = wall_clock::instant();
            licenses.full().retain(|_, until| *until > now);
        }
        self.codes.forget();
    }
}

impl Licenses {
    fn new(a_second: u32) -> Option<Self> {
        Some(Self {
            from_networks: limiter(a_second)?,
            answered: limiter(a_second)?,
            refreshed: limiter(a_second)?,
            when_full: RateLimiter::keyed(Quota::with_period(WHEN_FULL)?),
            full: Mutex::default(),
        })
    }

    fn full(&self) -> MutexGuard<'_, HashMap<KeyReference, Instant>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limiter<K: Hash + Eq + Clone>(a_second: u32) -> Option<DefaultKeyedRateLimiter<K>> {
    let a_second = NonZeroU32::new(a_second)?;
    let burst = a_second.saturating_mul(NonZeroU32::new(BURST_SECONDS)?);
    Some(RateLimiter::keyed(Quota::per_second(a_second).allow_burst(burst)))
}

fn take<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Duration> {
    limiter.check_key(key).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_may_make_ten_seconds_worth_at_once_and_others_are_not_touched_by_it() {
        let rates = Rates::new(1, 0, CodeRates::new(0, 0));
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().expect("valid"));
        for _ in 0..BURST_SECONDS {
            assert_eq!(rates.take_from(one), Ok(()));
        }
        assert!(rates.take_from(one).is_err_and(|wait| wait > Duration::ZERO));
        assert_eq!(rates.take_from(other), Ok(()));
        rates.forget();
        assert!(rates.take_from(one).is_err(), "what is not over yet is not forgotten");
    }

    #[test]
    fn strangers_use_up_their_own_and_devices_that_are_known_what_is_the_licence_s() {
        let rates = Rates::new(0, 1, CodeRates::new(0, 0));
        let [stranger, device] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().expect("valid"));
        let license = KeyReference([7; 5]);
        for _ in 0..BURST_SECONDS {
            assert_eq!(rates.take_for(license, stranger), Ok(()));
        }
        assert!(rates.take_for(license, stranger).is_err());
        assert_eq!(rates.take_for(license, device), Ok(()));
        for _ in 0..=BURST_SECONDS {
            rates.answered(license);
        }
        assert_eq!(rates.take_for(license, device), Ok(()), "a little is left to every network");
        assert!(rates.take_for(license, device).is_err_and(|wait| wait > Duration::ZERO));
        assert_eq!(rates.take_for(KeyReference([8; 5]), device), Ok(()));
        assert_eq!(rates.take_refresh(license), Ok(()), "who asks without a bundle is counted by itself");
    }
}
