//! The device side from outside: the library and the program, against a vendor in miniature.

mod agent;
mod program;
mod vendor;
