//! What one rule of a role says: whether it allows something, and which rights it covers.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go` and
//! `k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::Attributes;
use crate::json::Value;

/// The texts of one list of a rule.
fn list<'r>(rule: &'r Value, field: &str) -> impl Iterator<Item = &'r str> + Clone {
    let items = rule.get(field).and_then(Value::as_array).map_or(&[][..], |list| list.as_slice());
    items.iter().filter_map(Value::as_str)
}

fn has(rule: &Value, field: &str, wanted: &str) -> bool {
    list(rule, field).any(|own| own == "*" || own == wanted)
}

/// Whether a rule (`PolicyRule` of rbac.authorization.k8s.io/v1) allows what is asked.
pub fn allows(rule: &Value, asked: &Attributes) -> bool {
    if !has(rule, "verbs", &asked.verb) {
        return false;
    }
    if let Some(path) = &asked.path {
        return list(rule, "nonResourceURLs").any(|own| url_covers(own, path));
    }
    let mut names = list(rule, "resourceNames").peekable();
    has(rule, "apiGroups", &asked.group)
        && allows_resource(rule, asked)
        && (names.peek().is_none() || names.any(|name| name == asked.name))
}

fn allows_resource(rule: &Value, asked: &Attributes) -> bool {
    let combined = asked.combined();
    let sub = asked.subresource.as_str();
    list(rule, "resources").any(|own| {
        own == "*" || own == combined || (!sub.is_empty() && own.strip_prefix("*/") == Some(sub))
    })
}

fn url_covers(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}

/// A right that can be split no further: one verb on one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Right {
    verb: String,
    /// Group, resource, and name if one is named; else a path.
    what: Result<(String, String, Option<String>), String>,
}

/// The rights that a rule gives.
pub fn rights(rule: &Value) -> Vec<Right> {
    let mut found = Vec::new();
    for group in list(rule, "apiGroups") {
        for resource in list(rule, "resources") {
            for verb in list(rule, "verbs") {
                let mut add = |name: Option<&str>| {
                    let what = (group.to_owned(), resource.to_owned(), name.map(str::to_owned));
                    found.push(Right { verb: verb.to_owned(), what: Ok(what) });
                };
                match list(rule, "resourceNames").next() {
                    None => add(None),
                    Some(_) => list(rule, "resourceNames").for_each(|name| add(Some(name))),
                }
            }
        }
    }
    for path in list(rule, "nonResourceURLs") {
        for verb in list(rule, "verbs") {
            found.push(Right { verb: verb.to_owned(), what: Err(path.to_owned()) });
        }
    }
    found
}

/// Whether a rule gives a right.
pub fn covers(rule: &Value, right: &Right) -> bool {
    if !has(rule, "verbs", &right.verb) {
        return false;
    }
    match &right.what {
        Err(path) => {
            // A rule with names covers names alone.
            list(rule, "resourceNames").next().is_none()
                && list(rule, "nonResourceURLs").any(|own| url_covers(own, path))
        }
        Ok((group, resource, name)) => {
            let sub = resource.split_once('/').map(|(_, sub)| sub);
            let mut names = list(rule, "resourceNames").peekable();
            let named = match name {
                None => names.peek().is_none(),
                Some(name) => names.peek().is_none() || names.any(|own| own == name),
            };
            named
                && has(rule, "apiGroups", group)
                && list(rule, "resources").any(|own| {
                    own == "*"
                        || own == resource
                        || (sub.is_some() && own.strip_prefix("*/") == sub)
                })
        }
    }
}

/// Rights as people are told them, a line each: those of one thing stand together.
pub fn told(missing: &[Right]) -> String {
    type Thing<'r> = (&'r str, &'r str, Option<&'r str>);
    let mut things: BTreeMap<Thing<'_>, Vec<&str>> = BTreeMap::new();
    let mut lines = BTreeSet::new();
    for right in missing {
        match &right.what {
            Ok((group, resource, name)) => {
                let thing = (group.as_str(), resource.as_str(), name.as_deref());
                things.entry(thing).or_default().push(&right.verb);
            }
            Err(path) => {
                lines.insert(format!(
                    "{{NonResourceURLs:{}, Verbs:{}}}",
                    go_list(&[path]),
                    go_list(&[&right.verb])
                ));
            }
        }
    }
    for ((group, resource, name), verbs) in things {
        let names = name.map(|name| format!("ResourceNames:{}, ", go_list(&[name])));
        lines.insert(format!(
            "{{APIGroups:{}, Resources:{}, {}Verbs:{}}}",
            go_list(&[group]),
            go_list(&[resource]),
            names.unwrap_or_default(),
            go_list(&verbs)
        ));
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// A list of texts as Go's `%q` prints it.
pub fn go_list(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| super::quoted(text)).collect();
    format!("[{}]", quoted.join(" "))
}
