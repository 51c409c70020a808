//! What copies of devices can spend: beyond limit and overage no more than each further copy held, and nothing of a
//! chain that forked becomes free while one of its histories goes on.

use schemas::event::device::FeatureRefunded;
use schemas::numbers::Amount;

use super::*;
use crate::run::VerifiedRun;

/// What happens next to a device or to one of its copies.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Uses as much of this as it may.
    Use(u64),
    /// Uses one unit and takes that back.
    TakeBack,
    /// Returns as much of this as it has left.
    Return(u64),
    /// Goes on as two.
    Copy,
    /// Writes a report from this many events before its end on; it arrives some time.
    Send(usize),
    /// One of the reports that were written arrives, and may arrive again.
    Deliver(usize),
    /// Takes the newest answer, if that knows no other history than its own.
    Apply,
    /// Closes its chain.
    Close,
    /// The limit becomes this.
    Limit(u64),
}

fn acts(copy: u32) -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        8 => (1..700_u64).prop_map(Act::Use),
        2 => Just(Act::TakeBack),
        2 => (1..400_u64).prop_map(Act::Return),
        copy => Just(Act::Copy),
        8 => (0..12_usize).prop_map(Act::Send),
        10 => any::<usize>().prop_map(Act::Deliver),
        8 => Just(Act::Apply),
        1 => Just(Act::Close),
        1 => (500..1_500_u64).prop_map(Act::Limit),
    ];
    prop::collection::vec((any::<usize>(), act), 1..60)
}

/// A device, or a copy of one: each keeps to what it was granted and knows nothing of the others.
#[derive(Clone)]
struct Holder {
    device: Device,
    granted: u64,
    used: u64,
    returned: u64,
    is_closed: bool,
    /// What it was like when it began to go on beside another, if it is a copy.
    beside: Option<Beside>,
}

#[derive(Clone, Copy)]
struct Beside {
    used: u64,
    returned: u64,
    /// The most that it was ever granted.
    most: u64,
}

impl Holder {
    fn new(seed: u8) -> Self {
        let device = Device::new(seed);
        Self { device, granted: 0, used: 0, returned: 0, is_closed: false, beside: None }
    }

    fn left(&self) -> u64 {
        if self.is_closed { 0 } else { self.granted.saturating_sub(self.used + self.returned) }
    }

    /// A second one that goes on from here, at times of its own.
    fn copied(&self, number: usize) -> Self {
        let mut copy = self.clone();
        copy.device.slip(i64::try_from(number).expect("few copies") * 1_000);
        copy.beside = Some(Beside { used: self.used, returned: self.returned, most: self.granted });
        copy
    }

    /// What it held of its own when it began to go on beside another: (copies − 1) × held is the sum of this.
    fn exposure(&self) -> u64 {
        self.beside.map_or(0, |began| began.most.saturating_sub(began.used + began.returned))
    }

    fn consume(&mut self, n: u64) {
        let n = n.min(self.left());
        if n > 0 {
            self.used += n;
            self.device.consume(n);
        }
    }

    fn take_back(&mut self) {
        if self.left() > 0 {
            self.device.consume(1);
            let consumption = Seq(self.device.events.len() as u64);
            let n = Amount::new(1).expect("one");
            let refunded = FeatureRefunded { feature: RENDER, period: month(), n, consumption };
            self.device.push(Body::FeatureRefunded(refunded));
        }
    }

    fn give_back(&mut self, n: u64) {
        let n = n.min(self.left());
        if n > 0 {
            self.returned += n;
            self.device.give_back(n, self.returned);
        }
    }

    fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.device.close();
        }
    }

    fn apply(&mut self, license: &License) {
        let chain = self.device.chain();
        let Some(activation) = license.activations.get(&chain) else { return };
        let knows = self.device.whole().link_at(activation.ack.seq) == Some(activation.ack.link);
        if !knows || self.is_closed {
            return;
        }
        let quota = activation.quotas.get(&(RENDER, month())).copied().unwrap_or_default();
        self.granted = quota.granted.get();
        if let Some(began) = &mut self.beside {
            began.most = began.most.max(self.granted);
        }
        if let Some(n) = asked_this_month(license, &chain) {
            self.give_back(n.saturating_sub(self.returned));
        }
    }
}

/// Devices and their copies, their vendor, and the reports on their way.
struct Site {
    world: World,
    holders: Vec<Holder>,
    reports: Vec<VerifiedRun>,
    most: u64,
    outstanding: BTreeMap<ChainId, u64>,
}

impl Site {
    fn new() -> Self {
        let (mut world, _) = three();
        let mut holders = vec![Holder::new(1), Holder::new(2), Holder::new(3)];
        for holder in &mut holders {
            world.merge(&holder.device);
            holder.apply(&world.license);
        }
        Self { world, holders, reports: Vec::new(), most: 1_000, outstanding: BTreeMap::new() }
    }

    fn perform(&mut self, of: usize, act: Act) {
        let (of, number) = (of % self.holders.len(), self.holders.len());
        let holder = &mut self.holders[of];
        match act {
            Act::Use(n) => holder.consume(n),
            Act::TakeBack => holder.take_back(),
            Act::Return(n) => holder.give_back(n),
            Act::Copy => {
                let copy = holder.copied(number);
                self.holders.push(copy);
            }
            Act::Send(events) => {
                let last = holder.device.events.len();
                self.reports.push(holder.device.run(last.saturating_sub(events).max(1), last));
            }
            Act::Deliver(which) if !self.reports.is_empty() => {
                let run = self.reports[which % self.reports.len()].clone();
                self.world.merge_runs(run.chain(), &[run]);
            }
            Act::Deliver(_) => {}
            Act::Apply => holder.apply(&self.world.license),
            Act::Close => holder.close(),
            Act::Limit(limit) => {
                self.most = self.most.max(limit);
                change_limit(&mut self.world, limit);
            }
        }
    }

    fn granted(&self) -> BTreeMap<ChainId, u64> {
        let accounts = accounts(&self.world.license, RENDER, month()).into_iter();
        accounts.map(|(chain, account)| (chain, account.granted)).collect()
    }

    fn spent(&self) -> u64 {
        // What a copy had used when it began was used once.
        let of = |holder: &Holder| holder.used - holder.beside.map_or(0, |began| began.used);
        self.holders.iter().map(of).sum()
    }

    fn spending_stays_within_limit_and_exposure(&self) -> Result<(), TestCaseError> {
        let held: u64 = self.holders.iter().map(Holder::exposure).sum();
        let spent = self.spent();
        prop_assert!(spent <= self.most + 50 + held, "{spent} spent of {}, {held} held by copies", self.most);
        Ok(())
    }

    fn a_forked_device_frees_nothing(&mut self) -> Result<(), TestCaseError> {
        let license = &self.world.license;
        for (chain, account) in accounts(license, RENDER, month()) {
            let is_closed =
                license.chains.get(&chain).is_some_and(crate::evidence::Chain::is_closed_everywhere);
            if license.fork_of(&chain).is_none() || is_closed {
                continue;
            }
            let out = account.outstanding();
            let before = self.outstanding.insert(chain, out);
            prop_assert!(before.is_none_or(|before| before <= out), "{before:?} out became {out}");
        }
        Ok(())
    }
}

fn run(acts: Vec<(usize, Act)>) -> Result<Site, TestCaseError> {
    let mut site = Site::new();
    for (of, act) in acts {
        let before = site.granted();
        site.perform(of, act);
        let was_raised = site.granted() != before;
        prop_assert!(
            !was_raised || site.world.free() >= 0,
            "{} free after a raise by {act:?}",
            site.world.free()
        );
        both_equations_hold(&site.world.license)?;
        site.spending_stays_within_limit_and_exposure()?;
        site.a_forked_device_frees_nothing()?;
    }
    Ok(site)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn without_copies_no_more_is_spent_than_limit_and_overage(acts in acts(0)) {
        let site = run(acts)?;
        prop_assert_eq!(site.world.license.forked().count(), 0);
        prop_assert!(site.spent() <= site.most + 50);
    }

    #[test]
    fn copies_spend_no_more_than_they_held_and_free_nothing(acts in acts(3)) {
        run(acts)?;
    }
}

#[test]
fn what_a_copy_spends_is_charged_when_it_is_reported() {
    let mut site = Site::new();
    site.perform(0, Act::Copy);
    for of in 0..4 {
        site.perform(of, Act::Use(1_000));
    }
    let held = site.holders[3].exposure();
    assert_eq!((site.spent(), held), (3 * 334 + 334, 334), "once more than what one device held");
    for of in 0..4 {
        site.perform(of, Act::Send(1));
        site.perform(of, Act::Deliver(of));
    }
    let quota = this_month(&site.world.license);
    let (used, debt) = (4 * 334, 4 * 334 - 1_050);
    assert_eq!((quota.used, quota.debt, quota.free), (used, debt, 0), "what passed the limit is debt");
    assert_eq!(site.granted().values().sum::<u64>(), 1_050, "nothing is raised for it");
}
