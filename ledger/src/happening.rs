//! What a unit of work did to a licence, as others are told: a pure function of the licence before and afterwards.

use std::collections::BTreeMap;

use schemas::event::authority::ReleaseReason;
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::{FeatureNumber, Micros, Seq};
use schemas::period::Period;
use schemas::text::Text;
use schemas::webhook::Topic;

use crate::authority::{Activation, License};
use crate::quotas;
use crate::rows::{Rows, UsageSum};

/// The parts of a limit, in hundredths, that are told when use reaches them.
pub const LOW_PERCENTS: [u8; 2] = [80, 95];

/// Something that happened to a licence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Happening {
    /// Something was decided about an activation.
    Activation {
        /// What.
        topic: Topic,
        /// The device chain.
        chain: ChainId,
        /// The status of the newest grant.
        status: GrantStatus,
        /// The code that says why.
        reason: Option<Text>,
        /// Why the seat came to its end, if it did.
        released: Option<ReleaseReason>,
        /// When the device must be heard of again.
        sync_by: Option<Micros>,
    },
    /// Use was taken in: units by feature and period, of all devices together.
    UsageMerged(BTreeMap<(FeatureNumber, Period), UsageSum>),
    /// Use of a feature reached a part of its limit.
    QuotaLow {
        /// The feature.
        feature: FeatureNumber,
        /// The period.
        period: Period,
        /// The part, in hundredths.
        percent: u8,
        /// Units that all devices used.
        used: u64,
        /// Units that all devices may use.
        limit: u64,
    },
    /// Two histories of one device are known.
    Forked {
        /// The device chain.
        chain: ChainId,
        /// The place at which they part.
        seq: Seq,
    },
}

impl Happening {
    /// What it is told as.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Activation { topic, .. } => *topic,
            Self::UsageMerged(_) => Topic::UsageMerged,
            Self::QuotaLow { .. } => Topic::QuotaLow,
            Self::Forked { .. } => Topic::Forked,
        }
    }
}

/// What happened between `before` and `after`, which one unit of work left with these rows.
pub fn happenings(before: &License, after: &License, rows: &Rows) -> Vec<Happening> {
    let mut found = Vec::new();
    for chain in &rows.chains {
        if let Some(activation) = after.activations.get(chain) {
            let topics = of_activation(before.activations.get(chain), activation);
            found.extend(topics.into_iter().map(|topic| Happening::Activation {
                topic,
                chain: *chain,
                status: activation.status,
                reason: activation.reason.clone(),
                released: activation.released.map(|released| released.why),
                sync_by: activation.sync_by,
            }));
        }
        if let (None, Some(seq)) = (before.fork_of(chain), after.fork_of(chain)) {
            found.push(Happening::Forked { chain: *chain, seq });
        }
    }
    let usage = usage(rows);
    if !usage.is_empty() || before.terms.rules.quotas != after.terms.rules.quotas {
        found.extend(low_quotas(before, after));
    }
    if !usage.is_empty() {
        found.push(Happening::UsageMerged(usage));
    }
    found
}

/// A seat that a restore only brought back was told of before.
fn of_activation(before: Option<&Activation>, after: &Activation) -> Vec<Topic> {
    let had_seat = before.is_some_and(|before| before.granted_at.is_some());
    let was_denied = before.is_some_and(|before| {
        before.status == GrantStatus::Denied && before.reason.as_ref() == after.reason.as_ref()
    });
    let is_new_grant = before.is_none_or(|before| before.grant != after.grant);
    let is_seated = after.granted_at.is_some();
    let ended = after.released.is_some() && before.is_none_or(|before| before.released.is_none());
    let told = [
        (is_seated && !had_seat && !after.taken_back, Topic::Activated),
        (after.status == GrantStatus::Denied && !was_denied, Topic::Denied),
        (had_seat && is_new_grant && after.released.is_none(), Topic::Refreshed),
        (is_seated && ended, Topic::Deactivated),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, topic)| topic).collect()
}

fn usage(rows: &Rows) -> BTreeMap<(FeatureNumber, Period), UsageSum> {
    let mut sums: BTreeMap<_, UsageSum> = BTreeMap::new();
    for ((_, feature, period, _), row) in &rows.usage {
        let sum = sums.entry((*feature, *period)).or_default();
        sum.n = sum.n.saturating_add(row.n);
        sum.refunded = sum.refunded.saturating_add(row.refunded);
        sum.events = sum.events.saturating_add(row.events);
    }
    sums
}

/// Each part of a limit that was not reached before and is now, of the periods that are not final.
fn low_quotas(before: &License, after: &License) -> Vec<Happening> {
    let now = after.last_at;
    let was: BTreeMap<_, _> = quotas::overview(before, now)
        .into_iter()
        .map(|quota| ((quota.feature, quota.period), (quota.used, quota.limit.get())))
        .collect();
    let mut found = Vec::new();
    for quota in quotas::overview(after, now) {
        let (feature, period, used, limit) = (quota.feature, quota.period, quota.used, quota.limit.get());
        let was = was.get(&(feature, period)).copied().unwrap_or((0, limit));
        let crossed = |percent: &u8| reached(used, limit, *percent) && !reached(was.0, was.1, *percent);
        found.extend(LOW_PERCENTS.into_iter().filter(crossed).map(|percent| Happening::QuotaLow {
            feature,
            period,
            percent,
            used,
            limit,
        }));
    }
    found
}

/// Whether use reached so many hundredths of a limit. Of nothing, nothing can be reached.
fn reached(used: u64, limit: u64, percent: u8) -> bool {
    limit > 0 && u128::from(used) * 100 >= u128::from(limit) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft;
    use crate::fixture::{ISSUED, RENDER, at};
    use crate::merge::tests::world::{Device, World, month, total};
    use schemas::event::Body;
    use schemas::event::authority::EntitlementChanged;
    use schemas::numbers::Seconds;

    /// The topics of what merging all that a device said does.
    fn told(world: &mut World, device: &Device) -> Vec<Topic> {
        topics(&merged(world, device))
    }

    fn merged(world: &mut World, device: &Device) -> Vec<Happening> {
        let before = world.license.clone();
        let (_, rows) = world.merge_runs(device.chain(), &[device.whole()]);
        happenings(&before, &world.license, &rows)
    }

    fn topics(found: &[Happening]) -> Vec<Topic> {
        found.iter().map(Happening::topic).collect()
    }

    fn percents(found: &[Happening]) -> Vec<(u8, u64)> {
        let low = found.iter().filter_map(|happening| match happening {
            Happening::QuotaLow { feature, period, percent, used, limit } => {
                assert_eq!((*feature, *period, *limit), (RENDER, month(), 1_000));
                Some((*percent, *used))
            }
            _ => None,
        });
        low.collect()
    }

    #[test]
    fn a_seat_is_told_from_its_beginning_to_its_end_and_nothing_twice() {
        let mut world = World::new(|_| {});
        let mut device = Device::new(1);
        assert_eq!(told(&mut world, &device), [Topic::Activated]);
        assert_eq!(told(&mut world, &device), [], "it is known");
        device.consume(5);
        assert_eq!(told(&mut world, &device), [Topic::Refreshed, Topic::UsageMerged]);
        assert_eq!(told(&mut world, &device), []);
        device.close();
        assert_eq!(told(&mut world, &device), [Topic::Deactivated]);
        assert_eq!(told(&mut world, &device), []);
    }

    #[test]
    fn a_denial_is_told_once_and_says_why() {
        let mut world = World::new(|terms| terms.rules.max_activations = 1);
        told(&mut world, &Device::new(1));
        let mut second = Device::new(2);
        let found = merged(&mut world, &second);
        let [Happening::Activation { topic: Topic::Denied, reason: Some(reason), .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(reason.as_str(), "no_seat_free");
        second.consume(1);
        assert_eq!(told(&mut world, &second), [Topic::UsageMerged], "the denial is the same");
    }

    #[test]
    fn use_of_all_devices_and_days_is_one_sum_a_feature_and_period() {
        let mut world = World::new(|_| {});
        let mut device = Device::new(1);
        device.consume(5);
        device.consume(7);
        let found = merged(&mut world, &device);
        let sum = UsageSum { n: 12, refunded: 0, events: 2 };
        assert_eq!(found.last(), Some(&Happening::UsageMerged([((RENDER, month()), sum)].into())));
    }

    #[test]
    fn each_part_of_a_limit_is_told_when_it_is_reached_and_not_again() {
        let mut world = World::new(|_| {});
        let mut device = Device::new(1);
        device.consume(799);
        assert_eq!(percents(&merged(&mut world, &device)), []);
        device.consume(1);
        assert_eq!(percents(&merged(&mut world, &device)), [(80, 800)]);
        device.consume(149);
        assert_eq!(percents(&merged(&mut world, &device)), []);
        device.consume(100);
        assert_eq!(percents(&merged(&mut world, &device)), [(95, 1_049)]);
        device.consume(100);
        assert_eq!(percents(&merged(&mut world, &device)), []);
        let mut at_once = World::new(|_| {});
        assert_eq!(percents(&merged(&mut at_once, &device)), [(80, 1_149), (95, 1_149)]);
    }

    #[test]
    fn a_limit_that_comes_down_to_what_was_used_is_low() {
        let mut world = World::new(|terms| terms.rules.quotas[0].limit = total(10_000));
        let mut device = Device::new(1);
        device.consume(850);
        merged(&mut world, &device);
        let before = world.license.clone();
        let mut terms = before.terms.clone();
        terms.rules.quotas[0].limit = total(1_000);
        let change = |draft: &mut Draft<'_>| {
            draft.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })))
        };
        let ((), rows) = world.work_at(at(ISSUED) + Seconds(60), |draft, _| change(draft).expect("short"));
        assert_eq!(percents(&happenings(&before, &world.license, &rows)), [(80, 850)]);
    }

    #[test]
    fn two_histories_of_a_device_are_told_once() {
        let mut world = World::new(|_| {});
        let mut device = Device::new(1);
        let mut copy = device.clone();
        device.consume(5);
        told(&mut world, &device);
        copy.consume(6);
        let found = merged(&mut world, &copy);
        assert!(found.contains(&Happening::Forked { chain: device.chain(), seq: Seq(3) }), "{found:?}");
        copy.consume(1);
        assert!(!told(&mut world, &copy).contains(&Topic::Forked));
    }
}
