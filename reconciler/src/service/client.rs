//! Who makes a request: the other end of the connection, or whom a proxy in front names.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use schemas::codes::Code;

use super::Service;
use super::problem::Problem;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who makes a request, as [`Proxies::client`] says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

impl FromRequestParts<Arc<Service>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().ok_or(Code::Internal)?;
        Ok(Self(service.proxies.client(peer.0, &parts.headers)))
    }
}

/// Whether a connection is one too many: its requests are refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooMany(pub(super) bool);

/// Proxies whose word on the client's address is taken.
#[derive(Clone, Debug)]
pub(super) struct Proxies(BTreeSet<IpAddr>);

impl Proxies {
    /// Those at these addresses.
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        Self(addresses.iter().map(IpAddr::to_canonical).collect())
    }

    /// Whether this is the address of one.
    pub(super) fn has(&self, peer: IpAddr) -> bool {
        self.0.contains(&peer.to_canonical())
    }

    /// The client's address: of `X-Forwarded-For` the last one that no trusted proxy has, where the connection comes from
    /// a trusted proxy; otherwise the connection's own.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.has(peer) {
            return peer;
        }
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let mut addresses: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
        while let Some(last) = addresses.pop() {
            let Ok(address) = last.parse::<IpAddr>() else { return peer };
            if !self.has(address) {
                return address.to_canonical();
            }
        }
        peer
    }
}

/// What requests are counted by: an IPv4 address, or the network of 64 bits that an IPv6 subscriber has.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies::new(&["10.0.0.1", "10.0.0.2"].map(|address| address.parse().expect("valid")));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("ASCII"));
        }
        proxies.client(peer.parse().expect("valid"), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client_and_only_the_last_that_is_none() {
        assert_eq!(client("192.0.2.7", &["198.51.100.1"]), "192.0.2.7", "anybody can claim");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.1", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_subscriber_is_one_however_many_addresses_it_has() {
        let of = |address: &str| network(address.parse().expect("valid")).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2::9"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
