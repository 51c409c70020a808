//! Devices on machines of their own: hardware and wall clock are what the scenario says.
//!
//! The programs take both from the real machine, on purpose. So these devices run in this process, through the library
//! under the program, and understand its commands as far as scenarios need them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use schemas::numbers::Seconds;
use sync_agent::fingerprint::{Component, FingerprintSource};
use sync_agent::wall_clock::{Clock, SystemClock};
use sync_agent::{Config, Micros, Reading};

use self::program::Embedded;
use super::outcome::Came;
use crate::lab::Lab;

mod program;

const DAY_SECONDS: u64 = 86_400;

/// A part of a machine that can be replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hardware {
    /// A part that a device is recognised by.
    Known(Component),
    /// The memory, which no fingerprint holds.
    Memory,
}

impl Hardware {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        Ok(Self::Known(match word {
            "system" => Component::MachineId,
            "firmware" => Component::ProductUuid,
            "board" => Component::BoardSerial,
            "network" => Component::NetworkCard,
            "processor" => Component::Processor,
            "ram" => return Ok(Self::Memory),
            _ => return Err(format!("no machine has a `{word}` here")),
        }))
    }
}

/// What a wall clock is set to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wall {
    /// As it is everywhere.
    Right,
    /// A time, from which it goes on.
    At(Micros),
    /// Days ahead of what it is everywhere.
    Ahead(u32),
}

impl Wall {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        if word == "right" {
            return Ok(Self::Right);
        }
        let days = word.strip_prefix('+').and_then(|span| span.strip_suffix('d')).map(str::parse);
        let wall = days.map_or_else(|| Micros::parse(word).map(Self::At), |days| days.ok().map(Self::Ahead));
        wall.ok_or_else(|| format!("`{word}` is neither a date nor days ahead, `+3d`, nor `right`"))
    }
}

/// The machines, and which device runs on which.
#[derive(Debug)]
pub(super) struct Stage {
    machines: BTreeMap<String, Machine>,
    /// Device to machine.
    places: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
struct Machine {
    parts: Parts,
    clock: Arc<SetClock>,
}

/// The components of a machine with their values, by number.
#[derive(Clone, Debug)]
struct Parts(Vec<(Component, String)>);

impl Stage {
    /// Each device on a machine of its own.
    pub(super) fn of(devices: &BTreeSet<String>) -> Self {
        let mut stage = Self { machines: BTreeMap::new(), places: BTreeMap::new() };
        for device in devices {
            stage.place(device, device);
        }
        stage
    }

    /// Puts a device on a machine.
    pub(super) fn place(&mut self, device: &str, machine: &str) {
        self.machines.entry(machine.to_owned()).or_insert_with(|| Machine::new(machine));
        self.places.insert(device.to_owned(), machine.to_owned());
    }

    /// Replaces parts of the device's machine.
    pub(super) fn replace(&mut self, device: &str, replaced: &[Hardware]) {
        let Parts(parts) = &mut self.machine_mut(device).parts;
        for (component, value) in parts {
            if replaced.contains(&Hardware::Known(*component)) {
                value.push_str(" replaced");
            }
        }
    }

    /// Sets the wall clock of the device's machine.
    pub(super) fn set_clock(&mut self, device: &str, wall: Wall) {
        self.machine_mut(device).clock.set(wall);
    }

    /// Whether the device runs here.
    pub(super) fn holds(&self, device: &str) -> bool {
        self.places.contains_key(device)
    }

    /// Runs a command of `counterfoil-agent` for the device.
    pub(super) fn run(&self, lab: &Lab, device: &str, line: &str) -> Result<Came, String> {
        let machine = &self.machines[&self.places[device]];
        let pack = fs::read(lab.path("studio.cfpack")).map_err(|error| format!("studio.cfpack: {error}"))?;
        let config = Config {
            state: lab.path(device),
            pack: Some(pack),
            clock: Arc::clone(&machine.clock) as Arc<dyn Clock>,
            fingerprint: Arc::new(machine.parts.clone()),
        };
        Embedded { lab, config }.run(line)
    }

    fn machine_mut(&mut self, device: &str) -> &mut Machine {
        self.machines.get_mut(&self.places[device]).expect("each device was placed")
    }
}

impl Machine {
    fn new(name: &str) -> Self {
        let components = [
            Component::MachineId,
            Component::ProductUuid,
            Component::BoardSerial,
            Component::NetworkCard,
            Component::Processor,
        ];
        let parts = components.map(|component| (component, format!("{component:?} of {name}")));
        Self { parts: Parts(parts.to_vec()), clock: Arc::default() }
    }
}

impl FingerprintSource for Parts {
    fn components(&self) -> Vec<(Component, String)> {
        self.0.clone()
    }
}

/// The real clocks, of which the wall clock may have been set.
#[derive(Debug, Default)]
struct SetClock(Mutex<Option<Setting>>);

/// What a wall clock was set to, and when, on the clock that only goes forward.
#[derive(Clone, Copy, Debug)]
struct Setting {
    wall: Micros,
    monotonic: u64,
}

impl SetClock {
    fn set(&self, wall: Wall) {
        let Reading { wall: now, monotonic } = SystemClock.read();
        let setting = match wall {
            Wall::Right => None,
            Wall::At(wall) => Some(Setting { wall, monotonic }),
            Wall::Ahead(days) => {
                Some(Setting { wall: now + Seconds(u64::from(days) * DAY_SECONDS), monotonic })
            }
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = setting;
    }
}

impl Clock for SetClock {
    fn read(&self) -> Reading {
        let real = SystemClock.read();
        let setting = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = setting.map_or(real.wall, |set| {
            Micros::new(set.wall.get() + real.monotonic.saturating_sub(set.monotonic))
        });
        Reading { wall, ..real }
    }
}
