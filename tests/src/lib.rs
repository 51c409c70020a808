//! What the suites share: a folder with a vendor's home and devices in which the real programs run, pictures of what
//! is on disk, randomness that prints its seed, and bundles that no program would write.
//!
//! The libraries of the workspace are used only for that last part, and to look into what the programs wrote.

pub mod browser;
pub mod carrier;
pub mod chance;
pub mod clock;
pub mod codes;
pub mod container;
pub mod cut;
pub mod device;
pub mod faults;
pub mod http;
pub mod lab;
pub mod operator;
pub mod picture;
pub mod portal;
pub mod postgres;
pub mod programs;
pub mod proxy;
pub mod ran;
pub mod receiver;
pub mod scenario;
pub mod served;
pub mod sim;
pub mod tables;

pub use self::carrier::Carrier;
pub use self::chance::Chance;
pub use self::device::HandMade;
pub use self::lab::{Lab, License};
pub use self::ran::Ran;
pub use self::receiver::{Received, Receiver};
pub use self::scenario::Scenario;
pub use self::served::Served;
pub use self::tables::{Cell, Tables};
