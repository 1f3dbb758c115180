//! YAML into types, with the place of every mistake.
//!
//! The text is read once, by serde-saphyr, into a tree whose nodes know where they stand; types
//! are made from that. Making each type from the text itself would compile the reader anew for
//! each of them, which had become a third of the code of the crates that read YAML.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Pod {
//!     replicas: u32,
//! }
//!
//! let reader = maestro_core::yaml::Reader::default();
//! assert_eq!(reader.read::<Pod>("replicas: 3")?.replicas, 3);
//! let error = reader.read::<Pod>("replicas: three").err().expect("a mistake");
//! assert_eq!((error.place.line, error.place.column), (1, 11));
//! # Ok::<(), maestro_core::yaml::Error>(())
//! ```

mod access;
mod error;
mod node;
mod typed;

pub use error::{Error, Mistake};
pub use typed::placed;

pub(crate) use node::{Node, child};

use serde::de::DeserializeOwned;
use serde_saphyr::{Location, Options, Spanned};

/// A place in a text. Line 0 means that a value was not read from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// First byte.
    pub offset: usize,
    /// Length in bytes; 0 when unknown.
    pub length: usize,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let span = location.span();
        let number = |n: Option<u64>, or: u64| usize::try_from(n.unwrap_or(or)).unwrap_or(0);
        Self {
            line: location.line(),
            column: location.column(),
            offset: number(span.byte_offset(), span.offset()),
            length: number(span.byte_len(), span.len()),
        }
    }
}

impl Place {
    /// The same place, within a text: the reader puts what is missing at the end past it.
    #[must_use]
    pub fn within(self, text: &str) -> Self {
        let whole = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let offset = whole(self.offset);
        let end = whole(self.offset.saturating_add(self.length));
        Self { offset, length: end.saturating_sub(offset), ..self }
    }
}

/// How a text is understood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// `yes`, `on` and the like are text, as in YAML 1.2, not booleans, as in YAML 1.1.
    pub strict_booleans: bool,
    /// `0644` is an octal number, as `kubectl` reads it.
    pub legacy_octal_numbers: bool,
    /// A text of any size is read.
    pub unbounded: bool,
}

impl Reader {
    /// As `kubectl` reads manifests.
    #[must_use]
    pub const fn kubernetes() -> Self {
        Self { strict_booleans: false, legacy_octal_numbers: true, unbounded: true }
    }

    /// Makes a type from the one document of a text.
    ///
    /// # Errors
    /// The first mistake in the text, or the first that is none of the type.
    pub fn read<T: DeserializeOwned>(self, text: &str) -> Result<T, Error> {
        let tree = self.tree(text)?;
        let empty = matches!(&tree.value, Node::Plain(value) if value.is_null());
        typed::from_tree(&tree, text, self.strict_booleans).map_err(|error| match empty {
            true => Error { mistake: Box::new(Mistake::Empty), ..error },
            false => error,
        })
    }

    /// The one document of a text.
    pub(crate) fn tree(self, text: &str) -> Result<Spanned<Node>, Error> {
        Ok(serde_saphyr::from_str_with_options(text, self.options())?)
    }

    /// All documents of a text.
    pub(crate) fn trees(self, text: &str) -> Result<Vec<Spanned<Node>>, Error> {
        Ok(serde_saphyr::from_multiple_with_options(text, self.options())?)
    }

    fn options(self) -> Options {
        let mut options = serde_saphyr::options! {
            with_snippet: false,
            strict_booleans: self.strict_booleans,
            legacy_octal_numbers: self.legacy_octal_numbers,
        };
        if self.unbounded {
            options.budget = None;
        }
        options
    }
}

#[cfg(test)]
mod tests;
