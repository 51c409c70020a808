//! `counterfoil code answer`

use std::num::NonZeroU16;

use clap::Args;
use ledger::license_key::LicenseKey;
use schemas::codes::{Code, Exit};
use schemas::limits::AIR_GAPPED_POLICIES;
use schemas::refusal::Refusal;
use schemas::typed::Kind;

use super::answered::{self, Answered};
use crate::cli::Context;
use crate::vendor::codes::CodeTerms;

/// Answer a request code by an unlock code
///
/// The device shows its request code after `counterfoil-agent activate --code`, and the same licence key is typed at both ends.
/// The policy that is unlocked came with the application in its product pack: without --policy, the one that gives what the
/// licence grants. With --policy, the licence is changed to that one where it grants something else. The same code again has the
/// same answer.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil code answer 8TQG0S-J6HB7K-… --license-key KEY
  counterfoil code answer 8TQG0S J6HB7K … --license-key KEY --policy 2 --valid 90")]
pub(crate) struct CodeAnswerArgs {
    /// The request code; its groups may be apart
    #[arg(value_name = "CODE", required = true)]
    code: Vec<String>,
    /// The licence key that was typed at the device
    #[arg(long, value_name = "KEY", env = "COUNTERFOIL_LICENSE_KEY", hide_env_values = true)]
    license_key: String,
    #[command(flatten)]
    terms: TermsOptions,
}

/// What may be set of an unlock code.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct TermsOptions {
    /// The number of the policy to unlock, as `counterfoil policy list` tells it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=AIR_GAPPED_POLICIES.into()))]
    policy: Option<u16>,
    /// Days after which the code is no longer valid, if the licence does not end before
    #[arg(long, value_name = "DAYS", value_parser = days)]
    valid: Option<NonZeroU16>,
}

impl TermsOptions {
    pub(super) fn terms(self) -> CodeTerms {
        CodeTerms { policy: self.policy, valid_days: self.valid }
    }
}

impl CodeAnswerArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let code = answered::read(Kind::Request, &self.code)?;
        let key = LicenseKey::parse(&self.license_key)
            .map_err(|error| Refusal::from_error(Code::LicenseKeyMistyped, &error))?;
        let answered = context.vendor()?.answer_code(&code, &key, self.terms.terms())?;
        context.output.result(&Answered::of(&answered))?;
        Ok(Exit::Done)
    }
}

/// `90` or `90d`
fn days(text: &str) -> Result<NonZeroU16, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    number.parse().map_err(|_| "expected a number of days from 1 to 65535, such as 90".to_owned())
}
