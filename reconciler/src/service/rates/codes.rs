//! How many codes are taken from one network, and how many wrong ones for one device or one licence key.
//!
//! A code proves little: a return code by 80 bits, a request by the licence key that is typed beside it. So that nobody finds
//! either by trying, wrong ones of the last hour are counted by what they were tried against and by the network that sent
//! them, and once more whoever sent them: of those there may be a hundred times as many, so that a stranger who tries keeps
//! nobody else out. What is right takes nothing away from either.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use schemas::ids::KeyReference;
use schemas::typed::ChainReference;

use super::take;
use crate::service::client::network;
use crate::wall_clock;

/// How many times as many wrong ones may come from all networks together as from one.
const TOGETHER: usize = 100;
const HOUR: Duration = Duration::from_hours(1);

/// What a code is tried against.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::service) enum Against {
    /// The secret half of the licence key that has this reference.
    Key(KeyReference),
    /// The MAC of the device whose chain begins so.
    Chain(ChainReference),
}

/// Codes that were given lately.
pub(in crate::service) struct CodeRates {
    networks: Option<DefaultKeyedRateLimiter<IpAddr>>,
    wrong: Option<Wrong>,
}

impl CodeRates {
    /// So many codes an hour from one network, and so many wrong ones an hour against one key or device; 0 is any number.
    pub(in crate::service) fn new(per_address: u32, wrong: u32) -> Self {
        let networks =
            NonZeroU32::new(per_address).map(|an_hour| RateLimiter::keyed(Quota::per_hour(an_hour)));
        Self { networks, wrong: Wrong::new(wrong) }
    }

    /// Counts a code of an address.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(in crate::service) fn take_from(&self, address: IpAddr) -> Result<(), Duration> {
        self.networks.as_ref().map_or(Ok(()), |networks| take(networks, &network(address)))
    }

    /// Begins to try a code of an address, which counts as a wrong one until it is known that it is none: however many are tried
    /// at the same time, no more than are allowed can be wrong.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(in crate::service) fn attempt(
        &self,
        against: Against,
        address: IpAddr,
    ) -> Result<Attempt<'_>, Duration> {
        let Some(wrong) = &self.wrong else { return Ok(Attempt(None)) };
        let now = wall_clock::instant();
        let (here, anywhere) =
            (Tried { against, network: Some(network(address)) }, Tried { against, network: None });
        wrong.add(here, now)?;
        wrong.add(anywhere, now).inspect_err(|_| wrong.take_back(here, now))?;
        Ok(Attempt(Some((wrong, [here, anywhere], now))))
    }

    /// Forgets what does not count any more.
    pub(super) fn forget(&self) {
        if let Some(networks) = &self.networks {
            networks.retain_recent();
        }
        if let Some(wrong) = &self.wrong {
            wrong.forget(wall_clock::instant());
        }
    }
}

/// A code that is tried. Whoever hangs up has tried it all the same.
#[must_use]
pub(in crate::service) struct Attempt<'a>(Option<(&'a Wrong, [Tried; 2], Instant)>);

impl Attempt<'_> {
    /// It was no wrong one, and does not count.
    pub(in crate::service) fn does_not_count(self) {
        if let Some((wrong, tried, at)) = self.0 {
            for by in tried {
                wrong.take_back(by, at);
            }
        }
    }
}

/// What wrong codes are counted by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Tried {
    against: Against,
    /// The network that sent them; absent: any.
    network: Option<IpAddr>,
}

/// Wrong codes of the last hour.
struct Wrong {
    most: usize,
    /// When they were tried, the earliest first.
    lately: Mutex<HashMap<Tried, VecDeque<Instant>>>,
}

impl Wrong {
    fn new(most: u32) -> Option<Self> {
        let most = NonZeroU32::new(most)?.get();
        Some(Self { most: usize::try_from(most).unwrap_or(usize::MAX), lately: Mutex::default() })
    }

    fn add(&self, by: Tried, now: Instant) -> Result<(), Duration> {
        let most = if by.network.is_some() { self.most } else { self.most.saturating_mul(TOGETHER) };
        let mut lately = self.lately();
        let tried = lately.entry(by).or_default();
        while tried.front().is_some_and(|at| is_over(*at, now)) {
            tried.pop_front();
        }
        if let Some(first) = tried.front().filter(|_| tried.len() >= most) {
            return Err((*first + HOUR).saturating_duration_since(now));
        }
        tried.push_back(now);
        Ok(())
    }

    fn take_back(&self, by: Tried, at: Instant) {
        let mut lately = self.lately();
        let Some(tried) = lately.get_mut(&by) else { return };
        if let Some(place) = tried.iter().rposition(|known| *known == at) {
            tried.remove(place);
        }
        if tried.is_empty() {
            lately.remove(&by);
        }
    }

    fn forget(&self, now: Instant) {
        self.lately().retain(|_, tried| tried.back().is_some_and(|last| !is_over(*last, now)));
    }

    fn lately(&self) -> MutexGuard<'_, HashMap<Tried, VecDeque<Instant>>> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Against = Against::Chain(ChainReference([7; 5]));

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn tried(against: Against) -> Tried {
        Tried { against, network: Some(from(1)) }
    }

    fn wrong(most: u32) -> Wrong {
        Wrong::new(most).expect("there is a limit")
    }

    #[test]
    fn so_many_wrong_ones_are_taken_in_any_hour_and_the_next_when_the_first_is_an_hour_old() {
        let (wrong, begun) = (wrong(3), wall_clock::instant());
        let at = |minutes: u64| begun + Duration::from_mins(minutes);
        for minute in [0, 20, 40] {
            assert_eq!(wrong.add(tried(CHAIN), at(minute)), Ok(()));
        }
        assert_eq!(wrong.add(tried(CHAIN), at(45)), Err(Duration::from_mins(15)));
        assert_eq!(wrong.add(tried(CHAIN), at(60)), Ok(()));
        assert_eq!(wrong.add(tried(CHAIN), at(79)), Err(Duration::from_mins(1)));
        assert_eq!(wrong.add(tried(Against::Key(KeyReference([7; 5]))), at(79)), Ok(()), "each by itself");
        wrong.forget(at(119));
        assert_eq!(wrong.lately().len(), 2);
        wrong.forget(at(120));
        assert_eq!(wrong.lately().len(), 1);
    }

    #[test]
    fn what_is_right_takes_nothing_and_what_is_not_known_yet_counts() {
        let rates = CodeRates::new(0, 2);
        for _ in 0..10 {
            rates.attempt(CHAIN, from(1)).expect("none was wrong").does_not_count();
        }
        let [one, _other] = [(); 2].map(|()| rates.attempt(CHAIN, from(1)).expect("none was wrong"));
        assert!(rates.attempt(CHAIN, from(1)).is_err(), "two are under way");
        one.does_not_count();
        drop(rates.attempt(CHAIN, from(1)).expect("one is left"));
        assert!(rates.attempt(CHAIN, from(1)).is_err_and(|wait| wait > Duration::from_mins(59)));
    }

    #[test]
    fn who_tries_from_one_network_keeps_no_other_out() {
        let rates = CodeRates::new(0, 2);
        let all_wrong = |last: u8| (0..3).filter(|_| rates.attempt(CHAIN, from(last)).is_ok()).count();
        assert_eq!((all_wrong(1), all_wrong(2)), (2, 2));
        let together: usize = (3..=200).map(all_wrong).sum();
        assert_eq!(together + 4, 2 * TOGETHER, "all together there is an end");
    }

    #[test]
    fn each_network_gives_so_many_codes() {
        let rates = CodeRates::new(2, 0);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().expect("valid"));
        for _ in 0..2 {
            assert_eq!(rates.take_from(one), Ok(()));
        }
        assert!(rates.take_from(one).is_err_and(|wait| wait > Duration::ZERO));
        assert_eq!(rates.take_from(other), Ok(()));
        let none = CodeRates::new(0, 0);
        assert!((0..1_000).all(|_| none.take_from(one).is_ok() && none.attempt(CHAIN, from(1)).is_ok()));
    }
}
