//! Connections: where they go, how they are secured, and what the server must promise.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What every session is set to: an acknowledged commit is on disk whatever the database's default is, times are UTC,
/// and nobody waits for a lock for ever.
const SETTINGS: &str = "SET synchronous_commit = on; SET TimeZone = 'UTC'; SET lock_timeout = '30s'; \
                        SET client_min_messages = warning";

/// How many connections a process has at most when the URL does not say so: far below what a server takes.
const CONNECTIONS: usize = 8;
/// How many it may say.
const MOST_CONNECTIONS: usize = 100;

/// A database, and how it is reached.
pub(super) struct Target {
    config: Config,
    roots: Option<RootCertStore>,
    connections: usize,
}

/// The password is not shown.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads a URL: what libpq takes, `sslrootcert=FILE`, and `connections=N`. A server that is not on this machine is spoken to over
    /// TLS with a certificate that is verified, unless the URL says `sslmode=disable`.
    ///
    /// # Errors
    /// `store_unsupported` for a URL that is not understood; `io_failed` for certificates that cannot be read.
    pub(super) fn parse(url: &str) -> Result<Self, Refusal> {
        let (url, certificates) = without(url, "sslrootcert");
        let (url, connections) = without(&url, "connections");
        let connections = connections.map_or(Ok(CONNECTIONS), |said| connections_of(&said))?;
        let mut config: Config =
            url.parse().map_err(|error: Error| Refusal::from_error(Code::StoreUnsupported, &error))?;
        if config.get_application_name().is_none() {
            config.application_name("counterfoil");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.password(password.as_encoded_bytes());
        }
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if is_on_this_machine(&config) { SslMode::Disable } else { SslMode::Require });
        }
        let roots = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(roots(certificates.as_deref())?),
        };
        Ok(Self { config, roots, connections })
    }

    /// How many connections a process has at most.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Client, StoreError> {
        let client = match &self.roots {
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(unreachable)?;
                tokio::spawn(connection);
                client
            }
            Some(roots) => {
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let tls = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| StoreError::Database(Box::new(error)))?
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth();
                let (client, connection) =
                    self.config.connect(MakeRustlsConnect::new(tls)).await.map_err(unreachable)?;
                tokio::spawn(connection);
                client
            }
        };
        client.batch_execute(SETTINGS).await?;
        Ok(client)
    }
}

/// A server that cannot be reached now may be later; one that refuses a password or a name will go on refusing.
fn unreachable(error: Error) -> StoreError {
    match error.code() {
        Some(_) => error.into(),
        None => StoreError::Unreachable(Box::new(error)),
    }
}

fn is_on_this_machine(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => ["localhost", "127.0.0.1", "::1"].contains(&name.as_str()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let is_named = !hosts.is_empty() || !addresses.is_empty();
    is_named && hosts.iter().all(is_local) && addresses.iter().all(IpAddr::is_loopback)
}

/// Takes a parameter out of a URL that the driver does not know: the URL without it, and its value where it was given.
fn without(url: &str, name: &str) -> (String, Option<String>) {
    let Some((place, parameters)) = url.split_once('?') else { return (url.to_owned(), None) };
    let value = |parameter: &str| Some(parameter.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    let said = parameters.split('&').filter_map(value).next_back();
    let others: Vec<&str> = parameters.split('&').filter(|parameter| value(parameter).is_none()).collect();
    let parameters = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    (format!("{place}{parameters}"), said)
}

fn connections_of(said: &str) -> Result<usize, Refusal> {
    let connections = said.parse().ok().filter(|connections| (1..=MOST_CONNECTIONS).contains(connections));
    connections.ok_or_else(|| {
        Refusal::new(Code::StoreUnsupported, format!("connections is a number from 1 to {MOST_CONNECTIONS}"))
    })
}

/// The certificates that are trusted: those of the file, or the system's.
fn roots(file: Option<&str>) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let failed = |error: &dyn std::error::Error| Refusal::from_error(Code::IoFailed, error).at(file);
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))? {
        roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
    }
    Ok(roots)
}

/// Refuses a server whose settings lose what was committed.
///
/// # Errors
/// `store_unsafe`.
pub(super) async fn refuse_unsafe(client: &Client) -> Result<(), StoreError> {
    for (setting, safe) in [("fsync", "on"), ("full_page_writes", "on"), ("server_encoding", "UTF8")] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await?;
        let found: String = row.try_get(0)?;
        if found != safe {
            return Err(Refusal::new(Code::StoreUnsafe, format!("{setting} is {found}")).into());
        }
    }
    Ok(())
}

/// What a transaction that writes leaves behind, so that it can be seen afterwards whether it was committed.
#[derive(Debug)]
pub(super) struct Token([u8; 16]);

impl Token {
    /// A token that nobody else has.
    pub(super) fn random() -> Result<Self, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Database(Box::new(error)))?;
        Ok(Self(bytes))
    }
}

/// Begins a transaction that writes, and leaves its token in the place of the one that is spent.
pub(super) async fn begin_writing(
    client: &Client,
    token: &Token,
    spent: Option<&Token>,
) -> Result<(), Error> {
    let begin = client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED");
    let claimed = async {
        if let Some(spent) = spent {
            forget(client, spent).await?;
        }
        let leave = "INSERT INTO commits (token, committed) VALUES ($1, 1)";
        client.execute(leave, &[&token.0.as_slice()]).await
    };
    try_join(begin, claimed).await?;
    Ok(())
}

/// Whether the transaction that left `token` was committed. While it has not ended, this waits for it; where it left
/// nothing, it cannot be committed any more from now on. Asked again, the answer is the same.
pub(super) async fn was_committed(client: &Client, token: &Token) -> Result<bool, Error> {
    let refuse = "INSERT INTO commits (token, committed) VALUES ($1, 0) ON CONFLICT (token) DO NOTHING";
    client.execute(refuse, &[&token.0.as_slice()]).await?;
    let answer = "SELECT committed FROM commits WHERE token = $1";
    let committed: i64 = client.query_one(answer, &[&token.0.as_slice()]).await?.try_get(0)?;
    Ok(committed == 1)
}

/// Takes a token away that nobody asks for any more.
pub(super) async fn forget(client: &Client, token: &Token) -> Result<(), Error> {
    client.execute("DELETE FROM commits WHERE token = $1", &[&token.0.as_slice()]).await?;
    Ok(())
}

/// Keeps everybody else from changing licences until the transaction ends.
pub(super) async fn lock_licenses(client: &Client) -> Result<(), Error> {
    client.batch_execute("LOCK TABLE licenses IN EXCLUSIVE MODE").await
}

/// Whether the tables hold a ledger and not only its beginnings.
pub(super) async fn holds_anything(client: &Client) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM catalog_runs) OR EXISTS (SELECT FROM runs) OR EXISTS (SELECT FROM quarantine)";
    client.query_one(sql, &[]).await?.try_get(0)
}

/// The server's version.
pub(super) async fn version(client: &Client) -> Result<String, Error> {
    let row = client.query_one("SELECT current_setting('server_version')", &[]).await?;
    Ok(format!("PostgreSQL {}", row.try_get::<_, String>(0)?))
}

/// Lets some time pass.
pub(super) async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_does_not_know_is_taken_out_of_a_url() {
        for (url, rest, certificates) in [
            ("postgres://db/ledger", "postgres://db/ledger", None),
            ("postgres://db/l?sslrootcert=/ca.pem", "postgres://db/l", Some("/ca.pem")),
            (
                "postgres://db/l?sslmode=require&sslrootcert=a&user=x",
                "postgres://db/l?sslmode=require&user=x",
                Some("a"),
            ),
            ("postgres://db/l?sslrootcert=a&sslrootcert=b", "postgres://db/l", Some("b")),
            ("postgres://db/l?sslrootcertificate=a", "postgres://db/l?sslrootcertificate=a", None),
        ] {
            assert_eq!(without(url, "sslrootcert"), (rest.to_owned(), certificates.map(str::to_owned)));
        }
    }

    #[test]
    fn a_url_says_how_many_connections_there_may_be() {
        let connections = |said: &str| {
            Target::parse(&format!("postgres://u@localhost/l{said}")).map(|target| target.connections())
        };
        assert_eq!(connections("").ok(), Some(CONNECTIONS));
        assert_eq!(connections("?connections=3&sslmode=disable").ok(), Some(3));
        for said in
            ["?connections=0", "?connections=101", "?connections=", "?connections=-1", "?connections=many"]
        {
            assert_eq!(
                connections(said).map_err(|refusal| refusal.code()),
                Err(Code::StoreUnsupported),
                "{said}"
            );
        }
    }
}
