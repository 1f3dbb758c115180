//! What the table of facts does not say of built-in kinds: the rules in the real server's code.
//!
//! Source: the registry strategies of `k8s.io/kubernetes/pkg/registry`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{Generation, ScalePaths, Served, api_version, selectable, verbs};
use crate::api::version::Storage;
use crate::facts::Version;
use crate::json::{Array, Value};
use crate::object::{GroupResource, map_at};

/// The served kind that one entry of the table describes, as a version has it.
pub(super) fn built_in(id: GroupResource, entry: &Value, release: Version) -> Served {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let kind = text("kind");
    let subresources: BTreeMap<String, Vec<crate::api::Verb>> = entry
        .get("subresources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|s| Some((s.get("subresource")?.as_str()?.to_owned(), verbs(s.get("verbs")))))
        .collect();
    let mut discovery = entry.clone();
    let map = map_at(&mut discovery, &[]);
    for ours in ["group", "version", "kind", "type"] {
        map.remove(ours);
    }
    let scale = subresources.contains_key("scale").then(replicas);
    Served {
        version: text("version"),
        list_kind: format!("{kind}List"),
        singular: text("singularResource"),
        namespaced: text("scope") == "Namespaced",
        status: subresources.contains_key("status"),
        generation: generation(&id, release),
        release,
        unconditional_update: !is_conditional(&id),
        create_on_update: creates_on_update(&id),
        scale,
        discovery,
        api_version: api_version(&id.group, &text("version")),
        columns: Array::new(),
        selectable: selectable::names(&id).iter().map(|s| (*s).to_owned()).collect(),
        verbs: verbs(entry.get("verbs")),
        subresources,
        deprecated: None,
        type_name: Some(text("type")),
        converter: None,
        revised: false,
        storage: Storage::built_in(&id, &text("version")),
        schema: OnceLock::new(),
        kind,
        resource: id,
    }
}

fn replicas() -> ScalePaths {
    let path = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
    ScalePaths {
        spec: path("spec", "replicas"),
        status: path("status", "replicas"),
        selector: Some(path("spec", "selector")),
    }
}

fn generation(id: &GroupResource, release: Version) -> Generation {
    match (&*id.group, &*id.resource) {
        ("autoscaling", _) if !release.has("HPAGeneration") => Generation::None,
        ("apps", "deployments") => Generation::SpecOrAnnotations,
        ("apps", "controllerrevisions") => Generation::None,
        ("", "pods" | "replicationcontrollers") => Generation::Spec,
        ("", "podtemplates") => Generation::AnyButMetadata,
        ("discovery.k8s.io", _) => Generation::Any,
        ("scheduling.k8s.io", _) => Generation::Fixed,
        ("storage.k8s.io", "csidrivers") => Generation::SpecOnceChanged,
        ("resource.k8s.io", "deviceclasses" | "devicetaintrules" | "resourceslices") => {
            Generation::Spec
        }
        ("apps" | "batch" | "policy" | "autoscaling", _)
        | ("networking.k8s.io", "ingresses" | "networkpolicies" | "ingressclasses")
        | ("apiextensions.k8s.io" | "flowcontrol.apiserver.k8s.io", _) => Generation::Spec,
        ("admissionregistration.k8s.io", _) => Generation::AnyButMetadata,
        _ => Generation::None,
    }
}

/// Kinds whose PUT must carry a resourceVersion.
fn is_conditional(id: &GroupResource) -> bool {
    matches!(
        (&*id.group, &*id.resource),
        ("apiextensions.k8s.io", _)
            | ("coordination.k8s.io", _)
            | ("admissionregistration.k8s.io", _)
            | ("policy", _)
            | ("storage.k8s.io", "csistoragecapacities")
    )
}

fn creates_on_update(id: &GroupResource) -> bool {
    matches!(
        (&*id.group, &*id.resource),
        ("coordination.k8s.io", "leases")
            | ("rbac.authorization.k8s.io", _)
            | ("" | "events.k8s.io", "events")
            | ("", "endpoints" | "limitranges" | "services")
            | ("node.k8s.io", "runtimeclasses")
    )
}
