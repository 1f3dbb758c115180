//! The commands, one file each.

pub mod list;
pub mod replay;
pub mod run;
pub mod schema;
