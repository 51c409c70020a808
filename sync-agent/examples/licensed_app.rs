//! A small licensed application: copy its pattern into yours.
//!
//! ```text
//! cargo run -p counterfoil-sync-agent --example licensed_app -- studio.cfpack
//! ```
//!
//! It activates by file where it is not activated yet, checks its licence when it starts, asks before an action that
//! is licensed, meters one that is counted, and warns before the licence or the check-in ends. A real application
//! embeds its pack with `include_bytes!`, so that nobody can give it another vendor's.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use std::{env, fs};

use counterfoil_sync_agent::{Agent, Answer, Code, Config, LicenseKey, Micros, Refusal, State};

/// Where the application keeps its licence.
const STATE: &str = "licensed-app-state";
/// The agent keeps the time at least this often while the application runs.
const KEEP_TIME: Duration = Duration::from_mins(5);
/// When this release was made: a licence covers the releases of its maintenance period.
const RELEASED: &str = "2026-11-24";

fn main() -> ExitCode {
    let Some(pack) = env::args_os().nth(1) else {
        say("usage: licensed_app PACK");
        return ExitCode::from(2);
    };
    match run(Path::new(&pack)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            say(&format!("{refusal}\n{}", refusal.hint()));
            ExitCode::from(refusal.code().exit().number())
        }
    }
}

fn run(pack: &Path) -> Result<(), Refusal> {
    let pack = fs::read(pack).map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
    let agent = Agent::open(Config::new(STATE, Some(pack)))?;
    while !is_licensed(&agent) {
        activate(&agent)?;
    }
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let agent = &agent;
        scope.spawn(move || keep_time(agent, &stopped));
        // Dropped at the end of the work, which ends the keeper of the time.
        let _stop = stop;
        work(agent)
    })
}

/// Asks once, when the application starts; warnings are told, refusals explained.
fn is_licensed(agent: &Agent) -> bool {
    let answer = agent.check_release(None, Micros::parse(RELEASED));
    warn(&answer);
    answer.allowed
}

/// Tells what the user should know: a check-in that is due, a device that looks changed, an end that is near.
fn warn(answer: &Answer) {
    if answer.code != Code::Allowed {
        let entry = answer.code.entry();
        say(&format!("licence: {}. {}", entry.title, entry.hint));
    }
    if let Some(deadline) = answer.next_deadline {
        say(&format!("licence: the next deadline is {deadline}"));
    }
}

/// The offline dialogue: a licence key, a file to the vendor, a file from the vendor.
fn activate(agent: &Agent) -> Result<(), Refusal> {
    if agent.status()?.state != State::Pending {
        let typed = ask("Licence key: ")?;
        let key = LicenseKey::parse(&typed)
            .map_err(|error| Refusal::from_error(Code::LicenseKeyMistyped, &error))?;
        write_file("request.cfbundle", &agent.activate(&key)?)?;
        say("Send request.cfbundle to the vendor, or give it to the vendor's portal.");
    }
    let path = ask("Licence file that came back (empty: later): ")?;
    if path.is_empty() { Err(Code::NotActivated.into()) } else { apply(agent, &path) }
}

fn apply(agent: &Agent, path: &str) -> Result<(), Refusal> {
    let file = fs::read(path).map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path))?;
    for change in agent.apply(&file)?.changes {
        say(&format!("{}: {}", change.what, change.after.unwrap_or_default()));
    }
    Ok(())
}

fn write_file(path: &str, bytes: &[u8]) -> Result<(), Refusal> {
    fs::write(path, bytes).map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path))
}

/// The application's work: one action that is on or off, one that is metered, and a report of it.
fn work(agent: &Agent) -> Result<(), Refusal> {
    loop {
        let line = ask("export, render N, report or quit? ")?;
        let (action, rest) = line.split_once(' ').unwrap_or((&line, "1"));
        match action {
            "export" => export(agent),
            "render" => render(agent, rest),
            "report" => report(agent)?,
            "quit" | "" => return Ok(()),
            _ => say("this application does not do that"),
        }
    }
}

/// Checks each time: it takes no lock and costs less than a memory allocation.
fn export(agent: &Agent) {
    let answer = agent.check("export");
    if answer.allowed {
        say("exported");
    } else {
        warn(&answer);
    }
}

/// The usage report goes to the vendor, and the file that comes back is applied like the first one.
fn report(agent: &Agent) -> Result<(), Refusal> {
    write_file("usage.cfbundle", &agent.report()?)?;
    let path = ask("Send usage.cfbundle to the vendor. File that came back (empty: later): ")?;
    if path.is_empty() { Ok(()) } else { apply(agent, &path) }
}

/// Counts first, then works: what was acknowledged is durable, so nothing is rendered that was not counted.
fn render(agent: &Agent, n: &str) {
    let outcome = agent.consume("render", n.trim().parse().unwrap_or(0));
    match outcome {
        Ok(counted) => say(&format!("rendered {} (this month: {})", counted.n, counted.total)),
        Err(refusal) => say(&format!("not rendered: {refusal}\n{}", refusal.hint())),
    }
}

fn keep_time(agent: &Agent, stopped: &mpsc::Receiver<()>) {
    while stopped.recv_timeout(KEEP_TIME) == Err(RecvTimeoutError::Timeout) {
        if let Err(refusal) = agent.keep_time() {
            say(&format!("licence: {refusal}"));
        }
    }
}

fn ask(question: &str) -> Result<String, Refusal> {
    let failed = |error: io::Error| Refusal::from_error(Code::IoFailed, &error);
    let mut out = io::stdout().lock();
    write!(out, "{question}").and_then(|()| out.flush()).map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// Tells the user something; that nobody listens is no reason to stop.
fn say(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
