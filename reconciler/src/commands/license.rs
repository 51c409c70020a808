//! `counterfoil license`

pub(crate) mod change;
pub(crate) mod import;
pub(crate) mod issue;
pub(crate) mod list;
pub(crate) mod resume;
pub(crate) mod revoke;
pub(crate) mod show;
pub(crate) mod suspend;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Issue licences and change them
#[derive(Debug, Subcommand)]
pub(crate) enum LicenseCommand {
    Issue(Box<issue::LicenseIssueArgs>),
    Change(Box<change::LicenseChangeArgs>),
}

impl LicenseCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Issue(args) => args.run(context),
            Self::Change(args) => args.run(context),
        }
    }
}
