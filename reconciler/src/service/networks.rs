//! How many connections each network has: none may have them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of each network.
#[derive(Debug)]
pub(super) struct Networks {
    most: usize,
    connected: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's share, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    network: IpAddr,
    connected: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Networks {
    /// Each may have so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, connected: Arc::default() }
    }

    /// A share for one more connection of a network, if there is one.
    pub(super) fn take(&self, network: IpAddr) -> Option<Share> {
        let mut connected = lock(&self.connected);
        let count = connected.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { network, connected: Arc::clone(&self.connected) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut connected = lock(&self.connected);
        if let Some(count) = connected.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&self.network);
            }
        }
    }
}

fn lock(connected: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    connected.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_and_others_have_theirs() {
        let networks = Networks::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().expect("valid"));
        let held = [networks.take(one), networks.take(one)];
        assert!(held.iter().all(Option::is_some));
        assert!(networks.take(one).is_none());
        assert!(networks.take(other).is_some());
        drop(held);
        assert!(networks.take(one).is_some());
        assert!(lock(&networks.connected).is_empty(), "who has none is not remembered");
    }
}
