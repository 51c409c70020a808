//! `counterfoil init`

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::PublicKey;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use super::root_key::PassphraseOptions;
use crate::cli::Context;
use crate::home::{Home, NewHome, StoreUrl};
use crate::output::Fields;
use crate::vendor::Vendor;

/// Make a home: root key, issuer key, sealing key and the ledger
///
/// The root key is what devices trust in the end. It is needed only to sign product packs and issuer certificates:
/// seal it with a passphrase, and move `keys/root.key` to a safe place once the packs are made.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil init
  counterfoil --home /srv/counterfoil init --passphrase-file passphrase.txt
  counterfoil init --store postgres://counterfoil@db.example.com/ledger
  counterfoil init --environment staging --portal https://licences.example.com")]
pub(crate) struct InitArgs {
    /// The environment that grants and packs name; those of one are not valid in another
    #[arg(long, value_name = "NAME", default_value = "production")]
    environment: Text,
    /// Where the ledger is kept: `sqlite:` (in the home), `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL", default_value = "sqlite:")]
    store: String,
    /// The portal's address, which packs carry
    #[arg(long, value_name = "URL")]
    portal: Option<Text>,
    #[command(flatten)]
    passphrase: PassphraseOptions,
}

impl InitArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let passphrase = self.passphrase.read()?;
        let sealed = passphrase.is_some();
        let new = NewHome {
            environment: self.environment,
            store: StoreUrl::parse(&self.store)?.absolute()?,
            portal: self.portal,
            passphrase,
            now: context.now,
        };
        let home = Home::create(&context.config.home.value, &new, |home| {
            Vendor::found(home, context.now).map(drop)
        })?;
        context.output.result(&Made::of(&home, sealed))?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Made<'a> {
    home: PathBuf,
    environment: &'a Text,
    store: String,
    root_public: &'a PublicKey,
    root_key: PathBuf,
    root_key_sealed: bool,
}

impl<'a> Made<'a> {
    fn of(home: &'a Home, sealed: bool) -> Self {
        Self {
            home: home.layout().dir().to_owned(),
            environment: home.environment(),
            store: home.store().to_string(),
            root_public: home.root_public(),
            root_key: home.layout().root_key(),
            root_key_sealed: sealed,
        }
    }
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed = if self.root_key_sealed { "sealed with the passphrase" } else { "not sealed" };
        Fields::default()
            .with("home", self.home.display())
            .with("environment", self.environment)
            .with("ledger", &self.store)
            .with("root key", format_args!("{} ({sealed})", self.root_key.display()))
            .with("its public half", self.root_public)
            .fmt(f)?;
        writeln!(f, "\nMove the root key to a safe place when the product packs are made.")?;
        write!(f, "Next: counterfoil product create ID --feature NAME[:metered]")
    }
}
