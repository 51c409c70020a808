//! When a device is told to heal, and that its successor then has the seat.

use schemas::event::Body;
use schemas::numbers::{Seconds, Seq};

use super::super::tests::{denied, device, limit, trial, trying};
use super::super::{SeatDecision, Seating, decision, displaced, released, seating, transfers};
use super::*;
use crate::authority::Released;
use crate::fixture::opened;
use crate::forks;
use crate::merge::tests::world::{Device, World};

mod promises;

/// A licence that heals, with a chain that forked in a way and holds its only seat, and a chain that follows it.
fn forked(heals: Option<TransferLimit>, on_fork: OnFork, how: forks::Verdict) -> (World, Device, Device) {
    let mut world = World::new(|terms| {
        terms.rules.max_activations = 1;
        terms.rules.transfers = Some(limit(0));
        terms.rules.on_fork = on_fork;
        terms.rules.heals = heals;
    });
    let (old, new) = (device(1, 1), device(2, 1));
    world.merge(&old);
    world.merge(&new);
    fork(&mut world, &old, how);
    follow(&mut world, &new, &old);
    (world, old, new)
}

fn evidence<'a>(world: &'a mut World, device: &Device) -> &'a mut Chain {
    world.license.chains.get_mut(&device.chain()).expect("merged")
}

fn fork(world: &mut World, device: &Device, verdict: forks::Verdict) {
    evidence(world, device).fork = Some(forks::Fork { seq: Seq(3), verdict });
}

fn follow(world: &mut World, new: &Device, old: &Device) {
    evidence(world, new).follows = Some(old.chain());
}

/// Gives a chain its seat, as [`seating`] said.
fn seat(world: &mut World, device: &Device) {
    let Seating { decision, displaced: given_up } =
        seating(&world.license, &device.chain(), world.license.last_at);
    assert_eq!(decision, SeatDecision::Active);
    for old in given_up {
        let now = world.license.last_at;
        world.write(displaced(&world.license, old, now));
    }
    let granted_at = world.license.last_at + Seconds(1);
    world.license.activations.get_mut(&device.chain()).expect("it asked").granted_at = Some(granted_at);
    world.license.last_at = granted_at;
}

#[test]
fn a_successor_takes_its_chains_seat_where_the_policy_heals_a_restored_device() {
    use forks::Verdict::{Clone, Restored, Unknown};
    let no = SeatDecision::Denied(Code::HealRefused);
    let table = [
        (OnFork::Heal, Some(limit(1)), Restored, SeatDecision::Active),
        (OnFork::Heal, Some(limit(1)), Clone, no),
        (OnFork::Heal, Some(limit(1)), Unknown, no),
        (OnFork::Heal, Some(limit(0)), Restored, no),
        (OnFork::Heal, None, Restored, no),
        (OnFork::Flag, Some(limit(1)), Restored, no),
        (OnFork::Stop, Some(limit(1)), Restored, no),
    ];
    for (on_fork, heals, how, expected) in table {
        let (world, old, new) = forked(heals, on_fork, how);
        let seating = seating(&world.license, &new.chain(), world.license.last_at);
        let displaced = if expected == no { Vec::new() } else { vec![old.chain()] };
        assert_eq!(seating, Seating { decision: expected, displaced }, "{on_fork}, {how:?}");
    }
}

#[test]
fn a_successor_that_asks_again_with_its_key_stays_one() {
    let (mut world, old, _) = forked(Some(limit(1)), OnFork::Heal, forks::Verdict::Restored);
    let mut new = Device::silent(3);
    new.push(Body::ChainOpened(Box::new(opened())));
    new.follow(&old);
    world.merge(&new);
    let before = heals(&world.license);
    assert_eq!(before.iter().map(|heal| heal.follows).collect::<Vec<_>>(), [old.chain()]);
    new.ask();
    assert_eq!(world.merge(&new).events, 1);
    assert_eq!(evidence(&mut world, &new).follows, Some(old.chain()));
    assert_eq!(heals(&world.license), before);
}

#[test]
fn a_device_is_told_to_heal_only_where_its_successor_would_be_given_the_seat() {
    use forks::Verdict::{Clone, Restored, Unknown};
    let table = [
        (OnFork::Heal, Some(limit(1)), Restored, OnFork::Heal),
        (OnFork::Heal, Some(limit(0)), Restored, OnFork::Stop),
        (OnFork::Heal, None, Restored, OnFork::Stop),
        (OnFork::Heal, Some(limit(1)), Clone, OnFork::Stop),
        (OnFork::Heal, Some(limit(1)), Unknown, OnFork::Stop),
        (OnFork::Flag, Some(limit(1)), Restored, OnFork::Flag),
    ];
    for (policy, heals, how, expected) in table {
        let (world, old, _) = forked(heals, policy, how);
        assert_eq!(
            on_fork(&world.license, &old.chain(), world.license.last_at),
            expected,
            "{policy}, {how:?}"
        );
    }
}

#[test]
fn a_chain_that_did_not_fork_or_is_followed_already_has_no_successor() {
    let no = SeatDecision::Denied(Code::HealRefused);
    let (mut world, old, new) = forked(Some(limit(5)), OnFork::Heal, forks::Verdict::Restored);
    let (another, now) = (device(3, 1), world.license.last_at);
    world.merge(&another);
    follow(&mut world, &another, &old);
    assert_eq!(decision(&world.license, &another.chain(), now), SeatDecision::Active);
    seat(&mut world, &new);
    assert_eq!(decision(&world.license, &another.chain(), now), no, "the old chain has its successor");
    follow(&mut world, &another, &new);
    assert_eq!(decision(&world.license, &another.chain(), now), no, "what did not fork needs no healing");
    evidence(&mut world, &another).follows = Some(ChainId([9; 32]));
    assert_eq!(decision(&world.license, &another.chain(), now), no, "a stranger");
}

#[test]
fn an_old_chain_that_closed_first_leaves_its_seat_to_its_successor() {
    let (mut world, old, new) = forked(Some(limit(1)), OnFork::Heal, forks::Verdict::Restored);
    let now = world.license.last_at;
    world.write(released(old.chain(), ReleaseReason::Closed, now));
    let now = world.license.last_at;
    assert_eq!(
        seating(&world.license, &new.chain(), now),
        Seating { decision: SeatDecision::Active, displaced: Vec::new() }
    );
    let mut followed = world.clone();
    followed.license.terms.rules.heals = Some(limit(5));
    let another = device(3, 1);
    followed.merge(&another);
    follow(&mut followed, &another, &old);
    seat(&mut followed, &new);
    let second = decision(&followed.license, &another.chain(), followed.license.last_at);
    assert_eq!(second, SeatDecision::Denied(Code::HealRefused), "it has one successor");
    world.license.activations.get_mut(&old.chain()).expect("granted").released =
        Some(Released { at: now, why: ReleaseReason::Operator, seat_free_at: now });
    let taken_away = decision(&world.license, &new.chain(), now);
    assert_eq!(taken_away, SeatDecision::Denied(Code::HealRefused), "what was taken away is not healed");
}

#[test]
fn a_healed_device_counts_as_no_transfer_and_once_in_its_window() {
    let (mut world, _, new) = forked(Some(limit(1)), OnFork::Heal, forks::Verdict::Restored);
    seat(&mut world, &new);
    let now = world.license.last_at;
    let moved = transfers(&world.license, now);
    assert_eq!((moved.vacant, moved.recent, moved.opened), (0, 0, 1));
    let third = device(3, 1);
    world.merge(&third);
    fork(&mut world, &new, forks::Verdict::Restored);
    follow(&mut world, &third, &new);
    assert_eq!(decision(&world.license, &third.chain(), now), SeatDecision::Denied(Code::HealRefused));
    let later = now + Seconds::days(90);
    assert_eq!(decision(&world.license, &third.chain(), later), SeatDecision::Active);
}

#[test]
fn a_restored_device_goes_on_with_its_trial_and_its_dates() {
    let mut world = World::trial(|terms| {
        trial(terms);
        terms.rules.on_fork = OnFork::Heal;
        terms.rules.heals = Some(limit(1));
    });
    let (old, new) = (trying(1, [1; 5]), trying(2, [1; 5]));
    world.merge(&old);
    let dates = |world: &World, device: &Device| {
        let later = world.license.last_at + Seconds::days(3);
        world.license.entitlement_of(&device.chain(), later).valid_until
    };
    let until = dates(&world, &old);
    world.merge(&new);
    assert_eq!(denied(&world, &new).as_deref(), Some("trial_used"));
    fork(&mut world, &old, forks::Verdict::Restored);
    follow(&mut world, &new, &old);
    assert_eq!(decision(&world.license, &new.chain(), world.license.last_at), SeatDecision::Active);
    assert_eq!(dates(&world, &new), until, "a heal makes no trial longer");
    seat(&mut world, &new);
    assert_eq!(dates(&world, &new), until);
}
