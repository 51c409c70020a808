//! `counterfoil doctor`: looks at the home and says what to put right. It changes nothing.

use std::fmt;
use std::path::Path;

use clap::Args;
use schemas::codes::Exit;
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::home::{Home, Layout};
use crate::output::Table;
use crate::vendor::Vendor;

/// The oldest `SQLite` without the fault by which a reset of the write-ahead log could corrupt a database.
const OLDEST_SQLITE: i32 = 3_051_003;
/// How long before its end a certificate is a finding.
const RENEW_BEFORE: Seconds = Seconds::days(30);

/// Look at the home and say what to put right; ends with exit code 6 if there is anything
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil doctor
  counterfoil doctor --json")]
pub(crate) struct DoctorArgs {}

impl DoctorArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self {} = self;
        let home = context.home()?;
        let mut report = Report { checks: checks(&home, context.now) };
        report.checks.push(ledger(context.vendor()));
        context.output.result(&report)?;
        let found = report.checks.iter().any(|check| check.finding);
        Ok(if found { Exit::Findings } else { Exit::Done })
    }
}

#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    subject: &'static str,
    finding: bool,
    message: String,
}

impl Check {
    fn fine(subject: &'static str, message: impl Into<String>) -> Self {
        Self { subject, finding: false, message: message.into() }
    }

    fn finding(subject: &'static str, message: impl Into<String>) -> Self {
        Self { subject, finding: true, message: message.into() }
    }
}

fn checks(home: &Home, now: Micros) -> Vec<Check> {
    vec![
        root_key(home.layout()),
        permissions(home.layout()),
        certificate(home.trusted_issuer().body.not_after, now),
        sqlite(rusqlite::version_number()),
    ]
}

fn root_key(layout: &Layout) -> Check {
    if layout.root_key().exists() {
        Check::finding("root key", "root key is in the home: move it away")
    } else {
        Check::fine("root key", "not in the home")
    }
}

fn permissions(layout: &Layout) -> Check {
    let directories = [layout.dir().to_owned(), layout.keys()];
    let places = directories.into_iter().chain(layout.secrets());
    let open: Vec<String> =
        places.filter(|path| others_may_use(path)).map(|path| path.display().to_string()).collect();
    if open.is_empty() {
        Check::fine("permissions", "the home is its owner's only")
    } else {
        Check::finding("permissions", format!("others than the owner may use {}", open.join(", ")))
    }
}

/// Whether others than its owner may read, write or enter a place; not asked where the system has no such modes.
fn others_may_use(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        drop(path);
        false
    }
}

fn certificate(not_after: Micros, now: Micros) -> Check {
    let days = not_after.since(now) / Seconds::days(1).micros();
    if not_after <= now {
        Check::finding("issuer certificate", format!("ended at {not_after}"))
    } else if not_after <= now + RENEW_BEFORE {
        Check::finding("issuer certificate", format!("ends in {days} days, at {not_after}"))
    } else {
        Check::fine("issuer certificate", format!("ends in {days} days, at {not_after}"))
    }
}

fn sqlite(version: i32) -> Check {
    let text = format!("{}.{}.{}", version / 1_000_000, version / 1_000 % 1_000, version % 1_000);
    if version < OLDEST_SQLITE {
        Check::finding("SQLite", format!("{text} can corrupt a ledger; use 3.51.3 or newer"))
    } else {
        Check::fine("SQLite", text)
    }
}

/// Whether the ledger can be opened. What stands in it is `audit verify`'s to check.
fn ledger(opened: Result<Vendor, Refusal>) -> Check {
    match opened.and_then(|mut vendor| Ok(vendor.store.version()?)) {
        Ok(version) => Check::fine("ledger", format!("opens, on {version}")),
        Err(refusal) => Check::finding("ledger", format!("{}: {refusal}", refusal.code())),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["CHECK", "", "MESSAGE"]);
        for check in &self.checks {
            let mark = if check.finding { "finding" } else { "ok" };
            table.row([check.subject.to_owned(), mark.to_owned(), check.message.clone()]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use schemas::codes::Code;

    use super::*;

    #[test]
    fn a_certificate_is_a_finding_when_its_end_is_near() {
        let now = Micros::parse("2026-11-24").expect("a date");
        for (days, finding) in [(0, true), (1, true), (30, true), (31, false), (730, false)] {
            assert_eq!(certificate(now + Seconds::days(days), now).finding, finding, "{days}");
        }
    }

    #[test]
    fn an_old_sqlite_is_a_finding_and_the_one_that_is_built_in_is_not() {
        assert!(sqlite(3_051_002).finding);
        assert!(!sqlite(rusqlite::version_number()).finding);
    }

    #[test]
    fn a_ledger_that_does_not_open_is_a_finding() {
        assert!(ledger(Err(Refusal::from(Code::StoreFailed))).finding);
    }

    #[test]
    #[cfg(unix)]
    fn a_secret_that_others_may_read_is_a_finding() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout::new(&directory.path().join("home"));
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
        };
        std::fs::create_dir_all(layout.keys()).expect("writable");
        std::fs::write(layout.issuer_key(), b"key").expect("writable");
        set(layout.dir(), 0o700);
        set(&layout.keys(), 0o700);
        set(&layout.issuer_key(), 0o600);
        assert!(!permissions(&layout).finding);
        set(&layout.issuer_key(), 0o640);
        assert!(permissions(&layout).finding);
    }
}
