//! Encryption by the service itself: a certificate chain and its key from files.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio_rustls::TlsAcceptor;

use super::settings::TlsFiles;

/// Encrypts with the certificate and the key in these files: TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2.
///
/// # Errors
/// `tls_invalid`.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, Refusal> {
    let invalid = |error: &dyn std::error::Error| Refusal::from_error(Code::TlsInvalid, error);
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| invalid(&error).at(files.cert.display()))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| invalid(&error).at(files.key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| invalid(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
