//! How the errors of the layers below become refusals.

use std::io;
use std::path::Path;

use ledger::store::{AppendError, StoreError};
use ledger::trust::TrustError;
use schemas::codes::Code;
use schemas::container::ContainerError;
use schemas::refusal::Refusal;

pub(crate) fn store(error: &StoreError) -> Refusal {
    Refusal::from_error(error.code(), error)
}

pub(crate) fn append(error: &AppendError) -> Refusal {
    Refusal::from_error(error.code(), error)
}

pub(crate) fn trust(error: TrustError) -> Refusal {
    Refusal::from_error(error.code(), &error)
}

pub(crate) fn container(error: &ContainerError) -> Refusal {
    Refusal::from_error(error.code(), error)
}

pub(crate) fn io(error: &io::Error, path: &Path) -> Refusal {
    Refusal::from_error(Code::IoFailed, error).at(path.display())
}
