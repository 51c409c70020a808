//! The device side from outside: the library and the program, against a vendor in miniature.

mod agent;
mod bench;
mod block;
mod clocks;
mod compaction;
mod online;
mod program;
mod quota;
mod restored;
mod states;
mod sync;
mod terminal;
mod transport;
mod typing;
mod vendor;
mod wire;
