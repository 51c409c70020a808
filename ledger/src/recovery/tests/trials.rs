//! Trials that a device was given twice.

use schemas::event::device::FingerprintChanged;

use super::*;
use crate::fixture::fingerprint;

fn trials() -> World {
    World::trial(|terms| {
        terms.valid_from_activation = Some(Seconds::days(14));
        terms.rules.max_activations = 10;
    })
}

/// A trial that the backup had lost, another one on the same device, and one of somebody else.
fn tried() -> (World, Grant, [Device; 3]) {
    let mut world = trials();
    let backup = world.clone();
    let devices = [(1, 1), (2, 1), (3, 2)].map(|(seed, of)| Device::trying(seed, fingerprint([of; 5])));
    let lost = merged(&mut world, &devices[0]);
    let mut restored = restore(&backup);
    restored.merge(&devices[1]);
    restored.merge(&devices[2]);
    assert!(devices[1..].iter().all(|device| seat(&restored, device).is_some()));
    (restored, lost, devices)
}

#[test]
fn a_trial_that_comes_back_beside_another_on_its_device_is_told_and_both_stand() {
    let (mut world, lost, [first, second, other]) = tried();
    assert_eq!(tried_twice(&world.license), []);
    assert!(come_at(&mut world, at(ISSUED) + Seconds::days(5), &lost));
    assert_eq!(tried_twice(&world.license), [], "nothing tells yet on which device it is");
    world.merge(&first);
    let (first, second) = (first.chain(), second.chain());
    assert_eq!(tried_twice(&world.license), [TriedTwice { first, second }]);
    let others = [first, second, other.chain()].map(|chain| other_trial(&world.license, &chain));
    assert_eq!(others, [Some(second), Some(first), None]);
    assert!([first, second].iter().all(|chain| world.license.activations[chain].holds_seat()));
    assert_refolds(&world);
}

#[test]
fn a_trial_that_was_never_lost_is_told_of_no_device() {
    let mut world = trials();
    let [mut first, second] = [1, 2].map(|seed| Device::trying(seed, fingerprint([seed; 5])));
    world.merge(&first);
    world.merge(&second);
    // Its parts are those of the other one from now on.
    let changed = FingerprintChanged { fingerprint: fingerprint([2; 5]), matched: 0 };
    first.push(Body::FingerprintChanged(changed));
    let mut restored = restore(&world);
    restored.merge(&first);
    assert_eq!(tried_twice(&restored.license), []);
}
