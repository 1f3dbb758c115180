//! The walk over an expression, along its source.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SelectExpr};

use super::Type::{self, Dyn, Simple};
use super::placed;

/// Goes over an expression and its source together.
pub(super) struct Checker<'s, 't> {
    pub(super) source: &'t str,
    /// Up to where the source was gone over: the tree does not say where its parts stand.
    pub(super) cursor: usize,
    pub(super) names: Vec<(String, Type<'s>)>,
    pub(super) errors: Vec<String>,
}

/// The text of an operator between two operands.
fn operator(function: &str) -> Option<&str> {
    let inner = function.strip_prefix('_').and_then(|rest| rest.strip_suffix('_'));
    let inner = if function == "@in" { Some("in") } else { inner };
    inner.filter(|text| !text.is_empty() && !text.contains(['[', '?']))
}

impl<'s> Checker<'s, '_> {
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

    fn error(&mut self, at: usize, what: &str) {
        self.errors.push(placed(self.source, at, what));
    }

    pub(super) fn walk(&mut self, tree: &IdedExpr) -> (Type<'s>, usize) {
        match &tree.expr {
            Expr::Ident(name) => {
                let at = self.find(name);
                let known = self.names.iter().rev().find(|(own, _)| own == name);
                (known.map_or(Dyn, |(_, kind)| kind.clone()), at)
            }
            Expr::Literal(literal) => self.literal(literal),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(loops) => self.comprehension(loops),
            Expr::List(list) => {
                let at = self.find("[");
                let kinds: Vec<(Type<'s>, usize)> =
                    list.elements.iter().map(|item| self.walk(item)).collect();
                self.find("]");
                let first = kinds.first().map_or(Dyn, |(kind, _)| kind.clone());
                for (kind, place) in kinds.iter().skip(1) {
                    if let (Some(want), Some(got)) = (first.name(), kind.name())
                        && want != got
                    {
                        let what = format!("expected type '{want}' but found '{got}'");
                        self.error(*place, &what);
                    }
                }
                (Type::List(Box::new(first)), at)
            }
            _ => (Dyn, self.cursor),
        }
    }

    fn literal(&mut self, literal: &LiteralValue) -> (Type<'s>, usize) {
        let kind = match literal {
            LiteralValue::Boolean(_) => Simple("bool"),
            LiteralValue::Bytes(_) => Simple("bytes"),
            LiteralValue::Double(_) => Simple("double"),
            LiteralValue::Int(_) => Simple("int"),
            LiteralValue::UInt(_) => Simple("uint"),
            LiteralValue::String(_) => Simple("string"),
            LiteralValue::Null => Dyn,
        };
        let rest = &self.source[self.cursor..];
        let starts = |c: char| match literal {
            LiteralValue::String(_) | LiteralValue::Bytes(_) => c == '"' || c == '\'',
            LiteralValue::Boolean(_) | LiteralValue::Null => c.is_ascii_lowercase(),
            _ => c.is_ascii_digit() || c == '-',
        };
        let Some(offset) = rest.find(starts) else { return (kind, self.cursor) };
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
        (kind, at)
    }

    fn select(&mut self, select: &SelectExpr) -> (Type<'s>, usize) {
        // `has(a.b)` is told where its parenthesis stands.
        let test = select.test.then(|| {
            self.find("has");
            self.find("(")
        });
        let (operand, _) = self.walk(&select.operand);
        let dot = self.find(".");
        self.find(&select.field);
        let at = test.unwrap_or(dot);
        let kind = match &operand {
            Simple(name) => {
                self.error(at, &format!("type '{name}' does not support field selection"));
                Dyn
            }
            other => other.field(&select.field).unwrap_or_else(|| {
                self.error(at, &format!("undefined field '{}'", select.field));
                Dyn
            }),
        };
        (if select.test { Simple("bool") } else { kind }, at)
    }

    fn call(&mut self, call: &CallExpr) -> (Type<'s>, usize) {
        let function = call.func_name.as_str();
        match (function, call.args.as_slice()) {
            ("!_" | "-_", [one]) => {
                let at = self.find(&function[..1]);
                let (kind, _) = self.walk(one);
                let wrong = match function {
                    "!_" => kind != Simple("bool"),
                    _ => !kind.is_number(),
                };
                if let (true, Some(name)) = (wrong, kind.name()) {
                    self.unfit(at, function, &name);
                }
                (if function == "!_" { Simple("bool") } else { kind }, at)
            }
            ("_?_:_", [condition, yes, no]) => {
                let (kind, place) = self.walk(condition);
                self.must_be_bool(&kind, place);
                let at = self.find("?");
                let (yes, _) = self.walk(yes);
                self.find(":");
                let (no, _) = self.walk(no);
                (if yes == no { yes } else { Dyn }, at)
            }
            ("_[_]", [whole, index]) => {
                let (kind, _) = self.walk(whole);
                let at = self.find("[");
                self.walk(index);
                self.find("]");
                match kind {
                    Type::List(inner) | Type::Map(inner) => (*inner, at),
                    _ => (Dyn, at),
                }
            }
            (_, [left, right]) if operator(function).is_some() => {
                let (left, before) = self.walk(left);
                let at = self.find(operator(function).unwrap_or(""));
                let (right, after) = self.walk(right);
                self.binary(function, (&left, before), (&right, after), at)
            }
            _ => {
                let target = call.target.as_ref().map(|target| self.walk(target).0);
                self.find(function);
                let at = self.find("(");
                let kinds: Vec<Type<'s>> = call.args.iter().map(|arg| self.walk(arg).0).collect();
                (self.function(function, target.as_ref(), &kinds, at), at)
            }
        }
    }

    fn unfit(&mut self, at: usize, function: &str, kinds: &str) {
        let what = format!("found no matching overload for '{function}' applied to '({kinds})'");
        self.error(at, &what);
    }

    fn must_be_bool(&mut self, kind: &Type<'s>, at: usize) {
        if let Some(name) = kind.name().filter(|name| name != "bool") {
            self.error(at, &format!("expected type 'bool' but found '{name}'"));
        }
    }

    fn binary(
        &mut self,
        function: &str,
        (left, before): (&Type<'s>, usize),
        (right, after): (&Type<'s>, usize),
        at: usize,
    ) -> (Type<'s>, usize) {
        let logical = matches!(function, "_&&_" | "_||_");
        if logical {
            self.must_be_bool(left, before);
            self.must_be_bool(right, after);
            return (Simple("bool"), at);
        }
        let compares = matches!(function, "_<_" | "_<=_" | "_>_" | "_>=_");
        let same = left.name() == right.name();
        let fits = match (function, left, right) {
            (_, Simple(_), Simple(_)) if compares => same || left.is_number() && right.is_number(),
            ("_==_" | "_!=_", Simple(_), Simple(_)) => same,
            ("_+_", Simple("string" | "bytes"), Simple(_)) => same,
            ("_+_" | "_-_", Simple(a), Simple(b)) if a.contains('.') || b.contains('.') => true,
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", Simple(_), Simple(_)) => {
                same && left.is_number()
            }
            ("@in", Simple(_), Type::List(items)) => {
                items.name().is_none_or(|name| left.name() == Some(name))
            }
            _ => true,
        };
        if let (false, Some(a), Some(b)) = (fits, left.name(), right.name()) {
            self.unfit(at, function, &format!("{a}, {b}"));
        }
        let arithmetic = matches!(function, "_+_" | "_-_" | "_*_" | "_/_" | "_%_");
        match arithmetic {
            false => (Simple("bool"), at),
            true if same && fits => (left.clone(), at),
            true => (Dyn, at),
        }
    }

    /// The types of a few functions that every expression uses.
    fn function(
        &mut self,
        function: &str,
        target: Option<&Type<'s>>,
        kinds: &[Type<'s>],
        at: usize,
    ) -> Type<'s> {
        match (function, target, kinds) {
            ("size", None, [Simple(name @ ("int" | "bool" | "double"))]) => {
                self.unfit(at, function, name);
                Simple("int")
            }
            ("size", ..) => Simple("int"),
            (
                "startsWith" | "endsWith" | "contains" | "matches",
                Some(Simple("string")),
                [Simple(name)],
            ) => {
                if *name != "string" {
                    let what = format!(
                        "found no matching overload for '{function}' applied to 'string.({name})'"
                    );
                    self.error(at, &what);
                }
                Simple("bool")
            }
            _ => Dyn,
        }
    }

    fn comprehension(&mut self, loops: &ComprehensionExpr) -> (Type<'s>, usize) {
        let (range, _) = self.walk(&loops.iter_range);
        let at = self.find("(");
        self.find(&loops.iter_var);
        let (first, second) = match &range {
            Type::List(items) if loops.iter_var2.is_none() => (items.as_ref().clone(), Dyn),
            Type::List(items) => (Simple("int"), items.as_ref().clone()),
            Type::Map(values) => (Simple("string"), values.as_ref().clone()),
            _ => (Dyn, Dyn),
        };
        let known = self.names.len();
        self.names.push((loops.iter_var.clone(), first));
        if let Some(name) = &loops.iter_var2 {
            self.find(name);
            self.names.push((name.clone(), second));
        }
        self.find(",");
        let mut steps = Vec::new();
        written(&loops.loop_step, loops, &mut steps);
        for step in steps {
            self.walk(step);
        }
        self.names.truncate(known);
        let kind = match &loops.accu_init.expr {
            Expr::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_)) => Simple("bool"),
            Expr::List(_) => Type::List(Box::new(Dyn)),
            _ => Dyn,
        };
        (kind, at)
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
