//! A whole Kubernetes cluster in memory, under virtual time, from one seed.
//!
//! The API server is one synchronous function over a store and its event log ([`api`]); the
//! built-in controllers, the scheduler and the kubelets are ordinary clients of it, woken by
//! their own lagging watches ([`controller`]).

pub mod actor;
pub mod api;
pub mod body;
pub mod boot;
mod builtin;
pub mod controller;
mod crd;
pub mod defaults;
pub mod entropy;
mod event;
pub mod facts;
pub mod fields;
mod go_base64;
mod go_json;
pub mod json;
pub mod kubelet;
pub mod link;
pub mod links;
pub mod managed;
pub mod object;
pub mod observe;
pub mod pace;
pub mod patch;
pub mod protobuf;
pub mod quantity;
pub mod quota;
pub mod rng;
pub mod scheduler;
pub mod schema;
pub mod selector;
#[cfg(feature = "serve")]
pub mod serve;
pub mod service;
pub mod sim;
pub mod store;
pub mod structural;
pub mod time;
pub mod trace;
pub mod typed;
pub mod workload;
pub mod world;
