//! `counterfoil keys`: the public parts. What is secret is never printed.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ledger::durable::{self, Access};
use schemas::certificate::CertificateBody;
use schemas::codes::{Code, Exit};
use schemas::ids::{CertificateId, PublicKey, SealingKey};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::home::{Home, RootKeyFile};
use crate::output::{self, Fields};

/// See the home's public keys and its issuer certificate
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    Show(KeysShowArgs),
    Certificate(KeysCertificateArgs),
}

/// Print the public halves of the home's keys, and where the root key is
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil keys show
  counterfoil keys show --json")]
pub(crate) struct KeysShowArgs {}

/// Print the issuer key's certificate, or write it to a file
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil keys certificate
  counterfoil keys certificate -o issuer.cert")]
pub(crate) struct KeysCertificateArgs {
    /// Write the certificate's bytes to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl KeysCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let home = context.home()?;
        match self {
            Self::Show(KeysShowArgs {}) => context.output.result(&Keys::of(&home)?)?,
            Self::Certificate(args) => args.run(context, &home)?,
        }
        Ok(Exit::Done)
    }
}

impl KeysCertificateArgs {
    fn run(self, context: &Context, home: &Home) -> Result<(), Refusal> {
        if let Some(path) = self.output {
            durable::write(&path, home.certificate(), Access::Shared)
                .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))?;
            output::talk(&format_args!("wrote {}", path.display()));
        }
        context.output.result(&Certified {
            certificate: home.trusted_issuer().id,
            body: &home.trusted_issuer().body,
            bytes: data_encoding::HEXLOWER.encode(home.certificate()),
        })
    }
}

#[derive(Serialize)]
struct Keys<'a> {
    environment: &'a Text,
    root_public: &'a PublicKey,
    root_key: RootKeyPlace,
    issuer_public: PublicKey,
    certificate: CertificateId,
    sealing_public: &'a SealingKey,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum RootKeyPlace {
    InHomeSealed,
    InHomeNotSealed,
    Elsewhere,
}

impl<'a> Keys<'a> {
    fn of(home: &'a Home) -> Result<Self, Refusal> {
        Ok(Self {
            environment: home.environment(),
            root_public: home.root_public(),
            root_key: RootKeyPlace::of(home)?,
            issuer_public: home.issuer().public(),
            certificate: home.trusted_issuer().id,
            sealing_public: home.sealing_public(),
        })
    }
}

impl RootKeyPlace {
    fn of(home: &Home) -> Result<Self, Refusal> {
        match RootKeyFile::read(&home.layout().root_key()) {
            Ok(file) if file.is_sealed() => Ok(Self::InHomeSealed),
            Ok(_) => Ok(Self::InHomeNotSealed),
            Err(refusal) if refusal.code() == Code::RootKeyMissing => Ok(Self::Elsewhere),
            Err(refusal) => Err(refusal),
        }
    }
}

impl fmt::Display for RootKeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InHomeSealed => "in the home, sealed",
            Self::InHomeNotSealed => "in the home, not sealed",
            Self::Elsewhere => "not in the home",
        })
    }
}

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("environment", self.environment)
            .with("root key", self.root_public)
            .with("its secret half", self.root_key)
            .with("issuer key", self.issuer_public)
            .with("certificate", self.certificate)
            .with("sealing key", self.sealing_public)
            .fmt(f)
    }
}

#[derive(Serialize)]
struct Certified<'a> {
    certificate: CertificateId,
    #[serde(flatten)]
    body: &'a CertificateBody,
    bytes: String,
}

impl fmt::Display for Certified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let products: Vec<_> = self.body.products.iter().map(Text::as_str).collect();
        let products = if products.is_empty() { "all".to_owned() } else { products.join(", ") };
        Fields::default()
            .with("certificate", self.certificate)
            .with("root key", self.body.root)
            .with("issuer key", self.body.issuer)
            .with("environment", &self.body.environment)
            .with("products", products)
            .with("not before", self.body.not_before)
            .with("not after", self.body.not_after)
            .with("bytes", &self.bytes)
            .fmt(f)
    }
}
