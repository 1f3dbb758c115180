//! Paths to fields of a schema, as rules and selectors write them: `.spec.size`, `.spec['a.b']`.
//!
//! Source: `ValidFieldPath` of `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`.

use crate::json::Value;

/// The parts of a text: `.`, `[`, `]`, quoted texts, and what is between.
fn parts(mut text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    while let Some(first) = text.chars().next() {
        let end = match first {
            '.' | '[' | ']' => 1,
            '\'' => {
                let bytes = text.as_bytes();
                let closes = |at: &usize| bytes[*at] == b'\'' && bytes[at - 1] != b'\\';
                (1..bytes.len()).find(closes).map_or(text.len(), |at| at + 1)
            }
            _ => text.find(['.', '[', ']']).unwrap_or(text.len()),
        };
        out.push(&text[..end]);
        text = &text[end..];
    }
    out
}

/// What a quoted text says.
fn unquoted(part: &str) -> Option<String> {
    let inner = part.strip_prefix('\'')?.strip_suffix('\'').filter(|_| part.len() > 1)?;
    Some(inner.replace("\\'", "'").replace("\\\\", "\\"))
}

/// The names on the way, and the schema of the field; `brackets` where names may be quoted.
///
/// # Errors
/// When it leads nowhere, why.
pub(super) fn find<'v>(
    path: &str,
    schema: &'v Value,
    brackets: bool,
) -> Result<(Vec<String>, &'v Value), String> {
    const CUT: &str = "unexpected end of JSON path";
    let (mut names, mut here) = (Vec::new(), schema);
    let mut parts = parts(path).into_iter();
    while let Some(part) = parts.next() {
        let name = match part {
            "[" if !brackets => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = parts.next().ok_or(CUT)?;
                unquoted(quoted)
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?
            }
            "." => parts.next().ok_or(CUT)?.to_owned(),
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let nowhere = || "does not refer to a valid field".to_owned();
        let properties =
            here.get("properties").filter(|all| all.as_object().is_some_and(|all| !all.is_empty()));
        here = match (properties, here.get("additionalProperties")) {
            (Some(properties), _) => properties.get(&*name).ok_or_else(nowhere)?,
            (None, Some(values)) => values,
            (None, None) => return Err(nowhere()),
        };
        names.push(name);
        if part == "[" {
            match parts.next().ok_or(CUT)? {
                "]" => {}
                other => return Err(format!("expected ] but got {other}")),
            }
        }
    }
    Ok((names, here))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn paths_lead_to_fields() {
        let schema = json!({"properties": {
            "spec": {"properties": {"a.b": {"type": "string"}, "it's": {"type": "integer"}}},
            "map": {"additionalProperties": {"type": "boolean"}}}});
        let check = |path: &str, expected: Result<&str, &str>| {
            let found = find(path, &schema, true);
            let found = found.as_ref().map(|(_, s)| s["type"].as_str().unwrap_or("none"));
            assert_eq!(found.map_err(|why| why.as_str()), expected, "{path}");
        };
        check("", Ok("none"));
        check(".spec['a.b']", Ok("string"));
        check(".spec['it\\'s']", Ok("integer"));
        check(".map.anything", Ok("boolean"));
        check(".map['anything']", Ok("boolean"));
        check("spec", Err("expected [ or . but got: spec"));
        check(".spec.", Err("unexpected end of JSON path"));
        check(".spec.size", Err("does not refer to a valid field"));
        check(".map.x.y", Err("does not refer to a valid field"));
        check(".spec[a]", Err("expected single quoted string but got a"));
        check(".spec['a.b'", Err("unexpected end of JSON path"));
        check(".spec['a.b'.", Err("expected ] but got ."));
    }
}
