//! JSON with its fields in the order of Go's structs, as people read it.

use super::table::{Field, Message, MessageId, Shape, Table, Type, table};
use crate::json::{Map, Value};

/// Tables have no message.
const TABLE: &[&str] = &["kind", "apiVersion", "metadata", "columnDefinitions", "rows"];
const COLUMN: &[&str] = &["name", "type", "format", "description", "priority"];
const ROW: &[&str] = &["cells", "conditions", "object"];

/// A JSON text of some kind as Go writes it: one that is not built in, in the order of its names.
/// `None` for what is of no kind.
pub(crate) fn as_declared(text: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let mut writer = Writer { table: table(), out: Vec::with_capacity(text.len()) };
    match (field("apiVersion")?, field("kind")?) {
        ("meta.k8s.io/v1", "Table") => writer.rows(value.as_object()?),
        (version, kind) => {
            let message = writer.table.of_kind(version, kind);
            writer.value(&value, message);
        }
    }
    Some(writer.out)
}

struct Writer {
    table: &'static Table,
    out: Vec<u8>,
}

impl Writer {
    fn value(&mut self, value: &Value, message: Option<MessageId>) {
        match (value, message) {
            (Value::Object(fields), Some(message)) => self.object(fields, message),
            (Value::Array(items), Some(_)) => {
                self.list(items.iter(), |writer, item| writer.value(item, message));
            }
            (other, _) => self.plain(other),
        }
    }

    /// What has no order but that of its names.
    fn plain(&mut self, value: &Value) {
        // A tree can always be written.
        let _ = serde_json::to_writer(&mut self.out, value);
    }

    fn list<'v>(
        &mut self,
        items: impl Iterator<Item = &'v Value>,
        mut write: impl FnMut(&mut Self, &'v Value),
    ) {
        self.out.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self, item);
        }
        self.out.push(b']');
    }

    fn name(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.plain(&name.into());
        self.out.push(b':');
    }

    fn object(&mut self, fields: &Map, message: MessageId) {
        let mut declared = Vec::new();
        self.table.flatten(self.table.message(message), &mut declared);
        let is_declared = |name: &str| declared.iter().any(|field| field.name == name);
        self.out.push(b'{');
        // The type, of what has one, stands first.
        for name in ["kind", "apiVersion"].into_iter().filter(|name| !is_declared(name)) {
            if let Some(value) = fields.get(name) {
                self.name(name);
                self.plain(value);
            }
        }
        for field in &declared {
            if let Some(value) = fields.get(field.name) {
                self.name(field.name);
                self.field(value, field);
            }
        }
        for (name, value) in fields.iter() {
            if !matches!(name.as_str(), "kind" | "apiVersion") && !is_declared(name) {
                self.name(name);
                self.plain(value);
            }
        }
        self.out.push(b'}');
    }

    fn field(&mut self, value: &Value, field: &Field) {
        let message = match field.of {
            Type::Message(message) => message,
            Type::SchemaOrArray | Type::SchemaOrBool | Type::SchemaOrStrings => self.table.schema,
            // An object within another says what it is, and has its own order.
            Type::Raw => return self.raw(value),
            _ => return self.plain(value),
        };
        match (value, field.shape) {
            (Value::Object(entries), Shape::Map) => {
                self.out.push(b'{');
                for (name, value) in entries.iter() {
                    self.name(name);
                    self.value(value, Some(message));
                }
                self.out.push(b'}');
            }
            _ => self.value(value, Some(message)),
        }
    }

    fn raw(&mut self, value: &Value) {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let kind = text("apiVersion").zip(text("kind"));
        let message = kind.and_then(|(version, kind)| self.table.of_kind(version, kind));
        self.value(value, message);
    }

    fn rows(&mut self, table: &Map) {
        self.listed(table, TABLE, |writer, name, value| match (name, value) {
            ("columnDefinitions", Value::Array(columns)) => {
                writer.list(columns.iter(), |writer, column| match column {
                    Value::Object(column) => {
                        writer.listed(column, COLUMN, |writer, _, value| writer.plain(value));
                    }
                    other => writer.plain(other),
                });
            }
            ("rows", Value::Array(rows)) => writer.list(rows.iter(), |writer, row| match row {
                Value::Object(row) => {
                    writer.listed(row, ROW, |writer, _, value| writer.raw(value));
                }
                other => writer.plain(other),
            }),
            _ => writer.plain(value),
        });
    }

    /// The fields of an object in an order.
    fn listed<'v>(
        &mut self,
        fields: &'v Map,
        order: &[&'static str],
        mut write: impl FnMut(&mut Self, &str, &'v Value),
    ) {
        self.out.push(b'{');
        for name in order {
            if let Some(value) = fields.get(name) {
                self.name(name);
                write(self, name, value);
            }
        }
        self.out.push(b'}');
    }
}

impl Table {
    /// The fields that JSON shows of a message, in order: those of a struct without a name of its
    /// own where it stands.
    fn flatten<'t>(&'t self, message: &'t Message, out: &mut Vec<&'t Field>) {
        for field in message.declared() {
            match field.of {
                Type::Message(inner) if field.name.is_empty() => {
                    self.flatten(self.message(inner), out);
                }
                _ => out.push(field),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_as_go_declares_them() {
        let check = |text: &str, wanted: Option<&str>| {
            let made = as_declared(text.as_bytes());
            let made = made.map(|made| String::from_utf8_lossy(&made).into_owned());
            assert_eq!(made.as_deref(), wanted, "{text}");
        };
        check(
            r#"{"apiVersion":"v1","code":404,"details":{"kind":"pods","name":"a"},"kind":"Status","message":"m","metadata":{},"reason":"NotFound","status":"Failure"}"#,
            Some(
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"m","reason":"NotFound","details":{"name":"a","kind":"pods"},"code":404}"#,
            ),
        );
        check(
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"b":"1","a":"2"},"name":"p","namespace":"d"},"spec":{"containers":[{"image":"i","name":"c"}],"initContainers":[]}}"#,
            Some(
                r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"d","labels":{"a":"2","b":"1"}},"spec":{"initContainers":[],"containers":[{"name":"c","image":"i"}]}}"#,
            ),
        );
        check(
            r#"{"apiVersion":"v1","items":[{"metadata":{"uid":"u","name":"a"},"data":{"y":"1","x":"2"}}],"kind":"ConfigMapList","metadata":{"resourceVersion":"1"}}"#,
            Some(
                r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","uid":"u"},"data":{"x":"2","y":"1"}}]}"#,
            ),
        );
        check(
            r#"{"kind":"ThingList","apiVersion":"example.com/v1","metadata":{},"items":[]}"#,
            Some(r#"{"apiVersion":"example.com/v1","items":[],"kind":"ThingList","metadata":{}}"#),
        );
        check(r#"{"gitVersion":"v1"}"#, None);
        check(r#"{"paths":[]}"#, None);
        check("[1]", None);
    }
}
