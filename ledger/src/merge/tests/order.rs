//! The evidence is the same in every order: a device whose state was copied and put back, its histories cut, doubled,
//! overlapped and shuffled.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::event::device::{
    AgentStarted, ChainOpened, Claim, ClockNoted, FingerprintComponent, LicenseKeyClaim, VariableSet,
};
use schemas::ids::{Commitment, FingerprintTag, InstanceId, KeyProof};
use schemas::numbers::{FeatureNumber, Micros};
use schemas::period::Period;
use schemas::text::Text;

use super::*;
use crate::digest::ChainEvidence;
use crate::evidence::{Chain, ChainSum};
use crate::fixture::{ISSUED, at, opened};
use crate::forks::Fork;
use crate::packing::Length;
use crate::state;

/// The seed of another device, which every world knows.
const FOLLOWED: u8 = 2;

/// A proof that proves nothing.
const UNPROVED: KeyProof = KeyProof([7; 32]);

/// What a copy of the device does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Consume(u64),
    Return(u64),
    Set(u8),
    Start,
    Close,
    /// The clock stands so many seconds later, or earlier, and nobody noted it.
    Slip(i64),
    /// The clock stands so many seconds later, or earlier, and that is noted.
    Note(i64),
    /// It asks for an activation again: with its key, or as the successor of another chain.
    Ask(Ask),
}

/// How a device asks again.
#[derive(Clone, Copy, Debug)]
enum Ask {
    ByKey,
    AsSuccessor,
    /// With a proof that proves nothing, after which nothing of its history is taken in.
    Badly,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..50_u64).prop_map(Step::Consume),
        1 => (1..50_u64).prop_map(Step::Return),
        1 => any::<u8>().prop_map(Step::Set),
        1 => Just(Step::Start),
        1 => Just(Step::Close),
        1 => (-20..20_i64).prop_map(Step::Slip),
        1 => (-20..20_i64).prop_map(Step::Note),
        1 => prop_oneof![Just(Ask::ByKey), Just(Ask::AsSuccessor), Just(Ask::Badly)].prop_map(Step::Ask),
    ];
    prop::collection::vec(step, 1..8)
}

fn take(device: &mut Device, step: Step, salt: u8) {
    match step {
        Step::Consume(n) => device.consume(n),
        Step::Return(n) => device.give_back(n, n),
        Step::Set(value) => device.push(Body::VariableSet(VariableSet {
            name: crate::fixture::text("site"),
            value: Commitment([value; 32]),
        })),
        Step::Start => device.push(Body::AgentStarted(AgentStarted {
            instance: InstanceId([salt; 16]),
            boot: InstanceId([salt; 16]),
        })),
        Step::Close => device.close(),
        Step::Slip(seconds) => device.slip(seconds),
        Step::Note(seconds) => {
            let expected = at(ISSUED);
            device.slip(seconds.max(0));
            let wall = Micros::new(expected.get().saturating_add_signed(seconds * 1_000_000));
            device.push(Body::ClockNoted(ClockNoted { expected, wall }));
        }
        Step::Ask(Ask::ByKey) => device.ask(),
        Step::Ask(Ask::AsSuccessor) => device.follow(&Device::new(FOLLOWED)),
        Step::Ask(Ask::Badly) => device.claim(Claim::LicenseKey(LicenseKeyClaim { proof: UNPROVED })),
    }
}

/// Copies of one device: each begins at an event of an earlier copy, or before the first one, and goes on by itself.
#[derive(Clone, Debug)]
struct Copies {
    first: Vec<Step>,
    others: Vec<(prop::sample::Index, prop::sample::Index, Vec<Step>)>,
}

fn copies() -> impl Strategy<Value = Copies> {
    let other = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), steps());
    (steps(), prop::collection::vec(other, 0..4)).prop_map(|(first, others)| Copies { first, others })
}

impl Copies {
    fn devices(&self) -> Vec<Device> {
        let mut device = Device::new(1);
        for step in &self.first {
            take(&mut device, *step, 0);
        }
        let mut devices = vec![device];
        for (salt, (of, after, steps)) in (1_u8..).zip(&self.others) {
            let mut copy = of.get(&devices).clone();
            copy.events.truncate(after.index(copy.events.len() + 1));
            copy.begin(salt);
            for step in steps {
                take(&mut copy, *step, salt);
            }
            devices.push(copy);
        }
        devices
    }
}

impl Device {
    /// Opens the chain and asks for an activation, as far as it did not: a copy does so in its own words.
    fn begin(&mut self, salt: u8) {
        if self.events.is_empty() {
            self.slip(i64::from(salt % 3));
            let host = Some(Commitment([salt; 32]));
            let fingerprint = vec![FingerprintComponent { component: 1, tag: FingerprintTag([salt; 16]) }];
            self.push(Body::ChainOpened(Box::new(ChainOpened { host, fingerprint, ..opened() })));
        }
        if self.events.len() == 1 {
            self.slip(i64::from(salt % 2));
            self.ask();
        }
    }
}

/// The runs of all copies, cut at `cuts`, some of them overlapping.
fn runs(devices: &[Device], cuts: &[(usize, usize)]) -> Vec<VerifiedRun> {
    let mut runs = Vec::new();
    for (device, (length, overlap)) in devices.iter().zip(cuts.iter().cycle()) {
        let (mut first, last) = (1, device.events.len());
        while first <= last {
            let end = (first + length).min(last);
            runs.push(device.run(first, end));
            first = end + 1 - overlap.min(&(end - first));
            if end == last {
                break;
            }
        }
    }
    runs
}

/// Merges runs one by one in their order; what is not taken in is tried again with the next, and at the end.
fn deliver(runs: &[VerifiedRun]) -> World {
    let mut world = World::new(|_| ());
    world.merge(&Device::new(FOLLOWED));
    let mut waiting: Vec<VerifiedRun> = Vec::new();
    for run in runs {
        waiting.push(run.clone());
        try_again(&mut world, &mut waiting);
    }
    try_again(&mut world, &mut waiting);
    assert!(waiting.iter().all(asks_badly), "all else goes in");
    assert!(runs.iter().any(asks_badly) || known(&world).parked.is_empty(), "nothing else is waited for");
    world
}

fn try_again(world: &mut World, waiting: &mut Vec<VerifiedRun>) {
    waiting.sort_by_key(|run| run.span().first);
    let (outcome, _) = world.merge_runs(Device::new(1).chain(), waiting);
    if outcome.refused.is_none() {
        *waiting = outcome.left_out.iter().map(|(number, _)| waiting[*number].clone()).collect();
    }
}

fn asks_badly(run: &VerifiedRun) -> bool {
    run.events().iter().any(|linked| match &linked.event.body {
        Body::ActivationRequested(requested) => {
            requested.claim == Claim::LicenseKey(LicenseKeyClaim { proof: UNPROVED })
        }
        _ => false,
    })
}

fn known(world: &World) -> &Chain {
    &world.license.chains[&Device::new(1).chain()]
}

/// What must not depend on the order: all that a chain's projections tell, but for numbers of branches.
#[derive(Debug, PartialEq)]
struct Evidence {
    chain: ChainEvidence,
    fork: Option<Fork>,
    opening: (Option<Micros>, Option<Text>, Option<Commitment>),
    request: (Seq, Option<Micros>, Option<ChainId>),
    fingerprint: (Seq, Vec<FingerprintComponent>),
    closed_at: Option<Micros>,
    meters: BTreeMap<(FeatureNumber, Period), ChainSum>,
}

fn evidence(chain: ChainId, known: &Chain) -> Evidence {
    let mut of = ChainEvidence::of_chain(chain, known);
    of.heads.sort();
    of.fork_points.sort();
    Evidence {
        chain: of,
        fork: known.fork,
        opening: (known.opened_at, known.agent.clone(), known.host),
        request: (known.requested_in, known.requested_at, known.follows),
        fingerprint: (known.fingerprint_at, known.fingerprint.clone()),
        closed_at: known.closed_at,
        meters: known.meters.clone(),
    }
}

fn outcome(world: &World) -> Evidence {
    evidence(Device::new(1).chain(), known(world))
}

/// A licence as a store keeps it, read again.
fn read_again(license: &License) -> License {
    let mut again = state::license(&state::of_license(license)).expect("as it was written");
    for chain in license.chains.keys().chain(license.activations.keys()) {
        state::add_chain(&mut again, *chain, &state::of_chain(license, chain)).expect("as it was written");
    }
    again
}

/// What a rebuild gives is what the merges left.
fn refolds(world: &World) {
    let (folded, rows) = world.refolded();
    let mut kept = world.license.clone();
    for chain in kept.chains.values_mut() {
        chain.parked.clear();
    }
    assert_eq!(folded, kept);
    assert_eq!(read_again(&kept), kept);
    let stored = world.stored_rows();
    let sorted = |findings: &[crate::rows::Finding]| {
        let mut places: Vec<_> = findings.iter().map(|found| (found.branch, found.seq, found.code)).collect();
        places.sort();
        places
    };
    assert_eq!(sorted(&rows.findings), sorted(&stored.findings));
    assert_eq!(rows.usage, stored.usage);
    assert_eq!(rows.variables, stored.variables);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_order_cut_and_repeat_gives_the_same_evidence(
        copies in copies(),
        cuts in prop::collection::vec((0..5_usize, 0..3_usize), 1..4),
        order in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let devices = copies.devices();
        let mut whole: Vec<VerifiedRun> = devices.iter().map(Device::whole).collect();
        let expected = deliver(&whole);
        refolds(&expected);
        let first = order.index(whole.len());
        whole.rotate_left(first);
        let turned = deliver(&whole);
        prop_assert_eq!(outcome(&turned), outcome(&expected));
        let mut parts = runs(&devices, &cuts);
        parts.extend(parts.clone());
        shuffle(&mut parts, seed);
        let parted = deliver(&parts);
        prop_assert_eq!(outcome(&parted), outcome(&expected));
        refolds(&parted);
        let before = parted.license.clone();
        let mut again = parted;
        for run in &parts {
            again.merge_runs(run.chain(), std::slice::from_ref(run));
        }
        prop_assert_eq!(again.license, before);
    }

    /// Packing in between changes neither what is evidence, nor what a rebuild gives, nor what is known.
    #[test]
    fn packed_runs_are_the_same_evidence(
        copies in copies(),
        cuts in prop::collection::vec((0..5_usize, 0..3_usize), 1..4),
        seed in any::<u64>(),
        events in 1..8_u64,
    ) {
        let devices = copies.devices();
        let full = Length { events, bytes: u64::MAX };
        let mut parts = runs(&devices, &cuts);
        shuffle(&mut parts, seed);
        let expected = deliver(&parts);
        let mut packed = World::new(|_| ());
        packed.merge(&Device::new(FOLLOWED));
        let mut waiting = Vec::new();
        for run in &parts {
            waiting.push(run.clone());
            try_again(&mut packed, &mut waiting);
            packed.pack(full);
        }
        try_again(&mut packed, &mut waiting);
        prop_assert_eq!(outcome(&packed), outcome(&expected));
        prop_assert_eq!(&packed.license.chains, &expected.license.chains);
        refolds(&packed);
        let before = packed.license.clone();
        for run in &parts {
            packed.merge_runs(run.chain(), std::slice::from_ref(run));
        }
        prop_assert_eq!(packed.license, before);
    }
}

/// Puts values into an order that follows from `seed`.
fn shuffle<T>(values: &mut [T], mut seed: u64) {
    for last in (1..values.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).expect("31 bits") % (last + 1);
        values.swap(last, other);
    }
}

#[test]
fn three_runs_in_all_six_orders() {
    let mut device = busy(1);
    let mut copy = device.clone();
    copy.events.truncate(4);
    (1..=3).for_each(|n| copy.consume(10 * n));
    device.consume(5);
    let parts = [device.run(1, 5), device.run(5, 7), copy.run(4, 7)];
    let mut seen = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let world = deliver(&order.map(|part| parts[part].clone()));
        refolds(&world);
        seen.push(outcome(&world));
    }
    assert!(seen.iter().all(|evidence| *evidence == seen[0]), "{seen:#?}");
    assert_eq!(seen[0].chain.fork_points, [Seq(5)]);
    assert_eq!(seen[0].chain.heads.len(), 2);
}

/// What stands before a claim that proves nothing is taken in, and nothing after it, however the events were cut.
#[test]
fn a_bad_claim_ends_its_history_in_every_cut() {
    let mut device = busy(1);
    device.consume(5);
    take(&mut device, Step::Ask(Ask::Badly), 0);
    (6..=7).for_each(|n| device.consume(n));
    let mut copy = device.clone();
    copy.events.truncate(5);
    copy.consume(50);
    take(&mut copy, Step::Ask(Ask::Badly), 0);
    let expected = outcome(&deliver(&[device.whole(), copy.whole()]));
    assert_eq!(expected.chain.fork_points, [Seq(6)]);
    assert_eq!(expected.chain.heads.iter().map(|(_, seq, _)| seq.0).collect::<Vec<_>>(), [6, 7]);
    for cut in 2..device.events.len() {
        let runs = [device.run(1, cut), device.run(cut + 1, device.events.len()), copy.run(2, 7)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let world = deliver(&order.map(|run| runs[run].clone()));
            refolds(&world);
            assert_eq!(outcome(&world), expected, "cut after {cut}, {order:?}");
        }
    }
}
