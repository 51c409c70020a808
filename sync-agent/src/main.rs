//! The program counterfoil-agent.

fn main() {}
