//! A document of OpenAPI v2 in protobuf.
//!
//! Source: `openapiv2/OpenAPIv2.proto` of `github.com/google/gnostic-models`, by which clients in
//! Go read it. Values of any kind stand in it as YAML.

use crate::api::yaml::{self, Layout};
use crate::json::{Map, Name, Value};

/// One message: its fields, in the order of their numbers. As in all of proto3, what is empty is
/// not written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.number(u64::from(field) << 3 | 2);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(mut self, field: u32, value: &Value) -> Self {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes(field, text.as_bytes());
        }
        self
    }

    fn texts(mut self, field: u32, value: &Value) -> Self {
        for text in value.as_array().into_iter().flatten() {
            self.bytes(field, text.as_str().unwrap_or_default().as_bytes());
        }
        self
    }

    fn flag(mut self, field: u32, value: &Value) -> Self {
        if value == true {
            self.number(u64::from(field) << 3);
            self.number(1);
        }
        self
    }

    fn whole(mut self, field: u32, value: &Value) -> Self {
        if let Some(value) = value.as_i64().filter(|value| *value != 0) {
            self.number(u64::from(field) << 3);
            self.number(value.cast_unsigned());
        }
        self
    }

    fn real(mut self, field: u32, value: &Value) -> Self {
        if let Some(value) = value.as_f64().filter(|value| *value != 0.0) {
            self.number(u64::from(field) << 3 | 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
        self
    }

    fn message(mut self, field: u32, value: &Value, of: fn(&Value) -> Self) -> Self {
        if !value.is_null() {
            self.bytes(field, &of(value).0);
        }
        self
    }

    fn messages(self, field: u32, value: &Value, of: fn(&Value) -> Self) -> Self {
        let all = value.as_array().into_iter().flatten();
        all.fold(self, |message, one| message.message(field, one, of))
    }

    /// The entries of an object, each a message of its name and its value.
    fn named(self, field: u32, value: &Value, of: fn(&Value) -> Self) -> Self {
        entries(value).fold(self, |message, (name, value)| message.entry(field, name, value, of))
    }

    fn entry(mut self, field: u32, name: &str, value: &Value, of: fn(&Value) -> Self) -> Self {
        let mut entry = Self::default();
        entry.bytes(1, name.as_bytes());
        self.bytes(field, &entry.message(2, value, of).0);
        self
    }

    /// What a vendor adds, whose names begin with `x-`.
    fn vendor(self, field: u32, value: &Value) -> Self {
        let added = entries(value).filter(|(name, _)| name.starts_with("x-"));
        added.fold(self, |message, (name, value)| message.entry(field, name, value, any))
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&Name, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// The document in protobuf.
pub fn encode(document: &Value) -> Vec<u8> {
    Message::default()
        .text(1, &document["swagger"])
        .message(2, &document["info"], |info| {
            Message::default().text(1, &info["title"]).text(2, &info["version"])
        })
        .message(8, &document["paths"], |paths| Message::default().named(2, paths, path))
        .message(9, &document["definitions"], |all| Message::default().named(1, all, schema))
        .message(10, &document["parameters"], |all| Message::default().named(1, all, parameter))
        .messages(12, &document["security"], |security| {
            Message::default().named(1, security, |scopes| Message::default().texts(1, scopes))
        })
        .message(13, &document["securityDefinitions"], |all| {
            Message::default().named(1, all, |one| Message::default().message(2, one, key))
        })
        .0
}

fn key(value: &Value) -> Message {
    Message::default()
        .text(1, &value["type"])
        .text(2, &value["name"])
        .text(3, &value["in"])
        .text(4, &value["description"])
}

fn path(value: &Value) -> Message {
    Message::default()
        .message(2, &value["get"], operation)
        .message(3, &value["put"], operation)
        .message(4, &value["post"], operation)
        .message(5, &value["delete"], operation)
        .message(6, &value["options"], operation)
        .message(7, &value["head"], operation)
        .message(8, &value["patch"], operation)
        .messages(9, &value["parameters"], item)
        .vendor(10, value)
}

fn operation(value: &Value) -> Message {
    Message::default()
        .texts(1, &value["tags"])
        .text(3, &value["description"])
        .text(5, &value["operationId"])
        .texts(6, &value["produces"])
        .texts(7, &value["consumes"])
        .messages(8, &value["parameters"], item)
        .message(9, &value["responses"], |all| {
            Message::default().named(1, all, |one| Message::default().message(1, one, response))
        })
        .texts(10, &value["schemes"])
        .flag(11, &value["deprecated"])
        .vendor(13, value)
}

fn response(value: &Value) -> Message {
    Message::default()
        .text(1, &value["description"])
        .message(2, &value["schema"], |of| Message::default().message(1, of, schema))
}

/// A parameter, or a reference to one.
fn item(value: &Value) -> Message {
    match value.get("$ref") {
        Some(_) => {
            Message::default().message(2, value, |value| Message::default().text(1, &value["$ref"]))
        }
        None => Message::default().message(1, value, parameter),
    }
}

fn parameter(value: &Value) -> Message {
    if value["in"] == "body" {
        return Message::default().message(1, value, |value| {
            Message::default()
                .text(1, &value["description"])
                .text(2, &value["name"])
                .text(3, &value["in"])
                .flag(4, &value["required"])
                .message(5, &value["schema"], schema)
        });
    }
    Message::default().message(2, value, |value| match value["in"] == "query" {
        true => Message::default().message(3, value, |value| {
            begun(value).text(6, &value["type"]).flag(20, &value["uniqueItems"])
        }),
        false => Message::default().message(4, value, |value| {
            begun(value).text(5, &value["type"]).flag(19, &value["uniqueItems"])
        }),
    })
}

/// What parameters in queries and in paths begin with alike.
fn begun(value: &Value) -> Message {
    Message::default()
        .flag(1, &value["required"])
        .text(2, &value["in"])
        .text(3, &value["description"])
        .text(4, &value["name"])
}

fn schema(value: &Value) -> Message {
    Message::default()
        .text(1, &value["$ref"])
        .text(2, &value["format"])
        .text(3, &value["title"])
        .text(4, &value["description"])
        .message(5, &value["default"], any)
        .real(6, &value["multipleOf"])
        .real(7, &value["maximum"])
        .flag(8, &value["exclusiveMaximum"])
        .real(9, &value["minimum"])
        .flag(10, &value["exclusiveMinimum"])
        .whole(11, &value["maxLength"])
        .whole(12, &value["minLength"])
        .text(13, &value["pattern"])
        .whole(14, &value["maxItems"])
        .whole(15, &value["minItems"])
        .flag(16, &value["uniqueItems"])
        .whole(17, &value["maxProperties"])
        .whole(18, &value["minProperties"])
        .texts(19, &value["required"])
        .messages(20, &value["enum"], any)
        .message(21, &value["additionalProperties"], |of| match of {
            Value::Bool(_) => Message::default().flag(2, of),
            _ => Message::default().message(1, of, schema),
        })
        .message(22, &value["type"], |of| {
            let mut message = Message::default();
            message.bytes(1, of.as_str().unwrap_or_default().as_bytes());
            message
        })
        .message(23, &value["items"], |of| Message::default().message(1, of, schema))
        .messages(24, &value["allOf"], schema)
        .message(25, &value["properties"], |all| Message::default().named(1, all, schema))
        .message(30, &value["example"], any)
        .vendor(31, value)
}

fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.bytes(2, yaml::write(value, Layout::Deep).as_bytes());
    message
}
