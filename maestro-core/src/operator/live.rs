//! An object as the operator reads it: straight into JSON, without what it never looks at.
//!
//! kube's `DynamicObject` reads metadata into a type of its own, managed fields included, and
//! everything else by way of a buffer. The operator works on JSON: most of that would be undone.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::ApiResource;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// An object without its managed fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    /// Of its metadata, what names this object and this version of it.
    meta: ObjectMeta,
    value: Value,
}

impl Live {
    /// The object as JSON, saying of what kind it is: items of a list do not.
    pub(super) fn into_value(self, api_version: &str, kind: &str) -> Value {
        let mut value = self.value;
        super::world::complete(&mut value, api_version, kind);
        value
    }
}

impl From<Value> for Live {
    fn from(value: Value) -> Self {
        let text = |field: &str| value["metadata"][field].as_str().map(str::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Self { meta, value }
    }
}

impl Resource for Live {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

impl Serialize for Live {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Live {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(true)).map(|fields| Value::Object(fields).into())
    }
}

/// Reads the fields of an object, or those of its metadata.
struct Fields(bool);

impl<'de> Visitor<'de> for Fields {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "an object of the API" } else { "its metadata" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = match (self.0, name.as_str()) {
                (true, "metadata") => Value::Object(access.next_value_seed(Fields(false))?),
                (false, "managedFields") => {
                    access.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => access.next_value()?,
            };
            fields.insert(name, value);
        }
        Ok(fields)
    }
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;

    use super::*;

    #[test]
    fn everything_but_managed_fields_is_read() {
        let check = |text: &str, read: Result<&str, &str>| {
            let found = serde_json::from_str::<Live>(text).map_err(|error| error.to_string());
            match (found, read) {
                (Ok(live), Ok(expected)) => {
                    assert_eq!(live.value.to_string(), expected);
                    assert_eq!(serde_json::to_string(&live).ok().as_deref(), Some(expected));
                }
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, read) => panic!("{text}: {found:?} instead of {read:?}"),
            }
        };
        check(
            r#"{"kind":"A","metadata":{"name":"a","managedFields":[{"x":[1]}],"uid":"u"},"b":[{}]}"#,
            Ok(r#"{"b":[{}],"kind":"A","metadata":{"name":"a","uid":"u"}}"#),
        );
        check(r#"{"spec":{"managedFields":1}}"#, Ok(r#"{"spec":{"managedFields":1}}"#));
        check("[]", Err("an object of the API"));
        check(r#"{"metadata":1}"#, Err("its metadata"));
    }

    #[test]
    fn what_names_it_is_known() {
        let text = r#"{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7"}}"#;
        let live: Live = serde_json::from_str(text).unwrap();
        let found = (live.name_any(), live.namespace(), live.uid(), live.resource_version());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found, ("a".to_owned(), text("n"), text("u"), text("7")));
    }
}
