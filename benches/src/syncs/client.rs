//! Many connections that are kept, from one thread. Requests are ready before they are sent, and of an answer no more is read
//! than has to be, so that the machine is left to the service.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Headers of an answer at most.
const HEADERS: usize = 32;
/// How a file of grants begins (docs/formats/files.md).
const GRANTS: &[u8] = b"\xcfCFG";

/// The bytes of a request that exchanges a bundle.
pub(crate) fn exchange(bundle: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/exchange HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/vnd.counterfoil.bundle\r\n\
         content-length: {}\r\n\r\n",
        bundle.len()
    );
    [head.as_bytes(), bundle].concat()
}

/// Connections that are open.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// What was read of an answer.
    buffer: Vec<u8>,
}

impl Client {
    /// Opens so many.
    pub(crate) fn connect(to: SocketAddr, connections: usize) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let opened = runtime.block_on(try_join_all((0..connections).map(|_| Connection::open(to))))?;
        Ok(Self { runtime, connections: opened })
    }

    /// Sends requests over each connection, one after the other, over all connections at one time; `answered` sees each answer
    /// with the connection's number.
    ///
    /// # Errors
    /// For any answer that is no licence file, and when a connection is cut.
    pub(crate) fn send<'a, R: Iterator<Item = &'a Vec<u8>>>(
        &mut self,
        requests: impl Fn(usize) -> R,
        answered: impl Fn(usize, &[u8]),
    ) -> anyhow::Result<Vec<Duration>> {
        let (requests, answered) = (&requests, &answered);
        let sending = self.connections.iter_mut().enumerate().map(|(number, connection)| async move {
            let mut waits = Vec::new();
            for request in requests(number) {
                let start = Instant::now();
                let answer = connection.exchange(request).await?;
                waits.push(start.elapsed());
                answered(number, answer);
            }
            anyhow::Ok(waits)
        });
        Ok(self.runtime.block_on(try_join_all(sending))?.concat())
    }
}

impl Connection {
    async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and reads the licence file that answers it.
    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let body = loop {
            if let Some((begin, end)) = whole(&self.buffer)? {
                break &self.buffer[begin..end];
            }
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the service cut a connection");
        };
        ensure!(body.starts_with(GRANTS), "an answer is no licence file");
        Ok(body)
    }
}

/// Where the body of an answer begins and ends, once all of it is there.
fn whole(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = answer.parse(bytes)? else { return Ok(None) };
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer without a length")?;
    let end = begin + std::str::from_utf8(length.value)?.parse::<usize>()?;
    if bytes.len() < end {
        return Ok(None);
    }
    if answer.code != Some(200) {
        bail!("an answer with status {:?}: {}", answer.code, String::from_utf8_lossy(&bytes[begin..end]));
    }
    Ok(Some((begin, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
        for cut in 0..answer.len() {
            assert_eq!(whole(&answer[..cut]).expect("well formed"), None, "{cut}");
        }
        assert_eq!(whole(answer).expect("well formed"), Some((answer.len() - 4, answer.len())));
    }

    #[test]
    fn what_is_no_good_answer_ends_the_load() {
        for answer in [
            &b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(whole(answer).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }
}
