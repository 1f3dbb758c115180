//! Types as a table: a text; what is made of it, or the mistake and its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Place, Reader, placed};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "looked at by their Debug")]
struct All {
    name: Option<String>,
    count: Option<u8>,
    share: Option<f64>,
    on: Option<bool>,
    list: Option<Vec<i32>>,
    map: Option<BTreeMap<String, Value>>,
    kind: Option<Kind>,
    #[serde(default, deserialize_with = "marked")]
    marked: Option<(String, Place)>,
    nested: Option<Box<Nested>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "looked at by their Debug")]
enum Kind {
    Plain,
    Number(u8),
    Pair(u8, u8),
    Fields { a: u8 },
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "looked at by their Debug")]
struct Nested {
    must: String,
}

fn marked<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(String, Place)>, D::Error> {
    placed(deserializer).map(Some)
}

/// What becomes of a text: the fields that are set, or the place and the mistake.
fn check(text: &str) -> String {
    match Reader::default().read::<All>(text) {
        Err(error) => {
            format!("{}:{}: {}", error.place.line, error.place.column, error.mistake)
        }
        Ok(all) => {
            let all = format!("{all:?}");
            let set = all.trim_start_matches("All { ").trim_end_matches(" }").split(", ");
            let set: Vec<&str> = set.filter(|field| !field.ends_with(": None")).collect();
            set.join(", ")
        }
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
    let place = json.ok().and_then(|all| all.marked).map(|(_, place)| place.line);
    assert_eq!(place, Some(0));
}
