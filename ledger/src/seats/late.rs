//! Late evidence: what a device reported after its activation was taken away, or while its licence did not stand. It
//! always counts; who reads the licence's history is told of it.

use std::collections::BTreeSet;

use schemas::event::authority::ReleaseReason;
use schemas::event::{Body, Event};
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::Seq;

/// The places up to which devices reported late: chain and last place of each report, in the order in which they were
/// taken in. `authority` are the events of the licence's authority chain in their order.
///
/// What follows a closing on the device's own chain is no late report but a finding of that chain.
pub fn reported_late(authority: &[Event]) -> Vec<(ChainId, Seq)> {
    let mut taken_away = BTreeSet::new();
    let mut late = Vec::new();
    for event in authority {
        match &event.body {
            Body::ActivationReleased(released) if released.why == ReleaseReason::Closed => {
                taken_away.remove(&released.chain);
            }
            Body::ActivationReleased(released) => drop(taken_away.insert(released.chain)),
            Body::GrantIssued(grant) if is_late(grant.status, taken_away.contains(&grant.device)) => {
                late.extend(grant.took_in.iter().map(|took_in| (took_in.chain, took_in.seq)));
            }
            _ => {}
        }
    }
    late
}

/// Whether what comes with a grant of this status is late; `taken_away` says that the activation was released otherwise
/// than by its own closing.
pub(crate) fn is_late(status: GrantStatus, taken_away: bool) -> bool {
    match status {
        GrantStatus::Suspended | GrantStatus::Revoked => true,
        GrantStatus::Released => taken_away,
        GrantStatus::Active | GrantStatus::Denied => false,
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::authority::ActivationReleased;
    use schemas::grant::{GrantBody, TookIn};
    use schemas::ids::Link;
    use schemas::numbers::Micros;

    use super::*;
    use crate::fixture::{chain, grant_body};

    fn took_in(status: GrantStatus, seq: u64) -> Body {
        let took_in = vec![TookIn { chain: chain(), first_seq: Seq(1), seq: Seq(seq), link: Link::START }];
        Body::GrantIssued(Box::new(GrantBody { status, took_in, ..grant_body() }))
    }

    fn told(status: GrantStatus) -> Body {
        Body::GrantIssued(Box::new(GrantBody { status, took_in: Vec::new(), ..grant_body() }))
    }

    fn released(why: ReleaseReason) -> Body {
        let at = Micros::default();
        Body::ActivationReleased(ActivationReleased {
            chain: chain(),
            why,
            seat_free_at: at,
            overridden: false,
            reason: None,
        })
    }

    fn late(bodies: Vec<Body>) -> Vec<u64> {
        let at = Micros::default();
        let events: Vec<Event> = bodies.into_iter().map(|body| Event { at, body }).collect();
        reported_late(&events).into_iter().map(|(_, seq)| seq.0).collect()
    }

    #[test]
    fn a_report_is_late_when_the_activation_was_taken_away_or_the_licence_did_not_stand() {
        use GrantStatus::{Active, Denied, Released, Revoked, Suspended};
        use ReleaseReason::{Closed, Operator, Silent, Superseded};
        let gone = |why| late(vec![took_in(Active, 2), released(why), told(Released), took_in(Released, 5)]);
        assert_eq!([Operator, Silent, Superseded, Closed].map(gone), [vec![5], vec![5], vec![5], vec![]]);
        assert_eq!(late(vec![took_in(Active, 2), took_in(Suspended, 3), took_in(Active, 4)]), [3]);
        assert_eq!(late(vec![took_in(Denied, 2), told(Revoked), took_in(Revoked, 3)]), [3]);
        let closed_after =
            vec![released(Operator), took_in(Released, 3), released(Closed), took_in(Released, 4)];
        assert_eq!(late(closed_after), [3]);
        assert_eq!(late(vec![took_in(Released, 4)]), [0_u64; 0], "it closed before it was answered");
    }
}
