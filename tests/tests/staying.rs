//! The agent that stays, where the wall clock stands wrong and where the licence ends: the real program.

use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::thread;

use counterfoil_tests::clock::Ahead;
use counterfoil_tests::lab::text;
use counterfoil_tests::{Lab, License};
use rustix::process::{Pid, Signal, kill_process};
use schemas::numbers::{Micros, Seconds};
use serde_json::Value;
use sync_agent::wall_clock::{Clock as _, SystemClock};
use sync_agent::{Agent, Config};

const STANDARD: &str = "--max-activations 10 --mode render=counted --sync-every 30d";
const FREE: &str = "--rate-per-address 0 --rate-per-license 0";
const HOUR: u64 = 3_600;

/// `counterfoil-agent run` of the device `dev1`. It is killed when it is dropped.
struct Staying {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Staying {
    #[track_caller]
    fn begin(lab: &Lab, options: &str) -> Self {
        let mut child = lab.start_device("dev1", &format!("run {options}"));
        let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut staying = Self { child, lines };
        staying.tells("started");
        staying
    }

    /// The next thing that it tells is `event`.
    #[track_caller]
    fn tells(&mut self, event: &str) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("readable");
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(told["event"], event, "{told:#}");
        told
    }

    #[track_caller]
    fn ends_when_told(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        self.ends();
    }

    #[track_caller]
    fn ends(&mut self) {
        self.tells("ended");
        assert_eq!(self.child.wait().expect("it was started").code(), Some(0));
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Has the wall clock stand ahead for a moment in which the time is kept: afterwards the machine's stands back by so much.
#[track_caller]
fn stood_ahead(lab: &Lab, span: Seconds) {
    let config = Config::new(lab.path("dev1"), Some(lab.read("studio.cfpack")));
    let agent = Agent::open(Config { clock: Arc::new(Ahead(span)), ..config }).expect("nobody is there");
    agent.keep_time().expect("keeps");
}

/// What the device takes for the time.
#[track_caller]
fn time(lab: &Lab) -> Micros {
    Micros::parse(&text(&lab.device("dev1", "status").done(), "time")).expect("RFC 3339")
}

fn monotonic() -> u64 {
    SystemClock.read().monotonic
}

/// Connects what waits at `listener` with `service`.
fn connect(device: TcpStream, service: SocketAddr) {
    let service = TcpStream::connect(service).expect("it listens");
    let pass = |mut from: TcpStream, mut to: TcpStream| thread::spawn(move || io::copy(&mut from, &mut to));
    pass(device.try_clone().expect("a socket"), service.try_clone().expect("a socket"));
    pass(service, device);
}

#[track_caller]
fn activated(lab: &Lab) -> License {
    let license = lab.issue();
    lab.activate("dev1", &license);
    license
}

/// The time in which the program had the directory closed did not count: under a clock that was set back it stood still.
#[test]
fn time_goes_on_from_the_mark_when_the_clock_is_set_back_while_the_agent_stays() {
    let lab = Lab::with_policy(STANDARD);
    activated(&lab);
    let served = lab.serve(FREE);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let mut staying = Staying::begin(&lab, &format!("--server http://{address}"));
    // It waits for the network when the clock is set ahead and back again.
    let (device, _) = listener.accept().expect("it asks");
    stood_ahead(&lab, Seconds(2 * HOUR));
    let before = monotonic();
    connect(device, served.address);
    staying.tells("synced");
    let began = monotonic();
    let mark = time(&lab);
    let ahead = mark.since(SystemClock.read().wall);
    assert!(ahead > Seconds(2 * HOUR - 600).micros(), "the clock stands back: {mark}");
    while monotonic() - began < 1_500_000 {
        lab.device("dev1", "check render").done();
        assert_eq!(time(&lab), mark, "nothing is kept before it is due");
    }
    let passed = monotonic() - began;
    staying.ends_when_told();
    let (kept, at_most) = (time(&lab).since(mark), monotonic() - before);
    assert!((passed..=at_most).contains(&kept), "{passed} to {at_most} passed, {kept} are kept");
    lab.device("dev1", "verify").done();
}

#[test]
fn a_cure_that_another_process_applies_while_the_agent_stays_is_not_undone() {
    let lab = Lab::with_policy(STANDARD);
    activated(&lab);
    stood_ahead(&lab, Seconds(30 * HOUR));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let staying = Staying::begin(&lab, &format!("--server http://{address}"));
    // It has kept the time, and waits for a server that says nothing.
    let _silent = listener.accept().expect("it asks");
    let is_wrong = |time: Micros| time.since(SystemClock.read().wall) > Seconds(HOUR).micros();
    assert!(is_wrong(time(&lab)));
    lab.sync("dev1");
    assert!(!is_wrong(time(&lab)), "the vendor's answer sets it right");
    staying.ends_when_told();
    assert!(!is_wrong(time(&lab)), "and it stays right");
    lab.device("dev1", "verify").done();
}

#[test]
fn an_agent_ends_when_the_vendor_knows_that_its_licence_was_given_back() {
    let lab = Lab::with_policy(STANDARD);
    let license = activated(&lab);
    let served = lab.serve(FREE);
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    for synced in [true, false] {
        let mut staying = Staying::begin(&lab, &format!("--server {}", served.url()));
        if synced {
            assert_eq!(staying.tells("synced")["state"], "deactivated");
        }
        staying.tells("deactivated");
        staying.ends();
    }
    let listed = lab.vendor("activation list").done();
    assert_eq!(text(&listed["activations"][0], "state"), "released");
    // Activated again it stays, also when the vendor takes the seat back.
    let chain = lab.activate("dev1", &license);
    lab.vendor(&format!("activation release {chain} --override")).done();
    let mut staying = Staying::begin(&lab, &format!("--server {}", served.url()));
    assert_eq!(staying.tells("synced")["state"], "released");
    staying.ends_when_told();
}
