//! The simulated API server against the real one: the same requests, the answers compared.
//!
//! [`case`] says what is asked, [`corpus`] all that is asked, [`side`] who answers, [`normal`]
//! what may differ, [`report`] what did.

pub mod case;
pub mod corpus;
pub mod hooks;
pub mod normal;
pub mod recorded;
pub mod report;
pub mod side;
