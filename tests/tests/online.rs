//! Devices with a connection: the real agent against the real service.

use std::fmt::Write as _;
use std::fs;
use std::thread;

use counterfoil_tests::cut::{Cut, Line};
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License, Served, postgres};

const STANDARD: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";

#[track_caller]
fn activate(lab: &Lab, device: &str, license: &License, server: &str) {
    let line = format!("activate --license-key {} --server {server}", license.key);
    let activated = lab.device(device, &line).done();
    assert_eq!(activated["state"], "active", "{activated:#}");
    assert_eq!(text(&activated, "license_id"), license.id);
}

/// Consumes one unit so many times, in one go.
#[track_caller]
fn consume(lab: &Lab, device: &str, times: usize) {
    lab.write("uses.jsonl", "{\"feature\": \"render\", \"n\": 1}\n".repeat(times));
    let done = lab.device(device, "consume --batch uses.jsonl").done_lines();
    assert_eq!(done.len(), times);
}

#[track_caller]
fn used(lab: &Lab) -> u64 {
    let rows = lab.vendor("audit usage").done()["rows"].as_array().expect("rows").clone();
    rows.iter().map(|row| number(row, "n")).sum()
}

#[track_caller]
fn sound(lab: &Lab) {
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn a_device_lives_its_life_over_a_connection() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    activate(&lab, "dev1", &license, &served.url());
    lab.device("dev1", "check render").done();
    lab.device("dev1", "consume render 9").done();
    // Where the activation went, syncs go too.
    let synced = lab.device("dev1", "sync").done();
    assert_eq!(number(&synced, "parts"), 1, "{synced:#}");
    assert_eq!(used(&lab), 9);
    // That the answer was applied is said with the next one.
    assert!(number(&lab.device("dev1", "status").done(), "unacknowledged") <= 2);
    let again = lab.device("dev1", "sync").done();
    assert!(number(&again, "events") <= 2, "{again:#}");
    lab.device("dev1", &format!("deactivate --server {}", served.url())).done();
    let listed = lab.vendor("activation list").done();
    assert_eq!(text(&listed["activations"][0], "state"), "released");
    sound(&lab);
}

/// A backlog goes in parts of which each is acknowledged; cut at any place of either direction, the next sync sends at most
/// one of them again.
#[test]
fn a_long_backlog_that_is_cut_anywhere_is_sent_once_but_for_one_part() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let served = lab.serve(FREE);
    // About 90 bytes an event and 256 KiB a part: four parts.
    let events = 9_000;
    let part = 260 * 1024;
    activate(&lab, "whole", &license, &served.url());
    consume(&lab, "whole", events);
    let line = Line::to(served.address, Cut::Asking(u64::MAX));
    let synced = lab.device("whole", &format!("sync --server {}", line.url())).done();
    assert!(number(&synced, "parts") >= 3, "{synced:#}");
    assert_eq!(used(&lab), events as u64);
    let whole = line.sent();
    // The head of the request, its body, the end of the first part, the middle of the second, the answer's head and body.
    let cuts = [
        Cut::Asking(0),
        Cut::Asking(20),
        Cut::Asking(1_000),
        Cut::Asking(200_000),
        Cut::Asking(part + 150_000),
        Cut::Answering(0),
        Cut::Answering(10),
        Cut::Answering(300),
        Cut::Answering(1_200),
    ];
    for (round, cut) in cuts.into_iter().enumerate() {
        let (lab, device) = (Lab::with_policy(STANDARD), "dev1");
        let license = lab.issue();
        let served = lab.serve(FREE);
        activate(&lab, device, &license, &served.url());
        consume(&lab, device, events);
        let line = Line::to(served.address, cut);
        let first = lab.device(device, &format!("sync --server {}", line.url()));
        assert!([Some(0), Some(7)].contains(&first.exit()), "{round} {cut:?}: {first:?}");
        lab.device(device, &format!("sync --server {}", line.url())).done();
        assert_eq!(used(&lab), events as u64, "{cut:?}");
        assert!(number(&lab.device(device, "status").done(), "unacknowledged") < 10, "{cut:?}");
        assert!(line.sent() <= whole + part + 10_000, "{cut:?}: {} of {whole}", line.sent());
        sound(&lab);
    }
}

#[test]
fn many_agents_sync_with_two_services_on_one_database() {
    let lab = Lab::with_store(&postgres::database(), STANDARD);
    let license = lab.issue();
    let services = [lab.serve(FREE), lab.serve(FREE)];
    let agents: Vec<String> = (0..50).map(|number| format!("dev{number}")).collect();
    thread::scope(|scope| {
        for (hand, mine) in agents.chunks(agents.len().div_ceil(5)).enumerate() {
            let (lab, license, services) = (&lab, &license, &services);
            scope.spawn(move || {
                for (number, agent) in mine.iter().enumerate() {
                    let [here, there] = [0, 1].map(|other| services[(hand + number + other) % 2].url());
                    activate(lab, agent, license, &here);
                    lab.device(agent, "consume render 3").done();
                    lab.device(agent, &format!("sync --server {there}")).done();
                    lab.device(agent, "consume render 4").done();
                    lab.device(agent, "sync").done();
                }
            });
        }
    });
    assert_eq!(used(&lab), 50 * 7);
    assert_eq!(lab.vendor("activation list").done()["activations"].as_array().map(Vec::len), Some(50));
    sound(&lab);
}

/// A certificate that nobody vouches for, with its key; the SHA-256 of it comes beside.
fn certificate(lab: &Lab) {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    lab.write("cert.pem", made.cert.pem());
    lab.write("key.pem", made.signing_key.serialize_pem());
    let mut pin = String::new();
    for byte in <sha2::Sha256 as sha2::Digest>::digest(made.cert.der()) {
        write!(pin, "{byte:02x}").expect("a string takes every write");
    }
    lab.write("pin", pin);
}

#[test]
fn an_encrypted_service_is_known_by_its_fingerprint_or_its_authority() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    certificate(&lab);
    let pin = String::from_utf8(lab.read("pin")).expect("hexadecimal");
    let served = lab.serve(&format!("{FREE} --tls-cert cert.pem --tls-key key.pem"));
    let url = format!("https://{}", served.address);
    let line = format!("activate --license-key {} --server {url}", license.key);
    lab.device("dev1", &line).refused(5, "server_untrusted");
    lab.device("dev1", &format!("{line} --server-pin {}", "0".repeat(64))).refused(5, "server_untrusted");
    let activated = lab.device("dev1", &format!("{line} --server-pin {pin}")).done();
    assert_eq!(activated["state"], "active");
    // The fingerprint is remembered with the address.
    lab.device("dev1", "consume render 2").done();
    lab.device("dev1", "sync").done();
    lab.device("dev2", &format!("{line} --server-ca cert.pem")).done();
    assert_eq!(used(&lab), 2);
}

/// The agent that stays syncs by itself, and gets over the end and the return of the service and of itself.
#[test]
fn an_agent_that_stays_gets_over_restarts_on_both_sides() {
    let lab = Lab::with_policy("--max-activations 10 --quota render=1000000/month --sync-every 1h");
    let license = lab.issue();
    let served = lab.serve(FREE);
    let address = served.address;
    activate(&lab, "dev1", &license, &served.url());
    consume(&lab, "dev1", 1_200);
    let stays = || lab.start_device("dev1", "run --every 1s");
    let end = |mut child: std::process::Child| {
        child.kill().expect("it runs");
        child.wait().expect("it was started");
    };
    let mut staying = stays();
    while used(&lab) < 1_200 {}
    // The service goes and comes back at the same place; enough happened meanwhile to be worth a report.
    drop(served);
    consume(&lab, "dev1", 1_200);
    let served = serve_again(&lab, &address.to_string());
    while used(&lab) < 2_400 {}
    // The agent is killed and begins again.
    end(staying);
    consume(&lab, "dev1", 1_200);
    staying = stays();
    while used(&lab) < 3_600 {}
    end(staying);
    assert_eq!(served.get("/readyz").status, 200);
    lab.device("dev1", "verify").done();
    sound(&lab);
}

#[track_caller]
fn serve_again(lab: &Lab, address: &str) -> Served {
    lab.serve(&format!("--listen {address} {FREE}"))
}

/// What a device may say in the clear, and where a service may be reached.
#[test]
fn a_connection_that_others_could_read_is_refused() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let line = format!("activate --license-key {} --server http://192.0.2.1:9", license.key);
    lab.device("dev1", &line).refused(2, "server_insecure");
    assert!(fs::read_dir(lab.path("dev1")).is_err(), "nothing was begun");
}
