//! Bounds on what an expression may cost, and a fixed order for walking maps.
//!
//! A Framework is written by somebody else, so an expression must neither hang nor exhaust the
//! operator. The parsed tree is rewritten once: the range of every comprehension goes through
//! [`ITER`], and everything that can grow inside one goes through [`CHARGE`]; both draw on one
//! budget per evaluation. `ITER` also sorts the keys of a map, whose own order is random.

use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr};
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, OptionalValue, ResolveResult};
use kube_cel::cel::{Context, ExecutionError, Value};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Steps of comprehensions in one evaluation.
const ITERATIONS: u64 = 20_000;
/// Bytes and nodes (eight bytes each) that one evaluation may build inside comprehensions.
const VOLUME: u64 = 4 << 20;
const ITER: &str = "@iter";
const CHARGE: &str = "@charge";
const OPTIONAL: &str = "@optional";
const ADD: &str = "_+_";
/// Functions whose result may be larger than what went in.
const GROWING: [&str; 6] = ["replace", "join", "format", "split", "lists.range", "flatten"];

thread_local! {
    static LEFT: Cell<(u64, u64)> = const { Cell::new((ITERATIONS, VOLUME)) };
}

/// Fills the budget for one evaluation.
pub(super) fn refill() {
    LEFT.set((ITERATIONS, VOLUME));
}

/// What an expression refers to, found while it is rewritten.
#[derive(Debug, Default, Clone)]
pub(super) struct References {
    /// Free variables.
    pub variables: BTreeSet<String>,
    /// `variable.field` selections (or tests) on free variables.
    pub fields: BTreeSet<(String, String)>,
    /// Functions called, qualified as written.
    pub functions: BTreeSet<String>,
    /// What the interpreter cannot do, as a message.
    pub unsupported: Option<String>,
    bound: Vec<String>,
    depth: usize,
}

impl References {
    fn is_free(&self, name: &str) -> bool {
        !name.starts_with('@') && !self.bound.iter().any(|bound| bound == name)
    }
}

fn call(name: &str, argument: IdedExpr) -> IdedExpr {
    let id = argument.id;
    let call = CallExpr { func_name: name.to_owned(), target: None, args: vec![argument] };
    IdedExpr { id, expr: Expr::Call(call) }
}

fn wrap(name: &str, place: &mut IdedExpr) {
    let inner = std::mem::take(place);
    *place = call(name, inner);
}

fn is_literal(expression: &IdedExpr) -> bool {
    matches!(expression.expr, Expr::Literal(_))
}

/// Rewrites `node` in place and collects what it refers to.
pub(super) fn rewrite(node: &mut IdedExpr, found: &mut References) {
    match &mut node.expr {
        Expr::Call(_) => rewrite_call(node, found),
        Expr::Comprehension(comprehension) => {
            rewrite(&mut comprehension.iter_range, found);
            wrap(ITER, &mut comprehension.iter_range);
            rewrite(&mut comprehension.accu_init, found);
            found.bound.push(comprehension.iter_var.clone());
            found.bound.push(comprehension.accu_var.clone());
            found.depth += 1;
            rewrite(&mut comprehension.loop_cond, found);
            rewrite(&mut comprehension.loop_step, found);
            rewrite(&mut comprehension.result, found);
            found.depth -= 1;
            found.bound.truncate(found.bound.len() - 2);
        }
        Expr::Ident(name) => {
            if found.is_free(name) {
                found.variables.insert(name.clone());
            }
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                rewrite_element(element, found);
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        rewrite(&mut entry.key, found);
                        rewrite_element(&mut entry.value, found);
                    }
                    EntryExpr::StructField(field) => rewrite(&mut field.value, found),
                }
            }
        }
        Expr::Select(select) => {
            if let Expr::Ident(name) = &select.operand.expr
                && found.is_free(name)
            {
                found.fields.insert((name.clone(), select.field.clone()));
            }
            rewrite(&mut select.operand, found);
        }
        Expr::Struct(message) => {
            found.unsupported =
                Some(format!("messages such as {}{{…}} are not supported", message.type_name));
        }
        Expr::Unspecified => found.unsupported = Some("the expression is empty".to_owned()),
        Expr::Literal(_) => {}
    }
}

fn rewrite_element(element: &mut IdedExpr, found: &mut References) {
    rewrite(element, found);
    if found.depth > 0 && !is_literal(element) {
        wrap(CHARGE, element);
    }
}

fn rewrite_call(node: &mut IdedExpr, found: &mut References) {
    let Expr::Call(call) = &mut node.expr else { return };
    let qualifier = match call.target.as_deref() {
        Some(IdedExpr { expr: Expr::Ident(name), .. }) if found.is_free(name) => Some(name.clone()),
        _ => None,
    };
    let qualified = qualifier.map(|name| format!("{name}.{}", call.func_name));
    match &qualified {
        // Whether `a.f(x)` is a namespace's function or a method only the registry knows.
        Some(name) if is_registered(name) => {
            found.functions.insert(name.clone());
        }
        _ => {
            found.functions.insert(call.func_name.clone());
            if let Some(target) = &mut call.target {
                rewrite(target, found);
            }
        }
    }
    if let ("_?._", [IdedExpr { expr: Expr::Ident(name), .. }, field]) =
        (call.func_name.as_str(), call.args.as_slice())
        && let Expr::Literal(kube_cel::cel::common::ast::LiteralValue::String(field)) = &field.expr
        && found.is_free(name)
    {
        found.fields.insert((name.clone(), field.inner().to_owned()));
    }
    if matches!(call.func_name.as_str(), "_?._" | "_[?_]") {
        // The interpreter fails on a missing key here, where CEL asks for an empty optional.
        call.func_name = OPTIONAL.to_owned();
    }
    for argument in &mut call.args {
        rewrite(argument, found);
    }
    let grows = match call.func_name.as_str() {
        // The `map` macro appends to its accumulator, whose elements were charged already.
        ADD => !call.args.iter().any(|side| is_literal(side) || is_accumulator(side)),
        name => GROWING.contains(&name) || name == "range",
    };
    if grows {
        wrap(CHARGE, node);
    }
}

fn is_accumulator(side: &IdedExpr) -> bool {
    matches!(&side.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// Whether the base context has a function of this name.
pub(super) fn is_registered(name: &str) -> bool {
    let call = CallExpr { func_name: name.to_owned(), target: None, args: Vec::new() };
    let probe = IdedExpr { id: 0, expr: Expr::Call(call) };
    match super::cel::base().resolve(&probe) {
        Err(ExecutionError::UndeclaredReference(missing)) => missing.as_str() != name,
        _ => true,
    }
}

/// Registers what rewritten expressions call, in place of functions without bounds.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function(ITER, iter);
    context.add_function(CHARGE, charge);
    context.add_function(OPTIONAL, optional);
    context.add_function("lists.range", range);
    context.add_function("replace", replace);
    context.add_function("join", join);
}

fn spend(iterations: u64, volume: u64) -> Result<(), ExecutionError> {
    let (steps_left, volume_left) = LEFT.get();
    let left = steps_left.checked_sub(iterations).zip(volume_left.checked_sub(volume));
    let Some(left) = left else {
        let message = format!(
            "the expression is too expensive: at most {ITERATIONS} iterations over {VOLUME} bytes"
        );
        return Err(ExecutionError::function_error("evaluation", message));
    };
    LEFT.set(left);
    Ok(())
}

fn volume(value: &Value) -> u64 {
    match value {
        Value::List(list) => 8 + list.iter().map(volume).sum::<u64>(),
        Value::Map(map) => 8 + map.map.values().map(|value| 16 + volume(value)).sum::<u64>(),
        Value::String(text) => 8 + text.len() as u64,
        Value::Bytes(bytes) => 8 + bytes.len() as u64,
        _ => 8,
    }
}

fn iter(range: Value) -> ResolveResult {
    match range {
        Value::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            spend(keys.len() as u64, volume(&Value::Map(map.clone())))?;
            Ok(Value::List(Arc::new(keys.into_iter().map(key_value).collect())))
        }
        Value::List(list) => {
            let range = Value::List(list.clone());
            spend(list.len() as u64, volume(&range))?;
            Ok(range)
        }
        other => Err(ExecutionError::function_error(
            "comprehension",
            format!("a list or a map is needed, not {}", other.type_of()),
        )),
    }
}

fn key_value(key: &Key) -> Value {
    match key {
        Key::Int(number) => Value::Int(*number),
        Key::Uint(number) => Value::UInt(*number),
        Key::Bool(truth) => Value::Bool(*truth),
        Key::String(text) => Value::String(text.clone()),
    }
}

fn charge(value: Value) -> ResolveResult {
    spend(0, volume(&value))?;
    Ok(value)
}

fn optional(operand: Value, key: Value) -> ResolveResult {
    let inner = match <&OptionalValue>::try_from(&operand) {
        Ok(optional) => optional.value().cloned(),
        Err(_) => Some(operand),
    };
    let found = match (inner, key) {
        (Some(Value::Map(map)), key) => map_key(key).and_then(|key| map.map.get(&key).cloned()),
        (Some(Value::List(list)), Value::Int(at)) => {
            usize::try_from(at).ok().and_then(|at| list.get(at).cloned())
        }
        _ => None,
    };
    Ok(Value::Opaque(Arc::new(found.map_or_else(OptionalValue::none, OptionalValue::of))))
}

fn map_key(value: Value) -> Option<Key> {
    match value {
        Value::Int(number) => Some(Key::Int(number)),
        Value::UInt(number) => Some(Key::Uint(number)),
        Value::Bool(truth) => Some(Key::Bool(truth)),
        Value::String(text) => Some(Key::String(text)),
        _ => None,
    }
}

fn range(length: i64) -> ResolveResult {
    spend(0, u64::try_from(length).unwrap_or(0).saturating_mul(8))?;
    Ok(Value::List(Arc::new((0..length).map(Value::Int).collect())))
}

fn replace(This(text): This<Arc<String>>, from: Arc<String>, to: Arc<String>) -> ResolveResult {
    let places = text.matches(from.as_str()).count() as u64;
    spend(0, text.len() as u64 + places.saturating_mul(to.len() as u64))?;
    Ok(Value::String(Arc::new(text.replace(from.as_str(), &to))))
}

fn join(
    This(list): This<Arc<Vec<Value>>>,
    rest: kube_cel::cel::extractors::Arguments,
) -> ResolveResult {
    // Called as a method, the separator is the only argument; called plainly, the second.
    let separator = match rest.0.iter().rfind(|value| matches!(value, Value::String(_))) {
        Some(Value::String(text)) => text.as_str(),
        _ => "",
    };
    let mut parts = Vec::with_capacity(list.len());
    for item in list.iter() {
        let Value::String(text) = item else {
            return Err(ExecutionError::function_error("join", "every element must be a string"));
        };
        spend(0, (text.len() + separator.len()) as u64)?;
        parts.push(text.as_str());
    }
    Ok(Value::String(Arc::new(parts.join(separator))))
}
