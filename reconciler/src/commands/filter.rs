//! The options that narrow lists, audits and exports.

use clap::Args;
use schemas::numbers::Micros;
use schemas::period;
use schemas::refusal::Refusal;

use crate::store::UsageFilter;
use crate::vendor::Vendor;

/// How many lines a list has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub(crate) struct LimitOption {
    /// List at most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

impl LimitOption {
    /// Keeps so many of the first rows.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>) {
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok());
        rows.truncate(limit.unwrap_or(usize::MAX));
    }
}

/// Which usage is told.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub(crate) struct UsageFilterOptions {
    /// Only of this licence, by its identifier or key
    #[arg(long, value_name = "LICENSE")]
    pub(crate) license: Option<String>,
    /// Only of this product
    #[arg(long, value_name = "ID")]
    pub(crate) product: Option<String>,
    /// Only from this UTC day on, such as 2026-11-01
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub(crate) from: Option<Micros>,
    /// Only before this UTC day
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub(crate) to: Option<Micros>,
}

impl UsageFilterOptions {
    /// The filter, its licence looked up.
    ///
    /// # Errors
    /// `license_not_found`.
    pub(crate) fn resolve(&self, vendor: &mut Vendor) -> Result<UsageFilter, Refusal> {
        let license = self.license.as_ref().map(|wanted| vendor.find_license(wanted)).transpose()?;
        Ok(UsageFilter {
            license: license.map(|license| license.id),
            product: self.product.clone(),
            from_day: self.from.map(period::day),
            before_day: self.to.map(period::day),
        })
    }
}

/// Reads a day or an instant as it is typed.
pub(crate) fn instant(text: &str) -> Result<Micros, String> {
    Micros::parse(text).ok_or_else(|| "expected a day such as 2026-11-24, or RFC 3339".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_means_its_first_instant_in_utc() {
        assert_eq!(instant("2026-11-24"), instant("2026-11-24T00:00:00Z"));
        assert!(instant("24.11.2026").is_err());
    }
}
