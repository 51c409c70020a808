//! The library: why a licence does not stand, as `apply` and `status` tell it.

use counterfoil_sync_agent::{Agent, Code, State};
use schemas::grant::{GrantBody, GrantStatus};
use schemas::terms::OnFork;
use schemas::text::Text;

use crate::bench::Device;
use crate::vendor::license_key;

type Change = fn(&mut GrantBody);

fn reason(code: Code) -> Option<Text> {
    Text::new(code.word())
}

#[test]
fn every_state_that_is_not_as_it_should_be_says_why_and_what_to_do() {
    let cases: [(Change, State, Option<Code>); 9] = [
        (|_| {}, State::Active, None),
        (|grant| grant.status = GrantStatus::Suspended, State::Suspended, Some(Code::LicenseSuspended)),
        (|grant| grant.status = GrantStatus::Revoked, State::Revoked, Some(Code::LicenseRevoked)),
        (|grant| grant.status = GrantStatus::Released, State::Released, Some(Code::Released)),
        (
            |grant| {
                grant.status = GrantStatus::Denied;
                grant.entitlement = None;
                grant.reason = reason(Code::NoSeatFree);
            },
            State::Denied,
            Some(Code::NoSeatFree),
        ),
        (
            |grant| {
                grant.status = GrantStatus::Denied;
                grant.entitlement = None;
                grant.reason = Text::new("a reason of a newer version");
            },
            State::Denied,
            Some(Code::NotActivated),
        ),
        (
            |grant| {
                grant.status = GrantStatus::Released;
                grant.reason = reason(Code::LicenseExpired);
            },
            State::Released,
            Some(Code::LicenseExpired),
        ),
        (|grant| grant.forked = Some(OnFork::Flag), State::Active, Some(Code::Forked)),
        (|grant| grant.forked = Some(OnFork::Stop), State::Active, Some(Code::Forked)),
    ];
    for (number, (change, state, code)) in cases.into_iter().enumerate() {
        let mut device = Device::new();
        let agent = device.open();
        let request = agent.activate(&license_key()).expect("asks");
        let grant = device.vendor.answer(&request, device.clock.now(), change);
        let applied = agent.apply(&grant).expect("applies");
        assert_eq!((applied.state, applied.why.map(|why| why.code)), (state, code), "case {number}");
        let status = agent.status().expect("readable");
        assert_eq!((status.state, status.why), (state, applied.why), "case {number}");
        assert!(status.why.is_none_or(|why| !why.title.is_empty() && !why.hint.is_empty()));
        // What `status` hints at is something else than itself.
        assert!(status.why.is_none_or(|why| !why.hint.contains("counterfoil-agent status")), "case {number}");
    }
}

#[test]
fn a_denied_trial_says_why_and_a_key_starts_anew() {
    let mut device = Device::new();
    let agent = device.open();
    let request = agent.activate_trial().expect("asks");
    assert_eq!(agent.activate_trial().expect("asks again"), request);
    let denied = device.vendor.answer(&request, device.clock.now(), |grant| {
        grant.status = GrantStatus::Denied;
        grant.entitlement = None;
        grant.reason = reason(Code::NoSeatFree);
    });
    let applied = agent.apply(&denied).expect("applies");
    assert_eq!((applied.state, applied.why.map(|why| why.code)), (State::Denied, Some(Code::NoSeatFree)));
    agent.activate(&license_key()).expect("asks anew");
    let applied = device.sync(&agent);
    assert_eq!(applied.state, State::Active);
}

/// A chain showed units that it refused to spend or give back.
#[test]
fn units_are_left_only_where_they_can_be_spent() {
    let left = |agent: &Agent| -> Vec<u64> {
        let status = agent.status().expect("readable");
        status.quotas.iter().filter_map(|quota| quota.left).collect()
    };
    let cases: [(Change, bool); 6] = [
        (|_| {}, true),
        (|grant| grant.status = GrantStatus::Suspended, true),
        (|grant| grant.forked = Some(OnFork::Flag), true),
        (|grant| grant.forked = Some(OnFork::Stop), false),
        (|grant| grant.status = GrantStatus::Released, false),
        (|grant| grant.status = GrantStatus::Revoked, false),
    ];
    for (number, (change, is_left)) in cases.into_iter().enumerate() {
        let mut device = Device::new();
        let agent = device.activated();
        device.sync_with(&agent, change);
        assert_eq!(left(&agent).is_empty(), !is_left, "case {number}");
    }
    let mut device = Device::new();
    let agent = device.activated();
    assert_eq!(left(&agent), [100, 100]);
    agent.deactivate().expect("closes");
    assert!(left(&agent).is_empty());
    assert!(!agent.status().expect("readable").quotas.is_empty(), "what was used is still told");
}
