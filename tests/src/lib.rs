//! What the tests across the crates share: an ordinary kube-rs operator, a real control plane, and
//! what compares the simulated cluster with it; and what is tried with inputs nobody wrote.

pub mod behaviour;
pub mod conformance;
pub mod envtest;
pub mod fuzz;
pub mod mirror;
pub mod script;
pub mod wire;
