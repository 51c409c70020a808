//! The two programs, built once for each test executable in the profile that the tests were built in.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One of the two programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    /// `counterfoil`
    Vendor,
    /// `counterfoil-agent`
    Device,
}

impl Program {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vendor => "counterfoil",
            Self::Device => "counterfoil-agent",
        }
    }

    /// Where it is, freshly built.
    pub fn path(self) -> PathBuf {
        folder().join(format!("{}{}", self.name(), env::consts::EXE_SUFFIX))
    }

    /// A command that runs it without any of the caller's `COUNTERFOIL_…` variables and without colours.
    pub fn command(self) -> Command {
        undisturbed(Command::new(self.path()))
    }

    /// The same as the last argument of another program.
    pub fn within(self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).arg(self.path());
        undisturbed(command)
    }
}

fn undisturbed(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERFOIL_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

fn folder() -> &'static Path {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(build) {
        Ok(folder) => folder,
        Err(message) => panic!("the programs do not build:\n{message}"),
    }
}

/// Lets cargo bring both programs up to date beside this test executable, which is `TARGET/PROFILE/deps/NAME-HASH`.
fn build() -> Result<PathBuf, String> {
    let executable = env::current_exe().map_err(|error| error.to_string())?;
    let folder = executable.ancestors().nth(2).ok_or("the test is not where cargo puts tests")?;
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let target = folder.parent().ok_or("the test is not where cargo puts tests")?;
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--offline", "--quiet", "--bins", "--profile", profile])
        .args(["-p", "counterfoil-reconciler", "-p", "counterfoil-sync-agent", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| error.to_string())?;
    if built.status.success() {
        Ok(folder.to_owned())
    } else {
        Err(String::from_utf8_lossy(&built.stderr).into_owned())
    }
}
