//! The life of a period, and figures that follow from the evidence for as long as it is there.

use proptest::prelude::*;
use schemas::event::Event;
use schemas::event::device::{ClockNoted, FeatureRefunded, GrantApplied};
use schemas::grant::Revocations;
use schemas::ids::EventId;
use schemas::numbers::Amount;
use schemas::run::Origin;

use super::*;
use crate::clocks;
use crate::fixture::{ISSUED, RENDER, at};
use crate::grants;
use crate::merge::tests::world::{Device, World, month, total};
use crate::refold;
use crate::rows::{HistoryEntry, StoredRun};

/// After the end of the month in which the devices work, and after its waiting.
const ENDED: &str = "2026-12-02";
const OVER: &str = "2026-12-12";
const NEXT_OVER: &str = "2027-01-12";

fn reckoned(world: &World, now: &str) -> Reckoned {
    let periods = reckon(&world.license, at(now));
    *periods.iter().find(|reckoned| reckoned.period == month()).expect("the month of the licence's start")
}

fn seal_at(world: &mut World, now: &str, order: SealOrder) -> Sealed {
    world.work_at(at(now), |draft, _| seal(draft, &order, 0)).0.expect("short events")
}

fn runs_of(world: &World, authority: bool) -> Vec<StoredRun> {
    let is_authority = |run: &&StoredRun| matches!(run.origin, Origin::Authority(_)) == authority;
    world.runs().iter().filter(is_authority).cloned().collect()
}

/// The figure of the month's seal as it follows from the stored runs.
fn derived(world: &World, device: &[StoredRun]) -> Result<Reproduced, ReproduceError> {
    let seal = &world.license.periods[&(RENDER, month())];
    let authority = runs_of(world, true);
    reproduce(&world.license.id, &authority, device, (seal.epoch, seal.seq), (RENDER, month()))
}

fn assert_follows(world: &World) {
    let seal = &world.license.periods[&(RENDER, month())];
    let expected = Reproduced { used: seal.used, evidence: seal.evidence };
    assert_eq!(derived(world, &runs_of(world, false)), Ok(expected));
}

#[test]
fn a_period_is_open_then_waits_then_is_sealed_once() {
    let mut world = World::new(|_| {});
    let mut device = Device::new(1);
    device.consume(5);
    world.merge(&device);
    let order = SealOrder::default();
    for (now, state, is_due) in
        [(ISSUED, State::Open, false), (ENDED, State::Waiting, false), (OVER, State::Waiting, true)]
    {
        assert_eq!(reckoned(&world, now).state, state, "{now}");
        let due = due(&world.license, at(now), &order);
        assert_eq!(due.iter().any(|due| due.period == month()), is_due, "{now}");
    }
    assert_eq!(seal_at(&mut world, OVER, order).sealed, [(RENDER, month())]);
    assert_eq!(reckoned(&world, OVER).state, State::Sealed);
    let seal = world.license.periods[&(RENDER, month())];
    assert_eq!((seal.used.get(), seal.early), (5, false));
    let head = world.license.head;
    assert_eq!(seal_at(&mut world, OVER, order), Sealed::default());
    assert_eq!(world.license.head, head, "sealing again writes nothing");
    assert_follows(&world);
}

#[test]
fn a_month_without_use_is_sealed_at_nothing() {
    let mut world = World::new(|_| {});
    assert_eq!(seal_at(&mut world, OVER, SealOrder::default()).sealed, [(RENDER, month())]);
    assert_eq!(world.license.periods[&(RENDER, month())].used, Total::ZERO);
    assert_follows(&world);
}

/// The vendor's events.
fn told(world: &World) -> Vec<HistoryEntry> {
    let entries = runs_of(world, true).into_iter().flat_map(|run| {
        let events = refold::events(&run).expect("just written");
        let entry = move |(seq, event): (Seq, Event)| {
            let (at, kind, core) = (event.at, event.body.kind(), event.encode());
            HistoryEntry { chain: run.chain, branch: run.branch, seq, at, kind, core }
        };
        events.into_iter().map(entry)
    });
    entries.collect()
}

#[test]
fn waiting_is_cut_short_only_for_a_reason_that_is_recorded() {
    let mut world = World::new(|_| {});
    let early = SealOrder { early: Some(Commitment([9; 32])), before: None };
    assert_eq!(seal_at(&mut world, ISSUED, early), Sealed::default(), "an open period is never sealed");
    let (sealed, _) = world.work_at(at(ENDED), |draft, _| seal(draft, &early, 0));
    assert_eq!(sealed.expect("short events").sealed, [(RENDER, month())]);
    assert!(world.license.periods[&(RENDER, month())].early);
    let reasons: Vec<_> = told(&world)
        .iter()
        .filter_map(|entry| match Event::decode(&entry.core).expect("just written").body {
            Body::UsageAdjusted(adjusted) => Some((adjusted.added, adjusted.removed, adjusted.reason)),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [(Total::ZERO, Total::ZERO, Some(Commitment([9; 32])))]);
    let before = SealOrder { before: Some(at("2026-12-31")), ..SealOrder::default() };
    assert_eq!(seal_at(&mut world, NEXT_OVER, before), Sealed::default(), "December ends later");
}

#[test]
fn late_use_is_adjusted_once_and_the_sealed_figure_stays() {
    let mut world = World::new(|_| {});
    let (mut early, mut late) = (Device::new(1), Device::new(2));
    early.consume(5);
    world.merge(&early);
    seal_at(&mut world, OVER, SealOrder::default());
    late.consume(7);
    world.merge(&late);
    early.push(Body::FeatureRefunded(FeatureRefunded {
        feature: RENDER,
        period: month(),
        n: Amount::new(2).expect("small"),
        consumption: Seq(3),
    }));
    world.merge(&early);
    assert_eq!(reckoned(&world, OVER).unadjusted(), (5, 0));
    let earlier = SealOrder { before: Some(at(ENDED) - Seconds::days(2)), early: None };
    assert_eq!(seal_at(&mut world, OVER, earlier), Sealed::default(), "the month ended later");

    let adjusted = Sealed { sealed: Vec::new(), adjusted: vec![(RENDER, month(), 5, 0)] };
    assert_eq!(seal_at(&mut world, OVER, SealOrder::default()), adjusted, "though no period is due");
    assert_adjusted(&world);
    let seal = world.license.periods[&(RENDER, month())];
    assert_eq!((seal.used.get(), seal.adjusted()), (5, 10));
    let next = seal_at(&mut world, NEXT_OVER, SealOrder::default());
    assert_eq!((next.sealed, next.adjusted), (vec![(RENDER, month().next())], Vec::new()));
    assert_follows(&world);
    let next = &world.license.periods[&(RENDER, month().next())];
    assert_eq!(next.used, Total::ZERO, "late use keeps its own period");
}

/// Every sealed period with its adjustments follows from what is known at the end of the authority chain.
#[track_caller]
fn assert_adjusted(world: &World) {
    let end = (world.license.epoch, world.license.head.seq.next());
    let (authority, device) = (runs_of(world, true), runs_of(world, false));
    for (key, seal) in &world.license.periods {
        let known = reproduce(&world.license.id, &authority, &device, end, *key).expect("it is all there");
        assert_eq!(known.used.get(), seal.adjusted(), "{key:?}");
    }
}

/// What happens to a licence of one month, at some time after its end.
#[derive(Clone, Copy, Debug)]
enum Late {
    /// One of the devices used units and reports.
    Reports(u8, u64),
    /// Somebody seals.
    Seals,
}

fn late() -> impl Strategy<Value = Vec<Late>> {
    let step = prop_oneof![
        2 => (1..4_u8, 1..50_u64).prop_map(|(device, n)| Late::Reports(device, n)),
        1 => Just(Late::Seals),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_use_of_a_licence_that_ended_escapes_the_last_seal(steps in late()) {
        let mut world = World::new(|terms| {
            terms.rules.max_activations = 3;
            terms.entitlement.valid_until = Some(month().end());
        });
        let mut devices: Vec<Device> = (1..4).map(Device::new).collect();
        let mut used = 0;
        let mut sealed = BTreeSet::new();
        for step in steps.into_iter().chain([Late::Seals]) {
            match step {
                Late::Reports(number, n) => {
                    let device = &mut devices[usize::from(number) - 1];
                    device.consume(n);
                    used += n;
                    world.merge(device);
                }
                Late::Seals => {
                    seal_at(&mut world, NEXT_OVER, SealOrder::default());
                    let seal = world.license.periods[&(RENDER, month())];
                    sealed.insert(seal.used);
                    prop_assert_eq!(seal.adjusted(), used);
                    prop_assert_eq!(world.license.periods.len(), 1, "none is due after the end");
                    assert_adjusted(&world);
                    let head = world.license.head;
                    prop_assert_eq!(seal_at(&mut world, NEXT_OVER, SealOrder::default()), Sealed::default());
                    prop_assert_eq!(world.license.head, head, "again, it writes nothing");
                    prop_assert!(!is_due(&world.license, at(NEXT_OVER), &SealOrder::default()));
                }
            }
        }
        prop_assert_eq!(sealed.len(), 1, "the sealed figure stays");
        assert_follows(&world);
        let folded = world.refolded().0;
        prop_assert_eq!(folded.periods, world.license.periods);
    }
}

#[test]
fn no_event_that_a_seal_counted_can_be_taken_away_or_changed() {
    let mut world = World::new(|_| {});
    let mut device = Device::new(1);
    device.consume(5);
    world.merge(&device);
    device.consume(6);
    world.merge(&device);
    seal_at(&mut world, OVER, SealOrder::default());
    device.consume(100);
    world.merge(&device);
    assert_follows(&world);

    let sound = runs_of(&world, false);
    assert!(sound.len() >= 3, "a run for each report");
    let missing = Err(ReproduceError::Missing(device.chain()));
    for number in 0..2 {
        let mut without = sound.clone();
        without.remove(number);
        assert_eq!(derived(&world, &without), missing, "without run {number}");
        let mut changed = sound.clone();
        // The tenth byte belongs to the first core.
        changed[number].pairs[9] ^= 1;
        assert_ne!(derived(&world, &changed), derived(&world, &sound), "run {number}");
    }
    let mut without_later = sound.clone();
    without_later.remove(2);
    assert_eq!(derived(&world, &without_later), derived(&world, &sound), "what came later does not matter");
}

/// A copied device: both histories count, the part that they share once, and a head that one of them went on from is no
/// head any more.
#[test]
fn a_figure_over_two_branches_follows_from_both() {
    let mut world = World::new(|_| {});
    let mut device = Device::new(1);
    device.consume(5);
    world.merge(&device);
    let mut copy = device.clone();
    device.consume(7);
    copy.consume(11);
    let chain = device.chain();
    let take = |world: &mut World, device: &Device, first| {
        let run = device.run(first, device.events.len());
        let (outcome, _) = world.merge_runs(chain, &[run]);
        assert_eq!((outcome.refused, outcome.unanswerable), (None, false));
    };
    take(&mut world, &device, 4);
    take(&mut world, &copy, 4);
    copy.consume(13);
    take(&mut world, &copy, 5);
    seal_at(&mut world, OVER, SealOrder::default());
    let seal = world.license.periods[&(RENDER, month())];
    assert_eq!((seal.used.get(), seal.conditions.forks), (5 + 7 + 11 + 13, 1));
    assert_follows(&world);
    let mut without_branch = runs_of(&world, false);
    without_branch.retain(|run| run.branch == 0);
    assert_eq!(derived(&world, &without_branch), Err(ReproduceError::Missing(chain)));
}

#[test]
fn the_conditions_count_what_was_open() {
    let mut world = World::new(|_| {});
    let device = Device::new(1);
    world.merge(&device);
    let overdue = at(ISSUED) + Seconds::days(30 + 7 + 1);
    let silent = |world: &World, now| conditions(&world.license, now, 0).silent;
    assert_eq!(silent(&world, overdue - Seconds(1)), 0);
    assert_eq!(silent(&world, overdue), 1);
    let mut closed = device.clone();
    closed.close();
    world.merge(&closed);
    assert_eq!(silent(&world, overdue), 0, "a closed chain is not waited for");
    assert_eq!(conditions(&world.license, at(ISSUED), 3).clocks, 3);
}

#[test]
fn a_clock_counts_until_a_grant_that_knows_of_it_was_applied() {
    let mut world = World::new(|_| {});
    let mut device = Device::new(1);
    let noted = ClockNoted { expected: at(ISSUED), wall: at(OVER) };
    device.push(Body::ClockNoted(noted.clone()));
    let mut history = Vec::new();
    let mut merge = |world: &mut World, device: &Device| {
        let (_, rows) = world.merge_runs(device.chain(), &[device.whole()]);
        history.extend(rows.history);
        let told = [history.as_slice(), &told(world)].concat();
        clocks::uncured(&world.license, &told)
    };
    let applied = |world: &World| {
        let grant = world.license.activations[&device.chain()].grant;
        Body::GrantApplied(GrantApplied { epoch: grant.epoch, seq: grant.seq, grant: EventId([0; 32]) })
    };
    assert_eq!(merge(&mut world, &device), [device.chain()].into());
    let mut cured = device.clone();
    cured.push(applied(&world));
    assert_eq!(merge(&mut world, &cured), BTreeSet::new());
    cured.push(Body::ClockNoted(noted));
    assert_eq!(merge(&mut world, &cured), [device.chain()].into(), "a later note is a new one");
}

#[test]
fn evidence_that_no_grant_took_in_is_told_before_it_is_sealed() {
    let mut world = World::new(|_| {});
    let mut device = Device::new(1);
    world.merge(&device);
    assert_eq!(not_taken_in(&world.license), []);
    device.consume(5);
    let chain = device.chain();
    world.work(|draft, _| {
        let run = device.run(3, 3);
        draft.attach(chain, 0, None, &device.origin(), run.suffix(0));
    });
    let unknown = not_taken_in(&world.license);
    assert_eq!(unknown.iter().map(|head| (head.chain, head.seq)).collect::<Vec<_>>(), [(chain, Seq(3))]);
    world
        .work(|draft, _| grants::issue_grant(draft, chain, unknown, Revocations::default()))
        .0
        .expect("a short grant");
    seal_at(&mut world, OVER, SealOrder::default());
    assert_eq!(world.license.periods[&(RENDER, month())].used, total(5));
    assert_follows(&world);
}

#[test]
fn a_gap_is_a_condition_of_the_seal_until_it_is_filled() {
    let mut world = World::new(|_| {});
    let mut device = Device::new(1);
    world.merge(&device);
    (0..3).for_each(|_| device.consume(1));
    let chain = device.chain();
    world.merge_runs(chain, &[device.run(5, 5)]);
    world.merge_runs(chain, &[device.run(4, 4)]);
    assert_eq!(conditions(&world.license, at(OVER), 0).gaps, 1, "one device, whatever waits of it");
    seal_at(&mut world, OVER, SealOrder::default());
    assert_eq!(world.license.periods[&(RENDER, month())].conditions.gaps, 1);
    world.merge(&device);
    assert_eq!(conditions(&world.license, at(OVER), 0).gaps, 0);
    assert_eq!(world.license.periods[&(RENDER, month())].conditions.gaps, 1, "what was sealed stays");
}

#[test]
fn a_period_can_be_sealed_from_the_instant_on_that_its_waiting_is_over() {
    let world = World::new(|_| {});
    let over = month().end() + Seconds::days(10);
    let is_due = |now, before| {
        let order = SealOrder { before, early: None };
        due(&world.license, now, &order).iter().any(|due| due.period == month())
    };
    let just_before = |instant: Micros| Micros::new(instant.get() - 1);
    assert_eq!([is_due(just_before(over), None), is_due(over, None)], [false, true]);
    let end = month().end();
    assert_eq!([is_due(over, Some(just_before(end))), is_due(over, Some(end))], [false, true]);
}

#[test]
fn a_period_begins_at_its_first_instant_and_none_begins_where_the_licence_ends() {
    let mut world = World::new(|_| {});
    let next = month().next();
    let has_next = |world: &World, now| reckon(&world.license, now).iter().any(|found| found.period == next);
    let just_before = |instant: Micros| Micros::new(instant.get() - 1);
    let start = next.start();
    assert_eq!([has_next(&world, just_before(start)), has_next(&world, start)], [false, true]);
    for (until, expected) in [(start, false), (Micros::new(start.get() + 1), true)] {
        world.license.terms.entitlement.valid_until = Some(until);
        assert_eq!(has_next(&world, at(NEXT_OVER)), expected, "{until}");
    }
}

#[test]
fn a_licence_has_periods_from_its_issue_on_and_none_but_used_ones_when_it_is_revoked() {
    let mut world = World::new(|terms| terms.entitlement.starts_at = at("2026-08-01"));
    let mut device = Device::new(1);
    device.consume(1);
    world.merge(&device);
    let periods = |world: &World| -> Vec<Period> {
        reckon(&world.license, at(NEXT_OVER)).iter().map(|found| found.period).collect()
    };
    assert_eq!(periods(&world), [month(), month().next(), month().next().next()]);
    world.license.standing = Standing::Revoked;
    assert_eq!(periods(&world), [month()]);
}
