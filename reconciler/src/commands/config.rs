//! `counterfoil config`

use std::fmt;

use clap::{Args, Subcommand};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::config::Source;
use crate::output::Table;

/// See the options and where they come from
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Show(ConfigShowArgs),
}

/// Print each option's value and where it came from
///
/// A flag goes before an environment variable, that before the configuration file, and that before the default.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil config show
  COUNTERFOIL_HOME=/srv/counterfoil counterfoil config show --json")]
pub(crate) struct ConfigShowArgs {}

impl ConfigCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self::Show(ConfigShowArgs {}) = self;
        context.output.result(&Shown::of(context)?)?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Shown {
    settings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: Option<String>,
    source: Option<Source>,
}

impl Shown {
    fn of(context: &Context) -> Result<Self, Refusal> {
        let config = &context.config;
        let home = match context.home() {
            Ok(home) => Some(home),
            Err(refusal) if refusal.code() == Code::HomeMissing => None,
            Err(refusal) => return Err(refusal),
        };
        let row = |name, value: String, source| Row { name, value: Some(value), source: Some(source) };
        let of_home =
            |name, value: Option<String>| Row { name, source: value.as_ref().map(|_| Source::Home), value };
        let portal = match &config.portal.value {
            Some(portal) => row("portal", portal.clone(), config.portal.source),
            None => of_home("portal", home.as_ref().and_then(|home| home.portal()).map(ToString::to_string)),
        };
        let mut shown = Self {
            settings: vec![
                row("home", config.home.value.display().to_string(), config.home.source),
                row("config", config.file.value.display().to_string(), config.file.source),
                row("output", config.output.value.word().to_owned(), config.output.source),
                portal,
                row("jobs", config.jobs.value.to_string(), config.jobs.source),
                of_home("environment", home.as_ref().map(|home| home.environment().to_string())),
                of_home("store", home.as_ref().map(|home| home.store().to_string())),
            ],
        };
        let tables = config.serve.shown().chain(config.brand.shown());
        shown.settings.extend(tables.map(|(name, setting)| row(name, setting.value.clone(), setting.source)));
        Ok(shown)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["OPTION", "VALUE", "FROM"]);
        for row in &self.settings {
            let source = row.source.map_or("", Source::word);
            table.row([row.name.to_owned(), row.value.clone().unwrap_or_default(), source.to_owned()]);
        }
        table.fmt(f)
    }
}
