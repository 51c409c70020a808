//! How the service is reached, and how much it takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemas::codes::Code;
use schemas::refusal::Refusal;

/// How the service is reached, and how much it takes.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The certificate chain and the private key that it encrypts with, as PEM files.
    pub(crate) tls: Option<TlsFiles>,
    /// Proxies in front of it that encrypt, and whose word on the client's address is taken.
    pub(crate) behind_proxy: Vec<IpAddr>,
    /// Whether it may be reached over the network without encryption.
    pub(crate) insecure_http: bool,
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Requests a second that one address may make in the long run; 0 is any number.
    pub(crate) rate_per_address: u32,
    /// Bundles a second that one licence may send in the long run; 0 is any number.
    pub(crate) rate_per_license: u32,
    /// Codes an hour that one address may give on the portal; 0 is any number.
    pub(crate) codes_per_address: u32,
    /// Wrong codes an hour that are taken there for one device or one licence key; 0 is any number.
    pub(crate) wrong_codes: u32,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub(crate) cert: PathBuf,
    /// The private key.
    pub(crate) key: PathBuf,
}

impl Settings {
    /// Refuses to be read along with.
    ///
    /// # Errors
    /// `listen_insecure` where the network would carry licence files and tokens in the clear.
    pub(crate) fn refuse_insecure(&self) -> Result<(), Refusal> {
        let is_secure = self.listen.ip().is_loopback()
            || self.tls.is_some()
            || !self.behind_proxy.is_empty()
            || self.insecure_http;
        if is_secure { Ok(()) } else { Err(Refusal::new(Code::ListenInsecure, self.listen.to_string())) }
    }
}
