//! The rules of a schema over an object, and what they may cost.
//!
//! A rule that goes past what it may cost ends the validation, and so do all rules together. The
//! cost is counted only for objects so large that it matters; all others are known to stay below.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`.

use std::cell::OnceCell;

use kube_cel::cel::Value as CelValue;

use super::cost::{BUDGET, CALL_LIMIT, Plan, Slot, weight};
use super::lists::Lists;
use super::{Compiled, base, compile, convert, values};
use crate::api::status::Cause;
use crate::json::Value;
use crate::schema::{Kind, Rule, Schema};
use crate::structural::list;
use crate::structural::path::Path;
use crate::structural::problem::Problem;
use crate::structural::validate;

/// Runs the rules of `value` and all below it. `old` is the node's value before an update.
pub(in crate::structural) fn check(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &Path,
    out: &mut Vec<Cause>,
) {
    let before = out.len();
    let mut run = Run { counts: false, left: BUDGET, ends: false, out };
    run.node(schema, value, old, path);
    if run.ends {
        // It may cost too much: once more, and counted.
        run.out.truncate(before);
        run = Run { counts: true, left: BUDGET, ends: false, out };
        run.node(schema, value, old, path);
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

/// The validation of one object.
struct Run<'o> {
    /// Whether costs are counted, or only bounded.
    counts: bool,
    /// What may yet be spent.
    left: u64,
    /// Whether no more rules are run.
    ends: bool,
    out: &'o mut Vec<Cause>,
}

/// A value that rules are about.
struct Subject<'s> {
    schema: &'s Schema,
    value: &'s Value,
    old: Option<&'s Value>,
    path: &'s Path<'s>,
    /// The sizes of the value and of the old one, once they were asked for.
    sizes: OnceCell<(u64, u64)>,
    /// Which lists in them are sets or maps.
    lists: Lists,
}

impl Subject<'_> {
    /// A problem of the whole value, of which only the type is told.
    fn invalid(&self, detail: &str) -> Cause {
        Problem::invalid(self.path, &kind_name(self.schema.kind).into(), detail)
    }
}

/// What came of a charge.
enum Charge {
    Paid,
    /// More than may yet be spent.
    Poor,
    /// More than one call may cost.
    Over,
}

/// What an expression of a rule comes to; nothing for one that cannot be compiled.
fn plan<'s>(
    compiled: &Compiled,
    slot: &'s Slot,
    of: &Subject<'_>,
    rule: &Rule,
) -> Option<&'s Plan> {
    let forms = compiled.forms.as_ref().ok()?;
    let make = || Plan::of_rule(forms.expanded(), of.schema, rule.optional_old_self);
    Some(slot.get(make).as_ref())
}

impl Run<'_> {
    fn node(&mut self, schema: &Schema, value: &Value, old: Option<&Value>, path: &Path) {
        let absent = value.is_null() && schema.nullable;
        if !schema.rules.is_empty() && !absent {
            self.rules(&Subject {
                schema,
                value,
                old,
                path,
                sizes: OnceCell::new(),
                lists: Lists::default(),
            });
        }
        match value {
            Value::Object(map) => {
                for (name, field) in map {
                    let before = old.and_then(|o| o.get(name));
                    if self.ends {
                        return;
                    }
                    if let Some(child) = schema.properties.get(name.as_str()) {
                        self.node(child, field, before, &path.field(name));
                    } else if let Some(child) = &schema.additional {
                        self.node(child, field, before, &path.key(name));
                    }
                }
            }
            Value::Array(items) => {
                let Some(child) = schema.items.as_ref().filter(|child| has_rules(child)) else {
                    return;
                };
                for (index, item) in items.iter().enumerate() {
                    if self.ends {
                        return;
                    }
                    let before = list::before(schema, old, item);
                    self.node(child, item, before, &path.index(index));
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, of: &Subject<'_>) {
        if self.left == 0 {
            return self.poor(of);
        }
        let unchanged = of.old == Some(of.value);
        let own = convert::to_cel(of.schema, of.value, of.path.is_empty(), &of.lists);
        let before =
            of.old.map(|old| convert::to_cel(of.schema, old, of.path.is_empty(), &of.lists));
        for rule in &of.schema.rules {
            let compiled = compile(&rule.rule);
            let mut variables = vec![("self", own.clone())];
            if compiled.uses_old {
                let variable = match (&before, rule.optional_old_self) {
                    (Some(before), false) => before.clone(),
                    (None, false) => continue,
                    (Some(before), true) => values::some(before.clone()),
                    (None, true) => values::none(),
                };
                variables.push(("oldSelf", variable));
            }
            match self.charge(&compiled, &rule.cost, of, rule, &variables) {
                Charge::Paid if !compiled.uses_old && unchanged => {}
                Charge::Paid => self.verdict(of, rule, &compiled, &variables),
                Charge::Poor => return self.poor(of),
                Charge::Over => {
                    self.ends = true;
                    let cause = of.invalid(&format!(
                        "'operation cancelled: actual cost limit exceeded': no further validation \
                         rules will be run due to call cost exceeds limit for rule: {}",
                        named(rule)
                    ));
                    return self.out.push(cause);
                }
            }
            if self.ends {
                return;
            }
        }
    }

    fn poor(&mut self, of: &Subject<'_>) {
        self.ends = true;
        self.out.push(of.invalid(
            "validation failed due to running out of cost budget, no further validation rules \
             will be run",
        ));
    }

    /// Takes what an expression costs from what may be spent. Where costs are only bounded, what
    /// may be too much ends the run.
    fn charge(
        &mut self,
        compiled: &Compiled,
        slot: &Slot,
        of: &Subject<'_>,
        rule: &Rule,
        variables: &[(&str, CelValue)],
    ) -> Charge {
        let Some(plan) = plan(compiled, slot, of, rule) else { return Charge::Paid };
        let size = || {
            let both = || (weight(of.value), of.old.map_or(0, weight));
            let (own, old) = of.sizes.get_or_init(both);
            own + if compiled.uses_old { *old } else { 0 }
        };
        let (cost, over) = match self.counts {
            true => plan.cost(base(), variables, &of.lists, CALL_LIMIT),
            false => {
                let most = plan.most(size);
                (most, most > CALL_LIMIT)
            }
        };
        match self.left.checked_sub(cost) {
            None => Charge::Poor,
            Some(_) if over => Charge::Over,
            Some(left) => {
                self.left = left;
                Charge::Paid
            }
        }
    }

    fn verdict(
        &mut self,
        of: &Subject<'_>,
        rule: &Rule,
        compiled: &Compiled,
        variables: &[(&str, CelValue)],
    ) {
        if let Err(error) = &compiled.forms {
            return self.out.push(of.invalid(&format!("rule compile error: {error}")));
        }
        let Some(plan) = plan(compiled, &rule.cost, of, rule) else { return };
        match plan.value(base(), variables, &of.lists) {
            Ok(CelValue::Bool(true)) => {}
            Ok(CelValue::Bool(false)) => self.refusal(of, rule, variables),
            Ok(_) => self.out.push(of.invalid("rule must evaluate to a bool")),
            Err(error) if error.starts_with("no such overload") => {
                let what = "call arguments did not match a supported operator, function or macro \
                            signature for rule";
                self.out.push(of.invalid(&format!("'{error}': {what}: {}", named(rule))));
            }
            Err(error) => {
                let text = match rule.message.as_str() {
                    "" => format!("{error} evaluating rule: {}", rule.rule),
                    message => format!("{error} evaluating rule: {message}"),
                };
                self.out.push(of.invalid(&text));
            }
        }
    }

    fn refusal(&mut self, of: &Subject<'_>, rule: &Rule, variables: &[(&str, CelValue)]) {
        let below = rule.field_path.trim_start_matches('.');
        let field = of.path.field(below);
        let path = if below.is_empty() { of.path } else { &field };
        let mut made = None;
        if !rule.message_expression.is_empty() {
            let compiled = compile(&rule.message_expression);
            let why = match self.charge(&compiled, &rule.message_cost, of, rule, variables) {
                Charge::Paid => None,
                Charge::Poor => Some(
                    "messageExpression evaluation failed due to running out of cost budget, no \
                     further validation rules will be run"
                        .to_owned(),
                ),
                Charge::Over => Some(format!(
                    "no further validation rules will be run due to call cost exceeds limit for \
                     messageExpression: {:?}",
                    rule.message_expression
                )),
            };
            if let Some(why) = why {
                self.ends = true;
                let kind = kind_name(of.schema.kind).into();
                return self.out.push(Problem::invalid(path, &kind, &why));
            }
            let plan = plan(&compiled, &rule.message_cost, of, rule);
            made = match plan.and_then(|plan| plan.value(base(), variables, &of.lists).ok()) {
                Some(CelValue::String(text)) => message(&text),
                _ => None,
            };
        }
        let detail = made.unwrap_or_else(|| match rule.message.trim() {
            "" => format!("failed rule: {}", rule.rule.trim()),
            message => message.to_owned(),
        });
        self.out.push(match rule.reason.as_str() {
            "FieldValueForbidden" => Problem::forbidden(path, &detail),
            "FieldValueRequired" => Problem::required(path, &detail),
            "FieldValueDuplicate" => Problem::duplicate(path, of.value),
            _ if of.value.is_object() || of.value.is_array() => {
                Problem::invalid_unshown(path, &detail)
            }
            _ => Problem::invalid(path, of.value, &detail),
        });
    }
}

/// A message that an expression made, if it can be one.
fn message(text: &str) -> Option<String> {
    (!text.trim().is_empty() && !text.contains('\n')).then(|| text.to_owned())
}

/// A rule as what stops it tells of it.
fn named(rule: &Rule) -> &str {
    match rule.message.as_str() {
        "" => rule.rule.trim(),
        message => message.trim(),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::IntOrString => "",
        kind => validate::kind_name(kind),
    }
}
