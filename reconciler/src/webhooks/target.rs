//! Where an endpoint is: a URL that was judged, and the addresses that its host may have.

use std::net::{IpAddr, SocketAddr};

use schemas::codes::Code;
use schemas::refusal::Refusal;
use url::{Host, Url};

use super::address::Reach;

/// Bytes of a URL, at most.
pub const URL_BYTES: usize = 2_048;

/// Where messages are sent.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
    allow_private: bool,
}

impl Target {
    /// Reads a URL. With `allow_private` it may lead to one's own network, and without encryption.
    ///
    /// # Errors
    /// `webhook_url_invalid`; `webhook_address_refused` for an address that no message is sent to.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, Refusal> {
        let invalid = |why: &str| Refusal::new(Code::WebhookUrlInvalid, why);
        if text.len() > URL_BYTES {
            return Err(invalid("it is too long"));
        }
        let url = Url::parse(text).map_err(|error| Refusal::from_error(Code::WebhookUrlInvalid, &error))?;
        match url.scheme() {
            "https" => {}
            "http" if allow_private => {}
            "http" => return Err(invalid("it is not encrypted")),
            _ => return Err(invalid("it is no https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it holds a name or password"));
        }
        if url.fragment().is_some() {
            return Err(invalid("it has a fragment"));
        }
        let host = url.host().map(|host| host.to_owned()).ok_or_else(|| invalid("it has no host"))?;
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or_else(|| invalid("it has no port"))?;
        let target = Self { url, host, port, allow_private };
        if let Some(address) = target.address() {
            target.admit(address)?;
        }
        Ok(target)
    }

    /// Whether messages are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host, as a name or an address; an IPv6 address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the request's `Host`.
    pub fn authority(&self) -> String {
        let port = self.url.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", self.host)
    }

    /// Path and query, as the request line has them.
    pub fn path(&self) -> String {
        let query = self.url.query().map_or_else(String::new, |query| format!("?{query}"));
        format!("{}{query}", self.url.path())
    }

    /// The URL in the one form that all spellings of it come to.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Refuses unless every one of the addresses that the host's name stands for may be sent to: one that may not could be
    /// the one that is used.
    ///
    /// # Errors
    /// `webhook_address_refused`.
    pub fn admit_all(&self, found: &[SocketAddr]) -> Result<(), Refusal> {
        found.iter().try_for_each(|found| self.admit(found.ip()))
    }

    fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    fn admit(&self, address: IpAddr) -> Result<(), Refusal> {
        if Reach::of(address).is_admitted(self.allow_private) {
            Ok(())
        } else {
            Err(Refusal::new(Code::WebhookAddressRefused, address.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(url: &str, allow_private: bool, code: Code) {
        let refusal = Target::parse(url, allow_private).expect_err(url);
        assert_eq!(refusal.code(), code, "{url}");
    }

    #[test]
    fn a_url_is_encrypted_whole_and_holds_no_secret() {
        for url in [
            "",
            "hooks.example.com",
            "ftp://hooks.example.com/",
            "http://hooks.example.com/",
            "https://",
            "https://ada@hooks.example.com/",
            "https://ada:secret@hooks.example.com/",
            "https://:secret@hooks.example.com/",
            "https://hooks.example.com/#part",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:65536/",
            "file:///etc/passwd",
            "unix:/run/docker.sock",
        ] {
            refused(url, false, Code::WebhookUrlInvalid);
        }
        refused(
            &format!("https://hooks.example.com/{}", "x".repeat(URL_BYTES)),
            true,
            Code::WebhookUrlInvalid,
        );
        let target = Target::parse("https://Hooks.Example.com:8443/a b?c=d", false).expect("good");
        assert_eq!(
            (target.authority(), target.path()),
            ("hooks.example.com:8443".into(), "/a%20b?c=d".into())
        );
        assert_eq!((target.host(), target.port()), ("hooks.example.com".into(), 8_443));
        assert!(Target::parse("http://hooks.example.com/", true).is_ok());
    }

    #[test]
    fn an_address_is_refused_however_it_is_written() {
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]"] {
            refused(&format!("https://{host}/"), false, Code::WebhookAddressRefused);
            assert!(Target::parse(&format!("http://{host}/"), true).is_ok(), "{host}");
        }
        for host in ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[64:ff9b::a9fe:a9fe]"] {
            refused(&format!("https://{host}/"), true, Code::WebhookAddressRefused);
        }
        let target = Target::parse("https://[2606:4700::1111]/", false).expect("public");
        assert_eq!(
            (target.host(), target.authority()),
            ("2606:4700::1111".into(), "[2606:4700::1111]".into())
        );
    }

    #[test]
    fn a_name_is_refused_where_one_of_its_addresses_is() {
        let target = Target::parse("https://hooks.example.com/", false).expect("good");
        let found = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|address| SocketAddr::new(address.parse().expect("valid"), 443)).collect()
        };
        assert!(target.admit_all(&found(&["1.1.1.1", "2606:4700::1111"])).is_ok());
        assert!(target.admit_all(&found(&["1.1.1.1", "10.0.0.1"])).is_err());
    }
}
