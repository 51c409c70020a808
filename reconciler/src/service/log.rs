//! What the service writes down about itself: JSON lines on stderr, one for each request, and nothing that is secret. Keys,
//! tokens and contents never stand in a path, and paths are logged as the route's pattern.

use std::io;

use tracing_subscriber::EnvFilter;

/// Which lines are written where `COUNTERFOIL_LOG` says nothing.
const DEFAULT: &str = "info";

/// Begins to write lines, as `COUNTERFOIL_LOG` says (`info`, `warn`, `counterfoil_reconciler=debug`, …).
///
/// Where somebody else in this process took that over already, it stays as it is.
pub(crate) fn begin() {
    let said = EnvFilter::try_from_env("COUNTERFOIL_LOG");
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(io::stderr)
        .with_env_filter(said.unwrap_or_else(|_| EnvFilter::new(DEFAULT)));
    drop(lines.try_init());
}
