//! The command line: what is understood, and how each command ends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use counterfoil_sync_agent::{Agent, AgentReader, Config, State};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;

use crate::commands::{
    activate, apply, check, completions, consume, deactivate, doctor, explain, files, history, report,
    return_quota, run as keep_running, set, show, status, sync, verify,
};
use crate::output::{Output, exit_code};

/// The device's side of Counterfoil: activates an application on this device, checks its licence, meters its use, and
/// reports, with or without a connection.
#[derive(Debug, Parser)]
#[command(name = "counterfoil-agent", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// The state directory: keys and the record of this device
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        env = "COUNTERFOIL_STATE",
        default_value = "counterfoil-state"
    )]
    state: PathBuf,
    /// The product pack that ships with the application; after the activation its copy is used
    #[arg(long, value_name = "FILE", global = true, env = "COUNTERFOIL_PACK")]
    pack: Option<PathBuf>,
    #[arg(long, global = true, help = "Print JSON on stdout [env: COUNTERFOIL_OUTPUT=json]")]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Activate(activate::ActivateArgs),
    Apply(apply::ApplyArgs),
    Check(check::CheckArgs),
    Consume(consume::ConsumeArgs),
    Return(return_quota::ReturnArgs),
    Set(set::SetArgs),
    Report(report::ReportArgs),
    Sync(sync::SyncArgs),
    Run(keep_running::RunArgs),
    Deactivate(deactivate::DeactivateArgs),
    Status(status::StatusArgs),
    History(history::HistoryArgs),
    Verify(verify::VerifyArgs),
    Show(show::ShowArgs),
    Doctor(doctor::DoctorArgs),
    Explain(explain::ExplainArgs),
    Completions(completions::CompletionsArgs),
}

/// What a command works with.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    global: Global,
    pub(crate) output: Output,
}

impl Context {
    /// The state directory.
    pub(crate) fn state(&self) -> &Path {
        &self.global.state
    }

    /// What an agent is opened with.
    pub(crate) fn config(&self) -> Result<Config, Refusal> {
        let pack = self.global.pack.as_deref().map(files::read_small).transpose()?;
        Ok(Config::new(&self.global.state, pack))
    }

    /// Opens the agent of a state directory: this process becomes the one that writes.
    pub(crate) fn agent(&self) -> Result<Agent, Refusal> {
        let config = self.config()?;
        if config.state.exists() { Agent::open(config) } else { Err(Code::NotActivated.into()) }
    }

    /// The same, and makes the directory if it is not there: an activation begins it.
    pub(crate) fn new_agent(&self) -> Result<Agent, Refusal> {
        Agent::open(self.config()?)
    }

    /// Makes sure that an activation was asked for here.
    pub(crate) fn activated(&self) -> Result<(), Refusal> {
        match self.reader()?.status().state {
            State::Unregistered => Err(Code::NotActivated.into()),
            _ => Ok(()),
        }
    }

    /// Opens the state directory to read it beside any agent.
    pub(crate) fn reader(&self) -> Result<AgentReader, Refusal> {
        AgentReader::open(self.config()?)
    }
}

/// Runs the program.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return tell_usage(&error, Output::new(wants_json(&args))),
    };
    let output = Output::new(cli.global.json || output_is_json());
    let context = Context { global: cli.global, output };
    dispatch(cli.command, &context).map_or_else(|refusal| output.refuse(&refusal), exit_code)
}

fn dispatch(command: Command, context: &Context) -> Result<Exit, Refusal> {
    match command {
        Command::Activate(args) => activate::run(&args, context),
        Command::Apply(args) => apply::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Consume(args) => consume::run(&args, context),
        Command::Return(args) => return_quota::run(&args, context),
        Command::Set(args) => set::run(&args, context),
        Command::Report(args) => report::run(&args, context),
        Command::Sync(args) => sync::run(&args, context),
        Command::Run(args) => keep_running::run(&args, context),
        Command::Deactivate(args) => deactivate::run(&args, context),
        Command::Status(args) => status::run(&args, context),
        Command::History(args) => history::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Completions(args) => completions::run(&args),
    }
}

/// Prints what clap has to say: help, the version, or what is wrong with the command line.
fn tell_usage(error: &clap::Error, output: Output) -> ExitCode {
    let is_wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_wanted || !output.is_json() {
        // A closed stdout or stderr leaves nobody to tell.
        drop(error.print());
        return exit_code(if is_wanted { Exit::Done } else { Exit::Usage });
    }
    let text = error.to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    output.refuse(&Refusal::new(Code::Usage, sentence.replace('\n', " ")))
}

fn wants_json(args: &[OsString]) -> bool {
    output_is_json() || args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}

fn output_is_json() -> bool {
    std::env::var_os("COUNTERFOIL_OUTPUT").is_some_and(|format| format == "json")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_examples() {
        let command = Cli::command();
        command.clone().debug_assert();
        for command in command.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let help = command.get_after_help().expect("examples").to_string();
            assert!(help.contains(&format!("counterfoil-agent {}", command.get_name())), "{help}");
        }
    }
}
