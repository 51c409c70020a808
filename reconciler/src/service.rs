//! The service: the ledger over HTTP.
//!
//! ```text
//! listen -> guard (request id, limits, log) -> a route -> desk (bundles, many a commit), imports (uploads, one after the
//!                                                        other) or office (all else)
//! ```
//!
//! Routes are thin: what a request asks for is done by the same units of work as on the command line, on threads that may
//! wait. Several processes may serve one PostgreSQL; they share nothing but the ledger. Beside the routes, what the ledger has
//! for endpoints of webhooks is sent.

mod answers;
mod api;
mod auth;
mod body;
mod client;
mod codes;
mod descriptors;
mod desk;
mod exchange;
mod guard;
mod health;
mod html;
mod imports;
mod input;
mod listen;
mod log;
mod metrics;
mod networks;
mod office;
mod openapi;
mod pages;
mod portal;
mod problem;
mod rates;
mod room;
mod settings;
mod tls;
mod watch;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use self::answers::Answers;
use self::auth::Setup;
use self::body::Bodies;
use self::client::Proxies;
use self::desk::Desk;
use self::health::Health;
pub(crate) use self::html::Brand;
use self::html::Html;
use self::imports::Imports;
use self::listen::Signals;
use self::metrics::Metrics;
use self::office::Office;
use self::pages::{Orders, Sessions};
use self::rates::{CodeRates, Rates};
pub(crate) use self::settings::{Settings, TlsFiles};
use crate::vendor::Vendor;
use crate::vendor::tokens::Bearer;

/// What every route works with.
struct Service {
    desk: Desk,
    bodies: Bodies,
    answers: Answers,
    office: Office,
    health: Health,
    imports: Imports,
    metrics: Metrics,
    html: Html,
    sessions: Sessions,
    orders: Orders,
    rates: Rates,
    proxies: Proxies,
    setup: Setup,
}

/// Serves until it is told to end, by SIGTERM or SIGINT. Once requests are taken, `started` hears of the address, and of the
/// token with which the first one is made where there is none yet.
///
/// What was accepted is answered before it ends, within bounds.
///
/// # Errors
/// `listen_failed`, `tls_invalid`; when the ledger cannot be opened.
pub(crate) fn serve(
    mut vendor: Vendor,
    settings: &Settings,
    brand: Brand,
    jobs: usize,
    started: impl FnOnce(SocketAddr, Option<&Bearer>) -> Result<(), Refusal>,
) -> Result<Exit, Refusal> {
    log::begin();
    let metrics = Metrics::install()?;
    let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
    let (setup, first_token) = Setup::begin(&mut vendor)?;
    let office = Office::of(&vendor)?;
    let sessions = Sessions::new(vendor.home.key_secret());
    let health = Health::of(&vendor);
    let (imports, importing) = Imports::begin(&vendor)?;
    let connections = descriptors::make_room_for(settings.connections);
    let runtime = runtime(jobs)?;
    let (desk, handed_in) = Desk::open(jobs);
    let desk_thread = thread::Builder::new()
        .name("desk".into())
        .spawn(move || desk::work(vendor, &handed_in))
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
    let codes = CodeRates::new(settings.codes_per_address, settings.wrong_codes);
    let service = Arc::new(Service {
        desk,
        bodies: Bodies::new(jobs),
        answers: Answers::new(),
        office,
        health,
        imports,
        metrics,
        html: Html::new(brand),
        sessions,
        orders: Orders::default(),
        rates: Rates::new(settings.rate_per_address, settings.rate_per_license, codes),
        proxies: Proxies::new(&settings.behind_proxy),
        setup,
    });
    let ended = runtime.block_on(async {
        let failed =
            |error: std::io::Error| Refusal::from_error(Code::ListenFailed, &error).at(settings.listen);
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let signals = Signals::hear()?;
        started(listener.local_addr().map_err(failed)?, first_token.as_ref())?;
        let ended = Notify::new();
        let served = async {
            let exit = listen::until_told(signals, listener, tls, Arc::clone(&service), connections).await;
            ended.notify_one();
            exit
        };
        Ok(tokio::join!(served, webhooks::until(Arc::clone(&service), &ended)).0)
    });
    service.imports.end();
    drop(runtime);
    // Outside the runtime: a store may wait while it is closed. With the service goes the way to the desk, which then ends.
    drop(service);
    desk_thread.join().map_err(|_| Refusal::from(Code::Internal))?;
    importing.join()?;
    ended
}

fn runtime(jobs: usize) -> Result<Runtime, Refusal> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(jobs.max(1))
        .enable_all()
        .build()
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error))
}
