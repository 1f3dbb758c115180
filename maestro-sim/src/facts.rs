//! The built-in kinds of Kubernetes 1.37, as a running API server described them; what older
//! versions lack of that stands in [`version`].
//!
//! `facts/1.37.txt` is made by the `derive-facts` command. Resources are read once a process;
//! a type is parsed when it is first asked for, and shared by every simulation from then on.

pub mod version;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use version::Version;

use crate::json::{Map, Value};
use crate::schema::{Schema, parse};

pub mod words;

const TABLE: &str = include_str!("facts/1.37.txt");

/// The table, indexed.
pub struct Facts {
    /// One entry per group, version and resource, as discovery writes it, plus `group`,
    /// `version`, `kind` and `type`.
    pub resources: Vec<Value>,
    types: BTreeMap<&'static str, &'static str>,
    columns: BTreeMap<&'static str, &'static str>,
    parsed: Mutex<BTreeMap<String, Arc<Schema>>>,
}

/// The process's table.
pub fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let mut resources = Vec::new();
        let (mut types, mut columns) = (BTreeMap::new(), BTreeMap::new());
        for line in TABLE.lines() {
            match line.split_once(' ') {
                Some(("R", json)) => resources.extend(serde_json::from_str::<Value>(json)),
                Some(("T", rest)) => types.extend(rest.split_once(' ')),
                Some(("C", rest)) => columns.extend(rest.split_once(' ')),
                _ => {}
            }
        }
        Facts { resources, types, columns, parsed: Mutex::default() }
    })
}

impl Facts {
    /// The schema of a type, parsed on first use; `Any` for a name the table does not hold.
    pub fn schema(&self, name: &str) -> Arc<Schema> {
        let known = self.lock().get(name).cloned();
        if let Some(schema) = known {
            return schema;
        }
        let schema = Arc::new(match self.expanded(name, 0) {
            Some(value) => parse::parse(&value),
            None => Schema::any(),
        });
        self.lock().insert(name.to_owned(), Arc::clone(&schema));
        schema
    }

    /// A type as the table writes it, references and all; `None` for a name it does not hold.
    pub fn document(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.types.get(name)?).ok()
    }

    /// A type with every reference put in place; what refers to itself is left open.
    pub fn whole_document(&self, name: &str) -> Option<Value> {
        self.expanded(name, 0)
    }

    /// The columns of the Tables at a collection's path.
    pub fn columns(&self, path: &str) -> Vec<Value> {
        let columns = self.columns.get(path);
        columns.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Schema>>> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A type's document with every reference put in place. The one recursive type, the JSON
    /// schema inside a CRD, is left open.
    fn expanded(&self, name: &str, depth: usize) -> Option<Value> {
        if name.contains("JSONSchemaProps") || depth > 40 {
            return None;
        }
        let mut value: Value = serde_json::from_str(self.types.get(name)?).ok()?;
        if name.ends_with(".RawExtension") {
            // Nobody knows what is in there, and so it has one owner.
            value["x-kubernetes-map-type"] = "atomic".into();
        }
        Some(self.expand(value, depth))
    }

    fn expand(&self, value: Value, depth: usize) -> Value {
        match value {
            Value::Object(map) => Value::Object(self.expand_map(map, depth)),
            other => other,
        }
    }

    fn expand_map(&self, mut map: Map, depth: usize) -> Map {
        if let Some(Value::String(name)) = map.remove("$ref") {
            let open = || crate::json!({"x-kubernetes-preserve-unknown-fields": true});
            let target = self.expanded(&name, depth + 1).unwrap_or_else(open);
            if let Value::Object(mut target) = target {
                // What stands beside the reference (default, list type) wins.
                target.append(&mut map);
                return target;
            }
        }
        if let Some(Value::Object(fields)) = map.get_mut("properties") {
            for field in fields.values_mut() {
                *field = self.expand(field.take(), depth);
            }
        }
        for nested in ["items", "additionalProperties"] {
            if let Some(value) = map.get_mut(nested) {
                *value = self.expand(value.take(), depth);
            }
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Kind, ListType};

    #[test]
    fn a_deployment_knows_its_containers() {
        let schema = facts().schema("io.k8s.api.apps.v1.Deployment");
        let containers = ["spec", "template", "spec", "containers"]
            .iter()
            .try_fold(&schema, |s, field| s.properties.get(*field))
            .expect("containers");
        assert_eq!(containers.kind, Kind::Array);
        assert_eq!(containers.list_type, ListType::Map(vec!["name".into()]));
        assert_eq!(containers.patch_merge_key.as_deref(), Some("name"));
        let ports = containers.items.as_ref().and_then(|i| i.properties.get("ports"));
        let keys = vec!["containerPort".into(), "protocol".into()];
        assert_eq!(ports.map(|p| &p.list_type), Some(&ListType::Map(keys)));
    }

    #[test]
    fn every_resource_has_a_type() {
        let without: Vec<&Value> =
            facts().resources.iter().filter(|r| r.get("type").is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
        assert!(facts().resources.len() > 60);
    }
}
