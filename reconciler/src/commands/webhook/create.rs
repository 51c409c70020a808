//! `counterfoil webhook create`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::webhook::{SignatureKind, Topic};

use crate::cli::Context;
use crate::output::Fields;
use crate::shown::webhooks::NewWebhook;
use crate::vendor::webhooks::HookOrder;
use crate::webhooks::Topics;

/// Have an endpoint told what happens; what it verifies messages with is shown
///
/// `counterfoil serve` sends a message for each activation that is given, denied, refreshed or ended, for use that is taken
/// in, for quotas that run low, for devices that are overdue and for forked chains. Messages are signed as Standard Webhooks
/// has it; see docs/webhooks.md.
///
/// The kinds are activation.activated, activation.denied, activation.refreshed, activation.deactivated, activation.overdue,
/// usage.merged, quota.low and chain.forked.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil webhook create https://hooks.example.com/counterfoil
  counterfoil webhook create https://hooks.example.com/quotas --on quota.low --on usage.merged
  counterfoil webhook create https://hooks.example.com/audit --sign v1a --json
  counterfoil webhook create http://10.0.0.7:9000/ --allow-private")]
pub(crate) struct WebhookCreateArgs {
    /// Where messages are sent: an https URL
    #[arg(value_name = "URL")]
    url: String,
    /// Tell only this, as `activation.activated`; may be given several times [default: all]
    #[arg(long = "on", value_name = "KIND")]
    on: Vec<Topic>,
    /// Sign with a secret that both sides have (v1, HMAC-SHA256) or with a key of the vendor's own (v1a, Ed25519)
    #[arg(long, value_name = "SCHEME", default_value = "v1")]
    sign: SignatureKind,
    /// The endpoint may be on this machine or one's own network, and take messages without encryption
    #[arg(long)]
    allow_private: bool,
}

impl WebhookCreateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self { url, on, sign, allow_private } = self;
        let order = HookOrder { url, topics: Topics::of(on), signature: sign, allow_private, maker: None };
        let made = context.vendor()?.create_webhook(order)?;
        context.output.result(&NewWebhook::of(made))?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for NewWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, hint) = match self.line.sign {
            SignatureKind::V1 => ("secret", "Keep the secret now: it is not shown again."),
            SignatureKind::V1a => ("public key", "Whoever has the public key can verify messages."),
        };
        let fields = Fields::default()
            .with("endpoint", self.line.webhook_id)
            .with("url", &self.line.url)
            .with("on", self.line.wanted())
            .with(name, &self.key);
        write!(f, "{fields}{hint}")
    }
}
