//! The most that an expression can cost, by what is known of the sizes of values.
//!
//! A path says where a value comes from, so that what is declared there can be asked for. The
//! server keeps paths in slices of Go, and to append to one may write into another that shares
//! its memory; estimates depend on that, so it is done here, too.
//!
//! Source: `checker/cost.go` of `github.com/google/cel-go`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use kube_cel::cel::common::ast::LiteralValue;

use super::calls;
use super::range::{LIST, MAP, Range, STRUCT, TEXT, UNKNOWN};
use crate::structural::cel::typed::{Call, Fold, Kind, Node, What};

/// Names from a variable to a value, in memory that is shared as Go shares it.
#[derive(Clone, Default)]
pub(super) struct Path {
    names: Rc<RefCell<Vec<String>>>,
    length: usize,
    room: usize,
}

impl Path {
    /// This path and one name more.
    pub(super) fn then(&self, name: &str) -> Self {
        let length = self.length + 1;
        if self.length < self.room {
            let mut names = self.names.borrow_mut();
            match names.get_mut(self.length) {
                Some(place) => name.clone_into(place),
                None => names.push(name.to_owned()),
            }
            return Self { names: Rc::clone(&self.names), length, room: self.room };
        }
        let mut names = self.names.borrow()[..self.length].to_vec();
        names.push(name.to_owned());
        Self { names: Rc::new(RefCell::new(names)), length, room: (2 * self.room).max(1) }
    }

    /// The same in memory of its own.
    pub(super) fn copied(&self, name: &str) -> Self {
        let mut names = self.names.borrow()[..self.length].to_vec();
        names.push(name.to_owned());
        let length = self.length + 1;
        Self { names: Rc::new(RefCell::new(names)), length, room: length }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// The most letters, items or entries of what a path leads to from a variable, if anything is
/// known of it.
pub(super) type Sizes<'s> = &'s dyn Fn(&[String]) -> Option<u64>;

/// The sizes of what a list or a map holds: of its keys and of its values.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    is_list: bool,
    key: Range,
    value: Range,
}

/// A variable of a macro.
struct Variable {
    path: Path,
    size: Option<Range>,
    entry: Option<Entry>,
}

/// An operand as the functions that estimate calls see it.
pub(super) struct Operand<'n> {
    pub(super) node: &'n Node,
    pub(super) path: Path,
    pub(super) size: Option<Range>,
}

pub(super) struct Estimator<'s> {
    sizes: Sizes<'s>,
    /// Whether what is never charged at definition counts: the estimate shall then bound what
    /// evaluation costs.
    bounds: bool,
    paths: BTreeMap<usize, Path>,
    known: BTreeMap<usize, Range>,
    entries: BTreeMap<usize, Entry>,
    variables: BTreeMap<Arc<str>, Vec<Variable>>,
}

const ONE: Range = Range::just(1);

impl<'s> Estimator<'s> {
    pub(super) fn new(sizes: Sizes<'s>, bounds: bool) -> Self {
        let (paths, known) = (BTreeMap::new(), BTreeMap::new());
        let (entries, variables) = (BTreeMap::new(), BTreeMap::new());
        Self { sizes, bounds, paths, known, entries, variables }
    }

    pub(super) fn cost(&mut self, node: &Node) -> Range {
        match &node.what {
            What::Literal(_) => Range::default(),
            What::Name(name) => {
                let path = self.variable(name).map(|variable| variable.path.clone());
                self.paths.insert(node.id, path.unwrap_or_else(|| Path::default().then(name)));
                ONE
            }
            What::Field(operand, name, test) => self.field(node, operand, name, *test),
            What::Call(call) => self.call(node, call),
            What::List(items, _) => {
                let mut sum = Range::default();
                let mut size = Range::of(if items.is_empty() { 0 } else { u64::MAX }, 0);
                for item in items {
                    sum = sum.plus(self.cost(item));
                    size = size.union(self.size(item).unwrap_or(UNKNOWN));
                }
                self.entries.insert(node.id, Entry { is_list: true, key: ONE, value: size });
                sum.plus(Range::just(LIST))
            }
            What::Map(entries) => {
                let mut sum = Range::default();
                let none = Range::of(if entries.is_empty() { 0 } else { u64::MAX }, 0);
                let (mut keys, mut values) = (none, none);
                for (key, value, _) in entries {
                    sum = sum.plus(self.cost(key)).plus(self.cost(value));
                    keys = keys.union(self.size(key).unwrap_or(UNKNOWN));
                    values = values.union(self.size(value).unwrap_or(UNKNOWN));
                }
                let entry = Entry { is_list: false, key: keys, value: values };
                self.entries.insert(node.id, entry);
                sum.plus(Range::just(MAP))
            }
            What::Made(fields) => {
                let costs = fields.iter().map(|(_, field, _)| self.cost(field));
                costs.fold(Range::just(STRUCT), Range::plus)
            }
            What::Fold(fold) => self.fold(node, fold),
        }
    }

    fn field(&mut self, node: &Node, operand: &Node, name: &str, test: bool) -> Range {
        let mut sum = self.cost(operand);
        let has_fields =
            matches!(operand.kind, Kind::Struct(_)) || operand.kind.parts("map").is_some();
        if has_fields && !test || self.bounds {
            sum = sum.plus(ONE);
        }
        if self.bounds && !operand.is_chain() {
            // What a chain hangs on counts as its variable would.
            sum = sum.plus(ONE);
        }
        if !test {
            let path = self.path(operand).then(name);
            self.paths.insert(node.id, path);
        }
        sum
    }

    fn call(&mut self, node: &Node, call: &Call) -> Range {
        if let ("dyn", [operand]) = (call.function.as_str(), call.operands.as_slice()) {
            let cost = self.cost(operand);
            self.copy(node, operand);
            return cost.plus(ONE);
        }
        let (mut costs, mut operands) = (Vec::new(), Vec::new());
        for operand in &call.operands {
            costs.push(self.cost(operand));
            operands.push(self.operand(operand));
        }
        if call.overloads.is_empty() {
            return Range::default();
        }
        let (mut sum, mut target) = (Range::default(), None);
        if let Some(receiver) = &call.target {
            sum = self.cost(receiver);
            target = Some(self.operand(receiver));
        }
        let (mut cost, mut size) = (Range::of(u64::MAX, 0), None::<Range>);
        for overload in &call.overloads {
            let asked = calls::Asked {
                node,
                function: &call.function,
                overload: overload.id,
                target: target.as_ref(),
                operands: &operands,
                costs: &costs,
            };
            let (one, result) = calls::estimate(self, &asked);
            cost = cost.union(one);
            if let Some(result) = result {
                size = Some(size.map_or(result, |size| size.union(result)));
            }
            if let ("index_list" | "index_map", Some(whole)) = (overload.id, call.operands.first())
            {
                size = self.entry(whole).map(|entry| entry.value);
                let below = if overload.id == "index_list" { "@items" } else { "@values" };
                let path = self.path(whole).then(below);
                self.paths.insert(node.id, path);
            }
            size = size.or_else(|| self.size(node));
        }
        self.known.extend(size.map(|size| (node.id, size)));
        let least = if self.bounds { ONE } else { Range::default() };
        sum.plus(cost).plus(least)
    }

    fn fold(&mut self, node: &Node, fold: &Fold) -> Range {
        let mut sum = self.cost(&fold.range).plus(self.cost(&fold.first));
        let kept = Variable {
            path: self.path(&fold.first),
            size: self.size(&fold.first),
            entry: self.entry(&fold.first),
        };
        self.variables.entry(Arc::clone(&fold.kept)).or_default().push(kept);
        if fold.is_bind() {
            sum = sum.plus(self.cost(&fold.result));
            self.variables.get_mut(&fold.kept).and_then(Vec::pop);
            self.copy(node, &fold.result);
            return sum;
        }
        let entry = self.entry(&fold.range);
        let is_list =
            entry.map_or_else(|| fold.range.kind.parts("list").is_some(), |entry| entry.is_list);
        let (keys, values) = if is_list { ("@indices", "@items") } else { ("@keys", "@values") };
        let (key_size, value_size) = (entry.map(|entry| entry.key), entry.map(|entry| entry.value));
        let of_values = is_list && fold.second.is_none();
        let (below, size) = if of_values { (values, value_size) } else { (keys, key_size) };
        let path = self.path(&fold.range).then(below);
        let item = Variable { path, size, entry: None };
        self.variables.entry(Arc::clone(&fold.item)).or_default().push(item);
        if let Some(second) = &fold.second {
            let path = self.path(&fold.range).then(values);
            let value = Variable { path, size: value_size, entry: None };
            self.variables.entry(Arc::clone(second)).or_default().push(value);
        }
        let condition = self.cost(&fold.condition);
        let step = self.cost(&fold.step);
        for name in std::iter::once(&fold.item).chain(&fold.second) {
            self.variables.get_mut(name).and_then(Vec::pop);
        }
        sum = sum.plus(self.cost(&fold.result));
        self.variables.get_mut(&fold.kept).and_then(Vec::pop);
        let count = self.size(&fold.range).unwrap_or(UNKNOWN);
        // The condition is asked once more than there are steps.
        let last = if self.bounds { condition } else { Range::default() };
        sum = sum.plus(count.times(step.plus(condition))).plus(last);
        match &fold.first.what {
            What::Literal(_) => {
                let size = self.size(&fold.first);
                self.known.extend(size.map(|size| (node.id, size)));
            }
            What::List(..) | What::Map(_) => {
                self.known.insert(node.id, count);
                let entry = self.entry(&fold.step);
                self.entries.extend(entry.map(|entry| (node.id, entry)));
            }
            _ => {}
        }
        sum
    }

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)?.last()
    }

    fn path(&self, node: &Node) -> Path {
        if let What::Name(name) = &node.what
            && let Some(variable) = self.variable(name)
        {
            return variable.path.clone();
        }
        self.paths.get(&node.id).cloned().unwrap_or_default()
    }

    fn operand<'n>(&mut self, node: &'n Node) -> Operand<'n> {
        Operand { node, path: self.path(node), size: self.size(node) }
    }

    fn copy(&mut self, to: &Node, from: &Node) {
        let size = self.size(from);
        self.known.extend(size.map(|size| (to.id, size)));
        self.keep_entry(to, self.entry(from));
    }

    /// The size of a value, if it is known.
    pub(super) fn size(&mut self, node: &Node) -> Option<Range> {
        if let Some(size) = self.known.get(&node.id) {
            return Some(*size);
        }
        let own = match &node.what {
            What::Literal(literal) => Some(literal_size(literal)),
            What::List(items, _) => Some(items.len() as u64),
            What::Map(entries) => Some(entries.len() as u64),
            _ => None,
        };
        if let Some(own) = own {
            return Some(Range::just(own));
        }
        if let Some(size) = self.declared(&self.path(node)) {
            self.known.insert(node.id, size);
            return Some(size);
        }
        if node.kind.has_fixed_size() {
            return Some(ONE);
        }
        match &node.what {
            What::Name(name) => self.variable(name)?.size,
            _ => None,
        }
    }

    /// What is declared of the size of the value at a path.
    pub(super) fn declared(&self, path: &Path) -> Option<Range> {
        if path.is_empty() {
            return None;
        }
        let names = path.names.borrow();
        (self.sizes)(&names[..path.length]).map(|most| Range::of(0, most))
    }

    pub(super) fn entry(&self, node: &Node) -> Option<Entry> {
        if let Some(entry) = self.entries.get(&node.id) {
            return Some(*entry);
        }
        match &node.what {
            What::Name(name) => self.variable(name)?.entry,
            _ => None,
        }
    }

    pub(super) fn keep_entry(&mut self, node: &Node, entry: Option<Entry>) {
        self.entries.extend(entry.map(|entry| (node.id, entry)));
    }
}

impl Entry {
    pub(super) fn union(self, other: Self) -> Self {
        let (key, value) = (self.key.union(other.key), self.value.union(other.value));
        Self { is_list: self.is_list, key, value }
    }
}

fn literal_size(literal: &LiteralValue) -> u64 {
    match literal {
        LiteralValue::String(text) => text.inner().chars().count() as u64,
        LiteralValue::Bytes(bytes) => bytes.inner().len() as u64,
        _ => 1,
    }
}

/// The cost of going over a text of a size once.
pub(super) fn traversal(size: Range) -> Range {
    size.scaled(TEXT)
}
