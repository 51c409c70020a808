//! Values as they are shown everywhere: those that commitments stand for, and names.

use std::fmt::{self, Display};

use schemas::ids::{Commitment, LicenseId};
use schemas::numbers::FeatureNumber;
use schemas::pack::ProductFeature;
use schemas::period::Reset;
use schemas::refusal::Refusal;
use schemas::terms::{FeatureGrant, QuotaRule};
use serde::Serialize;

use crate::vendor::Vendor;

/// A value that stands beside the signed events. Programs get it as it is; people see no control character of it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Attached(String);

impl Attached {
    /// The value of a commitment beside a licence's runs; absent when it was never sent or was erased.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(
        vendor: &mut Vendor,
        license: &LicenseId,
        commitment: Option<&Commitment>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(commitment) = commitment else { return Ok(None) };
        let attachment = vendor.store.attachment(Some(license), commitment)?;
        Ok(attachment.map(|attachment| Self(String::from_utf8_lossy(&attachment.value).into_owned())))
    }
}

impl Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

/// Text from elsewhere without what could move a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    let shown = |symbol: char| if symbol.is_control() { char::REPLACEMENT_CHARACTER } else { symbol };
    text.chars().map(shown).collect()
}

/// The beginning of a chain's name that commands take for the whole.
pub(crate) fn short(chain: &impl Display) -> String {
    chain.to_string().chars().take(16).collect()
}

/// The name of a product's feature.
pub(crate) fn feature_name(features: &[ProductFeature], number: FeatureNumber) -> String {
    let feature = features.iter().find(|feature| feature.number == number);
    feature.map_or_else(|| format!("feature {number}"), |feature| feature.name.to_string())
}

/// A quota as options take it.
pub(crate) fn quota(rule: &QuotaRule, features: &[FeatureGrant]) -> String {
    let held = features.iter().find(|held| held.number == rule.feature);
    let name = held.map_or_else(|| format!("feature {}", rule.feature), |held| held.name.to_string());
    match held.map_or(Reset::Never, |held| held.reset) {
        Reset::Never => format!("{name}={}", rule.limit),
        reset => format!("{name}={}/{reset}", rule.limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\n"), "a\u{fffd}[2J\u{fffd}");
    }
}
