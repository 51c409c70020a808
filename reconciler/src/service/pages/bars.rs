//! How much of a quota is used, held by devices, and left, as a bar beside its figures.

use crate::shown::licenses::LicenseQuota;

/// The width of a bar.
const WHOLE: u64 = 1_000;

/// A quota of one feature in one period.
pub(super) struct QuotaRow {
    pub(super) feature: String,
    pub(super) mode: String,
    pub(super) period: String,
    pub(super) limit: String,
    pub(super) overage: String,
    pub(super) used: u64,
    pub(super) held: u64,
    pub(super) free: i64,
    pub(super) debt: u64,
    pub(super) charged: u64,
    pub(super) bar: Bar,
}

/// The parts of a bar, in thousandths of its width: what was used within the limit, beyond it, and what devices hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Bar {
    pub(super) used: u64,
    pub(super) over: u64,
    pub(super) held: u64,
}

impl QuotaRow {
    pub(super) fn of(quota: &LicenseQuota) -> Self {
        Self {
            feature: quota.feature.to_string(),
            mode: quota.mode.to_string(),
            period: quota.period.to_string(),
            limit: quota.limit.to_string(),
            overage: quota.overage.to_string(),
            used: quota.used,
            held: quota.held,
            free: quota.free,
            debt: quota.debt,
            charged: quota.charged,
            bar: Bar::of(quota.limit.get(), quota.used, quota.held),
        }
    }
}

impl Bar {
    /// Of a limit; the bar is as long as the limit, or as all that is used and held where that is more.
    fn of(limit: u64, used: u64, held: u64) -> Self {
        let all = limit.max(used.saturating_add(held));
        let to = |units: u64| {
            let part = u128::from(units.min(all)) * u128::from(WHOLE);
            part.checked_div(u128::from(all)).and_then(|part| u64::try_from(part).ok()).unwrap_or(0)
        };
        let (within, used, out) = (to(used.min(limit)), to(used), to(used.saturating_add(held)));
        Self { used: within, over: used - within, held: out - used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_bar_fill_it_and_no_more() {
        let bar = |limit, used, held| {
            let Bar { used, over, held } = Bar::of(limit, used, held);
            [used, over, held]
        };
        assert_eq!(bar(100, 25, 50), [250, 0, 500]);
        assert_eq!(bar(100, 150, 50), [500, 250, 250]);
        assert_eq!(bar(0, 0, 0), [0, 0, 0], "a quota of nothing");
        assert_eq!(bar(0, 7, 0), [0, 1_000, 0]);
        for (limit, used, held) in [(3, 1, 1), (7, 9, 2), (u64::MAX, u64::MAX, u64::MAX), (1, u64::MAX, 1)] {
            assert!(bar(limit, used, held).iter().sum::<u64>() <= WHOLE, "{limit} {used} {held}");
        }
    }
}
