//! Files that pages refer to: they are part of the program, or of the vendor's configuration, and a browser keeps them for
//! ever, because their names follow from their content.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use schemas::codes::Code;
use sha2::{Digest as _, Sha256};

use crate::service::Service;
use crate::service::answers::Shared;
use crate::service::input::Path;
use crate::service::problem::Problem;

/// A browser need not ask again.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A picture that is opened by itself does nothing, whatever stands in it.
const INERT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
);

/// The files by name.
#[derive(Default)]
pub(super) struct Assets(BTreeMap<String, Asset>);

struct Asset {
    kind: &'static str,
    content: Bytes,
}

impl Assets {
    /// Keeps a file and returns its path.
    pub(super) fn keep(
        &mut self,
        name: &str,
        ending: &str,
        kind: &'static str,
        content: impl Into<Bytes>,
    ) -> String {
        let content = content.into();
        let digest = Sha256::digest(&content);
        let name = format!("{name}-{}.{ending}", HEXLOWER.encode(&digest[..8]));
        let path = format!("/assets/{name}");
        self.0.insert(name, Asset { kind, content });
        path
    }
}

/// One of the files.
pub(super) async fn asset(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let asset = service.html.assets.0.get(&name).ok_or(Code::RouteUnknown)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::CONTENT_SECURITY_POLICY, INERT),
    ];
    Ok((Extension(Shared), headers, asset.content.clone()).into_response())
}
