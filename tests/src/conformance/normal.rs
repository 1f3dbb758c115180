//! What may differ between two servers that behave alike, each kind of difference by its name.
//!
//! Values that a server draws or counts are replaced by what can be compared: which of them are
//! the same, and which came first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use maestro_sim::json::{Map, Value};
use regex::{Captures, Regex};

use crate::conformance::side::Answers;
use crate::wire::Answer;

/// The headers that are compared; all others are the connection's or the server's own.
const HEADERS: [&str; 5] = ["allow", "content-type", "location", "retry-after", "warning"];

static UID: LazyLock<Regex> =
    LazyLock::new(|| regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| regex(r"^10\.\d+\.\d+\.\d+$"));
static NODE_PORT: LazyLock<Regex> = LazyLock::new(|| regex(":(3[0-2][0-9]{3})/(TCP|UDP|SCTP)"));
static HOOKS: LazyLock<Regex> = LazyLock::new(|| regex(r"https://127\.0\.0\.1:\d{4,5}"));
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"));
/// A type that a rule's values have in one process of a real server.
static SELF_TYPE: LazyLock<Regex> = LazyLock::new(|| regex(r"selfType\d+"));
static TOKEN_VOLUME: LazyLock<Regex> = LazyLock::new(|| regex("kube-api-access-[a-z0-9]{5}"));
static PATCHED_OBJECT: LazyLock<Regex> = LazyLock::new(|| regex(r#"Invalid value: "\{\\".*\}": "#));
static GO_VALUE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"Invalid value: [\[{].*?[}\]]: field is immutable"));
static GO_DIFF: LazyLock<Regex> = LazyLock::new(|| regex(r"\n@@ (.*\n)+"));
static VERSION_IN_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"((?:resource ?[vV]ersion|current|object meta): ?|object not decodable revision=|ResourceVersion in record \()\d+( \(\d+\))?",
    )
});

static AGE: LazyLock<Regex> = LazyLock::new(|| regex(r"^(\d+[smhdy](\d+[smhd])?|<invalid>)$"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant of this file")
}

/// An answer as it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// HTTP status.
    pub code: u16,
    /// The headers that are compared.
    pub headers: BTreeMap<String, String>,
    /// The body, indented JSON where it is JSON.
    pub body: String,
}

impl Seen {
    /// The whole as text for a diff.
    pub fn text(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{}\n{headers}{}\n", self.code, self.body)
    }
}

/// Whether a status is about a generated custom kind, its definition or one of its objects.
fn is_generated(status: &Map) -> bool {
    let details = status.get("details");
    let text = |field: &str| details.and_then(|details| details.get(field)?.as_str());
    let group = text("name").filter(|_| text("kind") == Some("CustomResourceDefinition"));
    let group = group.or(text("group")).unwrap_or_default();
    group.contains("gen") && group.ends_with(".example.com")
}

/// *Schema errors*: custom objects, the defaults of their definitions and what is applied of them
/// are validated field by field in the order of a Go map.
fn sort_schema_errors(status: &mut Map) {
    if let Some(Value::String(message)) = status.get_mut("message")
        && let Some((head, lines)) = message.split_once(", Kind=Thing): errors:\n")
    {
        let mut lines: Vec<&str> = lines.split('\n').collect();
        lines.sort_unstable();
        *message = format!("{head}, Kind=Thing): errors:\n{}", lines.join("\n")).into();
    }
    let causes = status.get("details").and_then(|details| details.get("causes"));
    let text = |cause: &Value, field: &str| {
        cause.get(field).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let told = |cause: &Value| format!("{}: {}", text(cause, "field"), text(cause, "message"));
    let mut all: Vec<String> =
        causes.and_then(Value::as_array).into_iter().flatten().map(told).collect();
    all.sort();
    let by_schema = all.iter().any(|cause| cause.contains(" in body "))
        || (is_generated(status) && all.len() > 1);
    if let (true, Some(Value::String(message))) = (by_schema, status.get_mut("message"))
        && let Some((head, _)) = message.split_once(" is invalid: [")
    {
        *message = format!("{head} is invalid: [{}]", all.join(", ")).into();
        let causes = status.get_mut("details").and_then(|details| details.get_mut("causes"));
        if let Some(Value::Array(causes)) = causes {
            causes.sort_by_key(told);
        }
    }
}

/// *Places*: the objects that say where the server itself is reached.
fn is_servers_own(map: &Map) -> bool {
    let meta = map.get("metadata");
    let text = |field: &str| meta.and_then(|meta| meta.get(field)?.as_str()).unwrap_or("");
    text("name") == "kubernetes" && text("namespace") == "default"
}

/// Hides the addresses and ports of a server, but not those of its Service.
fn hide_place(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(hide_place),
        Value::Object(map) => {
            for (name, field) in map.iter_mut() {
                match (name.as_str(), &mut *field) {
                    ("ip", Value::String(_)) => *field = "<place>".into(),
                    ("port" | "targetPort", Value::Number(port)) if port.as_i64() != Some(443) => {
                        *field = "<place>".into();
                    }
                    ("addresses", Value::Array(all)) => {
                        all.iter_mut().filter(|one| one.is_string()).for_each(|one| {
                            *one = "<place>".into();
                        });
                        all.iter_mut().for_each(hide_place);
                    }
                    (_, field) => hide_place(field),
                }
            }
        }
        _ => {}
    }
}

fn is_age(cell: &Value) -> bool {
    cell.as_str().is_some_and(|text| AGE.is_match(text))
}

/// Normalises the answers of one side to one sequence.
pub fn normalise(answers: &Answers) -> Vec<Seen> {
    let bodies: Vec<Vec<Value>> = answers.iter().map(Answer::documents).collect();
    let mut names = Drawn::default();
    for value in bodies.iter().flatten() {
        names.note(value);
    }
    names.versions.remove(&0);
    answers.iter().zip(bodies).map(|(answer, body)| names.seen(answer, body)).collect()
}

/// What one server drew or counted during one sequence.
#[derive(Default)]
struct Drawn {
    /// *Resource versions* of objects: compared by their order.
    versions: BTreeSet<u64>,
    /// *Generated names*: their suffix is drawn.
    generated: BTreeMap<String, String>,
    /// *UIDs*, *cluster addresses*, *node ports*: by the order in which they appear.
    order: BTreeMap<&'static str, Vec<String>>,
}

impl Drawn {
    fn note(&mut self, value: &Value) {
        match value {
            Value::Array(list) => list.iter().for_each(|item| self.note(item)),
            Value::Object(map) => {
                if let Some(Value::Object(meta)) = map.get("metadata") {
                    self.note_metadata(meta);
                }
                self.note_refused(map);
                map.values().for_each(|field| self.note(field));
            }
            _ => {}
        }
    }

    fn note_metadata(&mut self, meta: &Map) {
        let text = |field: &str| meta.get(field).and_then(Value::as_str).unwrap_or("");
        if meta.contains_key("name") {
            self.versions.extend(text("resourceVersion").parse::<u64>());
        }
        let (base, name) = (text("generateName"), text("name"));
        if !base.is_empty() && is_drawn(base, name) {
            let next = self.generated.len();
            self.generated
                .entry(name.to_owned())
                .or_insert_with(|| format!("{base}<random {next}>"));
        }
    }

    /// A drawn name that was refused stands in the details of the refusal.
    fn note_refused(&mut self, details: &Map) {
        let causes = details.get("causes").and_then(Value::as_array);
        let base = causes.into_iter().flatten().find_map(|cause| {
            let message = cause.get("message").and_then(Value::as_str)?;
            let quoted = message.strip_prefix("Invalid value: \"")?.split_once('"')?.0;
            (cause.get("field")? == "metadata.generateName").then_some(quoted)
        });
        let name = details.get("name").and_then(Value::as_str).unwrap_or("");
        if let Some(base) = base.filter(|base| !base.is_empty() && is_drawn(base, name)) {
            let next = self.generated.len();
            self.generated
                .entry(name.to_owned())
                .or_insert_with(|| format!("{base}<random {next}>"));
        }
    }

    fn seen(&mut self, answer: &Answer, mut body: Vec<Value>) -> Seen {
        let mut headers = BTreeMap::new();
        for name in HEADERS {
            if let Some(value) = answer.headers.get(name) {
                headers.insert(name.to_owned(), self.text(value));
            }
        }
        let body = if body.is_empty() {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.text(&text)
        } else {
            body.iter_mut().for_each(|value| self.value(value));
            let shown = body.iter().map(serde_json::to_string_pretty);
            shown.map(Result::unwrap_or_default).collect::<Vec<_>>().join("\n")
        };
        Seen { code: answer.code, headers, body }
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text).into(),
            Value::Array(list) => list.iter_mut().for_each(|item| self.value(item)),
            Value::Object(map) => self.map(map),
            _ => {}
        }
    }

    fn map(&mut self, map: &mut Map) {
        let named = map.contains_key("name");
        if is_servers_own(map) {
            map.values_mut().for_each(hide_place);
        }
        for (name, field) in map.iter_mut() {
            match (name.as_str(), &mut *field) {
                ("resourceVersion", Value::String(text)) => {
                    *text = self.version(text, named).into();
                }
                // *Continue tokens* hold the resource version of the list.
                ("continue", Value::String(text)) if !text.is_empty() => *text = "<token>".into(),
                ("caBundle", field) => *field = "<certificate>".into(),
                ("nodePort" | "healthCheckNodePort", Value::Number(port)) => {
                    *field = self.ordered("port", &port.to_string()).into();
                }
                // *Ages* in Tables depend on the clock, which may stand before a time in a body.
                ("cells", Value::Array(cells)) => {
                    cells.iter_mut().filter(|cell| is_age(cell)).for_each(|age| {
                        *age = "<age>".into();
                    });
                    cells.iter_mut().for_each(|cell| self.value(cell));
                }
                (_, field) => self.value(field),
            }
        }
        // *UIDs* are keys of lists, too, as field owners name them.
        let keyed = |name: &str| name.starts_with("k:{\"uid\":");
        let keys: Vec<String> =
            map.keys().map(|name| name.as_str()).filter(|n| keyed(n)).map(str::to_owned).collect();
        for key in keys {
            if let Some(field) = map.remove(&key) {
                map.insert(self.text(&key), field);
            }
        }
        sort_schema_errors(map);
        for (name, field) in map.iter_mut() {
            // *Rules* of a user come from bindings in the order of a Go map.
            if let ("resourceRules" | "nonResourceRules", Value::Array(list)) =
                (name.as_str(), &mut *field)
            {
                list.sort_by_cached_key(Value::to_string);
            }
            if let ("managedFields" | "causes", Value::Array(list)) = (name.as_str(), field) {
                sort_by_manager(list);
            }
        }
    }

    /// The place of an object's version among all of the sequence; a list's says nothing that
    /// could be compared, for other writers move it.
    fn version(&self, text: &str, named: bool) -> String {
        match text.parse::<u64>() {
            Ok(0) | Err(_) => text.to_owned(),
            Ok(version) if named => match self.versions.iter().position(|v| *v == version) {
                Some(place) => format!("<version {place}>"),
                None => "<version>".to_owned(),
            },
            Ok(_) => "<version>".to_owned(),
        }
    }

    fn ordered(&mut self, kind: &'static str, text: &str) -> String {
        let list = self.order.entry(kind).or_default();
        let place = list.iter().position(|known| known == text).unwrap_or_else(|| {
            list.push(text.to_owned());
            list.len() - 1
        });
        format!("<{kind} {place}>")
    }

    fn text(&mut self, text: &str) -> String {
        if ADDRESS.is_match(text) {
            return self.ordered("address", text);
        }
        let text = UID.replace_all(text, |found: &Captures<'_>| self.ordered("uid", &found[0]));
        // *Times*: only how exact they are.
        let text = TIME.replace_all(&text, |found: &Captures<'_>| match found.get(1) {
            Some(_) => "<time in microseconds>",
            None => "<time>",
        });
        let text = NODE_PORT.replace_all(&text, |found: &Captures<'_>| {
            format!(":{}/{}", self.ordered("port", &found[1]), &found[2])
        });
        // *Webhooks* listen on some port, with a certificate of the day.
        let text = HOOKS.replace_all(&text, "https://<hooks>");
        // *Tokens* are signed with another key.
        let text = TOKEN.replace_all(&text, "<token>");
        let text = TOKEN_VOLUME.replace_all(&text, "kube-api-access-<random>");
        // *Types of rules' values* are numbered by the clock.
        let text = SELF_TYPE.replace_all(&text, "selfType<number>");
        // *Patched objects* are quoted whole, in an order that says nothing.
        let text = PATCHED_OBJECT.replace_all(&text, "Invalid value: <object>: ");
        // *Go values*: the server prints some of its own structs, and differences of them.
        let text = GO_VALUE.replace_all(&text, "Invalid value: <value>: field is immutable");
        let text = GO_DIFF.replace_all(&text, "");
        let text = VERSION_IN_WORDS.replace_all(&text, "$1<version>");
        let mut text = text.into_owned();
        for (name, shown) in &self.generated {
            if text.contains(name) {
                text = text.replace(name, shown);
            }
        }
        text
    }
}

/// Whether a name is a base, which the server cuts where it is long, with five letters drawn.
fn is_drawn(base: &str, name: &str) -> bool {
    let kept = name.len().checked_sub(5).and_then(|length| name.get(..length));
    kept.is_some_and(|kept| kept == base || (kept.len() == 58 && base.starts_with(kept)))
}

/// *Managers* stand in the order of their last write, to the second: whether two writes fell into
/// one second is chance. So do the conflicts with them.
fn sort_by_manager(list: &mut [Value]) {
    let is_conflict = |v: &Value| v.get("reason").is_some_and(|r| r == "FieldManagerConflict");
    if list.iter().all(|v| v.get("manager").is_some() || is_conflict(v)) {
        list.sort_by_cached_key(Value::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("audit-id", "7"), ("date", "now")];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let headers = headers.into_iter().map(owned).collect();
        Answer { code: 200, headers, body: body.to_owned().into() }
    }

    #[track_caller]
    fn check(left: &[&str], right: &[&str], alike: bool) {
        let seen = |bodies: &[&str]| normalise(&bodies.iter().map(|b| answer(b)).collect());
        assert_eq!(seen(left) == seen(right), alike, "{:#?}\n{:#?}", seen(left), seen(right));
    }

    #[test]
    fn drawn_values_are_alike_and_nothing_else_is() {
        let object = |version: u64, uid: u64| {
            format!(
                r#"{{"metadata": {{"name": "n", "resourceVersion": "{version}",
                "uid": "00000000-0000-0000-0000-{uid:012}",
                "creationTimestamp": "2026-01-01T00:00:{:02}Z"}}}}"#,
                uid % 60
            )
        };
        check(&[&object(3, 1), &object(5, 1)], &[&object(7, 2), &object(70, 2)], true);
        check(&[&object(3, 1), &object(3, 1)], &[&object(7, 2), &object(70, 2)], false);
        check(&[&object(3, 1), &object(5, 2)], &[&object(7, 2), &object(70, 2)], false);
        let named = |base: &str, name: &str| {
            format!(r#"{{"metadata": {{"generateName": "{base}", "name": "{name}"}}}}"#)
        };
        check(&[&named("a-", "a-bcdfg")], &[&named("a-", "a-xwvts")], true);
        check(&[&named("a-", "a-bcdfg")], &[&named("a-", "a-bcdf")], false);
        check(&[r#"{"ip": "10.96.0.4"}"#], &[r#"{"ip": "10.0.0.1"}"#], true);
        check(&[r#"{"ip": "10.96.0.4"}"#], &[r#"{"ip": "None"}"#], false);
        check(&[r#"{"nodePort": 31000}"#], &[r#"{"nodePort": 32000}"#], true);
        check(&[r#"{"port": 31000}"#], &[r#"{"port": 32000}"#], false);
        check(&["plain"], &["plane"], false);
        let managed = |names: &str| format!(r#"{{"managedFields": [{names}]}}"#);
        let (a, b) = (r#"{"manager": "a"}"#, r#"{"manager": "b"}"#);
        check(&[&managed(&format!("{a}, {b}"))], &[&managed(&format!("{b}, {a}"))], true);
        check(&[&managed(a)], &[&managed(b)], false);
    }
}
