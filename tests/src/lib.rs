//! What the tests across the crates share: an ordinary kube-rs operator, a real control plane, and
//! what compares the simulated cluster with it.

pub mod behaviour;
pub mod conformance;
pub mod mirror;
pub mod script;
pub mod wire;
