//! What an expression looks at of the variables it is given.
//!
//! `pods.exists(p, p.status.phase == 'Failed')` needs one field of each pod. Values are converted
//! before they are evaluated, and pods are large, so only what is wanted is converted. Whatever an
//! expression does with a value other than selecting a field of it or walking over it, wants all.

use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr};
use kube_cel::cel::common::ast::{LiteralValue, SelectExpr};
use std::collections::BTreeMap;

/// The parts of a value that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    all: bool,
    fields: BTreeMap<String, Wanted>,
    items: Option<Box<Wanted>>,
}

impl Wanted {
    /// Everything.
    pub(super) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Whether the whole value is wanted.
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    /// What is wanted of a field; `None` when nothing is.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        self.fields.get(name)
    }

    /// The fields that are asked for, and what is wanted of each.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&String, &Self)> {
        self.fields.iter()
    }

    /// Whether all that is asked is whether there is a value.
    pub(super) fn is_presence(&self) -> bool {
        !self.all && self.fields.is_empty() && self.items.is_none()
    }

    /// Whether fields are asked for.
    pub(super) fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// What is wanted of each element; `None` when no element is asked for.
    pub(super) fn items(&self) -> Option<&Self> {
        self.items.as_deref()
    }

    /// Wants what `other` wants besides.
    pub(super) fn join(&mut self, other: &Self) {
        self.all |= other.all;
        for (name, wanted) in &other.fields {
            self.fields.entry(name.clone()).or_default().join(wanted);
        }
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().join(items);
        }
    }

    /// Whether whoever has this part has what `other` wants.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let items = match (&self.items, &other.items) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(other)) => mine.covers(other),
        };
        let field = |(name, other): (&String, &Self)| {
            self.fields.get(name).is_some_and(|mine| mine.covers(other))
        };
        self.all || (!other.all && items && other.fields.iter().all(field))
    }

    fn at(&mut self, path: &[Part]) -> &mut Self {
        path.iter().fold(self, |wanted, part| match part {
            Part::Field(name) => wanted.fields.entry(name.clone()).or_default(),
            Part::Item => wanted.items.get_or_insert_default(),
        })
    }
}

#[derive(Debug, Clone)]
enum Part {
    Field(String),
    Item,
}

/// Where a value lies: a free variable, and the way from it.
#[derive(Debug, Clone)]
struct Path {
    root: String,
    parts: Vec<Part>,
}

impl Path {
    fn then(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

/// What an expression, as it was parsed, wants of each free variable.
pub(super) fn wanted(tree: &IdedExpr) -> BTreeMap<String, Wanted> {
    let mut walk = Walk::default();
    walk.value(tree);
    walk.found
}

#[derive(Default)]
struct Walk {
    found: BTreeMap<String, Wanted>,
    /// Variables of the comprehensions around, innermost last, and where their values lie.
    bound: Vec<(String, Option<Path>)>,
}

impl Walk {
    /// The place of an expression that is nothing but a way to a value.
    fn path(&self, tree: &IdedExpr) -> Option<Path> {
        match &tree.expr {
            Expr::Ident(name) => match self.bound.iter().rfind(|(bound, _)| bound == name) {
                Some((_, path)) => path.clone(),
                None => Some(Path { root: name.clone(), parts: Vec::new() }),
            },
            Expr::Select(SelectExpr { operand, field, .. }) => {
                Some(self.path(operand)?.then(Part::Field(field.clone())))
            }
            Expr::Call(CallExpr { func_name, target: None, args }) if func_name == "_[_]" => {
                let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] =
                    args.as_slice()
                else {
                    return None;
                };
                Some(self.path(operand)?.then(Part::Field(key.inner().to_owned())))
            }
            _ => None,
        }
    }

    fn want(&mut self, path: Path) -> &mut Wanted {
        self.found.entry(path.root).or_default().at(&path.parts)
    }

    fn value(&mut self, tree: &IdedExpr) {
        if let Some(path) = self.path(tree) {
            // `has(a.b)` asks whether there is a value, not what it is.
            let only_whether = matches!(&tree.expr, Expr::Select(select) if select.test);
            self.want(path).all |= !only_whether;
            return;
        }
        match &tree.expr {
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Call(call) => {
                call.target.iter().for_each(|target| self.value(target));
                call.args.iter().for_each(|argument| self.value(argument));
            }
            Expr::Select(select) => self.value(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|element| self.value(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(message) => {
                message.entries.iter().for_each(|entry| self.entry(&entry.expr));
            }
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.value(&entry.key);
                self.value(&entry.value);
            }
            EntryExpr::StructField(field) => self.value(&field.value),
        }
    }

    fn comprehension(&mut self, all: &ComprehensionExpr) {
        // With two variables the second is the element and the first its key.
        let range = self.path(&all.iter_range).filter(|_| all.iter_var2.is_none());
        match &range {
            Some(path) => {
                self.want(path.clone().then(Part::Item));
            }
            None => self.value(&all.iter_range),
        }
        self.value(&all.accu_init);
        let element = range.map(|path| path.then(Part::Item));
        let outside = self.bound.len();
        self.bound.push((all.iter_var.clone(), element));
        self.bound.extend(all.iter_var2.clone().map(|name| (name, None)));
        self.bound.push((all.accu_var.clone(), None));
        for part in [&all.loop_cond, &all.loop_step, &all.result] {
            self.value(part);
        }
        self.bound.truncate(outside);
    }
}

impl std::fmt::Display for Wanted {
    /// `*` for everything, `{a, b{c}}` for fields, `[…]` for what is wanted of elements.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.all {
            return f.write_str("*");
        }
        if let Some(items) = &self.items {
            write!(f, "[{items}]")?;
        }
        if self.fields.is_empty() && self.items.is_some() {
            return Ok(());
        }
        let field = |(name, part): (&String, &Self)| match part.all {
            true => name.clone(),
            false => format!("{name}{part}"),
        };
        let fields: Vec<_> = self.fields.iter().map(field).collect();
        match fields.as_slice() {
            [] => f.write_str("{}"),
            fields => write!(f, "{{{}}}", fields.join(", ")),
        }
    }
}
