//! `counterfoil license change`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::terms::Terms;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::words;
use crate::options::PolicyOptions;
use crate::vendor::products::{NewFeature, number};

/// Change what a licence grants; its devices learn it with their next licence file
///
/// Only what is given changes. Spans count from the licence's start. A feature that is named comes on top of those that
/// the licence holds; one that the product lacks is defined as on or off first.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license change LICENSE --valid 730d --feature beta
  counterfoil license change LICENSE --quota render=5000/month --reason \"order 4711\"
  counterfoil license change LICENSE --remove-feature beta")]
pub(crate) struct LicenseChangeArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
    /// A feature that it holds no longer, with its quota; may be repeated
    #[arg(long = "remove-feature", value_name = "NAME")]
    let_go: Vec<Text>,
    #[command(flatten)]
    changes: PolicyOptions,
}

impl LicenseChangeArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?;
        let known = vendor.product(&license.product)?.features;
        let undefined = self.changes.undefined(&known);
        let known = if undefined.is_empty() {
            known
        } else {
            let new: Vec<NewFeature> =
                undefined.into_iter().map(|name| NewFeature { name, metered: false }).collect();
            // Refuse what contradicts itself before the product is changed.
            self.changes.change(&self.let_go, &license.terms, &number(&known, &new)?)?;
            vendor.add_features(&license.product, &new)?.features
        };
        let reason = self.reason.as_ref().map(Text::as_str);
        let Self { changes, let_go, .. } = &self;
        let license =
            vendor.change_terms(&license.id, reason, |terms| changes.change(let_go, terms, &known))?;
        let is_trial = license.is_trial();
        context.output.result(&Changed { license_id: license.id, is_trial, terms: license.terms })?;
        Ok(Exit::Done)
    }
}

/// Names that are told one by one.
const NAMES: usize = 10;

/// The first names, and how many more there are.
fn beginning(names: &[&str]) -> String {
    match names.len().checked_sub(NAMES) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{}, and {more} more", names[..NAMES].join(", ")),
    }
}

#[derive(Serialize)]
struct Changed {
    license_id: LicenseId,
    is_trial: bool,
    #[serde(flatten)]
    terms: Terms,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entitlement = &self.terms.entitlement;
        write!(f, "revision {} of {}: ", entitlement.revision, self.license_id)?;
        let until = if entitlement.valid_until.is_some() { "until " } else { "" };
        let validity =
            words::validity(self.terms.valid_from_activation, self.is_trial, entitlement.valid_until);
        write!(f, "valid {until}{validity}")?;
        let names: Vec<&str> = entitlement.features.iter().map(|feature| feature.name.as_str()).collect();
        writeln!(f, ", features {}", beginning(&names))?;
        f.write_str("Its devices learn it with their next answer, or by `counterfoil refresh CHAIN -o FILE`.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_names_are_told_and_the_rest_counted() {
        assert_eq!(beginning(&["a", "b"]), "a, b");
        assert_eq!(beginning(&["a"; 10]), "a, a, a, a, a, a, a, a, a, a");
        assert_eq!(beginning(&["a"; 1_024]), "a, a, a, a, a, a, a, a, a, a, and 1014 more");
    }
}
