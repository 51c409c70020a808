//! Room for what is held for others while they send or take it: only so much of it at the same time, and of that each network
//! has a share, so that nobody uses up what others need.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::network;
use super::networks::{Networks, Share};

/// Of all room, the part that one network may have.
const SHARE: usize = 4;

/// Room for so many, of which each network has its share.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    networks: Networks,
    share: u32,
}

/// Room that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    _share: Share,
}

impl Room {
    /// Room for so many.
    pub(super) fn new(places: usize) -> Self {
        let share = places.div_ceil(SHARE);
        let networks = Networks::new(share);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        Self { places: Arc::new(Semaphore::new(places)), networks, share }
    }

    /// So much of it one network may have.
    pub(super) fn share(&self) -> u32 {
        self.share
    }

    /// Room for so many more of a client's, if there is as much.
    pub(super) fn take(&self, client: IpAddr, places: u32) -> Option<Place> {
        let share = self.networks.take(network(client), usize::try_from(places).ok()?)?;
        let place = Arc::clone(&self.places).try_acquire_many_owned(places).ok()?;
        Some(Place { _place: place, _share: share })
    }
}

/// Bytes with what they hold, which is held as long as any of them is there.
pub(super) fn holding(bytes: impl AsRef<[u8]> + Send + 'static, held: impl Send + 'static) -> Bytes {
    Bytes::from_owner(Holding { bytes, _held: held })
}

struct Holding<B, H> {
    bytes: B,
    _held: H,
}

impl<B: AsRef<[u8]>, H> AsRef<[u8]> for Holding<B, H> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_until_there_is_no_more() {
        let room = Room::new(8);
        let take = |client: &str, places| room.take(client.parse().expect("an address"), places);
        assert!(take("192.0.2.1", 3).is_none(), "more than its share");
        let held = take("192.0.2.1", 2).expect("its share");
        assert!(take("192.0.2.1", 1).is_none());
        let others: Vec<Place> =
            (2..5).map(|at| take(&format!("192.0.2.{at}"), 2).expect("others have theirs")).collect();
        assert!(take("192.0.2.9", 1).is_none(), "there is no more");
        drop((held, others));
        assert!(take("192.0.2.1", 2).is_some());
    }
}
