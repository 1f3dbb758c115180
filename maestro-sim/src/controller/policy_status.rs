//! ValidatingAdmissionPolicy: what is wrong with its expressions for the types that it matches.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking>,
//! `k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus`. Nothing is said of params,
//! whose types are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::Status;
use crate::controller::kinds::CRDS;
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View};
use crate::facts::facts;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};
use crate::structural::cel::{Kind, Seen};

const POLICIES: GroupResource =
    GroupResource::new("admissionregistration.k8s.io", "validatingadmissionpolicies");

/// At most so many types of one rule are looked at (`maxTypesToCheck`).
const MOST_TYPES: usize = 10;

/// The controller of policies' statuses.
#[derive(Debug)]
pub struct PolicyStatusController;

impl Controller for PolicyStatusController {
    fn name(&self) -> &str {
        "validatingadmissionpolicy-status"
    }

    fn watches(&self) -> Vec<GroupResource> {
        vec![POLICIES, CRDS.clone()]
    }

    fn observe(&mut self, change: &Change, _view: &View, queue: &mut Queue) {
        if change.resource == POLICIES
            && let Some(policy) = &change.new
        {
            queue.add(policy.key().clone());
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(policy) = cx.view().get(&POLICIES, key).cloned() else { return Ok(Next::Done) };
        let observed = policy.int(&["status", "observedGeneration"]).unwrap_or(0);
        if policy.generation() <= observed {
            return Ok(Next::Done);
        }
        let warnings = warnings(cx.view(), &policy);
        let mut checking = json!({});
        if !warnings.is_empty() {
            checking["expressionWarnings"] = warnings.into();
        }
        let mut body = policy.value().clone();
        let status = map_at(&mut body, &["status"]);
        status.insert("observedGeneration", policy.generation().into());
        status.insert("typeChecking", checking);
        absent_is_fine(cx.update_status(&POLICIES, body))?;
        Ok(Next::Done)
    }
}

/// What is wrong with each expression, for every type that the policy matches.
fn warnings(view: &View, policy: &Object) -> Vec<Value> {
    let types = matched(view, policy);
    let mut all = Vec::new();
    for (index, validation) in policy.items(&["spec", "validations"]).iter().enumerate() {
        for field in ["expression", "messageExpression"] {
            let Some(source) = validation.get(field).and_then(Value::as_str) else { continue };
            let wrong: Vec<String> = types
                .iter()
                .filter_map(|(name, schema)| {
                    let errors = mistakes(source, schema, policy);
                    (!errors.is_empty()).then(|| format!("{name}: {}\n", errors.join("\n")))
                })
                .collect();
            if !source.is_empty() && !wrong.is_empty() {
                all.push(json!({
                    "fieldRef": format!("spec.validations[{index}].{field}"),
                    "warning": wrong.join("\n"),
                }));
            }
        }
    }
    all
}

/// The mistakes of an expression where objects are of one schema.
fn mistakes(source: &str, schema: &Value, policy: &Object) -> Vec<String> {
    let mut seen = Seen::by_policies(true).with_objects(schema);
    for variable in policy.items(&["spec", "variables"]) {
        let text = |field: &str| variable.get(field).and_then(Value::as_str).unwrap_or("");
        let kind = seen.checked(text("expression")).map_or(Kind::Dyn, |checked| checked.kind);
        seen.add_variable(text("name"), kind);
    }
    seen.checked(source).map_or_else(|_| Vec::new(), |checked| checked.errors)
}

/// The schemas of the kinds that a policy names, in their order, by `group/version, Kind=Kind`.
/// Whatever a rule has a wildcard for is not looked at.
fn matched(view: &View, policy: &Object) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for rule in policy.items(&["spec", "matchConstraints", "resourceRules"]) {
        let named = |field: &str| -> BTreeSet<&str> {
            let list = rule.get(field).and_then(Value::as_array);
            let list: BTreeSet<&str> =
                list.into_iter().flatten().filter_map(Value::as_str).collect();
            if list.contains("*") { BTreeSet::new() } else { list }
        };
        let (groups, versions) = (named("apiGroups"), named("apiVersions"));
        let resources = named("resources");
        let wanted = groups.iter().flat_map(|group| {
            let (versions, resources) = (&versions, &resources);
            versions.iter().flat_map(move |version| {
                resources.iter().map(move |resource| (*group, *version, *resource))
            })
        });
        let found = wanted.filter_map(|(group, version, resource)| {
            built_in(group, version, resource).or_else(|| custom(view, group, version, resource))
        });
        all.extend(found.take(MOST_TYPES));
    }
    all
}

fn called(group: &str, version: &str, kind: &str) -> String {
    match group {
        "" => format!("/{version}, Kind={kind}"),
        group => format!("{group}/{version}, Kind={kind}"),
    }
}

fn built_in(group: &str, version: &str, resource: &str) -> Option<(String, Value)> {
    let known = facts().resources.iter().find(|entry| {
        let is = |field: &str, value: &str| entry[field] == value;
        is("group", group) && is("version", version) && is("resource", resource)
    })?;
    let schema = facts().whole_document(known["type"].as_str()?)?;
    Some((called(group, version, known["kind"].as_str()?), schema))
}

/// A custom kind. Its metadata is everybody's, and its type is not looked at.
fn custom(view: &View, group: &str, version: &str, resource: &str) -> Option<(String, Value)> {
    let definition = view.get(&CRDS, &Key::new("", &format!("{resource}.{group}")))?;
    let mut versions = definition.items(&["spec", "versions"]).iter();
    let served = versions.find(|v| v["name"] == version && v["served"] == true)?;
    let mut schema = served.get("schema")?.get("openAPIV3Schema")?.clone();
    let fields = map_at(&mut schema, &["properties"]);
    fields.insert("metadata", json!({}));
    fields.insert("apiVersion", json!({"type": "string"}));
    fields.insert("kind", json!({"type": "string"}));
    Some((called(group, version, definition.text(&["spec", "names", "kind"])), schema))
}
