//! Where a ledger is kept: the URL that `init --store` takes.

use std::fmt;
use std::path::{Path, PathBuf};

use schemas::codes::Code;
use schemas::refusal::Refusal;

/// The scheme of a ledger in one `SQLite` file.
const SQLITE: &str = "sqlite:";
/// The file's name where the URL names none.
const LEDGER: &str = "ledger.db";

/// Where a ledger is kept: `sqlite:` (in the home) or `sqlite:PATH`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreUrl {
    path: Option<PathBuf>,
}

impl StoreUrl {
    /// A file in the home.
    pub const IN_HOME: Self = Self { path: None };

    /// Reads a URL.
    ///
    /// # Errors
    /// `store_unsupported` for every scheme but `sqlite:`.
    pub fn parse(url: &str) -> Result<Self, Refusal> {
        match url.strip_prefix(SQLITE) {
            Some("") => Ok(Self::IN_HOME),
            Some(path) => Ok(Self { path: Some(path.into()) }),
            None => {
                let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
                Err(Refusal::new(Code::StoreUnsupported, scheme))
            }
        }
    }

    /// The same place, with a path that no longer depends on the current directory.
    ///
    /// # Errors
    /// `io_failed` when the current directory cannot be told.
    pub fn absolute(self) -> Result<Self, Refusal> {
        let path = self.path.map(std::path::absolute).transpose();
        path.map(|path| Self { path }).map_err(|error| Refusal::from_error(Code::IoFailed, &error))
    }

    /// The ledger's file, for the home at `home`.
    pub fn path(&self, home: &Path) -> PathBuf {
        home.join(self.path.as_deref().unwrap_or(Path::new(LEDGER)))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SQLITE)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, "{}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_in_the_home_or_elsewhere() {
        let home = Path::new("/srv/home");
        for (url, path) in [
            ("sqlite:", "/srv/home/ledger.db"),
            ("sqlite:/var/lib/ledger.db", "/var/lib/ledger.db"),
            ("sqlite:other.db", "/srv/home/other.db"),
        ] {
            let store = StoreUrl::parse(url).expect("sqlite");
            assert_eq!((store.path(home), store.to_string()), (path.into(), url.to_owned()));
        }
    }

    #[test]
    fn another_scheme_is_refused_without_repeating_its_password() {
        let refusal = StoreUrl::parse("postgres://vendor:secret@db/ledger").expect_err("not offered");
        assert_eq!((refusal.code(), refusal.detail()), (Code::StoreUnsupported, "postgres"));
    }
}
