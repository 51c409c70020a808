//! `counterfoil license`

pub(crate) mod change;
pub(crate) mod import;
pub(crate) mod issue;
pub(crate) mod list;
pub(crate) mod resume;
pub(crate) mod revoke;
pub(crate) mod show;
pub(crate) mod suspend;

mod standing;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Issue licences and change them
#[derive(Debug, Subcommand)]
pub(crate) enum LicenseCommand {
    Issue(Box<issue::LicenseIssueArgs>),
    List(list::LicenseListArgs),
    Show(show::LicenseShowArgs),
    Change(Box<change::LicenseChangeArgs>),
    Suspend(suspend::LicenseSuspendArgs),
    Resume(resume::LicenseResumeArgs),
    Revoke(revoke::LicenseRevokeArgs),
    Import(import::LicenseImportArgs),
}

impl LicenseCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Issue(args) => args.run(context),
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Change(args) => args.run(context),
            Self::Suspend(args) => args.run(context),
            Self::Resume(args) => args.run(context),
            Self::Revoke(args) => args.run(context),
            Self::Import(args) => args.run(context),
        }
    }
}
