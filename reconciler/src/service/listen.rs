//! Connections: taken up to a number, encrypted where that is asked for, and ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::client::{Peer, Proxies, TooMany, network};
use super::networks::Networks;
use super::watch::{Watch, Watched};
use super::{Service, metrics, openapi};

/// How long a client may take over the head of a request, or say nothing between two of them.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take to agree on encryption.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 16;
/// Of all connections, the part that one network may have, unless a proxy is there that is known by name; and so many at least.
const SHARE: usize = 4;
const LEAST_SHARE: usize = 64;
/// Connections beyond the allowed ones, which are told that there is no room. More are closed.
const TOLD: usize = 64;
/// How long what was accepted may take to be answered when the service ends.
const ENDING: Duration = Duration::from_secs(20);
/// How often what was counted is tidied up.
const TIDY: Duration = Duration::from_mins(1);

/// What tells the service to end, heard from the moment on at which this is made.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Hears SIGTERM and SIGINT from now on, on the runtime that this is called on.
    ///
    /// # Errors
    /// When there can be no signals.
    pub(super) fn hear() -> Result<Self, Refusal> {
        let failed = |error: std::io::Error| Refusal::from_error(Code::IoFailed, &error);
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt()).map_err(failed)? })
    }
}

/// Serves until it is told to end; then nobody new is taken in, and what was accepted is answered.
pub(super) async fn until_told(
    mut signals: Signals,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    connections: usize,
) -> Exit {
    let door = Door {
        router: openapi::router(Arc::clone(&service)),
        tls,
        places: Arc::new(Semaphore::new(connections)),
        told: Arc::new(Semaphore::new(TOLD)),
        networks: Networks::new((connections / SHARE).max(LEAST_SHARE)),
        proxies: service.proxies.clone(),
    };
    let mut tidy = tokio::time::interval(TIDY);
    let connections = GracefulShutdown::new();
    let exit = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => door.admit(stream, address, connections.watcher()),
                // Too many open files, or a client that was gone already: the next one may be taken.
                Err(error) => {
                    tracing::warn!(error = %error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            _ = tidy.tick() => {
                service.rates.forget();
                service.metrics.tidy();
                tokio::spawn(tidied(Arc::clone(&service)));
            }
            _ = signals.terminate.recv() => break Exit::Done,
            _ = signals.interrupt.recv() => break Exit::Interrupted,
        }
    };
    drop(listener);
    service.health.end();
    service.imports.end();
    tracing::info!("ending");
    if tokio::time::timeout(ENDING, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests were cut off: they took too long");
    }
    exit
}

/// Removes what was kept long enough.
async fn tidied(service: Arc<Service>) {
    let forgotten = service.office.lend(crate::vendor::Vendor::forget_requests).await;
    for refusal in [forgotten, service.imports.tidy().await].into_iter().filter_map(Result::err) {
        tracing::warn!(code = refusal.code().word(), detail = refusal.detail(), "tidying up failed");
    }
}

/// Where connections come in.
struct Door {
    router: Router,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    told: Arc<Semaphore>,
    networks: Networks,
    proxies: Proxies,
}

impl Door {
    fn admit(&self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        let is_proxy = self.proxies.has(address.ip());
        let share = if is_proxy { None } else { Some(self.networks.take(network(address.ip()), 1)) };
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let is_full = place.is_none() || share.as_ref().is_some_and(Option::is_none);
        let told = Arc::clone(&self.told);
        let place = if is_full { told.try_acquire_owned().ok() } else { place };
        let Some(place) = place else { return };
        // Small answers go out at once.
        drop(stream.set_nodelay(true));
        let visitor =
            Visitor { router: self.router.clone(), peer: Peer(address.ip()), too_many: TooMany(is_full) };
        let tls = self.tls.clone();
        tokio::spawn(async move {
            let _places = (place, share);
            let _open = metrics::connected();
            match tls {
                None => visitor.serve(stream, watcher).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                        visitor.serve(stream, watcher).await;
                    }
                }
            }
        });
    }
}

/// One connection's way to the routes.
#[derive(Clone)]
struct Visitor {
    router: Router,
    peer: Peer,
    too_many: TooMany,
}

impl Visitor {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, watcher: Watcher) {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(HEAD)
            .keep_alive_timeout(HEAD);
        let Self { router, peer, too_many } = self;
        let watch = Arc::new(Watch::default());
        let stream = Watched::new(stream, Arc::clone(&watch));
        let seen = Arc::clone(&watch);
        let answer = service_fn(move |request: Request<Incoming>| {
            let at_work = seen.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(too_many);
            request.extensions_mut().insert(Arc::clone(&seen));
            let answered = router.clone().oneshot(request);
            async move {
                let answer = answered.await;
                at_work.end(answer.as_ref().is_ok_and(is_of_use));
                answer
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), answer).into_owned();
        // A client that hangs up, or does not speak HTTP, is no event.
        tokio::select! {
            ended = watcher.watch(connection) => drop(ended),
            () = watch.until_useless() => {}
        }
    }
}

/// Whether an answer was worth its request: nobody keeps a connection by what is refused.
fn is_of_use(answer: &Response) -> bool {
    !answer.status().is_client_error() && !answer.status().is_server_error()
}
