//! The CEL rules of a definition's schema, compiled when the definition is written.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`.

use crate::api::Cause;
use crate::builtin::field::{self, Path};
use crate::json::Value;
use crate::structural::cel::types::{self, Type};
use crate::structural::cel::{compile, undeclared};

/// What rules may name.
const NAMES: [&str; 2] = ["self", "oldSelf"];

/// What is wrong with the rules of one node of a schema; `root` for that of a whole object.
pub(super) fn check(schema: &Value, path: &Path<'_>, root: bool, causes: &mut Vec<Cause>) {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    let all = path.field("x-kubernetes-validations");
    let own = Type::of(schema, root);
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        let here = all.index(index);
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or("").trim();
        let (source, message) = (text("rule"), text("messageExpression"));
        if source.is_empty() {
            causes.push(field::required(&here.field("rule"), "rule is not specified"));
            continue;
        }
        if let Some(why) = problem(source, &own, "bool") {
            let why = why.map_or("cel expression must evaluate to a bool".to_owned(), |why| {
                format!("compilation failed: {why}")
            });
            causes.push(field::invalid_shown(&here.field("rule"), &shown(rule), &why));
        }
        if message.is_empty() {
            continue;
        }
        if let Some(why) = problem(message, &own, "string") {
            let why = why.map_or("messageExpression must evaluate to a string".to_owned(), |why| {
                format!("messageExpression compilation failed: {why}")
            });
            let place = here.field("messageExpression");
            causes.push(field::invalid_shown(&place, &shown(rule), &why));
        }
    }
}

/// What is wrong with an expression: mistakes in it, or none but a value of another type.
fn problem(source: &str, own: &Type<'_>, wanted: &'static str) -> Option<Option<String>> {
    let compiled = compile(source);
    let tree = match &compiled.tree {
        Ok(tree) => tree,
        Err(why) => return Some(Some(why.clone())),
    };
    if let Some(why) = undeclared(source, &NAMES) {
        return Some(Some(why));
    }
    let names = NAMES.map(|name| (name, own.clone()));
    let checked = types::check(source, tree, &names);
    if !checked.errors.is_empty() {
        return Some(Some(checked.errors.join("\n")));
    }
    let known = !matches!(checked.kind, Type::Dyn);
    (known && checked.kind != Type::Simple(wanted)).then_some(None)
}

/// A rule as the server prints its own struct.
fn shown(rule: &Value) -> String {
    let fields = [
        ("Rule", "rule", "\"\""),
        ("Message", "message", "\"\""),
        ("MessageExpression", "messageExpression", "\"\""),
        ("Reason", "reason", "null"),
        ("FieldPath", "fieldPath", "\"\""),
        ("OptionalOldSelf", "optionalOldSelf", "null"),
    ];
    let parts = fields.map(|(shown, name, none)| {
        let value = rule.get(name).map_or_else(|| none.to_owned(), Value::to_string);
        format!("\"{shown}\":{value}")
    });
    // As Go's encoder writes text that a page could take for markup.
    let text = format!("{{{}}}", parts.join(","));
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}
