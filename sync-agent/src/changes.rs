//! What a grant changed, for people.

use std::fmt::Display;

use ledger::device::Device;
use schemas::grant::{GrantBody, QuotaLine};
use schemas::ids::ChainId;
use schemas::numbers::FeatureNumber;
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

/// What applying grants changed on a device.
pub(crate) fn of(before: &Device, after: &Device) -> Vec<Change> {
    let body = |device: &Device| device.grant().map(|grant| grant.verified.body.clone());
    let (old, new) = (body(before), body(after));
    let mut changes = new.as_ref().map_or_else(Vec::new, |new| between(old.as_ref(), new));
    changes.extend(new.as_ref().map_or_else(Vec::new, |new| returns(before, after, new)));
    changes
}

/// Takes changes that came after others in with them: of each thing it is told what it was first and what it is last.
pub(crate) fn follow(changes: &mut Vec<Change>, later: Vec<Change>) {
    for change in later {
        match changes.iter_mut().find(|earlier| earlier.what == change.what) {
            Some(earlier) => earlier.after = change.after,
            None => changes.push(change),
        }
    }
    changes.retain(|change| change.before != change.after);
}

/// That the chain `old` is closed and `new` goes on.
pub(crate) fn succeeded(old: ChainId, new: ChainId) -> Change {
    Change { what: "record".to_owned(), before: Some(old.to_string()), after: Some(new.to_string()) }
}

/// That the vendor has an earlier chain to its end.
pub(crate) fn reported(chain: ChainId) -> Change {
    Change { what: format!("record {chain}"), before: None, after: Some("reported to its end".to_owned()) }
}

/// The units that a grant had the device give back.
fn returns(before: &Device, after: &Device, grant: &GrantBody) -> Vec<Change> {
    let mut changes = Changes::default();
    for ((feature, period), meter) in after.meters() {
        let returned = before.meter(*feature, *period).returned;
        let what = format!("given back of {} for {period}", name_of(grant, *feature));
        changes.note(&what, Some(returned), Some(meter.returned));
    }
    changes.0
}

fn name_of(grant: &GrantBody, number: FeatureNumber) -> String {
    let features = grant.entitlement.as_ref().map_or(&[][..], |entitlement| &entitlement.features);
    let named = features.iter().find(|feature| feature.number == number);
    named.map_or_else(|| number.to_string(), |feature| feature.name.to_string())
}

/// What differs between the grant before and the one after it.
fn between(before: Option<&GrantBody>, after: &GrantBody) -> Vec<Change> {
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
        before.filter(|grant| grant.typed.is_none()).map(|grant| grant.ack.seq),
        Some(after.ack.seq).filter(|seq| seq.0 > 0 && after.typed.is_none()),
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
        for line in &after.quotas {
            let old = before.iter().find(|old| old.feature == line.feature && old.first == line.first);
            let name = name_of(after, line.feature);
            let span = if line.first == line.last {
                line.first.to_string()
            } else {
                format!("{} to {}", line.first, line.last)
            };
            self.note(&format!("quota of {name} for {span}"), old.map(|old| old.granted), Some(line.granted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: &str, before: &str, after: &str) -> Change {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Change { what: what.to_owned(), before: text(before), after: text(after) }
    }

    #[test]
    fn of_changes_that_follow_each_other_the_first_and_the_last_state_are_told() {
        let mut changes = vec![change("status", "", "active"), change("a", "1", "2")];
        follow(&mut changes, vec![change("status", "active", "suspended"), change("b", "", "1")]);
        follow(&mut changes, vec![change("a", "2", "1"), change("b", "1", "3")]);
        assert_eq!(changes, [change("status", "", "suspended"), change("b", "", "3")]);
    }
}
