//! How many requests are taken from one address, and how many bundles for one licence: token buckets (GCRA), which hold what
//! may come at once for ten seconds' worth.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use schemas::ids::KeyReference;

use super::client::network;

/// Seconds' worth of requests that may come at once.
const BURST_SECONDS: u32 = 10;

/// What was taken lately from whom.
pub(super) struct Rates {
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    licenses: Option<DefaultKeyedRateLimiter<KeyReference>>,
}

impl Rates {
    /// So many a second in the long run; 0 is any number.
    pub(super) fn new(per_address: u32, per_license: u32) -> Self {
        Self { addresses: limiter(per_address), licenses: limiter(per_license) }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn take_from(&self, address: IpAddr) -> Result<(), Duration> {
        take(self.addresses.as_ref(), &network(address))
    }

    /// Counts a bundle for the licence whose key has this reference.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn take_for(&self, reference: KeyReference) -> Result<(), Duration> {
        take(self.licenses.as_ref(), &reference)
    }

    /// Forgets those who could make as many requests as anybody new.
    pub(super) fn forget(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
        }
        if let Some(licenses) = &self.licenses {
            licenses.retain_recent();
        }
    }
}

fn limiter<K: Hash + Eq + Clone>(a_second: u32) -> Option<DefaultKeyedRateLimiter<K>> {
    let a_second = NonZeroU32::new(a_second)?;
    let burst = a_second.saturating_mul(NonZeroU32::new(BURST_SECONDS)?);
    Some(RateLimiter::keyed(Quota::per_second(a_second).allow_burst(burst)))
}

fn take<K: Hash + Eq + Clone>(limiter: Option<&DefaultKeyedRateLimiter<K>>, key: &K) -> Result<(), Duration> {
    let Some(limiter) = limiter else { return Ok(()) };
    limiter.check_key(key).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_may_make_ten_seconds_worth_at_once_and_others_are_not_touched_by_it() {
        let rates = Rates::new(1, 0);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().expect("valid"));
        for _ in 0..BURST_SECONDS {
            assert_eq!(rates.take_from(one), Ok(()));
        }
        assert!(rates.take_from(one).is_err_and(|wait| wait > Duration::ZERO));
        assert_eq!(rates.take_from(other), Ok(()));
        rates.forget();
        assert!(rates.take_from(one).is_err(), "what is not over yet is not forgotten");
    }
}
