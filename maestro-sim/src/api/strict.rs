//! What strict readers are told of a body, and in which order: fields that nothing knows, and
//! fields that stand twice (KEP-2885).
//!
//! Source: `sigs.k8s.io/json`, `k8s.io/apimachinery/pkg/runtime/serializer/json`, and
//! `k8s.io/apiserver/pkg/endpoints/{handlers/patch.go,filters/warning.go}`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::api::{PatchType, Request, Verb, yaml};
use crate::builtin::field::Path;
use crate::json::{Name, Value};

/// The decoder goes on, but tells of no more.
const MOST: usize = 100;
/// Letters of warnings that a response has at most before each is cut, and of one that is cut.
const LETTERS: (usize, usize) = (4096, 256);

/// How a body from outside was written.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Written {
    text: Bytes,
    yaml: bool,
    /// The paths of fields that stand twice; of YAML, what is told of its keys.
    twice: Vec<String>,
}

impl Written {
    /// In JSON, with the paths of fields that stand twice.
    pub(super) fn json(text: &Bytes, twice: Vec<String>) -> Self {
        Self { text: text.clone(), yaml: false, twice }
    }

    /// In YAML, with what is told of keys that stand twice.
    pub(super) fn yaml(text: &Bytes, twice: Vec<String>) -> Self {
        Self { text: text.clone(), yaml: true, twice }
    }

    /// Whether it was no JSON.
    pub(super) const fn is_yaml(&self) -> bool {
        self.yaml
    }

    /// A body as messages show it: YAML as it stands there, JSON without what it does not need.
    pub(super) fn shown(&self, body: &Value) -> String {
        if self.yaml { String::from_utf8_lossy(&self.text).into_owned() } else { body.to_string() }
    }

    fn doubles(&self) -> impl Iterator<Item = String> {
        self.twice.iter().take(MOST).map(|field| format!("duplicate field \"{field}\""))
    }
}

/// What is told of a body that was read as an object of a built-in kind (`typed`) or of another
/// one, given its unknown fields in the order of a tree; `patch` is the patch that made it.
pub(super) fn told(
    request: &Request,
    typed: bool,
    unknown: &[String],
    patch: &Value,
) -> Vec<String> {
    let written = &request.options.written;
    let is_patch = request.verb == Verb::Patch;
    let most = if typed { MOST } else { usize::MAX };
    let fields = unknown.iter().take(most).map(|field| format!("unknown field \"{field}\""));
    if is_patch && request.patch == Some(PatchType::Json) {
        return operations(&request.options.written, patch).into_iter().chain(fields).collect();
    }
    if unknown.is_empty() && written.twice.is_empty() {
        return Vec::new();
    }
    if written.yaml {
        let lines = Some(&written.twice).filter(|lines| !is_patch && !lines.is_empty());
        let lines = lines.map(|lines| errors(lines));
        return lines.into_iter().chain(fields).collect();
    }
    if typed && !is_patch && !written.text.is_empty() {
        let mut all = in_order(&written.text, unknown);
        all.truncate(MOST);
        return all;
    }
    written.doubles().chain(fields).collect()
}

/// What is told of a configuration that is applied, for which everybody writes YAML.
pub(super) fn applied(written: &Written) -> Vec<String> {
    match written.yaml || written.twice.is_empty() {
        true => written.twice.clone(),
        false => yaml::twice(&written.text),
    }
}

/// Each of some mistakes in YAML by itself: that is how warnings tell them.
pub(super) fn apart(told: Vec<String>) -> Vec<String> {
    let lines = told.iter().flat_map(|one| {
        let yaml = one.strip_prefix("yaml: unmarshal errors:\n");
        yaml.unwrap_or(one).split('\n').map(|line| line.trim_start().to_owned())
    });
    lines.collect()
}

/// Several mistakes in YAML as one error.
pub(super) fn errors(lines: &[String]) -> String {
    format!("yaml: unmarshal errors:\n  {}", lines.join("\n  "))
}

/// What is told of the operations of a JSON patch.
fn operations(written: &Written, patch: &Value) -> Vec<String> {
    const KNOWN: [&str; 4] = ["op", "path", "from", "value"];
    let mut unknown = Vec::new();
    for (index, operation) in patch.as_array().into_iter().flatten().enumerate() {
        let fields = operation.as_object().into_iter().flat_map(|map| map.keys());
        let fields = fields.filter(|field| !KNOWN.contains(&field.as_str()));
        unknown.extend(fields.map(|field| format!("[{index}].{field}")));
    }
    if unknown.is_empty() && written.twice.is_empty() {
        return Vec::new();
    }
    let all = in_order(&written.text, &unknown).into_iter().take(MOST);
    all.map(|one| format!("json patch {one}")).collect()
}

/// Fields that are unknown or stand twice, in the order of a text. Nothing is told of what an
/// unknown field holds.
fn in_order(text: &[u8], unknown: &[String]) -> Vec<String> {
    let fields = unknown.iter().map(String::as_str).collect();
    let teller = Teller { unknown: &fields, out: &RefCell::default() };
    let mut reader = serde_json::Deserializer::from_slice(text);
    // It was read before: it is JSON.
    let _ = Place { teller, path: &Path::Root }.deserialize(&mut reader);
    let mut out = teller.out.take();
    let missed = unknown.iter().map(|field| format!("unknown field \"{field}\""));
    for one in missed {
        if !out.contains(&one) {
            out.push(one);
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Teller<'a> {
    unknown: &'a BTreeSet<&'a str>,
    out: &'a RefCell<Vec<String>>,
}

impl Teller<'_> {
    fn tell(self, sort: &str, path: &str) {
        let one = format!("{sort} field \"{path}\"");
        if let Ok(mut out) = self.out.try_borrow_mut()
            && !out.contains(&one)
            && out.len() < MOST
        {
            out.push(one);
        }
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    teller: Teller<'a>,
    path: &'a Path<'a>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let path = self.path.index(index);
            if items.next_element_seed(Place { path: &path, ..self })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = fields.next_key::<Name>()? {
            let path = self.path.field(&name);
            let text = path.to_string();
            if self.teller.unknown.contains(text.as_str()) {
                self.teller.tell("unknown", &text);
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            if seen.contains(&name) {
                self.teller.tell("duplicate", &text);
            }
            fields.next_value_seed(Place { path: &path, ..self })?;
            seen.insert(name);
        }
        Ok(())
    }
}

/// Warnings as a response has them: each once, and cut where all are too long.
pub(super) fn cut(warnings: &[String]) -> Vec<String> {
    let mut told: Vec<&str> = Vec::new();
    let (mut letters, mut cutting) = (0, false);
    for warning in warnings.iter().map(String::as_str).filter(|warning| !warning.is_empty()) {
        if told.contains(&warning) || (cutting && letters >= LETTERS.0) {
            continue;
        }
        told.push(warning);
        letters += shortened(warning, cutting).chars().count();
        if letters > LETTERS.0 && !cutting {
            cutting = true;
            letters = told.iter().map(|one| shortened(one, true).chars().count()).sum();
        }
    }
    told.into_iter().map(|one| shortened(one, cutting).to_owned()).collect()
}

fn shortened(text: &str, cutting: bool) -> &str {
    let end = text.char_indices().nth(LETTERS.1).map(|(at, _)| at).filter(|_| cutting);
    end.map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_in_the_order_of_the_text() {
        let text = br#"{"zz": 1, "a": {"x": 1, "x": 2, "u": {"v": 1, "v": 2}}, "a": {}, "b": 1}"#;
        let unknown = ["a.u", "b", "zz"].map(str::to_owned);
        let told = in_order(text, &unknown);
        let wanted = [
            "unknown field \"zz\"",
            "duplicate field \"a.x\"",
            "unknown field \"a.u\"",
            "duplicate field \"a\"",
            "unknown field \"b\"",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn keys_of_yaml_are_told_with_their_lines() {
        let text = "a: 1\nb: {x: 1, x: 2}\nl:\n- c: 1\n  c:\n    d: 1\n    d: 2\nb:\n  y: 1\n";
        let wanted = [
            "line 2: key \"x\" already set in map",
            "line 7: key \"d\" already set in map",
            "line 6: key \"c\" already set in map",
            "line 9: key \"b\" already set in map",
        ];
        assert_eq!(yaml::twice(text.as_bytes()), wanted);
        assert!(yaml::twice(b"a: [").is_empty());
    }

    #[test]
    fn long_warnings_are_cut() {
        let long = |n: usize| format!("{n}{}", "x".repeat(2000));
        let few = [long(1), long(1), long(2)];
        assert_eq!(cut(&few), [long(1), long(2)]);
        let many: Vec<String> = (0..30).map(long).collect();
        let told = cut(&many);
        assert_eq!(told.len(), 16);
        assert!(told.iter().all(|one| one.len() == 256));
    }
}
