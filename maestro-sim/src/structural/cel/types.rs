//! What is wrong with expressions for the types of what they see.
//!
//! A real server compiles a rule when its definition is written, and refuses what can never be
//! evaluated, in the words that are used here. Source:
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel` and the type checker of
//! `github.com/google/cel-go`.

mod places;
mod planning;
mod validators;

use super::Forms;
use super::cost::Structs;
use super::typed::{Kind, checked};
pub(super) use places::places;

/// What is wrong with an expression, in the words of a compiler.
pub(crate) struct Checked {
    /// The type of its value.
    pub(crate) kind: Kind,
    /// Every mistake, where it stands.
    pub(crate) errors: Vec<String>,
    /// Why no program can be made of it though it has none.
    pub(crate) broken: Option<String>,
}

/// Checks an expression in which some names are known.
pub(crate) fn check(
    source: &str,
    forms: &Forms,
    names: &[(&str, Kind)],
    structs: &Structs,
) -> Checked {
    let (tree, mistakes) = checked(forms.expanded(), names, structs);
    let mistakes = if mistakes.is_empty() { validators::mistakes(&tree) } else { mistakes };
    if mistakes.is_empty() {
        let broken = planning::broken(&tree);
        return Checked { kind: tree.kind, errors: Vec::new(), broken };
    }
    let places = places(source, forms.written());
    let mut mistakes: Vec<(usize, String)> = mistakes
        .into_iter()
        .map(|(id, what)| (places.get(&id).copied().unwrap_or_default(), what))
        .collect();
    mistakes.sort_by_key(|(at, _)| *at);
    let errors = mistakes.iter().map(|(at, what)| placed(source, *at, what)).collect();
    Checked { kind: tree.kind, errors, broken: None }
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
    use crate::structural::cel::cost::Declared;

    #[test]
    fn mistakes_stand_where_they_are_made() {
        let schema = json!({"type": "object", "properties": {
            "s": {"type": "string"}, "i": {"type": "integer"},
            "l": {"type": "array", "items": {"type": "object", "properties": {
                "x": {"type": "string"}}}}}});
        let declared = Declared::of(&schema, false).expect("it has a type");
        let check = |source: &str, expected: &[&str]| {
            let compiled = compile(source);
            let forms = compiled.forms.as_ref().expect("it can be read");
            let mut structs = Structs::new();
            let own = declared.name("self", &mut structs);
            let checked = check(source, forms, &[("self", own)], &structs);
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
            "self.l.all(i, e, i == e.x)",
            &[
                "ERROR: <input>:1:20: found no matching overload for '_==_' applied to '(int, string)'",
            ],
        );
        check(
            "self.i.all(x, true)",
            &[
                "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
            ],
        );
        check(
            "type(self.s) == 'string'",
            &[
                "ERROR: <input>:1:14: found no matching overload for '_==_' applied to '(type(string), string)'",
            ],
        );
        check(
            "self.?s.orValue('') == self.s.trim() && other",
            &["ERROR: <input>:1:41: undeclared reference to 'other' (in container '')"],
        );
        check(
            "[1, 'a'].size() == nothing(2)",
            &["ERROR: <input>:1:27: undeclared reference to 'nothing' (in container '')"],
        );
        check(
            "[1, 'a'].size() == 2",
            &["ERROR: <input>:1:5: expected type 'int' but found 'string'"],
        );
        check(
            "'%d'.format([self.s]) == '%s %s'.format([self.s, 1])",
            &[
                "ERROR: <input>:1:18: error during formatting: decimal clause can only be used on integers, was given string",
            ],
        );
        check(
            "self.s.matches('(') && duration('x') > duration('1s')",
            &[
                "ERROR: <input>:1:16: invalid matches argument",
                "ERROR: <input>:1:33: invalid duration argument",
            ],
        );
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
