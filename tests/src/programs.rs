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
        let mut command = Command::new(self.path());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERFOIL_") {
                command.env_remove(name);
            }
        }
        command.env("NO_COLOR", "1");
        command
    }
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build)
}

/// Lets cargo bring both programs up to date beside this test executable, which is `TARGET/PROFILE/deps/NAME-HASH`.
fn build() -> PathBuf {
    let executable = env::current_exe().expect("a running test knows its executable");
    let folder = executable.ancestors().nth(2).expect("cargo puts tests three folders deep").to_owned();
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => "dev",
    };
    let target = folder.parent().expect("cargo puts tests three folders deep");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--offline", "--quiet", "--bins", "--profile", profile])
        .args(["-p", "counterfoil-reconciler", "-p", "counterfoil-sync-agent", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "the programs do not build:\n{}", String::from_utf8_lossy(&built.stderr));
    folder
}
