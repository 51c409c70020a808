//! The library: block metering.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use counterfoil_sync_agent::{Agent, Block, Code};
use schemas::grant::GrantStatus;
use schemas::numbers::Seconds;
use schemas::terms::OnFork;

use crate::bench::{Device, code, kinds};
use crate::vendor::{TestClock, Vendor, at, config, license_key};

/// Names the state directory to a process that is to hold a block until it is killed.
const HOLD: &str = "COUNTERFOIL_TEST_HOLDS_A_BLOCK";

fn activated(device: &mut Device) -> Arc<Agent> {
    Arc::new(device.activated())
}

fn left(agent: &Agent) -> Option<u64> {
    agent.check("render").remaining
}

#[test]
fn a_block_that_is_closed_or_dropped_refunds_exactly_the_rest() {
    let mut device = Device::new();
    let agent = activated(&mut device);
    let block = agent.block("render", 60).expect("100 are left");
    assert_eq!((left(&agent), block.left()), (Some(40), 60));
    block.take(10).expect("60 are left");
    assert_eq!((block.take(51), block.take(0)), (Err(Code::BlockSpent), Err(Code::AmountInvalid)));
    assert_eq!(block.close(), Ok(50));
    assert_eq!((left(&agent), block.left()), (Some(90), 0));
    assert_eq!((block.take(1), block.close()), (Err(Code::BlockSpent), Ok(0)));
    drop(block);
    let dropped = agent.block("render", 90).expect("90 are left");
    dropped.take(89).expect("90 are left");
    drop(dropped);
    assert_eq!(left(&agent), Some(1));
    let used_up = agent.block("render", 1).expect("the last");
    used_up.take(1).expect("it covers the last unit of the quota too");
    drop(used_up);
    assert_eq!(agent.check("render").code, Code::QuotaExhausted);
    assert_eq!(code(agent.block("render", 1)), Some(Code::QuotaExhausted));
    assert_eq!(kinds(&agent).iter().filter(|kind| **kind == "feature.refunded").count(), 2);
    agent.verify().expect("all verifies");
    drop(agent);
    let agent = device.open();
    assert_eq!(agent.check("render").code, Code::QuotaExhausted);
    agent.verify().expect("all verifies");
}

#[test]
fn many_threads_take_exactly_what_a_block_holds() {
    let mut device = Device::new();
    let agent = activated(&mut device);
    let block = agent.block("miles", 100_000).expect("is counted freely");
    let taken: usize = thread::scope(|scope| {
        let take = || (0..20_000).filter(|_| block.take(1).is_ok()).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!((taken, block.left()), (100_000, 0));
}

/// Takes that race with the end of a block are counted or refused, never lost or doubled.
#[test]
fn what_is_taken_and_what_is_refunded_make_up_the_block() {
    let mut device = Device::new();
    let agent = activated(&mut device);
    for _ in 0..20 {
        let block = agent.block("miles", 5_000).expect("is counted freely");
        let (taken, refunded) = thread::scope(|scope| {
            let take = || (0..2_500).filter(|_| block.take(1).is_ok()).count() as u64;
            let threads = [scope.spawn(take), scope.spawn(take)];
            let refunded = block.close().expect("is recorded");
            (threads.map(|thread| thread.join().expect("no panic")).iter().sum::<u64>(), refunded)
        });
        assert_eq!(taken + refunded, 5_000);
    }
}

#[test]
fn units_of_a_period_are_not_used_after_it_and_their_rest_is_refunded_to_it() {
    let mut device = Device::at("2026-11-30T23:59:59Z");
    let agent = activated(&mut device);
    let block = agent.block("render", 60).expect("100 are left");
    block.take(1).expect("still November");
    device.clock.pass(Seconds(1));
    assert_eq!(block.take(1), Err(Code::BlockSpent));
    assert_eq!(left(&agent), Some(100), "December has its own");
    assert_eq!(block.close(), Ok(59));
    assert_eq!(left(&agent), Some(100));
    agent.verify().expect("all verifies");
}

/// A clock that was wrong and was cured stands before the period of the block again.
#[test]
fn units_of_a_period_are_not_used_before_it() {
    let mut device = Device::new();
    let agent = activated(&mut device);
    let right = device.clock.now();
    device.clock.set(at("2026-12-10"));
    let block = agent.block("render", 10).expect("held ahead");
    device.clock.set(right);
    block.take(1).expect("no time is gained by setting a clock back");
    device.sync(&agent);
    assert_eq!(block.take(1), Err(Code::BlockSpent));
}

#[test]
fn whatever_ends_the_licence_or_its_quota_ends_a_block_at_once() {
    let open = |feature: &str| {
        let mut device = Device::new();
        let agent = activated(&mut device);
        let block = agent.block(feature, 10).expect("held");
        block.take(1).expect("held");
        (device, agent, block)
    };
    let ends = |status| {
        let (mut device, agent, block) = open("miles");
        device.sync_with(&agent, |grant| grant.status = status);
        block.take(1)
    };
    assert_eq!(ends(GrantStatus::Suspended), Err(Code::LicenseSuspended));
    assert_eq!(ends(GrantStatus::Revoked), Err(Code::LicenseRevoked));
    for (feature, expected) in [("render", Err(Code::Forked)), ("miles", Ok(()))] {
        let (mut device, agent, block) = open(feature);
        device.sync_with(&agent, |grant| grant.forked = Some(OnFork::Stop));
        assert_eq!(block.take(1), expected, "{feature}");
        let rest = block.left();
        assert_eq!(block.close(), Ok(rest), "what was not used is told all the same");
    }
    let (device, agent, block) = open("miles");
    device.clock.pass(Seconds::days(6));
    block.take(1).expect("still the same month");
    device.clock.pass(Seconds::days(31));
    assert_eq!(block.take(1), Err(Code::Overdue));
    drop((agent, block));
    let (device, _agent, block) = open("render");
    device.clock.set(at("2028-01-01"));
    assert_eq!(block.take(1), Err(Code::LicenseExpired));
}

#[test]
fn a_block_ends_with_the_record_that_counts_it() {
    let mut device = Device::new();
    let agent = activated(&mut device);
    let block = agent.block("render", 10).expect("held");
    agent.deactivate().expect("closes");
    assert_eq!(block.take(1), Err(Code::Deactivated));
    let request = agent.activate(&license_key()).expect("asks anew");
    let grant = device.vendor.answer(&request, device.clock.now(), |_| {});
    agent.apply(&grant).expect("applies");
    assert_eq!(block.take(1), Err(Code::BlockSpent));
    assert_eq!(code(block.close()), Some(Code::BlockSpent));
    assert_eq!(left(&agent), Some(100));
    agent.verify().expect("nothing was refunded here");
}

#[test]
fn a_process_that_is_killed_leaves_its_block_counted_whole() {
    if let Some(state) = env::var_os(HOLD) {
        return hold_until_killed(state.as_ref());
    }
    let mut device = Device::new();
    drop(device.activated());
    let mut child = holder(&device);
    let mut told = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(told.any(|line| line.ends_with(HOLD)), "the block is held");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let agent = device.open();
    assert_eq!(left(&agent), Some(40));
    assert!(!kinds(&agent).contains(&"feature.refunded"));
    agent.verify().expect("all verifies");
}

/// This test again, in a process of its own.
fn holder(device: &Device) -> Child {
    Command::new(env::current_exe().expect("a program"))
        .args(["--exact", "block::a_process_that_is_killed_leaves_its_block_counted_whole", "--nocapture"])
        .env(HOLD, device.state())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts")
}

#[expect(clippy::print_stdout, reason = "the process that kills this one waits for the line")]
fn hold_until_killed(state: &Path) {
    let clock = TestClock::new("2026-11-24T07:00:00Z");
    let agent = Arc::new(Agent::open(config(state, &Vendor::new(), &clock)).expect("opens"));
    let block: Block = agent.block("render", 60).expect("100 are left");
    block.take(7).expect("60 are left");
    println!("{HOLD}");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("readable");
}
