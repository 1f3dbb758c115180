//! The types that the type checker gives to expressions, and when one goes for another.
//!
//! Source: `checker/types.go` and `checker/mapping.go` of `github.com/google/cel-go`.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A type to the end, unlike that of messages: what is not known is known not to be known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Known only when the expression is evaluated.
    Dyn,
    /// The type of `null`.
    Null,
    /// A value without parts, by its name.
    Scalar(Arc<str>),
    /// An object by the name of its type.
    Struct(Arc<str>),
    /// A type made of others: `list`, `map`, `type`, `optional_type`, `net.IP`.
    Made(Arc<str>, Vec<Kind>),
    /// A parameter of an overload, by its letter.
    Param(char),
    /// A type yet to be found.
    Free(u32),
}

use Kind::{Dyn, Free, Made, Null, Param, Scalar, Struct};

const SCALARS: [&str; 8] = [
    "bool",
    "bytes",
    "double",
    "int",
    "string",
    "uint",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
];

impl Kind {
    /// A type as the table of functions writes it.
    pub(crate) fn parse(text: &str) -> Self {
        if let Some(letter) = text.strip_prefix('<') {
            return Param(letter.chars().next().unwrap_or('A'));
        }
        if let Some((name, rest)) = text.split_once('(') {
            let (mut depth, mut parts) = (0, vec![String::new()]);
            for c in rest.strip_suffix(')').unwrap_or(rest).chars() {
                depth += i32::from(c == '(') - i32::from(c == ')');
                match (c, depth) {
                    (',', 0) => parts.push(String::new()),
                    _ => parts.last_mut().into_iter().for_each(|part| part.push(c)),
                }
            }
            return Made(name.into(), parts.iter().map(|part| Self::parse(part)).collect());
        }
        match text {
            "dyn" | "any" => Dyn,
            "null_type" => Null,
            "list" => Self::list(Dyn),
            "map" => Self::map(Dyn, Dyn),
            "type" | "net.IP" | "net.CIDR" => Made(text.into(), Vec::new()),
            name if SCALARS.contains(&name) => Scalar(name.into()),
            name => Struct(name.into()),
        }
    }

    pub(crate) fn scalar(name: &str) -> Self {
        Scalar(name.into())
    }

    pub(crate) fn list(items: Self) -> Self {
        Made("list".into(), vec![items])
    }

    pub(crate) fn map(keys: Self, values: Self) -> Self {
        Made("map".into(), vec![keys, values])
    }

    pub(crate) fn optional(value: Self) -> Self {
        Made("optional_type".into(), vec![value])
    }

    /// It as messages have it. What is declared has a name of its own in each process there.
    pub(crate) fn shown(&self) -> String {
        match self {
            Dyn | Param(_) | Free(_) => "dyn".to_owned(),
            Null => "null".to_owned(),
            Scalar(name) => name.to_string(),
            Struct(name) => match name.strip_prefix("self") {
                Some(rest) => format!("selfType0{rest}"),
                None => name.to_string(),
            },
            Made(name, parts) if parts.is_empty() => name.to_string(),
            Made(name, parts) => {
                let parts: Vec<String> = parts.iter().map(Self::shown).collect();
                format!("{name}({})", parts.join(", "))
            }
        }
    }

    /// Its name, if it has one: `list`, `int`, `net.IP`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Scalar(name) | Struct(name) | Made(name, _) => name,
            _ => "",
        }
    }

    /// What a type of this name is made of.
    pub(crate) fn parts(&self, name: &str) -> Option<&[Self]> {
        match self {
            Made(own, parts) if own.as_ref() == name => Some(parts),
            _ => None,
        }
    }

    /// Whether a value of this type has a size that its type alone tells.
    pub(crate) fn has_fixed_size(&self) -> bool {
        match self {
            Scalar(name) => !matches!(name.as_ref(), "string" | "bytes"),
            Made(name, parts) if name.as_ref() == "optional_type" => {
                parts.first().is_some_and(Self::has_fixed_size)
            }
            _ => false,
        }
    }

    /// The same with its parameters put in place.
    pub(crate) fn with(&self, fresh: &mut dyn FnMut(char) -> Self) -> Self {
        match self {
            Param(letter) => fresh(*letter),
            Made(name, parts) => {
                Made(name.clone(), parts.iter().map(|part| part.with(fresh)).collect())
            }
            other => other.clone(),
        }
    }

    fn takes_null(&self) -> bool {
        match self {
            Null | Struct(_) => true,
            Made(name, _) => !matches!(name.as_ref(), "list" | "map" | "type"),
            Scalar(name) => name.starts_with("google."),
            _ => false,
        }
    }

    /// Whether it says no more than the other.
    fn is_less_specific(&self, other: &Self) -> bool {
        match (self, other) {
            (Dyn | Free(_) | Param(_), _) => true,
            (_, Dyn | Free(_) | Param(_)) => false,
            (Made(a, left), Made(b, right)) => {
                a == b
                    && (a.as_ref() == "type"
                        || left.len() == right.len()
                            && left.iter().zip(right).all(|(l, r)| l.is_less_specific(r)))
            }
            _ => self == other,
        }
    }
}

/// What was found of the types yet to be found.
#[derive(Default)]
pub(crate) struct Found {
    kinds: BTreeMap<u32, Kind>,
    next: u32,
}

impl Found {
    /// One more type to find.
    pub(crate) fn fresh(&mut self) -> Kind {
        self.next += 1;
        Free(self.next)
    }

    /// Whether each of `left` goes for its partner; what follows for open types is kept if so.
    pub(crate) fn assign(&mut self, left: &[Kind], right: &[Kind]) -> bool {
        let before = self.kinds.clone();
        let fits = self.fit_all(left, right);
        if !fits {
            self.kinds = before;
        }
        fits
    }

    fn fit_all(&mut self, left: &[Kind], right: &[Kind]) -> bool {
        left.len() == right.len() && left.iter().zip(right).all(|(l, r)| self.fits(l, r))
    }

    fn fits(&mut self, left: &Kind, right: &Kind) -> bool {
        if let Free(open) = right {
            match self.replaces(left, *open) {
                (true, _) => return true,
                (false, true) => return false,
                _ => {}
            }
        }
        if let Free(open) = left {
            return self.replaces(right, *open).0;
        }
        match (left, right) {
            (Dyn, _) | (_, Dyn) => true,
            (Null, other) | (other, Null) => other.takes_null(),
            (Made(a, left), Made(b, right)) => {
                a == b && (a.as_ref() == "type" || self.fit_all(left, right))
            }
            _ => left == right,
        }
    }

    /// Whether a type can stand for an open one, and whether another did before.
    fn replaces(&mut self, kind: &Kind, open: u32) -> (bool, bool) {
        if *kind == Free(open) {
            return (true, true);
        }
        if let Some(known) = self.kinds.get(&open).cloned() {
            if *kind == known {
                return (true, true);
            }
            if !self.fits(kind, &known) {
                return (false, true);
            }
            let general = if kind.is_less_specific(&known) { kind.clone() } else { known };
            if !self.is_within(open, &general) {
                self.kinds.insert(open, general);
            }
            return (true, true);
        }
        if self.is_within(open, kind) {
            return (false, false);
        }
        self.kinds.insert(open, kind.clone());
        (true, false)
    }

    fn is_within(&self, open: u32, kind: &Kind) -> bool {
        match kind {
            Free(own) if *own == open => true,
            Free(own) => self.kinds.get(own).is_some_and(|known| self.is_within(open, known)),
            Made(_, parts) => parts.iter().any(|part| self.is_within(open, part)),
            _ => false,
        }
    }

    /// A type with all that was found; what is open stays so, or is anything in the end.
    pub(crate) fn resolve(&self, kind: &Kind, end: bool) -> Kind {
        match kind {
            Free(open) => match self.kinds.get(open) {
                Some(known) => self.resolve(known, end),
                None if end => Dyn,
                None => kind.clone(),
            },
            Made(name, parts) => {
                Made(name.clone(), parts.iter().map(|part| self.resolve(part, end)).collect())
            }
            other => other.clone(),
        }
    }

    /// The more general of two types of which one goes for the other; nothing if none does.
    pub(crate) fn join(&mut self, left: &Kind, right: &Kind) -> Option<Kind> {
        let fits = self.assign(std::slice::from_ref(left), std::slice::from_ref(right));
        fits.then(|| if left.is_less_specific(right) { left.clone() } else { right.clone() })
    }
}
