//! The command line of `counterfoil`: options that every command takes, and which command runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use schemas::codes::{Code, Exit};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::commands::{
    activation, audit, backup, code, completions, config, customer, db, demo, digest, doctor, explain,
    export, init, keys, license, merge, period, policy, product, quarantine, rebuild, refresh, restore,
    serve, show, store, token, verify, webhook,
};
use crate::config::{Config, Flags};
use crate::home::Home;
use crate::output::{self, Format, Output};
use crate::vendor::Vendor;
use crate::wall_clock;

/// The vendor's side of Counterfoil: issues software licences and reconciles what devices did with them.
///
/// Devices are licensed and report by file, over HTTP or by typed codes; the ledger keeps what was granted and what
/// was used as signed events that nobody can rewrite unseen.
#[derive(Debug, Parser)]
#[command(name = "counterfoil", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Examples:
  counterfoil init
  counterfoil product create studio --feature export --feature render:metered
  counterfoil policy create standard --product studio --valid 365d --quota render=1000/month
  counterfoil license issue --policy standard --customer \"ACME GmbH\"
  counterfoil merge request.cfbundle --answers out/

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 verification, 6 findings, 7 network, 8 busy")]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
struct GlobalOptions {
    #[arg(long, global = true, value_name = "DIR")]
    #[arg(help = "The home [env: COUNTERFOIL_HOME] [default: counterfoil-home]")]
    home: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE")]
    #[arg(help = "The configuration file [env: COUNTERFOIL_CONFIG] [default: config.toml in the home]")]
    config: Option<PathBuf>,
    #[arg(long, global = true, help = "Print one JSON document [env: COUNTERFOIL_OUTPUT=json]")]
    json: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    #[command(subcommand)]
    Product(product::ProductCommand),
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    #[command(subcommand)]
    License(license::LicenseCommand),
    #[command(subcommand)]
    Activation(activation::ActivationCommand),
    #[command(subcommand)]
    Code(code::CodeCommand),
    Merge(merge::MergeArgs),
    Refresh(refresh::RefreshArgs),
    #[command(subcommand)]
    Period(period::PeriodCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    #[command(subcommand)]
    Export(export::ExportCommand),
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    Digest(digest::DigestArgs),
    Rebuild(rebuild::RebuildArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    #[command(subcommand)]
    Store(store::StoreCommand),
    #[command(subcommand)]
    Db(db::DbCommand),
    Serve(serve::ServeArgs),
    #[command(subcommand)]
    Token(token::TokenCommand),
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    Show(show::ShowArgs),
    Verify(verify::VerifyArgs),
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Explain(explain::ExplainArgs),
    Completions(completions::CompletionsArgs),
    Demo(demo::DemoArgs),
}

impl Command {
    fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Init(args) => args.run(context),
            Self::Product(command) => command.run(context),
            Self::Policy(command) => command.run(context),
            Self::Customer(command) => command.run(context),
            Self::License(command) => command.run(context),
            Self::Activation(command) => command.run(context),
            Self::Code(command) => command.run(context),
            Self::Merge(args) => args.run(context),
            Self::Refresh(args) => args.run(context),
            Self::Period(command) => command.run(context),
            Self::Audit(command) => command.run(context),
            Self::Export(command) => command.run(context),
            Self::Quarantine(command) => command.run(context),
            Self::Digest(args) => args.run(context),
            Self::Rebuild(args) => args.run(context),
            Self::Backup(args) => args.run(context),
            Self::Restore(args) => args.run(context),
            Self::Store(command) => command.run(context),
            Self::Db(command) => command.run(context),
            Self::Serve(args) => args.run(context),
            Self::Token(command) => command.run(context),
            Self::Webhook(command) => command.run(context),
            Self::Show(args) => args.run(context),
            Self::Verify(args) => args.run(context),
            Self::Keys(command) => command.run(context),
            Self::Doctor(args) => args.run(context),
            Self::Config(command) => command.run(context),
            Self::Explain(args) => args.run(context),
            Self::Completions(args) => args.run(context),
            Self::Demo(args) => args.run(context),
        }
    }
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The options that are no command's own.
    pub(crate) config: Config,
    /// Prints results.
    pub(crate) output: Output,
    /// The present, read once.
    pub(crate) now: Micros,
}

impl Context {
    /// Opens the home.
    pub(crate) fn home(&self) -> Result<Home, Refusal> {
        Home::open(&self.config.home.value)
    }

    /// Opens the home and its ledger.
    pub(crate) fn vendor(&self) -> Result<Vendor, Refusal> {
        Vendor::open(self.home()?, self.now)
    }

    /// The portal's address for packs: as the options say, else as the home does.
    pub(crate) fn portal(&self, home: &Home) -> Result<Option<Text>, Refusal> {
        match &self.config.portal.value {
            Some(portal) => Text::new(portal)
                .map(Some)
                .ok_or_else(|| Refusal::new(Code::TextInvalid, "the portal's address")),
            None => Ok(home.portal().cloned()),
        }
    }
}

/// Runs the program on a command line, its own name first, and gives the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => cli.run(),
        Err(error) => tell_usage(&error, format_before_parsing(&args)),
    }
}

impl Cli {
    /// The definition, for completions.
    pub(crate) fn definition() -> clap::Command {
        Self::command()
    }

    fn run(self) -> ExitCode {
        let GlobalOptions { home, config, json, yes } = self.global;
        let flags = Flags { home, config, json };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let config = match Config::resolve(&flags, variable, cores) {
            Ok(config) => config,
            Err(refusal) => return Output::new(format_of(json), yes).refuse(&refusal),
        };
        let output = Output::new(config.output.value, yes);
        let context = Context { config, output, now: wall_clock::now() };
        match self.command.run(&context) {
            Ok(exit) => output::exit_code(exit),
            Err(refusal) => output.refuse(&refusal),
        }
    }
}

/// Prints what clap has to say: help, the version, or what is wrong with the command line.
fn tell_usage(error: &clap::Error, format: Format) -> ExitCode {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if format == Format::Json && !asked_for {
        return Output::new(format, false).refuse(&Refusal::new(Code::Usage, sentence(error)));
    }
    // A closed stdout or stderr is no reason for another exit code.
    drop(error.print());
    output::exit_code(if asked_for { Exit::Done } else { Exit::Usage })
}

/// The first paragraph of clap's message, on one line.
fn sentence(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing".to_owned();
    }
    let text = error.render().to_string();
    let paragraph = text.trim_start_matches("error: ").lines().take_while(|line| !line.trim().is_empty());
    paragraph.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The format that a command line asks for which could not be parsed.
fn format_before_parsing(args: &[OsString]) -> Format {
    let json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    format_of(json)
}

fn format_of(json: bool) -> Format {
    let said = variable("COUNTERFOIL_OUTPUT").and_then(|word| Format::parse(&word));
    if json { Format::Json } else { said.unwrap_or(Format::Words) }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_defined_without_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_sentence_and_examples() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no sentence");
            assert!(
                command.has_subcommands() || command.get_after_help().is_some(),
                "{name} has no examples"
            );
            command.get_subcommands().for_each(check);
        }
        Cli::command().get_subcommands().for_each(check);
    }

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        let error = Cli::try_parse_from(["counterfoil", "show"]).expect_err("a file is missing");
        assert!(!sentence(&error).contains('\n'));
        assert!(sentence(&error).ends_with("<FILE>"));
    }

    #[test]
    fn json_is_recognised_before_anything_is_parsed() {
        let args = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(format_before_parsing(&args("counterfoil init --json --nonsense")), Format::Json);
    }
}
