//! Reserved quota over histories of a licence and its devices.

mod copies;

use proptest::prelude::*;
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::EntitlementChanged;
use schemas::grant::CheckIn;
use schemas::numbers::{Seconds, Seq};
use schemas::terms::After;

use super::*;
use crate::fixture::{ISSUED, RENDER, at};
use crate::forks::{Fork, Verdict};
use crate::merge::tests::world::{Device, World, month, terms, total};

/// What happens next to one of three devices, or to their licence.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Uses as much of this as it may.
    Use(u64),
    /// Returns as much of this as it has left.
    Return(u64),
    /// Reports, and applies the answer unless that is lost.
    Contact { answered: bool },
    /// Closes its chain; the report is still to come.
    Close,
    /// Is silent past its deadline, and what it holds is written off.
    WriteOff,
    /// What it holds is written off while it works.
    Override,
    /// The limit becomes this.
    Limit(u64),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        5 => (1..700_u64).prop_map(Step::Use),
        3 => (1..700_u64).prop_map(Step::Return),
        8 => any::<bool>().prop_map(|answered| Step::Contact { answered }),
        1 => Just(Step::Close),
        2 => Just(Step::WriteOff),
        1 => Just(Step::Override),
        2 => (0..1_500_u64).prop_map(Step::Limit),
    ];
    prop::collection::vec((0..3_usize, step), 1..40)
}

/// A device that keeps to what it was granted.
struct Honest {
    device: Device,
    granted: u64,
    written_off: u64,
    used: u64,
    returned: u64,
    /// Past its deadline, a device spends nothing until it hears from the vendor.
    is_silent: bool,
    is_closed: bool,
}

impl Honest {
    fn new(seed: u8) -> Self {
        Self {
            device: Device::new(seed),
            granted: 0,
            written_off: 0,
            used: 0,
            returned: 0,
            is_silent: false,
            is_closed: false,
        }
    }

    fn left(&self) -> u64 {
        let gone = self.written_off + self.returned + self.used;
        if self.is_closed || self.is_silent { 0 } else { self.granted.saturating_sub(gone) }
    }

    /// Takes the newest answer, and returns what that asks for.
    fn apply(&mut self, license: &License) {
        let chain = self.device.chain();
        let quota = license.activations[&chain].quotas.get(&(RENDER, month())).copied().unwrap_or_default();
        (self.granted, self.written_off) = (quota.granted.get(), quota.written_off.get());
        self.is_silent = false;
        if self.is_closed {
            return;
        }
        if let Some(n) = asked_this_month(license, &chain) {
            self.give_back(n.saturating_sub(self.returned));
        }
    }

    fn give_back(&mut self, n: u64) {
        let n = n.min(self.left());
        if n > 0 {
            self.returned += n;
            self.device.give_back(n, self.returned);
        }
    }

    fn consume(&mut self, n: u64) {
        let n = n.min(self.left());
        if n > 0 {
            self.used += n;
            self.device.consume(n);
        }
    }
}

/// R that a device is asked to reach of this month's quota.
fn asked_this_month(license: &License, chain: &ChainId) -> Option<u64> {
    let asked = asked_back(license, chain, at(ISSUED)).into_iter().find(|asked| asked.period == month());
    asked.map(|asked| asked.n.get())
}

fn write_off(world: &mut World, device: &Device, overridden: bool) {
    let chain = device.chain();
    let deadline = world.license.silent_from(&chain).expect("it has a deadline");
    let now = if overridden { at(ISSUED) } else { deadline };
    for written_off in write_offs(&world.license, &chain, None, now, overridden).expect("it may be") {
        world.write(Body::QuotaWrittenOff(written_off));
    }
    let account = accounts(&world.license, RENDER, month()).get(&chain).copied().unwrap_or_default();
    assert_eq!(account.held(), 0);
}

fn change_limit(world: &mut World, limit: u64) {
    let mut terms = world.license.terms.clone();
    terms.rules.quotas[0].limit = total(limit);
    world.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
}

fn perform(world: &mut World, honest: &mut Honest, step: Step) {
    match step {
        Step::Use(n) => honest.consume(n),
        Step::Return(n) => honest.give_back(n),
        Step::Contact { answered } => {
            world.merge(&honest.device);
            if answered {
                honest.apply(&world.license);
            }
        }
        Step::Close if honest.is_closed => {}
        Step::Close => {
            honest.is_closed = true;
            honest.device.close();
        }
        Step::WriteOff => {
            honest.is_silent = true;
            write_off(world, &honest.device, false);
        }
        Step::Override => write_off(world, &honest.device, true),
        Step::Limit(limit) => change_limit(world, limit),
    }
}

fn three() -> (World, [Honest; 3]) {
    let mut world = World::new(|terms| {
        terms.rules.max_activations = 3;
        terms.rules.quotas[0].overage = total(50);
    });
    let mut devices = [1, 2, 3].map(Honest::new);
    for honest in &mut devices {
        world.merge(&honest.device);
        honest.apply(&world.license);
    }
    (world, devices)
}

fn account(world: &World, honest: &Honest) -> Account {
    accounts(&world.license, RENDER, month()).get(&honest.device.chain()).copied().unwrap_or_default()
}

/// Units that the vendor knows to be used.
fn used(world: &World, honest: &Honest) -> u64 {
    account(world, honest).used
}

/// Units that the vendor takes for held.
fn held(world: &World, honest: &Honest) -> u64 {
    account(world, honest).held()
}

/// The present month, as vendors are shown it.
fn this_month(license: &License) -> Overview {
    let found = overview(license, at(ISSUED)).into_iter().find(|quota| quota.period == month());
    found.expect("the present period is always shown")
}

fn both_equations_hold(license: &License) -> Result<(), TestCaseError> {
    let quota = this_month(license);
    let signed = |units: u64| i64::try_from(units).expect("small");
    let all = signed(quota.limit.get() + quota.overage.get());
    let outstanding: u64 = accounts(license, RENDER, month())
        .values()
        .map(|account| account.granted - account.given_back())
        .sum();
    prop_assert_eq!(quota.free, all - signed(outstanding));
    prop_assert_eq!(all, quota.free + signed(quota.used) + signed(quota.held) - signed(quota.debt));
    prop_assert_eq!(quota.out, quota.used + quota.held - quota.debt);
    prop_assert_eq!(quota.charged, quota.used.saturating_sub(quota.limit.get()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_limit_is_conserved_and_nothing_is_raised_without_units_free(steps in steps()) {
        let (mut world, mut devices) = three();
        // Units that were written off and had been used, or may still be: the vendor decided to bear them.
        let (mut most, mut borne) = (1_000, 0);
        for (of, step) in steps {
            let before = devices.each_ref().map(|honest| world.granted(&honest.device));
            borne += match step {
                Step::WriteOff => devices[of].used - used(&world, &devices[of]),
                Step::Override => held(&world, &devices[of]),
                _ => 0,
            };
            perform(&mut world, &mut devices[of], step);
            let after = devices.each_ref().map(|honest| world.granted(&honest.device));
            if let Step::Limit(limit) = step {
                most = most.max(limit);
            }
            both_equations_hold(&world.license)?;
            prop_assert!(before == after || world.free() >= 0, "{step:?} raised {before:?} to {after:?}");
            let spent: u64 = devices.iter().map(|honest| honest.used).sum();
            prop_assert!(spent <= most + 50 + borne, "{spent} were spent after {step:?}");
        }
    }

    #[test]
    fn a_lowered_limit_comes_true_when_every_device_was_heard_of(uses in prop::collection::vec(0..200_u64, 3), limit in 600..1_000_u64) {
        let (mut world, mut devices) = three();
        for (honest, n) in devices.iter_mut().zip(uses) {
            honest.consume(n);
        }
        change_limit(&mut world, limit);
        // The answer asks for units, and the next report returns them.
        for _ in 0..2 {
            for honest in &mut devices {
                perform(&mut world, honest, Step::Contact { answered: true });
            }
        }
        for honest in &devices {
            world.merge(&honest.device);
        }
        prop_assert!(world.free() >= 0, "{}", world.free());
        for honest in &devices {
            prop_assert_eq!(asked_this_month(&world.license, &honest.device.chain()), None);
        }
    }
}

#[test]
fn every_device_that_holds_units_is_asked_for_what_is_lacking() {
    let (mut world, mut devices) = three();
    let asked = |world: &World, honest: &Honest| asked_this_month(&world.license, &honest.device.chain());
    assert_eq!(world.free(), 48);
    devices[0].give_back(34);
    world.merge(&devices[0].device);
    devices[1].consume(334);
    world.merge(&devices[1].device);
    let free = world.free();
    assert_eq!(asked(&world, &devices[0]), None, "nothing is lacking");
    change_limit(&mut world, 800);
    let lacking = u64::try_from(200 - free).expect("more is out than the limit allows");
    assert_eq!(world.free(), free - 200);
    assert_eq!(asked(&world, &devices[0]), Some(34 + lacking), "R counts from the beginning");
    assert_eq!(asked(&world, &devices[2]), Some(lacking));
    change_limit(&mut world, 0);
    assert_eq!(asked(&world, &devices[2]), Some(334), "no more than it holds");
}

#[test]
fn nothing_is_written_off_while_the_device_may_be_at_work() {
    let (mut world, devices) = three();
    let chain = devices[0].device.chain();
    let deadline = world.license.silent_from(&chain).expect("it has a deadline");
    let writes = |license: &License, now, overridden| {
        write_offs(license, &chain, None, now, overridden).map(|all| all.len())
    };
    let just_before = deadline - Seconds(1);
    assert_eq!(writes(&world.license, just_before, false), Err(Code::NotSilent));
    assert_eq!(writes(&world.license, deadline, false), Ok(2), "this month and the next");
    assert_eq!(writes(&world.license, just_before, true), Ok(2));
    world.license.activations.get_mut(&chain).expect("granted").runs_until = None;
    assert_eq!(writes(&world.license, deadline, false), Err(Code::NoDeadline));
    let others = write_offs(&world.license, &chain, Some(FeatureNumber(9)), deadline, true);
    assert_eq!(others, Ok(vec![]));
}

#[test]
fn a_device_that_comes_back_after_a_write_off_shows_what_it_used() {
    let (mut world, mut devices) = three();
    write_off(&mut world, &devices[0].device, true);
    let free = world.free();
    devices[0].consume(20);
    world.merge(&devices[0].device);
    let quota = this_month(&world.license);
    assert_eq!(quota.used, 20);
    // What it used counts, and what it was given anew besides: together not more than was free.
    let regranted = world.granted(&devices[0].device) - 334;
    assert!(world.free() >= 0 && world.free() < free, "{free} were free, {regranted} were granted");
    devices[0].apply(&world.license);
    assert_eq!(devices[0].left(), 334, "it comes to its share again");
}

#[test]
fn a_forked_chain_is_asked_for_nothing() {
    let (mut world, devices) = three();
    let chain = devices[0].device.chain();
    change_limit(&mut world, 100);
    assert_eq!(asked_this_month(&world.license, &chain), Some(334));
    let fork = Fork { seq: Seq(3), verdict: Verdict::Clone };
    world.license.chains.get_mut(&chain).expect("merged").fork = Some(fork);
    assert_eq!(asked_this_month(&world.license, &chain), None);
}

/// The first and the last period that a grant of today raises, and how many they are.
fn raised_ahead(reset: Reset, sync_every: Option<u64>, valid_until: &str) -> (String, String, usize) {
    let check_in = CheckIn {
        sync_by: sync_every.map(|days| at(ISSUED) + Seconds::days(days)),
        grace: Seconds::days(7),
        after: After::Limit,
    };
    let mut entitlement = terms().entitlement;
    entitlement.valid_until = Some(at(valid_until));
    let until = raise_until(&entitlement, at(ISSUED), &check_in);
    let periods: Vec<Period> = periods_ahead(reset, at(ISSUED), until).collect();
    let name = |period: Option<&Period>| period.expect("at least the present one").to_string();
    (name(periods.first()), name(periods.last()), periods.len())
}

#[test]
fn quota_is_reserved_for_the_periods_up_to_the_deadline() {
    let cases = [
        (Reset::Never, Some(30), "2030-01-01", ("life", "life", 1)),
        (Reset::Year, Some(30), "2030-01-01", ("2026", "2026", 1)),
        (Reset::Year, Some(60), "2030-01-01", ("2026", "2027", 2)),
        (Reset::Year, None, "2030-01-01", ("2026", "2027", 2)),
        (Reset::Month, Some(30), "2030-01-01", ("2026-11", "2026-12", 2)),
        (Reset::Month, Some(31), "2030-01-01", ("2026-11", "2027-01", 3)),
        (Reset::Month, Some(30), "2026-12-01", ("2026-11", "2026-11", 1)),
        (Reset::Month, None, "2030-01-01", ("2026-11", "2027-11", 13)),
        (Reset::Day, Some(30), "2030-01-01", ("2026-11-24", "2026-12-31", 38)),
        (Reset::Day, Some(30), "2026-11-26", ("2026-11-24", "2026-11-25", 2)),
        (Reset::Day, None, "2030-01-01", ("2026-11-24", "2027-03-31", 128)),
    ];
    for (reset, sync_every, valid_until, (first, last, count)) in cases {
        let expected = (first.to_owned(), last.to_owned(), count);
        assert_eq!(raised_ahead(reset, sync_every, valid_until), expected, "{reset} every {sync_every:?}");
    }
}

#[test]
fn counted_use_beyond_the_limit_is_charged_and_nothing_is_out() {
    let mut world = World::new(|terms| {
        terms.entitlement.features[0].mode = Mode::Counted;
        terms.rules.quotas[0].overage = total(50);
    });
    let mut device = Device::new(1);
    device.consume(1_020);
    world.merge(&device);
    let quota = this_month(&world.license);
    assert_eq!((quota.used, quota.charged, quota.free), (1_020, 20, 30));
    assert_eq!((quota.out, quota.held, quota.debt, quota.next_share), (0, 0, 0, 0));
}

#[test]
fn a_period_is_open_until_its_waiting_is_over() {
    let world = World::new(|_| ());
    let over = month().end() + Seconds::days(10);
    let open = |now| is_open(&world.license, month(), now);
    assert_eq!([open(at(ISSUED)), open(Micros::new(over.get() - 1)), open(over)], [true, true, false]);
}

#[test]
fn nothing_is_asked_back_of_a_period_that_is_over() {
    let (mut world, devices) = three();
    change_limit(&mut world, 0);
    let asked = |now| -> Vec<Period> {
        let all = asked_back(&world.license, &devices[0].device.chain(), now);
        all.into_iter().map(|request| request.period).collect()
    };
    let end = month().end();
    assert_eq!(asked(Micros::new(end.get() - 1)), [month(), month().next()]);
    assert_eq!(asked(end), [month().next()]);
}

#[test]
fn a_grant_says_nothing_of_periods_that_are_final() {
    let (world, devices) = three();
    let chain = devices[0].device.chain();
    let periods = |now| -> Vec<Period> {
        reserved(&world.license, &chain, now, None, None)
            .iter()
            .flat_map(|line| [line.first, line.last])
            .collect()
    };
    let over = month().end() + Seconds::days(10);
    assert!(periods(Micros::new(over.get() - 1)).contains(&month()));
    assert!(!periods(over).contains(&month()) && !periods(over).is_empty());
}
