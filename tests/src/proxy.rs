//! Between a program and a PostgreSQL server: hears every statement that goes by, and lets one of them fail.
//!
//! Both sides always agree on what happened. An error is raised by the server itself, in the place of the statement that
//! fails; a connection that is cut is cut on both sides. The protocol is version 3, as far as clients speak it that begin
//! with neither encryption nor a password.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use tempfile::TempDir;

use crate::postgres::{SOCKET, Server, through};

/// A function that raises what it is told to. It claims that it always gives the same, so that the server calls it already
/// while it plans: the first message that names it fails, whatever the protocol. A shutdown is a real one.
pub const RAISES: &str = "
    CREATE FUNCTION raised(state text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF state = '57P01' THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
            PERFORM pg_sleep(60);
        END IF;
        RAISE EXCEPTION 'raised by a test' USING ERRCODE = state;
    END $$";
/// How the statements are called that raise, on every connection, before the SQLSTATE.
const RAISING: &str = "raising_";

/// A kind of message that a server may answer with an error.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A text that is carried out at once.
    Query,
    /// A statement that is prepared.
    Parse,
    /// A prepared statement that is carried out.
    Execute,
}

/// A message among those of a run: the `number`th of its kind with this text, counted from 0.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Point {
    /// What it does.
    pub kind: Kind,
    /// The statement.
    pub sql: String,
    /// How many of the same went before it.
    pub number: usize,
}

/// What goes wrong at a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The server refuses it with this SQLSTATE.
    Refused(&'static str),
    /// The server carries out the text, and then answers with this SQLSTATE all the same.
    DoneAndRefused(&'static str),
    /// The connection is cut before the message comes to the server.
    CutBefore,
    /// The server carries it out, and the connection is cut before the answer comes back.
    CutAfter,
}

/// A socket that leads to a server. It listens until the process ends.
#[derive(Debug)]
pub struct Proxy {
    folder: TempDir,
    heard: Arc<Mutex<Heard>>,
}

/// What went by, and what is to go wrong.
#[derive(Debug, Default)]
struct Heard {
    points: Vec<Point>,
    counts: BTreeMap<(Kind, String), usize>,
    /// What is still to go wrong, in this order.
    plan: VecDeque<(Point, Fault)>,
}

impl Fault {
    fn state(self) -> Option<&'static str> {
        match self {
            Self::Refused(state) | Self::DoneAndRefused(state) => Some(state),
            Self::CutBefore | Self::CutAfter => None,
        }
    }
}

impl Proxy {
    /// Listens, and leads to `server`.
    ///
    /// # Panics
    /// When no socket can be made.
    pub fn before(server: &Server) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a new socket");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (socket, of_thread) = (server.socket(), Arc::clone(&heard));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (socket, heard) = (socket.clone(), Arc::clone(&of_thread));
                // A connection that ends in whatever way is no more than that.
                thread::spawn(move || drop(relay(client, &socket, &heard)));
            }
        });
        Self { folder, heard }
    }

    /// The URL by which the database at `url` is reached through this.
    pub fn through(&self, url: &str) -> String {
        through(self.folder.path(), url)
    }

    /// Forgets what went by, and lets the parts of `plan` go wrong from now on, one after the other and each once.
    pub fn expect(&self, plan: impl IntoIterator<Item = (Point, Fault)>) {
        *lock(&self.heard) = Heard { plan: plan.into_iter().collect(), ..Heard::default() };
    }

    /// The messages that went by.
    pub fn points(&self) -> Vec<Point> {
        lock(&self.heard).points.clone()
    }

    /// What was planned and did not go wrong yet.
    pub fn still_planned(&self) -> Vec<(Point, Fault)> {
        lock(&self.heard).plan.iter().cloned().collect()
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().expect("nothing panics while it is held")
}

impl Heard {
    /// Notes a message; the fault that is planned for it.
    fn hear(&mut self, kind: Kind, sql: &str) -> Option<Fault> {
        let count = self.counts.entry((kind, sql.to_owned())).or_default();
        let point = Point { kind, sql: sql.to_owned(), number: *count };
        *count += 1;
        let is_next = self.plan.front().is_some_and(|(planned, _)| *planned == point);
        self.points.push(point);
        is_next.then(|| self.plan.pop_front()).flatten().map(|(_, fault)| fault)
    }
}

/// One connection, to its end.
fn relay(mut client: UnixStream, socket: &Path, heard: &Mutex<Heard>) -> io::Result<()> {
    let mut server = UnixStream::connect(socket)?;
    let states = lock(heard).plan.iter().filter_map(|(_, fault)| fault.state()).collect();
    begin(&mut client, &mut server, states)?;
    let cut = Arc::new(AtomicBool::new(false));
    let (from, to, is_cut) = (server.try_clone()?, client.try_clone()?, Arc::clone(&cut));
    let answers = thread::spawn(move || pass_answers(from, to, &is_cut));
    let mut requests =
        Requests { server: server.try_clone()?, heard, cut, statements: Names::new(), portals: Names::new() };
    let mut passed = Ok(true);
    while matches!(passed, Ok(true)) {
        passed = read_message(&mut client).and_then(|message| requests.pass(&message));
    }
    // Whoever waits for the other side is woken up.
    drop(client.shutdown(Shutdown::Both));
    drop(server.shutdown(Shutdown::Both));
    drop(answers.join());
    passed.map(drop)
}

/// Passes on what both say before the client may ask for anything, and prepares what raises the planned errors.
fn begin(client: &mut UnixStream, server: &mut UnixStream, states: BTreeSet<&str>) -> io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut startup)?;
    server.write_all(&[&length[..], &startup].concat())?;
    let ready = pass_until_ready(server, |message| client.write_all(&message.bytes()))?;
    for state in states {
        let parse = format!("{RAISING}{state}\0{}\0\0\0", raise(state));
        server.write_all(&Message::new(b'P', parse.into_bytes()).bytes())?;
        server.write_all(&Message::new(b'S', Vec::new()).bytes())?;
        pass_until_ready(server, |message| {
            assert_eq!(
                message.tag,
                b'1',
                "what raises is prepared: {:?}",
                String::from_utf8_lossy(&message.body)
            );
            Ok(())
        })?;
    }
    client.write_all(&ready.bytes())
}

/// Hands on messages of a server up to the one that says that it is ready, which is returned.
fn pass_until_ready(
    server: &mut UnixStream,
    mut pass: impl FnMut(&Message) -> io::Result<()>,
) -> io::Result<Message> {
    loop {
        let message = read_message(server)?;
        if message.tag == b'Z' {
            return Ok(message);
        }
        pass(&message)?;
    }
}

/// Passes answers on, unless the connection is to be cut before the next one.
fn pass_answers(mut server: UnixStream, mut client: UnixStream, cut: &AtomicBool) {
    let mut chunk = vec![0; 65_536];
    loop {
        let length = server.read(&mut chunk).unwrap_or(0);
        if length == 0 || cut.load(Ordering::SeqCst) || client.write_all(&chunk[..length]).is_err() {
            // A client that is waiting hears that nothing more comes.
            drop(client.shutdown(Shutdown::Both));
            drop(server.shutdown(Shutdown::Both));
            return;
        }
    }
}

fn raise(state: &str) -> String {
    format!("SELECT raised('{state}')")
}

type Names = BTreeMap<String, String>;

/// What a client asks on one connection.
struct Requests<'a> {
    server: UnixStream,
    heard: &'a Mutex<Heard>,
    /// Set when no more answers may come back.
    cut: Arc<AtomicBool>,
    /// Prepared statements by name.
    statements: Names,
    /// The statements of portals, by the portals' names.
    portals: Names,
}

impl Requests<'_> {
    /// Passes a message on as the plan says; whether there may be another one.
    fn pass(&mut self, message: &Message) -> io::Result<bool> {
        let (first, rest) = message.text();
        let (kind, sql) = match message.tag {
            b'Q' => (Kind::Query, first),
            b'P' => {
                let sql = text(rest).0;
                self.statements.insert(first, sql.clone());
                (Kind::Parse, sql)
            }
            b'B' => {
                let statement = self.statements.get(&text(rest).0).cloned().unwrap_or_default();
                self.portals.insert(first, statement);
                return self.send(message).map(|()| true);
            }
            b'E' => (Kind::Execute, self.portals.get(&first).cloned().unwrap_or_default()),
            _ => return self.send(message).map(|()| true),
        };
        let fault = lock(self.heard).hear(kind, &sql);
        match fault {
            None => self.send(message)?,
            Some(Fault::CutBefore) => return Ok(false),
            Some(Fault::CutAfter) => {
                self.cut.store(true, Ordering::SeqCst);
                self.send(message)?;
            }
            Some(Fault::Refused(state)) if kind == Kind::Query => {
                self.send(&Message::query(&raise(state)))?;
            }
            Some(Fault::Refused(state)) => {
                // What raises is bound first. After that the server passes over everything up to the next Sync.
                let bind = format!("\0{RAISING}{state}\0\0\0\0\0\0\0");
                self.send(&Message::new(b'B', bind.into_bytes()))?;
                self.send(message)?;
            }
            Some(Fault::DoneAndRefused(state)) => {
                assert_eq!(kind, Kind::Query, "only a text can be followed by another one");
                self.send(&Message::query(&format!("{sql}; {}", raise(state))))?;
            }
        }
        Ok(true)
    }

    fn send(&mut self, message: &Message) -> io::Result<()> {
        self.server.write_all(&message.bytes())
    }
}

/// A message: what it is, and what follows its length.
struct Message {
    tag: u8,
    body: Vec<u8>,
}

impl Message {
    fn new(tag: u8, body: Vec<u8>) -> Self {
        Self { tag, body }
    }

    fn query(sql: &str) -> Self {
        Self::new(b'Q', format!("{sql}\0").into_bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len() + 4).expect("a message is short");
        [&[self.tag][..], &length.to_be_bytes(), &self.body].concat()
    }

    /// The text at its beginning, and what follows it.
    fn text(&self) -> (String, &[u8]) {
        text(&self.body)
    }
}

fn read_message(from: &mut UnixStream) -> io::Result<Message> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    from.read_exact(&mut body)?;
    Ok(Message::new(tag, body))
}

/// The text up to the first zero byte, and what follows it.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes.get(end + 1..).unwrap_or_default())
}
