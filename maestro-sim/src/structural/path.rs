//! Where in an object a check is: a path kept on the stack and written out only for an error.

use std::fmt;

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root(&'a str),
    Field(&'a str),
    Key(&'a str),
    Index(usize),
}

/// One step into a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Into a map.
    Name(String),
    /// Into a list.
    Index(usize),
}

/// A field path, linked from the leaf up. Making one costs nothing.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

impl<'a> Path<'a> {
    /// A path that starts at `text`, which may be empty or hold several fields.
    pub const fn root(text: &'a str) -> Self {
        Self { parent: None, segment: Segment::Root(text) }
    }

    /// The path of a field.
    pub const fn field(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Field(name) }
    }

    /// The path of a map's value, written `[key]`.
    pub const fn key(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Key(name) }
    }

    /// The path of a list's item.
    pub const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Index(index) }
    }

    /// The way from the root: fields and keys by name, items by index.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = self.parent.map(Path::steps).unwrap_or_default();
        match self.segment {
            Segment::Root(_) => {}
            Segment::Field(name) | Segment::Key(name) => steps.push(Step::Name(name.to_owned())),
            Segment::Index(index) => steps.push(Step::Index(index)),
        }
        steps
    }

    /// Whether it is that of the whole.
    pub fn is_empty(&self) -> bool {
        matches!(self.segment, Segment::Root("")) && self.parent.is_none()
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            Segment::Root(text) => f.write_str(text),
            Segment::Field(name) => {
                if !self.parent.is_none_or(Path::is_empty) {
                    f.write_str(".")?;
                }
                f.write_str(name)
            }
            Segment::Key(name) => write!(f, "[{name}]"),
            Segment::Index(index) => write!(f, "[{index}]"),
        }
    }
}
