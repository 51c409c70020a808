//! Time, whatever is done to the clocks: what it is taken to be, what is noted, and what a licence makes of it.

use std::sync::Arc;

use counterfoil_sync_agent::{Agent, AgentReader, Code, Config, Micros, Visitor};
use schemas::numbers::Seconds;

use crate::bench::{Device, code, kinds};
use crate::vendor::{Machine, at, license_key};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// What happens to a device. After each the running agent keeps its mark.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Seconds pass on both clocks.
    Pass(u64),
    /// The wall clock is set.
    Set(&'static str),
    /// The wall clock is set back by seconds.
    Back(u64),
    /// Seconds pass on the wall clock alone, as while the machine is suspended.
    Suspend(u64),
    /// Seconds pass on the other clock alone, as when the wall clock is held.
    Tick(u64),
    /// The machine is switched off for seconds.
    Off(u64),
    /// The machine is switched off, and its wall clock is this when it starts again.
    Boot(&'static str),
    /// The device reports, and applies what the vendor answers at this time.
    Sync(&'static str),
}

use Step::{Back, Boot, Off, Pass, Set, Suspend, Sync, Tick};

/// A step, the effective time after it, the notes of the clock so far, and what `check export` answers.
type Row = (Step, &'static str, usize, Code);

/// Does a step. Returns the agent, which is another one after a start of the machine.
fn take(device: &mut Device, agent: Agent, step: Step) -> Agent {
    match step {
        Pass(seconds) => device.clock.pass(Seconds(seconds)),
        Set(wall) => device.clock.set(at(wall)),
        Back(seconds) => device.clock.set(device.clock.now() - Seconds(seconds)),
        Suspend(seconds) => device.clock.set(device.clock.now() + Seconds(seconds)),
        Tick(seconds) => device.clock.tick(Seconds(seconds)),
        Off(seconds) => {
            let wall = device.clock.now() + Seconds(seconds);
            return start(device, agent, wall);
        }
        Boot(wall) => return start(device, agent, at(wall)),
        Sync(now) => sync_at(device, &agent, at(now)),
    }
    agent
}

fn start(device: &Device, before: Agent, wall: Micros) -> Agent {
    drop(before);
    device.clock.set(wall);
    device.clock.reboot();
    device.open()
}

fn sync_at(device: &mut Device, agent: &Agent, now: Micros) {
    let report = agent.report().expect("reports");
    let answer = device.vendor.answer(&report, now, |_| {});
    agent.apply(&answer).expect("applies");
}

fn notes(agent: &Agent) -> usize {
    kinds(agent).iter().filter(|kind| **kind == "clock.noted").count()
}

#[track_caller]
fn holds(device: &mut Device, mut agent: Agent, rows: &[Row]) {
    for (number, (step, time, noted, answer)) in rows.iter().enumerate() {
        agent = take(device, agent, *step);
        agent.keep_time().expect("keeps");
        let shown = (agent.status().expect("readable").time, notes(&agent), agent.check("export").code);
        assert_eq!(shown, (at(time), *noted, *answer), "row {number}: {step:?}");
    }
    agent.verify().expect("all verifies");
}

/// A device that was activated at 2026-11-24T07:00:00Z for 365 days.
#[track_caller]
fn activated_then(rows: &[Row]) {
    let mut device = Device::new();
    let agent = device.activated();
    holds(&mut device, agent, rows);
}

const OK: Code = Code::Allowed;
const EXPIRED: Code = Code::LicenseExpired;

#[test]
fn a_clock_set_back_gains_nothing() {
    activated_then(&[
        (Pass(2 * HOUR), "2026-11-24T09:00:00Z", 0, OK),
        (Back(HOUR), "2026-11-24T09:00:00Z", 0, OK),
        (Pass(30 * MINUTE), "2026-11-24T09:30:00Z", 0, OK),
        (Set("2026-11-24T10:00:00Z"), "2026-11-24T10:00:00Z", 0, OK),
        // A day is the tolerance; a second more is noted, once.
        (Back(DAY), "2026-11-24T10:00:00Z", 0, OK),
        (Back(1), "2026-11-24T10:00:00Z", 1, OK),
        (Back(1), "2026-11-24T10:00:00Z", 1, OK),
        (Set("2026-11-24T10:00:00Z"), "2026-11-24T10:00:00Z", 1, OK),
        (Set("2021-11-24T10:00:00Z"), "2026-11-24T10:00:00Z", 2, OK),
        (Pass(HOUR), "2026-11-24T11:00:00Z", 2, OK),
        (Off(DAY), "2026-11-24T11:00:00Z", 2, OK),
        (Pass(HOUR), "2026-11-24T12:00:00Z", 2, OK),
        (Set("2026-11-24T12:00:00Z"), "2026-11-24T12:00:00Z", 2, OK),
        (Set("2021-11-24T12:00:00Z"), "2026-11-24T12:00:00Z", 3, OK),
    ]);
}

#[test]
fn a_licence_is_not_made_longer_by_a_clock_that_stands_back() {
    let mut device = Device::new();
    let agent = device.activated();
    device.clock.set(at("2021-11-24T07:00:00Z"));
    for _ in 0..364 {
        device.clock.pass(Seconds(DAY));
        agent.keep_time().expect("keeps");
    }
    assert_eq!(agent.check("export").code, Code::CheckInDue);
    device.clock.pass(Seconds(DAY));
    assert_eq!(agent.check("export").code, EXPIRED);
}

#[test]
fn a_clock_that_jumps_ahead_is_believed_until_a_newer_grant_cures_it() {
    activated_then(&[
        (Pass(HOUR), "2026-11-24T08:00:00Z", 0, OK),
        (Set("2036-11-24T08:00:00Z"), "2036-11-24T08:00:00Z", 1, EXPIRED),
        (Set("2026-11-24T09:00:00Z"), "2036-11-24T08:00:00Z", 2, EXPIRED),
        (Off(HOUR), "2036-11-24T08:00:00Z", 2, EXPIRED),
        (Sync("2026-11-24T10:30:00Z"), "2026-11-24T10:30:00Z", 2, OK),
        (Pass(HOUR), "2026-11-24T11:30:00Z", 2, OK),
        (Off(DAY), "2026-11-25T11:00:00Z", 2, OK),
    ]);
}

#[test]
fn a_cure_while_the_clock_still_stands_wrong_is_noted_again() {
    activated_then(&[
        (Set("2036-11-24T08:00:00Z"), "2036-11-24T08:00:00Z", 1, EXPIRED),
        (Sync("2026-11-24T08:00:00Z"), "2036-11-24T08:00:00Z", 2, EXPIRED),
        (Set("2026-11-24T08:00:00Z"), "2036-11-24T08:00:00Z", 3, EXPIRED),
        (Sync("2026-11-24T08:30:00Z"), "2026-11-24T08:30:00Z", 3, OK),
    ]);
}

#[test]
fn a_clock_that_is_unset_at_every_start_stands_at_the_mark_and_goes_on_from_there() {
    activated_then(&[
        (Pass(HOUR), "2026-11-24T08:00:00Z", 0, OK),
        (Boot("1970-01-01T00:00:10Z"), "2026-11-24T08:00:00Z", 1, OK),
        (Pass(HOUR), "2026-11-24T09:00:00Z", 1, OK),
        // The network sets it within the tolerance.
        (Set("2026-11-24T20:00:00Z"), "2026-11-24T20:00:00Z", 1, OK),
        (Boot("1970-01-01T00:00:10Z"), "2026-11-24T20:00:00Z", 2, OK),
        (Boot("1970-01-01T00:00:10Z"), "2026-11-24T20:00:00Z", 2, OK),
        // The machine was off for three days, which nothing proves.
        (Set("2026-11-27T20:00:00Z"), "2026-11-27T20:00:00Z", 3, OK),
        (Sync("2026-11-27T20:10:00Z"), "2026-11-27T20:10:00Z", 3, OK),
    ]);
}

#[test]
fn a_device_without_a_clock_lives_by_its_grants() {
    let mut device = Device::at("1970-01-01T00:00:00Z");
    let agent = device.open();
    let request = agent.activate(&license_key()).expect("asks");
    let answer = device.vendor.answer(&request, at("2026-11-24T07:00:00Z"), |_| {});
    agent.apply(&answer).expect("applies");
    holds(
        &mut device,
        agent,
        &[
            (Pass(HOUR), "2026-11-24T08:00:00Z", 1, OK),
            (Boot("1970-01-01T00:00:00Z"), "2026-11-24T08:00:00Z", 1, OK),
            (Sync("2026-12-01T00:00:00Z"), "2026-12-01T00:00:00Z", 2, OK),
            (Pass(HOUR), "2026-12-01T01:00:00Z", 2, OK),
        ],
    );
}

#[test]
fn time_passes_across_a_suspend_by_whichever_clock_tells_of_it() {
    activated_then(&[
        (Suspend(3 * HOUR), "2026-11-24T10:00:00Z", 0, OK),
        (Suspend(3 * DAY), "2026-11-27T10:00:00Z", 1, OK),
        (Tick(3 * HOUR), "2026-11-27T13:00:00Z", 1, OK),
        (Suspend(3 * HOUR), "2026-11-27T13:00:00Z", 1, OK),
        (Tick(30 * HOUR), "2026-11-28T19:00:00Z", 2, OK),
        (Pass(HOUR), "2026-11-28T20:00:00Z", 2, OK),
        (Suspend(30 * HOUR), "2026-11-28T20:00:00Z", 2, OK),
    ]);
}

#[test]
fn power_off_is_no_step_within_the_tolerance_and_one_beyond_it() {
    activated_then(&[
        (Off(DAY), "2026-11-25T07:00:00Z", 0, OK),
        (Off(DAY + 1), "2026-11-26T07:00:01Z", 1, OK),
        (Boot("2026-11-25T08:00:00Z"), "2026-11-26T07:00:01Z", 1, OK),
        (Boot("2026-11-25T07:00:00Z"), "2026-11-26T07:00:01Z", 2, OK),
    ]);
}

#[test]
fn the_mark_that_a_crash_leaves_is_at_most_five_minutes_old() {
    let mut device = Device::new();
    let agent = device.activated();
    for _ in 0..13 {
        device.clock.pass(Seconds(5 * MINUTE));
        agent.keep_time().expect("keeps");
    }
    let kept = device.clock.now();
    device.clock.pass(Seconds(5 * MINUTE - 1));
    // The files as they lie there when the power fails.
    device.back_up();
    drop(agent);
    device.restore();
    let agent = start_at(&device, "2026-11-24T07:00:00Z");
    assert_eq!(agent.status().expect("readable").time, kept);
}

#[test]
fn an_agent_that_only_starts_now_and_then_keeps_its_mark_too() {
    let mut device = Device::new();
    drop(device.activated());
    device.clock.pass(Seconds(5 * MINUTE));
    let kept = device.clock.now();
    drop(device.open());
    let agent = start_at(&device, "2026-11-24T07:00:00Z");
    assert_eq!(agent.status().expect("readable").time, kept);
}

/// What the device shows as the time to whoever reads beside.
fn shown(device: &Device) -> Micros {
    AgentReader::open(device.config()).expect("readable").status().time
}

/// A process that held the directory only for moments kept none of the time in between: under a clock that was set back a
/// licence lasted as long as its user liked.
#[test]
fn a_licence_is_not_made_longer_by_a_clock_that_is_set_back_between_two_visits() {
    let mut device = Device::new();
    drop(device.activated());
    let visitor = Visitor::new(device.config());
    visitor.keep_time().expect("keeps");
    let began = device.clock.now();
    for visit in 1..=365 {
        device.clock.tick(Seconds(DAY));
        device.clock.set(at("2026-11-20T07:00:00Z"));
        visitor.keep_time().expect("keeps");
        assert_eq!(shown(&device), began + Seconds(visit * DAY));
    }
    assert_eq!(device.open().check("export").code, EXPIRED);
}

#[test]
fn what_others_do_between_two_visits_takes_no_time_and_adds_none() {
    let mut device = Device::new();
    drop(device.activated());
    let visitor = Visitor::new(device.config());
    visitor.keep_time().expect("keeps");
    let began = device.clock.now();
    device.clock.tick(Seconds(HOUR));
    device.open().consume("miles", 1).expect("counts");
    device.clock.tick(Seconds(HOUR));
    // What fails while another one is there is made up for.
    let held = device.open();
    assert_eq!(code(visitor.keep_time()), Some(Code::Busy));
    drop(held);
    device.clock.tick(Seconds(HOUR));
    visitor.keep_time().expect("keeps");
    assert_eq!(shown(&device), began + Seconds(3 * HOUR));
    // Another one comes further, by a clock that stands ahead for a moment.
    device.clock.set(began + Seconds(8 * HOUR));
    device.open().keep_time().expect("keeps");
    device.clock.set(began);
    device.clock.tick(Seconds(HOUR));
    visitor.keep_time().expect("keeps");
    assert_eq!(shown(&device), began + Seconds(8 * HOUR));
    device.clock.tick(Seconds(HOUR));
    visitor.keep_time().expect("keeps");
    assert_eq!(shown(&device), began + Seconds(9 * HOUR));
    // A start of the machine ends the visitor, and no time is known to have passed.
    device.clock.reboot();
    Visitor::new(device.config()).keep_time().expect("keeps");
    assert_eq!(shown(&device), began + Seconds(9 * HOUR));
}

#[test]
fn a_cure_between_two_visits_stays() {
    let (mut device, agent, right) = poisoned();
    drop(agent);
    let visitor = Visitor::new(device.config());
    visitor.keep_time().expect("notes");
    assert_eq!(shown(&device), at("2036-11-24"));
    device.clock.pass(Seconds(2 * MINUTE));
    let agent = device.open();
    device.sync(&agent);
    assert_eq!(agent.check("export").code, OK);
    drop(agent);
    device.clock.pass(Seconds(3 * MINUTE));
    visitor.keep_time().expect("keeps");
    assert_eq!(shown(&device), right + Seconds(5 * MINUTE));
    device.clock.tick(Seconds(HOUR));
    visitor.keep_time().expect("keeps");
    assert_eq!(shown(&device), right + Seconds(HOUR + 5 * MINUTE));
}

#[test]
fn a_visitor_goes_on_from_what_it_applied_itself() {
    let (mut device, agent, right) = poisoned();
    agent.keep_time().expect("notes");
    let report = agent.report().expect("reports");
    drop(agent);
    let cure = device.vendor.answer(&report, right, |_| {});
    let visitor = Visitor::new(device.config());
    visitor.visit(|agent| agent.apply(&cure)).expect("applies");
    device.clock.tick(Seconds(HOUR));
    visitor.keep_time().expect("keeps");
    assert_eq!(shown(&device), right + Seconds(HOUR));
}

#[test]
fn time_passes_from_the_moment_at_which_an_agent_is_opened() {
    let mut device = Device::new();
    drop(device.activated());
    let began = device.clock.now();
    let agent = device.open();
    device.clock.tick(Seconds(4 * MINUTE));
    agent.keep_time().expect("keeps");
    assert_eq!(shown(&device), began + Seconds(4 * MINUTE));
}

fn start_at(device: &Device, wall: &str) -> Agent {
    device.clock.set(at(wall));
    device.clock.reboot();
    device.open()
}

/// A device whose clock jumped ten years ahead and came back: both are noted, and the mark stands wrong.
fn poisoned() -> (Device, Agent, Micros) {
    let mut device = Device::new();
    let agent = device.activated();
    let right = device.clock.now() + Seconds(HOUR);
    device.clock.set(at("2036-11-24"));
    agent.keep_time().expect("notes");
    device.clock.set(right);
    (device, agent, right)
}

#[test]
fn a_grant_cures_only_if_it_acknowledges_the_latest_note() {
    let (mut device, agent, right) = poisoned();
    let of_the_first_note = agent.report().expect("reports");
    agent.keep_time().expect("notes that it stands back");
    assert_eq!(notes(&agent), 2);
    let of_both = agent.report().expect("reports");
    let early = device.vendor.answer(&of_the_first_note, right, |_| {});
    agent.apply(&early).expect("applies");
    assert_eq!(agent.check("export").code, EXPIRED);
    assert!(agent.status().expect("readable").clock_noted.is_some());
    let cure = device.vendor.answer(&of_both, right, |_| {});
    agent.apply(&cure).expect("applies");
    assert_eq!(agent.check("export").code, OK);
    assert!(agent.status().expect("readable").clock_noted.is_none());
}

#[test]
fn a_kept_grant_cures_no_later_clock() {
    let (mut device, agent, right) = poisoned();
    agent.keep_time().expect("notes");
    let report = agent.report().expect("reports");
    let kept = device.vendor.answer(&report, right, |_| {});
    let newer = device.vendor.answer(&report, right, |_| {});
    agent.apply(&newer).expect("applies");
    assert_eq!(agent.check("export").code, OK);
    for wall in [at("2036-11-24"), right] {
        device.clock.set(wall);
        agent.keep_time().expect("notes");
    }
    // One is older than the last, the other is the last, and neither knows of these notes.
    assert_eq!(code(agent.apply(&kept)), Some(Code::GrantSuperseded));
    assert!(agent.apply(&newer).expect("was applied before").changes.is_empty());
    assert_eq!(agent.check("export").code, EXPIRED);
    // Nor does a grant that was put aside and not applied before.
    let aside = device.vendor.answer(&report, right, |_| {});
    agent.apply(&aside).expect("is newer");
    assert_eq!(agent.check("export").code, EXPIRED);
    device.sync(&agent);
    assert_eq!(agent.check("export").code, OK);
}

/// An answer to a report with a noted step of the clock was kept while the device went on for weeks, and then set it back to
/// the day of the answer: a licence that had run out stood again, and nothing was noted.
#[test]
fn a_cure_that_was_put_aside_takes_no_time_back() {
    let mut device = Device::new();
    let agent = device.activated();
    let right = device.clock.now();
    device.clock.set(right + Seconds(25 * HOUR));
    agent.keep_time().expect("notes");
    assert_eq!(notes(&agent), 1);
    let report = agent.report().expect("reports");
    let cure = device.vendor.answer(&report, right, |_| {});
    for _ in 0..100 {
        device.clock.pass(Seconds(12 * HOUR));
        agent.keep_time().expect("keeps");
    }
    agent.apply(&cure).expect("is newer");
    device.clock.set(right);
    let time = |agent: &Agent| agent.status().expect("readable").time;
    let passed = right + Seconds(1_200 * HOUR);
    let expected = passed..passed + Seconds(1);
    assert!(expected.contains(&time(&agent)), "the cure takes off what the clock stood ahead, and no more");
    drop(agent);
    assert!(expected.contains(&time(&device.open())));
}

#[test]
fn the_import_date_of_a_cure_is_judged_by_the_wall_clock() {
    let (mut device, agent, right) = poisoned();
    let unaware = agent.report().expect("reports");
    agent.keep_time().expect("notes");
    let aware = agent.report().expect("reports");
    let until = |grant: &mut schemas::grant::GrantBody| grant.import_until = Some(right + Seconds::days(10));
    let (late, cure) =
        (device.vendor.answer(&unaware, right, until), device.vendor.answer(&aware, right, until));
    assert_eq!(code(agent.apply(&late)), Some(Code::GrantLate));
    device.clock.set(right + Seconds::days(10));
    assert_eq!(code(agent.apply(&cure)), Some(Code::GrantLate));
    device.clock.set(right + Seconds::days(9));
    agent.apply(&cure).expect("in time");
    assert_eq!(agent.check("export").code, OK);
}

#[test]
fn a_grace_that_began_under_a_wrong_clock_is_not_put_off_by_the_cure() {
    let mut device = Device::new();
    let agent = device.activated();
    let right = device.clock.now();
    drop(agent);
    let mut machine = Machine::usual();
    for (_, value) in machine.0.iter_mut().take(3) {
        *value = "other";
    }
    let moved = Config { fingerprint: Arc::new(machine), ..device.config() };
    device.clock.set(at("2027-06-01"));
    let agent = Agent::open(moved).expect("opens");
    device.clock.set(right);
    agent.keep_time().expect("notes");
    device.sync(&agent);
    assert_eq!(agent.check("export").code, Code::FingerprintMismatch);
    assert!(agent.check("export").allowed);
    device.clock.pass(Seconds::days(7));
    assert!(!agent.check("export").allowed, "the grace is seven days from the cure on");
    agent.verify().expect("all verifies");
    drop(agent);
    drop(device.open());
}
