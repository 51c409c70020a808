//! Fingerprints: several components of a device, each a keyed hash, compared k of n.
//!
//! `tag = HMAC-SHA-256(the pack's fingerprint key, "cf/fp/1" || component || value)[..16]`: equal within a product,
//! so that "the same device" can be seen, and telling nothing about the value.

use hmac::{Hmac, KeyInit, Mac};
use schemas::event::device::FingerprintComponent;
use schemas::ids::{FingerprintKey, FingerprintTag};
use schemas::terms::FingerprintRule;
use sha2::Sha256;

/// The tag of one component's value.
pub fn tag(key: &FingerprintKey, component: u8, value: &[u8]) -> FingerprintTag {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(b"cf/fp/1");
    mac.update(&[component]);
    mac.update(value);
    let digest = mac.finalize().into_bytes();
    FingerprintTag::from_slice(&digest[..FingerprintTag::LEN]).expect("a digest is longer than a tag")
}

/// How many of the components `recorded` are the same in `current`.
pub fn matched(recorded: &[FingerprintComponent], current: &[FingerprintComponent]) -> usize {
    recorded.iter().filter(|component| current.contains(component)).count()
}

/// How many of `recorded` components must match under `rule`: its share of them, rounded up, and at least one where
/// any was recorded.
pub fn needed(rule: FingerprintRule, recorded: usize) -> usize {
    let share = (usize::from(rule.required) * recorded).div_ceil(usize::from(rule.of.max(1)));
    share.clamp(recorded.min(1), recorded)
}

/// Whether a device with the components `current` counts as the one that recorded `recorded`.
pub fn is_same(
    rule: FingerprintRule,
    recorded: &[FingerprintComponent],
    current: &[FingerprintComponent],
) -> bool {
    matched(recorded, current) >= needed(rule, recorded.len())
}

/// Whether a component that both have is another one now. A component that only one of them could read is no change:
/// some are readable to the administrator only.
pub fn differs(recorded: &[FingerprintComponent], current: &[FingerprintComponent]) -> bool {
    recorded.iter().any(|old| current.iter().any(|new| new.component == old.component && new.tag != old.tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(values: &[(u8, &str)]) -> Vec<FingerprintComponent> {
        let key = FingerprintKey([1; 32]);
        let component = |(component, value): &(u8, &str)| FingerprintComponent {
            component: *component,
            tag: tag(&key, *component, value.as_bytes()),
        };
        values.iter().map(component).collect()
    }

    #[test]
    fn a_tag_differs_by_key_component_and_value() {
        let (one, two) = (FingerprintKey([1; 32]), FingerprintKey([2; 32]));
        assert_eq!(tag(&one, 1, b"x"), tag(&one, 1, b"x"));
        assert_ne!(tag(&one, 1, b"x"), tag(&two, 1, b"x"));
        assert_ne!(tag(&one, 1, b"x"), tag(&one, 2, b"x"));
        assert_ne!(tag(&one, 1, b"x"), tag(&one, 1, b"y"));
    }

    #[test]
    fn the_needed_share_is_rounded_up_and_never_zero_of_some() {
        let rule = FingerprintRule::default();
        let needed: Vec<_> = (0..=6).map(|recorded| needed(rule, recorded)).collect();
        assert_eq!(needed, [0, 1, 2, 2, 3, 3, 4]);
        let lax = FingerprintRule { required: 0, ..rule };
        assert_eq!(super::needed(lax, 5), 1);
        let absurd = FingerprintRule { required: 9, of: 0, ..rule };
        assert_eq!(super::needed(absurd, 5), 5);
    }

    #[test]
    fn two_of_five_may_change_and_three_may_not() {
        let rule = FingerprintRule::default();
        let recorded = components(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]);
        let two_changed = components(&[(1, "a"), (2, "b"), (3, "c"), (4, "x"), (5, "y")]);
        let three_changed = components(&[(1, "a"), (2, "b"), (3, "x"), (4, "y"), (5, "z")]);
        assert!(is_same(rule, &recorded, &two_changed));
        assert!(!is_same(rule, &recorded, &three_changed));
    }

    #[test]
    fn an_unreadable_component_is_no_change() {
        let all = components(&[(1, "a"), (2, "b"), (3, "c")]);
        assert!(!differs(&all, &components(&[(1, "a")])));
        assert!(!differs(&components(&[(1, "a")]), &all));
        assert!(differs(&all, &components(&[(1, "x")])));
    }
}
