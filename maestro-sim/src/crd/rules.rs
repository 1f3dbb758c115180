//! The CEL rules of a definition's schema, compiled when the definition is written.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`.

use std::sync::Arc;

use super::field_path;
use crate::api::Cause;
use crate::builtin::field::{self, Path};
use crate::json::Value;
use crate::structural::cel::cost::{self, Declared};
use crate::structural::cel::{Compiled, Forms, Kind, Structs, compile, types};

const RULES: &str = "x-kubernetes-validations";

/// What of a node's rules is missing or cannot be told to a person.
pub(super) fn written(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let rules = schema.get(RULES).and_then(Value::as_array);
    let all = path.field(RULES);
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        let here = all.index(index);
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or("");
        let blank = |name: &str| !text(name).is_empty() && text(name).trim().is_empty();
        let lines = |text: &str| text.contains(['\n', '\r']);
        let shown = |name: &str| Value::from(text(name));
        let message = here.field("message");
        if text("rule").trim().is_empty() {
            causes.push(field::required(&here.field("rule"), "rule is not specified"));
        } else if blank("message") {
            let detail = "must be non-empty if specified";
            causes.push(field::invalid(&message, &shown("message"), detail));
        } else if lines(text("message").trim()) {
            let detail = "must not contain line breaks";
            causes.push(field::invalid(&message, &shown("message"), detail));
        } else if lines(text("rule").trim()) && text("message").trim().is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            causes.push(field::required(&message, detail));
        }
        if blank("messageExpression") {
            let detail = "messageExpression must be non-empty if specified";
            causes.push(field::required(&here.field("messageExpression"), detail));
        }
        let reasons = [
            "FieldValueDuplicate",
            "FieldValueForbidden",
            "FieldValueInvalid",
            "FieldValueRequired",
        ];
        let reason = rule.get("reason").and_then(Value::as_str);
        if let Some(reason) = reason.filter(|reason| !reasons.contains(reason)) {
            causes.push(field::not_supported(&here.field("reason"), &reason.into(), &reasons));
        }
        let place = here.field("fieldPath");
        let shown = shown("fieldPath");
        if blank("fieldPath") {
            causes.push(field::invalid(&place, &shown, "must be non-empty if specified"));
        }
        if lines(text("fieldPath")) {
            causes.push(field::invalid(&place, &shown, "must not contain line breaks"));
        }
        if !text("fieldPath").is_empty()
            && field_path::find(text("fieldPath"), schema, true).is_err()
        {
            causes.push(field::invalid(&place, &shown, "must be a valid path"));
        }
    }
}

/// What is wrong with the rules of a whole schema: each, and what all of them cost together.
/// `held` where the version has the same schema already: what is in use goes on.
pub(super) fn check(schema: &Value, path: &Path<'_>, held: bool, causes: &mut Vec<Cause>) {
    let mut total = Total { held, ..Total::default() };
    total.schema(schema, path, true, Some(1), causes);
    if total.cost <= cost::SCHEMA_LIMIT {
        return;
    }
    total.most.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    for (place, _) in total.most.iter().take(4) {
        let detail = "contributed to estimated rule cost total exceeding cost limit for entire \
                      OpenAPIv3 schema";
        causes.push(field::forbidden(place, detail));
    }
    let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    causes.push(field::forbidden(path, &exceeds(what, total.cost, cost::SCHEMA_LIMIT)));
}

/// What the rules of a schema cost.
#[derive(Default)]
struct Total {
    held: bool,
    cost: u64,
    /// The dearest, where they stand.
    most: Vec<(String, u64)>,
    /// The outermost list around a value whose items cannot be found again in an older object.
    apart: Option<String>,
}

/// Whether the items of a list have no names to be found by. What is in a map always has.
fn is_nameless(schema: &Value) -> bool {
    let kind = schema.get("x-kubernetes-list-type").and_then(Value::as_str);
    schema.get("items").is_some_and(Value::is_object) && kind != Some("map")
}

impl Total {
    /// The rules below a node, then its own; `count` is how many values of it there can be, if
    /// the schema says.
    fn schema(
        &mut self,
        schema: &Value,
        path: &Path<'_>,
        root: bool,
        count: Option<u64>,
        causes: &mut Vec<Cause>,
    ) {
        let below = count.zip(most_below(schema)).map(|(own, below)| own.saturating_mul(below));
        let embedded =
            |child: &Value| child.get("x-kubernetes-embedded-resource").is_some_and(|e| e == true);
        let properties = schema.get("properties").and_then(Value::as_object);
        let inner = path.field("properties");
        if let Some(values) = schema.get("additionalProperties").filter(|a| a.is_object()) {
            let here = path.field("additionalProperties");
            self.schema(values, &here, embedded(values), below, causes);
        }
        let outer = self.apart.clone();
        if outer.is_none() && is_nameless(schema) {
            self.apart = Some(path.to_string());
        }
        for (name, child) in properties.into_iter().flatten() {
            self.schema(child, &inner.key(name), embedded(child), below, causes);
        }
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            self.schema(items, &path.field("items"), embedded(items), below, causes);
        }
        self.apart = outer;
        let rules = schema.get(RULES).and_then(Value::as_array).filter(|rules| !rules.is_empty());
        if let Some(rules) = rules {
            let node = Typed::of(Declared::of(schema, root));
            for (index, rule) in rules.iter().enumerate() {
                self.rule(&node, rule, &path.field(RULES).index(index), count, causes);
            }
        }
    }

    fn rule(
        &mut self,
        node: &Typed,
        rule: &Value,
        here: &Path<'_>,
        count: Option<u64>,
        causes: &mut Vec<Cause>,
    ) {
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or("");
        let optional = rule.get("optionalOldSelf").is_some_and(|set| set == true);
        let estimate = |forms: &Forms| {
            let tree = forms.expanded();
            node.declared.as_ref().map_or(0, |own| cost::estimate(tree, own, optional))
        };
        let place = here.field("rule");
        match problem(text("rule"), node, optional, "bool") {
            Err(wrong) => {
                let why = wrong.words("", "cel expression must evaluate to a bool");
                return causes.push(field::invalid_shown(&place, &shown(rule), &why));
            }
            Ok(compiled) => {
                let told = rule.get("optionalOldSelf").filter(|told| !told.is_null());
                if let Some(told) = told.filter(|_| !compiled.uses_old) {
                    let detail = "may not be set if oldSelf is not used in rule";
                    causes.push(field::invalid(&here.field("optionalOldSelf"), told, detail));
                }
                let least = node.declared.as_ref().map_or(1, |own| own.least_bytes);
                let most = u64::try_from(cost::REQUEST / (least + 1)).unwrap_or(0);
                let one = compiled.forms.as_ref().map_or(0, estimate);
                let cost = one.saturating_mul(count.unwrap_or(most));
                self.add(&place, "estimated rule cost", cost, causes);
                if let Some(apart) = self.apart.as_ref().filter(|_| compiled.uses_old) {
                    let detail = format!(
                        "oldSelf cannot be used on the uncorrelatable portion of the schema \
                         within {apart}"
                    );
                    causes.push(field::invalid(&place, &text("rule").into(), &detail));
                }
            }
        }
        if text("messageExpression").is_empty() {
            return;
        }
        let place = here.field("messageExpression");
        match problem(text("messageExpression"), node, optional, "string") {
            Err(wrong) => {
                let kind = "messageExpression must evaluate to a string";
                let why = wrong.words("messageExpression ", kind);
                causes.push(field::invalid_shown(&place, &shown(rule), &why));
            }
            Ok(compiled) => {
                let cost = compiled.forms.as_ref().map_or(0, estimate);
                self.add(&place, "estimated messageExpression cost", cost, causes);
            }
        }
    }

    /// Adds the cost of an expression, and says so if it is too much by itself.
    fn add(&mut self, place: &Path<'_>, what: &str, cost: u64, causes: &mut Vec<Cause>) {
        if cost > cost::EXPRESSION_LIMIT && !self.held {
            causes.push(field::forbidden(place, &exceeds(what, cost, cost::EXPRESSION_LIMIT)));
        }
        self.cost = self.cost.saturating_add(cost);
        if cost >= cost::SCHEMA_LIMIT / 100 {
            self.most.push((place.to_string(), cost));
        }
    }
}

/// What is known of the values that a node's rules are about.
struct Typed {
    own: Kind,
    structs: Structs,
    declared: Option<Declared>,
}

impl Typed {
    fn of(declared: Option<Declared>) -> Self {
        let mut structs = Structs::new();
        let own = declared.as_ref().map_or(Kind::Dyn, |own| own.name("self", &mut structs));
        Self { own, structs, declared }
    }
}

/// How many values a node can have below it for each of its own, if the schema says.
fn most_below(schema: &Value) -> Option<u64> {
    let most = |name: &str| Some(schema.get(name)?.as_i64()?.max(0).unsigned_abs());
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => most("maxItems"),
        Some("object") if schema.get("additionalProperties").is_some() => most("maxProperties"),
        _ => Some(1),
    }
}

/// By how much a cost is above its limit.
#[allow(clippy::cast_precision_loss)]
fn exceeds(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        f if f > 100.0 => "more than 100x".to_owned(),
        f if f < 1.5 => format!("{f:.6}x"),
        f => format!("{f:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding \
         maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// What is wrong with an expression.
enum Wrong {
    Mistakes(String),
    /// What is known of it beforehand has no value.
    Broken(String),
    /// Its value is of another type than is wanted.
    Kind,
}

impl Wrong {
    fn words(&self, of: &str, kind: &str) -> String {
        match self {
            Self::Mistakes(why) => format!("{of}compilation failed: {why}"),
            Self::Broken(why) => format!("{of}program instantiation failed: {why}"),
            Self::Kind => kind.to_owned(),
        }
    }
}

/// An expression, or what is wrong with it.
fn problem(
    source: &str,
    node: &Typed,
    optional_old: bool,
    wanted: &'static str,
) -> Result<Arc<Compiled>, Wrong> {
    let compiled = compile(source);
    let forms = compiled.forms.as_ref();
    let forms = forms.map_err(|why| Wrong::Mistakes(why.replace("\n|", "\n |")))?;
    let own = node.own.clone();
    let old = if optional_old { Kind::optional(own.clone()) } else { own.clone() };
    let names = [("self", own), ("oldSelf", old)];
    let checked = types::check(source, forms, &names, &node.structs);
    if !checked.errors.is_empty() {
        return Err(Wrong::Mistakes(checked.errors.join("\n")));
    }
    let open = node.declared.is_none() && checked.kind == Kind::Dyn;
    if !open && checked.kind != Kind::scalar(wanted) {
        return Err(Wrong::Kind);
    }
    match checked.broken {
        Some(why) => Err(Wrong::Broken(why)),
        None => Ok(compiled),
    }
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
