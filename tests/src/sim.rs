//! A simulated world: hundreds of devices and a vendor over months of virtual time, from one seed.
//!
//! The pure core is driven as the programs drive it, without files, sockets or a clock: devices decide and sign, reports
//! and answers are carried and mislaid, the vendor merges, and either side may end between any two of its steps. After
//! every step what must hold is checked by name ([`invariants`]) against a model that is told of every event
//! ([`model`]). What makes a world worth running is counted where the model sees it ([`situations`]).

pub mod agenda;
pub mod invariants;
pub mod machine;
pub mod model;
pub mod office;
pub mod situations;
mod terms;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::office::Keys;
use self::situations::Tally;
pub use self::world::Plan;
use self::world::World;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Years of devices, each machine's time summed.
    pub device_years: u64,
    /// Events that devices kept.
    pub events: u64,
    /// Reports that devices sent.
    pub contacts: u64,
    /// Units of work at the vendor's.
    pub merges: u64,
    /// The situations that came about.
    pub tally: Tally,
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.device_years += other.device_years;
        self.events += other.events;
        self.contacts += other.contacts;
        self.merges += other.merges;
        self.tally.add(&other.tally);
    }
}

/// Runs as many worlds as it takes for `device_years`, on `threads` threads; or one of them, by its number.
///
/// # Panics
/// When an invariant does not hold; the seed and the world's number are printed.
pub fn run(seed: u64, device_years: u64, threads: usize, only: Option<u64>) -> Report {
    let plan = Plan::default();
    let all = 0..device_years.div_ceil(plan.device_years());
    let worlds = only.map_or(all, |only| only..only + 1);
    let next = AtomicU64::new(worlds.start);
    let keys = Keys::new();
    let mut report = Report::default();
    let work = || {
        let mut part = Report::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= worlds.end {
                return part;
            }
            part.add(&World::new(seed, number, plan, &keys).run());
        }
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for part in running {
            report.add(&part.join().expect("the world ends well"));
        }
    });
    report
}
