//! The value of an expression, and what it costs to find it.
//!
//! A typed expression is walked part by part as a real server's interpreter does it, each step
//! charged: a chain of fields one for the variable and one for each field, and whatever is known
//! without looking at any value nothing. What has no value does not end an `&&`, an `||` or a
//! macro that another operand decides. The functions of libraries are the engine's.
//!
//! Source: <https://github.com/google/cel-spec/blob/master/doc/langdef.md>;
//! `interpreter/interpretable.go`, `interpreter/runtimecost.go`, `interpreter/planner.go` and
//! `interpreter/decorators.go` of `github.com/google/cel-go`.

mod folds;
mod format;
mod functions;
mod operators;

use std::sync::Arc;

use kube_cel::cel::objects::Map;
use kube_cel::cel::{Context, IdedExpr, Value};

use super::cost::charge;
use super::cost::range::{LIST, MAP, STRUCT};
use super::evaluate;
use super::lists::Lists;
use super::typed::{Call, Node, What};
use super::values::{as_key, literal, none, present, some, text, type_value};
pub(super) use format::{letters, misfit, shown};
pub(crate) use functions::pattern;
use operators::UNFIT;

/// A value, or why there is none.
pub(super) type Answer = Result<Value, String>;

/// Why there is no value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Halt {
    /// There is none, in the server's words.
    Error(String),
    /// The limit was passed.
    Over,
}

impl From<String> for Halt {
    fn from(why: String) -> Self {
        Self::Error(why)
    }
}

fn unfit() -> Halt {
    Halt::Error(UNFIT.to_owned())
}

pub(super) type Outcome = Result<Value, Halt>;

/// What a variable stands for.
enum Slot<'c> {
    Known(Outcome),
    /// What is evaluated when the variable is first asked for.
    Later(&'c Node),
}

pub(super) struct Interpreter<'c> {
    base: &'c Context<'c>,
    lists: &'c Lists,
    variables: Vec<(Arc<str>, Slot<'c>)>,
    pub(super) cost: u64,
    limit: u64,
    /// Whether what is evaluated costs nothing.
    free: bool,
}

impl<'c> Interpreter<'c> {
    /// Sees values by their names, and knows which lists are sets or maps.
    pub(super) fn new(
        base: &'c Context<'c>,
        variables: &[(&str, Value)],
        lists: &'c Lists,
        limit: u64,
    ) -> Self {
        let known = |value: &Value| Slot::Known(Ok(value.clone()));
        let variables = variables.iter().map(|(name, value)| (Arc::from(*name), known(value)));
        Self { base, lists, variables: variables.collect(), cost: 0, limit, free: false }
    }

    fn spend(&mut self, cost: u64) -> Result<(), Halt> {
        if self.free {
            return Ok(());
        }
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Halt::Over) } else { Ok(()) }
    }

    /// The value of a whole expression, or why it has none in the server's words.
    pub(super) fn answer(&mut self, node: &'c Node) -> Answer {
        self.value(node).map_err(|halt| match halt {
            Halt::Error(why) => why,
            Halt::Over => "operation cancelled: actual cost limit exceeded".to_owned(),
        })
    }

    /// The value of a part, at its full cost.
    pub(super) fn value(&mut self, node: &'c Node) -> Outcome {
        if !node.fixed || self.free {
            return self.costly(node);
        }
        // It is found out before anything is evaluated.
        self.free = true;
        let value = self.costly(node);
        self.free = false;
        value
    }

    fn costly(&mut self, node: &'c Node) -> Outcome {
        match &node.what {
            What::Literal(one) => Ok(literal(one)),
            What::Name(name) if node.kind.name() == "type" => Ok(type_value(name)),
            What::List(items, optional) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    values.extend(self.element(item, optional.contains(&index))?);
                }
                self.spend(LIST)?;
                Ok(Value::List(Arc::new(values)))
            }
            What::Map(entries) => self.map(entries),
            What::Made(fields) => self.made(fields),
            What::Fold(fold) => self.fold(fold),
            What::Call(call) if !node.is_chain() => self.call(node, call),
            _ => {
                let value = self.chain(node);
                if matches!(value, Err(Halt::Over)) {
                    return value;
                }
                match root_cost(node) {
                    0 => {}
                    1 => self.spend(1)?,
                    _ if self.free => {}
                    _ => self.cost = self.cost.wrapping_sub(1),
                }
                value
            }
        }
    }

    /// The value of a chain of fields, without what its variable costs.
    fn chain(&mut self, node: &'c Node) -> Outcome {
        match &node.what {
            What::Name(name) => {
                let own = self.variables.iter().rposition(|(own, _)| own == name);
                let unknown = || Halt::Error(format!("no such attribute(s): {name}"));
                self.variable(own.ok_or_else(unknown)?)
            }
            What::Field(operand, name, test) => {
                let whole = self.link(operand)?;
                if *test {
                    self.spend(1)?;
                    let whole = match present(&whole) {
                        Some(inner) => inner,
                        None => Some(whole),
                    };
                    let found = whole.is_some_and(|whole| operators::field(&whole, name).is_some());
                    return Ok(Value::Bool(found));
                }
                self.part(whole, false, |whole| match whole {
                    Value::Map(_) => {
                        operators::field(whole, name).ok_or_else(|| format!("no such key: {name}"))
                    }
                    Value::List(_) => operators::item(whole, &text(name.as_str())),
                    _ => Err(format!("no such key: {name}")),
                })
            }
            What::Call(call) => match (call.function.as_str(), call.operands.as_slice()) {
                ("_?_:_", [condition, yes, no]) => {
                    let condition = self.value(condition)?;
                    if functions::truth(&condition)? { self.link(yes) } else { self.link(no) }
                }
                (function, [whole, index]) => {
                    let whole = self.link(whole)?;
                    let index = self.link(index)?;
                    let optional = function != "_[_]";
                    self.part(whole, optional, |whole| operators::item(whole, &index))
                }
                _ => Err(unfit()),
            },
            _ => Err(unfit()),
        }
    }

    /// The value of a variable, in the order in which they were bound.
    fn variable(&mut self, index: usize) -> Outcome {
        let later = match self.variables.get(index) {
            Some((_, Slot::Known(value))) => return value.clone(),
            Some((_, Slot::Later(node))) => *node,
            None => return Err(unfit()),
        };
        // It sees what was bound before it.
        let inner = self.variables.split_off(index);
        let value = self.value(later);
        self.variables.extend(inner);
        if let Some((_, slot)) = self.variables.get_mut(index) {
            *slot = Slot::Known(value.clone());
        }
        value
    }

    /// What a chain hangs on: another chain, or a value of its own.
    fn link(&mut self, node: &'c Node) -> Outcome {
        if node.is_chain() && !node.fixed { self.chain(node) } else { self.value(node) }
    }

    fn part(&mut self, whole: Value, optional: bool, find: impl Fn(&Value) -> Answer) -> Outcome {
        let (inner, was_optional) = match present(&whole) {
            Some(inner) => (inner, true),
            None => (Some(whole), false),
        };
        let Some(inner) = inner else { return Ok(none()) };
        let found = find(&inner);
        if !optional && !was_optional {
            self.spend(1)?;
            return Ok(found?);
        }
        let Ok(found) = found else { return Ok(none()) };
        self.spend(1)?;
        Ok(some(found))
    }

    /// The value of an element; of one that may be absent, what it has.
    fn element(&mut self, node: &'c Node, optional: bool) -> Result<Option<Value>, Halt> {
        let value = self.value(node)?;
        if optional { present(&value).ok_or_else(unfit) } else { Ok(Some(value)) }
    }

    fn map(&mut self, entries: &'c [(Node, Node, bool)]) -> Outcome {
        let mut found = Vec::new();
        for (key, value, optional) in entries {
            let key = as_key(&self.value(key)?).ok_or_else(unfit)?;
            found.extend(self.element(value, *optional)?.map(|value| (key, value)));
        }
        self.spend(MAP)?;
        Ok(Value::Map(Map { map: Arc::new(found.into_iter().collect()) }))
    }

    /// An object of a type, as the map of its fields.
    fn made(&mut self, fields: &'c [(String, Node, bool)]) -> Outcome {
        let mut found = Vec::new();
        for (name, value, optional) in fields {
            let value = self.element(value, *optional)?;
            found.extend(value.map(|value| (name.as_str().into(), value)));
        }
        self.spend(STRUCT)?;
        Ok(Value::Map(Map { map: Arc::new(found.into_iter().collect()) }))
    }

    fn call(&mut self, node: &'c Node, call: &'c Call) -> Outcome {
        let function = call.function.as_str();
        match (function, call.operands.as_slice(), &call.target) {
            ("_&&_", [left, right], _) => return self.logical(left, right, false),
            ("_||_", [left, right], _) => return self.logical(left, right, true),
            ("@not_strictly_false", [one], _) => {
                let value = match self.value(one) {
                    Err(Halt::Over) => return Err(Halt::Over),
                    Ok(Value::Bool(false)) => false,
                    _ => true,
                };
                self.spend(1)?;
                return Ok(Value::Bool(value));
            }
            ("@in", [one, list], _) if call.is_membership() => {
                let (value, list) = (self.value(one)?, self.value(list)?);
                return Ok(operators::contains(&list, &value, self.lists)?);
            }
            ("or" | "orValue", [other], Some(target)) => {
                let whole = self.value(target)?;
                let inner = present(&whole).ok_or_else(unfit)?;
                return match inner {
                    Some(inner) if function == "orValue" => Ok(inner),
                    Some(_) => Ok(whole),
                    None => self.value(other),
                };
            }
            ("_+_", [left, right], _) if left.is_kept() => return self.append(left, right),
            ("cel.@mapInsert", [kept, added @ ..], _) if kept.is_kept() => {
                return self.insert(kept, added);
            }
            _ => {}
        }
        self.plain(node, call)
    }

    fn logical(&mut self, left: &'c Node, right: &'c Node, decides: bool) -> Outcome {
        let mut failed = None;
        for part in [left, right] {
            match self.value(part) {
                Err(Halt::Over) => return Err(Halt::Over),
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(value)),
                Ok(Value::Bool(_)) => {}
                Err(halt) => failed = failed.or(Some(halt)),
                Ok(_) => failed = failed.or_else(|| Some(unfit())),
            }
        }
        failed.map_or(Ok(Value::Bool(!decides)), Err)
    }

    /// A function of the values of its operands.
    fn plain(&mut self, node: &'c Node, call: &'c Call) -> Outcome {
        let parts: Vec<&Node> = call.target.as_deref().into_iter().chain(&call.operands).collect();
        let mut operands = Vec::with_capacity(parts.len());
        let mut failed = None;
        for part in &parts {
            match self.value(part) {
                Err(Halt::Over) => return Err(Halt::Over),
                // What takes any number of operands ends with the first that has no value.
                Err(halt) if parts.len() > 2 || call.has_pattern() => return Err(halt),
                Ok(value) => operands.push(Some(value)),
                Err(halt) => {
                    failed = failed.or(Some(halt));
                    operands.push(None);
                }
            }
        }
        let values: Option<Vec<&Value>> = operands.iter().map(Option::as_ref).collect();
        let result = match (failed, values) {
            (None, Some(values)) => self.apply(node, call, &values).map_err(Halt::Error),
            (failed, _) => Err(failed.unwrap_or_else(unfit)),
        };
        let cost = charge::call(self, call, &parts, &operands, result.as_ref().ok());
        self.spend(cost)?;
        result
    }

    fn apply(&self, node: &Node, call: &Call, values: &[&Value]) -> Answer {
        let function = call.function.as_str();
        if let Some(own) = functions::apply(function, values, self.lists) {
            return own;
        }
        match self.applied(&node.leaf, values) {
            Ok(value) => Ok(functions::corrected(function, value)),
            Err(why) => Err(functions::reworded(function, values, why)),
        }
    }

    /// An expression of the engine over values that stand in it as `_0`, `_1` and so on.
    pub(super) fn applied(&self, leaf: &IdedExpr, values: &[&Value]) -> Answer {
        let mut scope = self.base.new_inner_scope();
        for (index, value) in values.iter().enumerate() {
            scope.add_variable_from_value(format!("_{index}"), (*value).clone());
        }
        evaluate(leaf, &scope)
    }
}

/// What the variable of a chain costs, or the value that it hangs on; a test for presence gives
/// one back.
fn root_cost(node: &Node) -> i32 {
    let below = |operand: &Node| {
        if operand.is_chain() && !operand.fixed { root_cost(operand) } else { 1 }
    };
    match &node.what {
        What::Field(operand, _, test) => below(operand) - i32::from(*test),
        What::Call(call) if call.function == "_?_:_" => 0,
        What::Call(call) => call.operands.first().map_or(1, below),
        _ => 1,
    }
}
