//! Units that stay out with a device whose activation ended: what a newcomer may lack, and from when it can be written
//! off.

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
    let released = license.activations.iter().filter_map(|(chain, activation)| {
        let released = activation.released?;
        Some((*chain, activation, released.why))
    });
    released
        .flat_map(|(chain, activation, released)| {
            let write_off_from = license.silent_from(&chain);
            let open = activation.quotas.keys().filter(|(_, period)| is_open(license, *period, now));
            open.filter_map(move |(feature, period)| {
                let units = account(license, &chain, *feature, *period).held();
                let (feature, period) = (*feature, *period);
                let stranded = Stranded { chain, feature, period, units, released, write_off_from };
                (units > 0).then_some(stranded)
            })
        })
        .collect()
}

/// Whether a chain with a seat holds less of a hard quota than its share.
pub fn lacks(license: &License, chain: &ChainId, feature: FeatureNumber, period: Period) -> bool {
    let terms = &license.terms;
    let rule = terms.rules.quotas.iter().find(|rule| rule.feature == feature);
    let share = rule.map_or(0, |rule| share(rule, terms.rules.max_activations).get());
    let holds_seat = license.activations.get(chain).is_some_and(Activation::holds_seat);
    let is_hard = hard(terms, feature).is_some();
    holds_seat && is_hard && account(license, chain, feature, period).held() < share
}

fn account(license: &License, chain: &ChainId, feature: FeatureNumber, period: Period) -> Account {
    accounts(license, feature, period).get(chain).copied().unwrap_or_default()
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
        let lacks = |world: &World, device: &Device| lacks(&world.license, &device.chain(), RENDER, month());
        assert_eq!(this_month(&world), [(old.chain(), 970)], "all that was free");
        assert_eq!((lacks(&world, &new), lacks(&world, &old)), (true, false));
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
