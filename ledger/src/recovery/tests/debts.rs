//! Who is asked for units when lost grants bring a debt, and when.

use schemas::terms::Terms;

use super::*;
use crate::quotas::{Debt, Holder, debts};

/// 100 units for some devices, 50 ahead of use for each, who must be heard of within two days.
fn short(terms: &mut Terms) {
    hundred(terms);
    terms.rules.max_activations = 4;
    (terms.rules.sync_every, terms.rules.grace) = (Some(Seconds::days(1)), Seconds(0));
}

/// Units of this month that a device is asked for at `now`.
fn asked(world: &World, device: &Device, now: Micros) -> u64 {
    let requests = quotas::asked_back(&world.license, &device.chain(), now);
    requests.iter().filter(|request| request.period == month()).map(|request| request.n.get()).sum()
}

fn held(world: &World, device: &Device) -> u64 {
    quotas::accounts(&world.license, RENDER, month()).get(&device.chain()).map_or(0, |account| account.held())
}

/// The last grant that the vendor wrote for a device.
fn newest(world: &World, device: &Device) -> GrantBody {
    let runs = world.runs().iter().filter(|run| matches!(run.origin, Origin::Authority(_)));
    let events = runs.flat_map(|run| refold::events(run).expect("the vendor wrote it"));
    let mut grants = events.filter_map(|(_, event)| match event.body {
        Body::GrantIssued(grant) if grant.device == device.chain() => Some(*grant),
        _ => None,
    });
    grants.next_back().expect("it was told something")
}

fn set_rule(world: &mut World, set: impl FnOnce(&mut QuotaRule)) {
    let mut terms = world.license.terms.clone();
    set(&mut terms.rules.quotas[0]);
    changed(world, Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
    assert_refolds(world);
}

fn set_limit(world: &mut World, limit: u64) {
    set_rule(world, |rule| rule.limit = total(limit));
}

fn set_share(world: &mut World, share: u64) {
    set_rule(world, |rule| rule.share = Some(total(share)));
}

fn this_month(world: &World, now: Micros) -> Option<Debt> {
    debts(&world.license, now).into_iter().find(|debt| debt.period == month())
}

fn awaited(chain: ChainId, units: u64) -> Holder {
    Holder { chain, units, silent_from: Some(at(ISSUED) + Seconds::days(2)) }
}

/// What the backup knew of the first device is 50 units, of the second 20; the first was granted 80 in truth. After the
/// restore a third was given 20 of the 40 that seemed to be free, and then the first came back.
fn owing() -> (World, [Spender; 3]) {
    let mut world = World::new(short);
    let [mut lost, mut unheard, mut working] = [1, 2, 3].map(Spender::new);
    lost.report(&mut world);
    set_share(&mut world, 20);
    unheard.report(&mut world);
    let backup = world.clone();
    lost.spend(50);
    set_share(&mut world, 30);
    lost.report(&mut world);
    let mut restored = restore(&backup);
    set_limit(&mut restored, 110);
    working.report(&mut restored);
    lost.report(&mut restored);
    assert_eq!([&lost, &unheard, &working].map(|known| restored.granted(&known.device)), [80, 20, 20]);
    (restored, [lost, unheard, working])
}

#[test]
fn a_debt_of_the_restore_is_asked_back_when_every_other_holder_was_heard_of_or_is_overdue() {
    let (mut world, [lost, mut unheard, working]) = owing();
    assert_eq!(world.free(), -10);
    let (now, overdue) = (at(ISSUED), at(ISSUED) + Seconds::days(2));
    let chain = unheard.device.chain();
    let waiting = Debt {
        feature: RENDER,
        period: month(),
        lacking: 10,
        brought: 10,
        unheard: vec![awaited(chain, 20)],
    };
    assert_eq!(this_month(&world, now), Some(waiting.clone()));
    for device in [&lost, &working] {
        assert_eq!(asked(&world, &device.device, now), 0, "another may have given back what is lacking");
        assert_eq!(asked(&world, &device.device, Micros::new(overdue.get() - 1)), 0);
        assert_eq!(asked(&world, &device.device, overdue), 10, "it is silent");
    }
    assert_eq!(asked(&world, &unheard.device, now), 10, "those beside it were heard of");
    unheard.spend(1);
    unheard.report(&mut world);
    for device in [&lost, &unheard, &working] {
        assert_eq!(asked(&world, &device.device, now), 10);
    }
    assert_eq!(this_month(&world, now), Some(Debt { unheard: Vec::new(), ..waiting }));
}

/// The grant that tells a device again what it holds was decided before its own units counted as taken back, and asked.
#[test]
fn the_grant_that_brings_a_debt_asks_for_none_of_it() {
    let mut world = World::new(short);
    let [mut first, mut unheard, mut working] = [1, 2, 3].map(Spender::new);
    unheard.report(&mut world);
    let backup = world.clone();
    first.report(&mut world);
    let mut restored = restore(&backup);
    working.report(&mut restored);
    assert!(come(&mut restored, first.newest.as_ref().expect("it was granted 50")));
    assert_eq!(restored.free(), -50);
    let told = newest(&restored, &first.device);
    assert_eq!((told.epoch, told.return_requests), (Epoch(1), Vec::new()));
}

/// A released device that was not heard of is written off by the operator, and is not waited for.
#[test]
fn a_holder_without_a_seat_is_not_waited_for() {
    let (mut world, [_, unheard, working]) = owing();
    let chain = unheard.device.chain();
    let release = seats::released(chain, ReleaseReason::Operator, at(ISSUED));
    changed(&mut world, release);
    assert_eq!(asked(&world, &working.device, at(ISSUED)), 10);
}

#[test]
fn what_a_limit_was_lowered_by_is_asked_back_at_once() {
    for (lowered_to, asked_of) in [(110, 0), (105, 5), (70, 20)] {
        let (mut world, [_, _, working]) = owing();
        set_limit(&mut world, lowered_to);
        assert_eq!(asked(&world, &working.device, at(ISSUED)), asked_of, "{lowered_to}");
    }
    // Without the restore nothing is waited for.
    let mut world = World::new(short);
    let devices = [1, 2].map(Spender::new).map(|mut device| {
        device.report(&mut world);
        device
    });
    set_limit(&mut world, 60);
    for device in &devices {
        assert_eq!(asked(&world, &device.device, at(ISSUED)), 40);
    }
}

#[test]
fn a_higher_limit_ends_the_debt_and_lowering_it_again_asks_at_once() {
    let (mut world, [_, _, working]) = owing();
    set_limit(&mut world, 120);
    assert_eq!((world.free(), this_month(&world, at(ISSUED))), (0, None));
    set_limit(&mut world, 115);
    assert_eq!(asked(&world, &working.device, at(ISSUED)), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// No limit is lowered here: whatever is lacking came back with lost grants.
    #[test]
    fn nobody_is_asked_for_what_the_restore_brought_while_another_may_make_up_for_it(
        before in prop::collection::vec((0..3_usize, 0..60_u64), 0..10),
        cut in 0..10_usize,
        after in prop::collection::vec((0..4_usize, 0..60_u64), 1..12),
    ) {
        let mut world = World::new(short);
        let mut devices = [1, 2, 3, 4].map(Spender::new);
        let mut backup = world.clone();
        for (number, (device, n)) in before.iter().enumerate() {
            if number == cut {
                backup = world.clone();
            }
            devices[*device].spend(*n);
            devices[*device].report(&mut world);
        }
        let mut restored = restore(&backup);
        let mut heard = [false; 4];
        let (now, overdue) = (at(ISSUED), at(ISSUED) + Seconds::days(3));
        for (device, n) in after {
            devices[device].spend(n);
            let length = devices[device].device.events.len();
            let known = restored.license.chains.get(&devices[device].device.chain());
            let has_news = known.is_none_or(|known| known.event_count() < length as u64);
            devices[device].report(&mut restored);
            heard[device] |= has_news;
            let lacking = restored.free().min(0).unsigned_abs();
            for (number, of) in devices.iter().enumerate() {
                let most = lacking.min(held(&restored, &of.device));
                let is_waited_for = |(other, spender): (usize, &Spender)| {
                    other != number && !heard[other] && held(&restored, &spender.device) > 0
                };
                let waits = devices.iter().enumerate().any(is_waited_for);
                prop_assert_eq!(asked(&restored, &of.device, now), if waits { 0 } else { most });
                prop_assert_eq!(asked(&restored, &of.device, overdue), most);
            }
        }
    }
}
