//! The commands of `counterfoil-agent` on the library under it, with the same JSON, as far as scenarios need them.

use std::fs;

use schemas::numbers::Amount;
use serde_json::{Value, json};
use sync_agent::{Agent, AgentReader, Code, Config, Consume, LicenseKey, Refusal};

use crate::lab::Lab;
use crate::scenario::outcome::Came;

/// A state directory, opened anew for each command.
pub(super) struct Embedded<'a> {
    pub(super) lab: &'a Lab,
    pub(super) config: Config,
}

impl Embedded<'_> {
    /// Runs a command line.
    ///
    /// # Errors
    /// When it is none of those that are known here.
    pub(super) fn run(&self, line: &str) -> Result<Came, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let done = match words[..] {
            ["activate", "--license-key", key, "--request", file] => self.activate(Some(key), file),
            ["activate", "--trial", "--request", file] => self.activate(None, file),
            ["activate", "--successor", "--request", file] => {
                self.agent().and_then(|agent| self.write(file, &agent.succeed()?, &agent))
            }
            ["apply", file] => self.apply(file),
            ["check"] => self.check(None),
            ["check", feature] => self.check(Some(feature)),
            ["consume", feature, n] => self.consume(feature, n.parse().map_err(|_| format!("`{n}`"))?),
            ["report", "-o", file] => {
                self.agent().and_then(|agent| self.write(file, &agent.report()?, &agent))
            }
            ["report", "--all", "-o", file] => {
                self.agent().and_then(|agent| self.write(file, &agent.report_all()?, &agent))
            }
            ["deactivate", "--file", file] => {
                self.agent().and_then(|agent| self.write(file, &agent.deactivate()?, &agent))
            }
            ["status"] => self.reader().map(|reader| json(&reader.status())),
            ["verify"] => self.reader().and_then(|reader| Ok(json(&reader.verify()?))),
            _ => return Err(format!("a device on a machine of its own has no `{line}` here")),
        };
        let (exit, document) = match done {
            Ok(document) => (exit_of(&document), document),
            Err(refusal) => (refusal.code().exit().number(), json(&refusal)),
        };
        let shown = format!("\n$ {line}\nexit {exit}\n{document:#}");
        Ok(Came { exit: Some(exit.into()), document, shown })
    }

    fn agent(&self) -> Result<Agent, Refusal> {
        if self.config.state.exists() {
            Agent::open(self.config.clone())
        } else {
            Err(Code::NotActivated.into())
        }
    }

    fn reader(&self) -> Result<AgentReader, Refusal> {
        AgentReader::open(self.config.clone())
    }

    /// Asks under a key, or for the trial.
    fn activate(&self, key: Option<&str>, file: &str) -> Result<Value, Refusal> {
        let read = |key| {
            LicenseKey::parse(key).map_err(|error| Refusal::from_error(Code::LicenseKeyMistyped, &error))
        };
        let key = key.map(read).transpose()?;
        let agent = Agent::open(self.config.clone())?;
        let request = key.map_or_else(|| agent.activate_trial(), |key| agent.activate(&key))?;
        self.write(file, &request, &agent)
    }

    fn apply(&self, file: &str) -> Result<Value, Refusal> {
        let agent = self.agent()?;
        let path = self.lab.path(file);
        let bytes = fs::read(&path).map_err(|error| Refusal::from_error(Code::FileMissing, &error))?;
        Ok(json(&agent.apply(&bytes)?))
    }

    fn check(&self, feature: Option<&str>) -> Result<Value, Refusal> {
        let answer = self.reader()?.check(feature, None);
        Ok(json!({ "allowed": answer.allowed, "code": answer.code, "remaining": answer.remaining }))
    }

    fn consume(&self, feature: &str, n: u64) -> Result<Value, Refusal> {
        let n = Amount::new(n).ok_or(Code::AmountInvalid)?;
        let used = Consume { feature: feature.into(), n, used_at: None, reference: None };
        let counted = self.agent()?.consume_as(used)?;
        Ok(json!({ "seq": counted.seq, "period": counted.period, "n": counted.n, "total": counted.total }))
    }

    /// Writes a bundle, and tells how the device stands then.
    fn write(&self, file: &str, bundle: &[u8], agent: &Agent) -> Result<Value, Refusal> {
        self.lab.write(file, bundle);
        let status = agent.status()?;
        Ok(
            json!({ "file": file, "chain": status.chain, "state": status.state, "license_id": status.license_id }),
        )
    }
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("what the programs print is JSON")
}

/// A check that says no ends with its code's exit code.
fn exit_of(document: &Value) -> u8 {
    let code = document["code"].as_str().and_then(|code| code.parse::<Code>().ok());
    match (document["allowed"].as_bool(), code) {
        (Some(false), Some(code)) => code.exit().number(),
        _ => 0,
    }
}
