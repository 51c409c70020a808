//! What comes back from the grants that devices enclose, once, and what does not.

mod debts;
mod trials;

use std::convert::Infallible;

use proptest::prelude::*;
use schemas::event::authority::{QuotaWrittenOff, ReleaseReason};
use schemas::numbers::{Micros, Revision, Seconds, Total};
use schemas::period::Reset;

use schemas::run::Origin;
use schemas::terms::TransferLimit;

use super::*;
use crate::fixture::{ISSUED, RENDER, at, opened};
use crate::merge::tests::world::{Device, World, month, total};
use crate::refold;
use crate::rows::StoredRun;

/// The last grant that was written for a device, in detached form.
fn merged(world: &mut World, device: &Device) -> Grant {
    let chain = device.chain();
    world
        .work(|draft, links| {
            crate::merge::tests::world::merge(draft, links, chain, &[device.whole()]);
            draft.grant(&chain).cloned()
        })
        .0
        .expect("new events are answered")
}

fn changed(world: &mut World, body: Body) {
    world.write(body);
}

fn refreshed(world: &mut World, device: &Device) -> Grant {
    let chain = device.chain();
    let issued = world.work(|draft, _| {
        grants::issue_grant(draft, chain, Vec::new(), Revocations::default())
            .map(|()| draft.grant(&chain).cloned())
    });
    issued.0.expect("a short grant").expect("it was written")
}

/// Raises the epoch as a restore does.
fn restore(backup: &World) -> World {
    let mut world = backup.clone();
    let next = Epoch(world.license.epoch.0 + 1);
    world.work(|draft, _| draft.raise_epoch(next)).0.expect("a short event");
    world
}

/// A device comes with its last grant: whether anything was written.
fn come(world: &mut World, grant: &Grant) -> bool {
    come_at(world, at(ISSUED), grant)
}

fn come_at(world: &mut World, now: Micros, grant: &Grant) -> bool {
    let enclosed = Enclosed::read(grant.clone()).expect("a grant");
    let (root, none) = (world.root(), Revocations::default());
    let (written, _) = world.work_at(now, |draft, links| {
        let link_at = |chain: &ChainId, seq| Ok::<_, Infallible>(links.link_at(chain, seq));
        let Ok(is_lost) = enclosed.is_lost(draft.license(), link_at);
        match enclosed.believe(draft.license(), &root, &none).filter(|_| is_lost) {
            Some(lost) => take_back(draft, &lost, &none).expect("a short grant"),
            None => false,
        }
    });
    assert_refolds(world);
    written
}

/// What is stored folds to the same licence.
fn assert_refolds(world: &World) {
    let (folded, _) = world.refolded();
    assert_eq!(folded, world.license);
}

fn seat(world: &World, device: &Device) -> Option<Micros> {
    world.license.activations.get(&device.chain()).and_then(|activation| activation.granted_at)
}

fn suspended() -> Body {
    Body::LicenseSuspended(LicenseStatusChanged { reason: None })
}

fn resumed() -> Body {
    Body::LicenseResumed(LicenseStatusChanged { reason: None })
}

fn busy(seed: u8, n: u64) -> Device {
    let mut device = Device::new(seed);
    device.consume(n);
    device
}

#[test]
fn a_grant_that_the_backup_holds_brings_nothing() {
    let mut world = World::new(|_| {});
    let grant = merged(&mut world, &busy(1, 5));
    let head = world.license.head;
    assert!(!come(&mut world, &grant));
    let mut restored = restore(&world);
    assert!(!come(&mut restored, &grant));
    assert_eq!((world.license.head, restored.license.head.seq), (head, Seq(1)));
}

/// The lost grant gave the device a year; the licence as the backup has it gives a month.
#[test]
fn a_device_is_not_silent_before_its_lost_grant_says_so() {
    for suspends in [false, true] {
        let mut world = World::new(|_| {});
        let device = busy(1, 5);
        merged(&mut world, &device);
        let backup = world.clone();
        let mut terms = world.license.terms.clone();
        terms.rules.sync_every = Some(Seconds::days(365));
        changed(&mut world, Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
        let grant = refreshed(&mut world, &device);
        let until = world.license.silent_from(&device.chain());
        let mut restored = restore(&backup);
        if suspends {
            changed(&mut restored, suspended());
        }
        assert!(restored.license.silent_from(&device.chain()) < until);
        assert!(come(&mut restored, &grant));
        assert_eq!(restored.license.silent_from(&device.chain()), until, "suspended: {suspends}");
        let status = if suspends { GrantStatus::Suspended } else { GrantStatus::Active };
        assert_eq!(restored.status(&device), Some(status));
        assert!(!come(&mut restored, &grant), "again, it brings nothing");
    }
}

#[test]
fn an_epoch_goes_on_only_from_the_end_of_the_one_before() {
    let mut world = World::new(|_| {});
    let device = busy(1, 5);
    merged(&mut world, &device);
    let mut restored = restore(&world);
    refreshed(&mut restored, &device);
    let mut runs = restored.runs().to_vec();
    runs.retain(|run| matches!(run.origin, Origin::Authority(_)));
    let folds = |runs: &[StoredRun]| refold::license(runs, &[]).map(|(license, _)| license.epoch);
    runs.reverse();
    assert_eq!(folds(&runs), Ok(Epoch(1)), "in whatever order they are given");
    runs.reverse();
    assert!(runs.len() >= 4, "two of each epoch");
    for number in [1, 2] {
        let mut cut = runs.clone();
        cut.remove(number);
        assert_eq!(folds(&cut), Err(refold::RefoldError::NotRestored), "without run {number}");
    }
}

#[test]
fn a_lost_top_up_comes_back_once_and_asks_for_what_is_missing() {
    let mut world = World::new(|_| {});
    let mut device = busy(1, 5);
    merged(&mut world, &device);
    let backup = world.clone();
    device.consume(300);
    let newest = merged(&mut world, &device);
    assert_eq!(world.granted(&device), 805);

    let mut restored = restore(&backup);
    assert_eq!(restored.granted(&device), 505);
    assert!(come(&mut restored, &newest));
    assert_eq!(restored.granted(&device), 805);
    assert!(!come(&mut restored, &newest), "the second time everything is known");
    let activation = &restored.license.activations[&device.chain()];
    assert_eq!((activation.grant.epoch, activation.ack.seq), (Epoch(1), Seq(3)));
    restored.merge(&device);
    assert_eq!(restored.granted(&device), 805, "U + share, as before");
    assert_eq!(restored.free(), world.free());
}

/// Units were written off after the restore and before the device came with its grant.
#[test]
fn of_a_period_that_is_over_a_device_is_told_no_less_than_is_known() {
    let mut world = World::new(|_| {});
    let device = busy(1, 5);
    let grant = merged(&mut world, &device);
    let (chain, none) = (device.chain(), Revocations::default());
    let enclosed = Enclosed::read(grant).expect("a grant");
    let mut lost = enclosed.believe(&world.license, &world.root(), &none).expect("it is genuine");
    let over = Period::of(Reset::Month, at("2026-01-15"));
    let (granted, written_off) = (total(51), Total::ZERO);
    lost.verified.seq = Seq(lost.verified.seq.0 + 1);
    lost.verified.body.quotas =
        vec![QuotaLine { feature: RENDER, first: over, last: over, granted, written_off }];
    let event = QuotaWrittenOff { chain, feature: RENDER, period: over, total: total(48), overridden: true };
    changed(&mut world, Body::QuotaWrittenOff(event));
    let (told, _) = world.work(|draft, _| {
        assert_eq!(take_back(draft, &lost, &none), Ok(true));
        draft.grant(&chain).cloned().expect("the device is told")
    });
    let told = Enclosed::read(told).expect("a grant").body.quotas;
    let line = told.iter().find(|line| line.first == over).expect("the lost grant's period");
    assert_eq!((line.granted.get(), line.written_off.get()), (51, 48));
}

#[test]
fn the_new_grant_asks_from_the_first_event_that_is_missing() {
    let mut world = World::new(|_| {});
    let mut device = busy(1, 5);
    merged(&mut world, &device);
    let mut restored = restore(&world);
    device.consume(1);
    let newest = merged(&mut world, &device);
    let lost = Enclosed::read(newest)
        .and_then(|enclosed| enclosed.believe(&restored.license, &restored.root(), &Revocations::default()));
    let lost = lost.expect("genuine");
    let (grant, _) = restored.work(|draft, _| {
        take_back(draft, &lost, &Revocations::default()).map(|_| draft.grant(&device.chain()).cloned())
    });
    let grant = grant.expect("short").expect("written");
    let told = trust::verify_grant(&grant, &restored.root()).expect("just signed").body;
    assert_eq!((told.resend_from, told.ack.seq, told.epoch), (Some(Seq(4)), Seq(3), Epoch(1)));
}

#[test]
fn a_lost_seat_comes_back_even_beyond_the_limit() {
    let mut world = World::new(|terms| terms.rules.max_activations = 1);
    let backup = world.clone();
    let (lost, other) = (busy(1, 5), busy(2, 5));
    let newest = merged(&mut world, &lost);
    let mut restored = restore(&backup);
    restored.merge(&other);
    assert!(seat(&restored, &other).is_some() && seat(&restored, &lost).is_none());
    assert!(come(&mut restored, &newest));
    assert!(seat(&restored, &lost).is_some(), "what was granted stays granted");
    assert_eq!(restored.seats_taken(), 2);
    assert!(!come(&mut restored, &newest));
    restored.merge(&lost);
    assert_eq!(restored.status(&lost), Some(GrantStatus::Active));
}

/// A trial that was taken back began anew when it was taken back: whoever tried the product got its time twice.
#[test]
fn a_lost_trial_comes_back_with_its_own_dates() {
    let mut world = World::trial(|terms| {
        terms.valid_from_activation = Some(Seconds::days(14));
        terms.rules.max_activations = 10;
    });
    let backup = world.clone();
    let device = Device::trying(1, crate::fixture::fingerprint([1; 5]));
    merged(&mut world, &device);
    let dates = |world: &World| {
        let entitlement = world.license.entitlement_of(&device.chain(), at(ISSUED) + Seconds::days(9));
        (entitlement.starts_at, entitlement.valid_until)
    };
    let tried = dates(&world);
    let newest = refreshed(&mut world, &device);
    let mut restored = restore(&backup);
    assert!(come_at(&mut restored, at(ISSUED) + Seconds::days(5), &newest));
    assert_eq!(dates(&restored), tried);
    assert_refolds(&restored);
}

#[test]
fn the_newest_lost_grant_says_how_the_licence_stood_in_either_order() {
    for turned in [false, true] {
        let mut world = World::new(|_| {});
        let (first, second) = (busy(1, 5), busy(2, 5));
        merged(&mut world, &first);
        merged(&mut world, &second);
        let backup = world.clone();
        changed(&mut world, suspended());
        let told_suspended = refreshed(&mut world, &first);
        changed(&mut world, resumed());
        let told_active = refreshed(&mut world, &second);
        let mut grants = [told_suspended, told_active];
        if turned {
            grants.reverse();
        }
        let mut restored = restore(&backup);
        for grant in grants.iter().chain(&grants) {
            come(&mut restored, grant);
        }
        assert_eq!(restored.license.standing, Standing::Active, "turned: {turned}");
    }
}

#[test]
fn a_lost_suspension_keeps_the_seat_of_a_device_that_the_backup_did_not_know() {
    let mut world = World::new(|terms| terms.rules.max_activations = 1);
    let backup = world.clone();
    let device = busy(1, 5);
    merged(&mut world, &device);
    changed(&mut world, suspended());
    let newest = refreshed(&mut world, &device);
    let mut restored = restore(&backup);
    assert!(come(&mut restored, &newest));
    assert_eq!(restored.license.standing, Standing::Suspended);
    assert_eq!(restored.status(&device), Some(GrantStatus::Suspended));
    assert!(seat(&restored, &device).is_some());
    assert!(!come(&mut restored, &newest));
}

#[test]
fn what_the_vendor_decided_since_the_restore_stands() {
    let mut world = World::new(|_| {});
    let device = busy(1, 5);
    merged(&mut world, &device);
    let backup = world.clone();
    changed(&mut world, suspended());
    let told = refreshed(&mut world, &device);
    let mut restored = restore(&backup);
    changed(&mut restored, suspended());
    changed(&mut restored, resumed());
    let mut terms = restored.license.terms.clone();
    terms.rules.max_activations = 5;
    changed(&mut restored, Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
    assert!(come(&mut restored, &told));
    assert_eq!(restored.license.standing, Standing::Active);
    assert_eq!(restored.license.terms.rules.max_activations, 5);
    assert_eq!(restored.status(&device), Some(GrantStatus::Active));
}

#[test]
fn a_lost_revision_comes_back_with_the_rules_that_are_known() {
    let mut world = World::new(|_| {});
    let device = busy(1, 5);
    merged(&mut world, &device);
    let backup = world.clone();
    let mut terms = world.license.terms.clone();
    terms.entitlement.revision = Revision(2);
    terms.entitlement.valid_until = Some(at("2030-01-01"));
    changed(&mut world, Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
    let newest = refreshed(&mut world, &device);
    let mut restored = restore(&backup);
    assert!(come(&mut restored, &newest));
    assert_eq!(restored.license.terms, world.license.terms);
    assert_eq!(restored.license.recovery.terms, Epoch(0), "it is no decision of the new epoch");
}

/// After the backup, one device was given its trial and a second its own, under terms that were revised in between.
#[test]
fn a_revision_that_a_trial_device_encloses_changes_no_dates() {
    let trying = |seed| Device::trying(seed, crate::fixture::fingerprint([seed; 5]));
    let mut world = World::trial(|terms| {
        terms.valid_from_activation = Some(Seconds::days(14));
        terms.entitlement.valid_until = None;
    });
    let (first, second) = (trying(1), trying(2));
    let dates = |world: &World, device: &Device, later: u64| {
        let entitlement = world.license.entitlement_of(&device.chain(), at(ISSUED) + Seconds::days(later));
        (entitlement.starts_at, entitlement.valid_until)
    };
    merged(&mut world, &first);
    let backup = world.clone();
    let mut terms = world.license.terms.clone();
    terms.entitlement.revision = Revision(terms.entitlement.revision.0 + 1);
    changed(&mut world, Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
    let grant = merged(&mut world, &second);
    let expected = [dates(&world, &first, 0), dates(&world, &second, 0)];
    let mut restored = restore(&backup);
    assert!(come(&mut restored, &grant));
    assert_eq!(restored.license.terms.entitlement.revision, world.license.terms.entitlement.revision);
    assert_eq!([dates(&restored, &first, 3), dates(&restored, &second, 3)], expected);
    assert_eq!(restored.license.terms.valid_from_activation, Some(Seconds::days(14)));
}

#[test]
fn a_lost_release_stays_released() {
    let mut world = World::new(|_| {});
    let device = busy(1, 5);
    merged(&mut world, &device);
    let backup = world.clone();
    let chain = device.chain();
    let released = world.work(|draft, _| {
        let (why, seat_free_at) = (ReleaseReason::Operator, draft.now());
        let release = grants::Release { why, seat_free_at, overridden: true, reason: None };
        grants::release(draft, chain, release, Revocations::default()).map(|()| draft.grant(&chain).cloned())
    });
    let newest = released.0.expect("short").expect("written");
    let mut restored = restore(&backup);
    assert!(come(&mut restored, &newest));
    assert_eq!((restored.status(&device), restored.seats_taken()), (Some(GrantStatus::Released), 0));
    assert!(!come(&mut restored, &newest));
}

/// A device that was set back was told to go on with a successor, and the backup knows neither that nor of the fork.
#[test]
fn a_lost_promise_of_a_heal_comes_back_also_while_the_licence_is_suspended() {
    for suspends in [false, true] {
        let mut world = World::new(|terms| {
            terms.rules.on_fork = OnFork::Heal;
            terms.rules.heals = Some(TransferLimit { count: 1, window: Seconds::days(90) });
        });
        let mut device = busy(1, 10);
        merged(&mut world, &device);
        let backup = world.clone();
        let mut set_back = device.clone();
        device.consume(20);
        merged(&mut world, &device);
        set_back.slip(3_600);
        set_back.consume(5);
        let grant = merged(&mut world, &set_back);
        assert!(world.license.activations[&device.chain()].told_to_heal);
        let mut restored = restore(&backup);
        if suspends {
            changed(&mut restored, suspended());
        }
        assert!(come(&mut restored, &grant));
        assert!(restored.license.activations[&device.chain()].told_to_heal);
        assert!(!come(&mut restored, &grant));
        if suspends {
            changed(&mut restored, resumed());
        }
        let mut successor = Device::silent(2);
        successor.push(Body::ChainOpened(Box::new(opened())));
        successor.follow(&device);
        merged(&mut restored, &successor);
        assert_eq!(restored.status(&successor), Some(GrantStatus::Active));
        assert_refolds(&restored);
    }
}

/// The same backup restored twice, or a ledger that was copied: both go on in one epoch, and the devices know more.
#[test]
fn a_grant_of_the_present_epoch_that_is_not_known_raises_it() {
    let mut world = World::new(|_| {});
    let device = busy(1, 5);
    merged(&mut world, &device);
    let mut copied = world.clone();
    let newest = refreshed(&mut world, &device);
    assert!(come(&mut copied, &newest));
    assert_eq!(copied.license.epoch, Epoch(1));
    assert!(!come(&mut copied, &newest));
    let newer = refreshed(&mut copied, &device);
    assert!(come(&mut world, &newer), "and back");
    assert_eq!(world.license.epoch, Epoch(2));
}

#[test]
fn no_foreign_revoked_or_forged_grant_is_believed() {
    let mut world = World::new(|_| {});
    let grant = merged(&mut world, &busy(1, 5));
    let enclosed = Enclosed::read(grant.clone()).expect("a grant");
    let (license, root, none) = (&world.license, world.root(), Revocations::default());
    assert!(enclosed.believe(license, &root, &none).is_some());
    let issuer = trust::verify_grant(&grant, &root).expect("genuine").issuer;
    let revoked = Revocations { version: 1, certificates: vec![issuer] };
    assert!(enclosed.believe(license, &root, &revoked).is_none());
    let mut other = license.clone();
    other.id.0[0] ^= 1;
    assert!(enclosed.believe(&other, &root, &none).is_none());
    let mut forged = grant;
    forged.signature.0[0] ^= 1;
    assert!(Enclosed::read(forged).and_then(|forged| forged.believe(license, &root, &none)).is_none());
}

proptest! {
    /// Whatever was lost, in whatever order and how often the devices come: G is what they hold, and nobody loses a seat.
    #[test]
    fn taking_back_gives_every_device_what_it_holds(
        uses in prop::collection::vec((0..3_usize, 1..200_u64), 1..12),
        cut in 0..12_usize,
        order in prop::collection::vec(0..3_usize, 1..9),
    ) {
        let mut world = World::new(|terms| terms.rules.max_activations = 3);
        let mut devices = [Device::new(1), Device::new(2), Device::new(3)];
        let mut newest: [Option<Grant>; 3] = [None, None, None];
        let mut backup = world.clone();
        for (number, (device, n)) in uses.iter().enumerate() {
            if number == cut {
                backup = world.clone();
            }
            devices[*device].consume(*n);
            newest[*device] = Some(merged(&mut world, &devices[*device]));
        }
        let mut restored = restore(&backup);
        for device in order.iter().chain(&[0, 1, 2]) {
            if let Some(grant) = &newest[*device] {
                come(&mut restored, grant);
            }
        }
        let head = restored.license.head;
        for (device, grant) in devices.iter().zip(&newest) {
            let Some(grant) = grant else { continue };
            prop_assert!(!come(&mut restored, grant));
            prop_assert!(restored.granted(device) >= world.granted(device));
            prop_assert!(seat(&restored, device).is_some());
        }
        prop_assert_eq!(restored.license.head, head);
        // All evidence in again: the same units are out, and nothing was granted twice.
        for (device, grant) in devices.iter().zip(&newest) {
            if grant.is_some() {
                restored.merge(device);
            }
        }
        let accounts = |world: &World| quotas::accounts(&world.license, RENDER, month());
        let used = |world: &World| accounts(world).values().map(|account| account.used).sum::<u64>();
        prop_assert_eq!(used(&restored), used(&world));
        prop_assert!(restored.free() >= 0 || restored.free() >= world.free(), "{} {}", restored.free(), world.free());
    }
}

/// A device that spends what it holds and no more.
struct Spender {
    device: Device,
    granted: u64,
    used: u64,
    newest: Option<Grant>,
}

impl Spender {
    fn new(seed: u8) -> Self {
        Self { device: Device::new(seed), granted: 0, used: 0, newest: None }
    }

    /// Spends `n` units, or what is left of them.
    fn spend(&mut self, n: u64) {
        let n = n.min(self.granted - self.used);
        if n > 0 {
            self.device.consume(n);
            self.used += n;
        }
    }

    /// Encloses its last grant, reports, and applies the answer. No unit is granted while there are debts.
    fn report(&mut self, world: &mut World) {
        if let Some(grant) = &self.newest {
            come(world, grant);
        }
        let (free, before) = (world.free(), world.granted(&self.device));
        let chain = self.device.chain();
        let answer = world.work(|draft, stored| {
            crate::merge::tests::world::merge(draft, stored, chain, &[self.device.whole()]);
            draft.grant(&chain).cloned()
        });
        assert!(free >= 0 || world.granted(&self.device) == before, "{free} free, and more was granted");
        assert!(world.granted(&self.device) >= self.granted, "what it holds is known");
        self.newest = answer.0.or(self.newest.take());
        self.granted = world.granted(&self.device);
    }
}

/// 100 units for two devices, 50 ahead of use for each.
fn hundred(terms: &mut schemas::terms::Terms) {
    let rule = &mut terms.rules.quotas[0];
    (rule.limit, rule.share) = (total(100), Some(total(50)));
}

/// Nothing is frozen after a restore: a raise may pass the limit by what a lost grant reserves. It is debt when that comes
/// back, and ends every raise.
#[test]
fn what_was_granted_twice_is_debt_and_stops_every_raise() {
    let mut world = World::new(hundred);
    let (mut first, mut second) = (Spender::new(1), Spender::new(2));
    first.report(&mut world);
    let backup = world.clone();
    first.spend(50);
    first.report(&mut world);
    assert_eq!((first.granted, world.free()), (100, 0));
    let mut restored = restore(&backup);
    second.report(&mut restored);
    assert_eq!((second.granted, restored.free()), (50, 0), "the backup knows of 50 units less");
    first.spend(50);
    first.report(&mut restored);
    assert_eq!((first.granted, restored.free()), (100, -50), "the debt is what was lost");
    second.spend(50);
    second.report(&mut restored);
    let mut terms = restored.license.terms.clone();
    terms.rules.quotas[0].limit = total(149);
    changed(&mut restored, Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })));
    refreshed(&mut restored, &second.device);
    assert_eq!((restored.granted(&second.device), restored.free()), (50, -1), "no unit while one is owed");
    assert_eq!(first.used + second.used, 100 + 50, "the limit, and what was granted after the backup");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was lost, and in whatever order devices come and spend: no more is spent than the limit and what was
    /// granted between backup and restore.
    #[test]
    fn after_a_restore_no_more_is_spent_than_the_limit_and_what_was_lost(
        overage in 0..30_u64,
        before in prop::collection::vec((0..3_usize, 0..80_u64), 0..10),
        cut in 0..10_usize,
        after in prop::collection::vec((0..3_usize, 0..80_u64, any::<bool>()), 1..16),
    ) {
        let mut world = World::new(|terms| {
            hundred(terms);
            terms.rules.max_activations = 3;
            terms.rules.quotas[0].overage = total(overage);
        });
        let mut devices = [Spender::new(1), Spender::new(2), Spender::new(3)];
        let mut backup = world.clone();
        for (number, (device, n)) in before.iter().enumerate() {
            if number == cut {
                backup = world.clone();
            }
            devices[*device].spend(*n);
            devices[*device].report(&mut world);
        }
        let spent = |devices: &[Spender]| devices.iter().map(|device| device.used).sum::<u64>();
        prop_assert!(spent(&devices) <= 100 + overage);
        let mut restored = restore(&backup);
        let lost: u64 = devices.iter().map(|known| known.granted - backup.granted(&known.device)).sum();
        for (device, n, reports) in after {
            devices[device].spend(n);
            if reports {
                devices[device].report(&mut restored);
            }
            prop_assert!(spent(&devices) <= 100 + overage + lost, "{} of {lost} lost", spent(&devices));
        }
        for device in &mut devices {
            device.report(&mut restored);
            device.spend(1_000);
            device.report(&mut restored);
        }
        prop_assert!(spent(&devices) <= 100 + overage + lost, "{} of {lost} lost", spent(&devices));
    }
}
