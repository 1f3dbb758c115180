//! What the tests across the crates share: an ordinary kube-rs operator, a real control plane, and
//! what compares the simulated API server with it.

pub mod conformance;
pub mod mirror;
pub mod wire;
