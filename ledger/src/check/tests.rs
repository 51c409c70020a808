//! Tests of the `check` module.

use std::sync::Arc;

use schemas::numbers::Seconds;

use super::*;
use crate::fixture::{ISSUED, RENDER, at, believed};
use crate::trust::VerifiedGrant;

/// A device with this grant, of which nothing was used.
fn snapshot(change: impl FnOnce(&mut VerifiedGrant)) -> Snapshot {
    let granted = Granted::new(&believed(1, change), at(ISSUED));
    let left = granted.windows().iter().map(|window| window.units).collect();
    let mut snapshot = Snapshot::bare(Life::Open);
    snapshot.left = left;
    snapshot.basis.granted = Some(Arc::new(granted));
    snapshot
}

fn said(snapshot: &Snapshot, feature: &str, time: &str) -> (bool, Code) {
    let answer = snapshot.check_at(Some(feature), None, at(time));
    (answer.allowed, answer.code)
}

#[test]
fn every_state_of_the_chain_and_the_grant_has_its_code() {
    for (life, code) in [
        (Life::Damaged, Code::NeedsRepair),
        (Life::Unregistered, Code::NotActivated),
        (Life::Open, Code::NotActivated),
        (Life::Closed, Code::Deactivated),
        (Life::Succeeded, Code::NotActivated),
    ] {
        assert_eq!(said(&Snapshot::bare(life), "export", ISSUED), (false, code));
    }
    for (status, expected) in [
        (GrantStatus::Active, (true, Code::Allowed)),
        (GrantStatus::Denied, (false, Code::NotActivated)),
        (GrantStatus::Released, (false, Code::Deactivated)),
        (GrantStatus::Suspended, (false, Code::LicenseSuspended)),
        (GrantStatus::Revoked, (false, Code::LicenseRevoked)),
    ] {
        assert_eq!(said(&snapshot(|grant| grant.body.status = status), "export", ISSUED), expected);
    }
    let empty = snapshot(|grant| grant.body.entitlement = None);
    assert_eq!(said(&empty, "export", ISSUED), (false, Code::NotActivated));
}

#[test]
fn time_decides_by_half_open_intervals() {
    let cases = [
        ("export", "2026-10-31T23:59:59.999999Z", (false, Code::NotStarted)),
        ("export", "2026-11-01T00:00:00Z", (true, Code::Allowed)),
        // A tenth of thirty days before the deadline.
        ("export", "2026-12-21T06:59:59.999999Z", (true, Code::Allowed)),
        ("export", "2026-12-21T07:00:00Z", (true, Code::CheckInDue)),
        ("export", "2026-12-31T06:59:59.999999Z", (true, Code::CheckInDue)),
        ("miles", "2026-12-31T06:59:59.999999Z", (true, Code::CheckInDue)),
        ("export", "2026-12-31T07:00:00Z", (true, Code::CheckInDue)),
        ("miles", "2026-12-31T07:00:00Z", (false, Code::Overdue)),
        ("render", "2026-12-31T07:00:00Z", (false, Code::Overdue)),
        ("export", "2027-10-31T23:59:59.999999Z", (true, Code::CheckInDue)),
        ("export", "2027-11-01T00:00:00Z", (false, Code::LicenseExpired)),
    ];
    let snapshot = snapshot(|_| {});
    for (feature, time, expected) in cases {
        assert_eq!(said(&snapshot, feature, time), expected, "{feature} at {time}");
    }
}

#[test]
fn after_the_grace_the_policy_decides_and_reserved_quota_stops_in_any_case() {
    let overdue = "2026-12-31T07:00:00Z";
    for (after, export, miles, render) in [
        (After::Warn, (true, Code::CheckInDue), (true, Code::CheckInDue), (false, Code::Overdue)),
        (After::Limit, (true, Code::CheckInDue), (false, Code::Overdue), (false, Code::Overdue)),
        (After::Block, (false, Code::Overdue), (false, Code::Overdue), (false, Code::Overdue)),
    ] {
        let snapshot = snapshot(|grant| grant.body.check_in.after = after);
        assert_eq!(said(&snapshot, "export", overdue), export, "{after}");
        assert_eq!(said(&snapshot, "miles", overdue), miles, "{after}");
        assert_eq!(said(&snapshot, "render", overdue), render, "{after}");
    }
    let never = snapshot(|grant| grant.body.check_in.sync_by = None);
    assert_eq!(said(&never, "miles", "2027-10-01"), (true, Code::Allowed));
}

#[test]
fn a_short_span_is_warned_of_a_day_ahead() {
    let snapshot = snapshot(|grant| grant.body.check_in.sync_by = Some(at("2026-11-26T07:00:00Z")));
    assert_eq!(said(&snapshot, "export", "2026-11-25T06:59:59Z"), (true, Code::Allowed));
    assert_eq!(said(&snapshot, "export", "2026-11-25T07:00:00Z"), (true, Code::CheckInDue));
}

#[test]
fn a_fork_stops_reserved_quota_only_unless_it_is_only_flagged() {
    for (fork, render) in [
        (None, (true, Code::Allowed)),
        (Some(OnFork::Flag), (true, Code::Allowed)),
        (Some(OnFork::Stop), (false, Code::Forked)),
        (Some(OnFork::Heal), (false, Code::Forked)),
    ] {
        let snapshot = snapshot(|grant| grant.body.forked = fork);
        assert_eq!(said(&snapshot, "render", ISSUED), render);
        assert_eq!(said(&snapshot, "export", ISSUED), (true, Code::Allowed));
        assert_eq!(said(&snapshot, "miles", ISSUED), (true, Code::Allowed));
    }
    let mut restored = snapshot(|_| {});
    restored.basis.set_back = true;
    assert_eq!(said(&restored, "render", ISSUED), (false, Code::Forked));
    assert_eq!(said(&restored, "export", ISSUED), (true, Code::Allowed));
}

#[test]
fn a_changed_device_is_warned_in_its_grace_and_then_refused() {
    let mut snapshot = snapshot(|_| {});
    snapshot.basis.mismatch_since = Some(at("2026-11-24T07:00:00Z"));
    assert_eq!(said(&snapshot, "export", "2026-12-01T06:59:59Z"), (true, Code::FingerprintMismatch));
    assert_eq!(said(&snapshot, "export", "2026-12-01T07:00:00Z"), (false, Code::FingerprintMismatch));
    let answer = snapshot.check_at(None, None, at("2026-11-24T08:00:00Z"));
    assert_eq!(answer.next_deadline, Some(at("2026-12-01T07:00:00Z")));
}

#[test]
fn features_releases_and_quotas_are_looked_at_last() {
    let mut snapshot = snapshot(|_| {});
    assert_eq!(said(&snapshot, "beta", ISSUED), (false, Code::FeatureAbsent));
    assert_eq!(said(&snapshot, "beta", "2027-11-01"), (false, Code::LicenseExpired));
    let release = |snapshot: &Snapshot, release: &str| {
        snapshot.check_at(Some("export"), Some(at(release)), at(ISSUED)).code
    };
    assert_eq!(release(&snapshot, "2027-01-31T23:59:59Z"), Code::Allowed);
    assert_eq!(release(&snapshot, "2027-02-01"), Code::VersionNotCovered);
    snapshot.left = Box::new([0, 7]);
    assert_eq!(said(&snapshot, "render", ISSUED), (false, Code::QuotaExhausted));
    let december = snapshot.check_at(Some("render"), None, at("2026-12-01"));
    assert_eq!((december.allowed, december.remaining), (true, Some(7)));
    let checked_in = self::snapshot(|grant| grant.body.check_in.sync_by = None);
    assert_eq!(said(&checked_in, "render", "2027-01-01"), (false, Code::NoQuotaForPeriod));
}

#[test]
fn an_answer_tells_its_age_and_the_next_deadline() {
    let snapshot = snapshot(|_| {});
    let answer = snapshot.check_at(Some("render"), None, at(ISSUED));
    assert_eq!(answer.feature, Some(RENDER));
    assert_eq!(answer.known_since, Some(at(ISSUED)));
    assert_eq!(answer.next_deadline, Some(at("2026-12-24T07:00:00Z")));
    assert_eq!(answer.remaining, Some(100));
    let later = snapshot.check_at(None, None, at("2027-01-01"));
    assert_eq!(later.next_deadline, Some(at("2027-11-01")));
}

#[test]
fn a_clock_set_back_does_not_bring_time_back() {
    let mut snapshot = snapshot(|_| {});
    snapshot.mark = Mark::kept(at("2027-11-01"), false);
    let reading = Reading { wall: at(ISSUED), monotonic: 0 };
    assert_eq!(snapshot.check(Some("export"), None, reading).code, Code::LicenseExpired);
}

#[test]
fn windows_are_prepared_within_bounds() {
    let days = |first: &str, last: &str| {
        let first = schemas::period::Period::of(schemas::period::Reset::Day, at(first));
        let last = schemas::period::Period::of(schemas::period::Reset::Day, at(last));
        let grant = believed(1, |grant| {
            grant.body.quotas[0].first = first;
            grant.body.quotas[0].last = last;
        });
        Granted::new(&grant, at(ISSUED) + Seconds::days(1)).windows().len()
    };
    assert_eq!(days("2026-11-20", "2026-11-26"), 2);
    assert_eq!(days("2026-11-20", "9998-12-31"), 400);
    assert_eq!(days("2026-11-20", "2026-11-19"), 0);
}

#[test]
fn a_feature_may_end_before_its_licence() {
    let snapshot = snapshot(|grant| {
        let entitlement = grant.body.entitlement.as_mut().expect("the grant is active");
        for feature in &mut entitlement.features {
            feature.valid_for = (feature.name.as_str() == "export").then(|| Seconds::days(30));
        }
    });
    let cases = [
        ("export", "2026-11-30T23:59:59.999999Z", (true, Code::Allowed)),
        ("export", "2026-12-01T00:00:00Z", (false, Code::FeatureExpired)),
        ("miles", "2026-12-01T00:00:00Z", (true, Code::Allowed)),
    ];
    for (feature, time, expected) in cases {
        assert_eq!(said(&snapshot, feature, time), expected, "{feature} at {time}");
    }
}
