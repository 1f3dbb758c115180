//! What is wrong with a text, and where.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::Place;

/// A mistake and its place; line 0 when there is none.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    /// Where.
    pub place: Place,
    /// What.
    pub mistake: Box<Mistake>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A field that the type does not have.
    UnknownField {
        /// As written.
        field: String,
        /// Those that it has.
        expected: &'static [&'static str],
    },
    /// A word that is none of a list.
    UnknownVariant {
        /// As written.
        variant: String,
        /// The list.
        expected: &'static [&'static str],
    },
    /// A field that has to be there.
    MissingField(&'static str),
    /// A field that is given twice.
    Duplicate(String),
    /// Another kind of value is wanted, in serde's words.
    Type {
        /// What stands there.
        unexpected: String,
        /// What belongs there.
        expected: String,
    },
    /// A scalar that cannot be read as this: `number`, `whole number in range`, `true or false`.
    Scalar(&'static str),
    /// A mapping is wanted.
    NoMapping,
    /// A list is wanted.
    NoList,
    /// The text holds more than one document.
    ManyDocuments,
    /// The text is empty.
    Empty,
    /// What a type says of its own value, or the reader of the text.
    Message(String),
}

impl Error {
    pub(super) fn new(mistake: Mistake) -> Self {
        Self { place: Place::default(), mistake: Box::new(mistake) }
    }

    /// The same, at `place` unless it has one already.
    pub(super) fn or_at(mut self, place: Place) -> Self {
        if self.place.line == 0 {
            self.place = place;
        }
        self
    }
}

impl From<serde_saphyr::Error> for Error {
    fn from(error: serde_saphyr::Error) -> Self {
        use serde_saphyr::Error as Raw;
        let place = error.location().map(Place::from).unwrap_or_default();
        let mistake = match error.without_snippet() {
            Raw::DuplicateMappingKey { key, .. } => {
                Mistake::Duplicate(key.as_deref().unwrap_or("?").to_owned())
            }
            Raw::MultipleDocuments { .. } => Mistake::ManyDocuments,
            Raw::Eof { .. } => Mistake::Empty,
            Raw::Message { msg, .. } => Mistake::Message(msg.clone()),
            other => {
                let message = other.to_string();
                // The place is said once, in front.
                let end = if place.line == 0 { None } else { message.rfind(" at line ") };
                Mistake::Message(message[..end.unwrap_or(message.len())].to_owned())
            }
        };
        Self { place, mistake: Box::new(mistake) }
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Mistake::Message(message.to_string()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Mistake::UnknownField { field: field.to_owned(), expected })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Mistake::UnknownVariant { variant: variant.to_owned(), expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Mistake::MissingField(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Mistake::Duplicate(field.to_owned()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (unexpected, expected) = (unexpected.to_string(), expected.to_string());
        Self::new(Mistake::Type { unexpected, expected })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_of = |f: &mut fmt::Formatter<'_>, expected: &[&str]| match expected {
            [] => Ok(()),
            [only] => write!(f, ", expected `{only}`"),
            all => write!(f, ", expected one of `{}`", all.join("`, `")),
        };
        match self {
            Self::UnknownField { field, expected } => {
                write!(f, "unknown field `{field}`")?;
                one_of(f, expected)
            }
            Self::UnknownVariant { variant, expected } => {
                write!(f, "unknown variant `{variant}`")?;
                one_of(f, expected)
            }
            Self::MissingField(field) => write!(f, "missing field `{field}`"),
            Self::Duplicate(key) => write!(f, "field `{key}` is given twice"),
            Self::Type { unexpected, expected } => {
                write!(f, "{unexpected} stands where {expected} belongs")
            }
            Self::Scalar(kind) => write!(f, "a {kind} belongs here"),
            Self::NoMapping => f.write_str("a mapping of fields belongs here"),
            Self::NoList => f.write_str("a list belongs here"),
            Self::ManyDocuments => f.write_str("only one document is wanted"),
            Self::Empty => f.write_str("the text is empty"),
            Self::Message(message) => f.write_str(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)?;
        match self.place {
            Place { line: 0, .. } => Ok(()),
            Place { line, column, .. } => write!(f, " at line {line}, column {column}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
