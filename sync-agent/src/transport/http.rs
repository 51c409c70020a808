//! The exchange over HTTP: `POST {server}/v1/exchange`. One request and its whole answer, within limits of time and size;
//! no redirect is followed, and nothing is tried twice here.

use std::io;
use std::time::Duration;

use schemas::codes::{Code, Exit};
use schemas::limits;
use schemas::refusal::Refusal;
use serde::Deserialize;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::{Response, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, SocksConnector, TcpConnector};
use ureq::{Body, Proxy};

use super::{ExchangeError, Transport, tls};
use crate::server::Server;

/// What a bundle is.
const BUNDLE: &str = "application/vnd.counterfoil.bundle";
/// What its answer is.
const GRANT: &str = "application/vnd.counterfoil.grant";
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an exchange may take beyond what its bytes need.
const EXCHANGE: Duration = Duration::from_mins(1);
/// The slowest line that an exchange gets through, in bytes of the bundle a second.
const SLOWEST: u64 = 4 * 1024;
/// What frames each answer, and the file: see `docs/formats`.
const FRAME_BYTES: usize = 64;
/// No answer is longer: one for each chain of a bundle.
const ANSWER_BYTES: usize = limits::BUNDLE_CHAINS * (limits::GRANT_BYTES + FRAME_BYTES) + FRAME_BYTES;
/// More of a server's refusal is not read.
const PROBLEM_BYTES: u64 = 64 * 1024;
/// More of a server's words is not told.
const DETAIL_CHARS: usize = 400;
/// No server is waited for any longer.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Exchanges bundles with a server over HTTP. Several exchanges share a connection while the server keeps it.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    agent: Agent,
    exchange: String,
}

impl HttpTransport {
    /// A transport to `server`. Nothing is sent yet.
    ///
    /// # Errors
    /// `usage` where the certificates that the server is to be known by cannot be read.
    pub fn new(server: &Server) -> Result<Self, Refusal> {
        // What is for this machine goes to no proxy.
        let proxy = if server.is_this_machine() { None } else { Proxy::try_from_env() };
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("counterfoil-agent/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .proxy(proxy)
            .build();
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(tls::TlsConnector::new(server.trust())?);
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        Ok(Self { agent, exchange: format!("{}/v1/exchange", server.url()) })
    }

    /// Ends the exchange that is under way, and every later one, as if the connection were cut: for a process that ends.
    pub fn shut_down(&self) {
        self.agent.clone().shutdown();
    }
}

impl Transport for HttpTransport {
    fn exchange(&self, bundle: &[u8]) -> Result<Vec<u8>, ExchangeError> {
        let request = self.agent.post(&self.exchange).content_type(BUNDLE).header(header::ACCEPT, GRANT);
        let request = request.config().timeout_global(Some(time_for(bundle.len()))).build();
        let mut response = request.send(bundle).map_err(|error| failed(&error))?;
        if response.status() != 200 {
            return Err(refused(&mut response));
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES as u64);
        body.read_to_vec().map_err(|error| failed(&error))
    }
}

/// How long an exchange of so many bytes may take.
fn time_for(bytes: usize) -> Duration {
    EXCHANGE + Duration::from_secs(bytes as u64 / SLOWEST)
}

/// What it means that there is no answer.
fn failed(error: &ureq::Error) -> ExchangeError {
    let detail = said(error);
    match error {
        ureq::Error::Io(error) if tls::is_untrusted(error) => ExchangeError::Untrusted(detail),
        ureq::Error::Io(error) if tls::is_misunderstood(error) => ExchangeError::Invalid(detail),
        ureq::Error::Protocol(_)
        | ureq::Error::BodyExceedsLimit(_)
        | ureq::Error::LargeResponseHeader(..)
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_) => ExchangeError::Invalid(detail),
        _ => ExchangeError::Unreachable(detail),
    }
}

/// What a person is told of an error.
fn said(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "there was no answer in time".to_owned(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was cut".to_owned()
        }
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// A refusal as the server tells it (RFC 9457); what else the members say is in the code.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

/// What a server says that does not answer. Where its code is not known here, or says that nothing is refused, its status tells
/// whether to come again.
fn refused(response: &mut Response<Body>) -> ExchangeError {
    let status = response.status();
    let retry_after = retry_after(response);
    let body = response.body_mut().with_config().limit(PROBLEM_BYTES).read_to_vec().unwrap_or_default();
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    let detail = printable(&problem.detail);
    let code = problem.code.parse::<Code>().ok();
    if let Some(code) = code.filter(|code| code.exit() != Exit::Done) {
        return ExchangeError::Refused { refusal: Refusal::new(code, detail), retry_after };
    }
    let told = if detail.is_empty() { detail } else { format!(": {detail}") };
    let told = format!("the server answered {}{told}", status.as_u16());
    if status == 429 || status.is_server_error() {
        let refusal = Refusal::new(Code::ServerUnreachable, told);
        return ExchangeError::Refused { refusal, retry_after };
    }
    ExchangeError::Invalid(told)
}

/// How long the server asks to wait, in its form of seconds (RFC 9110, section 10.2.3).
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// A server's words without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_has_time_for_its_bytes_and_always_ends() {
        assert_eq!(time_for(0), EXCHANGE);
        assert_eq!(time_for(16 * 1024 * 1024), EXCHANGE + Duration::from_secs(4_096));
    }

    #[test]
    fn what_a_server_says_cannot_steer_a_terminal() {
        assert_eq!(printable("no\u{1b}[31m seat\n"), "no[31m seat");
        assert_eq!(printable(&"é".repeat(1_000)).chars().count(), DETAIL_CHARS);
    }
}
