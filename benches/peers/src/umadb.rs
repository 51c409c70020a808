//! `umadb-core`: an append for each bundle, on the condition that its device has no event yet.

use std::path::Path;
use std::sync::Arc;

use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreSync as _, DcbQuery, DcbQueryItem};

use crate::load::{CORE, Load, SIGNATURE};
use crate::measure::Watch;
use crate::peer::Stored;

/// Appends the load to a store in `folder` whose options are the crate's own.
pub(crate) fn append(load: Load, folder: &Path) -> anyhow::Result<Stored> {
    let pages = Arc::new(Mvcc::new(false, StorageOptions::default().db_path(folder))?);
    let store = UmaDb::from_arc(Arc::clone(&pages));
    let watch = Watch::start()?;
    for device in load.devices() {
        let tag = format!("device:{device}");
        let newer = DcbQuery::new().item(DcbQueryItem::new().tags([tag.as_str()]));
        let events = load.places().map(|_| consumption(&tag)).collect();
        store.append(events, Some(DcbAppendCondition::new(newer)), None)?;
    }
    let spent = watch.stop()?;
    // The file is longer: it grows by 256 MiB at a time.
    let used = pages.get_latest_header_page()?.as_header_node()?.next_page_id.0;
    let bytes = used * u64::try_from(pages.page_size)?;
    Ok(Stored {
        spent,
        bytes,
        durability: "fdatasync of pages and then of the header, for each bundle".to_owned(),
    })
}

fn consumption(tag: &str) -> DcbEvent {
    DcbEvent::new().event_type("feature.consumed").tags([tag]).data([&CORE[..], &SIGNATURE].concat())
}
