//! Whole resources within custom objects (`x-kubernetes-embedded-resource`): each says what it is,
//! and has metadata as any other.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta`.

use crate::api::status::Cause;
use crate::builtin::field::{self, Path as Place};
use crate::builtin::{embedded_metadata, text as form};
use crate::json::{Map, Value};
use crate::schema::Schema;

/// What is wrong with the resources in a value at a path, the value itself included if it is one.
pub fn resources(schema: &Schema, value: &Value, path: &Place<'_>, causes: &mut Vec<Cause>) {
    if !schema.holds_resources {
        return;
    }
    match value {
        Value::Object(map) => {
            if schema.embedded_resource {
                resource(map, path, causes);
            }
            for (name, child) in map {
                if let Some(own) = schema.properties.get(&**name) {
                    resources(own, child, &path.field(name), causes);
                } else if let Some(own) = &schema.additional {
                    resources(own, child, &path.key(name), causes);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            for (index, child) in list.iter().enumerate() {
                resources(items, child, &path.index(index), causes);
            }
        }
        _ => {}
    }
}

fn resource(map: &Map, path: &Place<'_>, causes: &mut Vec<Cause>) {
    for name in ["apiVersion", "kind"] {
        let here = path.field(name);
        let Some(value) = map.get(name) else {
            causes.push(field::required(&here, ""));
            continue;
        };
        let why = match value.as_str() {
            None => "must be a string".to_owned(),
            Some("") => "must not be empty".to_owned(),
            Some(version) if name == "apiVersion" => {
                if version.matches('/').count() < 2 {
                    continue;
                }
                format!("unexpected GroupVersion string: {version}")
            }
            Some(kind) => {
                let problems = form::label_1035(&kind.to_lowercase());
                if problems.is_empty() {
                    continue;
                }
                format!("may have mixed case, but should otherwise match: {}", problems.join(","))
            }
        };
        causes.push(field::invalid(&here, value, &why));
    }
    if let Some(metadata) = map.get("metadata") {
        embedded_metadata(metadata, &path.field("metadata"), causes);
    }
}
