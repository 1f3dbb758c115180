//! The patch types of the API: JSON patch, JSON merge patch and strategic merge patch.
//!
//! Each is a pure function over trees. Server-side apply lives in [`crate::managed`].

mod strategic;

use json_patch::{PatchErrorKind, PatchOperation, jsonptr};
use serde_json::Value as Tree;

pub use strategic::strategic;

use crate::json::Value;
pub use crate::json::merge;

/// The most operations a JSON patch may have.
pub const MAX_OPERATIONS: usize = 10_000;

/// Why a patch was refused. [`PatchError::code`] is the HTTP status a real server answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A JSON patch with more than [`MAX_OPERATIONS`] operations.
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// The patch does not fit the object: a failed test, a missing path, a list of lists.
    #[error("{0}")]
    Failed(String),
    /// A real server has no better answer than an internal error: a list item without its merge
    /// key, an unknown directive.
    #[error("{0}")]
    Internal(String),
}

impl PatchError {
    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooManyOperations(_) => 413,
            Self::Failed(_) => 422,
            Self::Internal(_) => 500,
        }
    }
}

/// Applies a JSON patch (RFC 6902), `patch` being its array of operations.
///
/// A `test` of null passes where the last step of the path is missing, as on a real server:
/// controllers rely on it to say "still absent".
///
/// # Errors
/// See [`PatchError`]; the texts of failing operations are those of a real server.
pub fn json(live: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Some(operations) = patch.as_array() else {
        let kind = match patch {
            Value::Object(_) => "object",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Null | Value::Array(_) => return Ok(live.clone()),
        };
        return Err(PatchError::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {kind} into Go value of type \
             []handlers.jsonPatchOp"
        )));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations(operations.len()));
    }
    let mut result = live.clone().into_serde();
    for operation in operations {
        step(&mut result, &decode(operation)?)?;
    }
    Ok(result.into())
}

fn decode(operation: &Value) -> Result<PatchOperation, PatchError> {
    let Value::Object(fields) = operation else {
        let message = "json: cannot unmarshal into Go value of type jsonpatch.Operation";
        return Err(PatchError::Malformed(message.to_owned()));
    };
    let name = fields.get("op").and_then(Value::as_str).unwrap_or("unknown");
    if !matches!(name, "add" | "remove" | "replace" | "move" | "copy" | "test") {
        return Err(PatchError::Failed(format!("Unexpected kind: {name}")));
    }
    if !fields.get("path").is_some_and(Value::is_string) {
        let message = format!("{name} operation failed to decode path: missing value");
        return Err(PatchError::Failed(message));
    }
    if matches!(name, "move" | "copy") && !fields.get("from").is_some_and(Value::is_string) {
        let message = format!("{name} operation failed to decode from: missing value");
        return Err(PatchError::Failed(message));
    }
    // An operation without its value means null, as on a real server.
    let needs_value = matches!(name, "add" | "replace" | "test");
    let mut operation = operation.clone().into_serde();
    if let Tree::Object(fields) = &mut operation {
        if needs_value {
            fields.entry("value").or_insert(Tree::Null);
        }
        // What stands before the first slash of a path says nothing.
        for name in ["path", "from"] {
            if let Some(Tree::String(path)) = fields.get_mut(name)
                && let Some(slash) = path.find('/')
            {
                path.drain(..slash);
            }
        }
    }
    serde_json::from_value(operation)
        .map_err(|error| PatchError::Failed(format!("{name} operation: {error}")))
}

fn step(document: &mut Tree, operation: &PatchOperation) -> Result<(), PatchError> {
    if let PatchOperation::Test(test) = operation
        && test.value.is_null()
    {
        return test_absent(document, &test.path);
    }
    // A field that is not there is replaced all the same, as on a real server.
    if let PatchOperation::Replace(replace) = operation
        && document.pointer(replace.path.as_str()).is_none()
        && replace
            .path
            .parent()
            .and_then(|p| document.pointer(p.as_str()))
            .is_some_and(Tree::is_object)
    {
        let add =
            json_patch::AddOperation { path: replace.path.clone(), value: replace.value.clone() };
        return step(document, &PatchOperation::Add(add));
    }
    json_patch::patch(document, std::slice::from_ref(operation)).map_err(|error| {
        let path = operation.path();
        let name = match operation {
            PatchOperation::Add(_) => "add",
            PatchOperation::Remove(_) => "remove",
            PatchOperation::Replace(_) => "replace",
            PatchOperation::Move(_) => "move",
            PatchOperation::Copy(_) => "copy",
            PatchOperation::Test(_) => "test",
        };
        PatchError::Failed(explain(document, name, path, &error.kind))
    })
}

/// A `test` of null: passes on null and on a missing last step, fails on a missing parent.
fn test_absent(document: &Tree, path: &jsonptr::Pointer) -> Result<(), PatchError> {
    let parent = path.parent().map_or(Some(document), |p| document.pointer(p.as_str()));
    match (parent, document.pointer(path.as_str())) {
        (None, _) => Err(PatchError::Failed(missing("test", path.as_str(), "path"))),
        (_, None | Some(Tree::Null)) => Ok(()),
        _ => Err(PatchError::Failed(format!("testing path {path} failed: test failed"))),
    }
}

fn missing(operation: &str, path: &str, what: &str) -> String {
    format!("{operation} operation does not apply: doc is missing {what}: {path}: missing value")
}

/// The text a real server gives for a failed operation.
fn explain(
    document: &Tree,
    operation: &str,
    path: &jsonptr::Pointer,
    kind: &PatchErrorKind,
) -> String {
    let parent = path.parent().map_or(Some(document), |p| document.pointer(p.as_str()));
    let last = path.last().map(|token| token.decoded().into_owned()).unwrap_or_default();
    match (operation, kind) {
        ("test", PatchErrorKind::TestFailed) => {
            format!("testing value {path} failed: test failed")
        }
        ("test", _) if parent.is_some() => format!("testing path {path} failed: test failed"),
        (_, PatchErrorKind::InvalidFromPointer) => missing(operation, path.as_str(), "from path"),
        (_, PatchErrorKind::CannotMoveInsideItself) => {
            format!("{operation} operation does not apply: cannot move {path} inside itself")
        }
        ("add", _) if parent.is_none() => missing(operation, &format!("\"{path}\""), "path"),
        _ if parent.is_none() => missing(operation, path.as_str(), "path"),
        ("replace", _) => missing(operation, path.as_str(), "key"),
        ("remove", _) if parent.is_some_and(Tree::is_object) => format!(
            "error in remove for path: '{path}': Unable to remove nonexistent key: {last}: \
             missing value"
        ),
        _ => format!(
            "error in {operation} for path: '{path}': Unable to access invalid index: {last}: \
             invalid index referenced"
        ),
    }
}

/// A value as Go's `%v` prints it.
pub fn go_print(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.to_string(),
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(go_print).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", go_print(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

/// A value as Go's `%#v` prints it, maps with keys of this type.
pub fn go_syntax(value: &Value, keys: &str) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| go_syntax(item, keys)).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("\"{name}\":{}", go_syntax(value, keys)))
                .collect();
            format!("map[{keys}]interface {{}}{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[track_caller]
    fn check_json(live: &str, patch: &str, expected: Result<&str, (u16, &str)>) {
        let actual = json(&yaml(live), &yaml(patch)).map_err(|e| (e.code(), e.to_string()));
        assert_eq!(actual, expected.map(yaml).map_err(|(c, m)| (c, m.to_owned())), "{patch}");
    }

    #[test]
    fn json_patches() {
        check_json("{a: 1}", "[{op: add, path: /b, value: 2}]", Ok("{a: 1, b: 2}"));
        check_json("{a: 1}", "[{op: remove, path: /a}]", Ok("{}"));
        check_json("{a: [1]}", "[{op: add, path: /a/-, value: 2}]", Ok("{a: [1, 2]}"));
        check_json("{a: 1}", "[{op: move, from: /a, path: /b}]", Ok("{b: 1}"));
        check_json("{m: {}}", "[{op: test, path: /m/f, value: null}]", Ok("{m: {}}"));
        check_json("{m: {}}", "[{op: test, path: /m/f}]", Ok("{m: {}}"));
        check_json("{'a/b': 1}", "[{op: replace, path: /a~1b, value: 2}]", Ok("{'a/b': 2}"));
        check_json("{a: 1}", "[]", Ok("{a: 1}"));
    }

    #[test]
    fn json_patch_errors() {
        let failed = |m| Err((422, m));
        check_json(
            "{m: {f: [x]}}",
            "[{op: test, path: /m/f, value: null}]",
            failed("testing path /m/f failed: test failed"),
        );
        check_json(
            "{a: 1}",
            "[{op: test, path: /a, value: 2}]",
            failed("testing value /a failed: test failed"),
        );
        check_json(
            "{}",
            "[{op: add, path: /a/b, value: 2}]",
            failed("add operation does not apply: doc is missing path: \"/a/b\": missing value"),
        );
        check_json("{}", "[{op: replace, path: /a, value: 2}]", Ok("{a: 2}"));
        check_json(
            "{}",
            "[{op: remove, path: /a}]",
            failed(
                "error in remove for path: '/a': Unable to remove nonexistent key: a: \
                 missing value",
            ),
        );
        check_json("{}", "[{op: swap, path: /a}]", failed("Unexpected kind: swap"));
        let object = "error decoding patch: json: cannot unmarshal object into Go value of type \
                      []handlers.jsonPatchOp";
        check_json("{}", "{}", Err((400, object)));
        let many = Value::from(vec![Value::Null; MAX_OPERATIONS + 1]);
        assert_eq!(json(&Value::Null, &many).unwrap_err().code(), 413);
    }

    #[test]
    fn merge_patches() {
        let mut live = yaml("{a: {b: 1, c: 2}, d: [1]}");
        merge(&mut live, &yaml("{a: {b: null}, d: [2], e: {f: null}}"));
        assert_eq!(live, yaml("{a: {c: 2}, d: [2], e: {}}"));
    }
}
