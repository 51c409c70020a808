//! A simulated world of devices and a vendor, from one seed: `SEED=…` repeats a run, `SIM_DEVICE_YEARS=…` sets its
//! length.

use std::env;

use counterfoil_tests::{Chance, sim};

const DEVICE_YEARS: u64 = 10_000;

#[test]
fn invariants_hold_in_worlds_of_ten_thousand_device_years() {
    let asked = env::var("SIM_DEVICE_YEARS").ok().map(|years| years.parse().expect("a number of years"));
    let report = sim::run(Chance::new().number(), asked.unwrap_or(DEVICE_YEARS), 2);
    let sim::Report { device_years, events, contacts, merges, tally } = report;
    println!("{device_years} device-years, {events} events, {contacts} contacts, {merges} merges");
    print!("{tally}");
    assert!(events >= 100 * device_years, "{events} events");
    assert!(contacts >= 24 * device_years, "{contacts} contacts");
    assert_eq!(tally.missing(), [], "every situation comes about");
}
