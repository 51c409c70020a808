//! `counterfoil policy`

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod show;

use clap::Subcommand;

/// Define the templates that licences are issued from
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Create(create::PolicyCreateArgs),
    List(list::PolicyListArgs),
    Show(show::PolicyShowArgs),
}
