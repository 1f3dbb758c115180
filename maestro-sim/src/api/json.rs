//! JSON bodies as Go's decoder reads them: of two fields of one name the later one counts, where
//! both are maps of a struct they are merged, and strict readers are told.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::builtin::field::Path;
use crate::json::{Array, Map, Name, Value, scalars};

/// A body, and the paths of the fields that it holds twice. What becomes a struct (`merges`) merges
/// such fields; a map, as a patch is, does not.
///
/// # Errors
/// When it is no JSON.
pub(super) fn read(
    body: &[u8],
    merges: &dyn Fn() -> bool,
) -> Result<(Value, Vec<String>), serde_json::Error> {
    let twice = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Reader { path: &Path::Root, twice: &twice, merges }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice.into_inner()))
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    path: &'a Path<'a>,
    twice: &'a RefCell<Vec<String>>,
    merges: &'a dyn Fn() -> bool,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Array::new();
        loop {
            let path = self.path.index(out.len());
            match items.next_element_seed(Reader { path: &path, ..self })? {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = fields.next_key::<Name>()? {
            let path = self.path.field(&name);
            if out.contains_key(&name) {
                let told = path.to_string();
                let mut twice = self.twice.try_borrow_mut().map_err(A::Error::custom)?;
                if !twice.contains(&told) {
                    twice.push(told);
                }
            }
            let value = fields.next_value_seed(Reader { path: &path, ..self })?;
            match out.get_mut(&name) {
                Some(before) if (self.merges)() => merge(before, value),
                _ => drop(out.insert(name, value)),
            }
        }
        Ok(Value::Object(out))
    }
}

fn merge(before: &mut Value, after: Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in after {
                match before.get_mut(&name) {
                    Some(field) => merge(field, value),
                    None => {
                        before.insert(name, value);
                    }
                }
            }
        }
        (before, after) => *before = after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_come_twice() {
        let cases = [
            (r#"{"a": 1, "b": [null, true, "x", -2, 1.5]}"#, "", ""),
            (r#"{"a": 1, "a": 2}"#, r#"{"a":2}"#, "a"),
            (r#"{"a": {"x": 1}, "a": {"y": 2}}"#, r#"{"a":{"x":1,"y":2}}"#, "a"),
            (r#"{"l": [{"a": 1, "a": 1}]}"#, r#"{"l":[{"a":1}]}"#, "l[0].a"),
        ];
        for (body, expected, paths) in cases {
            let (value, twice) = read(body.as_bytes(), &|| true).unwrap();
            let expected = if expected.is_empty() { body } else { expected };
            assert_eq!(value, serde_json::from_str::<Value>(expected).unwrap(), "{body}");
            assert_eq!(twice.join(" "), paths, "{body}");
        }
        assert!(read(b"{}x", &|| true).is_err());
    }
}
