//! Where the parts of an expression stand in its source: the tree does not say it, so both are gone
//! over together.

use std::collections::BTreeMap;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

/// The places of all parts of an expression as it was written, by their numbers.
pub(in crate::structural::cel) fn places(source: &str, tree: &IdedExpr) -> BTreeMap<u64, usize> {
    let mut walk = Walk { source, cursor: 0, places: BTreeMap::new() };
    walk.part(tree);
    walk.places
}

struct Walk<'t> {
    source: &'t str,
    /// Up to where the source was gone over.
    cursor: usize,
    places: BTreeMap<u64, usize>,
}

/// The text of an operator between two operands.
fn operator(function: &str) -> Option<&str> {
    let inner = function.strip_prefix('_').and_then(|rest| rest.strip_suffix('_'));
    let inner = if function == "@in" { Some("in") } else { inner };
    inner.filter(|text| !text.is_empty() && !text.contains(['[', '?']))
}

impl Walk<'_> {
    /// The next place of a text, past which the search then goes on.
    fn find(&mut self, text: &str) -> usize {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let word = text.starts_with(is_part);
        let rest = &self.source[self.cursor..];
        let whole = |at: &usize| {
            let before = rest[..*at].chars().next_back();
            let after = rest[at + text.len()..].chars().next();
            !word || (!before.is_some_and(is_part) && !after.is_some_and(is_part))
        };
        match rest.match_indices(text).map(|(at, _)| at).find(whole) {
            Some(at) => {
                let place = self.cursor + at;
                self.cursor = place + text.len();
                place
            }
            None => self.cursor,
        }
    }

    fn part(&mut self, tree: &IdedExpr) {
        let at = match &tree.expr {
            Expr::Ident(name) => self.find(name),
            Expr::Literal(literal) => self.literal(literal),
            Expr::Select(select) => {
                // `has(a.b)` is told where its parenthesis stands.
                let test = select.test.then(|| {
                    self.find("has");
                    self.find("(")
                });
                self.part(&select.operand);
                let dot = self.find(".");
                self.find(&select.field);
                test.unwrap_or(dot)
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(fold) => {
                let at = self.fold(fold);
                self.rest(tree, at);
                at
            }
            Expr::List(list) => {
                let at = self.find("[");
                list.elements.iter().for_each(|item| self.part(item));
                self.find("]");
                at
            }
            Expr::Map(map) => {
                let at = self.find("{");
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.part(&entry.key);
                        self.find(":");
                        self.part(&entry.value);
                    }
                }
                self.find("}");
                at
            }
            Expr::Struct(object) => {
                self.find(&object.type_name);
                let at = self.find("{");
                for entry in &object.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        self.find(&field.field);
                        self.find(":");
                        self.part(&field.value);
                    }
                }
                self.find("}");
                at
            }
            Expr::Unspecified => self.cursor,
        };
        self.places.insert(tree.id, at);
    }

    /// The parts of a macro that nobody wrote stand where it does.
    fn rest(&mut self, tree: &IdedExpr, at: usize) {
        let mut tree = tree.clone();
        let places = &mut self.places;
        super::super::macros::rewrite(&mut tree, &mut |part| {
            places.entry(part.id).or_insert(at);
        });
    }

    fn literal(&mut self, literal: &LiteralValue) -> usize {
        let rest = &self.source[self.cursor..];
        let starts = |c: char| match literal {
            LiteralValue::String(_) | LiteralValue::Bytes(_) => c == '"' || c == '\'',
            LiteralValue::Boolean(_) | LiteralValue::Null => c.is_ascii_lowercase(),
            _ => c.is_ascii_digit() || c == '-',
        };
        let Some(offset) = rest.find(starts) else { return self.cursor };
        let at = self.cursor + offset;
        let text = &self.source[at..];
        let length = match text.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let mut escaped = false;
                let end = text.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == quote && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                end.map_or(text.len(), |(end, _)| end + 1)
            }
            _ => {
                let inner = |c: char| c.is_alphanumeric() || c == '.';
                text.char_indices().skip(1).find(|(_, c)| !inner(*c)).map_or(text.len(), |e| e.0)
            }
        };
        self.cursor = at + length;
        at
    }

    fn call(&mut self, call: &CallExpr) -> usize {
        let function = call.func_name.as_str();
        match (function, call.args.as_slice()) {
            ("!_" | "-_", [one]) => {
                let at = self.find(&function[..1]);
                self.part(one);
                at
            }
            ("_?_:_", [condition, yes, no]) => {
                self.part(condition);
                let at = self.find("?");
                self.part(yes);
                self.find(":");
                self.part(no);
                at
            }
            ("_[_]" | "_[?_]", [whole, index]) => {
                self.part(whole);
                let at = self.find("[");
                self.part(index);
                self.find("]");
                at
            }
            ("_?._", [whole, field]) => {
                self.part(whole);
                let at = self.find(".?");
                if let Expr::Literal(LiteralValue::String(name)) = &field.expr {
                    self.find(name.inner());
                }
                self.places.insert(field.id, at);
                at
            }
            (_, [left, right]) if operator(function).is_some() => {
                self.part(left);
                let at = self.find(operator(function).unwrap_or(""));
                self.part(right);
                at
            }
            _ => {
                if let Some(target) = &call.target {
                    self.part(target);
                }
                self.find(function);
                let at = self.find("(");
                call.args.iter().for_each(|arg| self.part(arg));
                self.find(")");
                at
            }
        }
    }

    fn fold(&mut self, fold: &ComprehensionExpr) -> usize {
        self.part(&fold.iter_range);
        let at = self.find("(");
        self.find(&fold.iter_var);
        self.find(",");
        let mut steps = Vec::new();
        written(&fold.loop_step, fold, &mut steps);
        for step in steps {
            self.part(step);
        }
        self.find(")");
        at
    }
}

/// The parts of a macro's step that somebody wrote, in their order.
fn written<'e>(step: &'e IdedExpr, loops: &ComprehensionExpr, out: &mut Vec<&'e IdedExpr>) {
    let is = |tree: &IdedExpr, name: &str| matches!(&tree.expr, Expr::Ident(own) if own == name);
    let Expr::Call(call) = &step.expr else { return out.push(step) };
    let collects = call.args.iter().any(|arg| is(arg, &loops.accu_var));
    if call.func_name == "_?_:_" && collects {
        out.extend(call.args.first());
        call.args.iter().skip(1).for_each(|arg| {
            if matches!(arg.expr, Expr::Call(_)) {
                written(arg, loops, out);
            }
        });
        return;
    }
    if !collects {
        return out.push(step);
    }
    for arg in call.args.iter().filter(|arg| !is(arg, &loops.accu_var)) {
        match &arg.expr {
            Expr::List(list) => {
                out.extend(list.elements.iter().filter(|item| !is(item, &loops.iter_var)));
            }
            Expr::Literal(LiteralValue::Int(_)) => {}
            _ => out.push(arg),
        }
    }
}
