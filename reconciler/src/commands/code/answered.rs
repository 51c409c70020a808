//! What a code came to, and how one is read from arguments.

use std::fmt;

use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Total};
use schemas::period;
use schemas::refusal::Refusal;
use schemas::typed::{Kind, Lines, TypedCode, unnumbered};
use serde::Serialize;

use crate::output::Fields;
use crate::vendor::codes::{AnsweredCode, CodeUsage};

/// Reads a code that was given in one piece or several.
pub(super) fn read(kind: Kind, words: &[String]) -> Result<TypedCode, Refusal> {
    TypedCode::read(Some(kind), &unnumbered(&words.join(" "), 1))
        .map_err(|error| Refusal::from_error(error.code(), &error))
}

/// A code's answer.
#[derive(Debug, Serialize)]
pub(super) struct Answered<'a> {
    license_id: LicenseId,
    chain: ChainId,
    status: GrantStatus,
    policy: &'a str,
    valid_until: Option<Micros>,
    sync_by: Option<Micros>,
    again: bool,
    closing: bool,
    usage: Vec<Used<'a>>,
    untold: Vec<String>,
    code: &'a TypedCode,
}

#[derive(Debug, Serialize)]
struct Used<'a> {
    feature: &'a str,
    period: String,
    n: Total,
}

impl<'a> Answered<'a> {
    pub(super) fn of(answered: &'a AnsweredCode) -> Self {
        let used = |CodeUsage { feature, period, total }: &'a CodeUsage| Used {
            feature: feature.as_str(),
            period: period.to_string(),
            n: *total,
        };
        Self {
            license_id: answered.license,
            chain: answered.chain,
            status: answered.status,
            policy: answered.policy.as_str(),
            valid_until: answered.valid_until,
            sync_by: answered.sync_by,
            again: answered.is_repeat,
            closing: answered.closing,
            usage: answered.usage.iter().map(used).collect(),
            untold: answered.untold.iter().map(|day| period::day_text(period::day(*day))).collect(),
            code: &answered.unlock,
        }
    }
}

impl fmt::Display for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Fields::default()
            .with("licence", self.license_id)
            .with("device", self.chain)
            .with("told", self.status)
            .with("policy", self.policy);
        let dates = [("valid until", self.valid_until), ("check-in by", self.sync_by)];
        fields =
            fields.with_all(dates.into_iter().filter_map(|(name, date)| Some((name, date?.to_string()))));
        for used in &self.usage {
            fields = fields.with("used", format!("{} {} in {}", used.n, used.feature, used.period));
        }
        for day in &self.untold {
            let why = format!("{day}: the deadline stays until `report --code --day {day}` is told");
            fields = fields.with("not told", why);
        }
        if self.closing {
            fields = fields.with("given back", "the device ended its activation");
        }
        if self.again {
            fields = fields.with("again", "the code was taken in before");
        }
        write!(
            f,
            "{fields}\n\nunlock code, to be typed after `counterfoil-agent apply --code`:\n\n{}",
            Lines(self.code)
        )
    }
}
