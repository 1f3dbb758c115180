//! What a structural schema does to an object on its way in: defaults, pruning, validation.
//!
//! The order on a write is the server's: [`prune`], [`default`], then [`validate`]. Everything
//! here is a pure function of the schema and the object; nothing is allocated for a valid object
//! except what CEL rules need.

mod cache;
pub(crate) mod cel;
mod constraint;
mod default;
mod embedded;
mod format;
mod list;
mod path;
mod problem;
mod prune;
mod validate;

pub(crate) use cache::Cache;
pub(crate) use cel::pattern as go_pattern;
pub use default::{default, default_applied, drop_nulls};
pub use embedded::resources;
pub(crate) use format::is_known as format_is_known;
pub use path::{Path, Step};
pub use problem::Problem;
pub(crate) use prune::is_surplus;
pub use prune::{prune, unknown_fields};
pub use validate::{of_default, validate};

pub use cel::compile_problem;
