//! `counterfoil policy create`

use clap::Args;
use schemas::text::Text;

use crate::options::PolicyOptions;

/// Define a policy: what the licences issued from it grant, and on what conditions
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil policy create standard --product studio --valid 365d --max-activations 2 \\
      --quota render=1000/month --sync-every 30d --grace 7d
  counterfoil policy create site --product studio --type perpetual --maintenance 365d --feature export")]
pub(crate) struct PolicyCreateArgs {
    /// The policy's name, unique in the home
    #[arg(value_name = "ID")]
    policy: Text,
    /// The product
    #[arg(long, value_name = "ID")]
    product: Text,
    #[command(flatten)]
    options: PolicyOptions,
}
