//! The vectors of the messages that codes carry, in `schemas/golden/codes/v1/messages`: each kind with what it was made
//! from, and codes that are refused.

mod made;
mod refused;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use counterfoil_ledger::codes::{self, request, returned};
use schemas::codes::Code;
use schemas::typed::{ReturnCode, TypedCode};
use serde::Serialize;
use serde_json::Value;

use self::made::METERED;
use self::refused::Against;
use crate::{unhex, world};

#[test]
fn the_messages_are_what_is_made_today() {
    let made = made::all();
    let made_paths: BTreeSet<_> = made.iter().map(|vector| vector.path.clone()).collect();
    assert_eq!(made_paths.len(), made.len(), "two vectors have one name");
    assert_eq!(crate::paths_of(&folder()), made_paths);
    for vector in made {
        let kept = fs::read(folder().join(&vector.path)).expect("a vector");
        assert!(kept == vector.bytes, "{} is not what is made today", vector.path);
    }
}

#[test]
fn every_message_is_believed_and_says_what_its_vector_says() {
    let vector = parsed("request.json");
    let verified = request::verify(&code_of(&vector), &world::license_key()).expect("genuine");
    assert_eq!(json(verified.fields()), vector["fields"]);
    for name in ["unlock.json", "unlock-with-quotas.json"] {
        let vector = parsed(name);
        let shown = vector["answers"].as_str().and_then(|digest| digest.parse().ok()).expect("a digest");
        let mut against = Against::make();
        against.shown = shown;
        assert_eq!(json(&against.unlock(&code_of(&vector)).expect(name)), vector["fields"]);
    }
    for name in ["return.json", "return-closing.json"] {
        let vector = parsed(name);
        let verified = returned::verify(&code_of(&vector), &made::origin(), &made::sealing(), METERED);
        assert_eq!(json(verified.expect(name).fields()), vector["fields"]);
    }
}

#[test]
fn every_message_that_must_be_refused_is_refused_with_its_code() {
    let mut codes = BTreeSet::new();
    for (name, _) in refused::all() {
        let vector = parsed(&format!("refused/{name}.json"));
        let typed = vector["code"].as_str().expect("text");
        let code = TypedCode::read(None, typed).expect("its groups are right");
        assert_eq!(Against::make().refuses(&code).map(Code::word), vector["refused"].as_str(), "{name}");
        codes.insert(vector["refused"].to_string());
    }
    for code in [
        Code::CodeLength,
        Code::CodeMismatch,
        Code::CodeOtherKey,
        Code::CodeOtherPack,
        Code::CodeAnsweredEarlier,
        Code::CodeOtherDevice,
    ] {
        assert!(codes.contains(&format!("{:?}", code.word())), "{code}");
    }
}

/// The key of a MAC, made here by what the format page says alone.
#[test]
fn the_key_of_a_return_follows_from_the_keys_of_both_as_specified() {
    for (code, fields) in [made::returning(false), made::returning(true)] {
        let read = ReturnCode::read(&code, METERED).expect("just written");
        assert_eq!(read.fields, fields);
        assert_eq!(made::mac(&read.authenticated), read.mac);
    }
}

fn parsed(path: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(path)).expect("a vector")).expect("JSON")
}

/// The code of a vector, which carries what the vector says.
fn code_of(vector: &Value) -> TypedCode {
    let typed = vector["code"].as_str().expect("text");
    let code = TypedCode::read(None, typed).expect("as it was shown");
    assert_eq!(code.content(), unhex(&vector["content"]));
    assert_eq!(codes::digest(&code).to_string(), vector["digest"]);
    code
}

fn json(fields: &impl Serialize) -> Value {
    serde_json::to_value(fields).expect("JSON")
}

/// The folder of these vectors; those that are missing are written first where that is asked for.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden/codes/v1/messages");
    WRITTEN.call_once(|| {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            for vector in made::all() {
                crate::write_missing(&folder, &vector);
            }
        }
    });
    folder
}
