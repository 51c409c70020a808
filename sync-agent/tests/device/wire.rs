//! A server on this machine that plays the vendor, one connection after the other, and does to each what a test has in store.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use counterfoil_sync_agent::server::Trust;
use counterfoil_sync_agent::{HttpTransport, Micros, Server};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use schemas::grant::{Ack, GrantBody};
use schemas::ids::ChainId;

use crate::vendor::{Vendor, runs_of};

/// What becomes of a connection.
pub(crate) enum Act {
    /// It is closed as soon as it stands.
    Close,
    /// It is cut after so many bytes of the request.
    Read(usize),
    /// The bundle is taken in, and it is cut after so many bytes of the answer.
    Write(usize),
    /// It is answered with these bytes, and nothing is taken in.
    Say(String),
    /// It is spoken to before it says anything.
    Blurt(&'static str),
    /// It is answered byte by byte.
    Slowly,
    /// The bundle has come, and it is answered when the test says so.
    Hold(Sender<()>, Receiver<()>),
}

/// What was asked, and what the connections get.
#[derive(Default)]
struct Desk {
    acts: VecDeque<Act>,
    heads: Vec<String>,
}

/// The server. It lasts as long as the test's process.
pub(crate) struct Wire {
    address: SocketAddr,
    tls: bool,
    desk: Arc<Mutex<Desk>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Wire {
    /// Answers each bundle by `answer`.
    pub(crate) fn new(answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        Self::serve(None, answer)
    }

    /// The same over TLS.
    pub(crate) fn over_tls(
        config: ServerConfig,
        answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> Self {
        Self::serve(Some(Arc::new(config)), answer)
    }

    fn serve(
        tls: Option<Arc<ServerConfig>>,
        mut answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let desk = Arc::<Mutex<Desk>>::default();
        let wire = Self { address, tls: tls.is_some(), desk: Arc::clone(&desk) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: Box<dyn Stream> = match (stream, &tls) {
                    (Ok(stream), None) => Box::new(stream),
                    (Ok(stream), Some(config)) => {
                        let connection = ServerConnection::new(Arc::clone(config)).expect("a configuration");
                        Box::new(StreamOwned::new(connection, stream))
                    }
                    (Err(_), _) => continue,
                };
                let act = held(&desk).acts.pop_front();
                // A device that hangs up is what some tests are about.
                drop(serve_one(stream.as_mut(), act, &desk, &mut answer));
            }
        });
        wire
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// A transport to it.
    pub(crate) fn transport(&self) -> HttpTransport {
        self.trusted_by(Trust::System)
    }

    pub(crate) fn trusted_by(&self, trust: Trust) -> HttpTransport {
        let server = Server::new(&self.url(), trust, false).expect("an address");
        HttpTransport::new(&server).expect("a transport")
    }

    /// What the next connections get; those after them are answered.
    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        held(&self.desk).acts.extend(acts);
    }

    /// The heads of the requests that came whole.
    pub(crate) fn heads(&self) -> Vec<String> {
        held(&self.desk).heads.clone()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

fn serve_one(
    stream: &mut dyn Stream,
    act: Option<Act>,
    desk: &Mutex<Desk>,
    answer: &mut dyn FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    match act {
        Some(Act::Close) => return Ok(()),
        Some(Act::Read(bytes)) => return stream.read_exact(&mut vec![0; bytes]),
        Some(Act::Blurt(said)) => {
            stream.write_all(said.as_bytes())?;
            return io::copy(stream, &mut io::sink()).map(drop);
        }
        _ => {}
    }
    let (head, body) = read_request(stream)?;
    held(desk).heads.push(head);
    let mut answered = || {
        let body = answer(&body);
        let kind = "application/vnd.counterfoil.grant";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    };
    match act {
        Some(Act::Write(bytes)) => {
            let answer = answered();
            stream.write_all(&answer[..bytes.min(answer.len() - 1)])?;
        }
        Some(Act::Say(said)) => stream.write_all(said.as_bytes())?,
        Some(Act::Slowly) => {
            for byte in answered() {
                stream.write_all(&[byte])?;
                stream.flush()?;
            }
        }
        Some(Act::Hold(came, go_on)) => {
            came.send(()).map_err(io::Error::other)?;
            go_on.recv().map_err(io::Error::other)?;
            stream.write_all(&answered())?;
        }
        _ => stream.write_all(&answered())?,
    }
    stream.flush()
}

fn read_request(stream: &mut dyn Stream) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

/// A vendor that keeps count of what it was sent.
pub(crate) struct Office {
    vendor: Vendor,
    now: Box<dyn Fn() -> Micros + Send>,
    change: Box<dyn FnMut(&mut GrantBody) + Send>,
    heads: BTreeMap<ChainId, Ack>,
    /// The first and the last place of each run, in the order in which they came.
    pub(crate) spans: Vec<(u64, u64)>,
    /// Runs before which events were missing.
    pub(crate) gaps: usize,
}

impl Office {
    /// An office with this clock, whose grants differ from the usual ones as `change` says.
    pub(crate) fn new(
        now: impl Fn() -> Micros + Send + 'static,
        change: impl FnMut(&mut GrantBody) + Send + 'static,
    ) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            vendor: Vendor::new(),
            now: Box::new(now),
            change: Box::new(change),
            heads: BTreeMap::new(),
            spans: Vec::new(),
            gaps: 0,
        }))
    }

    /// A server at which this office answers.
    pub(crate) fn on_the_wire(office: &Arc<Mutex<Self>>) -> Wire {
        let office = Arc::clone(office);
        Wire::new(move |bundle| held(&office).answer(bundle))
    }

    /// The same over TLS.
    pub(crate) fn over_tls(office: &Arc<Mutex<Self>>, config: ServerConfig) -> Wire {
        let office = Arc::clone(office);
        Wire::over_tls(config, move |bundle| held(&office).answer(bundle))
    }

    fn answer(&mut self, bundle: &[u8]) -> Vec<u8> {
        let mut chains = Vec::new();
        for run in runs_of(bundle) {
            let known = self.heads.entry(run.chain()).or_insert(Ack::NONE);
            let (first, last) = (run.span().first.0, run.span().last.0);
            self.spans.push((first, last));
            if first > known.seq.0 + 1 {
                self.gaps += 1;
            } else if last > known.seq.0 {
                *known = Ack::from(run.head());
            }
            chains.push(run.chain());
        }
        chains.dedup();
        let heads = chains.into_iter().map(|chain| (chain, self.heads[&chain])).collect();
        self.vendor.acknowledge(heads, (self.now)(), &mut self.change)
    }

    /// How far the vendor has a chain.
    pub(crate) fn has(&self, chain: ChainId) -> u64 {
        self.heads.get(&chain).map_or(0, |ack| ack.seq.0)
    }
}
