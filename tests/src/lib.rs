//! What the tests across the crates share: an ordinary kube-rs operator, and ways to run it.

pub mod mirror;
