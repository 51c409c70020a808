//! Words that commands and pages share: spans, instants, quotas and conditions as people read them.

use std::fmt::Display;

use ledger::quotas;
use schemas::numbers::{Micros, Seconds};
use schemas::terms::{FeatureGrant, Mode, OnFork, Rules, TransferLimit};

use crate::options::UNLIMITED_SEATS;
use crate::output::Fields;
pub(crate) use crate::shown::values::{Attached, feature_name, printable, quota, short};

/// A word as a POSIX shell takes it, quoted where it must be.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |symbol: char| symbol.is_alphanumeric() || "-_./:@%+,".contains(symbol);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The value, or what stands for its absence.
pub(crate) fn or(value: Option<impl Display>, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), |value| value.to_string())
}

/// An instant of a table: whole seconds.
pub(crate) fn second(at: Micros) -> Micros {
    Micros::new(at.get() / 1_000_000 * 1_000_000)
}

/// A span as options take it.
pub(crate) fn span(Seconds(seconds): Seconds) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.into_iter().find(|(unit, _)| seconds != 0 && seconds % unit == 0) {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// Until when a licence is valid; of a trial, and of one whose validity begins with its first activation, how long.
pub(crate) fn validity(from_activation: Option<Seconds>, is_trial: bool, until: Option<Micros>) -> String {
    match from_activation {
        Some(valid_for) if is_trial => format!("{} after each activation", span(valid_for)),
        Some(valid_for) => format!("{} after the first activation", span(valid_for)),
        None => or(until, "without end"),
    }
}

/// How devices ask for a licence: with its key, or, where it is the product's trial, without one.
pub(crate) fn asked_for_with(key: &str, is_trial: bool) -> (&'static str, String) {
    if is_trial {
        ("asked for with", "`counterfoil-agent activate --trial`; it needs no licence key".to_owned())
    } else {
        ("licence key", key.to_owned())
    }
}

/// Features that are held, in one line.
pub(crate) fn features(features: &[FeatureGrant]) -> String {
    let words: Vec<_> = features
        .iter()
        .map(|held| match held.mode {
            Mode::OnOff => held.name.to_string(),
            mode => format!("{} ({mode})", held.name),
        })
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Adds the conditions of a policy or a licence.
pub(crate) fn conditions(fields: Fields, rules: &Rules, features: &[FeatureGrant]) -> Fields {
    let quotas = rules.quotas.iter().fold(fields, |fields, rule| {
        let share = quotas::share(rule, rules.max_activations);
        let told = format!("{}, overage {}, share {share}", quota(rule, features), rule.overage);
        fields.with("quota", told)
    });
    quotas
        .with("activations at most", seats(rules.max_activations))
        .with("transfers", or(rules.transfers.as_ref().map(times), "without limit"))
        .with("same device", rules.same_device)
        .with("after a fork", after_fork(rules))
        .with("check-in", check_in(rules))
        .with("periods wait", format_args!("{} days", rules.finalisation_days))
        .with("import within", or(rules.import_for.map(span), "without end"))
        .with("clock tolerance", span(rules.clock_tolerance))
        .with("fingerprint", fingerprint(rules))
        .with("old events on devices", if rules.compact { "dropped" } else { "kept" })
}

/// A number of activations; a product's trial has no limit.
pub(crate) fn seats(max_activations: u32) -> String {
    if max_activations == UNLIMITED_SEATS { "without limit".to_owned() } else { max_activations.to_string() }
}

/// Seats that are taken out of those that there are.
pub(crate) fn taken(taken: impl Display, max_activations: u32) -> String {
    match max_activations {
        UNLIMITED_SEATS => taken.to_string(),
        max => format!("{taken} of {max}"),
    }
}

/// A number of times in a window.
fn times(limit: &TransferLimit) -> String {
    format!("{} in {}", limit.count, span(limit.window))
}

fn after_fork(rules: &Rules) -> String {
    match (rules.on_fork, &rules.heals) {
        (OnFork::Heal, Some(limit)) => format!("heal, {}", times(limit)),
        (OnFork::Heal, None) => "heal, never".to_owned(),
        (on_fork, _) => on_fork.to_string(),
    }
}

fn check_in(rules: &Rules) -> String {
    match rules.sync_every {
        None => "never".to_owned(),
        Some(every) => format!("every {}, grace {}, then {}", span(every), span(rules.grace), rules.after),
    }
}

fn fingerprint(rules: &Rules) -> String {
    let rule = rules.fingerprint;
    format!("{} of {} match, grace {}", rule.required, rule.of, span(rule.grace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Span;

    #[test]
    fn a_span_is_written_as_options_read_it() {
        for seconds in [0, 1, 59, 60, 90, 3_600, 86_400, 365 * 86_400] {
            let written = span(Seconds(seconds));
            assert_eq!(written.parse(), Ok(Span(Seconds(seconds))), "{written}");
        }
        assert_eq!(span(Seconds::days(30)), "30d");
    }

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        let cases = [
            ("studio-2", "studio-2"),
            ("Łódź", "Łódź"),
            ("my studio", "'my studio'"),
            ("a;b", "'a;b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ];
        for (word, expected) in cases {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn what_begins_with_an_activation_has_no_end_yet() {
        let (span, end) = (Some(Seconds::days(14)), Some(Micros::new(0)));
        let told =
            [(span, true), (span, false), (None, false)].map(|(span, trial)| validity(span, trial, end));
        assert_eq!(
            told,
            ["14d after each activation", "14d after the first activation", "1970-01-01T00:00:00Z"]
        );
        assert_eq!(validity(None, false, None), "without end");
    }
}
