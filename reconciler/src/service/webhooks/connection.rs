//! The way to an endpoint: its name is resolved here, each of the addresses is judged, and one of just these is connected
//! to. No proxy is taken from the environment, and no redirect is followed anywhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::webhooks::target::Target;

/// What bytes go over, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Encryption to servers that the system's authorities vouch for.
///
/// # Errors
/// When the protocol versions cannot be set.
pub(super) fn trusting_the_system() -> Result<Arc<ClientConfig>, Refusal> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Refusal::from_error(Code::Failed, &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects to an endpoint.
///
/// # Errors
/// `webhook_address_refused`; `failed`, with what did.
pub(super) async fn connect(tls: &Arc<ClientConfig>, target: &Target) -> Result<Box<dyn Stream>, Refusal> {
    let failed = |error: io::Error| Refusal::from_error(Code::Failed, &error);
    let found: Vec<SocketAddr> = lookup_host((target.host(), target.port())).await.map_err(failed)?.collect();
    target.admit_all(&found)?;
    let stream = TcpStream::connect(&found[..]).await.map_err(failed)?;
    // Small messages go out at once.
    drop(stream.set_nodelay(true));
    if !target.is_encrypted() {
        return Ok(Box::new(stream));
    }
    let name =
        ServerName::try_from(target.host()).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn code(url: &str, allow_private: bool) -> Option<Code> {
        let tls = trusting_the_system().expect("a provider");
        let target = Target::parse(url, allow_private).expect("no address is written in it");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(connect(&tls, &target)).err().map(|refusal| refusal.code())
    }

    /// A name may stand for something else than when the endpoint was made.
    #[test]
    fn a_name_that_stands_for_this_machine_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        listener.set_nonblocking(true).expect("a socket");
        assert_eq!(code(&format!("https://localhost:{port}/"), false), Some(Code::WebhookAddressRefused));
        let nobody = listener.accept().map_err(|error| error.kind());
        assert_eq!(nobody.err(), Some(io::ErrorKind::WouldBlock), "nobody came");
        assert_eq!(code(&format!("http://localhost:{port}/"), true), None);
        assert!(listener.accept().is_ok());
    }
}
