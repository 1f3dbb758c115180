//! Which policies and webhooks are about an admission: rules and selectors.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/policy/matching` and `webhook/predicates`.

use std::sync::Arc;

use super::call::Call;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::controller::labels::Labels;
use crate::json::Value;
use crate::object::{GroupResource, at};

const NAMESPACES: GroupResource = GroupResource::new("", "namespaces");

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], |list| list.as_slice())
}

fn one_of(value: &Value, field: &str, wanted: &str) -> bool {
    list(value, field).iter().any(|own| own == "*" || own == wanted)
}

/// Whether a rule is about a collection in a version.
fn covers(rule: &Value, call: &Call<'_>, version: &str) -> bool {
    let scope = rule.get("scope").and_then(Value::as_str).unwrap_or("*");
    let in_cluster = call.is_namespace() || call.namespace().is_empty();
    let in_scope = match scope {
        "Namespaced" => !in_cluster,
        "Cluster" => in_cluster,
        _ => true,
    };
    let resource = &call.served.resource;
    in_scope
        && one_of(rule, "operations", call.operation.as_str())
        && one_of(rule, "apiGroups", &resource.group)
        && one_of(rule, "apiVersions", version)
        && list(rule, "resources").iter().filter_map(Value::as_str).any(|own| {
            let (plural, sub) = own.split_once('/').unwrap_or((own, ""));
            (plural == "*" || plural == resource.resource)
                && (sub == "*" || sub == call.request.subresource)
        })
        && (rule
            .get("resourceNames")
            .is_none_or(|names| names.as_array().is_none_or(|list| list.is_empty()))
            || list(rule, "resourceNames").iter().any(|name| name == call.name()))
}

impl Server {
    /// In which version an admission is shown to whoever wrote these criteria (`MatchResources`,
    /// or a webhook with its `rules`); none when it is none of their business.
    pub(super) fn version_for(
        &self,
        criteria: &Value,
        rules: &str,
        call: &Call<'_>,
    ) -> Option<String> {
        if !self.in_namespaces(criteria, call) || !has_labels(criteria, call) {
            return None;
        }
        let own = call.served.version.as_str();
        let excluded = list(criteria, "excludeResourceRules");
        let versions = self.versions(call.served);
        let equivalent = criteria.get("matchPolicy").is_none_or(|policy| policy != "Exact");
        let mut all: Vec<&str> = vec![own];
        if equivalent {
            all.extend(versions.iter().map(|s| s.version.as_str()).filter(|v| *v != own));
        }
        if excluded.iter().any(|rule| all.iter().any(|version| covers(rule, call, version))) {
            return None;
        }
        let wanted = list(criteria, rules);
        if wanted.is_empty() {
            return (rules == "resourceRules").then(|| own.to_owned());
        }
        let found =
            all.into_iter().find(|version| wanted.iter().any(|rule| covers(rule, call, version)));
        found.map(str::to_owned)
    }

    fn versions(&self, served: &Served) -> Vec<Arc<Served>> {
        self.registry.served_versions(&served.resource).to_vec()
    }

    fn in_namespaces(&self, criteria: &Value, call: &Call<'_>) -> bool {
        let selector = criteria.get("namespaceSelector").filter(|s| s.is_object());
        let Some(selector) = selector.map(|s| Labels::of(Some(s))).filter(|s| !s.is_empty()) else {
            return true;
        };
        let namespace = call.namespace();
        if namespace.is_empty() {
            return true;
        }
        let labels = |value: &Value| at(value, &["metadata", "labels"]).cloned();
        let labels = match (call.is_namespace(), call.new) {
            (true, Some(new)) => labels(new),
            _ => self.peek(&NAMESPACES, "", namespace).and_then(|found| labels(found.value())),
        };
        selector.matches(labels.as_ref().and_then(Value::as_object))
    }
}

/// Whether the object is selected by its labels, as it was or as it is to be.
fn has_labels(criteria: &Value, call: &Call<'_>) -> bool {
    let selector = criteria.get("objectSelector").filter(|s| s.is_object());
    let Some(selector) = selector.map(|s| Labels::of(Some(s))).filter(|s| !s.is_empty()) else {
        return true;
    };
    let objects = [call.new, call.old].into_iter().flatten();
    objects.into_iter().any(|object| {
        selector.matches(at(object, &["metadata", "labels"]).and_then(Value::as_object))
    })
}
