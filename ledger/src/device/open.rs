//! How a chain begins.

use schemas::bundle::Attachment;
use schemas::event::device::{ActivationRequested, ChainOpened, Claim};
use schemas::event::{Body, Event};
use schemas::numbers::Micros;
use schemas::run::DeviceOrigin;

/// A chain that is about to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who signs it and what it refers to.
    pub origin: DeviceOrigin,
    /// What its first event says.
    pub opened: ChainOpened,
    /// The host name that the first event commits to.
    pub host: Option<Attachment>,
    /// What entitles the device.
    pub claim: Claim,
}

impl Opening {
    /// The events of an activation request.
    pub fn events(&self, at: Micros) -> [Event; 2] {
        let requested = ActivationRequested { claim: self.claim.clone() };
        [Body::ChainOpened(Box::new(self.opened.clone())), Body::ActivationRequested(Box::new(requested))]
            .map(|body| Event { at, body })
    }
}
