//! Where a ledger is kept: the URL that `init --store` takes.

use std::fmt;
use std::path::{Path, PathBuf};

use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::store::Place;

/// The scheme of a ledger in one `SQLite` file.
const SQLITE: &str = "sqlite:";
/// The file's name where the URL names none.
const LEDGER: &str = "ledger.db";

/// The schemes of a ledger in a PostgreSQL database.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];
/// What stands in the place of a password that is not shown.
const HIDDEN: &str = "****";

/// Where a ledger is kept: `sqlite:` (in the home), `sqlite:PATH` or `postgres://…`.
#[derive(Clone, Eq, PartialEq)]
pub enum StoreUrl {
    /// A file; none stands for one in the home.
    Sqlite(Option<PathBuf>),
    /// A database, with what the URL says of how it is reached.
    Postgres(String),
}

impl StoreUrl {
    /// A file in the home.
    pub const IN_HOME: Self = Self::Sqlite(None);

    /// Reads a URL.
    ///
    /// # Errors
    /// `store_unsupported` for every other scheme.
    pub fn parse(url: &str) -> Result<Self, Refusal> {
        if POSTGRES.iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix(SQLITE) {
            Some("") => Ok(Self::IN_HOME),
            Some(path) => Ok(Self::Sqlite(Some(path.into()))),
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
        match self {
            Self::Sqlite(Some(path)) => std::path::absolute(path)
                .map(|path| Self::Sqlite(Some(path)))
                .map_err(|error| Refusal::from_error(Code::IoFailed, &error)),
            elsewhere => Ok(elsewhere),
        }
    }

    /// Where the ledger is, for the home at `home`.
    pub fn place(&self, home: &Path) -> Place {
        match self {
            Self::Sqlite(path) => Place::Sqlite(home.join(path.as_deref().unwrap_or(Path::new(LEDGER)))),
            Self::Postgres(url) => Place::Postgres(url.clone()),
        }
    }

    /// The URL as it is written into the home: whole.
    pub(super) fn whole(&self) -> String {
        match self {
            Self::Sqlite(path) => {
                format!("{SQLITE}{}", path.as_deref().unwrap_or(Path::new("")).display())
            }
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// The URL without its password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.whole();
        let (Self::Postgres(_), Some((scheme, rest))) = (self, whole.split_once("://")) else {
            return f.write_str(&whole);
        };
        // Whoever connects reads what stands before the first @ as user and password, whatever is in it.
        let (shown, path) = match rest.split_once('@') {
            Some((user, rest)) => {
                let user =
                    user.split_once(':').map_or(user.to_owned(), |(user, _)| format!("{user}:{HIDDEN}"));
                (format!("{user}@"), rest)
            }
            None => (String::new(), rest),
        };
        let path: Vec<String> = path
            .split_inclusive(['?', '&'])
            .map(|part| match part.strip_prefix("password=") {
                Some(secret) => {
                    format!("password={HIDDEN}{}", if secret.ends_with('&') { "&" } else { "" })
                }
                None => part.to_owned(),
            })
            .collect();
        write!(f, "{scheme}://{shown}{}", path.concat())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
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
            assert_eq!((store.place(home), store.to_string()), (Place::Sqlite(path.into()), url.to_owned()));
        }
    }

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://vendor:secret@db/ledger", "postgres://vendor:****@db/ledger"),
            (
                "postgresql://vendor:a/b?c@db:5433/ledger?sslmode=require",
                "postgresql://vendor:****@db:5433/ledger?sslmode=require",
            ),
            (
                "postgres:///ledger?host=/run/postgresql&password=secret&user=x",
                "postgres:///ledger?host=/run/postgresql&password=****&user=x",
            ),
            ("postgres://db/ledger?password=secret", "postgres://db/ledger?password=****"),
            ("postgres://vendor@db/ledger", "postgres://vendor@db/ledger"),
        ] {
            let store = StoreUrl::parse(url).expect("postgres");
            assert_eq!(store.to_string(), shown);
            assert_eq!(store.place(Path::new("/srv/home")), Place::Postgres(url.to_owned()));
            assert!(!format!("{store:?}").contains("secret"));
        }
    }

    #[test]
    fn another_scheme_is_refused_without_repeating_its_password() {
        let refusal = StoreUrl::parse("mysql://vendor:secret@db/ledger").expect_err("not offered");
        assert_eq!((refusal.code(), refusal.detail()), (Code::StoreUnsupported, "mysql"));
    }
}
