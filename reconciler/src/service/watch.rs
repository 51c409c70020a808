//! Whether a connection is of use to anybody: one on which nothing is answered and nothing taken for a while is cut, whatever
//! it pretends to be about to say.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often it is looked at a connection.
const LOOK: Duration = Duration::from_secs(10);
/// So many times in a row nothing may have happened on it.
const LOOKS: u32 = 3;
/// Bytes that are taken between two looks where something is taken in earnest: more than what only keeps a connection alive.
const LEAST_BYTES: u64 = 1_024;

/// The same while long answers wait to be taken.
const LEAST_OF_MUCH: u64 = 16 * 1_024;

/// What happens on one connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Requests that are being worked on.
    at_work: AtomicUsize,
    /// Requests that were answered and not refused.
    answered: AtomicU64,
    /// Long answers of which bytes wait here to be taken.
    owed: AtomicUsize,
    /// Bytes that the other end took.
    taken: AtomicU64,
}

/// A long answer of which bytes wait to be taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Owed(Arc<Watch>);

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.owed.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that is being worked on, until this is dropped.
#[derive(Debug)]
pub(super) struct AtWork(Arc<Watch>);

impl Watch {
    /// Notes a request.
    pub(super) fn begin(self: &Arc<Self>) -> AtWork {
        self.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(Arc::clone(self))
    }

    /// Notes a long answer.
    pub(super) fn owe(self: &Arc<Self>) -> Owed {
        self.owed.fetch_add(1, Ordering::Relaxed);
        Owed(Arc::clone(self))
    }

    /// Returns when nothing was answered and nothing taken for so long that the connection may be cut.
    pub(super) async fn until_useless(&self) {
        let (mut idle, mut answered, mut taken) = (0, 0, 0);
        while idle < LOOKS {
            tokio::time::sleep(LOOK).await;
            let (more, bytes) = (self.answered.load(Ordering::Relaxed), self.taken.load(Ordering::Relaxed));
            let just_taken = bytes.saturating_sub(taken);
            // Whoever asked for much takes it, whatever else is asked meanwhile.
            let is_used = if self.owed.load(Ordering::Relaxed) > 0 {
                just_taken >= LEAST_OF_MUCH
            } else {
                self.at_work.load(Ordering::Relaxed) > 0 || more > answered || just_taken >= LEAST_BYTES
            };
            idle = if is_used { 0 } else { idle + 1 };
            (answered, taken) = (more, bytes);
        }
    }
}

impl AtWork {
    /// The request was answered, or refused.
    pub(super) fn end(self, is_answered: bool) {
        if is_answered {
            self.0.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose taken bytes are counted.
pub(super) struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.watch.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::{Instant, advance, pause};

    use super::*;

    fn timed<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            pause();
            test.await
        })
    }

    #[test]
    fn a_connection_on_which_nothing_happens_is_of_no_use_in_the_end() {
        timed(async {
            let begun = Instant::now();
            Watch::default().until_useless().await;
            assert_eq!(begun.elapsed().as_secs() / 10, u64::from(LOOKS));
        });
    }

    #[test]
    fn whoever_waits_for_an_answer_or_takes_one_is_not_cut_off() {
        timed(async {
            let watch = Arc::new(Watch::default());
            let at_work = watch.begin();
            let (ours, _theirs) = tokio::io::duplex(1 << 20);
            let mut stream = Watched::new(ours, Arc::clone(&watch));
            let ended = watch.until_useless();
            tokio::pin!(ended);
            for step in 0..20 {
                assert!((&mut ended).now_or_never().is_none(), "{step}: at work");
                advance(LOOK + Duration::from_millis(1)).await;
            }
            at_work.end(false);
            for step in 0..20 {
                stream.write_all(&[0; 2_048]).await.expect("there is room");
                assert!((&mut ended).now_or_never().is_none(), "{step}: it takes");
                advance(LOOK + Duration::from_millis(1)).await;
            }
            for _ in 0..5 {
                stream.write_all(&[0; 17]).await.expect("there is room");
                advance(LOOK + Duration::from_millis(1)).await;
                if (&mut ended).now_or_never().is_some() {
                    return;
                }
            }
            panic!("what only keeps a connection alive does not");
        });
    }

    #[test]
    fn whoever_is_answered_stays_and_whoever_is_refused_does_not() {
        timed(async {
            let watch = Arc::new(Watch::default());
            let ended = watch.until_useless();
            tokio::pin!(ended);
            for step in 0..20 {
                watch.begin().end(true);
                assert!((&mut ended).now_or_never().is_none(), "{step}");
                advance(LOOK + Duration::from_millis(1)).await;
            }
            for _ in 0..5 {
                watch.begin().end(false);
                advance(LOOK + Duration::from_millis(1)).await;
                if (&mut ended).now_or_never().is_some() {
                    return;
                }
            }
            panic!("what is refused is of no use");
        });
    }

    #[test]
    fn whoever_asked_for_much_takes_it_whatever_else_is_asked() {
        timed(async {
            let watch = Arc::new(Watch::default());
            let owed = watch.owe();
            let (ours, _theirs) = tokio::io::duplex(1 << 20);
            let mut stream = Watched::new(ours, Arc::clone(&watch));
            let ended = watch.until_useless();
            tokio::pin!(ended);
            for step in 0..20 {
                stream.write_all(&vec![0; 17 * 1_024]).await.expect("there is room");
                assert!((&mut ended).now_or_never().is_none(), "{step}: it takes");
                advance(LOOK + Duration::from_millis(1)).await;
            }
            for _ in 0..5 {
                watch.begin().end(true);
                stream.write_all(&[0; 2_048]).await.expect("there is room");
                advance(LOOK + Duration::from_millis(1)).await;
                if (&mut ended).now_or_never().is_some() {
                    drop(owed);
                    return;
                }
            }
            panic!("small answers do not stand for the long one");
        });
    }
}
