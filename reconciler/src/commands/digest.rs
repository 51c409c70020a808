//! `counterfoil digest`

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::{Digest, LicenseId};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::audit;
use crate::cli::Context;

/// Print the evidence digest: equal for equal evidence, whatever the order or the machine
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil digest
  counterfoil digest --json")]
pub(crate) struct DigestArgs {}

impl DigestArgs {
    #[expect(clippy::unused_self, reason = "every command runs from its arguments, and this one has none")]
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (digest, licenses) = audit::evidence_digest(vendor.store.as_mut())?;
        context.output.result(&Digests { digest, licenses })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Digests {
    digest: Digest,
    licenses: BTreeMap<LicenseId, Digest>,
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digest.fmt(f)
    }
}
