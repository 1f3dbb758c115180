//! Rows of custom objects: the columns of their definition, found by simple JSON paths.

use super::Moment;
use super::words::{since, text_at};
use crate::builtin::field::text;
use crate::facts::facts;
use crate::json::{Value, json};
use crate::time::unix_seconds;

/// The columns as a Table names them.
pub(super) fn columns(columns: &[Value]) -> Vec<Value> {
    let known = facts().columns("/api/v1/serviceaccounts");
    let mut out: Vec<Value> = known.first().cloned().into_iter().collect();
    if columns.is_empty() {
        out.extend(known.last().cloned().map(|mut age| {
            age["type"] = "date".into();
            age
        }));
    }
    for column in columns {
        let path = text(column, "jsonPath");
        let said = text(column, "description");
        let description = if said.is_empty() {
            format!("Custom resource definition column (in JSONPath format): {path}")
        } else {
            said.to_owned()
        };
        out.push(json!({"name": column["name"], "type": column["type"],
            "format": text(column, "format"), "description": description,
            "priority": column.get("priority").cloned().unwrap_or_else(|| 0.into())}));
    }
    out
}

pub(super) fn cells(columns: &[Value], object: &Value, now: Moment) -> Vec<Value> {
    let mut out = vec![text_at(object, "/metadata/name").into()];
    if columns.is_empty() {
        out.push(since(text_at(object, "/metadata/creationTimestamp"), now).into());
    }
    for column in columns {
        let found = find(object, text(column, "jsonPath"));
        out.push(found.map_or(Value::Null, |value| cell(text(column, "type"), value, now)));
    }
    out
}

/// A value as a column of its type shows it; null where it is none.
fn cell(kind: &str, value: &Value, now: Moment) -> Value {
    match (kind, value) {
        ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("string", Value::Null) => "<nil>".into(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(whole) => whole.into(),
            #[expect(clippy::cast_possible_truncation, reason = "as Go does")]
            None => number.as_f64().map_or(Value::Null, |part| (part as i64).into()),
        },
        ("number", Value::Number(_)) => value.clone(),
        ("date", Value::String(time)) => match unix_seconds(time) {
            Some(_) => since(time, now).into(),
            None => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

/// The first value a simple JSON path leads to: fields, indices, `[*]`, and filters such as
/// `[?(@.type=="Ready")]`.
fn find<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let mut here = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        let next: Vec<&Value>;
        if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']')?;
            next = here.iter().flat_map(|value| bracket(value, &inside[..end])).collect();
            rest = &inside[end + 1..];
        } else {
            let (name, after) = field(rest.strip_prefix('.').unwrap_or(rest));
            next = here.iter().filter_map(|value| value.get(&name)).collect();
            rest = after;
        }
        here = next;
    }
    here.first().copied()
}

/// A field's name, with what `\` keeps together, and what follows it.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next().map(|(_, kept)| kept)),
            '.' | '[' => return (name, &text[at..]),
            other => name.push(other),
        }
    }
    (name, "")
}

fn bracket<'v>(value: &'v Value, inside: &str) -> Vec<&'v Value> {
    let list = value.as_array().map_or(&[][..], |list| list.as_slice());
    let quoted = |text: &str| {
        let text = text.trim();
        let inner = |mark: char| text.strip_prefix(mark)?.strip_suffix(mark);
        inner('"').or_else(|| inner('\'')).map(str::to_owned)
    };
    if inside == "*" {
        return list.iter().collect();
    }
    if let Some(name) = quoted(inside) {
        return value.get(&name).into_iter().collect();
    }
    if let Ok(index) = inside.parse::<i64>() {
        let at = if index < 0 { index + i64::try_from(list.len()).unwrap_or(0) } else { index };
        return usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect();
    }
    let filter = inside.strip_prefix("?(").and_then(|text| text.strip_suffix(')'));
    let Some((left, right)) = filter.and_then(|text| text.split_once("==")) else {
        return Vec::new();
    };
    let left = left.trim().trim_start_matches('@');
    let wanted = quoted(right)
        .map(Value::from)
        .or_else(|| serde_json::from_str(right.trim()).ok())
        .unwrap_or(Value::Null);
    list.iter().filter(|item| find(item, left) == Some(&wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let object = json!({"a": {"b.c": 1, "l": [{"type": "X", "v": 2}, {"type": "Y", "v": 3}]}});
        let paths = [
            (r".a.b\.c", Some(1)),
            (".a['b.c']", Some(1)),
            (".a.l[1].v", Some(3)),
            (".a.l[-1].v", Some(3)),
            (".a.l[*].v", Some(2)),
            (r#".a.l[?(@.type=="Y")].v"#, Some(3)),
            (".a.l[7].v", None),
            (".a.none", None),
        ];
        for (path, expected) in paths {
            assert_eq!(find(&object, path).and_then(Value::as_i64), expected, "{path}");
        }
    }
}
