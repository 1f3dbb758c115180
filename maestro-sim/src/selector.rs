//! Which objects a list, a watch or a controller means: label selectors and field selectors.
//!
//! Both are parsed once into a compiled form and evaluated many times. Error texts are those a
//! real API server answers with, because clients show them to people.

pub(crate) mod field;
mod label;
mod lex;
pub(crate) mod validate;

pub use field::{FieldRequirement, FieldSelector};
pub use label::{LabelSelector, Operator, Requirement};

/// Why a selector could not be understood; an API server answers 400 BadRequest with the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// The text a real API server would answer.
    pub message: String,
}

impl SelectorError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
