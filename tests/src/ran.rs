//! What a program did: its exit code and what it printed, with the judgements that tests make of it.

use std::fmt;
use std::process::Output;

use serde_json::Value;

/// A program that ended. Its `Debug` form shows what was typed and what came of it, as on a terminal.
pub struct Ran {
    line: String,
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    pub(crate) fn new(line: String, output: &Output) -> Self {
        Self {
            line,
            exit: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The exit code; none when a signal ended it.
    pub fn exit(&self) -> Option<i32> {
        self.exit
    }

    /// What it printed on stdout.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// What it printed on stderr.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// It ended with `exit` and did not panic.
    #[track_caller]
    #[must_use]
    pub fn exits(self, exit: i32) -> Self {
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert_eq!(self.exit, Some(exit), "{self:?}");
        self
    }

    /// It ended with one of `exits` and did not panic.
    #[track_caller]
    #[must_use]
    pub fn exits_any(self, exits: &[i32]) -> Self {
        let exit = self.exit.filter(|exit| exits.contains(exit));
        assert!(exit.is_some(), "{self:?}");
        self.exits(exit.unwrap_or_default())
    }

    /// It was done; this is the JSON document that it printed.
    #[track_caller]
    pub fn done(self) -> Value {
        self.exits(0).json()
    }

    /// It was done; these are the JSON lines that it printed.
    #[track_caller]
    pub fn done_lines(self) -> Vec<Value> {
        self.exits(0).lines()
    }

    /// It was refused with `exit` and `code`, and told so as the contract says. This is the refusal.
    #[track_caller]
    pub fn refused(self, exit: i32, code: &str) -> Value {
        let ran = self.exits(exit);
        let refusal = ran.lines().pop().unwrap_or_default();
        assert_eq!(refusal["code"], code, "{ran:?}");
        for key in ["title", "detail", "hint"] {
            assert!(refusal[key].is_string(), "{key} is missing: {ran:?}");
        }
        refusal
    }

    /// `check` said no, with exit code 4 and `code`.
    #[track_caller]
    pub fn refused_by_check(self, code: &str) {
        let ran = self.exits(4);
        let answer = ran.json();
        assert_eq!((&answer["allowed"], &answer["code"]), (&false.into(), &code.into()), "{ran:?}");
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Each line of stdout as JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.stdout.lines().map(line).collect()
    }
}

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, exit, stdout, stderr } = self;
        write!(f, "\n$ {line}\nexit {exit:?}\n{stdout}{stderr}")
    }
}
