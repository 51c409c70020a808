//! When a message is sent again that was not taken.

use schemas::numbers::{Micros, Seconds};

/// How long is waited after each attempt; after one more the message is given up.
const PAUSES: [Seconds; 7] = [
    Seconds(5),
    Seconds(60),
    Seconds(5 * 60),
    Seconds(30 * 60),
    Seconds(2 * 3_600),
    Seconds(8 * 3_600),
    Seconds(24 * 3_600),
];
/// The longest wait that an endpoint may ask for.
const LONGEST_ASKED: Seconds = Seconds::days(1);
/// A pause is longer by chance by up to one of so many parts, so that what failed at once is not sent again at once.
const PARTS: u64 = 5;

/// When a message is sent again after so many attempts, never earlier than the endpoint asked for; nothing when it is given
/// up. `chance` is any number.
pub fn again_at(attempts: u32, now: Micros, asked: Option<Seconds>, chance: u16) -> Option<Micros> {
    let number = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let pause = PAUSES.get(number)?.micros();
    let longer = pause / PARTS * u64::from(chance) / u64::from(u16::MAX);
    let asked = asked.unwrap_or(Seconds(0)).min(LONGEST_ASKED);
    Some(Micros::new(now.get().saturating_add((pause + longer).max(asked.micros()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause in seconds.
    fn pause(attempts: u32, asked: Option<u64>, chance: u16) -> Option<u64> {
        let now = Micros::new(1_800_000_000_000_000);
        again_at(attempts, now, asked.map(Seconds), chance).map(|at| at.since(now) / 1_000_000)
    }

    #[test]
    fn pauses_become_longer_and_come_to_an_end() {
        let pauses: Vec<_> = (1..=8).map(|attempts| pause(attempts, None, 0)).collect();
        let expected = [5, 60, 300, 1_800, 7_200, 28_800, 86_400].map(Some);
        assert_eq!(pauses, [&expected[..], &[None]].concat());
        assert_eq!(pause(1_000_000, None, 0), None);
    }

    #[test]
    fn chance_makes_a_pause_longer_and_never_shorter() {
        assert_eq!((pause(2, None, 0), pause(2, None, u16::MAX)), (Some(60), Some(72)));
        assert_eq!(pause(7, None, u16::MAX), Some(103_680));
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_wait_up_to_a_day() {
        assert_eq!(pause(1, Some(120), 0), Some(120));
        assert_eq!(pause(2, Some(1), 0), Some(60), "and not for a shorter one");
        assert_eq!(pause(1, Some(u64::MAX), 0), Some(86_400));
        assert_eq!(pause(8, Some(1), 0), None, "nor for one more attempt");
    }
}
