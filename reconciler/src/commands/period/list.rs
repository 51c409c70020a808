//! `counterfoil period list`

use std::fmt;

use clap::Args;
use ledger::authority::License;
use ledger::periods::{self, State};
use schemas::codes::{Code, Exit};
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::line::PeriodLine;
use crate::cli::Context;
use crate::output::Table;
use crate::shown::words;
use crate::store::{LicenseFilter, feature_name, feature_names};
use crate::vendor::Vendor;

/// List the periods of metered features, and how far each can be trusted
///
/// A period is open, then waits for late reports, then is sealed. A feature that is counted for the licence's whole life
/// has no periods.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil period list
  counterfoil period list LICENSE --feature render
  counterfoil period list --state waiting --json")]
pub(crate) struct PeriodListArgs {
    /// Only of this licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: Option<String>,
    /// Only those that stand so: open, waiting or sealed
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<State>,
    /// Only of the feature of this name
    #[arg(long, value_name = "NAME")]
    feature: Option<String>,
}

impl PeriodListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let licenses = licenses(&mut vendor, self.license.as_deref())?;
        let names = feature_names(&vendor.catalog()?);
        if let Some(feature) = &self.feature
            && names.values().all(|name| name.as_str() != feature)
        {
            return Err(Refusal::new(Code::FeatureUnknown, feature.as_str()));
        }
        let mut lines = Vec::new();
        for id in licenses {
            let Some(license) = vendor.store.license(&id)? else { continue };
            let name = |feature| feature_name(&names, license.product.as_str(), feature);
            let mut listed = self.of(&mut vendor, &license, &name)?;
            lines.append(&mut listed);
        }
        context.output.result(&List { periods: lines })?;
        Ok(Exit::Done)
    }

    fn of(
        &self,
        vendor: &mut Vendor,
        license: &License,
        name: &dyn Fn(schemas::numbers::FeatureNumber) -> String,
    ) -> Result<Vec<PeriodLine>, Refusal> {
        let mut periods = periods::reckon(license, vendor.now());
        periods.retain(|period| {
            self.state.is_none_or(|state| period.state == state)
                && self.feature.as_ref().is_none_or(|feature| name(period.feature) == *feature)
        });
        if periods.is_empty() {
            return Ok(Vec::new());
        }
        let present = vendor.conditions(license)?;
        let lines =
            periods.iter().map(|period| PeriodLine::of(license.id, name(period.feature), period, present));
        Ok(lines.collect())
    }
}

/// The licence that is named, or all.
pub(super) fn licenses(vendor: &mut Vendor, wanted: Option<&str>) -> Result<Vec<LicenseId>, Refusal> {
    if let Some(wanted) = wanted {
        return Ok(vec![vendor.find_license(wanted)?.id]);
    }
    let all = vendor.store.licenses(&LicenseFilter::default())?;
    Ok(all.into_iter().map(|license| license.id).collect())
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| "expected open, waiting or sealed".to_owned())
}

#[derive(Serialize)]
struct List {
    periods: Vec<PeriodLine>,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.periods.is_empty() {
            return f.write_str("no such periods");
        }
        let mut table = Table::new(&[
            "LICENCE",
            "FEATURE",
            "PERIOD",
            "STATE",
            "USED",
            "SEALED",
            "ADJUSTED",
            "SEAL FROM",
            "EVIDENCE",
        ]);
        for period in &self.periods {
            table.row([
                period.license_id.to_string(),
                period.feature.clone(),
                period.period.to_string(),
                period.state.to_owned(),
                period.used.to_string(),
                words::or(period.sealed, ""),
                adjustments(period),
                words::second(period.seal_from).to_string(),
                period.conditions_in_words(),
            ]);
        }
        table.fmt(f)
    }
}

fn adjustments(period: &PeriodLine) -> String {
    match (period.added, period.removed) {
        (0, 0) => String::new(),
        (added, 0) => format!("+{added}"),
        (0, removed) => format!("-{removed}"),
        (added, removed) => format!("+{added} -{removed}"),
    }
}
