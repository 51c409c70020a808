//! What the vendor's ledger holds of an unlock code, and what its device makes of it, over histories of a licence whose devices
//! go on by codes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::event::Body;
use schemas::event::authority::CodeReceived;
use schemas::grant::{Ack, GrantBody, Revocations};
use schemas::pack::{Pack, PackBody};
use schemas::period::Period;
use schemas::terms::Terms;
use schemas::typed::{ReturnStart, Unfit};

use super::*;
use crate::codes::kept::{self, Keeping};
use crate::codes::telling::{self, Telling};
use crate::fixture::{ISSUED, RENDER, at};
use crate::grants;
use crate::merge::tests::world::World;
use crate::trust;

/// What happens next to one of two devices.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Uses as much of this as it was granted, after so many days.
    Use(u64, u16),
    /// Tells what it used, and has it answered.
    Report,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step =
        prop_oneof![(1..700_u64, 0..40_u16).prop_map(|(n, days)| Step::Use(n, days)), Just(Step::Report),];
    prop::collection::vec((0..2_usize, step), 1..16)
}

fn terms_with(limit: u64, sync_days: Option<u64>, valid_days: Option<u64>) -> impl FnOnce(&mut Terms) {
    move |terms| {
        terms.rules.quotas[0].limit = total(limit);
        terms.rules.sync_every = sync_days.map(Seconds::days);
        terms.entitlement.valid_until = valid_days.map(|days| at(ISSUED) + Seconds::days(days));
    }
}

fn policy_of(terms: &Terms) -> Policy {
    Policy {
        features: terms.entitlement.features.clone(),
        rules: terms.rules.clone(),
        kind: terms.entitlement.kind,
        ..policy(1)
    }
}

/// A device that keeps to what codes grant.
struct Dark {
    seed: u8,
    key: SecretKey,
    told: Option<GrantBody>,
    place: GrantPlace,
    used: BTreeMap<Period, u64>,
    events: u64,
}

impl Dark {
    fn new(seed: u8) -> Self {
        let place = GrantPlace { epoch: Epoch(0), seq: Seq(0) };
        Self {
            seed,
            key: SecretKey::from_seed(&[seed; 32]),
            told: None,
            place,
            used: BTreeMap::new(),
            events: 3,
        }
    }

    fn origin(&self) -> DeviceOrigin {
        DeviceOrigin { signer: self.key.public(), reference: KeyReference([6; 5]) }
    }

    /// Its request at first, then what it used this month.
    fn shows(&self, now: Micros) -> TypedCode {
        let key = KeySecret::new([4; 32]).license_key(KeyReference([6; 5]));
        if self.told.is_none() {
            let component = FingerprintComponent { component: 1, tag: FingerprintTag([self.seed; 16]) };
            return request::write(&self.key.public(), 1, &[component], &key).expect("fits");
        }
        let month = Period::of(Reset::Month, now);
        let fields = ReturnFields {
            closing: false,
            chain: ChainReference::of(&chain_of(&self.origin())),
            seq: Seq(self.events),
            applied: Some(self.place),
            day: Day::of(now).expect("in range"),
            link: LinkStart([1; 16]),
            used: vec![total(self.used.get(&month).copied().unwrap_or(0))],
        };
        returned::write(&fields, &self.origin(), &self.key, &sealing().public()).expect("fits")
    }

    fn spend(&mut self, n: u64, now: Micros) {
        let Some(told) = &self.told else { return };
        let overdue = told.check_in.overdue_at().is_some_and(|at| at <= now);
        let ended = told.entitlement.as_ref().and_then(|held| held.valid_until).is_some_and(|at| at <= now);
        let month = Period::of(Reset::Month, now);
        let used = self.used.entry(month).or_default();
        let left = told.units_for(RENDER, month).unwrap_or(0).saturating_sub(*used);
        if !overdue && !ended {
            *used += n.min(left);
            self.events += 1;
        }
    }
}

/// Answers a code as the vendor does, and gives what the ledger holds and what the device makes of the unlock code.
fn answer(
    world: &mut World,
    device: &Dark,
    code: &TypedCode,
    now: Micros,
) -> Result<(GrantBody, GrantBody), Unfit> {
    let policy = policy_of(&world.license.terms);
    let origin = device.origin();
    let chain = chain_of(&origin);
    let received = CodeReceived { chain, code: code.clone() };
    let telling = Telling { policy: &policy, answers: crate::codes::digest(code), valid_days: None };
    let grant = world
        .work_at(now, |draft, _| {
            draft.write(Body::CodeReceived(Box::new(received))).expect("short");
            grants::issue_by_code(draft, chain, Revocations::default(), telling, false).expect("short");
            draft.grant(&chain).cloned().expect("it was just issued")
        })
        .0;
    let event = schemas::event::Event::decode(&grant.core).expect("it was just written");
    let Body::GrantIssued(recorded) = event.body else { panic!("a grant") };
    let fields = telling::fields(&recorded, grant.seq, event.at, &policy)?;
    let (pack, body) = signed_pack(policy.clone());
    let digest = trust::pack_digest(&pack);
    let purpose = Purpose::of(&origin, digest, telling.answers);
    let unlock = unlock::write(&fields, &purpose, &code_key())?;
    let expected = Expected {
        origin: &origin,
        pack: &body,
        digest,
        shown: telling.answers,
        shown_before: &[],
        other_packs: &[],
    };
    let believed = unlock::verify(&unlock, &expected).expect("made for this");
    let reference = origin.reference;
    let keeping =
        Keeping { chain, reference, pack: &pack, body: &body, answers: telling.answers, shown: Ack::NONE };
    let kept = kept::verify(&keeping.grant(&unlock, &believed), &body.root).expect("made for this");
    assert_eq!(kept.order(), (recorded.epoch, grant.seq));
    Ok((*recorded, kept.body))
}

fn signed_pack(policy: Policy) -> (Pack, PackBody) {
    let body = PackBody { policies: vec![policy], ..pack() };
    (trust::sign_pack(&body, &SecretKey::from_seed(&[1; 32])), body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The device is told what the ledger holds: status, dates and, where the limit stays, just the units that are out for
    /// it. Together the devices never use more than the limit.
    #[test]
    fn the_ledger_holds_what_devices_are_told(
        limit in prop_oneof![0..3_000_u64, (1_u64 << 20)..(1_u64 << 36)],
        sync_days in prop::option::of(1..200_u64),
        valid_days in prop::option::of(400..800_u64),
        steps in steps(),
    ) {
        let mut world = World::new(terms_with(limit, sync_days, valid_days));
        let mut devices = [Dark::new(21), Dark::new(22)];
        let mut now = at(ISSUED);
        for (number, step) in steps {
            let device = &mut devices[number];
            match step {
                Step::Use(n, days) => {
                    now = now + Seconds::days(days.into());
                    device.spend(n, now);
                }
                Step::Report => {
                    now = now + Seconds(60);
                    let code = device.shows(now);
                    let Ok((recorded, told)) = answer(&mut world, device, &code, now) else { continue };
                    prop_assert_eq!(told.status, recorded.status);
                    prop_assert_eq!(told.check_in, recorded.check_in);
                    let (ours, theirs) = (recorded.entitlement.as_ref(), told.entitlement.as_ref());
                    prop_assert_eq!(ours.map(|held| held.valid_until), theirs.map(|held| held.valid_until));
                    prop_assert_eq!(ours.map(|held| held.starts_at), theirs.map(|held| held.starts_at));
                    for line in &told.quotas {
                        let mut period = line.first;
                        while period <= line.last {
                            prop_assert_eq!(told.units_for(RENDER, period), recorded.units_for(RENDER, period));
                            period = period.next();
                        }
                    }
                    device.place = GrantPlace { epoch: recorded.epoch, seq: world.license.head.seq };
                    device.events += 1;
                    device.told = Some(told);
                }
            }
        }
        let mut used: BTreeMap<_, u64> = BTreeMap::new();
        for device in &devices {
            for (period, n) in &device.used {
                *used.entry(*period).or_default() += n;
            }
        }
        prop_assert!(used.values().all(|used| *used <= limit), "{used:?} of {limit}");
        let (refolded, _) = world.refolded();
        prop_assert_eq!(refolded.coded, world.license.coded);
    }
}

#[test]
fn a_return_is_read_by_the_grant_that_it_names() {
    let mut world = World::new(|_| ());
    let mut device = Dark::new(21);
    let now = at(ISSUED);
    let (recorded, told) = answer(&mut world, &device, &device.shows(now), now).expect("fits");
    device.place = GrantPlace { epoch: recorded.epoch, seq: world.license.head.seq };
    device.told = Some(told);
    device.spend(7, now);
    let code = device.shows(now);
    let start = ReturnStart::read(&code).expect("a return");
    let chain = chain_of(&device.origin());
    let known = world.license.coded.device(&chain).expect("it asked");
    assert_eq!(known.metered_at(start.applied), [(RENDER, Reset::Month)]);
    answer(&mut world, &device, &code, now + Seconds(60)).expect("fits");
    let month = Period::of(Reset::Month, now);
    assert_eq!(world.license.coded.used(&chain, &(RENDER, month)), 7);
}
