//! CEL rules of a schema (`x-kubernetes-validations`), each compiled once in a process.
//!
//! Source: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

mod convert;
pub(crate) mod cost;
pub(crate) mod types;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, IdedExpr, Value as CelValue};

use super::cache::Cache;
use super::list;
use super::path::Path;
use super::problem::Problem;
use crate::api::admission::authorizer;
use crate::api::status::Cause;
use crate::json::Value;
use crate::schema::{Kind, Rule, Schema};

/// The most letters of an expression, and the most mistakes that are told of one: each is told
/// with the line that it is in.
///
/// Source: the options of `github.com/google/cel-go/parser`.
const LONGEST: usize = 100_000;
const MOST_ERRORS: usize = 100;

/// An expression, or why it is none.
pub(crate) struct Compiled {
    pub(crate) tree: Result<IdedExpr, String>,
    uses_old: bool,
}

pub(crate) fn base() -> &'static Context<'static> {
    static BASE: LazyLock<Context<'static>> = LazyLock::new(|| {
        let mut context = Context::default().with_all();
        authorizer::register(&mut context);
        context
    });
    &BASE
}

pub(crate) fn compile(source: &str) -> Arc<Compiled> {
    static RULES: LazyLock<Cache<Compiled>> = LazyLock::new(Cache::default);
    RULES.get(source, |source| {
        let parser = Parser::new().enable_optional_syntax(true).max_recursion_depth(64);
        // The parser gives up on some texts by panicking; a user's rule must not end the server.
        if source.chars().count() > LONGEST {
            let size = source.chars().count();
            let why =
                format!("expression code point size exceeds limit: size: {size}, limit {LONGEST}");
            return Compiled { tree: Err(why), uses_old: false };
        }
        let tree = match catch_unwind(AssertUnwindSafe(|| parser.parse(source))) {
            Ok(Ok(tree)) => Ok(tree),
            Ok(Err(mut errors)) => {
                errors.errors.truncate(MOST_ERRORS);
                Err(errors.to_string())
            }
            Err(_) => Err("the expression cannot be parsed".to_owned()),
        };
        let uses_old = tree.as_ref().is_ok_and(|t| t.references().variables().contains(&"oldSelf"));
        Compiled { tree, uses_old }
    })
}

/// Why a rule's expression does not compile, if it does not.
pub fn compile_problem(source: &str) -> Option<String> {
    compile(source).tree.as_ref().err().cloned()
}

/// The first name in an expression that is neither known nor its own, as a compiler tells it; or
/// why it cannot be read at all.
pub(crate) fn undeclared(source: &str, known: &[&str]) -> Option<String> {
    const BUILT_IN: [&str; 20] = [
        "bool",
        "bytes",
        "double",
        "duration",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "timestamp",
        "type",
        "uint",
        "math",
        "optional",
        "sets",
        "lists",
        "strings",
        "ip",
        "cidr",
        "format",
    ];
    let compiled = compile(source);
    let tree = match &compiled.tree {
        Ok(tree) => tree,
        // Pointed at as cel-go does it.
        Err(why) => return Some(why.replace("\n|", "\n |")),
    };
    let references = tree.references();
    let mut unknown: Vec<(usize, &str)> = references
        .variables()
        .into_iter()
        .filter(|name| !known.contains(name) && !BUILT_IN.contains(name))
        .filter(|name| !name.starts_with('@') && !is_bound(source, name))
        .filter_map(|name| Some((word(source, name)?, name)))
        .collect();
    unknown.sort_unstable();
    let (at, name) = unknown.first()?;
    let what = format!("undeclared reference to '{name}' (in container '')");
    Some(types::placed(source, *at, &what))
}

/// Where a name stands as a word of its own, not as a field.
fn word(source: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = source[..*at].chars().next_back();
        let after = source[at + name.len()..].chars().next();
        !before.is_some_and(|c| is_part(c) || c == '.') && !after.is_some_and(is_part)
    })
}

/// Whether a macro such as `all` or `map` binds a name.
fn is_bound(source: &str, name: &str) -> bool {
    let bare: String = source.chars().filter(|c| !c.is_whitespace()).collect();
    bare.contains(&format!("({name},")) || bare.contains(&format!(",{name},"))
}

/// Why an expression has no value. What the engine says of operands that it has no operator for
/// prints them, maps in an order of their own; the real one says the same of all.
fn words(error: &ExecutionError) -> String {
    use ExecutionError as E;
    match error {
        E::UnsupportedTargetType { .. }
        | E::NotSupportedAsMethod { .. }
        | E::UnsupportedKeyType(_)
        | E::ValuesNotComparable(..)
        | E::UnsupportedUnaryOperator(..)
        | E::UnsupportedBinaryOperator(..)
        | E::UnsupportedMapIndex(_)
        | E::UnsupportedListIndex(_)
        | E::UnsupportedIndex(..)
        | E::NoSuchOverload => "no such overload".to_owned(),
        other => other.to_string(),
    }
}

pub(crate) fn evaluate(tree: &IdedExpr, scope: &Context) -> Result<CelValue, String> {
    match catch_unwind(AssertUnwindSafe(|| scope.resolve(tree))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err("the expression cannot be evaluated".to_owned()),
    }
}

/// Runs the rules of `value` and all below it. `old` is the node's value before an update.
pub(super) fn check(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &Path,
    out: &mut Vec<Cause>,
) {
    let absent = value.is_null() && schema.nullable;
    if !schema.rules.is_empty() && !absent {
        rules(schema, value, old, path, out);
    }
    match value {
        Value::Object(map) => {
            for (name, field) in map {
                let before = old.and_then(|o| o.get(name));
                if let Some(child) = schema.properties.get(name.as_str()) {
                    check(child, field, before, &path.field(name), out);
                } else if let Some(child) = &schema.additional {
                    check(child, field, before, &path.key(name), out);
                }
            }
        }
        Value::Array(items) => {
            let Some(child) = schema.items.as_ref().filter(|child| has_rules(child)) else {
                return;
            };
            for (index, item) in items.iter().enumerate() {
                let before = list::before(schema, old, item);
                check(child, item, before, &path.index(index), out);
            }
        }
        _ => {}
    }
}

/// Whether the node or anything right below it has rules: most lists have none at all, and
/// finding the old item of each would be in vain.
fn has_rules(schema: &Schema) -> bool {
    !schema.rules.is_empty()
        || schema.properties.values().any(|child| has_rules(child))
        || schema.additional.as_ref().is_some_and(|child| has_rules(child))
        || schema.items.as_ref().is_some_and(|child| has_rules(child))
}

fn rules(schema: &Schema, value: &Value, old: Option<&Value>, path: &Path, out: &mut Vec<Cause>) {
    let unchanged = old == Some(value);
    let mut scope = base().new_inner_scope();
    scope.add_variable_from_value("self", convert::to_cel(schema, value));
    let before = old.map(|o| convert::to_cel(schema, o));
    for rule in &schema.rules {
        let compiled = compile(&rule.rule);
        if compiled.uses_old {
            let variable = match (&before, rule.optional_old_self) {
                (Some(before), false) => before.clone(),
                (None, false) => continue,
                (Some(before), true) => {
                    CelValue::Opaque(Arc::new(OptionalValue::of(before.clone())))
                }
                (None, true) => CelValue::Opaque(Arc::new(OptionalValue::none())),
            };
            scope.add_variable_from_value("oldSelf", variable);
        } else if unchanged {
            continue;
        }
        if let Some(cause) = verdict(schema, rule, &compiled, &scope, value, path) {
            out.push(cause);
        }
    }
}

fn verdict(
    schema: &Schema,
    rule: &Rule,
    compiled: &Compiled,
    scope: &Context,
    value: &Value,
    path: &Path,
) -> Option<Cause> {
    let kind = Value::from(kind_name(schema.kind));
    let tree = match &compiled.tree {
        Ok(tree) => tree,
        Err(error) => {
            return Some(Problem::invalid(path, &kind, &format!("rule compile error: {error}")));
        }
    };
    match evaluate(tree, scope) {
        Ok(CelValue::Bool(true)) => None,
        Ok(CelValue::Bool(false)) => Some(refusal(rule, scope, value, path)),
        Ok(_) => Some(Problem::invalid(path, &kind, "rule must evaluate to a bool")),
        Err(error) => {
            let text = match rule.message.as_str() {
                "" => format!("{error} evaluating rule: {}", rule.rule),
                message => format!("{error} evaluating rule: {message}"),
            };
            Some(Problem::invalid(path, &kind, &text))
        }
    }
}

fn refusal(rule: &Rule, scope: &Context, value: &Value, path: &Path) -> Cause {
    let from_expression = (!rule.message_expression.is_empty())
        .then(|| compile(&rule.message_expression))
        .and_then(|compiled| evaluate(compiled.tree.as_ref().ok()?, scope).ok())
        .and_then(|found| match found {
            CelValue::String(text) if !text.trim().is_empty() && !text.contains('\n') => {
                Some(text.to_string())
            }
            _ => None,
        });
    let detail = from_expression.unwrap_or_else(|| match rule.message.trim() {
        "" => format!("failed rule: {}", rule.rule.trim()),
        message => message.to_owned(),
    });
    let below = rule.field_path.trim_start_matches('.');
    let field = path.field(below);
    let path = if below.is_empty() { path } else { &field };
    match rule.reason.as_str() {
        "FieldValueForbidden" => Problem::forbidden(path, &detail),
        "FieldValueRequired" => Problem::required(path, &detail),
        "FieldValueDuplicate" => Problem::duplicate(path, value),
        _ if value.is_object() || value.is_array() => Problem::invalid_unshown(path, &detail),
        _ => Problem::invalid(path, value, &detail),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Any | Kind::IntOrString => "",
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Boolean => "boolean",
        Kind::Number => "number",
        Kind::Integer => "integer",
    }
}
