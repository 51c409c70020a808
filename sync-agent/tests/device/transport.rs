//! The HTTP transport alone: what it sends, whom it trusts, and what it makes of all that can come back.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_sync_agent::server::Trust;
use counterfoil_sync_agent::transport::ExchangeError;
use counterfoil_sync_agent::{Code, HttpTransport, Server, Transport as _};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use schemas::ids::Digest;
use sha2::{Digest as _, Sha256};

use crate::wire::{Act, Wire};

/// A server that answers with what it was sent.
fn echo() -> Wire {
    Wire::new(<[u8]>::to_vec)
}

fn outcome(wire: &Wire) -> Result<Vec<u8>, (Code, Option<Duration>)> {
    let answer = wire.transport().exchange(b"a bundle");
    answer.map_err(|error| (error.refusal().code(), error.retry_after()))
}

/// What is made of an answer that is said byte for byte.
fn said(answer: &str) -> (Code, Option<Duration>) {
    let wire = echo();
    wire.then([Act::Say(answer.replace('\n', "\r\n"))]);
    outcome(&wire).expect_err("it is no answer")
}

#[test]
fn a_bundle_is_posted_and_the_whole_answer_comes_back() {
    let wire = echo();
    let bundle: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    assert_eq!(wire.transport().exchange(&bundle).expect("answers"), bundle);
    let head = wire.heads().remove(0);
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/exchange HTTP/1.1"));
    let lines: Vec<String> = lines.map(str::to_lowercase).collect();
    for line in [
        "content-type: application/vnd.counterfoil.bundle",
        "accept: application/vnd.counterfoil.grant",
        concat!("user-agent: counterfoil-agent/", env!("CARGO_PKG_VERSION")),
        "content-length: 300000",
    ] {
        assert!(lines.iter().any(|sent| sent == line), "{line} in {head}");
    }
}

#[test]
fn one_transport_serves_many_exchanges_and_a_slow_server() {
    let wire = echo();
    wire.then([Act::Slowly]);
    let transport = wire.transport();
    for _ in 0..3 {
        assert_eq!(transport.exchange(b"a bundle").expect("answers"), b"a bundle");
    }
}

#[test]
fn a_cut_anywhere_is_unreachable() {
    let wire = echo();
    for act in
        [Act::Close, Act::Read(1), Act::Read(60), Act::Write(0), Act::Write(10), Act::Write(usize::MAX)]
    {
        wire.then([act]);
        assert_eq!(outcome(&wire), Err((Code::ServerUnreachable, None)));
    }
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound")
    };
    let nobody = Server::new(&format!("http://{address}"), Trust::System, false).expect("an address");
    let refused = HttpTransport::new(&nobody).expect("a transport").exchange(b"a bundle");
    assert!(matches!(refused, Err(ExchangeError::Unreachable(_))), "{refused:?}");
}

#[test]
fn a_refusal_keeps_its_code_and_how_long_to_wait() {
    let problem = r#"{"type":"about:blank","title":"t","status":503,"code":"store_unreachable","detail":"d","hint":"h"}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\nContent-Type: application/problem+json\nRetry-After: 17\nContent-Length: {}\n\n{problem}",
        problem.len()
    );
    assert_eq!(said(&answer), (Code::StoreUnreachable, Some(Duration::from_secs(17))));
    let wire = echo();
    wire.then([Act::Say(answer.replace('\n', "\r\n"))]);
    let refused = wire.transport().exchange(b"a bundle").expect_err("it is refused");
    assert_eq!(refused.refusal().detail(), "d");
}

#[test]
fn a_status_without_a_known_code_tells_whether_to_come_again() {
    let wait = |seconds| Some(Duration::from_secs(seconds));
    for (answer, expected) in [
        ("HTTP/1.1 429 Slow Down\nRetry-After: 3\nContent-Length: 0\n\n", (Code::ServerUnreachable, wait(3))),
        ("HTTP/1.1 502 Bad Gateway\nContent-Length: 4\n\noops", (Code::ServerUnreachable, None)),
        (
            "HTTP/1.1 503 No\nRetry-After: 99999999999\nContent-Length: 0\n\n",
            (Code::ServerUnreachable, wait(24 * 60 * 60)),
        ),
        (
            "HTTP/1.1 503 No\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\nContent-Length: 0\n\n",
            (Code::ServerUnreachable, None),
        ),
        ("HTTP/1.1 404 Not Found\nContent-Length: 0\n\n", (Code::ServerInvalid, None)),
        ("HTTP/1.1 204 No Content\n\n", (Code::ServerInvalid, None)),
        (
            "HTTP/1.1 307 Elsewhere\nLocation: http://127.0.0.1:9/\nContent-Length: 0\n\n",
            (Code::ServerInvalid, None),
        ),
        ("HTTP/1.1 400 No\nContent-Length: 24\n\n{\"code\":\"from_tomorrow\"}", (Code::ServerInvalid, None)),
        // A refusal that says that nothing is refused would be a sync that came to its end.
        ("HTTP/1.1 400 No\nContent-Length: 18\n\n{\"code\":\"allowed\"}", (Code::ServerInvalid, None)),
        (
            "HTTP/1.1 503 No\nContent-Length: 23\n\n{\"code\":\"check_in_due\"}",
            (Code::ServerUnreachable, None),
        ),
        ("SSH-2.0-OpenSSH_9.9\n", (Code::ServerInvalid, None)),
    ] {
        assert_eq!(said(answer), expected, "{answer}");
    }
}

#[test]
fn an_answer_that_is_too_long_is_not_read() {
    let wire = Wire::new(|_| vec![0; 5 * 1024 * 1024]);
    assert_eq!(outcome(&wire), Err((Code::ServerInvalid, None)));
}

/// A certificate for this machine, and the server that has its key.
pub(crate) fn certificate(
    issuer: Option<&Issuer<'_, KeyPair>>,
    names: &[&str],
) -> (CertificateDer<'static>, ServerConfig) {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).expect("names");
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    let certificate = certificate.expect("signed").der().clone();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .expect("a certificate with its key");
    (certificate, config)
}

pub(crate) fn pin(certificate: &CertificateDer<'_>) -> Digest {
    Digest(Sha256::digest(certificate).into())
}

#[test]
fn a_pinned_certificate_is_trusted_and_no_other() {
    let (certificate, config) = certificate(None, &["another.example.com"]);
    let wire = Wire::over_tls(config, <[u8]>::to_vec);
    let trusted = wire.trusted_by(Trust::Pinned(pin(&certificate)));
    assert_eq!(trusted.exchange(b"a bundle").expect("answers"), b"a bundle");
    for trust in [Trust::Pinned(Digest([7; 32])), Trust::System] {
        let refused = wire.trusted_by(trust).exchange(b"a bundle");
        assert!(matches!(refused, Err(ExchangeError::Untrusted(_))), "{refused:?}");
    }
    assert_eq!(wire.heads().len(), 1, "nothing was sent to a server that is not trusted");
}

#[test]
fn an_authority_of_ones_own_is_trusted_for_the_names_that_it_signed() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(params, key);
    let exchange = |names: &[&str], trust| {
        let (_, config) = certificate(Some(&issuer), names);
        Wire::over_tls(config, <[u8]>::to_vec).trusted_by(trust).exchange(b"a bundle")
    };
    let own = || Trust::Authority(authority.clone());
    assert_eq!(exchange(&["127.0.0.1"], own()).expect("answers"), b"a bundle");
    let elsewhere = exchange(&["licences.example.com"], own());
    assert!(matches!(elsewhere, Err(ExchangeError::Untrusted(_))), "{elsewhere:?}");
    let unknown = exchange(&["127.0.0.1"], Trust::System);
    assert!(matches!(unknown, Err(ExchangeError::Untrusted(_))), "{unknown:?}");
}

#[test]
fn a_server_that_speaks_no_tls_is_none() {
    let wire = echo();
    wire.then([Act::Blurt("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]);
    let url = wire.url().replace("http:", "https:");
    let server = Server::new(&url, Trust::Pinned(Digest([7; 32])), false).expect("an address");
    let outcome = HttpTransport::new(&server).expect("a transport").exchange(b"a bundle");
    assert!(matches!(outcome, Err(ExchangeError::Invalid(_))), "{outcome:?}");
}

#[test]
fn an_authority_that_is_no_certificate_is_a_usage_error() {
    let trust = Trust::Authority("no certificate".to_owned());
    let server = Server::new("https://licences.example.com", trust, false).expect("an address");
    assert_eq!(HttpTransport::new(&server).map_err(|refusal| refusal.code()).err(), Some(Code::Usage));
}
