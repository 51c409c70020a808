//! Bad input gets the code that is written down for it and changes nothing: every cut and every flipped byte of a
//! bundle and of a licence file, above and below the file's digest, and files that were never ours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use counterfoil_tests::container::{FRAME_HEAD, Frame, HEAD, file_of, frames, seal};
use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{HandMade, Lab, License, picture};
use schemas::armor;
use schemas::container::FileKind;
use schemas::event::{Event, Writer};
use sync_agent::{Agent, Config};

const STANDARD: &str = "--max-activations 10 --quota render=1000/month --sync-every 30d";
/// Both ends of a byte: the lowest bit and the highest.
const BITS: [u8; 2] = [0x01, 0x80];

/// What a rule of form is called. Where a length or a type was changed, everything behind it is misread, and which of
/// these comes first depends on what stands there.
const FORM: &[&str] = &[
    "truncated",
    "trailing_bytes",
    "not_minimal",
    "map_not_allowed",
    "float_not_allowed",
    "nil_not_allowed",
    "boolean_not_allowed",
    "extension_not_allowed",
    "negative_not_allowed",
    "text_not_utf8",
    "value_too_long",
    "nesting_too_deep",
    "wrong_arity",
    "wrong_type",
    "out_of_range",
    "unknown_kind",
    "unsupported_version",
];

/// A file that was changed, with the codes that it may be refused with: one, but where the change misleads the reader.
struct Case {
    name: String,
    bytes: Vec<u8>,
    codes: Vec<&'static str>,
}

impl Case {
    fn new(name: String, bytes: Vec<u8>, codes: &[&'static str]) -> Self {
        Self { name, bytes, codes: codes.to_vec() }
    }
}

/// Every cut and every flip of a file as it lies on disk.
fn damaged(file: &[u8]) -> Vec<Case> {
    let cuts = (0..file.len()).map(|len| {
        let code = if len < HEAD - 1 { "unknown_file" } else { "damaged" };
        Case::new(format!("cut-at-{len:05}"), file[..len].to_vec(), &[code])
    });
    let flips = flips(file, 0..file.len()).map(|(at, bit, bytes)| {
        let code = match at {
            0..4 => "unknown_file",
            4 => "unsupported_version",
            _ => "damaged",
        };
        Case::new(format!("flip-{bit:02x}-at-{at:05}"), bytes, &[code])
    });
    cuts.chain(flips).collect()
}

fn flips(bytes: &[u8], places: impl Iterator<Item = usize>) -> impl Iterator<Item = (usize, u8, Vec<u8>)> {
    places.flat_map(move |at| {
        BITS.map(|bit| {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= bit;
            (at, bit, flipped)
        })
    })
}

/// A stretch of a signed part, and what a flip of its lowest and of its highest bit is refused with.
struct Stretch {
    len: usize,
    what: &'static str,
    low: Codes,
    high: Codes,
}

enum Codes {
    One(&'static str),
    /// Any rule of form.
    Form,
    /// What an event's decoder says of it; if it says nothing, one of these.
    Core(&'static [&'static str]),
    /// Any rule of form, or this.
    FormOr(&'static str),
}

fn one(what: &'static str, len: usize, low: &'static str, high: &'static str) -> Stretch {
    Stretch { len, what, low: Codes::One(low), high: Codes::One(high) }
}

fn form(what: &'static str, len: usize) -> Stretch {
    Stretch { len, what, low: Codes::Form, high: Codes::Form }
}

fn core(len: usize, otherwise: &'static [&'static str]) -> Stretch {
    Stretch { len, what: "core", low: Codes::Core(otherwise), high: Codes::Core(otherwise) }
}

/// The bytes of a run of a device in order, with what each flip of them means.
fn run_map(cores: &[usize]) -> Vec<Stretch> {
    let mut map = vec![
        one("the run's array", 1, "wrong_arity", "wrong_type"),
        one("the header's array", 1, "wrong_arity", "wrong_type"),
        one("version", 1, "unsupported_version", "map_not_allowed"),
        form("the chain's length", 2),
        one("chain", 32, "chain_mismatch", "chain_mismatch"),
        form("the origin's array", 1),
        one("who writes", 1, "wrong_type", "map_not_allowed"),
        form("the device's array", 1),
        form("the signer's length", 2),
        one("signer", 32, "chain_mismatch", "chain_mismatch"),
        form("the reference's length", 2),
        one("reference", 5, "chain_mismatch", "chain_mismatch"),
        one("first place", 1, "out_of_range", "map_not_allowed"),
        form("the link's length", 2),
        one("link before", 32, "signature_bad", "signature_bad"),
        one("the events' array", 1, "wrong_arity", "wrong_type"),
    ];
    for len in cores {
        map.push(form("the core's length", 2));
        map.push(core(*len, &["signature_bad"]));
        map.push(form("the signature's length", 2));
        map.push(one("signature", 64, "signature_bad", "signature_bad"));
    }
    map
}

/// The bytes of a grant in order, with what each flip of them means.
fn grant_map(core_len: usize, certificate_len: usize) -> Vec<Stretch> {
    let long = |len: usize| if len > 255 { 3 } else { 2 };
    let certificate = || Codes::FormOr("issuer_unknown");
    vec![
        one("the grant's array", 1, "trailing_bytes", "trailing_bytes"),
        one("version", 1, "unsupported_version", "map_not_allowed"),
        form("the chain's length", 2),
        one("chain", 32, "chain_mismatch", "chain_mismatch"),
        one("place", 1, "signature_bad", "map_not_allowed"),
        form("the link's length", 2),
        one("link before", 32, "signature_bad", "signature_bad"),
        form("the core's length", long(core_len)),
        core(core_len, &["signature_bad", "chain_mismatch", "issuer_out_of_scope"]),
        form("the signature's length", 2),
        one("signature", 64, "signature_bad", "signature_bad"),
        form("the certificate's length", long(certificate_len)),
        Stretch { len: certificate_len, what: "certificate", low: certificate(), high: certificate() },
    ]
}

/// Every flip inside the one frame of a file, with the file's digest made right again.
fn below_the_digest(file: &[u8], map: &[Stretch]) -> Vec<Case> {
    let start = HEAD + FRAME_HEAD;
    let content = &frames(file)[0].content;
    assert_eq!(
        map.iter().map(|stretch| stretch.len).sum::<usize>(),
        content.len(),
        "the map covers the frame"
    );
    let mut cases = Vec::new();
    for (_, bit, bytes) in flips(file, HEAD..=HEAD) {
        // A licence file's frame becomes a notice's by its lowest bit; no other tag is known.
        let code = if file[3] == b'G' && bit == 0x01 { "wrong_type" } else { "unknown_kind" };
        cases.push(Case::new(format!("tag-{bit:02x}"), seal(bytes), &[code]));
    }
    for (at, bit, bytes) in flips(file, HEAD + 1..start) {
        cases.push(Case::new(format!("frame-length-{bit:02x}-at-{at}"), seal(bytes), FORM));
    }
    let mut from = start;
    for Stretch { len, what, low, high } in map {
        let whole = from..from + len;
        for (at, bit, bytes) in flips(file, whole.clone()) {
            let codes = match if bit == BITS[0] { low } else { high } {
                Codes::One(code) => vec![*code],
                Codes::Form => FORM.to_vec(),
                Codes::FormOr(code) => [FORM, &[*code]].concat(),
                Codes::Core(otherwise) => decoder_says(&bytes[whole.clone()], file[3])
                    .map_or_else(|| otherwise.to_vec(), |code| vec![code]),
            };
            let what = what.replace([' ', '\''], "-");
            cases.push(Case { name: format!("{what}-{bit:02x}-at-{at:05}"), bytes: seal(bytes), codes });
        }
        from += len;
    }
    cases
}

/// What an event is refused with for itself, in a bundle (`B`) or in a licence file.
fn decoder_says(core: &[u8], kind: u8) -> Option<&'static str> {
    let writer = if kind == b'B' { Writer::Device } else { Writer::Authority };
    match Event::decode(core) {
        Err(error) => Some(error.code().word()),
        Ok(event) if kind == b'B' => match event.body.kind().writer() {
            Some(other) if other != writer => Some("wrong_writer"),
            _ => None,
        },
        Ok(event) if event.body.name() != "grant.issued" => Some("unknown_kind"),
        Ok(_) => None,
    }
}

fn lab_with_license() -> (Lab, License) {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    (lab, license)
}

/// Merges all cases in one go, and holds each to its codes and the ledger to what it was.
fn merge_refuses(lab: &Lab, cases: &[Case]) {
    for Case { name, bytes, .. } in cases {
        lab.write(format!("inbox/{name}.cfbundle"), bytes);
    }
    let before = picture::tables(&lab.home());
    let merged = lab.vendor("merge inbox --answers out").exits(6).json();
    assert_eq!(picture::tables(&lab.home()), before);
    assert_eq!(number(&merged, "files"), cases.len() as u64);
    for key in ["merged", "known", "parked", "forked", "events"] {
        assert_eq!(number(&merged, key), 0, "{key}");
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in merged["findings"].as_array().expect("findings") {
        found.entry(text(finding, "source")).or_default().push(text(finding, "code"));
    }
    for Case { name, codes, .. } in cases {
        let told = &found[&format!("inbox/{name}.cfbundle")];
        assert!(told.len() == 1 && codes.contains(&told[0].as_str()), "{name}: {told:?} and not {codes:?}");
    }
}

/// Lets the agent apply each case, and holds it to its codes and the state directory to what it was.
fn agent_refuses(lab: &Lab, device: &str, cases: &[Case]) {
    let folder = lab.path(device);
    let before = picture::files(&folder);
    let agent = Agent::open(Config::new(&folder, None)).expect("opens");
    for Case { name, bytes, codes } in cases {
        let refusal = agent.apply(bytes).expect_err(name);
        let told = refusal.code().word();
        assert!(codes.contains(&told), "{name}: {told} and not {codes:?}");
    }
    drop(agent);
    assert_eq!(picture::files(&folder), before);
}

/// A report as a device writes it: runs, attachments, the last grant.
fn report(lab: &Lab, license: &License) -> Vec<u8> {
    lab.activate("dev1", license);
    lab.device("dev1", "consume render 5").done();
    lab.device("dev1", "set site 'plant 7'").done();
    lab.report("dev1", "report.cfbundle");
    lab.read("report.cfbundle")
}

/// A licence file that a device has not applied yet.
fn refresh(lab: &Lab, license: &License) -> Vec<u8> {
    let chain = lab.activate("dev1", license);
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    lab.read("refresh.cfgrant")
}

#[test]
fn every_cut_and_every_flip_of_a_bundle_is_refused() {
    let (lab, license) = lab_with_license();
    let cases = damaged(&report(&lab, &license));
    merge_refuses(&lab, &cases);
    assert_eq!(number(&lab.vendor("merge report.cfbundle").done(), "merged"), 1);
}

#[test]
fn every_flip_inside_a_run_is_refused_below_the_file_digest_too() {
    let (lab, license) = lab_with_license();
    let bundle = HandMade::new(1, &license).consume(5).bundle();
    let cores: Vec<usize> =
        schemas::run::pairs(schemas::run::RunBytes::parse(&frames(&bundle)[0].content).expect("a run").pairs)
            .map(|pair| pair.expect("a pair").core.len())
            .collect();
    assert_eq!(cores.len(), 3);
    merge_refuses(&lab, &below_the_digest(&bundle, &run_map(&cores)));
    lab.write("good.cfbundle", bundle);
    assert_eq!(number(&lab.vendor("merge good.cfbundle").done(), "merged"), 1);
}

#[test]
fn every_cut_and_every_flip_of_a_licence_file_is_refused() {
    let (lab, license) = lab_with_license();
    agent_refuses_all_and_takes_the_good_one(&lab, &license, damaged);
}

#[test]
fn every_flip_inside_a_grant_is_refused_below_the_file_digest_too() {
    let (lab, license) = lab_with_license();
    agent_refuses_all_and_takes_the_good_one(&lab, &license, |file| {
        let answers = schemas::bundle::decode_answers(file).expect("a licence file");
        let [schemas::bundle::Answer::Grant(grant)] = answers.as_slice() else { panic!("one grant") };
        below_the_digest(file, &grant_map(grant.core.len(), grant.certificate.len()))
    });
}

fn agent_refuses_all_and_takes_the_good_one(
    lab: &Lab,
    license: &License,
    cases: impl Fn(&[u8]) -> Vec<Case>,
) {
    let file = refresh(lab, license);
    let cases = cases(&file);
    agent_refuses(lab, "dev1", &cases);
    // The program says the same as the library, of a case here and there.
    for Case { name, bytes, codes } in cases.iter().step_by(cases.len() / 7) {
        lab.write("bad.cfgrant", bytes);
        let code = text(&lab.device("dev1", "apply bad.cfgrant").exits_any(&[4, 5]).json(), "code");
        assert!(codes.contains(&code.as_str()), "{name}: {code}");
    }
    let applied = lab.device("dev1", "apply refresh.cfgrant").done();
    assert_ne!(applied["changes"].as_array().map(Vec::len), Some(0), "the good one was newer all the time");
}

/// What is not signed for itself but held to a signed commitment: the run goes in, and the value that does not open
/// its commitment does not.
#[test]
fn a_value_that_is_not_the_committed_one_is_not_taken() {
    let (lab, license) = lab_with_license();
    let mut parts: Vec<Frame> = frames(&report(&lab, &license));
    let attachment =
        parts.iter_mut().find(|part| part.content.ends_with(b"plant 7")).expect("the variable's value");
    let last = attachment.content.len() - 1;
    attachment.content[last] = b'8';
    lab.write("report.cfbundle", file_of(&lab.read("report.cfbundle"), &parts));
    let merged = lab.vendor("merge report.cfbundle").exits(6).json();
    assert_eq!((number(&merged, "merged"), number(&merged, "refused")), (1, 1));
    assert_eq!(text(&merged["findings"][0], "code"), "attachment_mismatch");
    let tables = picture::tables(&lab.home());
    assert_eq!(tables["variables"].len(), 1, "the event is evidence");
    let host_name_only = 1;
    assert_eq!(tables["attachments"].len(), host_name_only);
    lab.vendor("verify report.cfbundle").refused(5, "attachment_mismatch");
}

#[test]
fn files_that_are_not_bundles_are_told_apart() {
    let (lab, license) = lab_with_license();
    lab.activate("dev1", &license);
    let good = HandMade::new(1, &license).bundle();
    let armored = armor::armor(FileKind::Bundle, &good);
    let parts = frames(&good);
    let cases = [
        ("empty", Vec::new(), "unknown_file"),
        ("text", b"The quick brown fox\n".to_vec(), "unknown_file"),
        ("pack", lab.read("studio.cfpack"), "wrong_file"),
        ("grant", lab.read("answers/dev1.cfgrant"), "wrong_file"),
        ("statement", file_of(b"\xcfCFS\x01", &[]), "wrong_file"),
        ("no-runs", file_of(&good, &[]), "truncated"),
        ("armor-cut", armored.as_bytes()[..armored.len() / 2].to_vec(), "damaged"),
        (
            "armor-flipped",
            armored.replacen(|symbol: char| symbol.is_ascii_lowercase(), "!", 1).into_bytes(),
            "damaged",
        ),
        ("armored-pack", armor::armor(FileKind::Pack, &lab.read("studio.cfpack")).into_bytes(), "wrong_file"),
        ("another-product", HandMade::new(2, &license).of_product("other").bundle(), "origin_mismatch"),
        ("bad-proof", HandMade::new(3, &license).with_bad_proof().bundle(), "claim_invalid"),
        ("trial", HandMade::new(4, &license).asking_for_a_trial().bundle(), "claim_unsupported"),
        ("vendors-run", file_of(&good, &[authority_run(&lab)]), "wrong_writer"),
    ];
    let mut cases: Vec<Case> =
        cases.into_iter().map(|(name, bytes, code)| Case::new(name.to_owned(), bytes, &[code])).collect();
    let strange = [Frame { tag: 99, ..parts[0].clone() }, parts[0].clone()];
    cases.push(Case::new("strange-part".to_owned(), file_of(&good, &strange), &["unknown_kind"]));
    merge_refuses(&lab, &cases);
}

#[test]
fn a_bundle_of_more_chains_than_the_limit_is_refused_whole() {
    let (lab, license) = lab_with_license();
    let runs: Vec<Vec<u8>> = (0..65).map(|seed| HandMade::new(seed, &license).run(1, 2)).collect();
    merge_refuses(&lab, &[Case::new("many".to_owned(), bundle(runs.clone()), &["value_too_long"])]);
    lab.write("most.cfbundle", bundle(runs[..64].to_vec()));
    assert_eq!(number(&lab.vendor("merge most.cfbundle").done(), "merged"), 64);
}

/// A run of the vendor's own chain, which no device may send.
fn authority_run(lab: &Lab) -> Frame {
    lab.vendor("--home stranger init").done();
    let ledger = rusqlite::Connection::open(lab.path("stranger/ledger.db")).expect("a ledger");
    let (origin, prev, events, pairs): (Vec<u8>, [u8; 32], u32, Vec<u8>) = ledger
        .query_row("SELECT origin, prev, events, pairs FROM catalog_runs", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .expect("a catalog run");
    let origin: schemas::run::Origin = schemas::canonical::from_bytes(&origin).expect("an origin");
    let header = schemas::run::RunHeader {
        version: schemas::run::VERSION,
        chain: ledger::chain::chain_of(&origin),
        origin,
        first_seq: schemas::numbers::Seq(1),
        prev: schemas::ids::Link(prev),
    };
    Frame { tag: 1, at: 0, content: schemas::run::assemble(&header, u64::from(events), &pairs) }
}

#[test]
fn files_that_are_not_licence_files_are_told_apart() {
    let (lab, license) = lab_with_license();
    let file = refresh(&lab, &license);
    lab.write("empty", b"");
    lab.write("text", b"The quick brown fox\n");
    lab.write("armor", &armor::armor(FileKind::Grants, &file).as_bytes()[..200]);
    let before = picture::files(&lab.path("dev1"));
    for (name, code) in [
        ("empty", "unknown_file"),
        ("text", "unknown_file"),
        ("armor", "damaged"),
        ("dev1.cfbundle", "wrong_file"),
        ("studio.cfpack", "wrong_file"),
    ] {
        lab.device("dev1", &format!("apply {name}")).refused(5, code);
        assert_eq!(picture::files(&lab.path("dev1")), before, "{name}");
    }
    lab.device("dev1", "apply missing.cfgrant").refused(1, "io_failed");
    lab.device("dev1", "apply dev1").refused(1, "io_failed");
    assert_eq!(picture::files(&lab.path("dev1")), before);
}

/// A licence file of another vendor with the same product name.
#[test]
fn another_vendors_licence_file_is_not_believed() {
    let (lab, license) = lab_with_license();
    lab.activate("dev1", &license);
    let (other, license) = lab_with_license();
    other.activate("dev1", &license);
    lab.write("other.cfgrant", other.read("answers/dev1.cfgrant"));
    let before = picture::files(&lab.path("dev1"));
    lab.device("dev1", "apply other.cfgrant").refused(5, "issuer_unknown");
    assert_eq!(picture::files(&lab.path("dev1")), before);
    lab.write("other.cfpack", other.read("studio.cfpack"));
    lab.device("dev1", "--pack other.cfpack status").refused(4, "pack_mismatch");
}

/// Sparse files: two gibibytes that take no room. What does not begin as ours is not read to its end.
#[test]
fn a_huge_file_is_refused_without_being_read_into_memory() {
    let (lab, license) = lab_with_license();
    let good = HandMade::new(1, &license).bundle();
    for (name, head) in [("zeros.cfbundle", &b""[..]), ("bundle.cfbundle", &good)] {
        lab.write(name, head);
        let mut file = File::options().write(true).open(lab.path(name)).expect("writable");
        file.seek(SeekFrom::Start(2 << 30)).expect("seekable");
        file.write_all(b"end").expect("writable");
    }
    let before = picture::tables(&lab.home());
    for (name, code) in [("zeros.cfbundle", "unknown_file"), ("bundle.cfbundle", "too_large")] {
        let merged = lab.vendor(&format!("merge {name}")).exits(6).json();
        assert_eq!(text(&merged["findings"][0], "code"), code);
    }
    assert_eq!(picture::tables(&lab.home()), before);
    lab.activate("dev1", &license);
    let before = picture::files(&lab.path("dev1"));
    for name in ["zeros.cfbundle", "bundle.cfbundle"] {
        lab.device("dev1", &format!("apply {name}")).refused(5, "too_large");
    }
    assert_eq!(picture::files(&lab.path("dev1")), before);
}

#[test]
fn a_folder_that_is_named_like_a_file_is_a_folder() {
    let (lab, license) = lab_with_license();
    lab.write("odd.cfbundle/inside.cfbundle", HandMade::new(1, &license).bundle());
    assert_eq!(number(&lab.vendor("merge odd.cfbundle --answers out").done(), "merged"), 1);
    assert!(lab.path("out/inside.cfgrant").is_file());
    lab.vendor("show odd.cfbundle").refused(1, "io_failed");
    lab.vendor("merge missing.cfbundle").refused(3, "file_missing");
}

#[test]
fn what_is_refused_is_kept_byte_by_byte() {
    let (lab, license) = lab_with_license();
    let mut bad = HandMade::new(1, &license).bundle();
    bad[60] ^= 1;
    lab.write("bad.cfbundle", &bad);
    lab.vendor("merge bad.cfbundle").exits(6).json();
    let listed = lab.vendor("quarantine list").done();
    let id = number(&listed["entries"][0], "id");
    lab.vendor(&format!("quarantine show {id} -o kept.cfbundle")).done();
    assert_eq!(lab.read("kept.cfbundle"), bad);
    lab.vendor(&format!("--yes quarantine drop {id}")).done();
    assert_eq!(lab.vendor("quarantine list").done()["entries"].as_array().map(Vec::len), Some(0));
}
