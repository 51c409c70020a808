//! Large answers: each takes room for as long as any of its bytes is in memory, so that clients who take nothing hold only so
//! much of it.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use schemas::codes::Code;

use super::problem::Problem;
use super::room::{Place, Room};

/// Bytes of an answer that need no room of their own.
const SHORT: u64 = 64 * 1024;
/// Bytes for which one place is taken.
const PLACE: u64 = 64 * 1024;
/// Bytes of long answers that are in memory at the same time.
const LONG: u64 = 256 * 1024 * 1024;

/// Room for answers that are on their way.
#[derive(Debug)]
pub(super) struct Answers(Room);

/// Bytes that take room.
struct Held {
    bytes: Bytes,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answers {
    pub(super) fn new() -> Self {
        Self(Room::new(usize::try_from(LONG / PLACE).unwrap_or(usize::MAX)))
    }

    /// An answer to a client, which takes its room with it; or that there is none. What comes from a file, piece by piece, is
    /// not in memory and needs none.
    pub(super) fn send(&self, client: IpAddr, answer: Response) -> Response {
        let Some(size) = answer.body().size_hint().exact().filter(|size| *size > SHORT) else {
            return answer;
        };
        let places = u32::try_from(size.div_ceil(PLACE)).unwrap_or(u32::MAX);
        match self.0.take(client, places) {
            Some(place) => answer.map(|body| Body::new(Long { body, place: Arc::new(place) })),
            None => Problem::from(Code::Overloaded).into_response(),
        }
    }
}

/// A body that takes its room with it.
struct Long {
    body: Body,
    place: Arc<Place>,
}

impl HttpBody for Long {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let held = |bytes| Bytes::from_owner(Held { bytes, _place: Arc::clone(&self.place) });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn answer(size: u64) -> Response {
        Body::from(vec![7; usize::try_from(size).expect("it fits")]).into_response()
    }

    #[test]
    fn room_is_taken_until_the_last_byte_is_gone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answers = Answers::new();
        let client = "192.0.2.1".parse().expect("an address");
        let share = LONG / 4;
        let sent = answers.send(client, answer(share));
        assert!(sent.status().is_success());
        assert_eq!(sent.body().size_hint().exact(), Some(share), "it is as long as it was");
        assert_eq!(answers.send(client, answer(SHORT + 1)).status(), 503);
        assert!(answers.send(client, answer(SHORT)).status().is_success(), "a short one needs none");
        let bytes = runtime.block_on(sent.into_body().collect()).expect("it is there").to_bytes();
        assert_eq!(bytes.len() as u64, share);
        let rest = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(answers.send(client, answer(SHORT + 1)).status(), 503, "a byte of it is still there");
        drop(rest);
        assert!(answers.send(client, answer(SHORT + 1)).status().is_success());
    }
}
