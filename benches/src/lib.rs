//! What the load program and the benchmarks share: a device at work.

// The tests, whose vendor is used here, know the crate by its own name.
extern crate sync_agent as counterfoil_sync_agent;

pub mod device;
