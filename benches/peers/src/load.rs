//! What every store is given: consumptions of a metered feature, a bundle from each device.

use std::fmt;
use std::ops::Range;

/// The bytes of a consumption: its core and its signature.
pub(crate) const CORE: [u8; 22] = [1; 22];
/// See [`CORE`].
pub(crate) const SIGNATURE: [u8; 64] = [2; 64];

/// How many events, and how many a device sends together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    devices: u32,
    bundle: u32,
}

impl Load {
    /// As many events as there are, rounded up to whole bundles.
    pub(crate) fn new(events: u32, bundle: u32) -> Self {
        Self { devices: events.div_ceil(bundle), bundle }
    }

    /// The numbers of the devices.
    pub(crate) fn devices(self) -> Range<u32> {
        0..self.devices
    }

    /// The places of a device's events.
    pub(crate) fn places(self) -> Range<u32> {
        0..self.bundle
    }

    /// How many events a device has.
    pub(crate) fn bundle(self) -> u32 {
        self.bundle
    }

    /// All events.
    pub(crate) fn events(self) -> u64 {
        u64::from(self.devices) * u64::from(self.bundle)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events: {} devices with a bundle of {}", self.events(), self.devices, self.bundle)
    }
}
