//! Custom kinds: from a CustomResourceDefinition to what is served.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::{Generation, ScalePaths, Served, api_version, verbs};
use crate::api::conversion::Converter;
use crate::api::discovery::rank;
use crate::api::version::Storage;
use crate::facts::Version;
use crate::json::{Value, json};
use crate::object::{GroupResource, Object};
use crate::schema::{Schema, parse};

const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The served versions of a definition, storage version first.
pub(super) fn versions(crd: &Object) -> Option<(GroupResource, Vec<Arc<Served>>)> {
    let names = crd.at(&["spec", "names"])?;
    let plural = names.get("plural")?.as_str()?;
    let id = GroupResource::owned(crd.text(&["spec", "group"]), plural);
    let stored = crd.items(&["spec", "versions"]).iter().find(|v| is_storage(v))?;
    let stored_name = stored.get("name").and_then(Value::as_str).unwrap_or("");
    let stored = (api_version(&id.group, stored_name), Arc::new(schema_of(stored)));
    let converter = Converter::of(crd).map(Arc::new);
    let mut served: Vec<(bool, Arc<Served>)> = crd
        .items(&["spec", "versions"])
        .iter()
        .filter(|v| v.get("served").and_then(Value::as_bool) == Some(true))
        .map(|v| {
            let served = version(crd, names, &id, v, &stored);
            (is_storage(v), Arc::new(Served { converter: converter.clone(), ..served }))
        })
        .collect();
    served.sort_by_key(|(storage, _)| !storage);
    Some((id, served.into_iter().map(|(_, s)| s).collect()))
}

fn is_storage(version: &Value) -> bool {
    version.get("storage").and_then(Value::as_bool) == Some(true)
}

fn schema_of(version: &Value) -> Schema {
    let schema = version.get("schema").and_then(|s| s.get("openAPIV3Schema"));
    schema.map_or_else(Schema::any, parse::parse)
}

fn version(
    crd: &Object,
    names: &Value,
    id: &GroupResource,
    version: &Value,
    (stored, stored_schema): &(String, Arc<Schema>),
) -> Served {
    let text = |field: &str| names.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let kind = text("kind");
    let list_kind = match text("listKind") {
        empty if empty.is_empty() => format!("{kind}List"),
        given => given,
    };
    let singular = match text("singular") {
        empty if empty.is_empty() => kind.to_lowercase(),
        given => given,
    };
    let has = |name: &str| {
        version.get("subresources").and_then(|s| s.get(name)).is_some_and(|s| !s.is_null())
    };
    let scale = version.get("subresources").and_then(|s| s.get("scale")).map(scale_paths);
    let sub = json!(["get", "patch", "update"]);
    let mut subresources = BTreeMap::new();
    for name in ["status", "scale"] {
        if has(name) {
            subresources.insert(name.to_owned(), verbs(Some(&sub)));
        }
    }
    let namespaced = crd.text(&["spec", "scope"]) == "Namespaced";
    let discovery = discovery(names, &kind, &singular, namespaced, &subresources, version, id);
    let schema = match is_storage(version) {
        true => Arc::clone(stored_schema),
        false => Arc::new(schema_of(version)),
    };
    let version_name = version.get("name").and_then(Value::as_str).unwrap_or("");
    let selectable = version.get("selectableFields").and_then(Value::as_array);
    Served {
        release: Version::default(),
        resource: id.clone(),
        version: version_name.to_owned(),
        list_kind,
        singular,
        namespaced,
        status: has("status"),
        generation: Generation::AnyButMetadata,
        unconditional_update: false,
        create_on_update: false,
        scale,
        discovery,
        api_version: api_version(&id.group, version_name),
        selectable: selectable
            .into_iter()
            .flatten()
            .filter_map(|f| f.get("jsonPath")?.as_str())
            .map(|path| path.trim_start_matches('.').to_owned())
            .collect(),
        columns: version
            .get("additionalPrinterColumns")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default(),
        verbs: verbs(Some(&json!(VERBS))),
        subresources,
        deprecated: deprecation(crd, version),
        type_name: None,
        storage: Storage::Named(stored.clone(), Arc::clone(stored_schema)),
        revised: false,
        schema: OnceLock::from(schema),
        converter: None,
        kind,
    }
}

/// What is said of a version that is marked as deprecated, in its own words or by what there is
/// besides: the newer versions that are served and not marked.
///
/// Source: `defaultDeprecationWarning` of `k8s.io/apiextensions-apiserver/pkg/apiserver`.
fn deprecation(crd: &Object, version: &Value) -> Option<String> {
    let flag = |version: &Value, name: &str| version.get(name) == Some(&Value::Bool(true));
    if !flag(version, "deprecated") {
        return None;
    }
    if let Some(own) = version.get("deprecationWarning").and_then(Value::as_str) {
        return Some(own.to_owned());
    }
    let name = |version: &'_ Value| version.get("name").and_then(Value::as_str).map(str::to_owned);
    let (group, this) = (crd.text(&["spec", "group"]), name(version)?);
    let kind = crd.text(&["spec", "names", "kind"]);
    let said = format!("{group}/{this} {kind} is deprecated");
    let others = crd.items(&["spec", "versions"]).iter();
    let newer = others
        .filter(|other| flag(other, "served") && !flag(other, "deprecated"))
        .filter_map(name)
        .filter(|other| rank(other) < rank(&this))
        .min_by(|a, b| rank(a).cmp(&rank(b)));
    Some(match newer {
        Some(newest) => format!("{said}; use {group}/{newest} {kind}"),
        None => said,
    })
}

fn scale_paths(scale: &Value) -> ScalePaths {
    let path = |name: &str| {
        let text = scale.get(name).and_then(Value::as_str)?;
        Some(text.trim_start_matches('.').split('.').map(str::to_owned).collect::<Vec<_>>())
    };
    ScalePaths {
        spec: path("specReplicasPath").unwrap_or_default(),
        status: path("statusReplicasPath").unwrap_or_default(),
        selector: path("labelSelectorPath"),
    }
}

fn discovery(
    names: &Value,
    kind: &str,
    singular: &str,
    namespaced: bool,
    subresources: &BTreeMap<String, Vec<crate::api::Verb>>,
    version: &Value,
    id: &GroupResource,
) -> Value {
    let own = json!({"group": id.group, "version": version["name"], "kind": kind});
    let scale = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
    let subs: Vec<Value> = subresources
        .keys()
        .rev()
        .map(|name| {
            let response = if name == "scale" { &scale } else { &own };
            json!({"subresource": name, "responseKind": response,
                   "verbs": ["get", "patch", "update"]})
        })
        .collect();
    let mut entry = json!({
        "resource": id.resource, "singularResource": singular, "verbs": VERBS,
        "scope": if namespaced { "Namespaced" } else { "Cluster" },
    });
    for list in ["shortNames", "categories"] {
        if let Some(value) = names.get(list).filter(|v| v.as_array().is_some_and(|a| !a.is_empty()))
        {
            entry[list] = value.clone();
        }
    }
    if !subs.is_empty() {
        entry["subresources"] = subs.into();
    }
    entry
}
