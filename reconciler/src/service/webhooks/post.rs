//! One attempt: a signed POST, and what the endpoint says to it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Response, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use schemas::codes::Code;
use schemas::numbers::Seconds;
use schemas::refusal::Refusal;
use tokio::task::JoinSet;

use super::connection;
use crate::wall_clock;
use crate::webhooks::target::Target;
use crate::webhooks::{Delivery, Hook};

/// How long an attempt may take, from the name to the head of the answer.
const TIME: Duration = Duration::from_secs(15);
/// How long the rest of the answer may take; without it the answer is one all the same.
const REST: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read and kept, at most.
const KEPT: usize = 200;

/// What an attempt came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The status, where there was an answer.
    pub(super) status: Option<u16>,
    /// How the answer begins, or why there was none.
    pub(super) said: Option<String>,
    /// How long the endpoint asks to wait.
    pub(super) again_in: Option<Seconds>,
}

impl Outcome {
    /// There was no answer.
    fn without_answer(why: &str) -> Self {
        Self { said: Some(kept(why.as_bytes())), ..Self::default() }
    }

    /// Whether the message was taken.
    pub(super) fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sends a message once.
pub(super) async fn post(tls: &Arc<ClientConfig>, hook: &Hook, delivery: &Delivery) -> Outcome {
    // With the answer the connection is of no more use, and ends.
    let mut connection = JoinSet::new();
    match tokio::time::timeout(TIME, exchange(tls, hook, delivery, &mut connection)).await {
        Ok(Ok(response)) => read(response).await,
        Ok(Err(refusal)) => Outcome::without_answer(&refusal.to_string()),
        Err(_) => Outcome::without_answer("the endpoint took too long"),
    }
}

async fn exchange(
    tls: &Arc<ClientConfig>,
    hook: &Hook,
    delivery: &Delivery,
    driven: &mut JoinSet<hyper::Result<()>>,
) -> Result<Response<Incoming>, Refusal> {
    let failed = |error: hyper::Error| Refusal::from_error(Code::Failed, &error);
    let target = Target::parse(&hook.url, hook.allow_private)?;
    let request = request(&target, hook, delivery)?;
    let stream = connection::connect(tls, &target).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    driven.spawn(connection);
    sender.send_request(request).await.map_err(failed)
}

fn request(target: &Target, hook: &Hook, delivery: &Delivery) -> Result<Request<Full<Bytes>>, Refusal> {
    let (id, timestamp) = (delivery.message.to_string(), wall_clock::now().get() / 1_000_000);
    let signature = hook.signing.sign(&id, timestamp, &delivery.body);
    Request::post(target.path())
        .header(header::HOST, target.authority())
        .header(header::CONNECTION, "close")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(delivery.body.clone())))
        .map_err(|error| Refusal::from_error(Code::WebhookUrlInvalid, &error))
}

async fn read(response: Response<Incoming>) -> Outcome {
    let status = response.status();
    let again_in = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let again_in = again_in.and_then(wait_of);
    let mut said = Vec::new();
    let mut body = response.into_body();
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                said.extend_from_slice(&data[..data.len().min(KEPT - said.len())]);
            }
            if said.len() == KEPT {
                return;
            }
        }
    };
    // An answer that comes too slowly or breaks off is one all the same.
    drop(tokio::time::timeout(REST, rest).await);
    Outcome {
        status: Some(status.as_u16()),
        said: Some(kept(&said)).filter(|said| !said.is_empty()),
        again_in,
    }
}

/// How long `Retry-After` asks to wait (RFC 9110): so many seconds, or until then.
fn wait_of(value: &str) -> Option<Seconds> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Seconds(seconds));
    }
    let until = httpdate::parse_http_date(value.trim()).ok()?;
    let since_1970 = until.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(Seconds(since_1970.saturating_sub(wall_clock::now().get() / 1_000_000)))
}

/// The beginning of what was said, as text.
fn kept(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(&said[..said.len().min(KEPT)]);
    text.chars().filter(|letter| !letter.is_control() || letter.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_how_long_to_wait_in_seconds_or_by_a_date() {
        assert_eq!(wait_of(" 120 "), Some(Seconds(120)));
        assert_eq!(wait_of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Seconds(0)), "that is long ago");
        let far = wait_of("Fri, 31 Dec 9999 23:59:59 GMT").expect("a date");
        assert!(far > Seconds::days(365 * 1_000));
        assert_eq!((wait_of("soon"), wait_of("-1"), wait_of("")), (None, None, None));
    }

    #[test]
    fn little_is_kept_of_what_an_endpoint_says_and_nothing_that_moves_a_cursor() {
        assert_eq!(kept(&[b'x'; 10_000]).len(), KEPT);
        assert_eq!(kept(b"no\x1b[2Jt \xff today\n"), "no[2Jt \u{fffd} today\n");
    }
}
