//! A temporary folder with a vendor's home and any number of devices, in which the real programs run.

use std::env;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::postgres;
use crate::programs::Program;
use crate::ran::Ran;
use crate::tables::{Tables, store_of};

/// The folder. It is the programs' working directory: names of files in command lines are relative to it.
///
/// The vendor's home is `counterfoil-home`, a device's state directory has the device's name, and the product's pack
/// is `studio.cfpack`.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
}

/// Where homes keep their ledgers: on a server where `COUNTERFOIL_TEST_STORE` is `postgres`, otherwise in a file.
fn is_on_server() -> bool {
    match env::var("COUNTERFOIL_TEST_STORE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("COUNTERFOIL_TEST_STORE is `sqlite` or `postgres`, not `{other}`"),
    }
}

/// A licence that was issued.
#[derive(Clone, Debug)]
pub struct License {
    /// Its identifier.
    pub id: String,
    /// Its key.
    pub key: String,
}

impl License {
    /// Reads what `license issue` and `license import` print.
    #[track_caller]
    pub fn read(issued: &Value) -> Self {
        Self { id: text(issued, "license_id"), key: text(issued, "license_key") }
    }
}

/// The text at `key` of a JSON object.
#[track_caller]
pub fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_else(|| panic!("no text {key} in {object:#}")).to_owned()
}

/// The number at `key` of a JSON object.
#[track_caller]
pub fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {object:#}"))
}

impl Lab {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A home with the product `studio` (`export`, and `render` metered), its pack, and the policy `standard` with
    /// `options`. All devices of a lab are one machine, so each activation counts unless the options say otherwise.
    #[track_caller]
    pub fn with_policy(options: &str) -> Self {
        let store = if is_on_server() { postgres::database() } else { "sqlite:".to_owned() };
        Self::with_store(&store, options)
    }

    /// The same with the ledger kept at a URL.
    #[track_caller]
    pub fn with_store(url: &str, options: &str) -> Self {
        let lab = Self::empty();
        lab.vendor(&format!("init --store {url}")).done();
        lab.vendor("product create studio --feature export --feature render:metered").done();
        lab.vendor("product pack studio -o studio.cfpack").done();
        let same_device = if options.contains("--same-device") { "" } else { "--same-device count" };
        lab.vendor(&format!("policy create standard --product studio {same_device} {options}")).done();
        lab
    }

    /// Where `name` is.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the vendor's home is.
    pub fn home(&self) -> PathBuf {
        self.path("counterfoil-home")
    }

    /// Runs `counterfoil` with `--json`. Words are separated by blanks; `'…'` holds one together.
    ///
    /// Where homes keep their ledgers on a server, one that was restored moves its ledger there.
    pub fn vendor(&self, line: &str) -> Ran {
        let ran = self.run(Program::Vendor, &format!("--json {line}"), b"");
        if is_on_server() && ran.exit() == Some(0) && words(line).iter().any(|word| word == "restore") {
            let words = words(line);
            let named = words.iter().position(|word| word == "--home").map(|at| words[at + 1].as_str());
            let home = named.unwrap_or("counterfoil-home");
            self.vendor(&format!("--home {home} store copy --to {} --switch", postgres::database())).done();
            fs::remove_file(self.path(home).join("ledger.db")).expect("it was restored there");
        }
        ran
    }

    /// Runs `counterfoil-agent` with `--json` for the device `name`, with the lab's pack unless the line names another.
    pub fn device(&self, name: &str, line: &str) -> Ran {
        self.device_fed(name, line, b"")
    }

    /// The same, with something on its stdin.
    pub fn device_fed(&self, name: &str, line: &str, stdin: &[u8]) -> Ran {
        self.run(Program::Device, &device_line(name, line), stdin)
    }

    /// Starts `counterfoil` without waiting; all three streams are pipes.
    pub fn start_vendor(&self, line: &str) -> Child {
        self.start_vendor_with(line, &[])
    }

    /// The same with variables of the environment.
    pub fn start_vendor_with(&self, line: &str, variables: &[(&str, &str)]) -> Child {
        self.start(Program::Vendor, &format!("--json {line}"), variables)
    }

    /// Runs `counterfoil` where no file may grow beyond `kibibytes`, as on a disk that fills up.
    pub fn vendor_short_of_room(&self, line: &str, kibibytes: u64) -> Ran {
        // The signal would end the program; without it, the system refuses to write on, as it does on a full disk. POSIX
        // counts in blocks of 512 bytes.
        let limited = "trap '' XFSZ && ulimit -f \"$1\" && shift && exec \"$@\"";
        let mut command = Program::Vendor.within("sh", &["-c", limited, "sh", &(kibibytes * 2).to_string()]);
        let line = format!("--json {line}");
        let output = command.args(words(&line)).current_dir(self.folder.path()).output();
        Ran::new(format!("counterfoil {line}"), &output.expect("a shell"))
    }

    /// Starts `counterfoil-agent` for the device `name` without waiting; all three streams are pipes.
    pub fn start_device(&self, name: &str, line: &str) -> Child {
        self.start(Program::Device, &device_line(name, line), &[])
    }

    /// Waits for a program that was started.
    pub fn wait(child: Child) -> Ran {
        let output = child.wait_with_output().expect("a child that was started can be waited for");
        Ran::new("started before".to_owned(), &output)
    }

    /// Issues a licence from the policy `standard`.
    #[track_caller]
    pub fn issue(&self) -> License {
        License::read(&self.vendor("license issue --policy standard --customer 'ACME GmbH'").done())
    }

    /// Writes the activation request of a device, and returns its chain.
    #[track_caller]
    pub fn request(&self, device: &str, license: &License) -> String {
        let line = format!("activate --license-key {} --request {device}.cfbundle", license.key);
        text(&self.device(device, &line).done(), "chain")
    }

    /// Brings a device to its licence: request, merge, apply. Returns its chain.
    #[track_caller]
    pub fn activate(&self, device: &str, license: &License) -> String {
        let chain = self.request(device, license);
        self.vendor(&format!("merge {device}.cfbundle --answers answers")).done();
        let applied = self.device(device, &format!("apply answers/{device}.cfgrant")).done();
        assert_eq!(applied["state"], "active", "{applied:#}");
        chain
    }

    /// Writes a device's report to `file`.
    #[track_caller]
    pub fn report(&self, device: &str, file: &str) {
        self.device(device, &format!("report -o {file}")).done();
    }

    /// Reports, merges, applies: the vendor and the device then know the same. Returns what the merge said.
    #[track_caller]
    pub fn sync(&self, device: &str) -> Value {
        self.report(device, &format!("{device}.cfbundle"));
        let merged = self.vendor(&format!("merge {device}.cfbundle --answers answers")).done();
        self.device(device, &format!("apply answers/{device}.cfgrant")).done();
        merged
    }

    /// The evidence digest of a home.
    #[track_caller]
    pub fn digest(&self, home: &str) -> String {
        text(&self.vendor(&format!("--home {home} digest")).done(), "digest")
    }

    /// Brings the licences of one home into another one: their authority runs are copied and the tables made anew.
    #[track_caller]
    pub fn move_licenses(&self, from: &str, to: &str) {
        let (source, ledger) = (Tables::of(&self.path(from)), Tables::of(&self.path(to)));
        for table in ["catalog_runs", "catalog_attachments", "runs"] {
            let marks: Vec<String> =
                (1..=source.columns(table).len()).map(|number| format!("${number}")).collect();
            let insert = format!("INSERT INTO {table} VALUES ({}) ON CONFLICT DO NOTHING", marks.join(", "));
            for row in source.rows(&format!("SELECT * FROM {table}"), &[]) {
                ledger.execute(&insert, &row);
            }
        }
        self.vendor(&format!("--home {to} rebuild")).done();
    }

    /// Writes a file.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Puts a copy of a device's state back in its place.
    ///
    /// # Panics
    /// If the device has no state.
    pub fn put_back(&self, copy: &str, device: &str) {
        fs::remove_dir_all(self.path(device)).expect("the state is there");
        self.copy(copy, device);
    }

    /// Copies a folder with all that is in it. The copy of a home has a ledger of its own: where homes keep them on a
    /// server, in another database.
    pub fn copy(&self, from: &str, to: &str) {
        copy_folder(&self.path(from), &self.path(to));
        let settings = self.path(to).join("home.toml");
        if is_on_server() && settings.exists() {
            let store = store_of(&self.path(to));
            let moved = fs::read_to_string(&settings).expect("just copied");
            fs::write(&settings, moved.replace(&store, &postgres::shared().copy_of(&store))).expect("ours");
        }
    }

    fn run(&self, program: Program, line: &str, stdin: &[u8]) -> Ran {
        let mut child = self.start(program, line, &[]);
        let mut input = child.stdin.take().expect("stdin is a pipe");
        if let Err(error) = input.write_all(stdin) {
            // A program that ends before it read everything is judged by its exit code.
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        drop(input);
        let output = child.wait_with_output().expect("a child that was started can be waited for");
        Ran::new(format!("{} {line}", program.name()), &output)
    }

    fn start(&self, program: Program, line: &str, variables: &[(&str, &str)]) -> Child {
        let mut command: Command = program.command();
        command.args(words(line)).envs(variables.iter().copied()).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program was just built")
    }
}

fn device_line(name: &str, line: &str) -> String {
    let pack = if line.contains("--pack ") { "" } else { "--pack studio.cfpack" };
    format!("--json --state {name} {pack} {line}")
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("readable").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("writable");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("a --b 'c d' e"), ["a", "--b", "c d", "e"]);
    }
}
