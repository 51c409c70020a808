//! Quotas that hold without a connection: what is out, what is free, what a device may be given.
//!
//! Per (licence, feature, period) and chain: **G** granted, **U** used net of refunds, **R** returned, **X** written
//! off, all cumulative.
//!
//! ```text
//! E    = min(R + X, max(0, G − U))            given back and not spent
//! free = limit + overage − Σ(G − E)           what may still be granted
//! held = max(0, G − E − U)                    out and not spent
//! debt = max(0, U − G)                        spent beyond what was granted
//! limit + overage = free + ΣU + Σheld − Σdebt
//! ```

use schemas::numbers::Total;

/// One chain's account of one feature in one period.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Account {
    /// G: units granted.
    pub granted: u64,
    /// U: units used, net of refunds, the union over branches.
    pub used: u64,
    /// R: units returned by the device.
    pub returned: u64,
    /// X: units written off by the vendor.
    pub written_off: u64,
}

impl Account {
    /// E: units given back or written off that were not spent.
    pub fn given_back(self) -> u64 {
        self.returned.saturating_add(self.written_off).min(self.granted.saturating_sub(self.used))
    }

    /// Units that count against the limit: granted and not given back.
    pub fn outstanding(self) -> u64 {
        self.granted - self.given_back()
    }

    /// Units out on the device and not spent.
    pub fn held(self) -> u64 {
        self.outstanding().saturating_sub(self.used)
    }

    /// Units spent beyond what was granted.
    pub fn debt(self) -> u64 {
        self.used.saturating_sub(self.granted)
    }

    /// Whether the device claims to have returned units that it did not hold.
    pub fn claims_too_much(self) -> bool {
        self.returned > self.granted.saturating_sub(self.used)
    }
}

/// What may still be granted of a limit; negative is debt and stops every raise.
pub fn free(limit: Total, overage: Total, accounts: impl IntoIterator<Item = Account>) -> i64 {
    let out: i64 = accounts.into_iter().map(|account| signed(account.outstanding())).sum();
    signed(limit.get()) + signed(overage.get()) - out
}

/// Units out beyond what may be granted: those that devices are asked for.
pub fn lacking(grantable: Total, accounts: impl IntoIterator<Item = Account>) -> u64 {
    free(grantable, Total::ZERO, accounts).min(0).unsigned_abs()
}

/// The share that a device holds ahead of its use unless the policy says otherwise: ⌈limit ÷ max activations⌉.
pub fn default_share(limit: Total, max_activations: u32) -> Total {
    Total::new(limit.get().div_ceil(u64::from(max_activations.max(1)))).expect("a part of a total is a total")
}

/// The new G of a device: topped up so that it can use `share` more, as far as `free` allows, and never lowered.
///
/// The device counts what it may use as G − X − R − U, so R and X are made up for. Where more was used than was left,
/// as by a device that came back after its units were written off, E stays below R + X and the first part of a raise
/// only fills that in: it costs nothing, because it gives the device nothing.
///
/// A device that claims returns of what it did not hold gets nothing more: each raise would make more of its claim
/// come true, and so free the very units that it gave out.
pub fn topped_up(account: Account, share: Total, free: i64) -> Total {
    let Account { granted, used, returned, written_off } = account;
    let Ok(free) = u64::try_from(free) else { return Total::ZERO.saturating_plus(granted) };
    if account.claims_too_much() {
        return Total::ZERO.saturating_plus(granted);
    }
    let gone = returned.saturating_add(written_off);
    let wanted = used.saturating_add(share.get()).saturating_add(gone);
    // The largest outstanding amount that the limit bears, and the G at which that much is outstanding.
    let budget = account.outstanding().saturating_add(free);
    let bearable = if budget < used { budget } else { budget.saturating_add(gone) };
    Total::ZERO.saturating_plus(wanted.min(bearable).max(granted))
}

/// Totals stay below 2⁵³ and a licence has far fewer than 2¹⁰ chains with such totals; larger sums stop at the end.
pub(crate) fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accounts() -> impl Strategy<Value = Vec<Account>> {
        let account = (0..2_000_u64, 0..2_000_u64, 0..500_u64, 0..500_u64).prop_map(
            |(granted, used, returned, written_off)| Account { granted, used, returned, written_off },
        );
        prop::collection::vec(account, 0..8)
    }

    fn total(n: u64) -> Total {
        Total::new(n).expect("small")
    }

    proptest! {
        #[test]
        fn the_limit_is_conserved(accounts in accounts(), limit in 0..10_000_u64, overage in 0..1_000_u64) {
            let sum = |part: fn(Account) -> u64| accounts.iter().map(|account| signed(part(*account))).sum::<i64>();
            let free = free(total(limit), total(overage), accounts.iter().copied());
            prop_assert_eq!(
                signed(limit + overage),
                free + sum(|account| account.used) + sum(Account::held) - sum(Account::debt)
            );
        }

        #[test]
        fn a_raise_never_makes_free_negative(accounts in accounts(), limit in 0..10_000_u64, share in 0..3_000_u64) {
            let mut accounts = accounts;
            for index in 0..accounts.len() {
                let before = free(total(limit), Total::ZERO, accounts.iter().copied());
                let raised = topped_up(accounts[index], total(share), before);
                prop_assert!(raised.get() >= accounts[index].granted);
                let was_raised = raised.get() > accounts[index].granted;
                accounts[index].granted = raised.get();
                let after = free(total(limit), Total::ZERO, accounts.iter().copied());
                prop_assert!(!was_raised || after >= 0);
                let account = accounts[index];
                let left = account.granted.saturating_sub(account.written_off + account.returned + account.used);
                prop_assert!(!was_raised || left <= share, "{left} of {share}");
            }
        }
    }

    #[test]
    fn a_true_return_is_made_up_for_and_a_false_one_raises_nothing() {
        let account = Account { granted: 500, used: 200, ..Account::default() };
        let raised = |returned| topped_up(Account { returned, ..account }, total(500), 1_000).get();
        assert_eq!([0, 300, 301, u64::MAX].map(raised), [700, 1_000, 500, 500]);
    }

    #[test]
    fn a_device_that_used_what_was_written_off_comes_to_its_share_again() {
        let account = Account { granted: 500, used: 200, returned: 0, written_off: 300 };
        let left = |account: Account, granted: Total| {
            granted.get().saturating_sub(account.written_off + account.returned + account.used)
        };
        assert_eq!((account.held(), account.outstanding()), (0, 200));
        let back = Account { used: 260, ..account };
        assert_eq!((back.given_back(), back.outstanding()), (240, 260));
        assert_eq!(left(back, topped_up(back, total(100), 740)), 100);
        assert_eq!(left(back, topped_up(back, total(100), 30)), 30, "as far as units are free");
        assert_eq!(topped_up(back, total(100), -1).get(), 500, "debt stops every raise");
    }

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!(default_share(total(1_000), 2).get(), 500);
        assert_eq!(default_share(total(10), 3).get(), 4);
        assert_eq!(default_share(total(10), 0).get(), 10);
    }
}
