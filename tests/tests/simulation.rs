//! A simulated world of devices and a vendor, from one seed, which is the same in every run of the tests: `SEED=…` makes
//! another world, `SIM_DEVICE_YEARS=…` sets its length, and `SIM_WORLD=…` runs one world by its number, as a failure prints
//! it.

use std::env;

use counterfoil_tests::{Chance, sim};

const DEVICE_YEARS: u64 = 10_000;
const SEED: u64 = 20_261_124;

#[test]
fn invariants_hold_in_worlds_of_ten_thousand_device_years() {
    let asked = |name| env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    let (seed, years) = (asked("SEED").unwrap_or(SEED), asked("SIM_DEVICE_YEARS").unwrap_or(DEVICE_YEARS));
    let only = asked("SIM_WORLD");
    println!("SEED={seed}");
    let report = sim::run(Chance::from_seed(seed).number(), years, 2, only);
    let sim::Report { device_years, events, contacts, merges, tally } = report;
    println!("{device_years} device-years, {events} events, {contacts} contacts, {merges} merges");
    print!("{tally}");
    assert!(events >= 100 * device_years, "{events} events");
    assert!(contacts >= 24 * device_years, "{contacts} contacts");
    if only.is_none() {
        assert_eq!(tally.missing(), [], "every situation comes about");
    }
}
