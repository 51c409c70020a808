//! What a device is told, for every state of its licence, and whose seat it takes.

use proptest::prelude::*;
use schemas::event::authority::{EntitlementChanged, ReleaseReason};
use schemas::event::device::FingerprintChanged;
use schemas::grant::Revocations;
use schemas::numbers::Seconds;
use schemas::terms::TransferLimit;

use super::*;
use crate::authority::Released;
use crate::fixture::{ISSUED, at};
use crate::grants::issue_grant;
use crate::merge::tests::world::{Device, World};

/// How the second device's activation stands before it is decided on.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// It asked and was not answered.
    Asked,
    /// It holds a seat.
    Seated,
    /// It held one.
    Gone,
    /// It closed its chain and was never answered.
    Closed,
}

/// A licence with one seat less than `seats`, which another device takes, and a second device.
fn license(standing: Standing, before: Before, seats: u32) -> (License, ChainId, Micros) {
    let mut world = World::new(|terms| terms.rules.max_activations = 2);
    let (other, mut device) = (Device::new(1), Device::new(2));
    if matches!(before, Before::Closed) {
        device.close();
    }
    world.merge(&other);
    world.merge(&device);
    let (chain, now) = (device.chain(), at(ISSUED) + Seconds(60));
    let mut license = world.license;
    license.standing = standing;
    license.terms.rules.max_activations = seats;
    match before {
        Before::Asked | Before::Closed => drop(license.activations.remove(&chain)),
        Before::Seated => {}
        Before::Gone => {
            let released = Released { at: now, why: ReleaseReason::Operator, seat_free_at: now };
            license.activations.get_mut(&chain).expect("it was granted").released = Some(released);
        }
    }
    (license, chain, now)
}

#[test]
fn the_first_rule_that_applies_decides() {
    use Before::{Asked, Closed, Gone, Seated};
    use Standing::{Active, Revoked, Suspended};
    let table = [
        (Active, Asked, 2, SeatDecision::Active),
        (Active, Asked, 1, SeatDecision::Denied(Code::NoSeatFree)),
        (Active, Seated, 2, SeatDecision::Active),
        (Active, Seated, 1, SeatDecision::Active),
        (Active, Gone, 2, SeatDecision::Released),
        (Active, Closed, 2, SeatDecision::Released),
        (Suspended, Asked, 2, SeatDecision::Denied(Code::LicenseSuspended)),
        (Suspended, Seated, 2, SeatDecision::Suspended),
        (Suspended, Gone, 2, SeatDecision::Released),
        (Suspended, Closed, 2, SeatDecision::Released),
        (Revoked, Asked, 2, SeatDecision::Denied(Code::LicenseRevoked)),
        (Revoked, Seated, 2, SeatDecision::Revoked),
        (Revoked, Gone, 2, SeatDecision::Released),
        (Revoked, Closed, 2, SeatDecision::Released),
    ];
    for (standing, before, seats, expected) in table {
        let (license, chain, now) = license(standing, before, seats);
        assert_eq!(decision(&license, &chain, now), expected, "{standing:?}, {before:?}, {seats} seats");
    }
}

#[test]
fn an_expired_licence_takes_no_newcomer_and_leaves_seats_as_they_are() {
    for (before, expected) in
        [(Before::Asked, SeatDecision::Denied(Code::LicenseExpired)), (Before::Seated, SeatDecision::Active)]
    {
        let (mut license, chain, now) = license(Standing::Active, before, 2);
        license.terms.entitlement.valid_until = Some(now);
        assert_eq!(decision(&license, &chain, now), expected, "{before:?}");
        license.terms.entitlement.valid_until = Some(now + Seconds(1));
        assert_eq!(decision(&license, &chain, now), SeatDecision::Active, "{before:?}, just before the end");
    }
}

/// A licence with `seats` seats whose devices have one fingerprint each, by their number.
fn seats_of(seats: u32, same_device: SameDevice) -> World {
    World::new(|terms| {
        terms.rules.max_activations = seats;
        terms.rules.same_device = same_device;
    })
}

/// A device of its own: nothing of its fingerprint is like that of another number.
pub(super) fn device(key: u8, number: u8) -> Device {
    Device::with_fingerprint(key, crate::fixture::fingerprint([number; 5]))
}

pub(super) fn denied(world: &World, device: &Device) -> Option<String> {
    let activation = &world.license.activations[&device.chain()];
    activation.reason.as_ref().map(ToString::to_string)
}

#[test]
fn a_second_activation_on_the_same_device_does_what_the_policy_says() {
    let table = [
        (SameDevice::Supersede, 1, GrantStatus::Released, GrantStatus::Active, None),
        (SameDevice::Count, 2, GrantStatus::Active, GrantStatus::Active, None),
        (SameDevice::Refuse, 1, GrantStatus::Active, GrantStatus::Denied, Some("same_device")),
    ];
    for (rule, seats, first_ends, second_ends, reason) in table {
        let mut world = seats_of(2, rule);
        let (first, second, other) = (device(1, 1), device(2, 1), device(3, 2));
        world.merge(&first);
        world.merge(&second);
        assert_eq!(world.seats_taken(), seats, "{rule}");
        assert_eq!(
            (world.status(&first), world.status(&second)),
            (Some(first_ends), Some(second_ends)),
            "{rule}"
        );
        assert_eq!(denied(&world, &second).as_deref(), reason);
        world.merge(&other);
        let elsewhere = if seats == 2 { GrantStatus::Denied } else { GrantStatus::Active };
        assert_eq!(world.status(&other), Some(elsewhere), "{rule}");
    }
}

#[test]
fn the_seat_of_a_superseded_chain_moves_and_its_quota_stays_out() {
    let mut world = seats_of(1, SameDevice::Supersede);
    let (first, second) = (device(1, 1), device(2, 1));
    world.merge(&first);
    assert_eq!((world.granted(&first), world.free()), (1_000, 0));
    world.merge(&second);
    let released = world.license.activations[&first.chain()].released.expect("superseded");
    assert_eq!(released.why, ReleaseReason::Superseded);
    assert_eq!((world.status(&second), world.granted(&second)), (Some(GrantStatus::Active), 0));
}

#[test]
fn a_device_without_a_fingerprint_is_like_no_other() {
    let mut world = seats_of(2, SameDevice::Supersede);
    let bare = |key| Device::with_fingerprint(key, Vec::new());
    world.merge(&bare(1));
    world.merge(&bare(2));
    assert_eq!(world.seats_taken(), 2);
}

pub(super) fn limit(count: u32) -> TransferLimit {
    TransferLimit { count, window: Seconds::days(90) }
}

/// Closes one device after another and lets the next ask; gives what each was told.
fn moves_of(world: &mut World, devices: u8) -> Vec<Option<String>> {
    (1..=devices)
        .map(|number| {
            let mut device = device(number, number);
            world.merge(&device);
            let told = denied(world, &device);
            device.close();
            world.merge(&device);
            told
        })
        .collect()
}

#[test]
fn a_seat_moves_as_often_as_the_window_allows() {
    let exhausted = || Some("transfers_exhausted".to_owned());
    let mut world = seats_of(1, SameDevice::Count);
    world.license.terms.rules.transfers = Some(limit(2));
    assert_eq!(moves_of(&mut world, 5), [None, None, None, exhausted(), exhausted()]);
    let now = world.license.last_at;
    assert_eq!(transfers(&world.license, now).left, Some(0));
    let later = now + Seconds::days(90);
    let moved = transfers(&world.license, later);
    assert_eq!((moved.recent, moved.left, moved.vacant), (0, Some(2), 1));
    let newcomer = device(9, 9);
    world.merge(&newcomer);
    assert_eq!(
        decision(&world.license, &newcomer.chain(), now),
        SeatDecision::Denied(Code::TransfersExhausted)
    );
    assert_eq!(decision(&world.license, &newcomer.chain(), later), SeatDecision::Active);
}

#[test]
fn a_transfer_counts_for_the_whole_window_and_no_longer() {
    let mut world = seats_of(1, SameDevice::Count);
    world.license.terms.rules.transfers = Some(limit(1));
    assert_eq!(moves_of(&mut world, 2), [None, None]);
    let moved_at = world.license.activations[&device(2, 2).chain()].granted_at.expect("granted");
    let over = moved_at + Seconds::days(90);
    let left = |now| transfers(&world.license, now).left;
    assert_eq!([left(Micros::new(over.get() - 1)), left(over)], [Some(0), Some(1)]);
}

#[test]
fn a_seat_that_is_not_free_yet_was_not_given_up() {
    let mut world = seats_of(1, SameDevice::Count);
    let device = device(1, 1);
    world.merge(&device);
    let free_at = world.license.silent_from(&device.chain()).expect("it has a deadline");
    world.write(released(device.chain(), ReleaseReason::Operator, free_at));
    let vacant = |now| transfers(&world.license, now).vacant;
    assert_eq!([vacant(Micros::new(free_at.get() - 1)), vacant(free_at)], [0, 1]);
}

#[test]
fn a_seat_that_was_never_used_is_no_transfer() {
    let mut world = seats_of(2, SameDevice::Count);
    world.license.terms.rules.transfers = Some(limit(0));
    let exhausted = Some("transfers_exhausted".to_owned());
    assert_eq!(moves_of(&mut world, 3), [None, None, exhausted]);
}

#[test]
fn superseding_is_a_transfer() {
    let mut world = seats_of(1, SameDevice::Supersede);
    world.license.terms.rules.transfers = Some(limit(1));
    let devices = [1, 2, 3].map(|key| device(key, 1));
    let told: Vec<_> = devices
        .iter()
        .map(|device| {
            world.merge(device);
            denied(&world, device)
        })
        .collect();
    assert_eq!(told, [None, None, Some("transfers_exhausted".to_owned())]);
    assert_eq!(world.status(&devices[1]), Some(GrantStatus::Active), "a denial displaces nobody");
}

#[test]
fn a_seat_that_is_not_free_yet_is_given_to_nobody_and_freed_by_closing() {
    let mut world = seats_of(1, SameDevice::Count);
    let (mut first, second) = (device(1, 1), device(2, 2));
    world.merge(&first);
    let now = world.license.last_at;
    let free_at = free_at(&world.license, &first.chain(), now, false).expect("it has a deadline");
    assert_eq!(Some(free_at), world.license.silent_from(&first.chain()));
    world.write(released(first.chain(), ReleaseReason::Operator, free_at));
    world.merge(&second);
    assert_eq!(denied(&world, &second).as_deref(), Some("no_seat_free"));
    assert_eq!(decision(&world.license, &second.chain(), free_at), SeatDecision::Active);
    first.close();
    world.merge(&first);
    world.merge(&second);
    assert_eq!(world.status(&second), Some(GrantStatus::Active));
}

#[test]
fn closing_frees_a_seat_only_with_the_whole_chain() {
    let mut world = seats_of(1, SameDevice::Count);
    let mut device = device(1, 1);
    device.consume(1);
    device.close();
    let chain = device.chain();
    world.merge_runs(chain, &[device.run(1, 2)]);
    world.merge_runs(chain, &[device.run(4, 4)]);
    assert_eq!((world.status(&device), world.seats_taken()), (Some(GrantStatus::Active), 1));
    world.merge_runs(chain, &[device.run(3, 4)]);
    assert_eq!((world.status(&device), world.seats_taken()), (Some(GrantStatus::Released), 0));
}

#[test]
fn an_operator_waits_for_the_deadline_or_overrides_it() {
    let mut world = seats_of(1, SameDevice::Count);
    let device = device(1, 1);
    world.merge(&device);
    let (chain, now) = (device.chain(), world.license.last_at);
    let deadline = world.license.silent_from(&chain).expect("it has a deadline");
    let sync_by = world.license.activations[&chain].sync_by.expect("it has a deadline");
    assert_eq!(deadline, sync_by + Seconds::days(8), "the grace and the clock tolerance come on top");
    let at = |license: &License, now, overridden| free_at(license, &chain, now, overridden);
    assert_eq!(at(&world.license, now, false), Ok(deadline));
    assert_eq!(at(&world.license, deadline + Seconds(5), false), Ok(deadline + Seconds(5)));
    assert_eq!(at(&world.license, now, true), Ok(now));
    assert_eq!((silent(&world.license, now), silent(&world.license, deadline)), (vec![], vec![chain]));
    world.write(released(chain, ReleaseReason::Operator, deadline));
    assert_eq!(at(&world.license, now, false), Err(Code::StatusUnchanged));
    assert_eq!(at(&world.license, now, true), Ok(now), "a seat that is waited for can still be freed");
    assert_eq!(at(&world.license, deadline, true), Err(Code::StatusUnchanged));
    let activation = world.license.activations.get_mut(&chain).expect("granted");
    (activation.released, activation.runs_until) = (None, None);
    assert_eq!(at(&world.license, now, false), Err(Code::NoDeadline));
}

/// A device was granted a year ago to go on for so long; the vendor changes its mind, and the device may not hear of it.
#[test]
fn a_device_is_silent_when_its_own_grants_say_so() {
    let mut world = seats_of(1, SameDevice::Count);
    let device = device(1, 1);
    let chain = device.chain();
    world.merge(&device);
    let granted = world.license.silent_from(&chain).expect("it has a deadline");
    let change = |world: &mut World, change: &dyn Fn(&mut schemas::terms::Rules)| {
        let mut terms = world.license.terms.clone();
        change(&mut terms.rules);
        world.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
    };
    let tell = |world: &mut World| {
        let told = |draft: &mut Draft<'_>| issue_grant(draft, chain, Vec::new(), Revocations::default());
        world.work(|draft, _| told(draft)).0.expect("a short grant");
    };
    let shorter = |rules: &mut schemas::terms::Rules| {
        (rules.grace, rules.clock_tolerance, rules.sync_every) =
            (Seconds(0), Seconds(0), Some(Seconds::days(1)));
    };
    let longer = |rules: &mut schemas::terms::Rules| {
        (rules.grace, rules.sync_every) = (Seconds::days(20), Some(Seconds::days(30)));
    };
    for changed in [&shorter as &dyn Fn(&mut _), &longer] {
        change(&mut world, changed);
        assert_eq!(world.license.silent_from(&chain), Some(granted), "it was not told");
    }
    change(&mut world, &shorter);
    tell(&mut world);
    assert_eq!(world.license.silent_from(&chain), Some(granted), "it may not have read it");
    assert_eq!(world.refolded().0.silent_from(&chain), Some(granted));
    for (now, is_silent) in [(granted - Seconds(1), 0), (granted, 1)] {
        assert_eq!(silent(&world.license, now).len(), is_silent);
        let conditions = crate::periods::conditions(&world.license, now, 0);
        assert_eq!(conditions.silent as usize, is_silent, "one meaning everywhere");
    }
    change(&mut world, &longer);
    tell(&mut world);
    let later = granted + Seconds::days(20 - 7 - 1);
    assert_eq!(
        world.license.silent_from(&chain),
        Some(later),
        "the longest time counts, without tolerance now"
    );
    change(&mut world, &|rules| rules.sync_every = None);
    tell(&mut world);
    change(&mut world, &shorter);
    tell(&mut world);
    assert_eq!(world.license.silent_from(&chain), None, "it may go on for ever by one of its grants");
}

/// A trial lasts 14 days.
pub(super) fn trial(terms: &mut schemas::terms::Terms) {
    terms.rules.max_activations = 100;
    terms.valid_from_activation = Some(Seconds::days(14));
    terms.entitlement.valid_until = None;
}

#[test]
fn a_device_has_one_trial_and_its_own_dates() {
    let mut world = World::trial(trial);
    let (mut first, again, other) = (trying(1, [1; 5]), trying(2, [1; 5]), trying(3, [2; 5]));
    world.merge(&first);
    let entitlement = |world: &World, device: &Device, later: u64| {
        let entitlement =
            world.license.entitlement_of(&device.chain(), world.license.last_at + Seconds(later));
        (entitlement.starts_at, entitlement.valid_until)
    };
    let granted_at = |world: &World, device: &Device| world.license.activations[&device.chain()].granted_at;
    first.close();
    world.merge(&first);
    world.merge(&again);
    assert_eq!(denied(&world, &again).as_deref(), Some("trial_used"), "a released chain had it too");
    world.merge(&other);
    assert_eq!(world.status(&other), Some(GrantStatus::Active));
    for device in [&first, &other] {
        let start = granted_at(&world, device).expect("granted");
        assert_eq!(entitlement(&world, device, 5_000), (start, Some(start + Seconds::days(14))));
    }
    assert_ne!(granted_at(&world, &first), granted_at(&world, &other));
    assert_eq!(world.license.terms.valid_from_activation, Some(Seconds::days(14)));
}

pub(super) fn trying(key: u8, values: [u8; 5]) -> Device {
    Device::trying(key, crate::fixture::fingerprint(values))
}

/// Records that parts of a device were changed.
fn change(device: &mut Device, values: [u8; 5]) {
    let fingerprint = crate::fixture::fingerprint(values);
    device.push(Body::FingerprintChanged(FingerprintChanged { fingerprint, matched: 0 }));
}

#[test]
fn a_trial_is_remembered_by_every_fingerprint_that_its_device_recorded() {
    let mut world = World::trial(trial);
    let mut first = trying(1, [1; 5]);
    world.merge(&first);
    change(&mut first, [1, 1, 1, 2, 2]);
    change(&mut first, [3, 3, 3, 2, 2]);
    world.merge(&first);
    for (key, values, expected) in [
        (2, [1; 5], Some("trial_used")),
        (3, [1, 1, 1, 2, 2], Some("trial_used")),
        (4, [3, 3, 3, 2, 2], Some("trial_used")),
        (5, [3, 3, 2, 1, 1], None),
    ] {
        let device = trying(key, values);
        world.merge(&device);
        assert_eq!(denied(&world, &device).as_deref(), expected, "{values:?}");
    }
    let mut turned = trying(6, [7; 5]);
    change(&mut turned, [1; 5]);
    world.merge(&turned);
    assert_eq!(
        denied(&world, &turned).as_deref(),
        Some("trial_used"),
        "what it was when it asked counts too"
    );
    assert_eq!(world.refolded().0.chains, world.license.chains);
}

#[test]
fn a_device_without_a_fingerprint_has_no_trial() {
    let mut world = World::trial(trial);
    let mut bare = trying(1, [0; 5]);
    world.merge(&bare);
    assert_eq!(denied(&world, &bare).as_deref(), Some("fingerprint_missing"));
    change(&mut bare, [1; 5]);
    world.merge(&bare);
    assert_eq!(world.status(&bare), Some(GrantStatus::Active), "it is told from others now");
    let second = trying(2, [1; 5]);
    world.merge(&second);
    assert_eq!(denied(&world, &second).as_deref(), Some("trial_used"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn seats_and_transfers_stay_within_their_limits(
        steps in prop::collection::vec((0..6_u8, 0..4_u8, any::<bool>()), 1..14),
        seats in 1..3_u32,
        count in 0..3_u32,
    ) {
        let mut world = seats_of(seats, SameDevice::Supersede);
        world.license.terms.rules.transfers = Some(limit(count));
        for (key, number, close) in steps {
            let mut device = device(key + 1, number + 1);
            if close {
                device.close();
            }
            if world.license.chains.get(&device.chain()).is_some_and(|known| known.closed_at.is_some()) {
                continue;
            }
            world.merge(&device);
            prop_assert!(world.seats_taken() <= seats as usize);
            let moved = transfers(&world.license, world.license.last_at);
            prop_assert!(moved.recent <= count as usize);
            prop_assert!(moved.opened <= seats as usize, "{moved:?}");
        }
    }
}
