//! The options as tables: what is typed, and what becomes of it.

use clap::Parser;
use schemas::numbers::{FeatureNumber, Total};
use schemas::period::Reset;
use schemas::terms::{After, Mode, TransferLimit};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: PolicyOptions,
}

/// The options of a command line, its words separated by blanks.
fn options(line: &str) -> PolicyOptions {
    let words = std::iter::once("line").chain(line.split_whitespace());
    Line::try_parse_from(words).expect(line).options
}

fn text(text: &str) -> Text {
    Text::new(text).expect("short")
}

fn now() -> Micros {
    Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339")
}

/// Features 1 export, 2 render (metered), 3 store (metered).
fn known() -> Vec<ProductFeature> {
    let feature =
        |number, name, metered| ProductFeature { number: FeatureNumber(number), name: text(name), metered };
    vec![feature(1, "export", false), feature(2, "render", true), feature(3, "store", true)]
}

fn policy(line: &str) -> Result<Policy, Code> {
    let policy = options(line).policy(text("standard"), text("studio"), &known());
    policy.map_err(|refusal| refusal.code())
}

fn terms(line: &str) -> Terms {
    resolve(&policy(line).expect(line), now())
}

fn change(line: &str, change: &str) -> Result<Terms, Code> {
    options(change).change(&[], &terms(line), &known()).map_err(|refusal| refusal.code())
}

/// Features with their modes and quotas, as `export:on-off render:hard=1000/month`.
fn told(features: &[schemas::terms::FeatureGrant], rules: &schemas::terms::Rules) -> String {
    let told = features.iter().map(|feature| {
        let quota = rules.quotas.iter().find(|rule| rule.feature == feature.number);
        let quota = quota.map_or_else(String::new, |rule| {
            let overage = if rule.overage.get() == 0 { String::new() } else { format!("+{}", rule.overage) };
            let share = rule.share.map_or_else(String::new, |share| format!("~{share}"));
            format!("={}{overage}{share}/{}", rule.limit, feature.reset)
        });
        format!("{}:{}{quota}", feature.name, feature.mode)
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_policy_holds_what_is_said_and_the_usual_where_nothing_is() {
    let plain = policy("").expect("the usual");
    assert_eq!((plain.kind, plain.valid_for), (LicenseType::Subscription, Some(Seconds::days(365))));
    assert_eq!((plain.rules.max_activations, plain.rules.sync_every), (1, None));
    assert_eq!((plain.rules.grace, plain.rules.after), (Seconds::days(7), After::Limit));
    assert_eq!(
        (plain.rules.clock_tolerance, plain.rules.same_device),
        (Seconds::days(1), SameDevice::Supersede)
    );

    let said = policy(
        "--type consumption --valid never --maintenance 52w --start first-activation --max-activations 2 \
         --sync-every 30d --grace 12h --after block --import-for 90d --clock-tolerance 90m --same-device refuse \
         --on-fork heal",
    )
    .expect("valid");
    assert_eq!((said.kind, said.valid_for), (LicenseType::Consumption, None));
    assert_eq!((said.maintenance_for, said.start), (Some(Seconds::days(364)), Start::FirstActivation));
    let rules = said.rules;
    assert_eq!((rules.max_activations, rules.sync_every), (2, Some(Seconds::days(30))));
    assert_eq!((rules.grace, rules.after), (Seconds(43_200), After::Block));
    assert_eq!((rules.import_for, rules.clock_tolerance), (Some(Seconds::days(90)), Seconds(5_400)));
    assert_eq!((rules.same_device, rules.on_fork), (SameDevice::Refuse, OnFork::Heal));
}

#[test]
fn transfers_and_heals_are_so_many_in_a_window() {
    let times = |count, days| Some(TransferLimit { count, window: Seconds::days(days) });
    let cases = [
        ("", None, None),
        ("--transfers 2/90d", times(2, 90), None),
        ("--transfers 0/1y --heals 1/52w", times(0, 365), times(1, 364)),
        ("--on-fork heal", None, times(3, 365)),
        ("--on-fork heal --heals never", None, None),
        ("--on-fork stop", None, None),
    ];
    for (line, transfers, heals) in cases {
        let rules = policy(line).expect(line).rules;
        assert_eq!((rules.transfers, rules.heals), (transfers, heals), "{line}");
    }
    let changed =
        change("--transfers 2/90d --on-fork heal", "--transfers unlimited --heals 1/30d").expect("valid");
    assert_eq!((changed.rules.transfers, changed.rules.heals), (None, times(1, 30)));
}

#[test]
fn a_products_trial_is_for_as_many_devices_as_there_are() {
    let trial =
        |line: &str, seats| of_trial(policy(line).expect(line), seats).map_err(|refusal| refusal.code());
    let tried = trial("--type trial --valid 14d --max-activations 2", None).expect("valid");
    assert_eq!((tried.rules.max_activations, tried.start), (UNLIMITED_SEATS, Start::FirstActivation));
    assert_eq!(trial("--type trial", Some(5)).map(|policy| policy.rules.max_activations), Ok(5));
    assert_eq!(trial("--type subscription", None).err(), Some(Code::TermsInvalid));
    assert_eq!(trial("--type trial --quota render=5", None).err(), Some(Code::TermsInvalid));
    assert!(trial("--type trial --quota render=5 --share render=1", None).is_ok());
    assert!(trial("--type trial --quota render=5", Some(5)).is_ok());
}

#[test]
fn a_policys_features_have_the_modes_and_quotas_that_follow() {
    let cases = [
        ("", "export:on-off render:counted store:counted"),
        ("--quota render=1000/month", "export:on-off render:hard=1000/month store:counted"),
        ("--quota render=1000", "export:on-off render:hard=1000/never store:counted"),
        ("--feature store --feature export", "export:on-off store:counted"),
        (
            "--feature render --quota render=5/day --overage render=2 --share render=3",
            "render:hard=5+2~3/day",
        ),
        ("--feature render --quota render=5/year --mode render=counted", "render:counted=5/year"),
        ("--feature render --mode render=unlimited", "render:unlimited"),
        ("--feature render --quota render=0", "render:hard=0/never"),
    ];
    for (line, expected) in cases {
        let policy = policy(line).expect(line);
        assert_eq!(told(&policy.features, &policy.rules), expected, "{line}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let cases = [
        ("--feature beta", Code::FeatureUnknown),
        ("--quota beta=1", Code::FeatureUnknown),
        ("--quota export=1", Code::TermsInvalid),
        ("--mode export=counted", Code::TermsInvalid),
        ("--feature export --quota render=1", Code::TermsInvalid),
        ("--mode render=hard", Code::TermsInvalid),
        ("--overage render=1", Code::TermsInvalid),
        ("--share render=1", Code::TermsInvalid),
        ("--quota render=5 --share render=6", Code::TermsInvalid),
        ("--quota render=5 --share render=0", Code::TermsInvalid),
        ("--quota render=5 --mode render=unlimited", Code::TermsInvalid),
        ("--quota render=5 --quota render=6", Code::TermsInvalid),
        ("--quota render=9007199254740991 --overage render=1", Code::TermsInvalid),
        ("--type perpetual --valid 1d", Code::TermsInvalid),
        ("--type subscription --valid never", Code::TermsInvalid),
        ("--type trial --valid never", Code::TermsInvalid),
        ("--valid 0d", Code::TermsInvalid),
        ("--sync-every 0d", Code::TermsInvalid),
        ("--import-for 0s", Code::TermsInvalid),
    ];
    for (line, code) in cases {
        assert_eq!(policy(line).err(), Some(code), "{line}");
    }
}

#[test]
fn what_cannot_be_read_is_a_mistake_on_the_command_line() {
    for line in [
        "--valid 365",
        "--valid d",
        "--valid -1d",
        "--valid 1mo",
        "--valid 9000y",
        "--valid 18446744073709551615y",
        "--grace never",
        "--quota render",
        "--quota =5",
        "--quota render=five",
        "--quota render=5/week",
        "--quota render=9007199254740992",
        "--mode render=on-off",
        "--mode render=soft",
        "--type rental",
        "--transfers 2",
        "--transfers 2/never",
        "--transfers never",
        "--transfers -1/90d",
        "--transfers 2/0d",
        "--heals unlimited",
        "--max-activations 0",
    ] {
        assert!(Line::try_parse_from(std::iter::once("line").chain(line.split(' '))).is_err(), "{line}");
    }
}

#[test]
fn the_type_decides_how_long_a_licence_is_valid_when_nothing_else_does() {
    for (line, valid_for) in [
        ("--type perpetual", None),
        ("--type consumption", None),
        ("--type trial", Some(Seconds::days(30))),
        ("--type trial --valid 2w", Some(Seconds::days(14))),
    ] {
        assert_eq!(policy(line).expect(line).valid_for, valid_for, "{line}");
    }
}

#[test]
fn a_licence_begins_when_it_is_issued_or_with_its_first_activation() {
    let issued = terms("--valid 10d --maintenance 20d");
    assert_eq!((issued.entitlement.revision, issued.entitlement.starts_at), (Revision(1), now()));
    assert_eq!(issued.entitlement.valid_until, Some(now() + Seconds::days(10)));
    assert_eq!(issued.entitlement.maintenance_until, Some(now() + Seconds::days(20)));
    assert_eq!(issued.valid_from_activation, None);

    let waiting = terms("--valid 10d --start first-activation");
    assert_eq!(
        (waiting.entitlement.valid_until, waiting.valid_from_activation),
        (None, Some(Seconds::days(10)))
    );
}

#[test]
fn a_licence_departs_from_its_policy_only_where_that_is_said() {
    let standard = policy("--quota render=10/day --share render=4 --max-activations 3").expect("valid");
    let over = |line: &str| options(line).overriding(&standard, &known()).map_err(|refusal| refusal.code());
    assert_eq!(over(""), Ok(standard.clone()));

    let more = over("--quota render=20/month --valid 730d").expect("valid");
    assert_eq!(told(&more.features, &more.rules), "export:on-off render:hard=20~4/month store:counted");
    assert_eq!((more.valid_for, more.rules.max_activations), (Some(Seconds::days(730)), 3));

    let fewer = over("--feature export").expect("valid");
    assert_eq!(told(&fewer.features, &fewer.rules), "export:on-off");

    assert_eq!(over("--type perpetual").map(|policy| policy.valid_for), Ok(None));
    assert_eq!(over("--quota render=3"), Err(Code::TermsInvalid), "the policy's share is above it");
}

#[test]
fn a_change_leaves_what_was_not_given() {
    let before = terms("--quota render=10/day --overage render=2 --sync-every 30d");
    let after = options("--valid 730d").change(&[], &before, &known()).expect("valid");
    let mut expected = before.clone();
    expected.entitlement.revision = Revision(2);
    expected.entitlement.valid_until = Some(now() + Seconds::days(730));
    assert_eq!(after, expected);
}

#[test]
fn a_change_adds_features_and_quotas_and_lets_limits_go() {
    let cases = [
        ("--feature export", "--feature render", "export:on-off render:counted"),
        ("--feature render", "--quota render=5/day", "render:hard=5/day"),
        (
            "--feature render --quota render=5/day --overage render=1",
            "--quota render=9/day",
            "render:hard=9+1/day",
        ),
        (
            "--feature render --quota render=5 --mode render=counted",
            "--quota render=9",
            "render:counted=9/never",
        ),
        ("--feature render --quota render=5/day", "--mode render=unlimited", "render:unlimited"),
        ("--feature render --mode render=unlimited", "--quota render=5", "render:hard=5/never"),
    ];
    for (line, changes, expected) in cases {
        let after = change(line, changes).expect(changes);
        assert_eq!(told(&after.entitlement.features, &after.rules), expected, "{line} then {changes}");
    }
}

#[test]
fn a_change_lets_features_go_with_their_quotas() {
    let let_go = |names: &[&str], changes| {
        let names: Vec<Text> = names.iter().copied().map(text).collect();
        let changed = options(changes).change(&names, &terms("--quota render=5/day"), &known());
        changed.map(|terms| told(&terms.entitlement.features, &terms.rules)).map_err(|refusal| refusal.code())
    };
    assert_eq!(let_go(&["render"], "").as_deref(), Ok("export:on-off store:counted"));
    assert_eq!(let_go(&["store", "export"], "").as_deref(), Ok("render:hard=5/day"));
    assert_eq!(let_go(&["render", "render"], ""), Err(Code::TermsInvalid));
    assert_eq!(let_go(&["beta"], ""), Err(Code::FeatureUnknown));
    assert_eq!(let_go(&["render"], "--share render=1"), Err(Code::TermsInvalid));
}

#[test]
fn a_change_of_validity_counts_from_the_licences_start() {
    let until = |line, changes| {
        change(line, changes).map(|terms| (terms.entitlement.valid_until, terms.valid_from_activation))
    };
    let end = |days| Some(now() + Seconds::days(days));
    assert_eq!(until("--valid 10d", "--valid 20d"), Ok((end(20), None)));
    assert_eq!(until("--valid 10d", "--type perpetual"), Ok((None, None)));
    assert_eq!(until("--type perpetual", "--type subscription --valid 5d"), Ok((end(5), None)));
    assert_eq!(until("--type perpetual", "--type subscription"), Err(Code::TermsInvalid));
    assert_eq!(until("--type perpetual", "--valid 5d"), Err(Code::TermsInvalid));
    assert_eq!(until("--valid 10d", "--valid never"), Err(Code::TermsInvalid));
    let waiting = "--valid 10d --start first-activation";
    assert_eq!(until(waiting, "--valid 20d"), Ok((None, Some(Seconds::days(20)))));
    assert_eq!(until(waiting, "--max-activations 3"), Ok((None, Some(Seconds::days(10)))));
}

#[test]
fn a_change_of_nothing_or_of_the_start_is_refused() {
    assert_eq!(change("", "").err(), Some(Code::Usage));
    assert_eq!(change("", "--start first-activation").err(), Some(Code::TermsInvalid));
}

#[test]
fn a_feature_that_the_product_lacks_is_reported_once() {
    let asked = options("--feature beta --feature export --feature alpha --feature beta");
    assert_eq!(asked.undefined(&known()), [text("alpha"), text("beta")]);
    assert_eq!(change("", "--feature beta").err(), Some(Code::FeatureUnknown));
}

#[test]
fn what_belongs_to_a_feature_is_read_from_the_last_equals_sign() {
    let quota = "a=b=5/month".parse::<FeatureQuota>().expect("a name may hold an equals sign");
    assert_eq!((quota.feature, quota.reset), (text("a=b"), Reset::Month));
    assert_eq!(Some(quota.limit), Total::new(5));
    assert_eq!("r=hard".parse::<FeatureMode>().map(|mode| mode.mode), Ok(Mode::Hard));
}

#[test]
fn the_cells_of_a_table_say_the_same_as_options() {
    let cells = [("valid", "730d"), ("quota", "render=5/day; store=7"), ("grace", ""), ("feature", " ")];
    let expected = options("--valid 730d --quota render=5/day --quota store=7");
    assert_eq!(PolicyOptions::from_cells(cells), Ok(expected));
    for cells in [("colour", "red"), ("valid", "soon"), ("help", "me")] {
        let refused = PolicyOptions::from_cells([cells]).err().map(|refusal| refusal.code());
        assert_eq!(refused, Some(Code::CsvInvalid), "{cells:?}");
    }
}
