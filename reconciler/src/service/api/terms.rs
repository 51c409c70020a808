//! Terms as a request says them: the same as the options of `counterfoil policy create`, `license issue` and `license change`.

use schemas::refusal::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::options::PolicyOptions;

/// What a licence grants and on what conditions; only what is said departs from what stands. Spans are a number and a unit: s, m,
/// h, d, w or y (365 days).
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::service) struct TermsOrder {
    /// `perpetual`, `subscription`, `trial` or `consumption`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// How long it is valid, such as `365d`, or `never` for without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<String>,
    /// How long new releases are covered, or `never` for without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance: Option<String>,
    /// When validity begins: `issue` or `first-activation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// Most activations at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_activations: Option<u32>,
    /// Features that it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feature: Vec<String>,
    /// How long a feature is granted from the licence's start, such as `export=90d`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feature_valid: Vec<String>,
    /// Quotas of metered features, such as `render=1000/month`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quota: Vec<String>,
    /// Units beyond a quota that may be used and are charged, such as `render=100`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overage: Vec<String>,
    /// Units of a quota that one device holds ahead of its use, such as `render=50`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    share: Vec<String>,
    /// How the use of a metered feature is held, such as `render=counted`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mode: Vec<String>,
    /// How often a device must check in, or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_every: Option<String>,
    /// How long after the check-in deadline it still works as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    grace: Option<String>,
    /// What a device does after deadline and grace: `warn`, `limit` or `block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// How many days an ended period waits for late reports before it can be sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    finalisation_days: Option<u16>,
    /// How long a licence file may be applied after it was made, or `never` for without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    import_for: Option<String>,
    /// How far a device's clock may stand back before it is noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_tolerance: Option<String>,
    /// How often a device may take over the seat that another gave up, such as `2/90d`, or `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfers: Option<String>,
    /// What a second activation on the same device does to the first: `supersede`, `count` or `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_device: Option<String>,
    /// What follows when a device's state was copied: `flag`, `stop` or `heal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_fork: Option<String>,
    /// How often a restored device may go on with a successor, such as `3/365d`, or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    heals: Option<String>,
    /// Whether a device drops events that were acknowledged long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    compact: Option<bool>,
}

impl TermsOrder {
    /// The options that it says.
    ///
    /// # Errors
    /// `request_invalid`.
    pub(in crate::service) fn options(&self) -> Result<PolicyOptions, Refusal> {
        let said = serde_json::to_value(self).expect("texts and numbers are JSON");
        let mut values = Vec::new();
        for (name, value) in said.as_object().into_iter().flatten() {
            let name = name.replace('_', "-");
            match value {
                Value::Array(many) => values.extend(many.iter().map(|value| (name.clone(), in_words(value)))),
                value => values.push((name, in_words(value))),
            }
        }
        PolicyOptions::from_values(values.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

fn in_words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<PolicyOptions, String> {
        let order: TermsOrder = serde_json::from_str(json).map_err(|error| error.to_string())?;
        order.options().map_err(|refusal| refusal.detail().to_owned())
    }

    /// Whoever adds an option adds it here too.
    #[test]
    fn every_option_can_be_said() {
        let command = <PolicyOptions as clap::Args>::augment_args(clap::Command::new("options"));
        let all = serde_json::json!({
            "type": "subscription", "valid": "365d", "maintenance": "1y", "start": "issue", "max_activations": 2,
            "feature": ["a", "render"], "feature_valid": ["a=3d"], "quota": ["render=5/month"], "overage": ["render=1"],
            "share": ["render=2"], "mode": ["render=hard"], "sync_every": "30d", "grace": "7d", "after": "limit",
            "finalisation_days": 30, "import_for": "never", "clock_tolerance": "24h", "transfers": "2/90d",
            "same_device": "count", "on_fork": "heal", "heals": "3/365d", "compact": true,
        });
        for option in command.get_arguments() {
            let name = option.get_long().expect("options have names").replace('-', "_");
            assert!(all.get(&name).is_some(), "{name}");
        }
        let said = options(&all.to_string()).expect("all of it is valid");
        assert_eq!((said.max_activations, said.features.len(), said.compact), (Some(2), 2, Some(true)));
        assert_eq!(options("{}"), Ok(PolicyOptions::default()));
    }

    #[test]
    fn what_is_no_option_or_no_value_of_one_is_refused() {
        for json in [
            r#"{"colour": "red"}"#,
            r#"{"valid": "soon"}"#,
            r#"{"valid": 365}"#,
            r#"{"max_activations": 0}"#,
            r#"{"max_activations": -1}"#,
            r#"{"quota": "render=5"}"#,
            r#"{"quota": ["render"]}"#,
            r#"{"feature": ["a\u0000"]}"#,
            r#"{"after": "panic"}"#,
        ] {
            assert!(options(json).is_err(), "{json}");
        }
    }
}
