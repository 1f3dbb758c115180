//! An expression whose every part has its type, and whose every call its overloads.
//!
//! Source: `checker/checker.go` of `github.com/google/cel-go`.

mod fixed;
mod folds;
mod functions;
mod kind;
mod mistakes;
mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SelectExpr};

use fixed::{is_fixed, leaf};
use functions::{Overload, overloads};
use kind::Found;
pub(crate) use kind::Kind;
use names::{dotted, is_type, literal_kind, value};

use super::cost::Structs;

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its number among the parts.
    pub(crate) id: usize,
    /// Its number in the expression.
    pub(crate) written: u64,
    pub(crate) kind: Kind,
    pub(crate) what: What,
    /// Whether its value is known before anything is evaluated.
    pub(crate) fixed: bool,
    /// Of a call, one over the values of its operands, which stand there as `_0`, `_1` and so on.
    pub(crate) leaf: IdedExpr,
}

impl Node {
    /// Whether it is a variable with fields, or stands for one.
    pub(crate) fn is_chain(&self) -> bool {
        match &self.what {
            What::Name(_) | What::Field(..) => true,
            What::Call(call) => {
                matches!(call.function.as_str(), "_[_]" | "_[?_]" | "_?._" | "_?_:_")
            }
            _ => false,
        }
    }

    /// Whether it is what a macro keeps from item to item.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(&self.what, What::Name(name) if name.as_ref() == KEPT)
    }
}

impl Call {
    /// What the only overload is called that is meant; nothing if more can be.
    pub(crate) fn single(&self) -> &'static str {
        match self.overloads.as_slice() {
            [one] => one.id,
            _ => "",
        }
    }

    /// Whether it looks for a pattern that is known beforehand.
    pub(crate) fn has_pattern(&self) -> bool {
        self.function == "matches" && self.operands.last().is_some_and(|pattern| pattern.fixed)
    }

    /// Whether it asks for one of a few values that are known beforehand.
    pub(crate) fn is_membership(&self) -> bool {
        let simple = |item: &Node| {
            matches!(&item.what, What::Literal(literal)
                if !matches!(literal, LiteralValue::Bytes(_) | LiteralValue::Null))
        };
        let Some(list) = self.operands.get(1).filter(|list| list.fixed) else { return false };
        self.single() == "in_list"
            && matches!(&list.what, What::List(items, _) if items.iter().all(simple))
    }
}

/// The name that macros have for what they keep.
const KEPT: &str = "@result";

#[derive(Debug)]
pub(crate) enum What {
    Literal(LiteralValue),
    Name(Arc<str>),
    /// A field of a value, or whether it is there.
    Field(Box<Node>, String, bool),
    Call(Call),
    List(Vec<Node>, Vec<usize>),
    /// Keys, values, and whether what has no value is left out.
    Map(Vec<(Node, Node, bool)>),
    /// An object of a type, by its fields, and whether what has no value is left out.
    Made(Vec<(String, Node, bool)>),
    Fold(Box<Fold>),
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: String,
    /// What a method is called on.
    pub(crate) target: Option<Box<Node>>,
    pub(crate) operands: Vec<Node>,
    /// All that may be meant by the types of the operands.
    pub(crate) overloads: Vec<&'static Overload>,
}

/// What a macro such as `all` or `map` stands for.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) range: Node,
    pub(crate) item: Arc<str>,
    /// The variable of the values, beside one of indices or keys.
    pub(crate) second: Option<Arc<str>>,
    pub(crate) kept: Arc<str>,
    pub(crate) first: Node,
    pub(crate) condition: Node,
    pub(crate) step: Node,
    pub(crate) result: Node,
}

impl Fold {
    /// Whether it only gives a value a name: a loop over nothing.
    pub(crate) fn is_bind(&self) -> bool {
        let empty = matches!(&self.range.what, What::List(items, _) if items.is_empty());
        let ends = matches!(&self.condition.what,
            What::Literal(LiteralValue::Boolean(goes_on)) if !*goes_on.inner());
        empty && ends
    }
}

/// Types an expression in which some names are known.
pub(crate) fn typed(expression: &IdedExpr, names: &[(&str, Kind)], structs: &Structs) -> Node {
    checked(expression, names, structs).0
}

/// The same, and what is wrong with it: by the number of the part that is.
pub(crate) fn checked(
    expression: &IdedExpr,
    names: &[(&str, Kind)],
    structs: &Structs,
) -> (Node, Vec<(u64, String)>) {
    let names = names.iter().map(|(name, kind)| (Arc::from(*name), kind.clone())).collect();
    let (found, mistakes) = (Found::default(), Vec::new());
    let mut checker = Checker { names, structs, found, next: 0, mistakes };
    let mut node = checker.node(expression);
    checker.settle(&mut node);
    (node, checker.mistakes)
}

struct Checker<'s> {
    names: Vec<(Arc<str>, Kind)>,
    structs: &'s Structs,
    found: Found,
    next: usize,
    mistakes: Vec<(u64, String)>,
}

impl Checker<'_> {
    fn node(&mut self, expression: &IdedExpr) -> Node {
        let (kind, what) = match &expression.expr {
            Expr::Literal(literal) => (literal_kind(literal), What::Literal(literal.clone())),
            Expr::Ident(name) => (self.name(name, expression.id), What::Name(name.as_str().into())),
            Expr::Select(select) => match dotted(expression, &self.names) {
                Some(name) => (self.name(&name, expression.id), What::Name(name.into())),
                None => self.field(select, expression.id),
            },
            Expr::Call(call) => self.call(call, expression.id),
            Expr::List(list) => {
                let items: Vec<Node> = list.elements.iter().map(|item| self.node(item)).collect();
                let optional = &list.optional_indices;
                let mut kinds = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    kinds.push(self.element(item, optional.contains(&index)));
                }
                let kind = Kind::list(self.joined(kinds));
                (kind, What::List(items, optional.clone()))
            }
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        let key = self.node(&entry.key);
                        entries.push((key, self.node(&entry.value), entry.optional));
                    }
                }
                let keys = entries.iter().map(|(key, ..)| key.kind.clone()).collect();
                let mut values = Vec::with_capacity(entries.len());
                for (_, one, optional) in &entries {
                    values.push(self.element(one, *optional));
                }
                (Kind::map(self.joined(keys), self.joined(values)), What::Map(entries))
            }
            Expr::Comprehension(fold) => self.fold(fold),
            Expr::Struct(made) => {
                let mut fields = Vec::new();
                for entry in &made.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        let value = self.node(&field.value);
                        fields.push((field.field.clone(), value, field.optional));
                    }
                }
                (Kind::Dyn, What::Made(fields))
            }
            Expr::Unspecified => (Kind::Dyn, What::Literal(LiteralValue::Null)),
        };
        self.next += 1;
        let (fixed, leaf) = (is_fixed(&kind, &what), leaf(expression, &what));
        Node { id: self.next, written: expression.id, kind, what, fixed, leaf }
    }

    fn name(&mut self, name: &str, id: u64) -> Kind {
        let own = self.names.iter().rev().find(|(own, _)| own.as_ref() == name);
        if let Some((_, kind)) = own {
            return kind.clone();
        }
        // What is no variable is the name of a type.
        if !is_type(name) {
            self.mistake(id, format!("undeclared reference to '{name}' (in container '')"));
            return Kind::Dyn;
        }
        Kind::Made("type".into(), vec![Kind::parse(name)])
    }

    /// The one type of all; open if there are none.
    fn joined(&mut self, kinds: Vec<Kind>) -> Kind {
        let mut kinds = kinds.into_iter();
        let Some(first) = kinds.next() else { return self.found.fresh() };
        kinds.fold(first, |all, next| self.found.join(&all, &next).unwrap_or(Kind::Dyn))
    }

    fn select(&mut self, operand: &Kind, field: &str, optional: bool, id: u64) -> Kind {
        let operand = self.found.resolve(operand, false);
        let (target, was_optional) = value(&operand);
        let kind = match &target {
            Kind::Struct(name) => {
                let fields = self.structs.get(name.as_ref());
                let kind = fields.map(|fields| fields.get(field).cloned());
                match kind {
                    Some(Some(_)) => {}
                    Some(None) => self.mistake(id, format!("undefined field '{field}'")),
                    None => self.mistake(id, format!("unexpected failed resolution of '{name}'")),
                }
                kind.flatten().unwrap_or(Kind::Dyn)
            }
            Kind::Free(_) => {
                self.found.assign(&[Kind::Dyn], std::slice::from_ref(&target));
                Kind::Dyn
            }
            other => match other.parts("map").and_then(|parts| parts.get(1)) {
                Some(values) => values.clone(),
                None => {
                    if *other != Kind::Dyn {
                        let shown = self.shown(other);
                        let what = format!("type '{shown}' does not support field selection");
                        self.mistake(id, what);
                    }
                    Kind::Dyn
                }
            },
        };
        if optional || was_optional { Kind::optional(kind) } else { kind }
    }

    fn field(&mut self, select: &SelectExpr, id: u64) -> (Kind, What) {
        let operand = self.node(&select.operand);
        let kind = self.select(&operand.kind, &select.field, false, id);
        let kind =
            if select.test { Kind::scalar("bool") } else { self.found.resolve(&kind, false) };
        (kind, What::Field(Box::new(operand), select.field.clone(), select.test))
    }

    fn call(&mut self, call: &CallExpr, id: u64) -> (Kind, What) {
        let operands: Vec<Node> = call.args.iter().map(|arg| self.node(arg)).collect();
        let (mut function, mut target) = (call.func_name.clone(), None);
        if let Some(receiver) = &call.target {
            // A name before the dot may be a part of the function's name.
            let whole = match &receiver.expr {
                Expr::Ident(name) => format!("{name}.{function}"),
                _ => String::new(),
            };
            if overloads(&whole).is_some() {
                function = whole;
            } else {
                target = Some(Box::new(self.node(receiver)));
            }
        }
        let (kind, fitting) = match (function.as_str(), operands.as_slice()) {
            ("_?._", [operand, field]) => {
                let name = match &field.what {
                    What::Literal(LiteralValue::String(name)) => name.inner(),
                    _ => "",
                };
                let kind = self.select(&operand.kind, name, true, id);
                (kind, overloads("_?._").into_iter().flatten().collect())
            }
            _ => {
                let kinds = target.iter().map(|target| &target.kind);
                let kinds = kinds.chain(operands.iter().map(|operand| &operand.kind)).cloned();
                let kinds = kinds.collect::<Vec<_>>();
                let before = self.mistakes.len();
                if matches!(function.as_str(), "_&&_" | "_||_") {
                    for (kind, part) in kinds.iter().zip(&call.args) {
                        self.must_be_bool(kind, part.id);
                    }
                }
                let (kind, fitting) = self.overloads(&function, target.is_some(), &kinds);
                if fitting.is_empty() && self.mistakes.len() == before {
                    self.unfit(&function, target.is_some(), &kinds, id);
                }
                (kind, fitting)
            }
        };
        (kind, What::Call(Call { function, target, operands, overloads: fitting }))
    }

    /// The type of a call's value, and all overloads that the types of its operands fit.
    fn overloads(
        &mut self,
        function: &str,
        method: bool,
        kinds: &[Kind],
    ) -> (Kind, Vec<&'static Overload>) {
        let all = overloads(function).unwrap_or(&[]);
        let (mut fitting, mut result) = (Vec::new(), None);
        for overload in all.iter().filter(|overload| overload.method == method) {
            let mut fresh = BTreeMap::new();
            let mut open = |letter: char| -> Kind {
                fresh.entry(letter).or_insert_with(|| self.found.fresh()).clone()
            };
            let wanted: Vec<Kind> =
                overload.operands.iter().map(|operand| operand.with(&mut open)).collect();
            let kind = overload.result.with(&mut open);
            if !self.found.assign(kinds, &wanted) {
                continue;
            }
            fitting.push(overload);
            let kind = self.found.resolve(&kind, false);
            result = match result {
                None => Some(kind),
                Some(Kind::Dyn) => Some(Kind::Dyn),
                Some(before) if before == kind => Some(before),
                Some(_) => Some(Kind::Dyn),
            };
        }
        (result.unwrap_or(Kind::Dyn), fitting)
    }

    /// Gives all parts the types that were found in the end.
    fn settle(&self, node: &mut Node) {
        node.kind = self.found.resolve(&node.kind, true);
        match &mut node.what {
            What::Literal(_) | What::Name(_) => {}
            What::Field(operand, ..) => self.settle(operand),
            What::Call(call) => {
                call.target.iter_mut().for_each(|target| self.settle(target));
                call.operands.iter_mut().for_each(|operand| self.settle(operand));
            }
            What::List(items, _) => items.iter_mut().for_each(|item| self.settle(item)),
            What::Made(fields) => {
                fields.iter_mut().for_each(|(_, value, _)| self.settle(value));
            }
            What::Map(entries) => entries.iter_mut().for_each(|(key, value, _)| {
                self.settle(key);
                self.settle(value);
            }),
            What::Fold(fold) => {
                let Fold { range, first, condition, step, result, .. } = fold.as_mut();
                for part in [range, first, condition, step, result] {
                    self.settle(part);
                }
            }
        }
    }
}
