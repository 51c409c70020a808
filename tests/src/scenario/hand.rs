//! What in a scenario is no command of a program: files that are copied and lost, machines that are changed, time that
//! passes.

use std::fs;
use std::path::Path;

use schemas::numbers::Micros;

use super::stage::{Hardware, Wall};
use super::{Play, device_name};
use crate::device::HandMade;
use crate::lab::Lab;

/// How often a device is asked for the time before its deadline counts as never coming.
const TRIES: usize = 10_000;

/// Something that is done by hand.
#[derive(Debug)]
pub(super) enum Step {
    /// `copy A to B`: a file or a folder.
    Copy(String, String),
    /// `put A back as B`: what is at B is lost, and a copy of A is there.
    PutBack(String, String),
    /// `lose A`
    Lose(String),
    /// `machine M for DEV`: the device runs on that machine, perhaps with others.
    Machine(String, String),
    /// `hardware DEV X,Y changed`: parts of the device's machine are replaced.
    Hardware(String, Vec<Hardware>),
    /// `clock DEV DATE`, `clock DEV +3d` or `clock DEV right`: the wall clock of the device's machine is set.
    Clock(String, Wall),
    /// `wait for the deadline of DEV`: its check-in deadline passes.
    Deadline(String),
    /// `write FILE as DEV with N in MONTH`: the file is the report of a device that used N of `render` in that month;
    /// the device asks for the licence that was issued last.
    Write { file: String, device: String, n: u64, month: String },
}

impl Step {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let name = |word: &str| device_name(word).map(str::to_owned);
        Ok(match words[..] {
            ["copy", from, "to", to] => Self::Copy(from.to_owned(), to.to_owned()),
            ["put", from, "back", "as", to] => Self::PutBack(from.to_owned(), to.to_owned()),
            ["lose", what] => Self::Lose(what.to_owned()),
            ["machine", machine, "for", device] => Self::Machine(machine.to_owned(), name(device)?),
            ["hardware", device, parts, "changed"] => {
                let parts: Result<Vec<Hardware>, String> = parts.split(',').map(Hardware::parse).collect();
                Self::Hardware(name(device)?, parts?)
            }
            ["clock", device, wall] => Self::Clock(name(device)?, Wall::parse(wall)?),
            ["wait", "for", "the", "deadline", "of", device] => Self::Deadline(name(device)?),
            ["write", file, "as", device, "with", n, "in", month] => {
                let n = n.parse().map_err(|_| format!("`{n}` is no number"))?;
                tenth(month)?;
                Self::Write { file: file.to_owned(), device: name(device)?, n, month: month.to_owned() }
            }
            _ => return Err(format!("nothing is known to be done by hand as `{text}`")),
        })
    }

    /// The device whose machine the step tells of.
    pub(super) fn stages(&self) -> Option<&str> {
        match self {
            Self::Machine(_, device) | Self::Hardware(device, _) | Self::Clock(device, _) => Some(device),
            _ => None,
        }
    }
}

impl Play {
    pub(super) fn hand(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Copy(from, to) => copy(&self.lab, from, to),
            Step::PutBack(from, to) => {
                lose(&self.lab, to)?;
                copy(&self.lab, from, to)
            }
            Step::Lose(what) => lose(&self.lab, what),
            Step::Machine(machine, device) => {
                self.stage.place(device, machine);
                Ok(())
            }
            Step::Hardware(device, parts) => {
                self.stage.replace(device, parts);
                Ok(())
            }
            Step::Clock(device, wall) => {
                self.stage.set_clock(device, *wall);
                Ok(())
            }
            Step::Deadline(device) => self.wait_for_deadline(device),
            Step::Write { file, device, n, month } => self.write(file, device, *n, month),
        }
    }

    /// Asks the device for the time until it has come: no clock is set, and nothing sleeps.
    fn wait_for_deadline(&self, device: &str) -> Result<(), String> {
        let shown = self.lab.vendor(&self.filled(&format!("activation show $chain:{device}"))?).done();
        let deadline = shown["sync_by"].as_str().ok_or("the device has no deadline")?;
        for _ in 0..TRIES {
            let status = self.device(device, "status")?.document;
            if status["time"].as_str().ok_or("the device tells no time")? >= deadline {
                return Ok(());
            }
        }
        Err(format!("{deadline} does not come"))
    }

    fn write(&mut self, file: &str, device: &str, n: u64, month: &str) -> Result<(), String> {
        let at = tenth(month)?;
        let license = self.license()?;
        let seed = self.earlier.len() as u64 + 1;
        let known = self.earlier.remove(device);
        let first = known.as_ref().map_or(1, |known| known.len() + 1);
        let made = known.unwrap_or_else(|| HandMade::new(seed, &license).opened_at(&at)).at(&at).consume(n);
        self.lab.write(file, made.bundle_of(first, made.len()));
        self.known.insert(format!("chain:{device}"), made.chain().to_string());
        self.earlier.insert(device.to_owned(), made);
        Ok(())
    }
}

/// The tenth day of a month such as `2025-01`.
fn tenth(month: &str) -> Result<String, String> {
    let at = format!("{month}-10T00:00:00Z");
    Micros::parse(&at).map(|_| at).ok_or_else(|| format!("`{month}` is no month such as 2025-01"))
}

fn copy(lab: &Lab, from: &str, to: &str) -> Result<(), String> {
    let (source, target) = (lab.path(from), lab.path(to));
    if target.exists() {
        return Err(format!("there is a {to} already"));
    }
    if source.is_dir() {
        lab.copy(from, to);
        return Ok(());
    }
    fs::copy(&source, target).map(|_| ()).map_err(|error| format!("{from}: {error}"))
}

fn lose(lab: &Lab, what: &str) -> Result<(), String> {
    let path = lab.path(what);
    let remove = |path: &Path| if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    remove(&path).map_err(|error| format!("{what}: {error}"))
}
