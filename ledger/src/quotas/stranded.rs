//! Units that stay out with a device whose activation ended: what a newcomer may lack, and from when it can be written
//! off.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::authority::ReleaseReason;
use schemas::ids::ChainId;
use schemas::numbers::{FeatureNumber, Micros};
use schemas::period::Period;

use super::{accounts, hard, is_open, share};
use crate::authority::{Activation, License};
use crate::escrow::Account;

/// Units of a hard quota that a device holds, as far as is known, although its activation was released.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stranded {
    /// The device chain.
    pub chain: ChainId,
    /// The feature.
    pub feature: FeatureNumber,
    /// The period, which is not final.
    pub period: Period,
    /// Units out and not used.
    pub units: u64,
    /// Why the activation was released.
    pub released: ReleaseReason,
    /// From when they can be written off without an override; absent: never.
    pub write_off_from: Option<Micros>,
}

/// What is stranded of a licence, in the order of chain, feature and period.
pub fn stranded(license: &License, now: Micros) -> Vec<Stranded> {
    stranded_among(license, &accounts_in_question(license, now))
}

/// What is stranded of a licence and concerns one chain, in the same order: what it holds itself, and what others hold
/// of a quota of which it has less than its share.
pub fn stranded_for(license: &License, chain: &ChainId, now: Micros) -> Vec<Stranded> {
    let accounts = accounts_in_question(license, now);
    let mut stranded = stranded_among(license, &accounts);
    stranded.retain(|units| {
        let key = (units.feature, units.period);
        units.chain == *chain || accounts.get(&key).is_some_and(|of| lacks(license, chain, units.feature, of))
    });
    stranded
}

/// The accounts of every chain, for some features and periods.
type Accounts = BTreeMap<(FeatureNumber, Period), BTreeMap<ChainId, Account>>;

/// The accounts of what released chains were granted for periods that are not final.
fn accounts_in_question(license: &License, now: Micros) -> Accounts {
    let granted = released(license).flat_map(|(_, activation, _)| activation.quotas.keys());
    let open: BTreeSet<_> = granted.filter(|(_, period)| is_open(license, *period, now)).copied().collect();
    open.into_iter()
        .map(|(feature, period)| ((feature, period), accounts(license, feature, period)))
        .collect()
}

fn stranded_among(license: &License, accounts: &Accounts) -> Vec<Stranded> {
    let of_chain = |(chain, activation, released): (ChainId, &Activation, ReleaseReason)| {
        let write_off_from = license.silent_from(&chain);
        let held = activation.quotas.keys().filter_map(|key| {
            let (feature, period) = *key;
            let units = accounts.get(key)?.get(&chain)?.held();
            let stranded = Stranded { chain, feature, period, units, released, write_off_from };
            (units > 0).then_some(stranded)
        });
        held.collect::<Vec<_>>()
    };
    released(license).flat_map(of_chain).collect()
}

fn released(license: &License) -> impl Iterator<Item = (ChainId, &Activation, ReleaseReason)> {
    license.activations.iter().filter_map(|(chain, activation)| {
        let released = activation.released?;
        Some((*chain, activation, released.why))
    })
}

/// Whether a chain with a seat holds less of a hard quota than its share, by the accounts of one period.
fn lacks(
    license: &License,
    chain: &ChainId,
    feature: FeatureNumber,
    accounts: &BTreeMap<ChainId, Account>,
) -> bool {
    let terms = &license.terms;
    let rule = terms.rules.quotas.iter().find(|rule| rule.feature == feature);
    let share = rule.map_or(0, |rule| share(rule, terms.rules.max_activations).get());
    let holds_seat = license.activations.get(chain).is_some_and(Activation::holds_seat);
    let is_hard = hard(terms, feature).is_some();
    holds_seat && is_hard && accounts.get(chain).map_or(0, |account| account.held()) < share
}

#[cfg(test)]
mod tests {
    use schemas::event::Body;
    use schemas::numbers::Seconds;
    use schemas::terms::SameDevice;

    use super::*;
    use crate::fixture::{ISSUED, RENDER, at};
    use crate::merge::tests::world::{Device, World, month};
    use crate::quotas::write_offs;

    /// One seat, which the same device took over when it was installed again.
    fn superseded() -> (World, Device, Device) {
        let mut world = World::new(|terms| {
            terms.rules.max_activations = 1;
            terms.rules.same_device = SameDevice::Supersede;
        });
        let (mut old, new) = (Device::new(1), Device::new(2));
        world.merge(&old);
        old.consume(30);
        world.merge(&old);
        world.merge(&new);
        (world, old, new)
    }

    fn this_month(world: &World) -> Vec<(ChainId, u64)> {
        let all = stranded(&world.license, at(ISSUED)).into_iter();
        all.filter(|units| units.period == month()).map(|units| (units.chain, units.units)).collect()
    }

    #[test]
    fn what_a_released_device_holds_is_named_until_it_is_written_off() {
        let (mut world, old, new) = superseded();
        let lacks = |world: &World, device: &Device| {
            let accounts = accounts(&world.license, RENDER, month());
            lacks(&world.license, &device.chain(), RENDER, &accounts)
        };
        assert_eq!(this_month(&world), [(old.chain(), 970)], "all that was free");
        assert_eq!((lacks(&world, &new), lacks(&world, &old)), (true, false));
        let all = stranded(&world.license, at(ISSUED));
        for (device, concerns) in [(&new, all.as_slice()), (&old, all.as_slice()), (&Device::new(3), &[])] {
            assert_eq!(stranded_for(&world.license, &device.chain(), at(ISSUED)), concerns);
        }
        let found = stranded(&world.license, at(ISSUED))[0];
        let from = world.license.silent_from(&old.chain()).expect("it has a deadline");
        assert_eq!((found.released, found.write_off_from), (ReleaseReason::Superseded, Some(from)));
        for written_off in write_offs(&world.license, &old.chain(), None, from, false).expect("silent") {
            world.write(Body::QuotaWrittenOff(written_off));
        }
        assert_eq!(this_month(&world), []);
        world.merge(&{
            let mut new = new.clone();
            new.consume(1);
            new
        });
        assert!(world.granted(&new) >= 970, "the newcomer gets them with its next report");
    }

    #[test]
    fn what_a_seat_holds_a_closed_chain_held_or_a_final_period_had_is_not_stranded() {
        let (mut world, mut old, _) = superseded();
        let long_after = month().end() + Seconds::days(10);
        assert!(stranded(&world.license, long_after).iter().all(|units| units.period != month()));
        old.close();
        world.merge(&old);
        assert_eq!(stranded(&world.license, at(ISSUED)), []);
    }
}
