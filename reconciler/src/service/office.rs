//! Where everything but merging is done: some vendors at work side by side, lent to one request each, on threads that may
//! wait for the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::vendor::Vendor;
use crate::wall_clock;

/// How many work at the same time.
const AT_ONCE: usize = 8;
/// Requests that may wait until one of them is free.
const WAITING: usize = 1_024;

/// Vendors who wait for work.
pub(super) struct Office {
    staff: Arc<Mutex<Staff>>,
    places: Arc<Semaphore>,
    waiting: Semaphore,
}

struct Staff {
    /// Whom others are made after. It does no work itself, so that it is always there.
    model: Vendor,
    idle: Vec<Vendor>,
}

impl Office {
    /// An office of this vendor's.
    ///
    /// # Errors
    /// When the ledger cannot be opened once more.
    pub(super) fn of(vendor: &Vendor) -> Result<Self, Refusal> {
        let staff = Staff { model: vendor.another()?, idle: Vec::new() };
        let (staff, places) = (Arc::new(Mutex::new(staff)), Arc::new(Semaphore::new(AT_ONCE)));
        Ok(Self { staff, places, waiting: Semaphore::new(WAITING) })
    }

    /// Has a vendor do `work` now.
    ///
    /// # Errors
    /// `overloaded` where too many wait already; whatever `work` refuses; `internal` where it fails.
    pub(super) async fn lend<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vendor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = {
            let _waiting = self.waiting.try_acquire().map_err(|_| Code::Overloaded)?;
            Arc::clone(&self.places).acquire_owned().await.map_err(|_| Code::Overloaded)?
        };
        self.lend_at(place, work).await
    }

    /// The same however many wait: for what ends something that was begun.
    ///
    /// # Errors
    /// Whatever `work` refuses; `internal` where it fails.
    pub(super) async fn lend_in_any_case<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vendor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Code::Overloaded)?;
        self.lend_at(place, work).await
    }

    async fn lend_at<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        work: impl FnOnce(&mut Vendor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let staff = Arc::clone(&self.staff);
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut vendor = call(&staff)?;
            vendor.now = vendor.now.max(wall_clock::now());
            let done = work(&mut vendor);
            // One whose work ends in a panic does not come back: it may be in the midst of something.
            lock(&staff).idle.push(vendor);
            done
        });
        done.await.map_err(|_| Code::Internal)?
    }
}

fn call(staff: &Mutex<Staff>) -> Result<Vendor, Refusal> {
    let mut staff = lock(staff);
    match staff.idle.pop() {
        Some(vendor) => Ok(vendor),
        None => staff.model.another(),
    }
}

fn lock(staff: &Mutex<Staff>) -> MutexGuard<'_, Staff> {
    staff.lock().unwrap_or_else(PoisonError::into_inner)
}
