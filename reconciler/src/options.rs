//! The options that say what a licence grants, as they are typed for policies, for a single licence that departs
//! from its policy, and for a change; and how they become terms.
//!
//! Only what was given changes anything. What contradicts itself is refused before anything is signed.

mod cells;
mod defaults;
mod edit;
mod values;

use clap::Args;
use clap::builder::BoolishValueParser;
use schemas::codes::Code;
use schemas::numbers::{Micros, Revision, Seconds};
use schemas::pack::ProductFeature;
use schemas::refusal::Refusal;
use schemas::terms::{Entitlement, LicenseType, OnFork, Policy, SameDevice, Start, Terms};
use schemas::text::Text;

use self::edit::Edit;
pub use self::values::{
    FeatureAmount, FeatureMode, FeatureQuota, FeatureSpan, HealsOption, Span, SpanOrNever, TransfersOption,
};

/// What a licence grants and on what conditions. Spans are a number and a unit: s, m, h, d, w or y (365 days).
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Terms")]
pub struct PolicyOptions {
    /// The type: perpetual, subscription, trial or consumption [default: subscription]
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<LicenseType>,
    /// How long it is valid, such as 365d, or `never` for without end [default: 365d; a trial 30d]
    #[arg(long, value_name = "SPAN")]
    pub valid: Option<SpanOrNever>,
    /// How long new releases are covered, or `never` for without end [default: without end]
    #[arg(long, value_name = "SPAN")]
    pub maintenance: Option<SpanOrNever>,
    /// When validity begins: issue or first-activation [default: issue]
    #[arg(long, value_name = "WHEN")]
    pub start: Option<Start>,
    /// Most activations at one time [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_activations: Option<u32>,
    /// A feature that it holds; may be repeated [default: every feature of the product]
    #[arg(long = "feature", value_name = "NAME")]
    pub features: Vec<Text>,
    /// How long a feature is granted from the licence's start, or `never` for as long as the licence
    #[arg(long = "feature-valid", value_name = "FEATURE=SPAN")]
    pub feature_spans: Vec<FeatureSpan>,
    /// The quota of a metered feature, for a day, a month, a year, or without these for the whole life
    #[arg(long = "quota", value_name = "FEATURE=N[/day|month|year]")]
    pub quotas: Vec<FeatureQuota>,
    /// Units beyond a quota that may be used and are charged
    #[arg(long = "overage", value_name = "FEATURE=N")]
    pub overages: Vec<FeatureAmount>,
    /// Units of a quota that one device holds ahead of its use [default: the quota divided by the activations]
    #[arg(long = "share", value_name = "FEATURE=N")]
    pub shares: Vec<FeatureAmount>,
    /// How the use of a metered feature is held: hard, counted or unlimited [default: hard with a quota, else counted]
    #[arg(long = "mode", value_name = "FEATURE=MODE")]
    pub modes: Vec<FeatureMode>,
    /// How often a device must check in, or `never` [default: never]
    #[arg(long, value_name = "SPAN")]
    pub sync_every: Option<SpanOrNever>,
    /// How long after the check-in deadline it still works as before [default: 7d]
    #[arg(long, value_name = "SPAN")]
    pub grace: Option<Span>,
    /// What a device does after deadline and grace: warn, limit or block [default: limit]
    #[arg(long, value_name = "WHAT")]
    pub after: Option<schemas::terms::After>,
    /// How many days an ended period waits for late reports before it can be sealed [default: 30]
    #[arg(long, value_name = "DAYS")]
    pub finalisation_days: Option<u16>,
    /// How long a licence file may be applied after it was made, or `never` for without end [default: without end]
    #[arg(long, value_name = "SPAN")]
    pub import_for: Option<SpanOrNever>,
    /// How far a device's clock may stand back before it is noted [default: 24h]
    #[arg(long, value_name = "SPAN")]
    pub clock_tolerance: Option<Span>,
    /// How often a device may take over the seat that another gave up, such as 2/90d, or `unlimited` [default: unlimited]
    #[arg(long, value_name = "N/SPAN")]
    pub transfers: Option<TransfersOption>,
    /// What a second activation on the same device does to the first: supersede, count or refuse [default: supersede]
    #[arg(long, value_name = "WHAT")]
    pub same_device: Option<SameDevice>,
    /// What follows when a device's state was copied: flag, stop or heal [default: flag]
    #[arg(long, value_name = "WHAT")]
    pub on_fork: Option<OnFork>,
    /// How often a restored device may go on with a successor, such as 3/365d, or `never` [default: never; with heal
    /// 3/365d]
    #[arg(long, value_name = "N/SPAN")]
    pub heals: Option<HealsOption>,
    /// Whether a device drops events that were acknowledged long ago: yes or no [default: no]
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    pub compact: Option<bool>,
}

impl PolicyOptions {
    /// A new policy for `product`, whose features are `known`.
    ///
    /// # Errors
    /// `feature_unknown`; `terms_invalid` for what contradicts itself.
    pub fn policy(&self, name: Text, product: Text, known: &[ProductFeature]) -> Result<Policy, Refusal> {
        let mut edit = Edit::of_policy(&defaults::policy(name.clone(), product.clone()), known);
        if self.features.is_empty() {
            edit.hold_all();
        } else {
            edit.hold_only(&self.features)?;
        }
        self.conditions(&mut edit)?;
        let kind = self.kind.unwrap_or(LicenseType::Subscription);
        let mut policy = defaults::policy(name, product);
        policy.kind = kind;
        policy.valid_for = self.valid.map_or_else(|| defaults::valid_for(kind), |valid| valid.0);
        self.finish(policy, edit)
    }

    /// A policy as it is for a licence that departs from it; it is never kept under its name.
    ///
    /// # Errors
    /// As [`PolicyOptions::policy`].
    pub fn overriding(&self, policy: &Policy, known: &[ProductFeature]) -> Result<Policy, Refusal> {
        let mut edit = Edit::of_policy(policy, known);
        if !self.features.is_empty() {
            edit.hold_only(&self.features)?;
        }
        self.conditions(&mut edit)?;
        let mut policy = policy.clone();
        if let Some(kind) = self.kind {
            policy.kind = kind;
            policy.valid_for = defaults::valid_for_instead(kind, policy.valid_for);
        }
        policy.valid_for = self.valid.map_or(policy.valid_for, |valid| valid.0);
        self.finish(policy, edit)
    }

    /// The terms of a licence after a change: `let_go` are the features that it holds no longer, those that the options
    /// name come on top of the others, and spans count from the licence's start. A licence that was not activated yet and starts then keeps doing so.
    ///
    /// # Errors
    /// `usage` when nothing is to be changed; `feature_unknown` (see [`PolicyOptions::undefined`]);
    /// `terms_invalid` for what contradicts itself.
    pub fn change(&self, let_go: &[Text], terms: &Terms, known: &[ProductFeature]) -> Result<Terms, Refusal> {
        if *self == Self::default() && let_go.is_empty() {
            return Err(Refusal::new(Code::Usage, "nothing is to be changed: give an option"));
        }
        if self.start.is_some() {
            return Err(edit::contradiction("a licence's start was fixed when it was issued"));
        }
        let mut edit = Edit::new(&terms.entitlement.features, &terms.rules, known);
        edit.let_go(let_go)?;
        edit.hold_also(&self.features)?;
        self.conditions(&mut edit)?;
        let (features, rules) = edit.finish()?;
        let old = &terms.entitlement;
        let kind = self.kind.unwrap_or(old.kind);
        let (valid_until, valid_from_activation) = self.changed_validity(terms, kind);
        check_validity(kind, valid_until.is_some() || valid_from_activation.is_some())?;
        let entitlement = Entitlement {
            revision: Revision(old.revision.0 + 1),
            kind,
            starts_at: old.starts_at,
            valid_until,
            maintenance_until: self
                .maintenance
                .map_or(old.maintenance_until, |span| span.0.map(|span| old.starts_at + span)),
            features,
            custom: old.custom.clone(),
        };
        Ok(Terms { entitlement, valid_from_activation, rules })
    }

    /// The features named by `--feature` that the product lacks: `license change` first defines them as on or off.
    pub fn undefined(&self, known: &[ProductFeature]) -> Vec<Text> {
        let mut names: Vec<Text> = self.features.clone();
        names.sort();
        names.dedup();
        names.retain(|name| known.iter().all(|feature| feature.name != *name));
        names
    }

    /// Until when, or for how long from the first activation, a changed licence is valid.
    fn changed_validity(&self, terms: &Terms, kind: LicenseType) -> (Option<Micros>, Option<Seconds>) {
        let starts_at = terms.entitlement.starts_at;
        let unended = kind == LicenseType::Perpetual && self.kind.is_some();
        match self.valid {
            Some(SpanOrNever(span)) if terms.valid_from_activation.is_some() => (None, span),
            Some(SpanOrNever(span)) => (span.map(|span| starts_at + span), None),
            None if unended => (None, None),
            None => (terms.entitlement.valid_until, terms.valid_from_activation),
        }
    }

    /// Puts the conditions that were given in the place of those that stand.
    fn conditions(&self, edit: &mut Edit<'_>) -> Result<(), Refusal> {
        edit.quotas(&self.quotas)?;
        edit.modes(&self.modes, &self.quotas)?;
        edit.overages(&self.overages)?;
        edit.shares(&self.shares)?;
        edit.spans(&self.feature_spans)?;
        let rules = &mut edit.rules;
        replace(&mut rules.max_activations, self.max_activations);
        replace(&mut rules.same_device, self.same_device);
        replace(&mut rules.transfers, self.transfers.clone().map(|option| option.0));
        if self.on_fork == Some(OnFork::Heal) && rules.heals.is_none() {
            rules.heals = Some(defaults::heals());
        }
        replace(&mut rules.on_fork, self.on_fork);
        replace(&mut rules.compact, self.compact);
        replace(&mut rules.heals, self.heals.clone().map(|option| option.0));
        replace(&mut rules.sync_every, self.sync_every.map(|span| span.0));
        replace(&mut rules.grace, self.grace.map(|span| span.0));
        replace(&mut rules.after, self.after);
        replace(&mut rules.finalisation_days, self.finalisation_days);
        replace(&mut rules.import_for, self.import_for.map(|span| span.0));
        replace(&mut rules.clock_tolerance, self.clock_tolerance.map(|span| span.0));
        Ok(())
    }

    fn finish(&self, mut policy: Policy, edit: Edit<'_>) -> Result<Policy, Refusal> {
        (policy.features, policy.rules) = edit.finish()?;
        replace(&mut policy.start, self.start);
        replace(&mut policy.maintenance_for, self.maintenance.map(|span| span.0));
        check_validity(policy.kind, policy.valid_for.is_some())?;
        if policy.valid_for == Some(Seconds(0)) {
            return Err(edit::contradiction("a licence is valid for at least a second"));
        }
        Ok(policy)
    }
}

/// As many activations as there are devices: what a product's trial has unless it is told otherwise.
pub const UNLIMITED_SEATS: u32 = u32::MAX;

/// A policy as it is for its product's trial: every device's own dates, and as many devices as there are unless
/// `max_activations` says otherwise.
///
/// # Errors
/// `terms_invalid` when the policy is not for trials, or a quota does not say how much of it each device holds.
pub fn of_trial(policy: Policy, max_activations: Option<u32>) -> Result<Policy, Refusal> {
    let mut policy = policy;
    if policy.kind != LicenseType::Trial {
        return Err(edit::contradiction("a product's trial is issued from a policy of the type trial"));
    }
    policy.start = Start::FirstActivation;
    policy.rules.max_activations = max_activations.unwrap_or(UNLIMITED_SEATS);
    if max_activations.is_none() && policy.rules.quotas.iter().any(|rule| rule.share.is_none()) {
        return Err(edit::contradiction(
            "all devices that try a product share its quotas: say by --share how much of each a device holds",
        ));
    }
    Ok(policy)
}

/// The terms of a licence that is issued from `policy` at `now`.
///
/// One that starts with its first activation has no end yet: `valid_from_activation` says how long it lasts then,
/// and its start and the end of its maintenance move along with the activation.
pub fn resolve(policy: &Policy, now: Micros) -> Terms {
    let (until, from_activation) = match policy.start {
        Start::Issue => (policy.valid_for.map(|span| now + span), None),
        Start::FirstActivation => (None, policy.valid_for),
    };
    Terms {
        entitlement: Entitlement {
            revision: Revision(1),
            kind: policy.kind,
            starts_at: now,
            valid_until: until,
            maintenance_until: policy.maintenance_for.map(|span| now + span),
            features: policy.features.clone(),
            custom: Vec::new(),
        },
        valid_from_activation: from_activation,
        rules: policy.rules.clone(),
    }
}

fn check_validity(kind: LicenseType, ends: bool) -> Result<(), Refusal> {
    match (kind, ends) {
        (LicenseType::Perpetual, true) => Err(edit::contradiction(
            "a perpetual licence has no end: leave --valid out or give another --type",
        )),
        (LicenseType::Subscription | LicenseType::Trial, false) => {
            Err(edit::contradiction(&format!("a {kind} has an end: give --valid or another --type")))
        }
        _ => Ok(()),
    }
}

fn replace<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}

#[cfg(test)]
mod tests;
