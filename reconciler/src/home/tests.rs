//! Homes as they are made, opened and refused.

use std::fs;
use std::path::PathBuf;

use super::*;

fn now() -> Micros {
    Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339")
}

fn new_home() -> NewHome {
    NewHome {
        environment: Text::new("staging").expect("short"),
        store: StoreUrl::IN_HOME,
        portal: Text::new("https://licences.example.com"),
        passphrase: None,
        now: now(),
    }
}

/// A home in a directory that goes away with the first value.
fn made() -> (tempfile::TempDir, Home) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let home = Home::create(&directory.path().join("home"), &new_home(), |_| Ok(())).expect("writable");
    (directory, home)
}

fn ledger_file(home: &Home) -> PathBuf {
    match home.ledger() {
        Place::Sqlite(path) => path,
        Place::Postgres(url) => panic!("in no file: {url}"),
    }
}

fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
    result.err().map(|refusal| refusal.code())
}

#[test]
fn a_home_opens_as_it_was_made() {
    let (_directory, home) = made();
    let opened = Home::open(home.layout().dir()).expect("just made");
    assert_eq!(opened.environment().as_str(), "staging");
    assert_eq!(opened.portal(), new_home().portal.as_ref());
    assert_eq!(opened.ledger(), Place::Sqlite(home.layout().dir().join("ledger.db")));
    assert_eq!(opened.root_public(), home.root_public());
    assert_eq!(opened.sealing_public(), home.sealing_public());
    assert_eq!(opened.issuer().public(), home.issuer().public());
    assert_eq!(opened.certificate(), home.certificate());
    assert_eq!(opened.key_secret().derive(b"purpose", b""), home.key_secret().derive(b"purpose", b""));
    assert_eq!(opened.root_key(None, None).expect("in the home").public(), *home.root_public());
}

#[test]
fn two_homes_share_no_key() {
    let (_one, one) = made();
    let (_two, two) = made();
    assert_ne!(one.root_public(), two.root_public());
    assert_ne!(one.sealing_public(), two.sealing_public());
    assert_ne!(one.issuer().public(), two.issuer().public());
    assert_ne!(one.key_secret().derive(b"purpose", b""), two.key_secret().derive(b"purpose", b""));
}

#[test]
fn the_certificate_covers_every_product_of_its_environment_for_two_years() {
    let (_directory, home) = made();
    let issuer = home.trusted_issuer();
    let covered = |environment: &str, at| {
        let product = Text::new("any").expect("short");
        issuer.covers(&Text::new(environment).expect("short"), Some(&product), at)
    };
    assert!(covered("staging", now()));
    assert!(!covered("production", now()));
    assert!(covered("staging", now() + Seconds::days(729)));
    assert!(!covered("staging", now() + Seconds::days(730)));
}

#[test]
fn a_home_is_never_made_over_another_or_over_other_files() {
    let (directory, home) = made();
    let before = fs::read(home.layout().issuer_key()).expect("made");
    assert_eq!(code(Home::create(home.layout().dir(), &new_home(), |_| Ok(()))), Some(Code::HomeExists));
    assert_eq!(fs::read(home.layout().issuer_key()).expect("made"), before);
    assert_eq!(code(Home::create(directory.path(), &new_home(), |_| Ok(()))), Some(Code::IoFailed));
}

#[test]
fn a_home_that_is_refused_half_way_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path().join("home");
    let refused = Home::create(&place, &new_home(), |home| {
        assert!(home.layout().settings().exists());
        Err(Code::StoreFailed.into())
    });
    assert_eq!(code(refused), Some(Code::StoreFailed));
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
}

#[test]
fn what_fills_a_home_comes_along_to_its_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let home = Home::create(&directory.path().join("home"), &new_home(), |home| {
        fs::write(ledger_file(&home), b"ledger").map_err(|error| Refusal::from_error(Code::IoFailed, &error))
    });
    assert_eq!(fs::read(ledger_file(&home.expect("writable"))).expect("filled"), b"ledger");
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
}

#[test]
fn a_home_can_be_made_in_an_empty_directory_and_below_a_missing_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).expect("writable");
    for place in [empty, directory.path().join("a/b/home")] {
        assert_eq!(code(Home::create(&place, &new_home(), |_| Ok(()))), None, "{}", place.display());
        assert_eq!(code(Home::open(&place)), None);
    }
}

#[test]
#[cfg(unix)]
fn only_the_owner_may_enter_a_home_and_read_its_secrets() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, home) = made();
    let mode = |path: &Path| fs::metadata(path).expect("made").permissions().mode() & 0o777;
    assert_eq!((mode(home.layout().dir()), mode(&home.layout().keys())), (0o700, 0o700));
    for secret in home.layout().secrets() {
        assert_eq!(mode(&secret), 0o600, "{}", secret.display());
    }
}

#[test]
fn a_root_key_opens_where_it_was_moved_to_and_with_its_passphrase_only() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let passphrase = Passphrase::new("tally").expect("not empty");
    let sealed = NewHome { passphrase: Some(passphrase.clone()), ..new_home() };
    let home = Home::create(&directory.path().join("home"), &sealed, |_| Ok(())).expect("writable");
    assert_eq!(code(home.root_key(None, None)), Some(Code::PassphraseWrong));
    let moved = directory.path().join("safe.key");
    fs::rename(home.layout().root_key(), &moved).expect("writable");
    assert_eq!(code(home.root_key(None, Some(&passphrase))), Some(Code::RootKeyMissing));
    let key = home.root_key(Some(&moved), Some(&passphrase)).expect("the right passphrase");
    assert_eq!(key.public(), *home.root_public());
}

#[test]
fn another_homes_root_key_is_not_taken() {
    let (_one, one) = made();
    let (_two, two) = made();
    let refused = one.root_key(Some(&two.layout().root_key()), None);
    assert_eq!(code(refused), Some(Code::RootKeyMissing));
}

#[test]
fn a_home_with_a_missing_changed_or_foreign_file_is_damaged() {
    let (_other, other) = made();
    let files: [fn(&Layout) -> PathBuf; 4] =
        [Layout::issuer_key, Layout::issuer_cert, Layout::sealing_key, Layout::license_key];
    for (file, path) in files.into_iter().enumerate() {
        let (_directory, home) = made();
        let path_here = path(home.layout());
        fs::write(&path_here, b"cut").expect("writable");
        assert_eq!(code(Home::open(home.layout().dir())), Some(Code::HomeDamaged), "{file} cut");
        fs::remove_file(&path_here).expect("writable");
        assert_eq!(code(Home::open(home.layout().dir())), Some(Code::HomeDamaged), "{file} missing");
        // What licence keys are derived from has nothing beside it that it could be compared with.
        if path_here != home.layout().license_key() {
            fs::copy(path(other.layout()), &path_here).expect("writable");
            assert_eq!(code(Home::open(home.layout().dir())), Some(Code::HomeDamaged), "{file} foreign");
        }
    }
}

#[test]
fn a_home_of_another_version_or_with_unknown_settings_is_not_opened() {
    let (_directory, home) = made();
    let path = home.layout().settings();
    let text = fs::read_to_string(&path).expect("made");
    for (changed, expected) in [
        (text.replace("version = 1", "version = 2"), Code::UnsupportedVersion),
        (format!("{text}colour = \"red\"\n"), Code::HomeDamaged),
        (text.replace("sqlite:", "postgres:"), Code::HomeDamaged),
        ("[[".to_owned(), Code::HomeDamaged),
    ] {
        fs::write(&path, changed).expect("writable");
        assert_eq!(code(Home::open(home.layout().dir())), Some(expected));
    }
    fs::write(&path, [0xff; 64]).expect("writable");
    assert_eq!(code(Home::open(home.layout().dir())), Some(Code::HomeDamaged));
}

#[test]
fn there_is_no_home_where_none_was_made() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(code(Home::open(directory.path())), Some(Code::HomeMissing));
    assert_eq!(code(Home::open(&directory.path().join("none"))), Some(Code::HomeMissing));
}

#[test]
fn a_pack_verifies_and_its_fingerprint_key_is_the_products_own() {
    let (_directory, home) = made();
    let root = home.root_key(None, None).expect("in the home");
    let pack = |product: &str, version| {
        let product = Text::new(product).expect("short");
        let content = PackContent { product, version, features: Vec::new(), policies: Vec::new() };
        let pack = build_pack(&home, &root, content, now(), home.portal().cloned());
        trust::verify_pack(&pack).expect("just signed")
    };
    let first = pack("studio", 1);
    assert_eq!((first.root, first.environment.as_str()), (*home.root_public(), "staging"));
    assert_eq!(first.portal, new_home().portal);
    assert_eq!(first.fingerprint_key, pack("studio", 2).fingerprint_key);
    assert_ne!(first.fingerprint_key, pack("viewer", 1).fingerprint_key);
}

#[test]
fn every_pack_has_a_key_for_codes_of_its_own() {
    let (_directory, home) = made();
    let root = home.root_key(None, None).expect("in the home");
    let key = |product: &str, version| {
        let product = Text::new(product).expect("short");
        let expected = home.code_key(&product, version).public();
        let content = PackContent { product, version, features: Vec::new(), policies: Vec::new() };
        let pack = build_pack(&home, &root, content, now(), None);
        let keys = trust::verify_pack(&pack).expect("just signed").code_keys;
        assert_eq!(keys, [expected]);
        expected
    };
    let keys = [key("studio", 1), key("studio", 2), key("viewer", 1)];
    assert_eq!(keys[0], key("studio", 1));
    assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
}
