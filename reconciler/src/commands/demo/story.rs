//! The demo's story, told through the two programs as a person would type them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::Serialize;
use serde_json::Value;

use crate::shown::words;

/// What the story ends with.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    /// The licence that it is about.
    pub(super) license_id: String,
    /// Units of `render` that the ledger counts.
    pub(super) render_used: u64,
    /// The chain of the device that was copied.
    pub(super) copied_chain: String,
    /// The evidence digest.
    pub(super) digest: String,
}

/// Plays the story in the empty directory `dir`.
///
/// # Errors
/// `agent_missing`; the refusal of a step that ends otherwise than the story says.
pub(super) fn play(dir: &Path, tell: &mut dyn FnMut(&str)) -> Result<Findings, Refusal> {
    let mut stage = Stage { dir, vendor: this_program()?, agent: agent_program()?, tell };
    let license = open_shop(&mut stage)?;
    activate(&mut stage, &license)?;
    work(&mut stage)?;
    let copied_chain = copy_a_device(&mut stage)?;
    extend(&mut stage, &license)?;
    give_back(&mut stage, &license)?;
    prove(&mut stage, license.id, copied_chain)
}

struct License {
    id: String,
    key: String,
}

fn open_shop(stage: &mut Stage<'_>) -> Result<License, Refusal> {
    stage.chapter("A vendor opens shop");
    stage.vendor(&["init"])?;
    stage.vendor(&["product", "create", "studio", "--feature", "export", "--feature", "render:metered"])?;
    stage.vendor(&["product", "pack", "studio", "-o", "studio.cfpack"])?;
    stage.vendor(&[
        "policy",
        "create",
        "standard",
        "--product",
        "studio",
        "--type",
        "subscription",
        "--valid",
        "365d",
        "--max-activations",
        "3",
        "--same-device",
        "count",
        "--quota",
        "render=3000/month",
        "--sync-every",
        "30d",
        "--grace",
        "7d",
    ])?;
    let issued =
        stage.vendor_json(&["license", "issue", "--policy", "standard", "--customer", "ACME GmbH"])?;
    Ok(License { id: text(&issued, "license_id")?, key: text(&issued, "license_key")? })
}

fn activate(stage: &mut Stage<'_>, license: &License) -> Result<(), Refusal> {
    stage.chapter("Three devices without a connection are activated by file");
    for device in ["laptop", "press", "vessel"] {
        activate_one(stage, device, license)?;
    }
    stage.agent("press", &["check", "render"])
}

fn activate_one(stage: &mut Stage<'_>, device: &str, license: &License) -> Result<(), Refusal> {
    let request = format!("{device}-request.cfbundle");
    stage.agent(device, &["activate", "--license-key", &license.key, "--request", &request])?;
    stage.vendor(&["merge", &request, "--answers", "answers"])?;
    stage.agent(device, &["apply", &format!("answers/{device}-request.cfgrant")])
}

fn work(stage: &mut Stage<'_>) -> Result<(), Refusal> {
    stage.chapter("They work, and report what they used without giving anything back");
    stage.agent("laptop", &["consume", "render", "120", "--ref", "job-1"])?;
    stage.agent("press", &["consume", "render", "700"])?;
    stage.agent("press", &["set", "site", "plant 7"])?;
    stage.agent("vessel", &["consume", "render", "40"])?;
    stage.make_folder("usage")?;
    for device in ["laptop", "press", "vessel"] {
        stage.agent(device, &["report", "-o", &format!("usage/{device}.cfbundle")])?;
    }
    stage.vendor(&["merge", "usage", "--answers", "answers"])?;
    for device in ["laptop", "press", "vessel"] {
        stage.agent(device, &["apply", &format!("answers/{device}.cfgrant")])?;
    }
    Ok(())
}

fn copy_a_device(stage: &mut Stage<'_>) -> Result<String, Refusal> {
    stage.chapter("Somebody copies a device; both copies go on");
    stage.copy_state("press", "press-copy")?;
    stage.agent("press", &["consume", "render", "10"])?;
    stage.agent("press-copy", &["consume", "render", "25"])?;
    stage.agent("press", &["consume", "render", "5"])?;
    stage.agent("press", &["report", "-o", "press.cfbundle"])?;
    stage.agent("press-copy", &["report", "-o", "press-copy.cfbundle"])?;
    stage.vendor(&["merge", "press.cfbundle", "--answers", "answers"])?;
    stage.vendor(&["merge", "press-copy.cfbundle", "--answers", "answers"])?;
    let status = stage.agent_json("press", &["status"])?;
    let chain = text(&status, "chain")?;
    stage.vendor(&["audit", "forks"])?;
    stage.vendor(&["audit", "proof", &words::short(&chain), "-o", "fork.cfbundle"])?;
    stage.vendor(&["verify", "fork.cfbundle"])?;
    Ok(chain)
}

fn extend(stage: &mut Stage<'_>, license: &License) -> Result<(), Refusal> {
    stage.chapter("The customer buys another year and a feature; a refresh file brings it to the vessel");
    stage.vendor(&["license", "change", &license.id, "--valid", "730d", "--feature", "beta"])?;
    let status = stage.agent_json("vessel", &["status"])?;
    let chain = text(&status, "chain")?;
    stage.vendor(&["refresh", &chain, "-o", "refresh.cfgrant"])?;
    stage.agent("vessel", &["apply", "refresh.cfgrant"])?;
    stage.agent("vessel", &["check", "beta"])
}

fn give_back(stage: &mut Stage<'_>, license: &License) -> Result<(), Refusal> {
    stage.chapter("A device is given up, its last usage travels along, and its seat goes to another");
    stage.agent("laptop", &["consume", "render", "5"])?;
    stage.agent("laptop", &["deactivate", "--file", "bye.cfbundle"])?;
    stage.vendor(&["merge", "bye.cfbundle"])?;
    activate_one(stage, "tablet", license)
}

fn prove(stage: &mut Stage<'_>, license_id: String, copied_chain: String) -> Result<Findings, Refusal> {
    stage.chapter("The auditor looks");
    stage.vendor(&["activation", "list"])?;
    stage.vendor(&["audit", "verify", "--deep"])?;
    stage.vendor(&["rebuild", "--check"])?;
    let usage = stage.vendor_json(&["audit", "usage"])?;
    let digest = stage.vendor_json(&["digest"])?;
    let rows = usage.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
    let render_used = rows
        .iter()
        .filter(|row| row.get("feature").and_then(Value::as_str) == Some("render"))
        .filter_map(|row| row.get("n").and_then(Value::as_u64))
        .sum();
    Ok(Findings { license_id, render_used, copied_chain, digest: text(&digest, "digest")? })
}

/// Where the story is played: two programs and a directory.
struct Stage<'a> {
    dir: &'a Path,
    vendor: PathBuf,
    agent: PathBuf,
    tell: &'a mut dyn FnMut(&str),
}

impl Stage<'_> {
    fn chapter(&mut self, title: &str) {
        (self.tell)(&format!("\n{title}"));
    }

    /// Runs `counterfoil`, which must end well.
    fn vendor(&mut self, args: &[&str]) -> Result<(), Refusal> {
        let program = self.vendor.clone();
        let output = self.run(&program, &["--home", "home"], args)?;
        self.show(&output);
        Ok(())
    }

    fn vendor_json(&mut self, args: &[&str]) -> Result<Value, Refusal> {
        let program = self.vendor.clone();
        let output = self.run(&program, &["--home", "home", "--json"], args)?;
        self.show(&output);
        parse(&output)
    }

    fn agent(&mut self, device: &str, args: &[&str]) -> Result<(), Refusal> {
        let program = self.agent.clone();
        let output = self.run(&program, &["--state", device, "--pack", "studio.cfpack"], args)?;
        self.show(&output);
        Ok(())
    }

    /// Asks an agent for a value; the answer is not shown.
    fn agent_json(&mut self, device: &str, args: &[&str]) -> Result<Value, Refusal> {
        let program = self.agent.clone();
        let output = self.run(&program, &["--state", device, "--json"], args)?;
        parse(&output)
    }

    fn run(&mut self, program: &Path, globals: &[&str], args: &[&str]) -> Result<Output, Refusal> {
        let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let typed: Vec<String> = globals.iter().chain(args).map(|arg| quoted(arg)).collect();
        (self.tell)(&format!("  $ {name} {}", typed.join(" ")));
        let output = Command::new(program)
            .args(globals)
            .args(args)
            .current_dir(self.dir)
            .env_remove("COUNTERFOIL_OUTPUT")
            .env_remove("COUNTERFOIL_CONFIG")
            .output()
            .map_err(|error| Refusal::from_error(Code::Failed, &error).at(program.display()))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Refusal::new(Code::Failed, format!("{name} {} ended otherwise: {said}", typed.join(" "))))
    }

    fn make_folder(&mut self, name: &str) -> Result<(), Refusal> {
        (self.tell)(&format!("  $ mkdir {name}"));
        let folder = self.dir.join(name);
        fs::create_dir(&folder).map_err(|error| told(&error, &folder))
    }

    fn show(&mut self, output: &Output) {
        for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.trim().is_empty()) {
            (self.tell)(&format!("    {line}"));
        }
    }

    fn copy_state(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        (self.tell)(&format!("  $ cp -r {from} {to}"));
        copy_directory(&self.dir.join(from), &self.dir.join(to))
            .map_err(|error| told(&error, &self.dir.join(from)))
    }
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn this_program() -> Result<PathBuf, Refusal> {
    env::current_exe().map_err(|error| Refusal::from_error(Code::Failed, &error))
}

/// The agent beside this program, or on the PATH.
fn agent_program() -> Result<PathBuf, Refusal> {
    let name = format!("counterfoil-agent{}", env::consts::EXE_SUFFIX);
    let beside = this_program()?.with_file_name(&name);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = std::iter::once(beside).chain(env::split_paths(&path).map(|folder| folder.join(&name)));
    places.find(|place| place.is_file()).ok_or_else(|| Code::AgentMissing.into())
}

fn parse(output: &Output) -> Result<Value, Refusal> {
    serde_json::from_slice(&output.stdout).map_err(|error| Refusal::from_error(Code::Failed, &error))
}

fn text(value: &Value, key: &str) -> Result<String, Refusal> {
    let found = value.get(key).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Refusal::new(Code::Failed, format!("the answer lacks {key}")))
}

fn told(error: &io::Error, path: &Path) -> Refusal {
    Refusal::from_error(Code::IoFailed, error).at(path.display())
}

fn quoted(arg: &str) -> String {
    if arg.contains(' ') { format!("\"{arg}\"") } else { arg.to_owned() }
}
