//! A real PostgreSQL for tests: a server in a temporary folder, reached over a socket in it and over nothing else.
//!
//! It keeps what it acknowledges (`fsync` is on), in memory where there is room: no test cuts the power. A watcher beside it stops it and takes its folder away as soon as the
//! test process lets go of it or ends, in whatever way.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// Who owns the databases.
const OWNER: &str = "counterfoil";
/// Who may connect only with a password, and that password.
pub const SEALED: (&str, &str) = ("sealed", "tally-9f3c");
/// What a server's socket is called, by the port that it would have.
pub const SOCKET: &str = ".s.PGSQL.5432";
/// Seconds that a server is given to start and to stop on a busy machine.
const PATIENCE_SECONDS: &str = "300";
/// A server that was killed leaves processes that end a moment later; until then it does not start again.
const STARTS: u32 = 200;
/// Where Linux keeps files in memory, and the room that servers leave to others.
const MEMORY: &str = "/dev/shm";
const ROOM_MIB: u64 = 2_048;
const PREFIX: &str = "counterfoil-pg-";
/// Where Debian keeps the programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Waits for the end of its input, then stops the server of `$3` with the program `$1`, and removes the folder `$2`.
const WATCH: &str =
    r#"trap '' INT TERM HUP; cat >/dev/null; "$1" -D "$3" -m immediate -w -t 300 stop; rm -rf "$2""#;

/// A server of its own.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    programs: Programs,
    watcher: Child,
}

/// Where the programs are, and as whom they run: PostgreSQL refuses to be run by root.
#[derive(Clone, Debug)]
struct Programs {
    folder: PathBuf,
    user: Option<User>,
}

/// A user to whom root hands the server over.
#[derive(Clone, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

/// A URL of a new, empty database on the server that all tests of a process share.
pub fn database() -> String {
    shared().database()
}

/// The server that all tests of a process share.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(&[]))
}

impl Server {
    /// Starts a server whose `settings` differ from the defaults, such as `fsync=off`.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub fn start(settings: &[&str]) -> Self {
        let programs = Programs::find();
        let folder = programs.folder();
        let data = folder.join("data");
        let watcher = programs.watch(&folder, &data);
        let server = Self { folder, programs, watcher };
        let mut init = server.programs.command("initdb");
        init.args(["-U", OWNER, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"]);
        done(init.arg(&data));
        let access = format!("local all {} scram-sha-256\nlocal all all trust\n", SEALED.0);
        fs::write(data.join("pg_hba.conf"), access).expect("the data folder was just made");
        server.start_again(settings);
        let (name, password) = SEALED;
        server.run_sql("postgres", &format!("CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'"));
        server
    }

    /// Starts it after it was killed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self, settings: &[&str]) {
        let mut options =
            format!("-c listen_addresses= -c unix_socket_directories={}", self.folder.display());
        for setting in settings {
            options.push_str(" -c ");
            options.push_str(setting);
        }
        let mut ended = None;
        for _ in 0..STARTS {
            let mut start = self.programs.command("pg_ctl");
            start.args(["-w", "-t", PATIENCE_SECONDS, "-s", "-o", &options, "-D"]).arg(self.data());
            // The server keeps what pg_ctl was given to write to: not a pipe that somebody reads to its end.
            start.arg("-l").arg(self.log()).arg("start");
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let status = start.status().expect("pg_ctl runs");
            if status.success() {
                return;
            }
            ended = Some(status);
        }
        panic!("PostgreSQL does not start ({ended:?}):\n{}", self.said());
    }

    /// Ends the server with SIGKILL, in the midst of whatever it does.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid: u32 = text.lines().next().and_then(|pid| pid.parse().ok()).expect("a process");
        done(Command::new("sh").args(["-c", r#"kill -KILL "$1""#, "sh"]).arg(pid.to_string()));
    }

    /// A URL of a new, empty database.
    pub fn database(&self) -> String {
        self.database_from("template1")
    }

    /// A URL of a new database that holds what the one at `url` holds, which nobody uses at the moment.
    pub fn copy_of(&self, url: &str) -> String {
        self.database_from(name_of(url))
    }

    fn database_from(&self, template: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("ledger{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.run_sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.url(OWNER, &name)
    }

    /// Where clients find its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// Carries out statements in the database at `url`.
    pub fn run(&self, url: &str, sql: &str) {
        self.run_sql(name_of(url), sql);
    }

    /// Takes the database at `url` away, whoever still uses it.
    pub fn drop_database(&self, url: &str) {
        self.run_sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", name_of(url)));
    }

    /// The URL of a database for a user, who is `USER` or `USER:PASSWORD`.
    pub fn url(&self, user: &str, database: &str) -> String {
        url_through(&self.folder, user, database)
    }

    /// What it wrote to its log.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn run_sql(&self, database: &str, sql: &str) {
        let mut psql = self.programs.command("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", OWNER, "-d", database, "-c", sql, "-h"]);
        done(psql.arg(&self.folder));
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        drop(self.watcher.wait());
    }
}

impl Programs {
    fn find() -> Self {
        let folder = newest(Path::new(DEBIAN)).or_else(on_path).expect(
            "PostgreSQL is not installed: on Debian `apt-get install postgresql`, elsewhere put initdb on the PATH",
        );
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = am_root().then(|| {
            let user = ["postgres", "nobody"].iter().find_map(|name| User::named(name, &users));
            user.expect("root needs a user `postgres` or `nobody` to run PostgreSQL as")
        });
        Self { folder, user }
    }

    /// One of them, run by a user whom PostgreSQL accepts, without any of the caller's `PG…` variables.
    fn command(&self, name: &str) -> Command {
        let mut command = self.as_user(&self.folder.join(name));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").current_dir("/");
        command
    }

    fn as_user(&self, program: &Path) -> Command {
        let Some(User { uid, gid }) = self.user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        command.arg(program);
        command
    }

    /// A folder of the user's own, in which the socket can be reached by the tests.
    fn folder(&self) -> PathBuf {
        let in_memory = Some(Path::new(MEMORY)).filter(|memory| free_mib(memory) >= ROOM_MIB);
        let folder = in_memory.and_then(|memory| TempDir::with_prefix_in(PREFIX, memory).ok());
        let folder =
            folder.unwrap_or_else(|| TempDir::with_prefix(PREFIX).expect("a temporary folder")).keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("it is ours");
        if let Some(User { uid, gid }) = self.user {
            chown(&folder, Some(uid), Some(gid)).expect("root may give it away");
        }
        folder
    }

    fn watch(&self, folder: &Path, data: &Path) -> Child {
        let mut watcher = self.as_user(Path::new("sh"));
        watcher.args(["-c", WATCH, "sh"]).arg(self.folder.join("pg_ctl")).arg(folder).arg(data);
        watcher.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        watcher.spawn().expect("a shell")
    }
}

impl User {
    fn named(name: &str, users: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some(Self { uid: fields.next()?.ok()?, gid: fields.next()?.ok()? })
    }
}

/// The URL of a database that is reached over a socket in `folder`.
fn url_through(folder: &Path, user: &str, database: &str) -> String {
    format!("postgres://{user}@{}/{database}", folder.display().to_string().replace('/', "%2F"))
}

/// The same database as at `url`, reached over a socket in another folder.
pub fn through(folder: &Path, url: &str) -> String {
    url_through(folder, OWNER, name_of(url))
}

/// The name of the database at a URL.
fn name_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a URL names a database")
}

/// The programs of the newest version below `folder`.
fn newest(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let numbered = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        programs.join("initdb").exists().then_some((version, programs))
    });
    numbered.max().map(|(_, programs)| programs)
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
}

/// How much room there is in a folder; none where it cannot be told.
fn free_mib(folder: &Path) -> u64 {
    let Ok(output) = Command::new("df").arg("-Pm").arg(folder).output() else { return 0 };
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let free = table.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    free.unwrap_or(0)
}

fn am_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

/// Carries out a command that must be done.
fn done(command: &mut Command) {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{error}: {command:?}"));
    let said = [stdout, stderr].concat();
    assert!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&said));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "postgresql:x:1:2::/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
        assert!(User::named("postgres", users).is_none());
        let User { uid, gid } = User::named("nobody", users).expect("a user");
        assert_eq!((uid, gid), (65534, 65534));
    }
}
