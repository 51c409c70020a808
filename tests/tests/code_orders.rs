//! Codes in any order: shown and never typed, typed late, twice, at another device or after the licence was suspended. `SEED=…` takes
//! a walk again, and `CODE_STEPS=…` sets its length.

use std::collections::BTreeMap;
use std::env;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Chance, Lab, License, picture};

/// Units of `render` that the licence holds in a month.
const LIMIT: u64 = 1_000;
const DEVICES: [&str; 3] = ["dev1", "dev2", "dev3"];
/// Refusals that the ledger keeps.
const DENIALS: [&str; 2] = ["no_seat_free", "suspended"];

/// A vendor, a licence with two seats, three devices, and all codes that anybody ever wrote down.
struct Walk {
    lab: Lab,
    license: License,
    chance: Chance,
    /// What devices showed.
    shown: Vec<String>,
    /// What the vendor answered, with the device that it is for.
    unlocks: Vec<(&'static str, String)>,
    /// The device of each chain.
    chains: BTreeMap<String, &'static str>,
    /// Units that were used, by chain.
    used: BTreeMap<String, u64>,
    /// Codes that told the end of a chain.
    closings: Vec<String>,
    /// How often each kind of outcome came.
    came: BTreeMap<String, u64>,
}

impl Walk {
    fn new(chance: Chance) -> Self {
        let options =
            format!("--valid 365d --max-activations 2 --quota render={LIMIT}/month --sync-every 30d");
        let lab = Lab::with_either(&options);
        let license = lab.issue();
        Self {
            lab,
            license,
            chance,
            shown: Vec::new(),
            unlocks: Vec::new(),
            chains: BTreeMap::new(),
            used: BTreeMap::new(),
            closings: Vec::new(),
            came: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        let device = DEVICES[self.chance.below(DEVICES.len())];
        match self.chance.below(40) {
            0..=13 => self.consume(device),
            14..=17 => self.report(device),
            18..=20 => self.ask(device),
            21..=28 => self.type_at_vendor(),
            29..=37 => self.type_at_device(device),
            38 => self.close(device),
            _ => self.suspend_or_resume(),
        }
        let used: u64 = self.used.values().sum();
        assert!(used <= LIMIT, "devices used {used} together");
    }

    fn consume(&mut self, device: &str) {
        let n = self.chance.between(1, 30);
        let ran = self.lab.device(device, &format!("consume render {n}")).exits_any(&[0, 4]);
        if ran.exit() == Some(0) {
            let chain = text(&self.lab.device(device, "status").done(), "chain");
            *self.used.entry(chain).or_default() += n;
            self.note("used");
        }
    }

    fn report(&mut self, device: &str) {
        let ran = self.lab.device(device, "report --code").exits_any(&[0, 4]);
        if ran.exit() == Some(0) {
            self.shown.push(text(&ran.json(), "code"));
            self.note("reported");
        }
    }

    fn ask(&mut self, device: &'static str) {
        let asked =
            self.lab.device(device, &format!("activate --license-key {} --code", self.license.key)).done();
        self.shown.push(text(&asked, "code"));
        self.chains.insert(text(&asked, "chain"), device);
    }

    /// One of the codes that were shown, the newest ones more often.
    fn type_at_vendor(&mut self) {
        let Some(newest) = self.shown.len().checked_sub(1) else { return };
        let back = self.back(newest);
        let code = self.shown[newest - back].clone();
        let before = picture::tables(&self.lab.home());
        let ran = if code.starts_with('8') {
            self.lab.answer_code(&code, &self.license)
        } else {
            self.lab.take_code(&code)
        };
        let ran = ran.exits_any(&[0, 4]);
        let said = ran.json();
        if ran.exit() == Some(0) {
            self.unlocks.push((self.chains[&text(&said, "chain")], text(&said, "code")));
            if said["again"] == true {
                self.note("again");
            }
            self.note("answered");
            return;
        }
        let refused = text(&said, "code");
        if !DENIALS.contains(&refused.as_str()) {
            assert!(picture::tables(&self.lab.home()) == before, "{refused} wrote something");
        }
        self.note(&refused);
    }

    /// One of the codes that the vendor answered, at its device or another one.
    fn type_at_device(&mut self, device: &'static str) {
        let Some(newest) = self.unlocks.len().checked_sub(1) else { return };
        let back = self.back(newest);
        let (of, unlock) = self.unlocks[newest - back].clone();
        let device = if self.chance.one_in(8) { device } else { of };
        if !self.lab.path(device).exists() {
            return;
        }
        let before = self.lab.device_picture(device);
        let ran = self.lab.apply_code(device, &unlock).exits_any(&[0, 4, 5]);
        if ran.exit() == Some(0) {
            assert_eq!(device, of, "a code was of use for another device");
            self.note("applied");
        } else {
            assert_eq!(self.lab.device_picture(device), before, "a refused code changed the device");
            self.note(&text(&ran.json(), "code"));
        }
    }

    fn close(&mut self, device: &str) {
        let ran = self.lab.device(device, "deactivate --code").exits_any(&[0, 4]);
        if ran.exit() == Some(0) {
            let code = text(&ran.json(), "code");
            self.shown.push(code.clone());
            self.closings.push(code);
            self.note("closed");
        }
    }

    fn suspend_or_resume(&mut self) {
        let what = if self.chance.one_in(5) { "suspend" } else { "resume" };
        self.lab.vendor(&format!("license {what} {}", self.license.id)).exits_any(&[0, 4]).json();
    }

    /// All that was not told is told: the vendor then knows what each device used.
    fn end(&mut self) {
        self.lab.vendor(&format!("license resume {}", self.license.id)).exits_any(&[0, 4]).json();
        for code in &self.closings {
            self.lab.take_code(code).exits_any(&[0, 4]).json();
        }
        for device in DEVICES.into_iter().filter(|device| self.lab.path(device).exists()) {
            let told = self.lab.device(device, "report --code").exits_any(&[0, 4]);
            if told.exit() == Some(0) {
                self.lab.take_code(&text(&told.json(), "code")).done();
            }
            self.lab.device(device, "verify").done();
        }
        for (chain, used) in &self.used {
            let shown = self.lab.vendor(&format!("activation show {chain}")).done();
            assert_eq!(number(&shown["quotas"][0], "used"), *used, "{shown:#}");
        }
        self.lab.vendor("rebuild --check").done();
        self.lab.vendor("audit verify --deep").done();
    }

    /// How far back a code is that somebody types: mostly it is the newest.
    fn back(&mut self, newest: usize) -> usize {
        if self.chance.one_in(3) { self.chance.below(newest.min(9) + 1) } else { 0 }
    }

    fn note(&mut self, what: &str) {
        *self.came.entry(what.to_owned()).or_default() += 1;
    }
}

#[test]
fn no_order_of_codes_gives_more_than_the_licence_holds_or_loses_what_was_used() {
    let steps = env::var("CODE_STEPS").map_or(250, |steps| steps.parse().expect("CODE_STEPS is a number"));
    let mut walk = Walk::new(Chance::new());
    for _ in 0..steps {
        walk.step();
    }
    walk.end();
    println!("{:#?}", walk.came);
    for what in ["used", "reported", "answered", "applied"] {
        assert!(walk.came.contains_key(what), "{what}: {:?}", walk.came);
    }
}
