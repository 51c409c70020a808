//! Pages in a real Chromium: a journey of `tests/browser` is walked by `node`, which is told in one file what was prepared.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::programs::Program;
use crate::served::Served;

/// Where Debian's Chromium is.
const CHROMIUM: &str = "/usr/bin/chromium";
/// Where Debian's `ZBar` is.
const ZBAR: &str = "/usr/bin/zbarimg";
/// The ways in which a journey is walked: `WAYS` of `tests/browser/support.mjs`.
pub const WAYS: [&str; 4] = ["desk", "desk-plain", "phone", "phone-plain"];

/// Walks the journey of this name against a service of the lab. What `prepared` says is told to it; what it keeps lies in
/// the lab's folder, pictures of the pages in `target/browser`.
///
/// # Panics
/// If what it needs is missing, or a person would have seen something wrong.
#[track_caller]
pub fn walk(lab: &Lab, served: &Served, journey: &str, mut prepared: Value) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    needed(Path::new(CHROMIUM), "apt-get install chromium");
    needed(&scripts.join("node_modules"), "npm ci --prefix tests/browser");
    let particulars = json!({
        "url": served.url(), "folder": lab.path(""), "chromium": CHROMIUM, "screenshots": screenshots(),
    });
    let all = prepared.as_object_mut().expect("an object");
    all.extend(particulars.as_object().expect("an object").clone());
    lab.write("prepared.json", prepared.to_string());
    let walked = Command::new("node")
        .args(["--test", "--test-reporter", "tap"])
        .arg(scripts.join(format!("{journey}.test.mjs")))
        .env("PREPARED", lab.path("prepared.json"))
        .output()
        .unwrap_or_else(|error| panic!("node: {error}. On Debian: apt-get install nodejs npm"));
    let said = [walked.stdout, walked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let is_walked =
        walked.status.success() && !said.contains("\n# pass 0\n") && said.contains("\n# skipped 0\n");
    assert!(is_walked, "{journey}: {}\n{said}", walked.status);
}

#[track_caller]
fn needed(path: &Path, how: &str) {
    assert!(path.exists(), "the browser tests need {}: {how}", path.display());
}

/// `target/browser`: this executable is `TARGET/PROFILE/deps/NAME-HASH`.
fn screenshots() -> PathBuf {
    let executable = env::current_exe().expect("it runs");
    executable.ancestors().nth(3).expect("it is where cargo puts tests").join("browser")
}

/// What a journey is told of a bundle: where it is, its text form, and what `show` says of it.
#[track_caller]
pub fn file(lab: &Lab, name: &str) -> Value {
    let show = |options: &[&str]| {
        let mut command = Program::Vendor.command();
        let ran = command.args(options).args(["show", name]).current_dir(lab.path("")).output();
        String::from_utf8(ran.expect("it was just built").stdout).expect("text")
    };
    let told: Value = serde_json::from_str(&show(&["--json"])).expect("a document");
    let text = schemas::armor::armor(schemas::container::FileKind::Bundle, &lab.read(name));
    json!({ "file": name, "text": text, "words": show(&[]), "told": told, "chain": told["runs"][0]["chain"] })
}

/// The text of the QR code in a picture that a journey has kept, as a camera at a terminal reads it.
///
/// # Panics
/// If it is missing or holds none.
#[track_caller]
pub fn pictured(lab: &Lab, name: &str) -> String {
    needed(Path::new(ZBAR), "apt-get install zbar-tools");
    // In a picture full of bars it also finds other sorts of codes, by chance.
    let only = ["--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable"];
    let read = Command::new(ZBAR).args(only).arg(lab.path(name)).output();
    let read = read.expect("it is there");
    assert!(read.status.success(), "{name}: {}", String::from_utf8_lossy(&read.stderr));
    String::from_utf8(read.stdout).expect("text").trim_end().to_owned()
}

/// Has the browser draw a picture that lies in the lab's folder, as it is on paper, and keeps it as PNG under this name.
///
/// # Panics
/// If the browser is missing or draws nothing.
#[track_caller]
pub fn drawn(lab: &Lab, svg: &str, png: &str) {
    needed(Path::new(CHROMIUM), "apt-get install chromium");
    let drew = Command::new(CHROMIUM)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--window-size=900,900"])
        .arg(format!("--user-data-dir={}", lab.path("browser-profile").display()))
        .arg(format!("--screenshot={}", lab.path(png).display()))
        .arg(format!("file://{}", lab.path(svg).display()))
        .output()
        .expect("it is there");
    assert!(lab.path(png).exists(), "{svg}: {}", String::from_utf8_lossy(&drew.stderr));
}

/// Reads a text that a journey has kept.
///
/// # Panics
/// If it has kept none.
#[track_caller]
pub fn kept(lab: &Lab, name: &str) -> String {
    fs::read_to_string(lab.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
