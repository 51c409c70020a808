//! The service's exchange: a bundle in, grants out, as by file; what is refused, and what is not lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;

use counterfoil_tests::lab::text;
use counterfoil_tests::served::BUNDLE;
use counterfoil_tests::{Chance, HandMade, Lab, License, Served, http, postgres};
use serde_json::Value;

const STANDARD: &str = "--max-activations 1000 --quota render=1000000/month --sync-every 30d";
/// Limits that a test on one machine would meet.
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";
const SECOND: &str = "--home second";

/// The chain of eight events that belongs to a seed.
fn device(seed: u64, license: &License) -> HandMade {
    (1..=6).map(|n| n * (seed + 1)).fold(HandMade::new(seed, license), HandMade::consume)
}

#[track_caller]
fn quarantined(lab: &Lab) -> Vec<Value> {
    lab.vendor("quarantine list").done()["entries"].as_array().expect("entries").clone()
}

/// Hands in what a device says and has it apply the answer.
#[track_caller]
fn sync(lab: &Lab, served: &Served, device: &str, bundle: &str) -> Vec<u8> {
    let answer = served.exchange(&lab.read(bundle));
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/vnd.counterfoil.grant"));
    lab.write("answer.cfgrant", &answer.body);
    lab.device(device, "apply answer.cfgrant").done();
    answer.body
}

#[test]
fn a_device_is_activated_and_reports_and_gives_back_as_by_file() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let chain = lab.request("dev1", &license);
    let first = sync(&lab, &served, "dev1", "dev1.cfbundle");
    assert_eq!(
        served.exchange(&lab.read("dev1.cfbundle")).body,
        first,
        "the same again is answered the same"
    );
    lab.vendor("merge dev1.cfbundle --answers answers").done();
    assert_eq!(lab.read("answers/dev1.cfgrant"), first, "by file the bytes are the same");

    lab.device("dev1", "consume render 9").done();
    lab.report("dev1", "usage.cfbundle");
    let second = sync(&lab, &served, "dev1", "usage.cfbundle");
    let newest = served.get(&format!("/v1/grants/{chain}"));
    assert_eq!((newest.status, newest.body), (200, second));
    assert_eq!(lab.vendor("audit usage").done()["rows"][0]["n"], 9);

    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    sync(&lab, &served, "dev1", "bye.cfbundle");
    let listed = lab.vendor("activation list").done();
    assert_eq!(text(&listed["activations"][0], "state"), "released");
    // The same bundle as text that survived mail.
    lab.device("dev2", &format!("activate --license-key {} --request mailed.txt --armor", license.key))
        .done();
    sync(&lab, &served, "dev2", "mailed.txt");
    assert_eq!(lab.device("dev2", "status").done()["state"], "active");
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn what_is_no_bundle_is_refused_with_its_code_and_what_is_damaged_is_kept() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let digest = lab.digest("counterfoil-home");
    let bundle = device(1, &license).bundle();

    assert_eq!(served.exchange(b"").problem(422), "unknown_file");
    assert_eq!(served.exchange(b"a letter to the vendor").problem(422), "unknown_file");
    assert_eq!(quarantined(&lab), Vec::<Value>::new(), "nobody's evidence");

    let mut damaged = bundle.clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    assert_eq!(served.exchange(&damaged).problem(422), "damaged");
    assert_eq!(served.exchange(&damaged).problem(422), "damaged", "again");
    let entries = quarantined(&lab);
    assert_eq!(entries.len(), 1, "the same bytes are kept once");
    assert_eq!(
        (text(&entries[0], "code"), text(&entries[0], "source")),
        ("damaged".into(), "exchange".into())
    );
    let line = format!("quarantine show {} -o kept.cfbundle", entries[0]["id"]);
    lab.vendor(&line).done();
    assert_eq!(lab.read("kept.cfbundle"), damaged);

    for kind in ["", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        let request = http::request("POST", "/v1/exchange", &[("content-type", kind)], &bundle);
        let answer = http::send(served.address, &request).expect("it answers");
        assert_eq!(answer.problem(415), "media_type_unsupported", "{kind}");
    }
    assert_eq!(served.get("/v1/exchange").problem(405), "method_not_allowed");
    assert_eq!(served.get("/v1/exchange").header("allow"), "POST");
    assert_eq!(served.get("/v2").problem(404), "route_unknown");
    assert_eq!(served.get("/v1/grants/%ff").problem(400), "request_invalid");
    for chain in ["x", "..%2f..%2fetc", &"0".repeat(64)] {
        assert_eq!(served.get(&format!("/v1/grants/{chain}")).problem(404), "chain_unknown", "{chain}");
    }
    assert_eq!(lab.digest("counterfoil-home"), digest);
}

/// A licence that nobody knows is answered by a signed notice, as in a file, and its evidence waits.
#[test]
fn a_licence_that_is_not_known_yet_is_answered_by_a_notice_and_its_bundle_waits() {
    let lab = Lab::with_policy(STANDARD);
    let other = Lab::with_policy(STANDARD);
    let license = other.issue();
    let served = lab.serve(FREE);
    let answer = served.exchange(&device(1, &license).bundle());
    assert_eq!(answer.status, 200);
    lab.write("notice.cfgrant", &answer.body);
    let shown = lab.vendor("show notice.cfgrant").done();
    assert!(shown.to_string().contains("license_unknown"), "{shown:#}");
    let entries = quarantined(&lab);
    assert_eq!(entries.len(), 1);
    assert_eq!(text(&entries[0], "code"), "license_unknown");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_taken_in() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve(FREE);
    let head = format!("POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-type: {BUNDLE}\r\n");
    let announced = format!("{head}content-length: {}\r\n\r\n", 16 * 1024 * 1024 + 1);
    let answer = http::send(served.address, announced.as_bytes()).expect("it answers");
    assert_eq!(answer.problem(413), "too_large");
    // In chunks, of which nobody says how many come.
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..17 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.extend(std::iter::repeat_n(0, 1024 * 1024));
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = http::send(served.address, &chunked).expect("it answers");
    assert_eq!(answer.problem(413), "too_large");
}

/// What came by many requests at once, in any order, is what came by file.
#[test]
fn many_at_once_give_the_same_evidence_as_files() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.copy("counterfoil-home", "second");
    let parts = [(1, 2), (3, 5), (1, 5), (4, 6), (6, 8), (2, 7), (1, 8)];
    let devices: Vec<HandMade> = (0..12).map(|seed| device(seed, &license)).collect();
    let mut pieces: Vec<Vec<u8>> =
        devices.iter().flat_map(|device| parts.map(|(first, last)| device.bundle_of(first, last))).collect();
    for (number, piece) in pieces.iter().enumerate() {
        lab.write(format!("inbox/{number:03}.cfbundle"), piece);
    }
    lab.vendor(&format!("{SECOND} merge inbox")).done();
    chance.shuffle(&mut pieces);
    let served = lab.serve(FREE);
    thread::scope(|scope| {
        for mine in pieces.chunks(pieces.len().div_ceil(8)) {
            scope.spawn(|| mine.iter().for_each(|piece| assert_eq!(served.exchange(piece).status, 200)));
        }
    });
    assert_eq!(lab.digest("counterfoil-home"), lab.digest("second"));
    served.signal("TERM");
    let (status, log) = served.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

/// Whoever was answered can rely on it, whatever happens to the service.
#[test]
fn what_was_answered_is_there_after_the_service_was_killed() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let devices: Vec<HandMade> = (0..40).map(|seed| device(seed, &license)).collect();
    let mut answered = Vec::new();
    for round in devices.chunks(10) {
        let served = lab.serve(FREE);
        let dies_after = chance.below(10);
        thread::scope(|scope| {
            let asked: Vec<_> = round
                .iter()
                .enumerate()
                .map(|(number, device)| {
                    let served = &served;
                    scope.spawn(move || {
                        if number == dies_after {
                            served.signal("KILL");
                        }
                        let request = Served::exchange_request(&device.bundle());
                        http::send(served.address, &request).is_ok_and(|answer| answer.status == 200)
                    })
                })
                .collect();
            answered.extend(asked.into_iter().map(|asked| asked.join().expect("it does not fail")));
        });
    }
    let known: Vec<String> = lab.vendor("activation list").done()["activations"]
        .as_array()
        .expect("activations")
        .iter()
        .map(|activation| text(activation, "chain"))
        .collect();
    for (device, answered) in devices.iter().zip(&answered) {
        assert!(!answered || known.contains(&device.chain().to_string()), "it was answered and is not there");
    }
    // All of them once more: what was not answered is taken in, what was is known.
    let served = lab.serve(FREE);
    for device in &devices {
        assert_eq!(served.exchange(&device.bundle()).status, 200);
    }
    assert_eq!(lab.vendor("activation list").done()["activations"].as_array().map(Vec::len), Some(40));
    lab.vendor("rebuild --check").done();
}

/// Cut off anywhere, a request leaves all of its bundle or nothing; sent again it is answered as if nothing had happened.
#[test]
fn a_request_that_is_cut_off_anywhere_is_sent_again_and_costs_nothing() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    let device = device(3, &license);
    let request = Served::exchange_request(&device.bundle());
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let ends = [0, 1, head / 2, head, head + 1, head + (request.len() - head) / 2, request.len() - 1];
    for end in ends {
        let mut stream = TcpStream::connect(served.address).expect("it listens");
        stream.write_all(&request[..end]).expect("it reads");
        stream.shutdown(Shutdown::Both).expect("it is open");
    }
    assert_eq!(lab.vendor("activation list").done()["activations"], serde_json::json!([]));
    // The answer is lost: before its first byte, and in its midst.
    for read in [0, 1, 200] {
        let mut stream = TcpStream::connect(served.address).expect("it listens");
        stream.write_all(&request).expect("it reads");
        stream.read_exact(&mut vec![0; read]).expect("it answers");
    }
    let first = served.exchange(&device.bundle());
    assert_eq!(first.status, 200);
    assert_eq!(served.exchange(&device.bundle()).body, first.body);
    assert_eq!(lab.vendor("activation list").done()["activations"].as_array().map(Vec::len), Some(1));
}

#[test]
fn too_many_requests_of_one_address_or_for_one_licence_have_to_wait() {
    let lab = Lab::with_policy(STANDARD);
    let (license, other) = (lab.issue(), lab.issue());
    let served = lab.serve("--rate-per-address 0 --rate-per-license 1");
    let bundle = device(1, &license).bundle();
    let refused = (0..30).map(|_| served.exchange(&bundle)).find(|answer| answer.status != 200);
    let refused = refused.expect("ten at once are taken, and one a second");
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    assert_eq!(
        served.exchange(&device(2, &other).bundle()).status,
        200,
        "another licence is not touched by it"
    );
    drop(served);

    let served = lab.serve("--rate-per-address 1");
    let refused = (0..30).map(|_| served.get("/version")).find(|answer| answer.status != 200);
    assert_eq!(refused.expect("too many").problem(429), "rate_limited");
    assert_eq!(served.get("/readyz").status, 200, "whoever watches over it is not counted");
}

#[test]
fn connections_beyond_the_allowed_ones_are_told_so() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve("--connections 2");
    let mut held: Vec<TcpStream> =
        (0..2).map(|_| TcpStream::connect(served.address).expect("it listens")).collect();
    // Each is answered once, so that it was admitted, and then kept open.
    for stream in &mut held {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        assert_eq!(http::read(stream).expect("it answers").status, 200);
    }
    let refused = served.get("/livez");
    assert_eq!(refused.problem(503), "overloaded");
    assert!(!refused.header("retry-after").is_empty());
    drop(held);
}

#[test]
fn it_says_how_it_is_and_what_it_is() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    assert_eq!((served.get("/livez").status, served.get("/readyz").status), (200, 200));
    let version = served.get("/version").json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(text(&version, "store").contains("SQL"), "{version}");
    let described = served.get("/openapi.json").json();
    assert!(text(&described, "openapi").starts_with("3.1"));
    assert!(described["paths"]["/v1/exchange"]["post"].is_object());

    assert_eq!(served.exchange(&device(1, &license).bundle()).status, 200);
    let metrics = String::from_utf8(served.get("/metrics").body).expect("text");
    let line = "counterfoil_http_requests_total{route=\"/v1/exchange\",method=\"POST\",status=\"200\"} 1";
    assert!(metrics.lines().any(|known| known == line), "{metrics}");
    assert!(metrics.contains("counterfoil_http_request_duration_seconds_bucket{route=\"/v1/exchange\""));
    let invented = http::request(&"BREW".repeat(500), "/livez", &[], b"");
    assert_eq!(http::send(served.address, &invented).expect("it answers").problem(405), "method_not_allowed");
    let chain = device(1, &license).chain().to_string();
    assert_eq!(served.get(&format!("/v1/grants/{chain}")).status, 200);
    let metrics = String::from_utf8(served.get("/metrics").body).expect("text");
    assert!(!metrics.contains(&chain), "a device is nobody's label");
    assert!(
        metrics.contains("method=\"other\"") && !metrics.contains("BREW"),
        "nor is what anybody can invent"
    );

    let id = served.get("/livez").header("x-request-id").to_owned();
    let given = http::request("GET", "/livez", &[("x-request-id", "mine-1")], b"");
    assert_eq!(http::send(served.address, &given).expect("it answers").header("x-request-id"), "mine-1");
    served.signal("TERM");
    let (status, log) = served.wait();
    assert_eq!(status.code(), Some(0));
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(log.contains(&id) && log.contains("mine-1"));
    assert!(!log.contains(&license.key) && !log.contains(&chain) && !log.contains("BREW"), "{log}");
}

#[test]
fn an_interrupt_ends_it_as_an_interrupt_does() {
    let lab = Lab::with_policy(STANDARD);
    let served = lab.serve("");
    served.signal("INT");
    assert_eq!(served.wait().0.code(), Some(130));
}

#[test]
fn it_does_not_begin_where_others_could_read_along_or_the_address_is_taken() {
    let lab = Lab::with_policy(STANDARD);
    lab.vendor("serve --listen 0.0.0.0:0").refused(2, "listen_insecure");
    let served = lab.serve("");
    lab.vendor(&format!("serve --listen {}", served.address)).refused(7, "listen_failed");
    lab.vendor("serve --tls-cert studio.cfpack --tls-key studio.cfpack").refused(2, "tls_invalid");
}

/// Two processes share one database: devices of one licence are answered by either, and no seat is given twice.
#[test]
fn two_services_on_one_database_give_the_last_seat_once() {
    let lab = Lab::with_store(&postgres::database(), "--max-activations 3");
    let license = lab.issue();
    let services = [lab.serve(FREE), lab.serve(FREE)];
    let devices: Vec<HandMade> = (0..16).map(|seed| device(seed, &license)).collect();
    thread::scope(|scope| {
        for (number, device) in devices.iter().enumerate() {
            let served = &services[number % 2];
            scope.spawn(move || assert_eq!(served.exchange(&device.bundle()).status, 200));
        }
    });
    let listed = lab.vendor("activation list").done();
    let activations = listed["activations"].as_array().expect("activations");
    assert_eq!(activations.len(), 16);
    let active = activations.iter().filter(|activation| activation["state"] == "active");
    let seated: Vec<String> = active.map(|activation| text(activation, "chain")).collect();
    assert_eq!(seated.len(), 3);
    for device in devices.iter().filter(|device| seated.contains(&device.chain().to_string())) {
        let [left, right] = services.each_ref().map(|served| served.exchange(&device.bundle()).body);
        assert_eq!(left, right, "both answer from one ledger");
    }
    lab.vendor("rebuild --check").done();
}
