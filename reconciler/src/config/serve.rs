//! The options of the service, each a text until it is used: from the command line, the environment, the table `[serve]` of
//! the configuration file, or the default.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::table::{self, Texts};
use super::{Setting, Source};
use crate::service::{Settings, TlsFiles};

/// Every option with its default, in the order in which they are shown. An empty text is nothing.
const OPTIONS: [(&str, &str); 10] = [
    ("listen", "127.0.0.1:8080"),
    ("tls_cert", ""),
    ("tls_key", ""),
    ("behind_proxy", ""),
    ("insecure_http", "false"),
    ("connections", "1024"),
    ("rate_per_address", "50"),
    ("rate_per_license", "10"),
    ("codes_per_address", "120"),
    ("wrong_codes", "10"),
];

/// The options of the service on the command line.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeFlags {
    /// Listen here [env: `COUNTERFOIL_LISTEN`] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Encrypt with this certificate chain, the server's own first, in PEM [env: `COUNTERFOIL_TLS_CERT`]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The private key that belongs to it, in PEM [env: `COUNTERFOIL_TLS_KEY`]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Addresses of proxies in front that encrypt, separated by commas; their `X-Forwarded-For` is believed
    /// [env: `COUNTERFOIL_BEHIND_PROXY`]
    #[arg(long, value_name = "ADDR,…")]
    behind_proxy: Option<String>,
    /// Let the network read along: no encryption although others can reach it [env: `COUNTERFOIL_INSECURE_HTTP`]
    #[arg(long)]
    insecure_http: bool,
    /// Connections at the same time [env: `COUNTERFOIL_CONNECTIONS`] [default: 1024]
    #[arg(long, value_name = "N")]
    connections: Option<String>,
    /// Requests a second from one address in the long run, ten times as many at once; 0 is any number
    /// [env: `COUNTERFOIL_RATE_PER_ADDRESS`] [default: 50]
    #[arg(long, value_name = "N")]
    rate_per_address: Option<String>,
    /// Bundles a second for one licence in the long run, ten times as many at once; 0 is any number
    /// [env: `COUNTERFOIL_RATE_PER_LICENSE`] [default: 10]
    #[arg(long, value_name = "N")]
    rate_per_license: Option<String>,
    /// Codes an hour from one address on the portal; 0 is any number
    /// [env: `COUNTERFOIL_CODES_PER_ADDRESS`] [default: 120]
    #[arg(long, value_name = "N")]
    codes_per_address: Option<String>,
    /// Wrong codes an hour for one device or one licence key on the portal; 0 is any number
    /// [env: `COUNTERFOIL_WRONG_CODES`] [default: 10]
    #[arg(long, value_name = "N")]
    wrong_codes: Option<String>,
}

impl ServeFlags {
    fn into_texts(self) -> BTreeMap<&'static str, String> {
        let insecure_http = self.insecure_http.then(|| "true".to_owned());
        let said = [
            ("listen", self.listen),
            ("tls_cert", self.tls_cert),
            ("tls_key", self.tls_key),
            ("behind_proxy", self.behind_proxy),
            ("insecure_http", insecure_http),
            ("connections", self.connections),
            ("rate_per_address", self.rate_per_address),
            ("rate_per_license", self.rate_per_license),
            ("codes_per_address", self.codes_per_address),
            ("wrong_codes", self.wrong_codes),
        ];
        said.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }
}

/// The options of the service, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Serve(Texts);

impl Serve {
    /// What the environment, the file's table, or the default says.
    ///
    /// # Errors
    /// `config_invalid` for a name that is none.
    pub(super) fn resolve(
        variable: impl Fn(&str) -> Option<String>,
        file: BTreeMap<String, toml::Value>,
    ) -> Result<Self, Refusal> {
        table::resolve("serve", "", &OPTIONS, variable, file).map(Self)
    }

    /// The same where the command line goes first.
    #[must_use]
    pub(crate) fn or(mut self, flags: ServeFlags) -> Self {
        for (name, value) in flags.into_texts() {
            self.0.insert(name, Setting { value, source: Source::Flag });
        }
        self
    }

    /// Each option with its value, in the order of the table.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static str, &Setting<String>)> {
        OPTIONS.iter().map(|(name, _)| (*name, &self.0[name]))
    }

    /// What they mean.
    ///
    /// # Errors
    /// `config_invalid` for a value that is not understood, `tls_invalid` for a certificate without its key.
    pub(crate) fn settings(&self) -> Result<Settings, Refusal> {
        let file = |name: &str| Some(&self.0[name].value).filter(|path| !path.is_empty()).map(PathBuf::from);
        let tls = match (file("tls_cert"), file("tls_key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            _ => return Err(Refusal::new(Code::TlsInvalid, "a certificate and its key go together")),
        };
        let proxies = self.0["behind_proxy"].value.split(',').map(str::trim).filter(|text| !text.is_empty());
        let behind_proxy: Result<Vec<IpAddr>, Refusal> =
            proxies.map(|text| parsed("behind_proxy", text, "an IP address")).collect();
        Ok(Settings {
            listen: self.typed::<SocketAddr>("listen", "an IP address and a port, such as 127.0.0.1:8080")?,
            tls,
            behind_proxy: behind_proxy?,
            insecure_http: self.typed("insecure_http", "`true` or `false`")?,
            connections: self.typed::<NonZeroUsize>("connections", "a number from 1")?.get(),
            rate_per_address: self.typed("rate_per_address", "a number from 0")?,
            rate_per_license: self.typed("rate_per_license", "a number from 0")?,
            codes_per_address: self.typed("codes_per_address", "a number from 0")?,
            wrong_codes: self.typed("wrong_codes", "a number from 0")?,
        })
    }

    fn typed<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Refusal> {
        parsed(name, &self.0[name].value, what)
    }
}

fn parsed<T: FromStr>(name: &str, text: &str, what: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::ConfigInvalid, format!("{name} is {what}, not `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)], file: &str, flags: ServeFlags) -> Result<Settings, Code> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let file = toml::from_str(file).expect("TOML");
        let settings = Serve::resolve(variable, file).and_then(|serve| serve.or(flags).settings());
        settings.map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_file() {
        let file = "connections = 7\nbehind_proxy = [\"10.0.0.1\", \"::1\"]\nlisten = \"127.0.0.1:1\"";
        let variables = [("COUNTERFOIL_LISTEN", "127.0.0.1:2"), ("COUNTERFOIL_RATE_PER_ADDRESS", "0")];
        let flags = ServeFlags { listen: Some("127.0.0.1:3".into()), ..ServeFlags::default() };
        let settings = resolve(&variables, file, flags).expect("valid");
        assert_eq!(settings.listen.port(), 3);
        assert_eq!((settings.connections, settings.rate_per_address, settings.rate_per_license), (7, 0, 10));
        assert_eq!(settings.behind_proxy.len(), 2);
        let settings = resolve(&variables, file, ServeFlags::default()).expect("valid");
        assert_eq!(settings.listen.port(), 2);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for file in ["conections = 7", "connections = 0", "listen = \"here\"", "rate_per_license = -1"] {
            assert_eq!(resolve(&[], file, ServeFlags::default()).err(), Some(Code::ConfigInvalid), "{file}");
        }
        let alone = resolve(&[], "tls_cert = \"chain.pem\"", ServeFlags::default());
        assert_eq!(alone.err(), Some(Code::TlsInvalid));
    }

    #[test]
    fn nothing_goes_over_the_network_unencrypted_unless_it_is_meant_to() {
        let refused =
            |file: &str| resolve(&[], file, ServeFlags::default()).expect("valid").refuse_insecure().is_err();
        assert!(!refused(""));
        assert!(!refused("listen = \"[::1]:80\""));
        assert!(refused("listen = \"0.0.0.0:80\""));
        assert!(refused("listen = \"10.0.0.5:80\""));
        assert!(!refused("listen = \"10.0.0.5:80\"\nbehind_proxy = \"10.0.0.1\""));
        assert!(!refused("listen = \"10.0.0.5:443\"\ntls_cert = \"a\"\ntls_key = \"b\""));
        assert!(!refused("listen = \"10.0.0.5:80\"\ninsecure_http = true"));
    }
}
