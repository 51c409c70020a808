//! Features and conditions while options are applied to them.

use std::collections::BTreeSet;

use schemas::codes::Code;
use schemas::numbers::{FeatureNumber, Seconds, Total};
use schemas::pack::ProductFeature;
use schemas::period::Reset;
use schemas::refusal::Refusal;
use schemas::terms::{FeatureGrant, Mode, Policy, QuotaRule, Rules};
use schemas::text::Text;

use super::values::{FeatureAmount, FeatureMode, FeatureQuota, FeatureSpan};

/// The features that are held and their conditions, beside all that the product knows.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    features: Vec<FeatureGrant>,
    pub(super) rules: Rules,
    known: &'a [ProductFeature],
}

impl<'a> Edit<'a> {
    pub(super) fn of_policy(policy: &Policy, known: &'a [ProductFeature]) -> Self {
        Self::new(&policy.features, &policy.rules, known)
    }

    pub(super) fn new(features: &[FeatureGrant], rules: &Rules, known: &'a [ProductFeature]) -> Self {
        Self { features: features.to_vec(), rules: rules.clone(), known }
    }

    /// Holds every feature of the product.
    pub(super) fn hold_all(&mut self) {
        self.features = self.known.iter().map(newly_held).collect();
    }

    /// Holds the named features only, those that were held before in their mode.
    pub(super) fn hold_only(&mut self, names: &[Text]) -> Result<(), Refusal> {
        self.hold_also(names)?;
        self.features.retain(|held| names.contains(&held.name));
        let features = &self.features;
        self.rules.quotas.retain(|quota| features.iter().any(|held| held.number == quota.feature));
        Ok(())
    }

    /// Holds the named features besides those that are held.
    pub(super) fn hold_also(&mut self, names: &[Text]) -> Result<(), Refusal> {
        for name in names {
            let feature = self.known(name)?;
            if self.features.iter().all(|held| held.number != feature.number) {
                self.features.push(newly_held(feature));
            }
        }
        Ok(())
    }

    /// Lets the named features go, and their quotas.
    pub(super) fn let_go(&mut self, names: &[Text]) -> Result<(), Refusal> {
        for name in names {
            let number = self.held(name)?.number;
            self.features.retain(|held| held.number != number);
            self.rules.quotas.retain(|quota| quota.feature != number);
        }
        Ok(())
    }

    /// Sets quotas. A feature that had none becomes hard; what one had beside its limit stays.
    pub(super) fn quotas(&mut self, quotas: &[FeatureQuota]) -> Result<(), Refusal> {
        once("--quota", quotas.iter().map(|quota| &quota.feature))?;
        for FeatureQuota { feature, limit, reset } in quotas {
            let held = self.metered(feature)?;
            held.reset = *reset;
            let number = held.number;
            if let Some(rule) = self.rules.quotas.iter_mut().find(|rule| rule.feature == number) {
                rule.limit = *limit;
            } else {
                let overage = Total::default();
                let rule = QuotaRule { feature: number, limit: *limit, overage, share: None };
                self.rules.quotas.push(rule);
                self.metered(feature)?.mode = Mode::Hard;
            }
        }
        Ok(())
    }

    /// Sets modes. One without any limit lets the quota go that stood before, but not one that is `given` with it.
    pub(super) fn modes(&mut self, modes: &[FeatureMode], given: &[FeatureQuota]) -> Result<(), Refusal> {
        once("--mode", modes.iter().map(|mode| &mode.feature))?;
        for FeatureMode { feature, mode } in modes {
            if *mode == Mode::Unlimited && given.iter().any(|quota| quota.feature == *feature) {
                return Err(contradiction(&format!("{feature} is unlimited and has a --quota")));
            }
            let held = self.metered(feature)?;
            held.mode = *mode;
            let number = held.number;
            if *mode == Mode::Unlimited {
                self.rules.quotas.retain(|rule| rule.feature != number);
            }
        }
        Ok(())
    }

    pub(super) fn overages(&mut self, overages: &[FeatureAmount]) -> Result<(), Refusal> {
        once("--overage", overages.iter().map(|overage| &overage.feature))?;
        for FeatureAmount { feature, amount } in overages {
            self.quota(feature)?.overage = *amount;
        }
        Ok(())
    }

    pub(super) fn shares(&mut self, shares: &[FeatureAmount]) -> Result<(), Refusal> {
        once("--share", shares.iter().map(|share| &share.feature))?;
        for FeatureAmount { feature, amount } in shares {
            self.quota(feature)?.share = Some(*amount);
        }
        Ok(())
    }

    /// Sets how long features are granted.
    pub(super) fn spans(&mut self, spans: &[FeatureSpan]) -> Result<(), Refusal> {
        once("--feature-valid", spans.iter().map(|span| &span.feature))?;
        for FeatureSpan { feature, span } in spans {
            self.held(feature)?.valid_for = *span;
        }
        Ok(())
    }

    /// The features and the conditions in their order, unless they contradict each other.
    pub(super) fn finish(mut self) -> Result<(Vec<FeatureGrant>, Rules), Refusal> {
        self.features.sort_by_key(|held| held.number);
        self.rules.quotas.sort_by_key(|rule| rule.feature);
        for held in &self.features {
            self.check_mode(held)?;
        }
        for rule in &self.rules.quotas {
            check_quota(rule)?;
        }
        for (option, span) in
            [("--sync-every", self.rules.sync_every), ("--import-for", self.rules.import_for)]
        {
            if span == Some(Seconds(0)) {
                return Err(contradiction(&format!("{option} is at least a second")));
            }
        }
        Ok((self.features, self.rules))
    }

    fn check_mode(&self, held: &FeatureGrant) -> Result<(), Refusal> {
        let has_quota = self.rules.quotas.iter().any(|rule| rule.feature == held.number);
        match (held.mode, has_quota) {
            (Mode::Hard, false) => Err(contradiction(&format!("{} is hard: give it a --quota", held.name))),
            _ => Ok(()),
        }
    }

    fn known(&self, name: &Text) -> Result<&'a ProductFeature, Refusal> {
        let feature = self.known.iter().find(|feature| feature.name == *name);
        feature.ok_or_else(|| Refusal::new(Code::FeatureUnknown, name.as_str()))
    }

    /// The held feature of that name.
    fn held(&mut self, name: &Text) -> Result<&mut FeatureGrant, Refusal> {
        let number = self.known(name)?.number;
        let held = self.features.iter_mut().find(|held| held.number == number);
        held.ok_or_else(|| contradiction(&format!("{name} is not among the features that are held")))
    }

    /// The held feature of that name, which must be metered.
    fn metered(&mut self, name: &Text) -> Result<&mut FeatureGrant, Refusal> {
        if !self.known(name)?.metered {
            return Err(contradiction(&format!("{name} is not metered")));
        }
        self.held(name)
    }

    fn quota(&mut self, name: &Text) -> Result<&mut QuotaRule, Refusal> {
        let number: FeatureNumber = self.metered(name)?.number;
        let rule = self.rules.quotas.iter_mut().find(|rule| rule.feature == number);
        rule.ok_or_else(|| contradiction(&format!("{name} has no --quota")))
    }
}

/// A refusal of terms that contradict each other.
pub(super) fn contradiction(what: &str) -> Refusal {
    Refusal::new(Code::TermsInvalid, what)
}

fn newly_held(feature: &ProductFeature) -> FeatureGrant {
    let (mode, reset) =
        if feature.metered { (Mode::Counted, Reset::Month) } else { (Mode::OnOff, Reset::Never) };
    FeatureGrant { number: feature.number, name: feature.name.clone(), mode, reset, valid_for: None }
}

fn check_quota(rule: &QuotaRule) -> Result<(), Refusal> {
    if rule.limit.plus(rule.overage.get()).is_none() {
        return Err(contradiction("a quota and its overage together are too large"));
    }
    match rule.share {
        Some(share) if share > rule.limit => Err(contradiction("a share is at most the quota")),
        Some(share) if share.get() == 0 => Err(contradiction("a share is at least one unit")),
        _ => Ok(()),
    }
}

/// Refuses an option that is given twice for one feature.
fn once<'a>(option: &str, names: impl Iterator<Item = &'a Text>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(contradiction(&format!("{option} is given twice for {name}")));
        }
    }
    Ok(())
}
