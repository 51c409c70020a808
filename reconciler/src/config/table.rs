//! A table of the configuration file whose options are texts until they are used.

use std::collections::BTreeMap;

use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::{Setting, pick};

/// The options of a table, resolved.
pub(super) type Texts = BTreeMap<&'static str, Setting<String>>;

/// What the environment, the table `name` of the file, or the default says. The variable of an option is called as the
/// option behind `COUNTERFOIL_` and `prefix`.
///
/// # Errors
/// `config_invalid` for a name that is none.
pub(super) fn resolve(
    name: &str,
    prefix: &str,
    options: &[(&'static str, &str)],
    variable: impl Fn(&str) -> Option<String>,
    mut file: BTreeMap<String, toml::Value>,
) -> Result<Texts, Refusal> {
    let mut texts = BTreeMap::new();
    for (option, default) in options {
        let in_file = file.remove(*option).map(text_of);
        let environment = variable(&format!("COUNTERFOIL_{prefix}{}", option.to_ascii_uppercase()));
        texts.insert(*option, pick(None, environment, in_file, || (*default).to_owned()));
    }
    match file.into_keys().next() {
        Some(unknown) => Err(Refusal::new(Code::ConfigInvalid, format!("{name}.{unknown} is no option"))),
        None => Ok(texts),
    }
}

/// A value as it would stand on the command line.
fn text_of(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(values) => values.into_iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
