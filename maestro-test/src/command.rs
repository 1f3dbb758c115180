//! The commands, one file each.

#[cfg(feature = "clusters")]
pub mod control_plane;
pub mod list;
pub mod replay;
pub mod run;
pub mod schema;
