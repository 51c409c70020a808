//! What a request says beside its body: axum's extractors, whose refusals are problems like all others.

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::problem::Problem;

/// The parts of the path that stand for something.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Refusal::new(Code::RequestInvalid, rejection.body_text()).into()
    }
}
