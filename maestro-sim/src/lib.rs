//! A whole Kubernetes cluster in memory, under virtual time, from one seed.
//!
//! The API server is one synchronous function over a store and its event log ([`api`]); the
//! built-in controllers, the scheduler and the kubelets are ordinary clients of it, woken by
//! their own lagging watches ([`controller`]).

pub mod api;
pub mod controller;
pub mod fields;
pub mod kubelet;
pub mod object;
pub mod patch;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod workload;
