//! `import`: activations and usage reports of a fleet, merged, merged again, and folded anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use clap::Args;
use postgres::{Client, NoTls};
use schemas::numbers::Micros;
use serde_json::Value;

use crate::fleet::{Fleet, Reports};
use crate::floor;
use crate::measure::as_float;
use crate::program::{Done, Vendor};
use crate::report::{Report, Step};

/// What a load of usage reports consists of.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Events that the fleet reports
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Events in one bundle
    #[arg(long, default_value_t = 1_000)]
    bundle: u64,
    /// Bundles of each device
    #[arg(long, default_value_t = 1)]
    bundles_each: u64,
    /// Write answer files for the usage reports too
    #[arg(long)]
    answers: bool,
    /// Keep the ledger here: an empty PostgreSQL database, instead of a file in the home
    #[arg(long, value_name = "URL", default_value = "sqlite:")]
    store: String,
    /// The same seed makes the same devices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Work in this new folder and keep it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Write the numbers here as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl ImportArgs {
    /// Makes the fleet, merges what it sends, and prints the numbers.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.events > 0 && self.bundle > 1 && self.bundles_each > 0, "there is nothing to import");
        let temporary = tempfile::tempdir()?;
        let work = self.keep.as_deref().unwrap_or(temporary.path());
        fs::create_dir_all(work).with_context(|| work.display().to_string())?;
        let report = Load { args: self, work, vendor: Vendor::at(work) }.run()?;
        report.publish(self.json.as_deref())
    }

    fn devices(&self) -> u64 {
        self.events.div_ceil(self.bundle * self.bundles_each)
    }
}

struct Load<'a> {
    args: &'a ImportArgs,
    work: &'a Path,
    vendor: Vendor,
}

impl Load<'_> {
    fn run(&self) -> anyhow::Result<Report> {
        let args = self.args;
        let (requests, reports) = (self.work.join("requests"), self.work.join("reports"));
        let keys = self.sell()?;
        let what = Reports { events: args.bundle, bundles: args.bundles_each };
        eprintln!("making {} devices with {} bundles of {} events", keys.len(), what.bundles, what.events);
        Fleet::new(args.seed, &keys, an_hour_ago()?)?.write(&requests, &reports, what)?;
        let devices = keys.len() as u64;
        let events = devices * what.bundles * what.events;
        let bundles = devices * what.bundles;
        let mut steps = Vec::new();
        steps.push(Step::new(
            "merge activation requests",
            devices,
            "devices",
            self.merge(&requests, None)?.spent,
        ));
        let before = self.size()?;
        let answers = args.answers.then(|| self.work.join("answers"));
        let merged = self.merge(&reports, answers.as_deref())?;
        ensure!(merged.output["events"] == events, "not everything went in: {}", merged.output);
        let mut import = Step::new("merge usage reports", events, "events", merged.spent);
        let grown = as_float(self.size()?) - as_float(before);
        import.bytes_each = Some(grown / as_float(events));
        steps.push(import);
        let again = self.merge(&reports, answers.as_deref())?;
        ensure!(again.output["events"] == 0 && again.output["known"] == bundles, "{}", again.output);
        steps.push(Step::new("merge the same again", events, "events", again.spent));
        for jobs in ["1", "2"] {
            let rebuilt = self.vendor.run(&["rebuild", "--jobs", jobs])?;
            steps.push(Step::new(format!("rebuild, threads: {jobs}"), events, "events", rebuilt.spent));
        }
        steps.push(self.floor(events)?);
        let what =
            format!("{devices} devices, {bundles} bundles of {} events, seed {}", args.bundle, args.seed);
        Ok(Report {
            what,
            durability: if self.is_file() {
                "SQLite, WAL, synchronous=FULL; answer files renamed, not synced"
            } else {
                "PostgreSQL, fsync, synchronous_commit=on; answer files renamed, not synced"
            },
            steps,
        })
    }

    /// Opens the home and issues a licence for each device; the keys.
    fn sell(&self) -> anyhow::Result<Vec<String>> {
        let run = |words: &[&str]| self.vendor.run(words);
        run(&["init", "--store", &self.args.store])?;
        run(&["product", "create", "fleet", "--feature", "pages:metered"])?;
        run(&[
            "policy",
            "create",
            "standard",
            "--product",
            "fleet",
            "--type",
            "subscription",
            "--valid",
            "365d",
            "--quota",
            "pages=1000000000/month",
            "--sync-every",
            "30d",
            "--grace",
            "7d",
        ])?;
        let count = self.args.devices().to_string();
        let issued =
            run(&["license", "issue", "--policy", "standard", "--customer", "fleet", "--count", &count])?
                .output;
        let licenses = match issued {
            Value::Array(licenses) => licenses,
            one => vec![one],
        };
        let key = |license: &Value| Some(license["license_key"].as_str()?.to_owned());
        licenses.iter().map(|license| key(license).context("a licence without a key")).collect()
    }

    fn merge(&self, from: &Path, answers: Option<&Path>) -> anyhow::Result<Done> {
        let from = from.to_str().context("a readable path")?;
        match answers.map(|answers| answers.to_str().context("a readable path")).transpose()? {
            Some(answers) => self.vendor.run(&["merge", from, "--answers", answers]),
            None => self.vendor.run(&["merge", from]),
        }
    }

    fn floor(&self, events: u64) -> anyhow::Result<Step> {
        let (spent, size) = floor::rows(&self.work.join("floor.db"), events, self.args.bundle)?;
        let bytes_each = Some(as_float(size) / as_float(events));
        Ok(Step { bytes_each, ..Step::new("floor: rows of a plain table", events, "events", spent) })
    }

    fn is_file(&self) -> bool {
        self.args.store.starts_with("sqlite:")
    }

    /// Bytes of the ledger: of its file, or of the whole database.
    fn size(&self) -> anyhow::Result<u64> {
        if self.is_file() {
            return Ok(fs::metadata(self.vendor.ledger()).context("the ledger")?.len());
        }
        let mut client = Client::connect(&without_connections(&self.args.store), NoTls)?;
        let row = client.query_one("SELECT pg_database_size(current_database())", &[])?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }
}

/// A URL without the one parameter that only Counterfoil knows.
fn without_connections(url: &str) -> String {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let known = parameters.split('&').filter(|parameter| !parameter.starts_with("connections="));
    format!("{place}?{}", known.collect::<Vec<_>>().join("&"))
}

fn an_hour_ago() -> anyhow::Result<Micros> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock that is set")?;
    let now = u64::try_from(now.as_micros())?;
    Ok(Micros::new(now - 3_600_000_000))
}
