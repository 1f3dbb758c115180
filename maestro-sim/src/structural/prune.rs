//! Fields that the schema does not know: dropped on a write, or named for strict validation.

use super::path::Path;
use crate::json::{Map, Value};
use crate::schema::Schema;

/// Drops every field that the schema does not know. The root and embedded resources keep
/// `apiVersion`, `kind` and `metadata`, the root's metadata nothing but what all objects have.
pub fn prune(schema: &Schema, value: &mut Value) {
    let meta = value.get("metadata").and_then(Value::as_object);
    if meta.is_some_and(|meta| meta.keys().any(|name| !is_metadata(name)))
        && let Some(Value::Object(meta)) = value.get_mut("metadata")
    {
        meta.retain(|name, _| is_metadata(name));
    }
    // A tree that loses nothing stays shared.
    if has_unknown(schema, value, true) {
        node(schema, value, true);
    }
}

fn has_unknown(schema: &Schema, value: &Value, object: bool) -> bool {
    match value {
        Value::Object(map) => {
            let object = object || schema.embedded_resource;
            let odd = |meta: &Map| meta.keys().any(|name| !is_metadata(name));
            if schema.embedded_resource
                && map.get("metadata").and_then(Value::as_object).is_some_and(odd)
            {
                return true;
            }
            map.iter().any(|(name, field)| {
                !is_known(schema, name, object)
                    || child(schema, name, object).is_some_and(|c| has_unknown(c, field, false))
            })
        }
        Value::Array(list) => {
            let items = items(schema);
            items.is_some_and(|items| list.iter().any(|item| has_unknown(items, item, false)))
        }
        _ => false,
    }
}

fn node(schema: &Schema, value: &mut Value, object: bool) {
    match value {
        Value::Object(map) => {
            let object = object || schema.embedded_resource;
            let meta = map.get_mut("metadata").filter(|_| schema.embedded_resource);
            if let Some(meta) = meta.and_then(Value::as_object_mut) {
                meta.retain(|name, _| is_metadata(name));
            }
            if map.keys().any(|name| !is_known(schema, name, object)) {
                map.retain(|name, _| is_known(schema, name, object));
            }
            for (name, field) in map.iter_mut() {
                if let Some(child) = child(schema, name, object) {
                    node(child, field, false);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = items(schema) {
                list.iter_mut().for_each(|item| node(items, item, false));
            }
        }
        _ => {}
    }
}

/// The schema of a list's items. Of what stands where nothing is known, nothing is known either.
fn items(schema: &Schema) -> Option<&Schema> {
    schema.items.as_deref().or((!schema.preserve_unknown).then_some(schema))
}

fn is_type_meta(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

fn is_known(schema: &Schema, name: &str, object: bool) -> bool {
    schema.preserve_unknown || schema.field(name).is_some() || (object && is_type_meta(name))
}

/// The schema to go on with; the metadata of whole objects follows its own rules.
fn child<'a>(schema: &'a Schema, name: &str, object: bool) -> Option<&'a Schema> {
    if object && is_type_meta(name) {
        return None;
    }
    schema.field(name).map(AsRef::as_ref)
}

/// Whether there is anything that the schema of a part of an object does not know.
pub(crate) fn is_surplus(schema: &Schema, value: &Value) -> bool {
    let (mut found, root) = (Vec::new(), Path::root(""));
    collect(schema, value, &root, schema.embedded_resource, (&mut found, &mut Vec::new()));
    !found.is_empty()
}

/// The paths of all fields that [`prune`] would drop, such as `spec.list[0].x`, and those in the
/// root's metadata that no object has.
pub fn unknown_fields(schema: &Schema, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let root = Path::root("");
    if let Some(Value::Object(meta)) = value.get("metadata") {
        metadata(meta, &root.field("metadata"), &mut found);
    }
    let told = found.len();
    let mut within = Vec::new();
    collect(schema, value, &root, true, (&mut found, &mut within));
    found[told..].sort();
    within.sort();
    found.append(&mut within);
    found
}

/// What is unknown to schemas, and apart from it what no metadata of a resource within has.
fn collect(
    schema: &Schema,
    value: &Value,
    path: &Path,
    object: bool,
    (found, within): (&mut Vec<String>, &mut Vec<String>),
) {
    match value {
        Value::Object(map) => {
            let object = object || schema.embedded_resource;
            let meta = map.get("metadata").filter(|_| schema.embedded_resource);
            if let Some(Value::Object(meta)) = meta {
                metadata(meta, &path.field("metadata"), within);
            }
            for (name, field) in map {
                let path = path.field(name);
                if !is_known(schema, name, object) {
                    found.push(path.to_string());
                } else if let Some(child) = child(schema, name, object) {
                    collect(child, field, &path, false, (found, within));
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = items(schema) else { return };
            for (index, item) in list.iter().enumerate() {
                collect(items, item, &path.index(index), false, (found, within));
            }
        }
        _ => {}
    }
}

/// The fields of `metav1.ObjectMeta`.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn metadata(meta: &Map, path: &Path, found: &mut Vec<String>) {
    for name in meta.keys().filter(|name| !is_metadata(name)) {
        found.push(path.field(name).to_string());
    }
}

fn is_metadata(name: &str) -> bool {
    METADATA.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use crate::json::Value;

    #[track_caller]
    fn check(schema: &str, before: &str, after: &str, unknown: &[&str]) {
        let schema: Value = serde_yaml::from_str(schema).unwrap();
        let schema = crate::schema::parse::parse(&schema);
        let mut value: Value = serde_yaml::from_str(before).unwrap();
        assert_eq!(super::unknown_fields(&schema, &value), unknown);
        super::prune(&schema, &mut value);
        assert_eq!(value, serde_yaml::from_str::<Value>(after).unwrap());
    }

    #[test]
    fn unknown_fields_go() {
        let schema = "
type: object
properties:
  spec:
    type: object
    properties:
      a: {type: integer}
      l: {type: array, items: {type: object, properties: {x: {type: string}}}}
      m: {type: object, additionalProperties: {type: object, properties: {z: {type: string}}}}
      any: {type: object, x-kubernetes-preserve-unknown-fields: true,
            properties: {known: {type: object}}}
      pod: {type: object, x-kubernetes-embedded-resource: true, properties: {spec: {type: object}}}
";
        check(
            schema,
            "{apiVersion: v1, kind: K, metadata: {name: n, odd: 1}, extra: 1, spec: {a: 1, b: 2,
              l: [{x: s, y: t}], m: {k: {z: s, w: 1}}, any: {u: {v: 1}, known: {gone: 1}},
              pod: {kind: Pod, metadata: {name: x}, other: 1}}}",
            "{apiVersion: v1, kind: K, metadata: {name: n}, spec: {a: 1,
              l: [{x: s}], m: {k: {z: s}}, any: {u: {v: 1}, known: {}},
              pod: {kind: Pod, metadata: {name: x}}}}",
            &[
                "metadata.odd",
                "extra",
                "spec.any.known.gone",
                "spec.b",
                "spec.l[0].y",
                "spec.m.k.w",
                "spec.pod.other",
            ],
        );
    }
}
