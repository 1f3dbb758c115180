//! What people read of the built-in kinds, and the parameters of queries.
//!
//! `facts/words-1.37.zlib` is made by `derive-facts --words`. It is inflated when somebody first
//! asks for OpenAPI, once a process.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::ZlibDecoder;

use crate::json::{Map, Value};

const TABLE: &[u8] = include_bytes!("words-1.37.zlib");

/// The table, indexed.
pub struct Words {
    types: BTreeMap<&'static str, &'static str>,
    queries: BTreeMap<&'static str, &'static str>,
}

/// The process's table.
pub fn words() -> &'static Words {
    static TEXT: OnceLock<String> = OnceLock::new();
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| {
        let text = TEXT.get_or_init(|| {
            let mut text = String::new();
            // It is part of the program: `tests` reads it.
            let _ = ZlibDecoder::new(TABLE).read_to_string(&mut text);
            text
        });
        let (mut types, mut queries) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("T", rest)) => types.extend(rest.split_once(' ')),
                Some(("Q", rest)) => queries.extend(rest.split_once(' ')),
                _ => {}
            }
        }
        Words { types, queries }
    })
}

impl Words {
    /// Adds to a type, as the table of facts writes it, what is said of it.
    pub fn add(&self, name: &str, schema: &mut Value) {
        let said = self.types.get(name).and_then(|json| serde_json::from_str(json).ok());
        if let (Some(said), Value::Object(schema)) = (said, schema) {
            merge(schema, said);
        }
    }

    /// The parameters of an action (`x-kubernetes-action`), as OpenAPI v3 writes them; those of
    /// `path` may stand with any.
    pub fn query(&self, action: &str) -> Vec<Value> {
        let query = self.queries.get(action);
        query.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

fn merge(into: &mut Map, from: Map) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::facts;

    #[test]
    fn every_type_is_described() {
        let facts = facts();
        let mut described = 0;
        for name in facts.types.keys() {
            let mut schema = facts.document(name).expect("a type");
            words().add(name, &mut schema);
            described += usize::from(schema["description"].is_string());
        }
        assert!(facts.types.keys().all(|name| words().types.contains_key(name)));
        assert!(described > facts.types.len() * 9 / 10, "{described} of {}", facts.types.len());
    }

    #[test]
    fn every_action_has_its_parameters() {
        let names = |action| -> Vec<String> {
            let query = words().query(action).into_iter();
            query.map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(names("get"), Vec::<String>::new());
        assert_eq!(names("post"), ["dryRun", "fieldManager", "fieldValidation"]);
        assert_eq!(names("path"), ["name", "namespace", "pretty"]);
        for action in ["list", "put", "patch", "delete", "deletecollection"] {
            assert!(names(action).len() > 2, "{action}: {:?}", names(action));
        }
    }
}
