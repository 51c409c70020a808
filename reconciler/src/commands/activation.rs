//! `counterfoil activation`

pub(crate) mod list;
pub(crate) mod show;

use clap::Subcommand;

/// See the activations
#[derive(Debug, Subcommand)]
pub(crate) enum ActivationCommand {
    List(list::ActivationListArgs),
    Show(show::ActivationShowArgs),
}
