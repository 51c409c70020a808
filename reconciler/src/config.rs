//! Options: flag, then environment, then the home's configuration file, then default.
//!
//! The file is TOML, `--config FILE` or `config.toml` in the home; one that does not exist sets nothing, unless it
//! was named. What a home itself fixes (environment, portal) comes from its `home.toml`.

mod brand;
mod serve;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::{Deserialize, Serialize};

pub(crate) use self::brand::BrandOptions;
pub(crate) use self::serve::{Serve, ServeFlags};
use crate::home::Layout;
use crate::output::Format;

/// Where a home is looked for when nothing says so.
const DEFAULT_HOME: &str = "counterfoil-home";

/// Where a value came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// An option of the command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The configuration file.
    File,
    /// The home's `home.toml`.
    Home,
    /// Nothing said otherwise.
    Default,
}

impl Source {
    /// The word that people read.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Home => "home",
            Self::Default => "default",
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) home: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) json: bool,
}

/// Every option, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The home.
    pub(crate) home: Setting<PathBuf>,
    /// The configuration file, whether there is one or not.
    pub(crate) file: Setting<PathBuf>,
    /// How results are written.
    pub(crate) output: Setting<Format>,
    /// The portal's address, for packs; the home's own where nothing else is said.
    pub(crate) portal: Setting<Option<String>>,
    /// Threads for work that can be divided.
    pub(crate) jobs: Setting<usize>,
    /// Those of the service.
    pub(crate) serve: Serve,
    /// How the service's pages look.
    pub(crate) brand: BrandOptions,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    home: Option<PathBuf>,
    output: Option<String>,
    portal: Option<String>,
    jobs: Option<NonZeroUsize>,
    #[serde(default)]
    serve: BTreeMap<String, toml::Value>,
    #[serde(default)]
    brand: BTreeMap<String, toml::Value>,
}

impl Config {
    /// Resolves every option; `environment` looks a variable up, `cores` is the default of `jobs`.
    ///
    /// # Errors
    /// `config_invalid` for a file or a value that is not understood.
    pub(crate) fn resolve(
        flags: &Flags,
        environment: impl Fn(&str) -> Option<String>,
        cores: usize,
    ) -> Result<Self, Refusal> {
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let path_in = |name: &str| variable(name).map(PathBuf::from);
        let said = pick(flags.home.clone(), path_in("COUNTERFOIL_HOME"), None, || DEFAULT_HOME.into());
        let path = pick(flags.config.clone(), path_in("COUNTERFOIL_CONFIG"), None, || {
            Layout::new(&said.value).config()
        });
        let file = File::read(&path.value, path.source != Source::Default)?;
        let output = variable("COUNTERFOIL_OUTPUT").map(|word| format_of(&word)).transpose()?;
        let jobs = variable("COUNTERFOIL_JOBS").map(|text| jobs_of(&text)).transpose()?;
        Ok(Self {
            home: match said.source {
                Source::Default => pick(None, None, file.home, || said.value),
                _ => said,
            },
            output: pick(
                flags.json.then_some(Format::Json),
                output,
                file.output.map(|word| format_of(&word)).transpose()?,
                || Format::Words,
            ),
            portal: pick(None, variable("COUNTERFOIL_PORTAL").map(Some), file.portal.map(Some), || None),
            jobs: pick(None, jobs, file.jobs.map(NonZeroUsize::get), || cores),
            serve: Serve::resolve(variable, file.serve)?,
            brand: BrandOptions::resolve(variable, file.brand)?,
            file: path,
        })
    }
}

impl File {
    fn read(path: &Path, must_exist: bool) -> Result<Self, Refusal> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if absent(&error) && !must_exist => return Ok(Self::default()),
            Err(error) => return Err(Refusal::from_error(Code::ConfigInvalid, &error).at(path.display())),
        };
        toml::from_str(&text).map_err(|error| {
            Refusal::new(Code::ConfigInvalid, error.to_string().trim_end()).at(path.display())
        })
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn pick<T>(
    flag: Option<T>,
    environment: Option<T>,
    file: Option<T>,
    default: impl FnOnce() -> T,
) -> Setting<T> {
    let said = [(flag, Source::Flag), (environment, Source::Environment), (file, Source::File)];
    said.into_iter()
        .find_map(|(value, source)| value.map(|value| Setting { value, source }))
        .unwrap_or_else(|| Setting { value: default(), source: Source::Default })
}

fn format_of(word: &str) -> Result<Format, Refusal> {
    Format::parse(word).ok_or_else(|| Refusal::new(Code::ConfigInvalid, "output is `words` or `json`"))
}

fn jobs_of(text: &str) -> Result<usize, Refusal> {
    let jobs: Option<NonZeroUsize> = text.parse().ok();
    jobs.map(NonZeroUsize::get)
        .ok_or_else(|| Refusal::new(Code::ConfigInvalid, "COUNTERFOIL_JOBS is a number from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &Flags, variables: &[(&str, &str)]) -> Result<Config, Code> {
        let environment = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Config::resolve(flags, environment, 2).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_file_and_that_before_the_default() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("options.toml");
        std::fs::write(&file, "home = \"from-file\"\noutput = \"json\"\njobs = 7\n").expect("writable");
        let named = Flags { config: Some(file), ..Flags::default() };
        let both = Flags { home: Some("from-flag".into()), ..named.clone() };
        let variables = [("COUNTERFOIL_HOME", "from-variable"), ("COUNTERFOIL_JOBS", "3")];
        let cases = [
            (&both, &variables[..], ("from-flag", Source::Flag), (3, Source::Environment)),
            (&named, &variables[..], ("from-variable", Source::Environment), (3, Source::Environment)),
            (&named, &[], ("from-file", Source::File), (7, Source::File)),
            (&Flags::default(), &[], (DEFAULT_HOME, Source::Default), (2, Source::Default)),
        ];
        for (flags, variables, home, jobs) in cases {
            let config = resolve(flags, variables).expect("valid");
            assert_eq!((config.home.value, config.home.source), (home.0.into(), home.1));
            assert_eq!((config.jobs.value, config.jobs.source), jobs);
        }
    }

    #[test]
    fn the_homes_own_file_is_read_where_no_other_is_named() {
        let home = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(home.path().join("config.toml"), "portal = \"https://x.example\"\n")
            .expect("writable");
        let flags = Flags { home: Some(home.path().into()), ..Flags::default() };
        let config = resolve(&flags, &[]).expect("valid");
        assert_eq!(
            (config.portal.value.as_deref(), config.portal.source),
            (Some("https://x.example"), Source::File)
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("options.toml");
        let named = Flags { config: Some(file.clone()), ..Flags::default() };
        assert_eq!(resolve(&named, &[]).err(), Some(Code::ConfigInvalid), "named and missing");
        for text in ["outptu = \"json\"", "output = \"xml\"", "jobs = 0", "jobs = \"many\"", "[["] {
            std::fs::write(&file, text).expect("writable");
            assert_eq!(resolve(&named, &[]).err(), Some(Code::ConfigInvalid), "{text}");
        }
        for variable in [("COUNTERFOIL_OUTPUT", "xml"), ("COUNTERFOIL_JOBS", "0")] {
            assert_eq!(resolve(&Flags::default(), &[variable]).err(), Some(Code::ConfigInvalid));
        }
    }
}
