//! Where runs attach, and what devices are told, with runs that are really signed.

mod copies;
mod order;
pub(crate) mod world;

use std::convert::Infallible;

use proptest::prelude::*;
use schemas::event::Body;
use schemas::event::authority::LicenseStatusChanged;
use schemas::event::device::{FeatureRefunded, QuotaReturned};
use schemas::grant::GrantStatus;
use schemas::numbers::{Amount, Seconds};

use self::world::{Device, World, merge, month, total};
use super::*;
use crate::authority::License;
use crate::chain::Head;
use crate::fixture::{ISSUED, RENDER, at};
use crate::forks::Verdict;

/// A device with six events: what it asks with, and four consumptions.
fn busy(seed: u8) -> Device {
    let mut device = Device::new(seed);
    (1..=4).for_each(|n| device.consume(n));
    device
}

/// A trunk that stands at `head`.
fn trunk(head: Head) -> Vec<BranchEvidence> {
    if head == Head::START {
        return Vec::new();
    }
    vec![BranchEvidence { number: 0, parent: 0, first_seq: Seq(1), head }]
}

#[test]
fn every_plan_follows_from_the_head_and_the_overlap() {
    let known = busy(1);
    let mut other = known.clone();
    other.events.truncate(1);
    (1..=5).for_each(|n| other.consume(n));
    let append = |from| Plan::Append { branch: 0, from };
    let part = |from| Plan::Part { parent: 0, from };
    let (waits, contradicts) = (Plan::Wait { against: None }, Plan::Wait { against: Some(0) });
    let same = Plan::Known;
    let table = [
        (0, &known, 1, 6, append(0)),
        (0, &known, 2, 3, waits),
        (3, &known, 1, 3, same),
        (3, &known, 2, 3, same),
        (3, &known, 1, 2, same),
        (3, &known, 1, 6, append(3)),
        (3, &known, 3, 4, append(1)),
        (3, &known, 4, 6, append(0)),
        (3, &known, 5, 6, waits),
        (2, &known, 6, 6, waits),
        (3, &other, 1, 1, same),
        (3, &other, 1, 2, part(1)),
        (3, &other, 2, 6, part(0)),
        (3, &other, 1, 6, part(1)),
        (3, &other, 3, 3, contradicts),
        (3, &other, 4, 6, contradicts),
        (3, &other, 5, 6, waits),
    ];
    for (head, device, first, last, expected) in table {
        let head = match head {
            0 => Head::START,
            head => known.run(1, head).head(),
        };
        let link_at = |_, seq| Ok::<_, Infallible>(known.whole().link_at(seq).expect("a known place"));
        let plan = decide(&trunk(head), link_at, &device.run(first, last));
        assert_eq!(plan, Ok(expected), "head {}, places {first} to {last}", head.seq);
    }
}

#[test]
fn a_request_is_granted_and_the_same_again_writes_nothing() {
    let (mut world, device) = (World::new(|_| ()), Device::new(1));
    let outcome = world.merge(&device);
    assert_eq!((outcome.events, outcome.refused), (2, None));
    assert_eq!((world.status(&device), world.seats_taken()), (Some(GrantStatus::Active), 1));
    let before = world.license.clone();
    assert_eq!(world.merge(&device), ChainOutcome::default());
    assert_eq!(world.license, before);
}

/// An answer that was fetched too late is refused by the device, which then has nothing new to say. It was answered with
/// the same grant for ever.
#[test]
fn an_answer_that_can_no_longer_be_applied_is_given_anew_once_an_instant() {
    let mut world = World::new(|terms| {
        terms.rules.max_activations = 1;
        terms.rules.import_for = Some(Seconds::days(3));
    });
    let (device, denied) = (Device::new(1), Device::new(2));
    let again = |world: &mut World, device: &Device, days| {
        let now = at(ISSUED) + Seconds::days(days);
        let before = world.license.clone();
        world.work_at(now, |draft, stored| merge(draft, stored, device.chain(), &[device.whole()]));
        let once = world.license.clone();
        world.work_at(now, |draft, stored| merge(draft, stored, device.chain(), &[device.whole()]));
        assert_eq!(world.license, once, "the same at the same instant writes nothing");
        let newest = &once.activations[&device.chain()];
        assert!(newest.import_until.is_some_and(|until| now < until), "the device can apply its answer");
        once.head.seq.0 - before.head.seq.0
    };
    for (days, written) in [(0, 1), (2, 0), (3, 1), (5, 0), (7, 1)] {
        assert_eq!(again(&mut world, &device, days), written, "after {days} days");
        let sync_by = world.license.activations[&device.chain()].sync_by;
        assert_eq!(sync_by, Some(at(ISSUED) + Seconds::days(30)), "an old report moves no deadline");
    }
    for (days, written) in [(7, 1), (9, 0), (10, 1)] {
        assert_eq!(again(&mut world, &denied, days), written, "denied, after {days} days");
    }
    assert_eq!(world.status(&denied), Some(GrantStatus::Denied));
    let mut closed = device.clone();
    closed.close();
    for (days, written) in [(11, 2), (12, 0), (14, 1)] {
        assert_eq!(again(&mut world, &closed, days), written, "released, after {days} days");
    }
    assert_eq!(world.refolded().0.activations, world.license.activations);
}

/// What a device used stayed untold, while any later stretch of its chain that only waited for it bought a month more.
#[test]
fn a_run_that_waits_moves_no_deadline_and_what_it_waited_for_does() {
    let (mut world, device) = (World::new(|_| ()), busy(1));
    let chain = device.chain();
    let sync_by = |world: &World| world.license.activations[&chain].sync_by;
    world.merge_runs(chain, &[device.run(1, 2)]);
    let (first, day) = (sync_by(&world), at(ISSUED) + Seconds::days(9));
    let before = world.license.head;
    let (waits, _) = world.work_at(day, |draft, stored| merge(draft, stored, chain, &[device.run(5, 6)]));
    assert_eq!((waits.parked, world.license.head.seq), (vec![0], before.seq.next()), "it is answered");
    assert_eq!((first, sync_by(&world)), (Some(at(ISSUED) + Seconds::days(30)), first));
    let (came, _) = world.work_at(day, |draft, stored| merge(draft, stored, chain, &[device.run(3, 4)]));
    assert_eq!((came.events, sync_by(&world)), (4, Some(day + Seconds::days(30))));
}

/// A licence whose terms give answers no time at all cannot make a repeated bundle write for ever.
#[test]
fn an_answer_is_never_given_twice_at_one_instant() {
    let mut world = World::new(|terms| terms.rules.import_for = Some(Seconds(0)));
    let device = Device::new(1);
    world.merge(&device);
    let before = world.license.clone();
    world.merge(&device);
    assert_eq!(world.license, before);
}

#[test]
fn a_newcomer_opens_its_chain_first_and_for_the_licences_product() {
    let mut silent = Device::silent(1);
    silent.ask();
    silent.consume(1);
    let mut world = World::new(|_| ());
    assert_eq!(world.merge(&silent).refused, Some(Code::OriginMismatch));
    let mut foreign = Device::new(2);
    let Body::ChainOpened(opened) = &mut foreign.events[0].body else { panic!("a chain is opened first") };
    opened.product = crate::fixture::text("viewer");
    assert_eq!(world.merge(&foreign).refused, Some(Code::OriginMismatch));
    assert!(world.license.chains.is_empty());
}

#[test]
fn a_claim_beyond_a_gap_proves_nothing() {
    let mut device = Device::silent(1);
    device.push(Body::ChainOpened(Box::new(crate::fixture::opened())));
    device.consume(1);
    device.ask();
    let mut world = World::new(|_| ());
    let parted = [device.run(1, 1), device.run(3, 3)];
    assert_eq!(world.merge_runs(device.chain(), &parted).0.refused, Some(Code::ClaimInvalid));
    let joined = [device.run(1, 1), device.run(1, 2), device.run(2, 3)];
    let (outcome, _) = world.merge_runs(device.chain(), &joined);
    assert_eq!((outcome.refused, outcome.events), (None, 3));
}

/// Merges runs one by one; what is refused or does not attach waits and is tried again together at the end.
fn deliver(device: &Device, runs: [VerifiedRun; 2]) -> License {
    let mut world = World::new(|_| ());
    let mut waiting = Vec::new();
    for run in runs {
        let (outcome, _) = world.merge_runs(device.chain(), std::slice::from_ref(&run));
        assert!(!outcome.forked);
        if outcome.refused.is_some() {
            waiting.push(run);
        }
    }
    waiting.sort_by_key(|run| run.span().first);
    if !waiting.is_empty() {
        let (outcome, _) = world.merge_runs(device.chain(), &waiting);
        assert_eq!((outcome.refused, outcome.parked), (None, vec![]));
    }
    world.license
}

#[test]
fn events_in_two_parts_end_the_same_in_both_orders_however_they_are_cut() {
    let mut device = busy(1);
    device.close();
    let mut whole = World::new(|_| ());
    whole.merge(&device);
    let last = device.events.len();
    for cut in 1..last {
        let parts = || [device.run(1, cut), device.run(cut + 1, last)];
        let [first, second] = parts();
        let in_order = deliver(&device, parts());
        assert_eq!(in_order, deliver(&device, [second, first]), "cut after {cut}");
        assert_eq!(in_order.chains, whole.license.chains, "cut after {cut}");
    }
}

#[test]
fn a_shorter_run_after_a_longer_one_in_one_unit_of_work_is_known() {
    let (mut world, device) = (World::new(|_| ()), busy(1));
    let (outcomes, _) = world.work(|draft, links| {
        [device.whole(), device.run(1, 4), device.run(3, 5)]
            .map(|run| merge(draft, links, device.chain(), &[run]))
    });
    assert_eq!(outcomes[0].events, 6);
    assert_eq!(outcomes[1..], [ChainOutcome::default(), ChainOutcome::default()]);
}

#[test]
fn a_device_that_was_deactivated_before_any_answer_takes_no_seat() {
    let mut world = World::new(|terms| terms.rules.max_activations = 1);
    let (mut first, second) = (Device::new(1), Device::new(2));
    first.close();
    world.merge(&first);
    assert_eq!((world.status(&first), world.seats_taken()), (Some(GrantStatus::Released), 0));
    world.merge(&second);
    assert_eq!((world.status(&second), world.seats_taken()), (Some(GrantStatus::Active), 1));
}

#[test]
fn a_denied_request_is_granted_once_a_seat_is_free() {
    let mut world = World::new(|terms| terms.rules.max_activations = 1);
    let (mut first, second) = (Device::new(1), Device::new(2));
    world.merge(&first);
    world.merge(&second);
    assert_eq!(world.status(&second), Some(GrantStatus::Denied));
    first.close();
    world.merge(&first);
    assert_eq!(world.merge(&second).events, 0);
    assert_eq!((world.status(&second), world.seats_taken()), (Some(GrantStatus::Active), 1));
}

#[test]
fn a_denied_device_that_closed_gets_no_seat_for_its_old_request() {
    let mut world = World::new(|terms| terms.rules.max_activations = 1);
    let (mut first, mut second) = (Device::new(1), Device::new(2));
    let request = second.clone();
    world.merge(&first);
    world.merge(&second);
    second.close();
    world.merge(&second);
    first.close();
    world.merge(&first);
    world.merge(&request);
    assert_eq!((world.status(&second), world.seats_taken()), (Some(GrantStatus::Released), 0));
}

#[test]
fn what_a_closed_chain_held_is_free_again() {
    let (mut world, mut device) = (World::new(|_| ()), Device::new(1));
    world.merge(&device);
    assert_eq!((world.granted(&device), world.free()), (500, 500));
    device.consume(100);
    device.close();
    world.merge(&device);
    assert_eq!(world.free(), 900);
}

#[test]
fn what_a_restored_chain_held_stays_out_when_the_copy_that_went_on_closes() {
    let (mut world, mut lost) = (World::new(|_| ()), Device::new(1));
    world.merge(&lost);
    let mut restored = lost.clone();
    lost.consume(100);
    // What the lost history spends after this report, nobody may ever tell.
    world.merge(&lost);
    let free = world.free();
    let shared = restored.events.len();
    restored.consume(1);
    restored.close();
    for event in &mut restored.events[shared..] {
        event.at = event.at + Seconds(60);
    }
    world.merge(&restored);
    let chain = &world.license.chains[&lost.chain()];
    assert_eq!(chain.fork.map(|fork| fork.verdict), Some(Verdict::Restored));
    assert!(chain.closed_at.is_some());
    assert_eq!(world.free(), free);
    lost.close();
    world.merge(&lost);
    assert_eq!(world.free(), 1_000 - 101);
}

#[test]
fn a_suspended_licence_still_takes_evidence_in() {
    let (mut world, mut device) = (World::new(|_| ()), Device::new(1));
    world.merge(&device);
    world.write(Body::LicenseSuspended(LicenseStatusChanged { reason: None }));
    device.consume(7);
    assert_eq!(world.merge(&device).events, 1);
    assert_eq!(world.status(&device), Some(GrantStatus::Suspended));
    let meter = world.license.chains[&device.chain()].meters[&(RENDER, month())];
    assert_eq!(meter.net(), 7);
}

#[test]
fn the_second_device_gets_what_the_first_left_of_the_quota() {
    let mut world = World::new(|terms| terms.rules.quotas[0].share = Some(total(600)));
    let (first, second) = (Device::new(1), Device::new(2));
    world.merge(&first);
    world.merge(&second);
    assert_eq!([world.granted(&first), world.granted(&second)], [600, 400]);
    assert_eq!(world.free(), 0);
}

/// What a device does between two reports, true or not.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Consume(u64),
    Refund(u64),
    Return { n: u64, total: u64 },
    Close,
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        4 => (1..700_u64).prop_map(Deed::Consume),
        2 => (1..700_u64).prop_map(Deed::Refund),
        2 => (1..700_u64, 1..1_000_000_u64).prop_map(|(n, total)| Deed::Return { n, total }),
        1 => Just(Deed::Close),
    ];
    prop::collection::vec((0..3_usize, deed), 1..10)
}

fn perform(device: &mut Device, deed: Deed) {
    let amount = |n| Amount::new(n).expect("small");
    let (feature, period) = (RENDER, month());
    match deed {
        Deed::Consume(n) => device.consume(n),
        Deed::Refund(n) => device.push(Body::FeatureRefunded(FeatureRefunded {
            feature,
            period,
            n: amount(n),
            consumption: Seq(3),
        })),
        Deed::Return { n, total: stated } => device.push(Body::QuotaReturned(QuotaReturned {
            feature,
            period,
            n: amount(n),
            total: total(stated),
        })),
        Deed::Close => device.close(),
    }
}

/// Three devices that hold a seat and a third of the quota each.
fn three_devices() -> (World, [Device; 3]) {
    let mut world = World::new(|terms| terms.rules.max_activations = 3);
    let devices = [1, 2, 3].map(Device::new);
    for device in &devices {
        world.merge(device);
    }
    (world, devices)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn nothing_is_raised_beyond_what_is_free(deeds in deeds()) {
        let (mut world, mut devices) = three_devices();
        for (of, deed) in deeds {
            let device = &mut devices[of];
            perform(device, deed);
            let before = world.granted(device);
            world.merge(device);
            let after = world.granted(device);
            prop_assert!(after >= before);
            prop_assert!(after == before || world.free() >= 0, "{deed:?} raised {before} to {after}");
        }
    }

    #[test]
    fn a_device_that_returned_what_it_never_held_is_raised_no_more(deeds in deeds(), liar in 0..3_usize) {
        let (mut world, mut devices) = three_devices();
        perform(&mut devices[liar], Deed::Return { n: 1, total: 1_000_000 });
        world.merge(&devices[liar]);
        let held = world.granted(&devices[liar]);
        for (of, deed) in deeds {
            perform(&mut devices[of], deed);
            world.merge(&devices[of]);
            prop_assert_eq!(world.granted(&devices[liar]), held);
        }
    }

    #[test]
    fn without_returns_the_devices_never_get_more_than_the_limit(deeds in deeds()) {
        let (mut world, mut devices) = three_devices();
        for (of, deed) in deeds {
            if !matches!(deed, Deed::Consume(_) | Deed::Refund(_)) {
                continue;
            }
            perform(&mut devices[of], deed);
            world.merge(&devices[of]);
            let granted: u64 = devices.iter().map(|device| world.granted(device)).sum();
            prop_assert!(granted <= 1_000, "{granted}");
        }
    }
}
