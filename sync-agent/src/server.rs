//! The vendor's server as a device knows it: its address, and whom to trust there. The activation that names one has it
//! remembered in the state directory; nothing in it is secret.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ledger::durable::{self, Access};
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::refusal::Refusal;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::refuse;
use crate::state_dir::StateDir;

/// By what a server is known over TLS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// A certificate that an authority signed which the system trusts.
    #[default]
    System,
    /// A certificate that one of these authorities signed: certificates in PEM form.
    Authority(String),
    /// The certificate with this SHA-256, whoever signed it.
    Pinned(Digest),
}

/// A server that a device may report to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    url: String,
    trust: Trust,
    insecure_http: bool,
}

impl Server {
    /// Takes the address of a vendor's service, to which `/v1/exchange` is added. Over plain `http` only this machine is
    /// spoken to, unless `insecure_http` allows any.
    ///
    /// # Errors
    /// `usage` for what is no such address, and where a certificate is to be looked at that plain `http` has not;
    /// `server_insecure`.
    pub fn new(url: &str, trust: Trust, insecure_http: bool) -> Result<Self, Refusal> {
        let url = url.trim().trim_end_matches('/');
        let uri: Uri = url.parse().map_err(|_| no_address(url))?;
        let is_plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(no_address(url)),
        };
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if uri.host().is_none_or(str::is_empty) || has_user || uri.query().is_some() || url.contains('#') {
            return Err(no_address(url));
        }
        if is_plain && trust != Trust::System {
            let detail =
                format!("{url} has no certificate: it is https that a fingerprint or an authority is for");
            return Err(Refusal::new(Code::Usage, detail));
        }
        if is_plain && !insecure_http && !is_loopback(&uri) {
            return Err(Refusal::new(Code::ServerInsecure, url));
        }
        Ok(Self { url: url.to_owned(), trust, insecure_http })
    }

    /// The address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// By what the server is known.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether any server may be spoken to over plain `http`.
    pub fn allows_insecure_http(&self) -> bool {
        self.insecure_http
    }

    pub(crate) fn is_this_machine(&self) -> bool {
        self.url.parse().is_ok_and(|uri| is_loopback(&uri))
    }

    /// The server that the activation in `state` named, if it named one.
    ///
    /// # Errors
    /// `config_invalid` when what is kept cannot be understood.
    pub fn recall(state: &Path) -> Result<Option<Self>, Refusal> {
        let path = StateDir::new(state.to_owned()).server();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse::io(&error, &path)),
        };
        let read = serde_json::from_slice::<Kept>(&bytes).ok().and_then(Kept::read);
        read.map(Some).ok_or_else(|| Refusal::new(Code::ConfigInvalid, path.display().to_string()))
    }

    /// Keeps the server in `state`, which is there, for the next time.
    ///
    /// # Errors
    /// `io_failed`.
    pub fn remember(&self, state: &Path) -> Result<(), Refusal> {
        let path = StateDir::new(state.to_owned()).server();
        let (ca, pin) = match &self.trust {
            Trust::System => (None, None),
            Trust::Authority(pem) => (Some(pem.clone()), None),
            Trust::Pinned(pin) => (None, Some(pin.to_string())),
        };
        let kept = Kept { url: self.url.clone(), ca, pin, insecure_http: self.insecure_http };
        let bytes = serde_json::to_vec_pretty(&kept).expect("texts and a flag are JSON");
        durable::write(&path, &bytes, Access::Shared).map_err(|error| refuse::io(&error, &path))
    }
}

/// The file in the state directory.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(default)]
    insecure_http: bool,
}

impl Kept {
    fn read(self) -> Option<Server> {
        let trust = match (self.ca, self.pin) {
            (None, None) => Trust::System,
            (Some(pem), None) => Trust::Authority(pem),
            (None, Some(pin)) => Trust::Pinned(parse_pin(&pin)?),
            (Some(_), Some(_)) => return None,
        };
        Server::new(&self.url, trust, self.insecure_http).ok()
    }
}

/// Reads the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons between the bytes.
pub fn parse_pin(text: &str) -> Option<Digest> {
    text.trim().replace(':', "").parse().ok()
}

fn no_address(url: &str) -> Refusal {
    Refusal::new(
        Code::Usage,
        format!("{url:?} is no address of a server such as https://licences.example.com"),
    )
}

/// Whether an address is this machine's own: 127.0.0.0/8, `::1` or `localhost`.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(url: &str, insecure_http: bool) -> Option<Code> {
        Server::new(url, Trust::System, insecure_http).err().map(|refusal| refusal.code())
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear_unless_that_is_allowed() {
        for own in ["http://127.0.0.1:8080", "http://127.8.9.1", "http://[::1]:80/", "http://LocalHost/cf"] {
            assert_eq!(code(own, false), None, "{own}");
        }
        for other in ["http://licences.example.com", "http://10.0.0.1", "http://localhost.example.com"] {
            assert_eq!(code(other, false), Some(Code::ServerInsecure), "{other}");
            assert_eq!(code(other, true), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in
            ["", "licences.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x y"]
        {
            assert_eq!(code(url, true), Some(Code::Usage), "{url:?}");
        }
        let server =
            Server::new(" https://licences.example.com/cf/ ", Trust::System, false).expect("an address");
        assert_eq!(server.url(), "https://licences.example.com/cf");
    }

    #[test]
    fn what_a_certificate_is_known_by_is_of_no_use_without_one() {
        let pin = parse_pin(&"ab".repeat(32)).expect("a pin");
        for trust in [Trust::Pinned(pin), Trust::Authority("PEM".to_owned())] {
            let refused = Server::new("http://127.0.0.1:80", trust, true).map_err(|refusal| refusal.code());
            assert_eq!(refused, Err(Code::Usage));
        }
    }

    #[test]
    fn what_is_remembered_is_recalled() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(Server::recall(folder.path()), Ok(None));
        let pin = parse_pin(&["Ab"; 32].join(":")).expect("a pin");
        let known = [
            ("http://10.0.0.1:80", Trust::System),
            ("https://10.0.0.1", Trust::Authority("PEM".to_owned())),
            ("https://10.0.0.1", Trust::Pinned(pin)),
        ];
        for (url, trust) in known {
            let server = Server::new(url, trust, true).expect("an address");
            server.remember(folder.path()).expect("writable");
            assert_eq!(Server::recall(folder.path()), Ok(Some(server)));
        }
        fs::write(folder.path().join("server.json"), b"{}").expect("writable");
        let recalled = Server::recall(folder.path()).map_err(|refusal| refusal.code());
        assert_eq!(recalled, Err(Code::ConfigInvalid));
    }
}
