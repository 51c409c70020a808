//! `counterfoil period show`

use std::fmt;

use clap::Args;
use ledger::authority::License;
use ledger::periods::{self, Reckoned, ReproduceError, Reproduced, Seal};
use schemas::codes::{Code, Exit};
use schemas::ids::Digest;
use schemas::period::Period;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::line::PeriodLine;
use crate::cli::Context;
use crate::output::Fields;
use crate::shown::words;
use crate::store::{feature_name, feature_names};
use crate::vendor::Vendor;

/// Show a period, and derive its sealed figure again from the evidence
///
/// The figure follows from the runs that were known when it was sealed, up to the heads that the grants before it name;
/// every event is hashed on the way. The exit code is 5 when it does not follow.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil period show LICENSE render 2026-10
  counterfoil period show LICENSE render 2026-10-31 --json")]
pub(crate) struct PeriodShowArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// The feature, by its name
    #[arg(value_name = "FEATURE")]
    feature: String,
    /// The period, such as 2026, 2026-10 or 2026-10-31
    #[arg(value_name = "PERIOD", value_parser = period)]
    period: Period,
}

impl PeriodShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?;
        let period = self.find(&mut vendor, &license)?;
        let present = vendor.conditions(&license)?;
        let derived = match &period.seal {
            Some(seal) => Some(Derived::of(&mut vendor, &license, &period, seal)?),
            None => None,
        };
        let exit = match &derived {
            Some(Derived { follows: false, .. }) => Exit::Verification,
            _ => Exit::Done,
        };
        let evidence = period.seal.map(|seal| seal.evidence);
        let line = PeriodLine::of(license.id, self.feature, &period, present);
        context.output.result(&Shown { line, evidence, derived })?;
        Ok(exit)
    }

    fn find(&self, vendor: &mut Vendor, license: &License) -> Result<Reckoned, Refusal> {
        let names = feature_names(&vendor.catalog()?);
        let product = license.product.as_str();
        let mut periods = periods::reckon(license, vendor.now());
        periods.retain(|period| feature_name(&names, product, period.feature) == self.feature);
        if periods.is_empty() && names.iter().all(|(_, name)| name.as_str() != self.feature) {
            return Err(Refusal::new(Code::FeatureUnknown, self.feature.as_str()));
        }
        let found = periods.into_iter().find(|period| period.period == self.period);
        found.ok_or_else(|| Refusal::new(Code::PeriodUnknown, format!("{} in {}", self.feature, self.period)))
    }
}

fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).ok_or_else(|| "expected a period such as 2026, 2026-10 or 2026-10-31".to_owned())
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: PeriodLine,
    /// The evidence digest at the seal.
    evidence: Option<Digest>,
    derived: Option<Derived>,
}

/// The sealed figure as it follows from the stored runs.
#[derive(Serialize)]
struct Derived {
    follows: bool,
    code: Option<Code>,
    used: Option<u64>,
    evidence: Option<Digest>,
    /// Why nothing follows.
    problem: Option<String>,
}

impl Derived {
    fn of(vendor: &mut Vendor, license: &License, period: &Reckoned, seal: &Seal) -> Result<Self, Refusal> {
        let derived = vendor.reproduce(&license.id, (period.feature, period.period), seal)?;
        Ok(Self::compared(derived, seal))
    }

    fn compared(derived: Result<Reproduced, ReproduceError>, seal: &Seal) -> Self {
        let expected = Reproduced { used: seal.used, evidence: seal.evidence };
        let follows = derived == Ok(expected);
        let code = (!follows).then_some(Code::SealMismatch);
        match derived {
            Ok(Reproduced { used, evidence }) => {
                Self { follows, code, used: Some(used.get()), evidence: Some(evidence), problem: None }
            }
            Err(error) => {
                Self { follows, code, used: None, evidence: None, problem: Some(error.to_string()) }
            }
        }
    }

    fn in_words(&self) -> String {
        match (&self.problem, self.follows) {
            (_, true) => "the figure and the digest follow from the stored runs".to_owned(),
            (Some(problem), false) => format!("no figure follows: {problem} [{}]", Code::SealMismatch),
            (None, false) => {
                let used = words::or(self.used, "nothing");
                format!("the stored runs give {used} used, or another digest [{}]", Code::SealMismatch)
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.line;
        let mut fields = Fields::default()
            .with("licence", line.license_id)
            .with("feature", &line.feature)
            .with("period", line.period)
            .with("state", line.state)
            .with("used", line.used)
            .with(if line.is_open() { "ends at" } else { "ended at" }, line.ended_at)
            .with("seal from", line.seal_from)
            .with("evidence", line.conditions_in_words());
        if let (Some(sealed), Some(at), Some(evidence)) = (line.sealed, line.sealed_at, &self.evidence) {
            let early = if line.early { ", early" } else { "" };
            fields = fields
                .with("sealed", sealed)
                .with("sealed at", format_args!("{at}{early}"))
                .with("adjusted since", format_args!("{} added, {} taken off", line.added, line.removed))
                .with("not adjusted yet", line.unadjusted)
                .with("evidence digest", evidence);
        }
        if let Some(derived) = &self.derived {
            fields = fields.with("derived again", derived.in_words());
        }
        fields.fmt(f)
    }
}
