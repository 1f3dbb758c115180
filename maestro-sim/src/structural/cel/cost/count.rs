//! What an expression costs when it runs: it is evaluated once more, each step charged.
//!
//! Only what it costs is wanted, so why a part has no value is not told. A chain of fields is
//! charged one for the variable and one for each field; whatever is known without looking at any
//! value is charged nothing. Source: `interpreter/runtimecost.go`, `interpreter/planner.go` and
//! `interpreter/decorators.go` of `github.com/google/cel-go`.

use std::sync::Arc;

use kube_cel::cel::objects::{Map, OptionalValue};
use kube_cel::cel::{Context, Value};

use super::charge;
use super::range::{LIST, MAP, STRUCT};
use super::tree::{Call, Fold, Node, What};
use super::values::{as_key, field, is_optional, item, key_value, none, present, type_name};
use crate::structural::cel::evaluate;

/// Why there is no value.
pub(super) enum Halt {
    /// There is none.
    Error,
    /// The limit was passed.
    Over,
}

pub(super) type Outcome = Result<Value, Halt>;

pub(super) struct Counter<'c> {
    base: &'c Context<'c>,
    variables: Vec<(Arc<str>, Option<Value>)>,
    pub(super) cost: u64,
    limit: u64,
}

impl<'c> Counter<'c> {
    pub(super) fn new(base: &'c Context<'c>, variables: &[(&str, Value)], limit: u64) -> Self {
        let named = variables.iter().map(|(name, value)| (Arc::from(*name), Some(value.clone())));
        Self { base, variables: named.collect(), cost: 0, limit }
    }

    fn spend(&mut self, cost: u64) -> Result<(), Halt> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Halt::Over) } else { Ok(()) }
    }

    /// The value of a part, at its full cost.
    pub(super) fn value(&mut self, node: &Node) -> Outcome {
        if node.fixed {
            return self.fixed(node);
        }
        match &node.what {
            What::List(items, optional) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let value = self.value(item)?;
                    if optional.contains(&index) {
                        values.extend(present(&value).ok_or(Halt::Error)?);
                    } else {
                        values.push(value);
                    }
                }
                self.spend(LIST)?;
                Ok(Value::List(Arc::new(values)))
            }
            What::Map(entries) => self.map(entries),
            What::Made(fields) => {
                for field in fields {
                    self.value(field)?;
                }
                self.spend(STRUCT)?;
                // Nobody looks into what is made for the server.
                Ok(Value::Null)
            }
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
                    _ => self.cost = self.cost.wrapping_sub(1),
                }
                value
            }
        }
    }

    /// What is found out before anything is evaluated.
    fn fixed(&self, node: &Node) -> Outcome {
        match &node.what {
            What::Name(name) => Ok(Value::String(Arc::new(name.to_string()))),
            What::List(items, _) => {
                let values: Result<Vec<Value>, Halt> =
                    items.iter().map(|item| self.fixed(item)).collect();
                Ok(Value::List(Arc::new(values?)))
            }
            _ => evaluate(&node.leaf, self.base).map_err(|_| Halt::Error),
        }
    }

    /// The value of a chain of fields, without what its variable costs.
    fn chain(&mut self, node: &Node) -> Outcome {
        match &node.what {
            What::Name(name) => {
                let own = self.variables.iter().rev().find(|(own, _)| own == name);
                own.and_then(|(_, value)| value.clone()).ok_or(Halt::Error)
            }
            What::Field(operand, name, test) => {
                let whole = self.link(operand)?;
                if *test {
                    self.spend(1)?;
                    let whole = if is_optional(&whole) {
                        present(&whole).ok_or(Halt::Error)?
                    } else {
                        Some(whole)
                    };
                    let found = whole.is_some_and(|whole| field(&whole, name).is_some());
                    return Ok(Value::Bool(found));
                }
                self.part(whole, false, |whole| field(whole, name))
            }
            What::Call(call) => match (call.function.as_str(), call.operands.as_slice()) {
                ("_?_:_", [condition, yes, no]) => match self.value(condition)? {
                    Value::Bool(true) => self.link(yes),
                    Value::Bool(false) => self.link(no),
                    _ => Err(Halt::Error),
                },
                (function, [whole, index]) => {
                    let whole = self.link(whole)?;
                    let index = self.link(index)?;
                    let optional = function != "_[_]";
                    self.part(whole, optional, |whole| item(whole, &index))
                }
                _ => Err(Halt::Error),
            },
            _ => Err(Halt::Error),
        }
    }

    /// What a chain hangs on: another chain, or a value of its own.
    fn link(&mut self, node: &Node) -> Outcome {
        if node.is_chain() && !node.fixed { self.chain(node) } else { self.value(node) }
    }

    fn part(
        &mut self,
        whole: Value,
        optional: bool,
        find: impl Fn(&Value) -> Option<Value>,
    ) -> Outcome {
        let was_optional = is_optional(&whole);
        let inner = if was_optional { present(&whole).ok_or(Halt::Error)? } else { Some(whole) };
        let Some(inner) = inner else { return Ok(none()) };
        let found = find(&inner);
        if !optional && !was_optional {
            self.spend(1)?;
            return found.ok_or(Halt::Error);
        }
        let Some(found) = found else { return Ok(none()) };
        self.spend(1)?;
        Ok(Value::Opaque(Arc::new(OptionalValue::of(found))))
    }

    fn map(&mut self, entries: &[(Node, Node, bool)]) -> Outcome {
        let mut found = Vec::new();
        for (key, value, optional) in entries {
            let key = as_key(&self.value(key)?).ok_or(Halt::Error)?;
            let value = self.value(value)?;
            let value = if *optional { present(&value).ok_or(Halt::Error)? } else { Some(value) };
            found.extend(value.map(|value| (key, value)));
        }
        self.spend(MAP)?;
        Ok(Value::Map(Map { map: Arc::new(found.into_iter().collect()) }))
    }

    fn fold(&mut self, fold: &Fold) -> Outcome {
        let items = match self.value(&fold.range)? {
            Value::List(items) => Arc::unwrap_or_clone(items),
            Value::Map(map) => {
                // A real server takes them as they come; here every run takes them alike.
                let mut keys: Vec<_> = map.map.keys().collect();
                keys.sort();
                keys.into_iter().map(key_value).collect()
            }
            _ => return Err(Halt::Error),
        };
        let first = self.fixed(&fold.first)?;
        let kept = self.variables.len();
        self.variables.push((Arc::clone(&fold.kept), Some(first)));
        let value = self.steps(fold, items, kept);
        self.variables.truncate(kept);
        value
    }

    fn steps(&mut self, fold: &Fold, items: Vec<Value>, kept: usize) -> Outcome {
        for item in items {
            self.variables.push((Arc::clone(&fold.item), Some(item)));
            let goes_on = match self.value(&fold.condition) {
                Err(Halt::Over) => return Err(Halt::Over),
                Ok(Value::Bool(goes_on)) => goes_on,
                _ => true,
            };
            if !goes_on {
                self.variables.truncate(kept + 1);
                break;
            }
            let step = match self.value(&fold.step) {
                Err(Halt::Over) => return Err(Halt::Over),
                step => step.ok(),
            };
            self.variables.truncate(kept);
            self.variables.push((Arc::clone(&fold.kept), step));
        }
        self.value(&fold.result)
    }

    fn call(&mut self, node: &Node, call: &Call) -> Outcome {
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
                let value = self.value(one)?;
                let Value::List(list) = self.fixed(list)? else { return Err(Halt::Error) };
                return Ok(Value::Bool(list.contains(&value)));
            }
            ("or" | "orValue", [other], Some(target)) => {
                let whole = self.value(target)?;
                let inner =
                    if is_optional(&whole) { present(&whole).ok_or(Halt::Error)? } else { None };
                return match inner {
                    Some(inner) if function == "orValue" => Ok(inner),
                    Some(_) => Ok(whole),
                    None => self.value(other),
                };
            }
            ("_+_", [left, right], _) if left.is_kept() => return self.append(left, right),
            _ => {}
        }
        self.plain(node, call)
    }

    fn logical(&mut self, left: &Node, right: &Node, decides: bool) -> Outcome {
        let mut failed = false;
        for part in [left, right] {
            match self.value(part) {
                Err(Halt::Over) => return Err(Halt::Over),
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(value)),
                Ok(Value::Bool(_)) => {}
                _ => failed = true,
            }
        }
        if failed { Err(Halt::Error) } else { Ok(Value::Bool(!decides)) }
    }

    /// One more item for a list, or one more for a number, that a macro keeps.
    fn append(&mut self, kept: &Node, right: &Node) -> Outcome {
        self.spend(1)?;
        let right = self.value(right)?;
        self.spend(1)?;
        let What::Name(name) = &kept.what else { return Err(Halt::Error) };
        let own = self.variables.iter_mut().rev().find(|(own, _)| own == name);
        match (own.and_then(|(_, value)| value.take()), right) {
            (Some(Value::List(mut all)), Value::List(more)) => {
                Arc::make_mut(&mut all).extend(more.iter().cloned());
                Ok(Value::List(all))
            }
            (Some(Value::Int(count)), Value::Int(more)) => {
                count.checked_add(more).map(Value::Int).ok_or(Halt::Error)
            }
            _ => Err(Halt::Error),
        }
    }

    /// A function of the values of its operands.
    fn plain(&mut self, node: &Node, call: &Call) -> Outcome {
        let parts: Vec<&Node> = call.target.as_deref().into_iter().chain(&call.operands).collect();
        let mut operands = Vec::with_capacity(parts.len());
        for part in &parts {
            match self.value(part) {
                Err(Halt::Over) => return Err(Halt::Over),
                // What takes any number of operands ends with the first that has no value.
                Err(Halt::Error) if parts.len() > 2 || call.has_pattern() => {
                    return Err(Halt::Error);
                }
                value => operands.push(value.ok()),
            }
        }
        let values: Option<Vec<&Value>> = operands.iter().map(Option::as_ref).collect();
        let result = values.and_then(|values| self.apply(node, call, &values));
        let cost = charge::call(self, call, &parts, &operands, result.as_ref());
        self.spend(cost)?;
        result.ok_or(Halt::Error)
    }

    fn apply(&self, node: &Node, call: &Call, values: &[&Value]) -> Option<Value> {
        match (call.function.as_str(), values) {
            ("size", [Value::List(items)]) => i64::try_from(items.len()).ok().map(Value::Int),
            ("size", [Value::Map(map)]) => i64::try_from(map.map.len()).ok().map(Value::Int),
            ("_==_", [left, right]) => Some(Value::Bool(left == right)),
            ("_!=_", [left, right]) => Some(Value::Bool(left != right)),
            ("@in", [one, Value::List(all)]) => Some(Value::Bool(all.contains(one))),
            ("@in", [one, Value::Map(map)]) => {
                Some(Value::Bool(as_key(one).is_some_and(|key| map.map.contains_key(&key))))
            }
            ("_+_", [Value::List(left), Value::List(right)]) => {
                Some(Value::List(Arc::new(left.iter().chain(right.iter()).cloned().collect())))
            }
            ("dyn", [one]) => Some((*one).clone()),
            ("type", [one]) => Some(type_name(one)),
            _ => self.applied(&node.leaf, values),
        }
    }

    /// An expression over values that stand in it as `_0`, `_1` and so on.
    pub(super) fn applied(
        &self,
        leaf: &kube_cel::cel::IdedExpr,
        values: &[&Value],
    ) -> Option<Value> {
        let mut scope = self.base.new_inner_scope();
        for (index, value) in values.iter().enumerate() {
            scope.add_variable_from_value(format!("_{index}"), (*value).clone());
        }
        evaluate(leaf, &scope).ok()
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
