//! `counterfoil activation show`

use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::grant::SeqRange;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::commands::stranded;
use crate::output::{Fields, Table};
use crate::shown::activations::{ActivationDetails, ChainFinding, ChainFork, QuarantinedPart, ToldByCode};
use crate::shown::words;

/// Show an activation: its device, its grant, its quotas
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation show CHAIN")]
pub(crate) struct ActivationShowArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
}

impl ActivationShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license, chain) = vendor.find_chain(&self.chain)?;
        let license = vendor.find_license(&license.to_string())?;
        let shown = ActivationDetails::read(&mut vendor, &license, chain)?;
        context.output.result(&shown)?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for ActivationDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().fmt(f)?;
        if !self.quotas.is_empty() {
            write!(f, "\n{}", self.quota_table())?;
        }
        stranded::tell(&self.stranded, f)?;
        if !self.variables.is_empty() {
            write!(f, "\n{}", self.variable_table())?;
        }
        self.notes().iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

impl ToldByCode {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let last =
            ("last code", format!("typed at {}, of pack {}", words::second(self.at), self.pack_version));
        let head = self.head.as_ref().map(|head| {
            let held = match head.held {
                None => "not carried out so far",
                Some(true) => "the chain holds it",
                Some(false) => "the chain does not hold it",
            };
            ("told by code", format!("head at event {}: {held}", head.seq))
        });
        [last].into_iter().chain(head).collect()
    }
}

impl ActivationDetails {
    /// What is out of order, a line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let fork = self.fork.as_ref().map(|ChainFork { seq, verdict, heads }| {
            let (histories, verdict) = (heads.len(), verdict.word());
            format!("forked at event {seq}: {histories} histories, {verdict}; see `counterfoil audit forks`")
        });
        let other_trial = self.other_trial.as_ref().map(|other| {
            let (code, title) = (Code::TrialTwice, Code::TrialTwice.entry().title);
            format!("{code}: {title}: see {}", words::short(other))
        });
        let missing = self.missing.iter().map(|SeqRange { first, last }| {
            format!("events {first} to {last} are missing; what follows them waits")
        });
        let findings = self.findings.iter().map(|ChainFinding { seq, code }| {
            let title = code.parse().map_or("", |code: Code| code.entry().title);
            format!("event {seq}: {code}: {title}")
        });
        let quarantined = self.quarantined.iter().map(|QuarantinedPart { id, code }| {
            format!("quarantine entry {id} holds a part of this chain: {code}")
        });
        fork.into_iter().chain(other_trial).chain(missing).chain(findings).chain(quarantined).collect()
    }

    /// What is known of it, line by line.
    pub(crate) fn fields(&self) -> Fields {
        let line = &self.line;
        let head = self.head.as_ref().map(|head| format!("event {}, link {}", head.seq, head.link));
        let grant = &self.grant;
        Fields::default()
            .with("chain", line.chain)
            .with("licence", line.license_id)
            .with("product", &self.product)
            .with("customer", words::or(self.customer.as_ref(), "(erased)"))
            .with("state", line.state_in_words())
            .with("host", words::or(line.host.as_ref(), "unknown"))
            .with("agent", words::or(line.agent.as_ref(), "unknown"))
            .with("opened at", words::or(self.opened_at, "unknown"))
            .with("requested at", words::or(line.requested_at, "unknown"))
            .with("granted at", words::or(line.granted_at, "never"))
            .with("released at", self.released_in_words())
            .with("closed at", words::or(self.closed_at, "never"))
            .with("check-in by", words::or(line.sync_by, "never"))
            .with("head", words::or(head, "none"))
            .with("last event at", words::or(line.last_event_at, "never"))
            .with(
                "newest grant",
                format_args!("{} of epoch {}, issued at {}", grant.seq, grant.epoch, grant.at),
            )
            .with("acknowledged", format_args!("up to event {}", self.acknowledged))
            .with_all(self.told_by_code.iter().flat_map(ToldByCode::lines))
    }

    fn released_in_words(&self) -> String {
        match (self.line.released_at, self.released, self.seat_free_at) {
            (Some(at), Some(why), Some(free_at)) if free_at > at => {
                format!("{at} ({why}), the seat free from {free_at}")
            }
            (Some(at), Some(why), _) => format!("{at} ({why})"),
            _ => "never".to_owned(),
        }
    }

    fn quota_table(&self) -> Table {
        let mut table =
            Table::new(&["FEATURE", "PERIOD", "GRANTED", "USED", "RETURNED", "WRITTEN OFF", "HELD", "DEBT"]);
        for quota in &self.quotas {
            table.row([
                quota.feature.clone(),
                quota.period.to_string(),
                quota.granted.to_string(),
                quota.used.to_string(),
                quota.returned.to_string(),
                quota.written_off.to_string(),
                quota.held.to_string(),
                quota.debt.to_string(),
            ]);
        }
        table
    }

    fn variable_table(&self) -> Table {
        let mut table = Table::new(&["VARIABLE", "VALUE", "SET AT"]);
        for variable in &self.variables {
            table.row([
                variable.name.clone(),
                words::or(variable.value.as_ref(), "(erased)"),
                words::second(variable.set_at).to_string(),
            ]);
        }
        table
    }
}
