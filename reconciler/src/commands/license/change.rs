//! `counterfoil license change`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::options::PolicyOptions;
use crate::shown::licenses::ChangedLicense;
use crate::shown::words;

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
        let reason = self.reason.as_ref().map(Text::as_str);
        let license = vendor.change_by(&license, &self.let_go, &self.changes, reason, None)?;
        let is_trial = license.is_trial();
        context.output.result(&ChangedLicense { license_id: license.id, is_trial, terms: license.terms })?;
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

impl fmt::Display for ChangedLicense {
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
