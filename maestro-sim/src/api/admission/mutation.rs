//! MutatingAdmissionPolicies: changes that expressions make.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/>,
//! KEP-3962, `k8s.io/apiserver/pkg/admission/plugin/policy/mutating`.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{EntryExpr, Expr};

use super::call::Call;
use super::expression::{Scope, asks_authorizer, conditions, shown, to_json};
use super::meter::POLICY;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::settings::Plugin;
use crate::api::{Cause, Request, Status};
use crate::fields;
use crate::json::Value;
use crate::object::{GroupResource, Object};
use crate::patch;

const GROUP: &str = "admissionregistration.k8s.io";
const POLICIES: GroupResource = GroupResource::new(GROUP, "mutatingadmissionpolicies");
const BINDINGS: GroupResource = GroupResource::new(GROUP, "mutatingadmissionpolicybindings");

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}

/// An object whose type is not that of the place where it stands, as the server tells it.
pub(super) fn misplaced(tree: &IdedExpr, place: Option<&str>) -> Option<String> {
    match &tree.expr {
        Expr::Struct(object) => {
            let own = object.type_name.as_str();
            if let Some(place) = place.filter(|place| *place != own) {
                return Some(format!(
                    "type mismatch: unexpected type name {own:?}, expected {place:?}, which \
                     matches field name path from root Object type"
                ));
            }
            object.entries.iter().find_map(|entry| match &entry.expr {
                // The value of a JSON patch begins anew.
                EntryExpr::StructField(field) if own == "JSONPatch" => {
                    misplaced(&field.value, None)
                }
                EntryExpr::StructField(field) => {
                    misplaced(&field.value, Some(&format!("{own}.{}", field.field)))
                }
                EntryExpr::MapEntry(_) => None,
            })
        }
        Expr::List(list) => list.elements.iter().find_map(|item| misplaced(item, place)),
        _ => None,
    }
}

/// What one mutation makes of an object.
fn changed(
    scope: &Scope,
    served: &Served,
    mutation: &Value,
    object: &Value,
) -> Result<Value, String> {
    let made = |holder: &str| -> Result<Value, String> {
        let expression = mutation.get(holder).map_or("", |holder| text(holder, "expression"));
        let value = scope.made(expression)?;
        to_json(&value).ok_or_else(|| "it makes what no object can hold".to_owned())
    };
    if text(mutation, "patchType") == "JSONPatch" {
        let patch = made("jsonPatch")?;
        return match patch::json(object, &patch) {
            Ok(patched) => Ok(patched),
            // A test that fails says that the patch is not wanted.
            Err(error) if error.to_string().contains("test") => Ok(object.clone()),
            Err(error) => Err(format!("JSON Patch: {error}")),
        };
    }
    let applied = made("applyConfiguration")?;
    let mut merged = object.clone();
    fields::apply(served.schema(), &mut merged, &applied);
    Ok(merged)
}

impl Server {
    /// Lets mutating policies change a proposed object: whether one did. Those in `due` alone are
    /// asked when there is such a list; `called` learns who wants to see later changes.
    pub(super) fn change_by_policies(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Value>,
        body: &mut Value,
        (due, called): (Option<&BTreeSet<String>>, &mut BTreeSet<String>),
    ) -> Result<bool, Box<Status>> {
        if !self.plugin(Plugin::MutatingAdmissionPolicy) {
            return Ok(false);
        }
        let Some(table) = self.store.find(&BINDINGS).filter(|t| !t.objects.is_empty()) else {
            return Ok(false);
        };
        let bindings: Vec<Arc<Object>> = table.objects.values().map(Arc::clone).collect();
        let mut news = false;
        for binding in &bindings {
            if due.is_some_and(|due| !due.contains(binding.name())) {
                continue;
            }
            let name = binding.text(&["spec", "policyName"]);
            let found = self.store.named(&POLICIES, "", name).map(Arc::clone);
            let Some(policy) = found else { continue };
            self.roles_for(asks_authorizer(policy.value()));
            let sent = body.clone();
            let Some(call) = Call::of(served, request, old, Some(&sent)) else { return Ok(news) };
            let next = match self.mutated(&policy, binding, &call) {
                Ok(next) => next,
                Err(_) if policy.text(&["spec", "failurePolicy"]) == "Ignore" => continue,
                Err(why) => return Err(denial(&call, &policy, binding, &why)),
            };
            if let Some(mut next) = next {
                served.complete(&mut next, None);
                news |= next != sent;
                *body = next;
            }
            if policy.text(&["spec", "reinvocationPolicy"]) == "IfNeeded" {
                called.insert(binding.name().to_owned());
            }
        }
        Ok(news)
    }

    /// What a policy makes of an object; none where it is none of its business.
    fn mutated(
        &self,
        policy: &Object,
        binding: &Object,
        call: &Call<'_>,
    ) -> Result<Option<Value>, String> {
        let null = Value::Null;
        let constraints = policy.at(&["spec", "matchConstraints"]).unwrap_or(&null);
        let narrower = binding.at(&["spec", "matchResources"]).unwrap_or(&null);
        let Some(version) = self.version_for(constraints, "resourceRules", call) else {
            return Ok(None);
        };
        if self.version_for(narrower, "resourceRules", call).is_none() || call.scale().is_some() {
            return Ok(None);
        }
        let params = self.params(policy, binding, call);
        let params = params.map_err(|why| format!("failed to configure binding: {why}"))?;
        let namespace = self.namespace_of(call);
        let mut object = call.new.map(|new| shown(call, new, &version)).unwrap_or_default();
        let mut asked = false;
        for param in params {
            let now = Call { new: Some(&object), ..*call };
            let mut scope = Scope::new(&now, &version, namespace.as_ref());
            scope.with_params(param.as_ref());
            scope.with_authorizer(call, &self.store, asks_authorizer(policy.value()));
            if !conditions(&scope, policy.items(&["spec", "matchConditions"]))? {
                continue;
            }
            asked = true;
            for variable in policy.items(&["spec", "variables"]) {
                scope.add_variable(text(variable, "name"), text(variable, "expression"));
            }
            let mut next = object.clone();
            for mutation in policy.items(&["spec", "mutations"]) {
                scope.with_object(&next);
                scope.spend(POLICY);
                next = changed(&scope, call.served, mutation, &next)?;
            }
            object = next;
        }
        let types = |value: &Value, field: &str| value.get(field).cloned();
        if let (Some(fields), Some(own)) = (object.as_object_mut(), call.new) {
            for field in ["apiVersion", "kind"] {
                match types(own, field) {
                    Some(value) => fields.insert(field, value),
                    None => fields.remove(field),
                };
            }
        }
        Ok(asked.then_some(object))
    }
}

/// 403 with the words of the policy alone.
fn denial(call: &Call<'_>, policy: &Object, binding: &Object, why: &str) -> Box<Status> {
    let message = format!(
        "policy '{}' with binding '{}' denied request: {why}",
        policy.name(),
        binding.name()
    );
    let status = Status::forbidden(&call.served.resource, call.told_name(), "");
    let mut status = status.with_causes(&[Cause::new("", "", message.as_str())]);
    status.message = message;
    status.reason = "Invalid";
    Box::new(status)
}
