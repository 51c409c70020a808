//! What copies of a device can and cannot get: nothing that one of them gives back is free while another may spend it.

use schemas::event::authority::LicenseStatusChanged;
use schemas::event::device::{ActivationRequested, Claim, FeatureRefunded, QuotaReturned, SuccessorClaim};
use schemas::grant::{GrantStatus, Revocations};
use schemas::ids::Signature;
use schemas::limits;
use schemas::numbers::Amount;

use super::*;
use crate::fixture::RENDER;

fn give_back(device: &mut Device, n: u64, stated: u64) {
    device.push(Body::QuotaReturned(QuotaReturned {
        feature: RENDER,
        period: month(),
        n: Amount::new(n).expect("small"),
        total: total(stated),
    }));
}

/// A device that returned 20 units, and two copies of it that went on, the second not merged yet.
fn copied() -> (World, Device, Device) {
    let mut world = World::new(|_| ());
    let mut device = Device::new(1);
    world.merge(&device);
    device.consume(10);
    give_back(&mut device, 20, 20);
    world.merge(&device);
    let mut copy = device.clone();
    device.consume(3);
    copy.consume(4);
    world.merge(&device);
    (world, device, copy)
}

#[test]
fn a_forked_chain_is_topped_up_no_more() {
    let (mut world, mut device, copy) = copied();
    world.merge(&copy);
    let granted = world.granted(&device);
    device.consume(200);
    world.merge(&device);
    assert_eq!(world.granted(&device), granted);
    assert!(world.license.forks.contains_key(&device.chain()));
}

#[test]
fn nothing_is_raised_while_what_came_may_not_be_all_that_was_spent() {
    let (mut world, mut device) = (World::new(|_| ()), Device::new(1));
    world.merge(&device);
    device.consume(100);
    let first = device.events.len();
    (0..4).for_each(|_| device.consume(1));
    let granted = world.granted(&device);
    world.merge_runs(device.chain(), &[device.run(first + 2, first + 3)]);
    world.merge_runs(device.chain(), &[device.run(first, first)]);
    assert_eq!(world.granted(&device), granted);
    world.merge(&device);
    assert!(world.granted(&device) > granted, "all is here now");
}

#[test]
fn no_copy_frees_a_unit_by_returning_refunding_or_closing() {
    for act in [
        (|device| give_back(device, 100, 120)) as fn(&mut Device),
        |device| {
            device.push(Body::FeatureRefunded(FeatureRefunded {
                feature: RENDER,
                period: month(),
                n: Amount::new(10).expect("small"),
                consumption: Seq(3),
            }));
        },
        Device::close,
    ] {
        let (mut world, mut device, copy) = copied();
        world.merge(&copy);
        let free = world.free();
        act(&mut device);
        world.merge(&device);
        assert!(world.free() <= free, "{} is free, {free} was before", world.free());
    }
}

#[test]
fn a_copy_of_which_only_a_contradiction_is_here_frees_nothing_either() {
    let (mut world, mut device, mut copy) = copied();
    copy.consume(5);
    let last = copy.events.len();
    let (outcome, _) = world.merge_runs(copy.chain(), &[copy.run(last, last)]);
    assert!(outcome.forked && world.license.chains[&device.chain()].fork.is_none());
    let free = world.free();
    give_back(&mut device, 100, 120);
    world.merge(&device);
    device.close();
    world.merge(&device);
    assert!(world.free() <= free);
    assert!(world.license.fork_of(&device.chain()).is_some());
}

#[test]
fn every_copy_closed_frees_what_the_device_held() {
    let (mut world, mut device, mut copy) = copied();
    world.merge(&copy);
    device.close();
    copy.close();
    world.merge(&device);
    world.merge(&copy);
    assert_eq!(world.free(), 1_000 - 10 - 3 - 4);
    assert_eq!(world.status(&device), Some(GrantStatus::Released));
}

#[test]
fn only_news_of_a_fork_is_told_as_one() {
    let (mut world, device, mut copy) = copied();
    assert!(world.merge(&copy).forked);
    copy.consume(1);
    assert!(!world.merge(&copy).forked, "the copy's ordinary report");
    assert!(!world.merge(&device).forked);
}

#[test]
fn what_comes_while_the_licence_does_not_stand_is_late() {
    let (mut world, mut device, _) = copied();
    device.consume(1);
    assert!(!world.merge(&device).late);
    world.write(Body::LicenseSuspended(LicenseStatusChanged { reason: None }));
    device.consume(1);
    assert!(world.merge(&device).late);
}

#[test]
fn a_claim_that_does_not_attach_proves_nothing() {
    let mut world = World::new(|_| ());
    let mut silent = Device::silent(1);
    silent.push(Body::ChainOpened(Box::new(crate::fixture::opened())));
    silent.consume(1);
    silent.consume(2);
    let mut other = silent.clone();
    other.events.truncate(1);
    other.consume(9);
    other.ask();
    let runs = [silent.run(1, 3), other.run(3, 3)];
    assert_eq!(world.merge_runs(silent.chain(), &runs).0.refused, Some(Code::ClaimInvalid));
}

#[test]
fn the_copy_that_reported_last_is_acknowledged() {
    let (mut world, mut device, mut copy) = copied();
    let head = |device: &Device| device.whole().head();
    let acknowledged = |world: &World| Head::from(world.license.activations[&device.chain()].ack);
    assert_eq!(acknowledged(&world), head(&device));
    world.merge(&copy);
    assert_eq!(acknowledged(&world), head(&copy));
    let chain = device.chain();
    world
        .work(|draft, _| grants::issue_grant(draft, chain, Vec::new(), Revocations::default()))
        .0
        .expect("a short grant");
    assert_eq!(acknowledged(&world), head(&copy), "without a report it stays");
    device.consume(1);
    world.merge(&device);
    assert_eq!(Head::from(world.license.activations[&chain].ack), head(&device));
    copy.consume(1);
    world.merge(&copy);
    assert_eq!(Head::from(world.license.activations[&chain].ack), head(&copy));
}

#[test]
fn so_many_histories_are_kept_and_what_is_more_waits() {
    let mut world = World::new(|_| ());
    let device = Device::new(1);
    let on = |n: u64| {
        let mut copy = device.clone();
        copy.consume(n);
        copy
    };
    for n in 1..=limits::BRANCHES as u64 {
        assert_eq!(world.merge(&on(n)).left_out, [], "history {n}");
    }
    let before = world.license.chains.clone();
    let one_more = world.merge(&on(1_000));
    assert_eq!((one_more.events, one_more.left_out), (0, vec![(0, Code::BranchesFull)]));
    assert_eq!(world.license.chains, before);
    let mut known = on(5);
    known.consume(1);
    assert_eq!(world.merge(&known).events, 1, "a history that is kept goes on");
}

/// A device that asks twice: in one history with its key, in another as the successor of a chain that never signed.
#[test]
fn a_history_that_claims_what_it_cannot_prove_tells_of_the_fork_and_moves_nothing() {
    let mut world = World::new(|_| ());
    let (other, device) = (Device::new(2), Device::new(1));
    world.merge(&other);
    world.merge(&device);
    let mut forged = device.clone();
    forged.events.truncate(1);
    forged.slip(-1);
    let claim = SuccessorClaim { follows: other.chain(), signature: Signature([7; 64]) };
    let claim = Claim::Successor(claim);
    forged.push(Body::ActivationRequested(Box::new(ActivationRequested { claim })));
    forged.consume(5);
    let before = world.license.chains[&device.chain()].clone();
    let (outcome, _) = world.merge_runs(forged.chain(), &[forged.whole()]);
    assert_eq!((outcome.left_out, outcome.events), (vec![(0, Code::ClaimInvalid)], 0));
    assert!(outcome.forked && world.license.fork_of(&device.chain()) == Some(Seq(2)));
    assert_eq!(world.license.chains[&device.chain()], before);
    assert_eq!(world.status(&other), Some(GrantStatus::Active));
    // As a newcomer it is refused, and waits for what proves it.
    let mut empty = World::new(|_| ());
    assert_eq!(empty.merge(&forged).refused, Some(Code::ChainGap));
    empty.merge(&other);
    assert_eq!(empty.merge(&forged).refused, Some(Code::ClaimInvalid));
}

#[test]
fn of_copies_that_opened_in_their_own_words_any_proves_the_chain() {
    let opened = |seconds| {
        let mut device = Device::silent(1);
        device.slip(seconds);
        device.push(Body::ChainOpened(Box::new(crate::fixture::opened())));
        device.consume(1);
        device
    };
    let (silent, mut asking) = (opened(0), opened(9));
    asking.ask();
    for parts in [[silent.run(1, 1), asking.run(1, 3)], [asking.run(1, 3), silent.run(1, 1)]] {
        let mut world = World::new(|_| ());
        let (outcome, _) = world.merge_runs(silent.chain(), &parts);
        assert_eq!((outcome.refused, outcome.events), (None, 4));
        let known = &world.license.chains[&silent.chain()];
        assert_eq!(known.opened_at, Some(silent.events[0].at), "the earlier opening, whichever came first");
        assert_eq!(known.requested_at, Some(asking.events[2].at));
    }
}

#[test]
fn a_chain_is_closed_when_its_last_copy_was() {
    let (mut world, mut device, mut copy) = copied();
    world.merge(&copy);
    copy.consume(1);
    for (of, closed) in [(&mut device, false), (&mut copy, true)] {
        of.close();
        world.merge(of);
        assert_eq!(world.license.chains[&of.chain()].closed_at.is_some(), closed);
    }
    let last = copy.events.last().expect("it closed").at;
    assert!(device.events.iter().all(|event| event.at < last));
    assert_eq!(world.license.chains[&copy.chain()].closed_at, Some(last));
}
