//! `counterfoil period seal`

use std::fmt;

use clap::Args;
use ledger::periods::SealOrder;
use schemas::codes::Exit;
use schemas::ids::LicenseId;
use schemas::numbers::{FeatureNumber, Micros};
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use super::line::PeriodLine;
use super::list::licenses;
use crate::cli::Context;
use crate::commands::filter::instant;
use crate::output::Table;
use crate::progress::Progress;
use crate::store::{feature_name, feature_names};
use crate::vendor::licenses::reason_attachment;
use crate::vendor::periods::SealedLicense;

/// Seal the periods whose waiting is over
///
/// A sealed figure never changes. What was reported for it since is recorded as an adjustment, whether or not another
/// period is due: late use of a licence that ended is found too. Sealing again changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil period seal --all
  counterfoil period seal LICENSE --before 2026-11-01
  counterfoil period seal LICENSE --early --reason \"contract ended\"")]
pub(crate) struct PeriodSealArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE", required_unless_present = "all", conflicts_with = "all")]
    license: Option<String>,
    /// Every licence
    #[arg(long)]
    all: bool,
    /// Only periods that ended at or before this UTC day
    #[arg(long, value_name = "DAY", value_parser = instant)]
    before: Option<Micros>,
    /// Seal periods that ended and still wait for late reports
    #[arg(long, requires = "reason")]
    early: bool,
    /// Why they are sealed early, for the record
    #[arg(long, value_name = "TEXT", requires = "early")]
    reason: Option<Text>,
}

impl PeriodSealArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let names = feature_names(&vendor.catalog()?);
        let licenses = licenses(&mut vendor, self.license.as_deref())?;
        let reason = reason_attachment(self.reason.as_ref().map(Text::as_str))?;
        let early = reason.as_ref().map(|reason| reason.commitment);
        let order = SealOrder { before: self.before, early };
        let progress = Progress::start("periods sealed", None);
        let (mut report, now) = (Report::default(), vendor.now());
        let sealed = vendor.seal_periods(&licenses, &order, reason.as_ref(), &mut |sealed| {
            progress.add(sealed.done.sealed.len() as u64);
            let product = sealed.license.product.clone();
            report.add(&sealed, now, &|feature| feature_name(&names, product.as_str(), feature));
        });
        progress.finish();
        sealed?;
        context.output.result(&report)?;
        Ok(Exit::Done)
    }
}

#[derive(Default, Serialize)]
struct Report {
    sealed: Vec<PeriodLine>,
    adjusted: Vec<Adjustment>,
}

/// What came to or went from a period that had been sealed.
#[derive(Serialize)]
struct Adjustment {
    license_id: LicenseId,
    feature: String,
    period: Period,
    added: u64,
    removed: u64,
}

impl Report {
    fn add(&mut self, sealed: &SealedLicense, now: Micros, name: &dyn Fn(FeatureNumber) -> String) {
        let SealedLicense { license, done } = sealed;
        let reckoned = ledger::periods::reckon(license, now);
        let just_sealed =
            reckoned.iter().filter(|period| done.sealed.contains(&(period.feature, period.period)));
        self.sealed.extend(just_sealed.map(|period| {
            let conditions = period.seal.map_or_else(Default::default, |seal| seal.conditions);
            PeriodLine::of(license.id, name(period.feature), period, conditions)
        }));
        self.adjusted.extend(done.adjusted.iter().map(|(feature, period, added, removed)| Adjustment {
            license_id: license.id,
            feature: name(*feature),
            period: *period,
            added: *added,
            removed: *removed,
        }));
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["LICENCE", "FEATURE", "PERIOD", "SEALED", "EVIDENCE"]);
        for period in &self.sealed {
            table.row([
                period.license_id.to_string(),
                period.feature.clone(),
                period.period.to_string(),
                period.used.to_string(),
                period.conditions_in_words(),
            ]);
        }
        table
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sealed.is_empty() && self.adjusted.is_empty() {
            return f.write_str("no period is due");
        }
        if !self.sealed.is_empty() {
            self.table().fmt(f)?;
        }
        for Adjustment { license_id, feature, period, added, removed } in &self.adjusted {
            writeln!(f, "adjusted {license_id}, {feature} in {period}: {added} added, {removed} taken off")?;
        }
        Ok(())
    }
}
