//! Small tools to fill in absent fields without copying trees.

use crate::json::{Map, Value};

/// Sets a field that is absent or null.
pub(super) fn set(map: &mut Map, name: &str, value: impl Into<Value>) {
    // What is set already stays shared with former versions.
    if map.get(name).is_none_or(Value::is_null) {
        map.insert(name, value.into());
    }
}

/// Sets a field that is absent, null or empty text: Go cannot tell these apart for a string.
pub(super) fn text(map: &mut Map, name: &str, value: &str) {
    match map.get(name) {
        Some(Value::String(found)) if !found.is_empty() => {}
        None | Some(Value::Null | Value::String(_)) => {
            map.insert(name, value.into());
        }
        Some(_) => {}
    }
}

/// The map in a field, if it is one.
pub(super) fn inside<'a>(map: &'a mut Map, name: &str) -> Option<&'a mut Map> {
    map.get_mut(name)?.as_object_mut()
}

/// The map in a field, made empty where absent.
pub(super) fn made<'a>(map: &'a mut Map, name: &str) -> Option<&'a mut Map> {
    set(map, name, Map::new());
    inside(map, name)
}

/// The maps in a list field.
pub(super) fn each<'a>(map: &'a mut Map, name: &str) -> impl Iterator<Item = &'a mut Map> {
    let list = map.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The text of a field, empty when absent.
pub(super) fn get<'a>(map: &'a Map, name: &str) -> &'a str {
    map.get(name).and_then(Value::as_str).unwrap_or("")
}

/// The spec of an object, made empty where absent.
pub(super) fn spec(object: &mut Value) -> Option<&mut Map> {
    made(object.as_object_mut()?, "spec")
}
