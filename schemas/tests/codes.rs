//! The golden vectors of codes that are typed, in `schemas/golden/codes/v1`: codes with their fields, what may be typed
//! for a code, and what is refused with the groups that are named. Those of the messages, in `messages/`, need keys and are
//! the ledger's.
//!
//! `UPDATE_GOLDEN=1 cargo test -p counterfoil-schemas --test codes` writes those that are not there yet; one that is
//! there and differs is never written over.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use counterfoil_schemas::codes::Code;
use counterfoil_schemas::typed::{BitReader, BitWriter, BitsError, Cause, Group, Kind, ReadError, TypedCode};
use data_encoding::HEXLOWER;
use serde::Serialize;

/// A field of a code, in the order in which it is written.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Field {
    Number { bits: usize, value: u64 },
    Bytes { bytes: &'static str },
    Checksum { checksum: usize },
}

use Field::{Bytes, Checksum, Number};

/// How wide a field is: bits, bytes, or the bits of a checksum.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Width {
    Bits(usize),
    Bytes(usize),
    Checksum(usize),
}

/// A code that is written and read back.
#[derive(Serialize)]
struct Written {
    kind: Kind,
    fields: &'static [Field],
    /// The number of bits with those that fill the last group, and the bits.
    content: String,
    code: String,
}

/// What may be typed for a code.
#[derive(Serialize)]
struct Typed {
    typed: String,
    code: String,
}

/// What is refused.
#[derive(Serialize)]
struct Wrong {
    asked: Option<Kind>,
    typed: String,
    /// The widths of what is read from it where its groups are right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Width>,
    code: Code,
    groups: Vec<WrongGroup>,
}

/// A group that is named.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct WrongGroup {
    number: usize,
    cause: &'static str,
}

/// Every width, bytes that begin inside a byte, a checksum, and what fills the group.
const FIELDS: &[Field] = &[
    Number { bits: 1, value: 1 },
    Number { bits: 12, value: 0xabc },
    Number { bits: 64, value: 0x0123_4567_89ab_cdef },
    Bytes { bytes: "00ff10" },
    Number { bits: 5, value: 0 },
    Checksum { checksum: 40 },
];
const ONE_GROUP: &[Field] = &[Number { bits: 20, value: 0xf_0f0f }];
const LONG: &[Field] = &[
    Bytes { bytes: "b1ec7761e6962c4889a45d2c41da774b03933e320c9165487d28bf5ce702fc58" },
    Bytes { bytes: "45e0012068494f2c636976deaf8255603ea2135a8f4a85c8e90587c44810d536" },
    Bytes { bytes: "0ce46bf8127563dc49cecb4f41e1fd278c4427d2e09567925f31c41fabd44c3c" },
    Bytes { bytes: "57add31b4d0d06e983c553ff33d617a1b1ec7761e6962c4889a45d2c41da774b" },
];
const LONG_WITH_CHECKSUM: &[Field] = &[LONG[0], LONG[1], LONG[2], LONG[3], Checksum { checksum: 40 }];

#[test]
fn the_vectors_are_what_is_made_today() {
    let made = made();
    let paths: BTreeSet<_> = made.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths.len(), made.len(), "two vectors have one name");
    assert_eq!(paths_of(&folder()), paths);
    for (path, vector) in made {
        let kept = fs::read_to_string(folder().join(&path)).expect("a vector");
        assert!(kept == vector, "{path} is not what is made today");
    }
}

#[test]
fn every_written_code_reads_back_field_by_field() {
    for (name, Written { kind, fields, code, .. }) in written_codes() {
        let read = TypedCode::read(Some(kind), &code).expect(name);
        assert_eq!(read.to_string(), code);
        let (widths, values): (Vec<_>, Vec<_>) = fields.iter().map(width_and_value).unzip();
        assert_eq!(read_fields(read.fields(), &widths), Ok(values), "{name}");
        for (group, number) in code.split('-').zip(1..) {
            Group::check(Some(kind), number, group).expect(name);
        }
    }
}

#[test]
fn everything_that_may_be_typed_is_read_as_its_code() {
    for (name, Typed { typed, code }) in typed_codes() {
        assert_eq!(TypedCode::read(None, &typed).expect(name).to_string(), code);
    }
}

#[test]
fn everything_that_is_wrong_is_refused_with_its_code_and_its_groups() {
    for (name, Wrong { asked, typed, fields, code, groups }) in wrong_codes() {
        let (refused, named) = match TypedCode::read(asked, &typed) {
            Ok(read) => {
                let error = read_fields(read.fields(), &fields).expect_err(name);
                (error.code(), vec![])
            }
            Err(error) => (error.code(), named(&error)),
        };
        assert_eq!((refused, named), (code, groups), "{name}");
    }
}

#[test]
fn every_cause_and_every_code_has_a_vector() {
    let wrong = wrong_codes();
    let causes: BTreeSet<_> =
        wrong.iter().flat_map(|(_, wrong)| &wrong.groups).map(|group| group.cause).collect();
    assert_eq!(Vec::from_iter(causes), ["check", "extra", "left out", "length", "symbol"]);
    let codes: BTreeSet<_> = wrong.iter().map(|(_, wrong)| wrong.code.word()).collect();
    let all: BTreeSet<_> =
        Code::ALL.iter().map(|code| code.word()).filter(|word| is_of_typed(word)).collect();
    assert_eq!(codes, all);
}

/// Whether a code is refused with this word before its message is looked at.
fn is_of_typed(word: &str) -> bool {
    ["unsupported_version", "code_symbol", "code_group_wrong", "code_length", "code_kind", "code_mismatch"]
        .contains(&word)
}

fn named(error: &ReadError) -> Vec<WrongGroup> {
    let ReadError::Groups(wrong) = error else { return Vec::new() };
    let cause = |cause| match cause {
        Cause::Symbol { .. } => "symbol",
        Cause::Length { .. } => "length",
        Cause::Check => "check",
        Cause::Kind(_) => "kind",
        Cause::LeftOut => "left out",
        Cause::Extra => "extra",
    };
    wrong.iter().map(|group| WrongGroup { number: group.number, cause: cause(group.cause) }).collect()
}

fn write(kind: Kind, fields: &[Field]) -> TypedCode {
    let mut writer = BitWriter::new(kind);
    for field in fields {
        match field {
            Number { bits, value } => writer.uint(*value, *bits),
            Bytes { bytes } => writer.bytes(&unhex(bytes)),
            Checksum { checksum } => writer.checksum(*checksum),
        }
    }
    writer.finish()
}

/// Reads fields to the end of the code, and gives their values.
fn read_fields(mut reader: BitReader<'_>, fields: &[Width]) -> Result<Vec<String>, BitsError> {
    let mut values = Vec::new();
    for field in fields {
        values.push(match field {
            Width::Bits(bits) => reader.uint(*bits)?.to_string(),
            Width::Bytes(32) => HEXLOWER.encode(&reader.bytes::<32>()?),
            Width::Bytes(_) => HEXLOWER.encode(&reader.bytes::<3>()?),
            Width::Checksum(bits) => reader.checksum(*bits).map(|()| String::new())?,
        });
    }
    reader.finish().map(|()| values)
}

fn width_and_value(field: &Field) -> (Width, String) {
    match field {
        Number { bits, value } => (Width::Bits(*bits), value.to_string()),
        Bytes { bytes } => (Width::Bytes(bytes.len() / 2), (*bytes).to_owned()),
        Checksum { checksum } => (Width::Checksum(*checksum), String::new()),
    }
}

fn widths(fields: &[Field]) -> Vec<Width> {
    fields.iter().map(|field| width_and_value(field).0).collect()
}

fn written_codes() -> Vec<(&'static str, Written)> {
    let written = |kind, fields| {
        let code = write(kind, fields);
        Written { kind, fields, content: HEXLOWER.encode(&code.content()), code: code.to_string() }
    };
    vec![
        ("request", written(Kind::Request, FIELDS)),
        ("unlock", written(Kind::Unlock, FIELDS)),
        ("return", written(Kind::Return, FIELDS)),
        ("one-group", written(Kind::Return, ONE_GROUP)),
        ("header-alone", written(Kind::Request, &[])),
        ("beyond-32-groups", written(Kind::Unlock, LONG)),
    ]
}

fn typed_codes() -> Vec<(&'static str, Typed)> {
    let code = write(Kind::Request, FIELDS).to_string();
    let typed = |typed: String| Typed { typed, code: code.clone() };
    let look_alikes = code.replace('0', "O").replace('1', "l");
    vec![
        ("small-letters", typed(code.to_lowercase())),
        ("look-alikes", typed(look_alikes.clone())),
        ("look-alikes-small", typed(look_alikes.to_lowercase().replacen('l', "i", 1))),
        ("no-hyphens", typed(code.replace('-', ""))),
        ("blanks-for-hyphens", typed(code.replace('-', " "))),
        ("blanks-everywhere", typed(code.chars().flat_map(|symbol| [symbol, '\u{a0}']).collect())),
        ("lines", typed(format!("\u{feff}\r\n  {}\r\n", code.replace('-', "-\r\n\t")))),
        ("lines-instead-of-hyphens", typed(code.replacen('-', "\n", 2))),
        ("dashes", typed(code.replacen('-', "\u{2013}", 2).replacen('-', "\u{2011}", 1))),
        ("hyphens-without-a-group", typed(format!("-{}-", code.replace('-', "--")))),
    ]
}

fn wrong_codes() -> Vec<(&'static str, Wrong)> {
    slips_of_fingers()
        .into_iter()
        .map(|(name, typed, code, groups)| (name, Some(Kind::Request), typed, code, groups))
        .chain(slips_that_move_others())
        .chain(other_codes())
        .map(|(name, asked, typed, code, groups)| {
            let groups = groups.iter().map(|(number, cause)| WrongGroup { number: *number, cause }).collect();
            (name, Wrong { asked, typed, fields: vec![], code, groups })
        })
        .chain(codes_with_other_fields())
        .collect()
}

type Groups = &'static [(usize, &'static str)];

/// What is typed for a request code.
fn slips_of_fingers() -> Vec<(&'static str, String, Code, Groups)> {
    let code = write(Kind::Request, FIELDS).to_string();
    let unlock = write(Kind::Unlock, FIELDS).to_string();
    let symbols = |edit: fn(&mut Vec<char>)| edited(&code, edit);
    let groups = |edit: fn(&mut Vec<String>)| regrouped(&code, edit);
    let wrong = Code::CodeGroupWrong;
    vec![
        ("symbol", symbols(|it| it[9] = 'U'), Code::CodeSymbol, &[(2, "symbol")]),
        ("symbol-with-an-accent", symbols(|it| it[9] = '\u{e9}'), Code::CodeSymbol, &[(2, "symbol")]),
        ("substitution", symbols(|it| it[9] = another(it[9])), wrong, &[(2, "check")]),
        ("substitution-of-the-check-symbol", symbols(|it| it[12] = another(it[12])), wrong, &[(2, "check")]),
        ("substitution-of-the-header", symbols(|it| it[0] = 'C'), wrong, &[(1, "check")]),
        ("transposition", symbols(|it| it.swap(15, 16)), wrong, &[(3, "check")]),
        ("transposition-with-the-check-symbol", symbols(|it| it.swap(18, 19)), wrong, &[(3, "check")]),
        ("transposition-with-the-header", symbols(|it| it.swap(0, 1)), wrong, &[(1, "check")]),
        ("group-too-short", symbols(|it| _ = it.remove(9)), wrong, &[(2, "length")]),
        ("group-too-long", symbols(|it| it.insert(9, '7')), wrong, &[(2, "length")]),
        ("groups-exchanged", groups(|it| it.swap(1, 4)), wrong, &[(2, "check"), (5, "check")]),
        ("first-group-exchanged", groups(|it| it.swap(0, 2)), wrong, &[(1, "check"), (3, "check")]),
        ("group-of-another-kind", code.replace(group(&code, 4), group(&unlock, 4)), wrong, &[(4, "check")]),
        (
            "several",
            symbols(|it| {
                it[2] = '*';
                it[17] = another(it[17]);
                it[36] = another(it[36]);
                it.remove(31);
            }),
            Code::CodeSymbol,
            &[(1, "symbol"), (3, "check"), (5, "length"), (6, "check")],
        ),
    ]
}

type WrongText = (&'static str, Option<Kind>, String, Code, Groups);

/// What is typed for a code of many groups.
fn slips_that_move_others() -> Vec<WrongText> {
    let code = write(Kind::Unlock, LONG).to_string();
    let groups = |edit: fn(&mut Vec<String>)| regrouped(&code, edit);
    let without_hyphens = |edit: fn(&mut Vec<char>)| edited(&code.replace('-', ""), edit);
    let wrong = |name, typed, groups: Groups| (name, Some(Kind::Unlock), typed, Code::CodeGroupWrong, groups);
    vec![
        wrong("groups-exchanged-31-apart", groups(|it| it.swap(3, 34)), &[(4, "check"), (35, "check")]),
        wrong("group-left-out", groups(|it| drop(it.remove(11))), &[(12, "left out")]),
        wrong("first-group-left-out", groups(|it| drop(it.remove(0))), &[(1, "left out")]),
        wrong(
            "group-left-out-without-hyphens",
            groups(|it| drop(it.remove(11))).replace('-', ""),
            &[(12, "left out")],
        ),
        wrong("group-typed-twice", groups(|it| it.insert(12, it[11].clone())), &[(13, "extra")]),
        wrong("symbol-left-out-without-hyphens", without_hyphens(|it| _ = it.remove(70)), &[(12, "length")]),
        wrong("symbol-too-many-without-hyphens", without_hyphens(|it| it.insert(70, '7')), &[(12, "length")]),
    ]
}

/// Codes of another kind or version, and what is no code.
fn other_codes() -> Vec<WrongText> {
    let code = write(Kind::Request, FIELDS).to_string();
    let mistyped = edited(&code, |it| it[2] = another(it[2]));
    vec![
        ("kind", Some(Kind::Unlock), code.clone(), Code::CodeKind, &[]),
        ("kind-with-a-wrong-group", Some(Kind::Return), mistyped, Code::CodeKind, &[]),
        ("version-2", None, with_header_9(&code), Code::UnsupportedVersion, &[]),
        ("nothing", None, " -\n".to_owned(), Code::CodeLength, &[]),
        ("too-many-groups", None, "000000".repeat(161), Code::CodeLength, &[]),
    ]
}

/// Codes whose groups are right.
fn codes_with_other_fields() -> Vec<(&'static str, Wrong)> {
    let exchanged = regrouped(&write(Kind::Unlock, LONG_WITH_CHECKSUM).to_string(), |it| it.swap(5, 37));
    let forged =
        write(Kind::Request, &[Number { bits: 12, value: 0xabc }, Number { bits: 16, value: 0x1234 }]);
    let read =
        |kind, typed: String, fields, code| Wrong { asked: Some(kind), typed, fields, code, groups: vec![] };
    let one_group = |kind| write(kind, ONE_GROUP).to_string();
    let long = write(Kind::Unlock, LONG).to_string();
    vec![
        ("groups-missing", read(Kind::Request, one_group(Kind::Request), widths(FIELDS), Code::CodeLength)),
        ("groups-left", read(Kind::Unlock, long, widths(&LONG[..3]), Code::CodeLength)),
        ("padding", read(Kind::Return, one_group(Kind::Return), vec![Width::Bits(16)], Code::CodeMismatch)),
        (
            "checksum",
            read(
                Kind::Request,
                forged.to_string(),
                vec![Width::Bits(12), Width::Checksum(16)],
                Code::CodeMismatch,
            ),
        ),
        (
            "groups-exchanged-32-apart",
            read(Kind::Unlock, exchanged, widths(LONG_WITH_CHECKSUM), Code::CodeMismatch),
        ),
    ]
}

fn edited(text: &str, edit: impl FnOnce(&mut Vec<char>)) -> String {
    let mut symbols = text.chars().collect();
    edit(&mut symbols);
    symbols.into_iter().collect()
}

fn regrouped(code: &str, edit: impl FnOnce(&mut Vec<String>)) -> String {
    let mut groups = code.split('-').map(str::to_owned).collect();
    edit(&mut groups);
    groups.join("-")
}

fn group(code: &str, number: usize) -> &str {
    code.split('-').nth(number - 1).expect("the code has so many groups")
}

fn another(symbol: char) -> char {
    if symbol == '7' { 'X' } else { '7' }
}

/// A request code of version 2, which is of another header: the check symbols differ by the difference of 8 and 9, and
/// that of the first group by 3 times it.
fn with_header_9(code: &str) -> String {
    const SYMBOLS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let moved = |symbol: char, by: usize| {
        let value = SYMBOLS.find(symbol).expect("a symbol");
        SYMBOLS.chars().nth(value ^ by).expect("below 32")
    };
    edited(code, |it| {
        it[0] = '9';
        for at in (5..it.len()).step_by(7) {
            it[at] = moved(it[at], if at == 5 { 3 } else { 1 });
        }
    })
}

fn made() -> Vec<(String, String)> {
    fn json<T: Serialize>(folder: &str, vectors: &[(&str, T)]) -> Vec<(String, String)> {
        let text = |vector| serde_json::to_string_pretty(vector).expect("JSON") + "\n";
        vectors.iter().map(|(name, vector)| (format!("{folder}/{name}.json"), text(vector))).collect()
    }
    [json("written", &written_codes()), json("typed", &typed_codes()), json("wrong", &wrong_codes())].concat()
}

/// The folder of the vectors; those that are missing are written first where that is asked for.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/codes/v1");
    WRITTEN.call_once(|| {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            for (path, vector) in made() {
                let path = folder.join(path);
                if !path.exists() {
                    fs::create_dir_all(path.parent().expect("inside the folder")).expect("writable");
                    fs::write(path, vector).expect("writable");
                }
            }
        }
    });
    folder
}

/// The vectors below `folder`, as paths from it.
fn paths_of(folder: &Path) -> BTreeSet<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
    let entries =
        |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    entries(folder)
        .map(name)
        .filter(|below| below != "messages")
        .flat_map(|below| {
            entries(&folder.join(&below)).map(|entry| format!("{below}/{}", name(entry))).collect::<Vec<_>>()
        })
        .collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal")
}
