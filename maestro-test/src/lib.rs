//! The proving kit: scenarios, properties, search and reports. Evidence that an operator
//! converges, whatever goes wrong on the way.
//!
//! Flow: [`scenario`] (what to do) → the runner (a cluster, an operator, faults) → [`event`]s →
//! [`property`] (what must hold) and reports, which only read.

pub mod cli;
pub mod cluster;
pub mod command;
pub mod event;
pub mod exit;
pub mod outcome;
pub mod pages;
pub mod pool;
pub mod property;
pub mod prove;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod select;

pub use outcome::Outcome;
pub use prove::prove;
pub use runner::run_scenario;
pub use scenario::Scenario;
