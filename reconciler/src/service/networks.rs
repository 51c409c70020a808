//! How much each network has of what is limited: none may have it all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What each network has.
#[derive(Debug)]
pub(super) struct Networks {
    most: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A network's share of it, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    network: IpAddr,
    places: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Networks {
    /// Each may have so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A share of so much more for a network, if it may have that.
    pub(super) fn take(&self, network: IpAddr, places: usize) -> Option<Share> {
        let mut taken = lock(&self.taken);
        let had = taken.get(&network).copied().unwrap_or_default();
        let has = had.checked_add(places).filter(|has| *has <= self.most)?;
        taken.insert(network, has);
        Some(Share { network, places, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(has) = taken.get_mut(&self.network) {
            *has -= self.places;
            if *has == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

fn lock(taken: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_and_others_have_theirs() {
        let networks = Networks::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().expect("valid"));
        let held = [networks.take(one, 1), networks.take(one, 1)];
        assert!(held.iter().all(Option::is_some));
        assert!(networks.take(one, 1).is_none());
        assert!(networks.take(other, 1).is_some());
        drop(held);
        assert!(networks.take(one, 1).is_some());
        assert!(lock(&networks.taken).is_empty(), "who has none is not remembered");
    }
}
