//! Every field of the kinds that operators write, with values that are of the right type and yet
//! wrong: each once, in an object that is valid otherwise, and never stored.

use maestro_sim::json::{Value, json};
use maestro_sim::schema::{Kind as Type, Schema};
use serde::Deserialize;

use super::generated::Made;
use crate::conformance::case::{Sequence, Step};

const KINDS: &str = include_str!("../../../conformance/leaves.yaml");
/// Requests of a sequence.
const LENGTH: usize = 12;
/// How many steps down a field may be.
const DEEPEST: usize = 12;

/// A kind and an object of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// Path of the collection, as in [`Step::ask`].
    at: String,
    /// Valid as it is; its name is `a` unless it says another.
    base: Value,
    /// Dotted paths of what is left to another kind.
    #[serde(default)]
    skip: Vec<String>,
}

pub(super) fn sequences() -> Result<Vec<Sequence>, String> {
    let kinds: Vec<Kind> =
        serde_yaml::from_str(KINDS).map_err(|e| format!("tests/conformance/leaves.yaml: {e}"))?;
    let mut all = Vec::new();
    for kind in &kinds {
        let made = Made::find(kind.at.trim_start_matches("/apis/").trim_start_matches("/api/"))?;
        let mut leaves = Vec::new();
        walk(&made.schema, &kind.skip, &mut Vec::new(), &mut leaves);
        let ask = format!("POST {}?dryRun=All", kind.at);
        let requests: Vec<Step> = leaves
            .iter()
            .map(|(path, value)| {
                let mut body = kind.base.clone();
                if body.pointer("/metadata/name").is_none() {
                    body["metadata"]["name"] = "a".into();
                }
                *place(&mut body, path) = value.clone();
                Step::new(ask.as_str(), body)
            })
            .collect();
        all.extend(requests.chunks(LENGTH).enumerate().map(|(index, requests)| Sequence {
            name: format!("leaves-{}-{index}", made.resource),
            requests: requests.to_vec(),
        }));
    }
    Ok(all)
}

/// Down to a field, or to the first item of a list.
#[derive(Clone, Copy)]
enum Down<'s> {
    Field(&'s str),
    First,
}

fn walk<'s>(
    schema: &'s Schema,
    skip: &[String],
    path: &mut Vec<Down<'s>>,
    out: &mut Vec<(Vec<Down<'s>>, Value)>,
) {
    let dotted: Vec<&str> = path
        .iter()
        .filter_map(|step| match step {
            Down::Field(name) => Some(*name),
            Down::First => None,
        })
        .collect();
    if path.len() >= DEEPEST || skip.contains(&dotted.join(".")) {
        return;
    }
    let format = schema.constraints.as_ref().and_then(|c| c.format.as_deref()).unwrap_or("");
    let values = match schema.kind {
        Type::Object if !schema.properties.is_empty() => {
            if !path.is_empty() {
                out.push((path.clone(), json!({})));
            }
            for (name, field) in &schema.properties {
                let top = matches!(&**name, "apiVersion" | "kind" | "metadata" | "status");
                if !(path.is_empty() && top) && &**name != "metadata" {
                    path.push(Down::Field(name));
                    walk(field, skip, path, out);
                    path.pop();
                }
            }
            return;
        }
        Type::Array => match schema.items.as_deref() {
            Some(items) if items.kind == Type::String => vec![json!(["A b/!"]), json!([""])],
            Some(items) => {
                path.push(Down::First);
                walk(items, skip, path, out);
                path.pop();
                return;
            }
            None => return,
        },
        Type::Object => match schema.additional.as_deref().map(|values| values.kind) {
            Some(Type::String) => vec![json!({"-k-": "a b"})],
            Some(_) => vec![json!({"A b": "1"}), json!({"cpu": "-1"})],
            None => return,
        },
        Type::String if format.is_empty() => vec![json!(""), json!("A b/!")],
        Type::Integer => vec![json!(-1), json!(0), json!(70_000)],
        Type::IntOrString => vec![json!(-1), json!("a b"), json!("")],
        _ if format == "quantity" => vec![json!("-1")],
        _ => return,
    };
    out.extend(values.into_iter().map(|value| (path.clone(), value)));
}

/// The place of a field, with all that leads there.
fn place<'v>(object: &'v mut Value, path: &[Down<'_>]) -> &'v mut Value {
    path.iter().fold(object, |here, step| match step {
        Down::Field(name) => &mut here[*name],
        Down::First => {
            if here.as_array().is_none_or(|list| list.is_empty()) {
                *here = json!([null]);
            }
            &mut here[0]
        }
    })
}
