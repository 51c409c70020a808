//! How a bundle gets to the vendor and the answer back, over a connection. What they say is nothing to a transport: a
//! message that travels by it can travel as a file too.

mod http;
mod tls;

use std::fmt::Debug;
use std::time::Duration;

use schemas::codes::Code;
use schemas::refusal::Refusal;
use thiserror::Error;

pub use self::http::HttpTransport;

/// A way to the vendor.
pub trait Transport: Debug + Send + Sync {
    /// Hands a bundle to the vendor and returns the answer, a licence file's bytes.
    ///
    /// The answer is whole or it is an error; whether it is genuine is for its reader to find out. It ends in bounded time
    /// and takes bounded memory. Where it fails the vendor may have taken the bundle in or not: the same one, or one that
    /// holds more, is given again, which does no harm. It keeps nothing between two calls that the second rests on.
    ///
    /// # Errors
    /// What the caller can do about it.
    fn exchange(&self, bundle: &[u8]) -> Result<Vec<u8>, ExchangeError>;
}

/// Why an exchange came to nothing.
#[derive(Clone, Debug, Error)]
pub enum ExchangeError {
    /// The server was not reached, or the connection was cut: try again.
    #[error("{0}")]
    Unreachable(String),
    /// The server said no: act on its code, and wait as long as it asks for.
    #[error("{refusal}")]
    Refused {
        /// What it said.
        refusal: Refusal,
        /// How long it asks to wait before the next exchange.
        retry_after: Option<Duration>,
    },
    /// The server is not who it should be: nothing was sent. A person decides whom to trust.
    #[error("{0}")]
    Untrusted(String),
    /// What answers is no licence server: a person looks at the address.
    #[error("{0}")]
    Invalid(String),
}

impl ExchangeError {
    /// The refusal that a person or a program is told.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Unreachable(detail) => Refusal::new(Code::ServerUnreachable, detail),
            Self::Refused { refusal, .. } => refusal.clone(),
            Self::Untrusted(detail) => Refusal::new(Code::ServerUntrusted, detail),
            Self::Invalid(detail) => Refusal::new(Code::ServerInvalid, detail),
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
