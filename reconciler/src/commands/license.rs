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

/// Issue licences and change them
#[derive(Debug, Subcommand)]
pub(crate) enum LicenseCommand {
    Issue(issue::LicenseIssueArgs),
    List(list::LicenseListArgs),
    Show(show::LicenseShowArgs),
    Change(change::LicenseChangeArgs),
    Suspend(suspend::LicenseSuspendArgs),
    Resume(resume::LicenseResumeArgs),
    Revoke(revoke::LicenseRevokeArgs),
    Import(import::LicenseImportArgs),
}
