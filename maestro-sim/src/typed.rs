//! What a typed server makes of a body: the fields it knows, of the types they have, and empty
//! values where Go writes them.
//!
//! A real server decodes a built-in object into Go structs and encodes those: unknown fields are
//! gone, empty ones come or go by their tags, amounts and times are written anew.
//! Source: `sigs.k8s.io/json`, `encoding/json` and the struct tags of `k8s.io/api`, which the facts
//! table holds.

mod scalar;
#[cfg(test)]
mod tests;

use crate::json::{Map, Value};
use crate::schema::{Encoding, Kind, Schema};
use crate::structural::{Path, Step};

/// What decoding noticed besides what it refuses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Noticed {
    /// The paths of fields that nothing knows, such as `spec.list[0].x`.
    pub unknown: Vec<String>,
    /// Whether there is an empty list or map that the store will not know: see [`forget_empty`].
    pub empties: bool,
    /// Empty lists and maps that were left out because Go does not write them.
    pub dropped: Vec<Vec<Step>>,
    /// Amounts that Go holds in another form than the stored ones they equal, such as 1024Mi:
    /// lists that are compared as a whole then differ.
    pub uneven: Vec<Vec<Step>>,
}

/// Decodes a body of a built-in kind in place.
///
/// What is the same in `known`, a stored object of the kind, was decoded when that was stored, and
/// is passed over: most bodies are the stored object with little changed.
///
/// # Errors
/// With the words of Go's decoder, for the first value of a wrong type.
pub fn decode(
    schema: &Schema,
    kind: &str,
    value: &mut Value,
    known: Option<&Value>,
) -> Result<Noticed, String> {
    let mut decoder = Decoder { noticed: Noticed::default(), mismatch: None };
    let place = Place { owner: kind, fields: None };
    decoder.structure(schema, value, known, &place, &Path::root(""))?;
    if let Some(mismatch) = decoder.mismatch {
        return Err(mismatch);
    }
    Ok(decoder.noticed)
}

/// Turns empty lists and maps that always appear into null: the store's protobuf does not tell
/// them from unset ones.
pub fn forget_empty(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, child) in map.iter_mut() {
                let Some(field) = schema.field(name) else { continue };
                if field.encoding == Encoding::Null && is_empty(child) && !is_open(field) {
                    *child = Value::Null;
                } else {
                    forget_empty(field, child);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &schema.items {
                list.iter_mut().for_each(|item| forget_empty(items, item));
            }
        }
        _ => {}
    }
}

/// Whether a field holds an object of which nothing is known, and so is not empty by itself.
fn is_open(field: &Schema) -> bool {
    field.kind != Kind::Array && field.additional.is_none() && field.properties.is_empty()
}

/// A kind's zero value: what exists of an object before anyone says anything about it.
pub fn zero(schema: &Schema) -> Value {
    let mut out = Map::new();
    fill(schema, &mut out);
    Value::Object(out)
}

/// Puts in the fields that always appear.
pub fn fill(schema: &Schema, map: &mut Map) {
    for (name, field) in &schema.properties {
        if always_there(field)
            && !map.contains_key(name)
            && let Some(empty) = empty(field)
        {
            map.insert(name.to_string(), empty);
        }
    }
}

/// Whether Go writes a field although it is not set.
fn always_there(field: &Schema) -> bool {
    !matches!(field.encoding, Encoding::OmitEmpty | Encoding::Pointer | Encoding::OmitZero)
}

/// What stands for a field that is not set, if anything does.
fn empty(field: &Schema) -> Option<Value> {
    match field.encoding {
        Encoding::OmitEmpty | Encoding::Pointer | Encoding::OmitZero => None,
        Encoding::Null => Some(Value::Null),
        Encoding::Always | Encoding::Struct => Some(match field.kind {
            _ if scalar::is_quantity(field) => "0".into(),
            Kind::String => "".into(),
            Kind::Integer | Kind::Number | Kind::IntOrString => 0.into(),
            Kind::Boolean => false.into(),
            Kind::Object if field.additional.is_none() => zero(field),
            _ => return None,
        }),
    }
}

/// Where Go's messages say that a value is: the struct, and the fields down to it.
struct Place<'a> {
    owner: &'a str,
    fields: Option<(&'a Place<'a>, &'a str)>,
}

impl Place<'_> {
    fn write(&self, out: &mut String) {
        if let Some((parent, field)) = &self.fields {
            parent.write(out);
            out.push('.');
            out.push_str(field);
        }
    }

    /// `json: cannot unmarshal WHAT into Go struct field STRUCT.fields of type TYPE`.
    fn mismatch(&self, what: &str, of: &str) -> String {
        let owner = match &self.fields {
            Some((parent, _)) => parent.owner,
            None => return format!("json: cannot unmarshal {what} into Go value of type {of}"),
        };
        let mut fields = String::new();
        self.write(&mut fields);
        format!("json: cannot unmarshal {what} into Go struct field {owner}{fields} of type {of}")
    }
}

/// What Go calls the type of a decoded value.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.as_i64().is_some() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A JSON value's type as Go calls it.
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

struct Decoder {
    noticed: Noticed,
    /// The first value of another type than its field's. Decoding goes on behind it, and what a
    /// type's own decoder refuses there is told in its stead.
    mismatch: Option<String>,
}

impl Decoder {
    fn keep(&mut self, mismatch: String) -> Result<(), String> {
        self.mismatch.get_or_insert(mismatch);
        Ok(())
    }

    fn structure(
        &mut self,
        schema: &Schema,
        value: &mut Value,
        known: Option<&Value>,
        place: &Place<'_>,
        path: &Path<'_>,
    ) -> Result<(), String> {
        let map = match value {
            Value::Object(map) => map,
            Value::Null => {
                *value = zero(schema);
                return Ok(());
            }
            other => return self.keep(place.mismatch(json_type(other), &schema.go_type)),
        };
        let known = known.and_then(Value::as_object);
        let mut surplus = false;
        for (name, child) in map.iter_mut() {
            let known = known.and_then(|known| known.get(name));
            if share(child, known) {
                continue;
            }
            let Some(field) = schema.properties.get(name.as_str()) else {
                surplus = true;
                self.noticed.unknown.push(path.field(name).to_string());
                continue;
            };
            let here = Place { owner: struct_name(field, place), fields: Some((place, name)) };
            self.value(field, &field.go_type, child, known, &here, &path.field(name))?;
            match field.encoding {
                Encoding::Null => self.noticed.empties |= is_empty(child) && !is_open(field),
                Encoding::OmitEmpty if is_empty(child) && field.properties.is_empty() => {
                    self.noticed.dropped.push(path.field(name).steps());
                }
                _ => {}
            }
            surplus |= is_left_out(field, child);
        }
        if surplus {
            map.retain(|name, child| {
                schema.properties.get(name.as_str()).is_some_and(|field| !is_left_out(field, child))
            });
        }
        fill(schema, map);
        Ok(())
    }

    fn value(
        &mut self,
        schema: &Schema,
        go_type: &str,
        value: &mut Value,
        known: Option<&Value>,
        place: &Place<'_>,
        path: &Path<'_>,
    ) -> Result<(), String> {
        match schema.kind {
            _ if value.is_null() => Ok(()),
            Kind::Object if !schema.properties.is_empty() => {
                self.structure(schema, value, known, place, path)
            }
            Kind::Object => match &schema.additional {
                Some(values) => self.map(values, go_type, value, known, place, path),
                None => Ok(()),
            },
            Kind::Array => match &schema.items {
                Some(items) => self.list(items, go_type, value, known, place, path),
                None => Ok(()),
            },
            Kind::Any if !scalar::is_quantity(schema) => Ok(()),
            _ => {
                match scalar::decode(schema, go_type, value) {
                    Ok(true) => self.noticed.uneven.push(path.steps()),
                    Ok(false) => {}
                    Err(scalar::Wrong::Own(message)) => return Err(message),
                    Err(scalar::Wrong::Type(what, of)) => {
                        return self.keep(place.mismatch(&what, &of));
                    }
                }
                Ok(())
            }
        }
    }

    fn map(
        &mut self,
        values: &Schema,
        go_type: &str,
        value: &mut Value,
        known: Option<&Value>,
        place: &Place<'_>,
        path: &Path<'_>,
    ) -> Result<(), String> {
        let Value::Object(map) = value else {
            return self.keep(place.mismatch(json_type(value), go_type));
        };
        let of = go_type.split_once(']').map_or("", |(_, of)| of).trim_start_matches('*');
        let owner = last_word(of, place.owner);
        let known = known.and_then(Value::as_object);
        for (name, child) in map.iter_mut() {
            let known = known.and_then(|known| known.get(name));
            let here = Place { owner, fields: place.fields };
            self.element(values, of, child, known, &here, &path.field(name))?;
        }
        Ok(())
    }

    fn list(
        &mut self,
        items: &Schema,
        go_type: &str,
        value: &mut Value,
        known: Option<&Value>,
        place: &Place<'_>,
        path: &Path<'_>,
    ) -> Result<(), String> {
        let Value::Array(list) = value else {
            return self.keep(place.mismatch(json_type(value), go_type));
        };
        let of = go_type.strip_prefix("[]").unwrap_or("").trim_start_matches('*');
        let owner = last_word(of, place.owner);
        let known = known.and_then(Value::as_array);
        for (index, child) in list.iter_mut().enumerate() {
            let known = known.and_then(|known| known.get(index));
            let here = Place { owner, fields: place.fields };
            self.element(items, of, child, known, &here, &path.index(index))?;
        }
        Ok(())
    }

    /// A list's item or a map's value, which is there even when it is null.
    fn element(
        &mut self,
        schema: &Schema,
        go_type: &str,
        value: &mut Value,
        known: Option<&Value>,
        place: &Place<'_>,
        path: &Path<'_>,
    ) -> Result<(), String> {
        if share(value, known) {
            return Ok(());
        }
        if value.is_null() {
            *value = scalar::zero(schema).unwrap_or(Value::Null);
        }
        if schema.kind == Kind::Object && !schema.properties.is_empty() && !value.is_object() {
            return self.keep(place.mismatch(json_type(value), go_type));
        }
        self.value(schema, go_type, value, known, place, path)
    }
}

/// Puts what is known in the place of what equals it, so that both are one in memory; whether they
/// are equal.
fn share(value: &mut Value, known: Option<&Value>) -> bool {
    let Some(known) = known.filter(|known| *known == value) else { return false };
    if !known.is_same(value) {
        *value = known.clone();
    }
    true
}

/// The struct's own name, where a field holds a struct.
fn struct_name<'a>(field: &'a Schema, place: &Place<'a>) -> &'a str {
    last_word(&field.go_type, place.owner)
}

fn last_word<'a>(go_type: &'a str, otherwise: &'a str) -> &'a str {
    match go_type.rsplit('.').next() {
        None | Some("") => otherwise,
        Some(name) => name,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Whether Go would not write this field.
pub(crate) fn is_left_out(field: &Schema, value: &Value) -> bool {
    match field.encoding {
        Encoding::OmitEmpty => match value {
            Value::Null => true,
            Value::Bool(on) => !on,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty() && field.additional.is_some(),
        },
        Encoding::OmitZero => value.as_object().is_some_and(Map::is_empty) || value.is_null(),
        Encoding::Pointer => value.is_null(),
        // Null is filled in anew, as the zero value that the type has.
        Encoding::Always | Encoding::Struct => value.is_null(),
        Encoding::Null => false,
    }
}
