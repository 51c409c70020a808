//! A line to a server that is cut after so many bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// After so many bytes from the client.
    Asking(u64),
    /// After so many bytes from the server.
    Answering(u64),
}

/// A listener that passes on what comes, and cuts the first connection.
#[derive(Debug)]
pub struct Line {
    /// Where it listens.
    pub address: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Line {
    /// A line to `server`, whose first connection is cut.
    ///
    /// # Panics
    /// If nothing can listen on this machine.
    pub fn to(server: SocketAddr, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let cut = (number == 0).then_some(cut);
                // A connection that fails is one that was cut.
                drop(client.and_then(|client| pass(&client, server, cut, &count)));
            }
        });
        Self { address, sent }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes that clients sent and that were passed on.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

fn pass(client: &TcpStream, server: SocketAddr, cut: Option<Cut>, sent: &Arc<AtomicU64>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (asking, answering) = match cut {
        Some(Cut::Asking(bytes)) => (bytes, u64::MAX),
        Some(Cut::Answering(bytes)) => (u64::MAX, bytes),
        None => (u64::MAX, u64::MAX),
    };
    let (from, to, count) = (client.try_clone()?, server.try_clone()?, Arc::clone(sent));
    thread::spawn(move || {
        let copied = copy(&from, &to, asking);
        count.fetch_add(copied, Ordering::SeqCst);
        if copied == asking {
            end(&from, &to);
        }
    });
    copy(&server, client, answering);
    end(client, &server);
    Ok(())
}

/// Passes bytes on as they come, so many at most; how many it were.
fn copy(mut from: &TcpStream, mut to: &TcpStream, most: u64) -> u64 {
    let mut buffer = [0; 4096];
    let mut copied = 0;
    while copied < most {
        let room = usize::try_from(most - copied).unwrap_or(usize::MAX).min(buffer.len());
        match from.read(&mut buffer[..room]) {
            Ok(read @ 1..) if to.write_all(&buffer[..read]).is_ok() => copied += read as u64,
            _ => break,
        }
    }
    copied
}

fn end(left: &TcpStream, right: &TcpStream) {
    for stream in [left, right] {
        // One that is closed already stays so.
        drop(stream.shutdown(Shutdown::Both));
    }
}
