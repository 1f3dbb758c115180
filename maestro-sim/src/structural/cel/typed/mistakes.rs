//! What the type checker says of what can never be evaluated, by the number of the part that it is
//! about.

use super::functions::overloads;
use super::names::value;
use super::{Checker, Kind, Node};

impl Checker<'_> {
    pub(super) fn mistake(&mut self, id: u64, what: String) {
        self.mistakes.push((id, what));
    }

    /// A type as messages have it.
    pub(super) fn shown(&self, kind: &Kind) -> String {
        self.found.resolve(kind, true).shown()
    }

    /// The type of an element, which may be absent if it is said to be optional.
    pub(super) fn element(&mut self, node: &Node, optional: bool) -> Kind {
        if !optional {
            return node.kind.clone();
        }
        let (kind, is_optional) = value(&node.kind);
        if !is_optional && kind != Kind::Dyn {
            let shown = self.shown(&kind);
            let what = format!("expected type 'optional_type({shown})' but found '{shown}'");
            self.mistake(node.written, what);
        }
        kind
    }

    pub(super) fn must_be_bool(&mut self, kind: &Kind, id: u64) {
        let bool = Kind::scalar("bool");
        if !self.found.assign(std::slice::from_ref(kind), std::slice::from_ref(&bool)) {
            let shown = self.shown(kind);
            self.mistake(id, format!("expected type 'bool' but found '{shown}'"));
        }
    }

    /// Says that there is no such function, or none for such operands.
    pub(super) fn unfit(&mut self, function: &str, method: bool, kinds: &[Kind], id: u64) {
        if overloads(function).is_none() {
            let what = format!("undeclared reference to '{function}' (in container '')");
            return self.mistake(id, what);
        }
        let shown: Vec<String> = kinds.iter().map(|kind| self.shown(kind)).collect();
        let applied = match (method, shown.as_slice()) {
            (true, [target, rest @ ..]) => format!("{target}.({})", rest.join(", ")),
            (_, all) => format!("({})", all.join(", ")),
        };
        let what = format!("found no matching overload for '{function}' applied to '{applied}'");
        self.mistake(id, what);
    }
}
