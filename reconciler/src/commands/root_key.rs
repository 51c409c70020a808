//! The options of commands that sign with the root key.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use ledger::keys::SecretKey;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use zeroize::Zeroizing;

use crate::home::{Home, Passphrase};

/// The root key's passphrase, which never stands on the command line.
#[derive(Args, Debug)]
pub(crate) struct PassphraseOptions {
    #[arg(long, value_name = "FILE")]
    #[arg(
        help = "The file whose first line is the root key's passphrase [env: COUNTERFOIL_ROOT_PASSPHRASE, the \
                  passphrase itself]"
    )]
    passphrase_file: Option<PathBuf>,
}

/// Where the root key is and what opens it.
#[derive(Args, Debug)]
pub(crate) struct RootKeyOptions {
    /// The root key, where it is not in the home
    #[arg(long, value_name = "FILE", env = "COUNTERFOIL_ROOT_KEY", hide_env_values = true)]
    root_key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseOptions,
}

impl RootKeyOptions {
    /// Opens the root key.
    ///
    /// # Errors
    /// As [`Home::root_key`], and as [`PassphraseOptions::read`].
    pub(crate) fn open(&self, home: &Home) -> Result<SecretKey, Refusal> {
        home.root_key(self.root_key.as_deref(), self.passphrase.read()?.as_ref())
    }
}

impl PassphraseOptions {
    /// The passphrase, from the file or the environment, if either holds one.
    ///
    /// # Errors
    /// `io_failed` for a file that cannot be read; `usage` for an empty passphrase.
    pub(crate) fn read(&self) -> Result<Option<Passphrase>, Refusal> {
        match &self.passphrase_file {
            Some(path) => first_line(path).and_then(|line| Passphrase::new(&line)).map(Some),
            None => std::env::var("COUNTERFOIL_ROOT_PASSPHRASE")
                .ok()
                .map(Zeroizing::new)
                .map(|passphrase| Passphrase::new(&passphrase))
                .transpose(),
        }
    }
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, Refusal> {
    let text = fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}
