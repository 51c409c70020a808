//! How long to wait after a failure: twice as long with each, and each device another time within that, so that a server that
//! comes back is not met by all of them at once ("full jitter").

use std::time::Duration;

/// The longest wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait after any.
const LONGEST: Duration = Duration::from_hours(1);

/// How long to wait after so many `failures` in a row, by a `random` number of which every value is as likely.
pub(super) fn pause(failures: u32, random: u64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let most = doubled.min(LONGEST).as_micros();
    let micros = (most * u128::from(random)) >> u64::BITS;
    Duration::from_micros(u64::try_from(micros).expect("no more than the longest wait"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_an_hour() {
        let bounds: Vec<u64> = (1..=12).map(|failures| pause(failures, u64::MAX).as_secs() + 1).collect();
        assert_eq!(bounds, [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
        assert_eq!(pause(u32::MAX, u64::MAX).as_secs() + 1, 3_600);
    }

    #[test]
    fn every_wait_up_to_the_bound_is_as_likely() {
        assert_eq!(pause(1, 0), Duration::ZERO);
        assert_eq!(pause(1, u64::MAX / 2 + 1), FIRST / 2);
        assert_eq!(pause(20, u64::MAX / 4 + 1), LONGEST / 4);
    }
}
