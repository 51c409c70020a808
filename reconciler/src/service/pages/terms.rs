//! The terms of a licence as a form asks for them: a field for each option of the command line, made from its declaration, and
//! read as it reads them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::{Arg, ArgAction, Args as _, Command};
use schemas::ids::Digest;
use schemas::refusal::Refusal;
use sha2::{Digest as _, Sha256};

use crate::options::PolicyOptions;
use crate::service::html::form::Form;

/// A field of a form.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name, which is that of the option.
    pub(super) name: String,
    /// The same as people read it.
    pub(super) label: String,
    /// What it means.
    pub(super) help: String,
    /// How a value is written.
    pub(super) form: String,
    /// Whether several values are given, one a line.
    pub(super) is_list: bool,
}

/// A field for each option, in their order.
pub(super) static FIELDS: LazyLock<Vec<Field>> =
    LazyLock::new(|| command().get_arguments().filter_map(Field::of).collect());

/// What was typed into the fields of a form.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed(BTreeMap<&'static str, String>);

impl Field {
    fn of(option: &Arg) -> Option<Self> {
        let name = option.get_long()?.to_owned();
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        let names = option.get_value_names().unwrap_or_default();
        Some(Self {
            label: capitalised(&name.replace('-', " ")),
            help: plain(&help),
            form: names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            is_list: matches!(option.get_action(), ArgAction::Append),
            name,
        })
    }
}

impl Typed {
    /// What was typed into these fields.
    pub(super) fn of(form: &Form, names: &[&'static str]) -> Self {
        let filled = names.iter().map(|name| (*name, form.word(name).to_owned()));
        Self(filled.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// What was typed into a field.
    pub(super) fn word(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The lines that were typed into a field.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.word(name).lines().map(str::trim).filter(|line| !line.is_empty())
    }

    /// What tells it from all else that could be typed.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = Sha256::new();
        for part in self.0.iter().flat_map(|(name, value)| [*name, value]) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Digest(digest.finalize().into())
    }

    /// Whether any of the terms was given.
    pub(super) fn has_terms(&self) -> bool {
        FIELDS.iter().any(|field| !self.word(&field.name).is_empty())
    }

    /// The options that were given.
    ///
    /// # Errors
    /// `request_invalid` for a value that is not understood.
    pub(super) fn options(&self) -> Result<PolicyOptions, Refusal> {
        PolicyOptions::from_values(FIELDS.iter().flat_map(|Field { name, is_list, .. }| {
            let word = Some(self.word(name)).filter(|word| !is_list && !word.is_empty());
            let lines = self.lines(name).filter(|_| *is_list);
            word.into_iter().chain(lines).map(move |value| (name.as_str(), value))
        }))
    }
}

fn command() -> Command {
    PolicyOptions::augment_args(Command::new("terms"))
}

/// A help text without what is said for the command line alone.
fn plain(help: &str) -> String {
    let text = help.split(" [default").next().unwrap_or_default();
    text.replace("; may be repeated", "").replace('`', "")
}

fn capitalised(text: &str) -> String {
    let mut symbols = text.chars();
    symbols.next().into_iter().flat_map(char::to_uppercase).chain(symbols).collect()
}

#[cfg(test)]
mod tests {
    use schemas::codes::Code;

    use super::*;
    use crate::options::SpanOrNever;

    fn typed(fields: &[(&'static str, &str)]) -> Typed {
        Typed(fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn there_is_a_field_for_every_option_that_says_what_it_means() {
        assert!(FIELDS.len() >= 22, "{}", FIELDS.len());
        for Field { name, label, help, form, .. } in FIELDS.iter() {
            assert!(!label.is_empty() && !help.is_empty() && !form.is_empty(), "{name}");
            assert!(!help.contains("[default"), "{name}: {help}");
        }
        let lists = FIELDS.iter().filter(|field| field.is_list).map(|field| field.name.as_str());
        assert_eq!(
            lists.collect::<Vec<_>>(),
            ["feature", "feature-valid", "quota", "overage", "share", "mode"]
        );
    }

    #[test]
    fn what_is_typed_is_read_as_on_the_command_line() {
        let options = typed(&[
            ("valid", "730d"),
            ("max-activations", "5"),
            ("quota", "render=100/month\r\n\r\n  export=5 \r\n"),
            ("feature", "--help\nbeta"),
            ("compact", "yes"),
        ]);
        let options = options.options().expect("it is understood");
        assert_eq!(options.valid, "730d".parse::<SpanOrNever>().ok());
        assert_eq!(options.max_activations, Some(5));
        assert_eq!(options.quotas.len(), 2);
        assert_eq!(
            options.features.iter().map(schemas::text::Text::as_str).collect::<Vec<_>>(),
            ["--help", "beta"]
        );
        assert_eq!(options.compact, Some(true));
        assert_eq!(Typed::default().options().expect("nothing is given"), PolicyOptions::default());
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_option() {
        for (name, value) in [
            ("valid", "soon"),
            ("max-activations", "0"),
            ("max-activations", "many"),
            ("quota", "render"),
            ("type", "eternal"),
            ("compact", "perhaps"),
            ("valid", "1d 2d"),
        ] {
            let refusal = typed(&[(name, value)]).options().expect_err(value);
            assert_eq!(refusal.code(), Code::RequestInvalid, "{name}");
            assert!(refusal.detail().contains(&format!("--{name}")), "{name}: {}", refusal.detail());
        }
    }
}
