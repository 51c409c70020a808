//! `counterfoil product pack`

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::bundle::encode_pack;
use schemas::codes::Exit;
use schemas::container::FileKind;
use schemas::ids::Digest;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::files;
use crate::commands::root_key::RootKeyOptions;

/// Write a product's pack, which ships with the application
///
/// It is signed with the root key, which may be kept outside the home.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product pack studio -o studio.cfpack
  counterfoil product pack studio -o studio.cfpack --root-key /media/safe/root.key --passphrase-file passphrase.txt")]
pub(crate) struct ProductPackArgs {
    /// The product
    #[arg(value_name = "ID")]
    product: Text,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write the text form, which survives mail
    #[arg(long)]
    armor: bool,
    #[command(flatten)]
    root: RootKeyOptions,
}

impl ProductPackArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let root = self.root.open(&vendor.home)?;
        let portal = context.portal(&vendor.home)?;
        let (pack, version) = vendor.publish_pack(&self.product, &root, portal.as_ref())?;
        files::write(&self.output, FileKind::Pack, encode_pack(&pack), self.armor)?;
        if self.output != Path::new("-") {
            let digest = ledger::trust::pack_digest(&pack);
            context.output.result(&Published {
                product: self.product,
                version,
                digest,
                file: self.output,
            })?;
        }
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Published {
    product: Text,
    version: u32,
    digest: Digest,
    file: PathBuf,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {}: version {} of the pack of {}", self.file.display(), self.version, self.product)
    }
}
