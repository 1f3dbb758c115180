//! Maestro's core: the Framework spec, the plan state machine and the universal operator.
//!
//! Everything here but the operator's shell is pure: no IO, no clock, no randomness. The same
//! inputs give the same rendered objects, the same CRD and the same plan, byte for byte.

#[cfg(feature = "program")]
pub mod cli;
pub mod execution;
pub mod framework;
pub mod health;
pub mod lint;
pub mod load;
pub mod machine;
pub mod manifests;
pub mod operator;
pub mod package;
pub mod parameters;
pub mod plan;
pub mod task;
pub mod template;
pub mod yaml;
