//! Strategic merge patch: the schema says which lists merge, and by which key.
//!
//! Source: the "strategic merge patch" chapter of the Kubernetes API conventions
//! (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>).

mod order;

use super::{PatchError, go_print};
use crate::fields::shape::object_meta;
use crate::json::{Array, Map, Value};
use crate::schema::Schema;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch to a whole object and returns the result.
///
/// # Errors
/// Malformed directives, lists of lists, and list items without their merge key.
pub fn strategic(schema: &Schema, live: &Value, patch: &Value) -> Result<Value, PatchError> {
    let kind = match patch {
        Value::Object(_) => "",
        Value::Null => return Ok(live.clone()),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    let Value::Object(patch) = patch else {
        return Err(PatchError::Malformed(format!(
            "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )));
    };
    let mut result = live.as_object().cloned().unwrap_or_default();
    // Custom kinds do not describe their metadata, and every kind's merges alike.
    let metadata = schema.properties.get("metadata").filter(|m| !m.properties.is_empty());
    let metadata: &Schema = match metadata {
        Some(metadata) => metadata,
        None => object_meta(),
    };
    let node = Node { schema: Some(schema), metadata: Some(metadata) };
    merge_map(node, &mut result, patch)?;
    Ok(Value::Object(result))
}

/// What the schema says at one place; `metadata` overrides the field of that name at the root.
#[derive(Clone, Copy)]
struct Node<'s> {
    schema: Option<&'s Schema>,
    metadata: Option<&'s Schema>,
}

impl<'s> Node<'s> {
    fn below(schema: Option<&'s Schema>) -> Self {
        Self { schema, metadata: None }
    }

    fn child(self, name: &str) -> Self {
        match self.metadata {
            Some(metadata) if name == "metadata" => Self::below(Some(metadata)),
            _ => Self::below(self.schema.and_then(|s| s.field(name)).map(|s| &**s)),
        }
    }

    fn item(self) -> Self {
        Self::below(self.schema.and_then(|s| s.items.as_deref()))
    }

    fn merges(self) -> bool {
        self.schema.is_some_and(|s| s.patch_strategy.merge)
    }

    fn replaces(self) -> bool {
        self.schema.is_some_and(|s| s.patch_strategy.replace)
    }

    fn merge_key(self) -> Option<&'s str> {
        self.schema?.patch_merge_key.as_deref()
    }
}

fn malformed(what: &str) -> PatchError {
    PatchError::Malformed(what.to_owned())
}

/// Merges `patch` into `live`, directives first, then field by field.
fn merge_map(node: Node<'_>, live: &mut Map, patch: &Map) -> Result<(), PatchError> {
    match patch.get(DIRECTIVE) {
        None => {}
        Some(Value::String(word)) if word == "merge" => {}
        Some(Value::String(word)) if word == "delete" => {
            live.clear();
            return Ok(());
        }
        Some(Value::String(word)) if word == "replace" => {
            *live = patch.clone();
            live.remove(DIRECTIVE);
            return Ok(());
        }
        Some(other) => {
            let shown = go_print(&Value::Object(patch.clone()));
            let message = format!("unknown patch type: {} in map: {shown}", go_print(other));
            return Err(PatchError::Internal(message));
        }
    }
    retain_keys(live, patch)?;
    let ordered = order_lists(node, live, patch)?;
    for (key, value) in patch {
        if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(SET_ORDER) {
            continue;
        }
        if let Some(name) = key.strip_prefix(DELETE_FROM) {
            delete_from(live, name, value)?;
        } else if !ordered.contains(&key.as_str()) {
            merge_field(node.child(key), live, key, value)?;
        }
    }
    Ok(())
}

/// `$retainKeys` names all fields that may stay; the patch may set no others.
fn retain_keys(live: &mut Map, patch: &Map) -> Result<(), PatchError> {
    let Some(keep) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keep) = keep else {
        return Err(malformed("invalid patch format of retainKeys"));
    };
    let kept = |name: &str| keep.iter().any(|k| k.as_str() == Some(name));
    for (key, value) in patch {
        let directive = key.starts_with('$');
        if !directive && !value.is_null() && !kept(key) {
            return Err(malformed("patch content doesn't match retainKeys list"));
        }
    }
    live.retain(|key, _| kept(key));
    Ok(())
}

/// Takes the listed values out of a list of scalars.
fn delete_from(live: &mut Map, name: &str, values: &Value) -> Result<(), PatchError> {
    let Value::Array(values) = values else {
        return Err(malformed("invalid patch format of primitive list"));
    };
    if let Some(Value::Array(list)) = live.get_mut(name) {
        list.retain(|item| !values.contains(item));
    }
    Ok(())
}

/// Merges the lists that come with a `$setElementOrder`, and returns their names.
fn order_lists<'p>(
    node: Node<'_>,
    live: &mut Map,
    patch: &'p Map,
) -> Result<Vec<&'p str>, PatchError> {
    let mut done = Vec::new();
    for (key, wanted) in patch {
        let Some(name) = key.strip_prefix(SET_ORDER) else { continue };
        let Value::Array(wanted) = wanted else {
            return Err(malformed("invalid patch format of setElementOrder list"));
        };
        let child = node.child(name);
        let before = live.get(name).and_then(Value::as_array).cloned();
        if let Some(value) = patch.get(name) {
            if let Value::Array(items) = value {
                order::require_same_order(child.merge_key(), items, wanted)?;
            }
            merge_field(child, live, name, value)?;
        }
        if let Some(Value::Array(merged)) = live.get_mut(name) {
            let server = before.unwrap_or_default();
            let taken = std::mem::take(merged);
            *merged = order::arrange(child.merge_key(), taken.into_vec(), wanted, &server).into();
        }
        done.push(name);
    }
    Ok(done)
}

fn merge_field(
    node: Node<'_>,
    live: &mut Map,
    name: &str,
    patch: &Value,
) -> Result<(), PatchError> {
    if patch.is_null() {
        live.remove(name);
        return Ok(());
    }
    match (live.get_mut(name), patch) {
        (Some(Value::Object(live)), Value::Object(patch)) if !node.replaces() => {
            merge_map(node, live, patch)
        }
        (Some(Value::Array(live)), Value::Array(patch)) if node.merges() => {
            merge_list(node, live, patch)
        }
        // A new field, another type, a scalar, or a list that is replaced.
        _ => {
            if let Some(value) = without_directives(patch) {
                live.insert(name.to_owned(), value);
            }
            Ok(())
        }
    }
}

fn merge_list(node: Node<'_>, live: &mut Array, patch: &[Value]) -> Result<(), PatchError> {
    if live.iter().chain(patch).any(Value::is_array) {
        return Err(PatchError::Failed("lists of lists are not supported".to_owned()));
    }
    let mut kinds = live.iter().chain(patch).map(std::mem::discriminant);
    if let Some(first) = kinds.next()
        && kinds.any(|kind| kind != first)
    {
        let both = vec![Value::from(live.clone()), Value::from(patch.to_vec())];
        let shown = go_print(&Value::from(both));
        let message = format!("list element types are not identical: {shown}");
        return Err(PatchError::Internal(message));
    }
    let server = live.clone();
    if !live.iter().chain(patch).any(Value::is_object) {
        for value in patch {
            if !live.contains(value) {
                live.push(value.clone());
            }
        }
        let merged = std::mem::take(live);
        *live = order::arrange(None, merged.into_vec(), patch, &server).into();
        return Ok(());
    }
    let Some(key) = node.merge_key() else {
        let message = "cannot merge lists without merge key";
        return Err(PatchError::Internal(message.to_owned()));
    };
    let Some(patch) = special_items(live, patch, key)? else { return Ok(()) };
    for item in &patch {
        let Value::Object(fields) = item else {
            return Err(PatchError::Internal("list items are of different types".to_owned()));
        };
        let wanted = merge_key_of(item, key)?;
        let same = |candidate: &&mut Value| candidate.get(key) == Some(wanted);
        match live.iter_mut().find(same) {
            Some(Value::Object(live)) => merge_map(node.item(), live, fields)?,
            _ => live.extend(without_directives(item)),
        }
    }
    let merged = std::mem::take(live);
    *live = order::arrange(Some(key), merged.into_vec(), &patch, &server).into();
    Ok(())
}

/// Obeys the items that are directives: `delete` takes the item with that key away, `replace`
/// makes the rest of the patch the whole list. Returns the items left to merge, none if the list
/// was replaced.
fn special_items(
    live: &mut Array,
    patch: &[Value],
    key: &str,
) -> Result<Option<Vec<Value>>, PatchError> {
    let (mut rest, mut replace) = (Vec::with_capacity(patch.len()), false);
    for item in patch {
        match item.get(DIRECTIVE).and_then(Value::as_str) {
            None => rest.push(item.clone()),
            Some("delete") => {
                let wanted = merge_key_of(item, key)?.clone();
                live.retain(|candidate| candidate.get(key) != Some(&wanted));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                let message = "merging lists cannot yet be specified in the patch";
                return Err(PatchError::Internal(message.to_owned()));
            }
            Some(other) => {
                let message = format!("unknown patch type: {other} in map: {}", go_print(item));
                return Err(PatchError::Internal(message));
            }
        }
    }
    if replace {
        *live = rest.into();
        return Ok(None);
    }
    Ok(Some(rest))
}

fn merge_key_of<'v>(item: &'v Value, key: &str) -> Result<&'v Value, PatchError> {
    item.get(key).ok_or_else(|| {
        let message = format!("map: {} does not contain declared merge key: {key}", go_print(item));
        PatchError::Internal(message)
    })
}

/// What a patch adds where nothing was: its values without nulls and without directives. An
/// item that only says `delete` adds nothing.
fn without_directives(patch: &Value) -> Option<Value> {
    match patch {
        Value::Object(fields) => {
            if fields.contains_key(DIRECTIVE) {
                return None;
            }
            let kept = fields.iter().filter(|(key, value)| {
                let directive = [DIRECTIVE, RETAIN_KEYS].contains(&key.as_str())
                    || key.starts_with(SET_ORDER)
                    || key.starts_with(DELETE_FROM);
                !value.is_null() && !directive
            });
            let kept = kept.filter_map(|(key, v)| Some((key.clone(), without_directives(v)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => {
            Some(Value::Array(items.iter().filter_map(without_directives).collect()))
        }
        scalar => Some(scalar.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse::parse;

    const SCHEMA: &str = r#"
type: object
properties:
  spec:
    type: object
    properties:
      plain: {type: array, items: {type: object}}
      names:
        {type: array, items: {type: string}, x-kubernetes-patch-strategy: merge}
      strategy: {type: object, x-kubernetes-patch-strategy: retainKeys}
      items:
        type: array
        x-kubernetes-patch-strategy: merge
        x-kubernetes-patch-merge-key: name
        items: {type: object, properties: {name: {type: string}, v: {type: integer}}}
"#;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    /// A live spec, a patch of it, and the spec or the error that follows.
    #[track_caller]
    fn check(live: &str, patch: &str, expected: Result<&str, (u16, &str)>) {
        let wrap = |text: &str| yaml(&format!("{{spec: {text}}}"));
        let actual = strategic(&parse(&yaml(SCHEMA)), &wrap(live), &wrap(patch));
        let actual = actual.map_err(|e| (e.code(), e.to_string()));
        let expected = expected.map(wrap).map_err(|(code, text)| (code, text.to_owned()));
        assert_eq!(actual, expected, "{live} + {patch}");
    }

    #[test]
    fn maps() {
        check("{a: 1, b: {c: 2}}", "{a: null, b: {d: 3}}", Ok("{b: {c: 2, d: 3}}"));
        check("{a: {b: 1}}", "{a: {$patch: replace, c: 2}}", Ok("{a: {c: 2}}"));
        check("{a: {b: 1}}", "{a: {$patch: delete}}", Ok("{a: {}}"));
        check("{}", "{a: {b: null, c: 1}}", Ok("{a: {c: 1}}"));
        check(
            "{strategy: {type: Rolling, rolling: {surge: 1}}}",
            "{strategy: {$retainKeys: [type], type: Recreate}}",
            Ok("{strategy: {type: Recreate}}"),
        );
        check(
            "{strategy: {}}",
            "{strategy: {$retainKeys: [type], other: x}}",
            Err((400, "patch content doesn't match retainKeys list")),
        );
    }

    #[test]
    fn lists() {
        check("{plain: [{a: 1}]}", "{plain: [{b: 2}]}", Ok("{plain: [{b: 2}]}"));
        check("{names: [a, b]}", "{names: [c, a]}", Ok("{names: [c, a, b]}"));
        check("{names: [a, b, c]}", "{$deleteFromPrimitiveList/names: [b]}", Ok("{names: [a, c]}"));
        check(
            "{items: [{name: a, v: 1}, {name: b}]}",
            "{items: [{name: a, v: 2}, {name: c}]}",
            Ok("{items: [{name: a, v: 2}, {name: c}, {name: b}]}"),
        );
        check(
            "{items: [{name: a, v: 1}, {name: b}]}",
            "{items: [{name: a, $patch: delete}]}",
            Ok("{items: [{name: b}]}"),
        );
        check(
            "{items: [{name: a}]}",
            "{items: [{name: b}, {$patch: replace}]}",
            Ok("{items: [{name: b}]}"),
        );
        check(
            "{items: [{name: a}]}",
            "{items: [{v: 1}]}",
            Err((500, "map: map[v:1] does not contain declared merge key: name")),
        );
    }

    #[test]
    fn element_order() {
        check(
            "{items: [{name: a}, {name: x}, {name: b}]}",
            "{$setElementOrder/items: [{name: b}, {name: a}], items: [{name: b, v: 1}]}",
            Ok("{items: [{name: x}, {name: b, v: 1}, {name: a}]}"),
        );
        check(
            "{names: [a, b]}",
            "{$setElementOrder/names: [c, b], names: [c]}",
            Ok("{names: [c, a, b]}"),
        );
        check(
            "{items: []}",
            "{$setElementOrder/items: [{name: a}], items: [{name: b}]}",
            Err((500, "The items in the patch list are not all in the setElementOrder list")),
        );
    }

    #[test]
    fn metadata_needs_no_schema() {
        let live = yaml("{metadata: {finalizers: [a], ownerReferences: [{uid: '1', name: x}]}}");
        let patch = yaml("{metadata: {finalizers: [b], ownerReferences: [{uid: '2', name: y}]}}");
        let merged = strategic(&parse(&yaml(SCHEMA)), &live, &patch).unwrap();
        assert_eq!(
            merged,
            yaml(
                "{metadata: {finalizers: [b, a], \
                 ownerReferences: [{uid: '2', name: y}, {uid: '1', name: x}]}}"
            )
        );
    }
}
