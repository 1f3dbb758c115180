//! What an API server makes of rules, and what they cost it, beside what is found here.
//!
//! `costs.txt` is what `go run ./costs` in `ci/control-plane/kubernetes` prints.

use std::collections::BTreeMap;

use super::*;
use crate::json::Value;
use crate::structural::cel::lists::Lists;
use crate::structural::cel::{base, compile, convert};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// Every rule: the name of its schema, its two costs, its result and its text.
fn each(check: impl Fn(&str, &Value, &Value, [&str; 3], &str) -> Option<String>) {
    let mut schemas = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in include_str!("costs.txt").lines() {
        let mut words = line.splitn(6, ' ');
        let mut next = || words.next().unwrap_or("");
        if next() == "S" {
            let (name, schema, value) = (next(), next(), next());
            schemas.insert(name, (json(schema), json(value)));
            continue;
        }
        let (most, run, result, name, rule) = (next(), next(), next(), next(), next());
        let (schema, value) = &schemas[name];
        wrong.extend(check(name, schema, value, [most, run, result], rule));
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn estimates_are_the_servers() {
    each(|name, schema, _, [most, ..], rule| {
        let declared = Declared::of(schema, name.starts_with("root")).expect("it has a type");
        let compiled = compile(rule);
        let forms = compiled.forms.as_ref().expect("it can be read");
        let found = estimate(forms.expanded(), &declared, false).to_string();
        (found != most).then(|| format!("{found} instead of {most}: {rule}"))
    });
}

#[test]
fn rules_come_to_and_cost_what_they_do_to_the_server() {
    each(|name, schema, value, [_, run, result], rule| {
        let schema = crate::schema::parse::parse(schema);
        let compiled = compile(rule);
        let forms = compiled.forms.as_ref().expect("it can be read");
        let plan = Plan::of_rule(forms.expanded(), &schema, false);
        let lists = Lists::default();
        let own = convert::to_cel(&schema, value, name.starts_with("root"), &lists);
        let variables = [("self", own)];
        let found = plan.value(base(), &variables, &lists);
        let shown = match &found {
            Ok(kube_cel::cel::Value::Bool(true)) => "true",
            Ok(kube_cel::cel::Value::Bool(false)) => "false",
            _ => "error",
        };
        if shown != result {
            return Some(format!("{found:?} instead of {result}: {rule}"));
        }
        let (cost, _) = plan.cost(base(), &variables, &lists, u64::MAX);
        let most = plan.most(|| weight(value));
        (cost.to_string() != run || most < cost)
            .then(|| format!("{cost} instead of {run}, at most {most}: {rule}"))
    });
}
