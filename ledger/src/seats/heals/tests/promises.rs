//! What was promised is given, to every device and whatever the vendor changes or tells others meanwhile; and no more is
//! promised than the policy allows.

use proptest::prelude::*;
use schemas::event::Event;
use schemas::event::authority::{EntitlementChanged, LicenseStatusChanged};
use schemas::event::device::{ChainClosed, ChainOpened, CloseReason};
use schemas::grant::{GrantBody, GrantStatus, Revocations};
use schemas::terms::Terms;

use super::super::super::{free_at, silent};
use super::*;
use crate::fixture::{ISSUED, at, fingerprint};
use crate::grants::{Release, issue_grant, release};
use crate::merge::tests::world;

/// A licence with so many seats that heals so often, and otherwise as `change` says.
fn healing(seats: u32, heals: u32) -> World {
    World::new(|terms| {
        terms.rules.max_activations = seats;
        terms.rules.on_fork = OnFork::Heal;
        terms.rules.heals = Some(limit(heals));
    })
}

/// Merges all that a device said: the last grant that it is told.
fn told_at(world: &mut World, now: Micros, device: &Device) -> GrantBody {
    let chain = device.chain();
    let (grant, _) = world.work_at(now, |draft, stored| {
        let outcome = world::merge(draft, stored, chain, &[device.whole()]);
        assert_eq!(outcome.refused, None);
        if draft.grant(&chain).is_none() {
            issue_grant(draft, chain, Vec::new(), Revocations::default()).expect("a short grant");
        }
        draft.grant(&chain).cloned()
    });
    match grant.map(|grant| Event::decode(&grant.core).expect("it was just signed").body) {
        Some(Body::GrantIssued(body)) => *body,
        _ => panic!("nothing was told"),
    }
}

/// Merges all that a device said, which may be denied as before.
fn ask_at(world: &mut World, now: Micros, device: &Device) {
    let chain = device.chain();
    world.work_at(now, |draft, stored| world::merge(draft, stored, chain, &[device.whole()]));
}

fn told(world: &mut World, device: &Device) -> GrantBody {
    told_at(world, at(ISSUED), device)
}

fn on_fork_told(world: &mut World, device: &Device) -> Option<OnFork> {
    told(world, device).forked
}

/// A device that was activated and set back after it had reported, as it goes on. Nothing of that is merged yet.
fn set_back(world: &mut World, number: u8) -> Device {
    let mut device = device(number, number);
    world.merge(&device);
    device.consume(10);
    let mut restored = device.clone();
    device.consume(20);
    world.merge(&device);
    restored.slip(3_600);
    restored.consume(5);
    restored
}

/// Ends the chain of a device, which goes on with a successor.
fn succeed(old: &mut Device, key: u8, number: u8) -> Device {
    let mut new = Device::silent(key);
    let fingerprint = fingerprint([number; 5]);
    new.push(Body::ChainOpened(Box::new(ChainOpened { fingerprint, ..opened() })));
    new.follow(old);
    let (reason, successor) = (CloseReason::Succeeded, Some(new.chain()));
    old.push(Body::ChainClosed(ChainClosed { reason, successor }));
    new
}

/// A change of terms by its name, and what the device is told under it.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Terms), OnFork);

fn change(world: &mut World, change: impl FnOnce(&mut Terms)) {
    let mut terms = world.license.terms.clone();
    change(&mut terms);
    world.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
}

fn assert_refolds(world: &World) {
    assert_eq!(world.refolded().0, world.license);
}

#[test]
fn no_heal_is_promised_where_the_successor_would_be_denied() {
    let until = at(ISSUED) + Seconds(1);
    let changes: [Change<'_>; 5] = [
        ("nothing", &|_| (), OnFork::Heal),
        ("fewer seats than are taken", &|terms| terms.rules.max_activations = 1, OnFork::Stop),
        ("just as many", &|terms| terms.rules.max_activations = 2, OnFork::Heal),
        ("expired", &|terms| terms.entitlement.valid_until = Some(at(ISSUED)), OnFork::Stop),
        ("about to expire", &|terms| terms.entitlement.valid_until = Some(until), OnFork::Heal),
    ];
    for (name, how, expected) in changes {
        let mut world = healing(3, 1);
        world.merge(&device(9, 9));
        let mut old = set_back(&mut world, 1);
        change(&mut world, how);
        assert_eq!(on_fork_told(&mut world, &old), Some(expected), "{name}");
        let new = succeed(&mut old, 2, 1);
        told(&mut world, &old);
        let status = told(&mut world, &new).status;
        assert!(expected != OnFork::Heal || status == GrantStatus::Active, "{name}: {status}");
        assert_refolds(&world);
    }
}

#[test]
fn a_suspended_licence_promises_nothing_and_keeps_what_it_promised() {
    let (mut world, nothing) = (healing(2, 2), LicenseStatusChanged { reason: None });
    let (mut first, second) = (set_back(&mut world, 1), set_back(&mut world, 2));
    assert_eq!(on_fork_told(&mut world, &first), Some(OnFork::Heal));
    world.write(Body::LicenseSuspended(nothing.clone()));
    assert_eq!(on_fork_told(&mut world, &second), Some(OnFork::Stop));
    let new = succeed(&mut first, 3, 1);
    told(&mut world, &first);
    told(&mut world, &new);
    assert_eq!(denied(&world, &new).as_deref(), Some("suspended"));
    world.write(Body::LicenseResumed(nothing));
    assert_eq!(told(&mut world, &new).status, GrantStatus::Active);
    assert_eq!(on_fork_told(&mut world, &second), Some(OnFork::Heal));
}

#[test]
fn a_heal_that_was_promised_to_one_is_not_promised_to_another() {
    let mut world = healing(2, 1);
    let (mut first, second) = (set_back(&mut world, 1), set_back(&mut world, 2));
    for (device, expected) in [(&first, OnFork::Heal), (&second, OnFork::Stop), (&first, OnFork::Heal)] {
        assert_eq!(on_fork_told(&mut world, device), Some(expected));
        assert_refolds(&world);
    }
    let new = succeed(&mut first, 3, 1);
    told(&mut world, &first);
    assert_eq!(on_fork_told(&mut world, &second), Some(OnFork::Stop), "it is on its way");
    assert_eq!(told(&mut world, &new).status, GrantStatus::Active);
    assert_eq!(on_fork_told(&mut world, &second), Some(OnFork::Stop), "it was used");
    let later = world.license.last_at + Seconds::days(90);
    assert_eq!(told_at(&mut world, later, &second).forked, Some(OnFork::Heal));
    assert_refolds(&world);
}

#[test]
fn what_was_promised_is_given_whatever_the_vendor_changed_meanwhile() {
    let changes: [Change<'_>; 4] = [
        ("fewer seats", &|terms| terms.rules.max_activations = 1, OnFork::Heal),
        ("no heals left", &|terms| terms.rules.heals = Some(limit(0)), OnFork::Heal),
        ("no heals", &|terms| terms.rules.heals = None, OnFork::Heal),
        ("another policy", &|terms| terms.rules.on_fork = OnFork::Flag, OnFork::Flag),
    ];
    for (name, how, again) in changes {
        let mut world = healing(2, 1);
        world.merge(&device(9, 9));
        let mut old = set_back(&mut world, 1);
        assert_eq!(on_fork_told(&mut world, &old), Some(OnFork::Heal));
        change(&mut world, how);
        assert_eq!(on_fork_told(&mut world, &old), Some(again), "{name}");
        let new = succeed(&mut old, 2, 1);
        told(&mut world, &old);
        assert_eq!((told(&mut world, &new).status, world.seats_taken()), (GrantStatus::Active, 2), "{name}");
        assert_refolds(&world);
    }
}

#[test]
fn a_copy_that_shows_itself_is_not_healed_beside_the_device_that_was_promised_it() {
    let mut world = healing(1, 1);
    let mut old = set_back(&mut world, 1);
    let mut copy = old.clone();
    assert_eq!(on_fork_told(&mut world, &old), Some(OnFork::Heal));
    let new = succeed(&mut old, 2, 1);
    told(&mut world, &old);
    copy.slip(-1);
    copy.consume(1);
    copy.slip(10);
    copy.consume(1);
    assert_ne!(on_fork_told(&mut world, &copy), Some(OnFork::Heal), "two are at work");
    assert_eq!(told(&mut world, &new).status, GrantStatus::Active);
    let another = succeed(&mut copy, 3, 1);
    told(&mut world, &copy);
    told(&mut world, &another);
    assert_eq!(denied(&world, &another).as_deref(), Some("heal_refused"));
    assert_refolds(&world);
}

#[test]
fn the_seat_of_a_chain_that_ended_for_its_successor_waits_for_it() {
    let mut world = healing(1, 1);
    let mut old = set_back(&mut world, 1);
    told(&mut world, &old);
    let until = world.license.silent_from(&old.chain()).expect("it has a deadline");
    let new = succeed(&mut old, 2, 1);
    assert_eq!(told(&mut world, &old).status, GrantStatus::Released);
    let newcomer = device(3, 3);
    told(&mut world, &newcomer);
    assert_eq!(denied(&world, &newcomer).as_deref(), Some("no_seat_free"));
    let head = world.license.head;
    world.merge(&old);
    assert_eq!(world.license.head, head, "said once");

    let mut late = world.clone();
    assert_eq!(told_at(&mut late, until, &newcomer).status, GrantStatus::Active, "not for ever");
    let mut freed = world.clone();
    let now = freed.license.last_at;
    assert_eq!(free_at(&freed.license, &old.chain(), now, false), Err(Code::StatusUnchanged));
    let by_operator =
        Release { why: ReleaseReason::Operator, seat_free_at: now, overridden: true, reason: None };
    let given_back = freed.work(|draft, _| release(draft, old.chain(), by_operator, Revocations::default()));
    given_back.0.expect("a short grant");
    assert_eq!(told(&mut freed, &newcomer).status, GrantStatus::Active, "an operator frees it");

    assert_eq!(told(&mut world, &new).status, GrantStatus::Active);
    assert_eq!(
        world.license.activations[&old.chain()].released.map(|known| known.why),
        Some(ReleaseReason::Closed)
    );
    assert_eq!(world.seats_taken(), 1);
    for world in [world, late, freed] {
        assert_refolds(&world);
    }
}

#[test]
fn a_device_without_a_deadline_or_past_it_keeps_its_seat_for_its_successor_too() {
    for (sync_every, days) in [(None, 900), (Some(Seconds::days(30)), 900)] {
        let mut world = healing(1, 1);
        change(&mut world, |terms| {
            terms.rules.sync_every = sync_every;
            terms.entitlement.valid_until = None;
        });
        let mut old = set_back(&mut world, 1);
        told(&mut world, &old);
        let now = at(ISSUED) + Seconds::days(days);
        let new = succeed(&mut old, 2, 1);
        told_at(&mut world, now, &old);
        told_at(&mut world, now + Seconds(3_600), &device(3, 3));
        assert_eq!(denied(&world, &device(3, 3)).as_deref(), Some("no_seat_free"));
        assert_eq!(told_at(&mut world, now + Seconds(7_200), &new).status, GrantStatus::Active);
    }
}

#[test]
fn a_promise_ends_with_the_seat() {
    let deactivated = |world: &mut World, mut old: Device| {
        old.close();
        assert_eq!(told(world, &old).status, GrantStatus::Released);
    };
    let taken_back = |world: &mut World, old: Device| {
        let now = world.license.last_at;
        let why = ReleaseReason::Silent;
        let release_it = Release { why, seat_free_at: now, overridden: false, reason: None };
        let done = world.work(|draft, _| release(draft, old.chain(), release_it, Revocations::default()));
        done.0.expect("a short grant");
        assert!(silent(&world.license, now).is_empty());
    };
    for end in [&deactivated as &dyn Fn(&mut World, Device), &taken_back] {
        let mut world = healing(2, 1);
        let (first, second) = (set_back(&mut world, 1), set_back(&mut world, 2));
        assert_eq!(on_fork_told(&mut world, &first), Some(OnFork::Heal));
        assert_eq!(on_fork_told(&mut world, &second), Some(OnFork::Stop));
        end(&mut world, first);
        assert_eq!(world.seats_taken(), 1);
        assert_eq!(on_fork_told(&mut world, &second), Some(OnFork::Heal));
        assert_refolds(&world);
    }
}

/// What happens to a licence of four devices that were set back.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// One reports and reads the answer, if it did not end its chain.
    Report(usize),
    /// One that was told to heal ends its chain and goes on.
    GoOn(usize),
    /// What one that went on says of its new chain arrives.
    Arrive(usize),
    /// Another device asks.
    Newcomer(u8),
    Seats(u32),
    Heals(u32),
    Policy(OnFork),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let policy = prop_oneof![1 => Just(OnFork::Flag), 1 => Just(OnFork::Stop), 4 => Just(OnFork::Heal)];
    let act = prop_oneof![
        6 => (0..4_usize).prop_map(Act::Report),
        3 => (0..4_usize).prop_map(Act::GoOn),
        3 => (0..4_usize).prop_map(Act::Arrive),
        1 => (20..24_u8).prop_map(Act::Newcomer),
        1 => (1..7_u32).prop_map(Act::Seats),
        2 => (0..4_u32).prop_map(Act::Heals),
        1 => policy.prop_map(Act::Policy),
        2 => (1..30_u64).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..24)
}

/// A device that was set back, what it was told last, and its successor.
struct Restored {
    device: Device,
    is_told: bool,
    next: Option<Device>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_goes_on_as_told_is_given_the_seat(acts in acts()) {
        let mut world = healing(4, 2);
        let mut devices: Vec<Restored> = (0..4_u8)
            .map(|number| Restored { device: set_back(&mut world, number), is_told: false, next: None })
            .collect();
        let mut now = at(ISSUED);
        for act in acts {
            match act {
                Act::Report(number) => {
                    let Restored { device, is_told, next: None } = &mut devices[number] else { continue };
                    let before = world.license.clone();
                    *is_told = told_at(&mut world, now, device).promises_heal();
                    let promised = !before.activations[&device.chain()].told_to_heal && *is_told;
                    let limit = before.terms.rules.heals.clone().expect("it heals");
                    let already = spent(&before, &heals(&before), &limit, now);
                    prop_assert!(!promised || already < limit.count as usize, "{already} of {}", limit.count);
                }
                Act::GoOn(number) => {
                    let key = 10 + u8::try_from(number).expect("few");
                    let Restored { device, is_told: true, next } = &mut devices[number] else { continue };
                    if next.is_none() {
                        *next = Some(succeed(device, key, key));
                        told_at(&mut world, now, device);
                    }
                }
                Act::Arrive(number) => {
                    let Restored { next: Some(next), .. } = &devices[number] else { continue };
                    let taken = world.license.seats_taken(now);
                    prop_assert_eq!(told_at(&mut world, now, next).status, GrantStatus::Active);
                    prop_assert_eq!(world.license.seats_taken(now), taken, "a seat that was taken");
                }
                Act::Newcomer(key) => ask_at(&mut world, now, &device(key, key)),
                Act::Seats(seats) => change(&mut world, |terms| terms.rules.max_activations = seats),
                Act::Heals(heals) => change(&mut world, |terms| terms.rules.heals = Some(limit(heals))),
                Act::Policy(policy) => change(&mut world, |terms| terms.rules.on_fork = policy),
                Act::Pass(hours) => now = now + Seconds(hours * 3_600),
            }
        }
        assert_refolds(&world);
    }
}
