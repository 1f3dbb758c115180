//! The costs that an API server finds, beside those found here.
//!
//! `costs.txt` is what `go run ./costs` in `ci/control-plane/kubernetes` prints.

use std::collections::BTreeMap;

use super::*;
use crate::json::Value;
use crate::structural::cel::compile;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// Every rule: the name of its schema, its two costs and its text.
fn each(check: impl Fn(&str, &Value, &Value, [&str; 2], &str) -> Option<String>) {
    let mut schemas = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in include_str!("costs.txt").lines() {
        let mut words = line.splitn(5, ' ');
        let mut next = || words.next().unwrap_or("");
        if next() == "S" {
            let (name, schema, value) = (next(), next(), next());
            schemas.insert(name, (json(schema), json(value)));
            continue;
        }
        let (most, run, name, rule) = (next(), next(), next(), next());
        let (schema, value) = &schemas[name];
        wrong.extend(check(name, schema, value, [most, run], rule));
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn estimates_are_the_servers() {
    each(|name, schema, _, [most, _], rule| {
        let declared = Declared::of(schema, name.starts_with("root")).expect("it has a type");
        let compiled = compile(rule);
        let tree = compiled.tree.as_ref().expect("it can be read");
        let found = estimate(tree, &declared, false).to_string();
        (found != most).then(|| format!("{found} instead of {most}: {rule}"))
    });
}

#[test]
fn runs_cost_what_they_cost_the_server() {
    each(|_, schema, value, [_, run], rule| {
        let schema = crate::schema::parse::parse(schema);
        let compiled = compile(rule);
        let tree = compiled.tree.as_ref().expect("it can be read");
        let plan = Plan::of_rule(tree, &schema, false);
        let own = crate::structural::cel::convert::to_cel(&schema, value);
        let (found, _) = plan.cost(crate::structural::cel::base(), &[("self", own)], u64::MAX);
        let most = plan.most(|| weight(value));
        (found.to_string() != run || most < found)
            .then(|| format!("{found} instead of {run}, at most {most}: {rule}"))
    });
}
