//! `counterfoil merge`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

/// Take in bundles from devices, in any order, any number of times
///
/// What is refused waits in quarantine with its code and the rest goes in; the exit code is then 6.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil merge request.cfbundle --answers out/
  counterfoil merge inbox/ --answers outbox/ --jobs 4")]
pub(crate) struct MergeArgs {
    /// Bundles, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the answers here: `F/a/X.cfbundle` of a folder F is answered in `a/X.cfgrant`, a file in `X.cfgrant`
    #[arg(long, value_name = "DIR")]
    answers: Option<PathBuf>,
    /// Threads that check bundles [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}
