//! `run`.

mod back_off;
mod schedule;
mod signals;

use std::fmt;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use counterfoil_sync_agent::wall_clock::{Clock as _, SystemClock};
use counterfoil_sync_agent::{HttpTransport, Micros, State, Status, SyncError, Synced, Visitor};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use self::schedule::Schedule;
use super::server::ServerArgs;
use super::sync::counted;
use super::time_keeper::keeping_time;
use crate::cli::Context;
use crate::output::{Output, talk};

/// Stay, report by itself, and keep the time.
///
/// It syncs when it starts, when the vendor has a use for a report (see `report --when-useful`), and once a day. After a
/// failure it waits, up to twice as long each time and an hour at most, or as long as the server asks for. Every five minutes
/// and when it ends it keeps the clock's mark: the time that it runs counts, also by a wall clock that stands back. Other
/// commands and applications work beside it: it holds the state directory only for moments.
///
/// It ends cleanly when it is told to, and by itself where the licence was given back on this device and the vendor knows: there
/// is nothing more to hear then. A denied, released, suspended or revoked licence is asked for on, once a day: it may come to
/// stand again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent run
  counterfoil-agent run --server https://licences.example.com --every 1h
  counterfoil-agent run --json")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The shortest time between two syncs, such as 30s, 15m, 6h or 1d
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = parse_span)]
    every: Duration,
}

/// One line of what it tells.
#[derive(Serialize)]
struct Line {
    at: Micros,
    #[serde(flatten)]
    event: Event,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Started {
        server: String,
    },
    Synced(Synced),
    Failed {
        #[serde(flatten)]
        refusal: Refusal,
        retry_in_s: u64,
    },
    TimeNotKept {
        #[serde(flatten)]
        refusal: Refusal,
    },
    /// The licence was given back, and the vendor knows.
    Deactivated,
    Ended,
}

pub(crate) fn run(args: &RunArgs, context: &Context) -> Result<Exit, Refusal> {
    context.activated()?;
    let server = args.server.find(context)?;
    let transport = HttpTransport::new(&server)?;
    // One sender stays: where it is gone, the loop would not wait.
    let (sender, ended) = mpsc::channel();
    let (told, cut) = (sender.clone(), transport.clone());
    signals::watch(move |exit| {
        if told.send(exit).is_ok() {
            cut.shut_down();
        }
    })?;
    let device = Running { visitor: Visitor::new(context.config()?), transport, output: context.output };
    device.tell(Event::Started { server: server.url().to_owned() })?;
    let exit = device.stay(Schedule::begin(monotonic(), args.every), &ended)?;
    drop(sender);
    device.keep_time()?;
    device.tell(Event::Ended)?;
    Ok(exit)
}

/// A device that runs.
struct Running {
    visitor: Visitor,
    transport: HttpTransport,
    output: Output,
}

impl Running {
    /// Does what is due until it is told to end, or nothing is left to do.
    fn stay(&self, mut schedule: Schedule, ended: &mpsc::Receiver<Exit>) -> Result<Exit, Refusal> {
        loop {
            if schedule.keeps_time(monotonic()) {
                self.keep_time()?;
            }
            if self.is_over() {
                self.tell(Event::Deactivated)?;
                return Ok(Exit::Done);
            }
            let synced = schedule.syncs(monotonic(), || self.is_useful()).then(|| self.sync());
            // What fails because it is ended is not told.
            if let Ok(exit) = ended.try_recv() {
                return Ok(exit);
            }
            if let Some(synced) = synced {
                self.take(synced, &mut schedule)?;
                continue;
            }
            if let Ok(exit) = ended.recv_timeout(schedule.pause(monotonic())) {
                return Ok(exit);
            }
        }
    }

    /// A sync, however long the network takes.
    fn sync(&self) -> Result<Synced, SyncError> {
        keeping_time(|| self.visitor.keep_time(), || self.visitor.sync(&self.transport))
    }

    fn take(&self, synced: Result<Synced, SyncError>, schedule: &mut Schedule) -> Result<(), Refusal> {
        match synced {
            Ok(synced) => {
                schedule.succeeded(monotonic());
                self.tell(Event::Synced(synced))
            }
            Err(error) => {
                let pause = schedule.failed(monotonic(), error.retry_after(), random()?);
                self.tell(Event::Failed { refusal: error.refusal(), retry_in_s: pause.as_secs() })
            }
        }
    }

    /// Keeps the clock's mark. A process that has the directory open keeps it itself.
    fn keep_time(&self) -> Result<(), Refusal> {
        match self.visitor.keep_time() {
            Err(refusal) if refusal.code() != Code::Busy => self.tell(Event::TimeNotKept { refusal }),
            _ => Ok(()),
        }
    }

    fn is_useful(&self) -> bool {
        self.status().is_some_and(|status| is_useful(&status))
    }

    /// Whether the licence was given back here and the vendor has the record to its end, and each one before it: neither has
    /// anything more to say to the other.
    fn is_over(&self) -> bool {
        self.status().is_some_and(|status| status.state == State::Deactivated && !is_useful(&status))
    }

    /// What is known of the licence, where it can be read.
    fn status(&self) -> Option<Status> {
        self.visitor.reader().ok().map(|reader| reader.status())
    }

    fn tell(&self, event: Event) -> Result<(), Refusal> {
        let line = Line { at: SystemClock.read().wall, event };
        if self.output.is_json() {
            return self.output.result(&line);
        }
        talk(&line);
        Ok(())
    }
}

fn is_useful(status: &Status) -> bool {
    status.report.is_some_and(|report| report.useful)
}

fn monotonic() -> Duration {
    Duration::from_micros(SystemClock.read().monotonic)
}

fn random() -> Result<u64, Refusal> {
    getrandom::u64().map_err(|error| Refusal::from_error(Code::Failed, &error))
}

fn parse_span(text: &str) -> Result<Duration, String> {
    let parse = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let span = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        Some(Duration::from_secs(span)).filter(|span| *span <= Duration::from_hours(24 * 365))
    };
    parse().ok_or_else(|| "expected a span such as 30s, 15m, 6h or 1d, of a year at most".to_owned())
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match &self.event {
            Event::Started { server } => write!(f, "started: reports to {server}"),
            Event::Synced(Synced { state, parts, events, changes, .. }) => {
                let (events, parts) = (counted(*events, "event"), counted(*parts, "part"));
                let changes = counted(changes.len() as u64, "change");
                write!(f, "synced: {}, {events} acknowledged, {parts} sent, {changes}", state.word())
            }
            Event::Failed { refusal, retry_in_s } => {
                write!(f, "failed: {refusal} [{}], again in {retry_in_s} s", refusal.code())
            }
            Event::TimeNotKept { refusal } => {
                write!(f, "the clock's mark was not kept: {refusal} [{}]", refusal.code())
            }
            Event::Deactivated => f.write_str("the licence was given back here, and the vendor knows"),
            Event::Ended => f.write_str("ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_an_end() {
        let seconds = |text| parse_span(text).ok().map(|span| span.as_secs());
        assert_eq!(["30s", "15m", "6h", "1d"].map(seconds), [30, 900, 21_600, 86_400].map(Some));
        assert_eq!(
            ["", "5", "m", "-1m", "1.5h", "366d", "99999999999999999999d", "3é"].map(seconds),
            [None; 8]
        );
    }
}
