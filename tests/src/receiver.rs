//! A receiver of webhooks: what it was sent, and what it answers.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ledger::keys;
use schemas::ids::{PublicKey, Signature};
use serde_json::Value;
use sha2::Sha256;

/// How long is waited for a message before it is given up.
const GIVE_UP: Duration = Duration::from_mins(3);

/// The receiver, on a port of its own. It takes every message unless it was told to answer otherwise.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    received: mpsc::Receiver<Received>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

/// A message that came.
#[derive(Clone, Debug)]
pub struct Received {
    head: String,
    body: String,
}

impl Receiver {
    /// Begins to listen.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let answers: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let (tell, received) = mpsc::channel();
        let answering = Arc::clone(&answers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Some((mut stream, message)) = stream.ok().and_then(read) else { continue };
                let answer = answering.lock().expect("nobody panics").pop_front();
                let answer = answer.unwrap_or_else(|| "204 No Content".to_owned());
                if tell.send(message).is_err() {
                    return;
                }
                if answer == "silence" {
                    // Held open by whoever never answers.
                    thread::spawn(move || drop(stream.read(&mut [0])));
                    continue;
                }
                let (status, body) = answer.split_once('|').unwrap_or((&answer, ""));
                let length = body.len();
                // Whoever has hung up is not told.
                drop(write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"));
            }
        });
        Self { address, received, answers }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Has it answer the next messages so, one after the other: a status with its reason, headers below it, and after a `|`
    /// the body; or `silence`.
    ///
    /// # Panics
    /// Never while the thread that listens is well.
    pub fn answer(&self, answers: &[&str]) {
        let answers = answers.iter().map(|answer| (*answer).to_owned());
        self.answers.lock().expect("nobody panics").extend(answers);
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn next(&self) -> Received {
        self.received.recv_timeout(GIVE_UP).expect("a message comes")
    }

    /// Whether nothing came that was not taken out.
    pub fn is_empty(&self) -> bool {
        matches!(self.received.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout))
    }
}

impl Received {
    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value.trim())
    }

    /// The first line of the request.
    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The body, byte by byte.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What it tells.
    ///
    /// # Panics
    /// If it does not say so.
    #[track_caller]
    pub fn topic(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Whether its signature is good by a secret (`whsec_…`) or a public key (`whpk_…`), as whoever receives one checks it.
    ///
    /// # Panics
    /// If the key is neither.
    pub fn is_signed_by(&self, key: &str) -> bool {
        let content = format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.body);
        let Some((scheme, signature)) = self.header("webhook-signature").split_once(',') else {
            return false;
        };
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else { return false };
        let (kind, key) = key.split_once('_').expect("a key says its kind");
        let key = BASE64.decode(key.as_bytes()).expect("base64");
        match (kind, scheme) {
            ("whsec", "v1") => {
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
                mac.update(content.as_bytes());
                mac.verify_slice(&signature).is_ok()
            }
            ("whpk", "v1a") => {
                let key = PublicKey(key.try_into().expect("32 bytes"));
                signature
                    .try_into()
                    .is_ok_and(|bytes| keys::verify(&key, content.as_bytes(), &Signature(bytes)))
            }
            _ => false,
        }
    }
}

/// Reads one request.
fn read(mut stream: TcpStream) -> Option<(TcpStream, Received)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let body = bytes[end + 4..].to_vec();
            let received = Received { head, body: String::from_utf8(body).ok()? };
            if received.body.len() >= received.header("content-length").parse().ok()? {
                return Some((stream, received));
            }
        }
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
