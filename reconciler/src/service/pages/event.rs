//! The signed event behind a line of a timeline: what it says, and the bytes that prove it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemas::codes::Code;
use schemas::ids::{ChainId, EventId, Link, PublicKey, Signature};
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;

use super::door::Who;
use super::reason::license_id;
use crate::service::Service;
use crate::service::html::frame::Frame;
use crate::service::html::page::show;
use crate::service::input::Path;
use crate::service::problem::Problem;
use crate::shown::event::SignedEvent;
use crate::shown::says;
use crate::vendor::Vendor;

/// An event's page: all that a place of a chain holds, which is more than one where the chain forked.
#[derive(Template)]
#[template(path = "operator/event.html")]
struct EventPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    license: &'a str,
    chain: ChainId,
    seq: u64,
    events: &'a [Told],
    before: Option<u64>,
    after: u64,
}

/// An event in words, as JSON and as bytes.
struct Told {
    branch: u16,
    kind: &'static str,
    writer: &'static str,
    at: Micros,
    says: String,
    text: Option<String>,
    body: String,
    prev: Link,
    core: String,
    id: EventId,
    signer: Option<PublicKey>,
    signature: Signature,
    verifies: bool,
    link: Link,
}

/// `GET /operator/licenses/{license}/events/{chain}/{seq}`
pub(super) async fn page(
    State(service): State<Arc<Service>>,
    who: Who,
    Path((license, chain, seq)): Path<(String, String, u64)>,
) -> Result<Response, Problem> {
    let id = license_id(&license)?;
    let chain: ChainId = chain.parse().map_err(|_| Refusal::new(Code::ChainUnknown, chain.as_str()))?;
    let read = move |vendor: &mut Vendor| Told::read(vendor, &id.to_string(), chain, Seq(seq));
    let events = service.office.lend(read).await?;
    let page = EventPage {
        frame: &service.html.frame,
        who: &who,
        license: &id.to_string(),
        chain,
        seq,
        events: &events,
        before: seq.checked_sub(1).filter(|before| *before > 0),
        after: seq.saturating_add(1),
    };
    Ok(show(StatusCode::OK, &page))
}

impl Told {
    fn read(vendor: &mut Vendor, license: &str, chain: ChainId, seq: Seq) -> Result<Vec<Self>, Refusal> {
        let license = vendor.find_license(license)?;
        let features = vendor.product(&license.product)?.features;
        let events = SignedEvent::read(vendor, &license, chain, seq)?;
        events.into_iter().map(|event| Self::of(event, &features)).collect()
    }

    fn of(event: SignedEvent, features: &[schemas::pack::ProductFeature]) -> Result<Self, Refusal> {
        let body = serde_json::to_string_pretty(&event.body);
        Ok(Self {
            says: says::says(&event.body, features),
            text: event.text.as_ref().map(ToString::to_string),
            body: body.map_err(|error| Refusal::from_error(Code::Internal, &error))?,
            branch: event.branch,
            kind: event.kind,
            writer: event.writer,
            at: event.at,
            prev: event.prev,
            core: event.core,
            id: event.id,
            signer: event.signer,
            signature: event.signature,
            verifies: event.verifies,
            link: event.link,
        })
    }
}
