//! The types of expressions over a schema, so far as one can be sure of them.
//!
//! A real server compiles a rule when its definition is written, and refuses what can never be
//! evaluated. What is said here is said in its words; of what it would need more knowledge for,
//! such as functions, nothing is said. Source:
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel` and the type checker of
//! `github.com/google/cel-go`.

mod walk;

use kube_cel::cel::IdedExpr;

use crate::json::{Name, Value};

/// A type, as much as is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type<'s> {
    /// Anything.
    Dyn,
    /// A simple type by its name, such as `int`.
    Simple(&'static str),
    List(Box<Type<'s>>),
    Map(Box<Type<'s>>),
    /// An object with the fields of a schema; the root of a resource has its metadata, too.
    Object(&'s Value, bool),
    /// The metadata of a resource, of which expressions see two fields.
    Metadata,
    /// An object that has just these fields.
    Fields(Vec<(String, Type<'s>)>),
}

use Type::{Dyn, Simple};

impl<'s> Type<'s> {
    /// The type of what a schema (`JSONSchemaProps` of apiextensions.k8s.io/v1) describes.
    pub(crate) fn of(schema: &'s Value, root: bool) -> Self {
        let text = |name: &str| schema.get(name).and_then(Value::as_str).unwrap_or("");
        if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
            return Dyn;
        }
        let embedded = schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true));
        match (text("type"), text("format")) {
            ("object", _) => match schema.get("additionalProperties").filter(|a| a.is_object()) {
                Some(values) => Self::Map(Box::new(Self::of(values, false))),
                None => Self::Object(schema, root || embedded),
            },
            ("array", _) => {
                let items = schema.get("items").map_or(Dyn, |items| Self::of(items, false));
                Self::List(Box::new(items))
            }
            ("string", "byte") => Simple("bytes"),
            ("string", "duration") => Simple("google.protobuf.Duration"),
            ("string", "date" | "date-time") => Simple("google.protobuf.Timestamp"),
            ("string", _) => Simple("string"),
            ("boolean", _) => Simple("bool"),
            ("integer", _) => Simple("int"),
            ("number", _) => Simple("double"),
            _ => Dyn,
        }
    }

    /// The name as messages have it; none for what is not known to the end.
    fn name(&self) -> Option<String> {
        match self {
            Simple(name) => Some((*name).to_owned()),
            Self::List(items) => Some(format!("list({})", items.name()?)),
            Self::Map(values) => Some(format!("map(string, {})", values.name()?)),
            Dyn | Self::Object(..) | Self::Metadata | Self::Fields(_) => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Simple("int" | "uint" | "double"))
    }

    /// The field of an object; nothing where there is none, `Dyn` where one cannot know.
    fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Map(values) => Some(values.as_ref().clone()),
            Self::Fields(fields) => {
                fields.iter().find(|(own, _)| own == name).map(|(_, kind)| kind.clone())
            }
            Self::Metadata => matches!(name, "name" | "generateName").then_some(Simple("string")),
            Self::Object(schema, root) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let fits = |(field, _): &(&Name, &Value)| super::convert::escape(field) == name;
                match (name, root) {
                    ("apiVersion" | "kind", true) => return Some(Simple("string")),
                    ("metadata", true) => return Some(Self::Metadata),
                    _ => {}
                }
                properties.into_iter().flatten().find(fits).map(|(_, s)| Self::of(s, false))
            }
            _ => Some(Dyn),
        }
    }
}

/// What is wrong with an expression, in the words of a compiler.
pub(crate) struct Checked<'s> {
    /// The type of its value.
    pub(crate) kind: Type<'s>,
    /// Every mistake, where it stands.
    pub(crate) errors: Vec<String>,
}

/// Checks an expression in which some names are known.
pub(crate) fn check<'s>(source: &str, tree: &IdedExpr, names: &[(&str, Type<'s>)]) -> Checked<'s> {
    let names = names.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
    let mut checker = walk::Checker { source, cursor: 0, names, errors: Vec::new() };
    let (kind, _) = checker.walk(tree);
    Checked { kind, errors: checker.errors }
}

/// A mistake at a place of a source, as the compiler shows it.
pub(crate) fn placed(source: &str, at: usize, what: &str) -> String {
    let before = &source[..at];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or("").chars().count();
    let shown = source.lines().nth(line).unwrap_or("");
    let dots = ".".repeat(column);
    format!("ERROR: <input>:{}:{}: {what}\n | {shown}\n | {dots}^", line + 1, column + 1)
}

#[cfg(test)]
mod tests {
    use crate::json::json;

    use super::*;
    use crate::structural::cel::compile;

    #[test]
    fn mistakes_stand_where_they_are_made() {
        let schema = json!({"type": "object", "properties": {
            "s": {"type": "string"}, "i": {"type": "integer"},
            "l": {"type": "array", "items": {"type": "object", "properties": {
                "x": {"type": "string"}}}}}});
        let check = |source: &str, expected: &[&str]| {
            let compiled = compile(source);
            let tree = compiled.forms.as_ref().expect("it can be read");
            let checked = check(source, tree.written(), &[("self", Type::of(&schema, false))]);
            let heads: Vec<&str> =
                checked.errors.iter().filter_map(|error| error.lines().next()).collect();
            assert_eq!(heads, expected, "{source}");
        };
        check("self.i > 3 && self.s == 'it'", &[]);
        check("self.l.all(e, e.x == 'a') && size(self.l) < 4", &[]);
        check("self.l.filter(e, e.x != '').map(e, e.x) == ['a']", &[]);
        check("self.j > 3", &["ERROR: <input>:1:5: undefined field 'j'"]);
        check("'self.j' == self.s", &[]);
        check("self.l.all(e, e.y > 1)", &["ERROR: <input>:1:16: undefined field 'y'"]);
        check(
            "self.i == self.s",
            &[
                "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'",
            ],
        );
        check(
            "self.s.a == 1",
            &["ERROR: <input>:1:7: type 'string' does not support field selection"],
        );
    }
}
