//! `counterfoil license show`

use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::commands::stranded;
use crate::output::{Fields, Table};
use crate::shown::licenses::{LicenseDetails, LicenseSeats, TriedTwice};
use crate::shown::words;

/// Show a licence: its terms, its key, its quotas, its activations
///
/// Of each quota and each period that is not final: FREE can still be granted, OUT was granted and did not come back,
/// USED and HELD are what devices did and what they still have of it, DEBT was used beyond what was granted, CHARGED
/// beyond the limit. SHARE is what a device holds ahead of its use, NEXT what the next activation would get of it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license show 0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59")]
pub(crate) struct LicenseShowArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
}

impl LicenseShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?;
        let shown = LicenseDetails::read(&mut vendor, license)?;
        context.output.result(&shown)?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for LicenseDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        words::conditions(self.fields(), &self.rules, &self.features).fmt(f)?;
        if !self.quotas.is_empty() {
            write!(f, "\n{}", self.quota_table())?;
        }
        for note in self.notes() {
            writeln!(f, "\n{note}")?;
        }
        if !self.activations.is_empty() {
            write!(f, "\n{}", self.activation_table())?;
        }
        Ok(())
    }
}

impl LicenseDetails {
    /// What is out of order, a paragraph each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let twice = self.tried_twice.iter().map(|TriedTwice { first, second }| {
            let title = Code::TrialTwice.entry().title;
            format!("{} and {}: {title}", words::short(first), words::short(second))
        });
        let debts = self.debts.iter().map(ToString::to_string);
        stranded::told(&self.stranded).into_iter().chain(debts).chain(twice).collect()
    }

    /// What it is and grants, line by line.
    pub(crate) fn fields(&self) -> Fields {
        let entitlement = &self.entitlement;
        let (how, key) =
            words::asked_for_with(self.license_key.as_deref().unwrap_or_default(), self.is_trial);
        Fields::default()
            .with("licence", self.license_id)
            .with(how, key)
            .with("customer", words::or(self.customer.as_ref(), "(erased)"))
            .with("status", self.status)
            .with("product", format_args!("{} ({})", self.product, self.environment))
            .with("policy", &self.policy)
            .with("issued at", self.issued_at)
            .with("type", format_args!("{}, revision {}", entitlement.kind, entitlement.revision))
            .with("starts at", entitlement.starts_at)
            .with(
                "valid until",
                words::validity(self.valid_from_activation, self.is_trial, entitlement.valid_until),
            )
            .with("maintenance until", words::or(entitlement.maintenance_until, "without end"))
            .with("features", words::features(&self.features))
            .with("seats", self.seats.in_words())
    }

    fn quota_table(&self) -> Table {
        let mut table = Table::new(&[
            "FEATURE", "PERIOD", "LIMIT", "OVERAGE", "FREE", "OUT", "USED", "HELD", "DEBT", "CHARGED",
            "SHARE", "NEXT",
        ]);
        for quota in &self.quotas {
            table.row([
                quota.feature.to_string(),
                quota.period.to_string(),
                quota.limit.to_string(),
                quota.overage.to_string(),
                quota.free.to_string(),
                quota.out.to_string(),
                quota.used.to_string(),
                quota.held.to_string(),
                quota.debt.to_string(),
                quota.charged.to_string(),
                quota.share.to_string(),
                quota.next_share.to_string(),
            ]);
        }
        table
    }

    fn activation_table(&self) -> Table {
        let mut table = Table::new(&["CHAIN", "STATE", "HOST", "EVENTS", "LAST EVENT AT"]);
        for activation in &self.activations {
            table.row([
                words::short(&activation.chain),
                activation.state_in_words(),
                words::or(activation.host.as_ref(), ""),
                activation.events.to_string(),
                words::or(activation.last_event_at.map(words::second), ""),
            ]);
        }
        table
    }
}

impl LicenseSeats {
    fn in_words(&self) -> String {
        let taken = words::taken(self.taken, self.max);
        match self.transfers_left {
            Some(left) => format!("{taken} taken, {left} transfers left"),
            None => format!("{taken} taken"),
        }
    }
}
