//! What a grant changed, for people.

use std::fmt::Display;

use schemas::grant::{GrantBody, QuotaLine};
use schemas::terms::Entitlement;
use serde::Serialize;

/// One thing that a grant changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// What changed.
    pub what: String,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// What differs between the grant before and the one after it.
pub(crate) fn between(before: Option<&GrantBody>, after: &GrantBody) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.note("status", before.map(|grant| grant.status), Some(after.status));
    changes.note("check in by", before.and_then(|grant| grant.check_in.sync_by), after.check_in.sync_by);
    let old = before.and_then(|grant| grant.entitlement.as_ref());
    if let Some(new) = &after.entitlement {
        changes.entitlement(old, new);
    }
    changes.quotas(before.map_or(&[], |grant| &grant.quotas), after);
    changes.note(
        "acknowledged up to event",
        before.map(|grant| grant.ack.seq),
        Some(after.ack.seq).filter(|seq| seq.0 > 0),
    );
    changes.0
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn note(&mut self, what: &str, before: Option<impl Display>, after: Option<impl Display>) {
        let (before, after) = (before.map(|value| value.to_string()), after.map(|value| value.to_string()));
        if before != after {
            self.0.push(Change { what: what.to_owned(), before, after });
        }
    }

    fn entitlement(&mut self, old: Option<&Entitlement>, new: &Entitlement) {
        self.note("licence type", old.map(|old| old.kind), Some(new.kind));
        self.note("valid until", old.and_then(|old| old.valid_until), new.valid_until);
        self.note("maintenance until", old.and_then(|old| old.maintenance_until), new.maintenance_until);
        let features = |of: &Entitlement| of.features.clone();
        let (before, after) = (old.map(features).unwrap_or_default(), &new.features);
        for feature in after {
            let old = before.iter().find(|old| old.number == feature.number);
            self.note(&format!("feature {}", feature.name), old.map(|old| old.mode), Some(feature.mode));
        }
        for gone in before.iter().filter(|old| after.iter().all(|new| new.number != old.number)) {
            self.note(&format!("feature {}", gone.name), Some(gone.mode), None::<String>);
        }
    }

    fn quotas(&mut self, before: &[QuotaLine], after: &GrantBody) {
        let features = after.entitlement.as_ref().map_or(&[][..], |entitlement| &entitlement.features);
        for line in &after.quotas {
            let old = before.iter().find(|old| old.feature == line.feature && old.first == line.first);
            let name = features
                .iter()
                .find(|feature| feature.number == line.feature)
                .map_or_else(|| line.feature.to_string(), |feature| feature.name.to_string());
            let span = if line.first == line.last {
                line.first.to_string()
            } else {
                format!("{} to {}", line.first, line.last)
            };
            self.note(&format!("quota of {name} for {span}"), old.map(|old| old.granted), Some(line.granted));
        }
    }
}
