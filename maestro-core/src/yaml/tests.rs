//! Types as a table: a text; what is made of it, or the mistake and its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Place, Reader, placed};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct All {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<Vec<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    map: Option<BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(default, deserialize_with = "marked", skip_serializing_if = "Option::is_none")]
    marked: Option<Marked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nested: Option<Box<Nested>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Plain,
    Number(u8),
    Pair(u8, u8),
    Fields { a: u8 },
}

#[derive(Serialize, Deserialize)]
struct Nested {
    must: String,
}

/// A text, its line, column, first byte and length.
type Marked = (String, u64, u64, usize, usize);

fn marked<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Marked>, D::Error> {
    let (text, Place { line, column, offset, length }) = placed(deserializer)?;
    Ok(Some((text, line, column, offset, length)))
}

/// What becomes of a text: the fields that are set, or the place and the mistake.
fn check(text: &str) -> String {
    match Reader::default().read::<All>(text) {
        Err(error) => {
            format!("{}:{}: {}", error.place.line, error.place.column, error.mistake)
        }
        Ok(all) => serde_json::to_string(&all).expect("JSON"),
    }
}

#[test]
fn types_are_made_and_mistakes_placed() {
    let cases = [
        "name: 1.20",
        "name: true",
        "name: 'null'",
        "name: &a text\nmap: {b: *a}",
        "name: |\n  two\n  lines",
        "name: null",
        "name: ",
        "name: [a]",
        "count: 7",
        "count: '7'",
        "count: 0x10",
        "count: 256",
        "count: -1",
        "count: 1.5",
        "count: seven",
        "count: {}",
        "share: 2",
        "share: 2.5",
        "share: much",
        "on: yes",
        "on: 'off'",
        "on: 1",
        "list: [1, -2]",
        "list: [1, two]",
        "list: {a: 1}",
        "list: 3",
        "map: {1: a, b: [true, null, 2.5, {c: d}]}",
        "map: 3",
        "map: {a: 1, a: 2}",
        "kind: plain",
        "kind: plane",
        "kind: number",
        "kind: {number: 300}",
        "kind: {number: 3}",
        "kind: {pair: [1, 2]}",
        "kind: {fields: {a: 1}}",
        "kind: {fields: {b: 1}}",
        "kind: {plain: null}",
        "kind: {plain: 1}",
        "kind: {number: 1, plain: 2}",
        "kind: [plain]",
        "marked: here",
        "marked: 12",
        "nested: {must: x}",
        "nested: {}",
        "nested:\n  mast: x",
        "naame: x",
        "name: a\nname: b",
        "name: a\n---\nname: b",
        "",
        "- a",
        "name: [",
        "name: *nobody",
        "share: .inf",
    ];
    let all: Vec<String> = cases.iter().map(|c| format!("{c:?}\n    {}", check(c))).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_value_that_is_not_from_yaml_has_no_place() {
    let json: Result<All, _> = serde_json::from_str(r#"{"marked": "x"}"#);
    let place = json.ok().and_then(|all| all.marked).map(|(_, line, ..)| line);
    assert_eq!(place, Some(0));
}
