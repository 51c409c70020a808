//! What a device is told, for every state of its licence.

use schemas::event::authority::ReleaseReason;
use schemas::numbers::Seconds;

use super::*;
use crate::authority::Released;
use crate::fixture::{ISSUED, at};
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
        (Active, Asked, 2, Verdict::Active),
        (Active, Asked, 1, Verdict::Denied(Code::NoSeatFree)),
        (Active, Seated, 2, Verdict::Active),
        (Active, Seated, 1, Verdict::Active),
        (Active, Gone, 2, Verdict::Released),
        (Active, Closed, 2, Verdict::Released),
        (Suspended, Asked, 2, Verdict::Denied(Code::LicenseSuspended)),
        (Suspended, Seated, 2, Verdict::Suspended),
        (Suspended, Gone, 2, Verdict::Released),
        (Suspended, Closed, 2, Verdict::Released),
        (Revoked, Asked, 2, Verdict::Denied(Code::LicenseRevoked)),
        (Revoked, Seated, 2, Verdict::Revoked),
        (Revoked, Gone, 2, Verdict::Released),
        (Revoked, Closed, 2, Verdict::Released),
    ];
    for (standing, before, seats, expected) in table {
        let (license, chain, now) = license(standing, before, seats);
        assert_eq!(verdict(&license, &chain, now), expected, "{standing:?}, {before:?}, {seats} seats");
    }
}

#[test]
fn an_expired_licence_takes_no_newcomer_and_leaves_seats_as_they_are() {
    for (before, expected) in
        [(Before::Asked, Verdict::Denied(Code::LicenseExpired)), (Before::Seated, Verdict::Active)]
    {
        let (mut license, chain, now) = license(Standing::Active, before, 2);
        license.terms.entitlement.valid_until = Some(now);
        assert_eq!(verdict(&license, &chain, now), expected, "{before:?}");
        license.terms.entitlement.valid_until = Some(now + Seconds(1));
        assert_eq!(verdict(&license, &chain, now), Verdict::Active, "{before:?}, just before the end");
    }
}
