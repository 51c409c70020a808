//! `consume --batch`: JSON lines in, an acknowledgement a line out.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::time::Duration;

use counterfoil_sync_agent::wall_clock::{Clock as _, SystemClock};
use counterfoil_sync_agent::{Agent, Consume, Consumed};
use schemas::codes::{Code, Exit};
use schemas::numbers::{Amount, Micros, Seq};
use schemas::refusal::Refusal;
use schemas::text::UsageRef;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::cli::Context;
use crate::commands::files;
use crate::commands::time_keeper::keeping_time;
use crate::output::{Output, talk};

/// Lines that share one commit.
const GROUP: usize = 256;
/// A line that is longer is no consumption.
const LINE_BYTES: u64 = 64 * 1024;
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// One line of a batch. A misspelt `ref` must not be passed over, so other fields are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The device, in a file that was written for many.
    #[serde(rename = "device")]
    _device: Option<IgnoredAny>,
    feature: String,
    n: u64,
    r#ref: Option<String>,
    used_at: Option<String>,
}

#[derive(Serialize)]
struct Acknowledged {
    line: u64,
    seq: Seq,
    repeated: bool,
}

pub(super) fn run(path: &Path, context: &Context) -> Result<Exit, Refusal> {
    let agent = context.agent()?;
    let take = || {
        if files::is_standard(path) {
            return take_all(io::stdin().lock(), &agent, context.output);
        }
        let file = File::open(path)
            .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))?;
        take_all(BufReader::new(file), &agent, context.output)
    };
    let outcome = keeping_time(|| agent.keep_time(), take);
    // Whatever became of the batch, the time that it took has passed; what cannot be kept was kept with the last line.
    drop(agent.keep_time());
    outcome
}

fn take_all(mut input: impl BufRead, agent: &Agent, output: Output) -> Result<Exit, Refusal> {
    let mut lines = Lines::default();
    let mut progress = Progress::new();
    loop {
        let group = lines.next_group(&mut input);
        if group.uses.is_empty() {
            return group.stopped.map_or(Ok(Exit::Done), Err);
        }
        let (numbers, uses): (Vec<u64>, Vec<Consume>) = group.uses.into_iter().unzip();
        for (outcome, line) in agent.consume_many(uses).into_iter().zip(numbers) {
            let Consumed { seq, repeated, .. } = outcome.map_err(|refusal| refusal.at(at_line(line)))?;
            output.result(&Acknowledged { line, seq, repeated })?;
        }
        progress.tell(lines.number);
        if let Some(refusal) = group.stopped {
            return Err(refusal);
        }
    }
}

/// Lines that go into one commit, and what ended the input early.
#[derive(Default)]
struct Group {
    uses: Vec<(u64, Consume)>,
    stopped: Option<Refusal>,
}

#[derive(Default)]
struct Lines {
    number: u64,
}

impl Lines {
    fn next_group(&mut self, input: &mut impl BufRead) -> Group {
        let mut group = Group::default();
        while group.uses.len() < GROUP {
            match self.next_use(input) {
                Ok(Some(consume)) => group.uses.push((self.number, consume)),
                Ok(None) => break,
                Err(refusal) => {
                    group.stopped = Some(refusal.at(at_line(self.number)));
                    break;
                }
            }
        }
        group
    }

    /// The next line that is not blank.
    fn next_use(&mut self, input: &mut impl BufRead) -> Result<Option<Consume>, Refusal> {
        loop {
            let mut line = Vec::new();
            self.number += 1;
            let read = input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
            match read.map_err(|error| Refusal::from_error(Code::IoFailed, &error))? {
                0 => return Ok(None),
                _ if line.trim_ascii().is_empty() => {}
                _ => return read_line(&line).map(Some),
            }
        }
    }
}

fn read_line(line: &[u8]) -> Result<Consume, Refusal> {
    let invalid = |what: &str| Refusal::new(Code::BatchInvalid, what);
    if !line.trim_ascii().starts_with(b"{") {
        return Err(invalid("the line is no object"));
    }
    let line: Line = serde_json::from_slice(line.trim_ascii())
        .map_err(|error| Refusal::from_error(Code::BatchInvalid, &error))?;
    let read_time = |text: String| Micros::parse(&text).ok_or_else(|| invalid("used_at is no time"));
    let read_reference = |text: String| {
        UsageRef::new(&text).filter(|_| !text.is_empty()).ok_or_else(|| invalid("the ref is no valid text"))
    };
    Ok(Consume {
        feature: line.feature.into(),
        n: Amount::new(line.n).ok_or_else(|| invalid("n is zero or too large"))?,
        used_at: line.used_at.map(read_time).transpose()?,
        reference: line.r#ref.map(read_reference).transpose()?,
    })
}

fn at_line(number: u64) -> String {
    format!("line {number}")
}

/// A line on stderr every few seconds.
struct Progress {
    told_at: u64,
}

impl Progress {
    fn new() -> Self {
        Self { told_at: SystemClock.read().monotonic }
    }

    fn tell(&mut self, lines: u64) {
        let now = SystemClock.read().monotonic;
        if u128::from(now.saturating_sub(self.told_at)) >= PROGRESS_EVERY.as_micros() {
            self.told_at = now;
            talk(&format_args!("{lines} lines are recorded"));
        }
    }
}

impl fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.repeated { " (counted before)" } else { "" };
        write!(f, "line {}: event {}{note}", self.line, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(line: &str) -> Option<Code> {
        read_line(line.as_bytes()).err().map(|refusal| refusal.code())
    }

    #[test]
    fn a_line_is_read_with_what_is_optional_and_what_is_not_ours() {
        let full = r#"{"device":"x","feature":"miles","n":5,"ref":"a","used_at":"2013-01-01T10:00:00Z"}"#;
        let read = read_line(full.as_bytes()).expect("valid");
        assert_eq!((&*read.feature, read.n.get()), ("miles", 5));
        assert_eq!(read.used_at, Micros::parse("2013-01-01T10:00:00Z"));
        assert_eq!(read.reference, UsageRef::new("a"));
        assert_eq!(code_of(r#"{"feature":"miles","n":5}"#), None);
    }

    #[test]
    fn what_is_no_consumption_is_batch_invalid() {
        let long = format!(r#"{{"feature":"miles","n":5,"ref":"{}"}}"#, "x".repeat(65));
        for line in [
            "consume 5",
            r#"["miles",5,null,null]"#,
            r#"[null,"miles",5,null,null]"#,
            "null",
            r#"{"feature":"miles","n":5,"refs":"a"}"#,
            r#"{"feature":"miles","n":5,"ref":""}"#,
            r#"{"feature":"miles"}"#,
            r#"{"feature":"miles","n":0}"#,
            r#"{"feature":"miles","n":-1}"#,
            r#"{"feature":"miles","n":4294967296}"#,
            r#"{"feature":"miles","n":1.5}"#,
            r#"{"feature":"miles","n":5,"used_at":"soon"}"#,
            &long,
        ] {
            assert_eq!(code_of(line), Some(Code::BatchInvalid), "{line}");
        }
    }

    #[test]
    fn groups_are_bounded_and_end_before_the_bad_line() {
        let mut text = "{\"feature\":\"a\",\"n\":1}\n\n".repeat(GROUP + 10);
        text.push_str("bad\n{\"feature\":\"a\",\"n\":1}");
        let mut input = text.as_bytes();
        let mut lines = Lines::default();
        assert_eq!(lines.next_group(&mut input).uses.len(), GROUP);
        let last = lines.next_group(&mut input);
        assert_eq!(last.uses.len(), 10);
        assert_eq!(last.stopped.map(|refusal| refusal.code()), Some(Code::BatchInvalid));
        assert_eq!(lines.number, 2 * (GROUP as u64 + 10) + 1);
    }
}
