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
use super::room::{Place, Room, holding};
use super::watch::{Owed, Watch};

/// Bytes of an answer that need no room of their own.
const SHORT: u64 = 16 * 1024;
/// Bytes for which one place is taken.
const PLACE: u64 = 16 * 1024;
/// Bytes of long answers that are in memory at the same time.
const LONG: u64 = 256 * 1024 * 1024;

/// Room for answers that are on their way.
#[derive(Debug)]
pub(super) struct Answers(Room);

/// Marks an answer whose bytes are there in any case, however often it is given: it takes no room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared;

/// The room of one answer, and that its connection owes it to somebody.
struct Hold {
    _place: Place,
    _owed: Owed,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self(Room::new(usize::try_from(LONG / PLACE).unwrap_or(usize::MAX)))
    }

    /// An answer to a client, which takes its room with it; or that there is none, where the same may be asked for again. What
    /// comes from a file, piece by piece, is not in memory and needs none. One that is larger than a network's share takes all
    /// of that.
    pub(super) fn send(
        &self,
        client: IpAddr,
        watch: Option<&Arc<Watch>>,
        may_come_again: bool,
        answer: Response,
    ) -> Response {
        let size = answer.body().size_hint().exact().filter(|size| *size > SHORT);
        let Some((size, watch)) = size.zip(watch) else { return answer };
        if answer.extensions().get::<Shared>().is_some() {
            return answer;
        }
        let places = u32::try_from(size.div_ceil(PLACE)).unwrap_or(u32::MAX);
        match self.0.take(client, places.min(self.0.share())) {
            Some(place) => {
                let hold = Arc::new(Hold { _place: place, _owed: watch.owe() });
                answer.map(|body| Body::new(Long { body, hold }))
            }
            None if may_come_again => Problem::from(Code::Overloaded).into_response(),
            None => answer,
        }
    }
}

/// A body that takes its room with it.
struct Long {
    body: Body,
    hold: Arc<Hold>,
}

impl HttpBody for Long {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let held = |bytes: Bytes| holding(bytes, Arc::clone(&self.hold));
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
    use axum::Extension;
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
        let watch = Arc::default();
        let send = |size| answers.send(client, Some(&watch), true, answer(size));
        let long = send(2 * share);
        assert!(long.status().is_success());
        assert_eq!(long.body().size_hint().exact(), Some(2 * share), "it is as long as it was");
        assert_eq!(send(SHORT + 1).status(), 503);
        assert!(send(SHORT).status().is_success(), "a short one needs none");
        let told = answers.send(client, Some(&watch), false, answer(SHORT + 1));
        assert!(told.status().is_success(), "what was done is told in any case");
        let shared = (Extension(Shared), answer(SHORT + 1)).into_response();
        assert!(answers.send(client, Some(&watch), true, shared).status().is_success());
        let bytes = runtime.block_on(long.into_body().collect()).expect("it is there").to_bytes();
        assert_eq!(bytes.len() as u64, 2 * share);
        let rest = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(send(SHORT + 1).status(), 503, "a byte of it is still there");
        drop(rest);
        assert!(send(SHORT + 1).status().is_success());
    }
}
