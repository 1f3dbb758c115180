//! A sequence of requests as data, and what it becomes on one side.
//!
//! Later requests may refer to earlier answers: `${NAME/metadata/resourceVersion}` is that field
//! of the answer to the request kept as `NAME`. `$NS` is the sequence's own namespace.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use maestro_sim::json::Value;
use maestro_sim::protobuf;
use serde::Deserialize;

use crate::conformance::hooks::hooks;
use crate::wire::Question;

/// After how long without news a watch's answer counts as complete.
const QUIET: Duration = Duration::from_millis(120);

/// Requests that belong together, in a namespace of their own.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Unique among all; names the namespace too.
    pub name: String,
    /// In their order.
    pub requests: Vec<Step>,
}

/// One request.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Method and path, such as `POST apps/v1/deployments`. A path without a leading slash is
    /// below the sequence's namespace, in the core group when it starts with no version.
    pub ask: String,
    /// What kind of patch the body is, or another media type: `protobuf` for an object that is
    /// sent so, `hex` for bytes that say that they are protobuf.
    #[serde(rename = "as", default)]
    pub media: String,
    /// The body; text is sent as it is.
    #[serde(default)]
    pub body: Value,
    /// Headers besides the body's media type.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The name under which later requests refer to the answer.
    #[serde(default)]
    pub keep: String,
    /// Milliseconds until what was written is heeded: the real server's authorizers and admission
    /// read from caches that lag.
    #[serde(default)]
    pub pause: u64,
}

impl Step {
    /// A request with a JSON body, `Null` for none.
    pub fn new(ask: impl Into<String>, body: Value) -> Self {
        Self { ask: ask.into(), body, ..Self::default() }
    }

    /// A patch of the named kind.
    pub fn patch(path: impl std::fmt::Display, media: &str, body: Value) -> Self {
        Self { media: media.into(), ..Self::new(format!("PATCH {path}"), body) }
    }

    /// Keeps the answer under a name.
    #[must_use]
    pub fn keep(self, name: &str) -> Self {
        Self { keep: name.into(), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// What is really asked, given the sequence's namespace and the answers kept so far.
    ///
    /// # Errors
    /// When the request is not written as it should be.
    pub fn question(&self, names: &Names) -> Result<Question, String> {
        let (method, path) = self
            .ask
            .split_once(' ')
            .ok_or_else(|| format!("{:?}: expected METHOD PATH", self.ask))?;
        let path = names.fill(&absolute(path));
        let filled = self.headers.iter().map(|(name, value)| (name.clone(), names.fill(value)));
        let mut headers: Vec<(String, String)> = filled.collect();
        let mut body = self.body.clone();
        names.fill_in(&mut body);
        let body = match body {
            Value::Null => Bytes::new(),
            Value::String(digits) if self.media == "hex" => bytes(&digits)?,
            Value::Object(_) if self.media == "protobuf" => {
                let encoded = protobuf::encode(&body).ok_or("the body's kind has no message")?;
                encoded.map_err(|e| format!("the body cannot be encoded: {e}"))?
            }
            Value::String(text) => String::from(text).into(),
            other => other.to_string().into(),
        };
        if !body.is_empty() {
            headers.push(("content-type".into(), media(&self.media).into()));
        }
        if !self.headers.contains_key("user-agent") {
            headers.push(("user-agent".into(), "conformance/1".into()));
        }
        let is_watch = path.contains("watch=1") || path.contains("watch=true");
        let quiet = is_watch.then_some(QUIET);
        Ok(Question { method: method.into(), path, headers, body, quiet })
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
fn bytes(digits: &str) -> Result<Bytes, String> {
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| {
        let text: String = pair.iter().collect();
        u8::from_str_radix(&text, 16).map_err(|e| format!("{text:?}: {e}"))
    };
    digits.chunks(2).map(pair).collect::<Result<Vec<u8>, String>>().map(Bytes::from)
}

fn media(short: &str) -> &str {
    match short {
        "" => "application/json",
        "json" => "application/json-patch+json",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        "protobuf" | "hex" => protobuf::MEDIA_TYPE,
        other => other,
    }
}

/// The whole path of a request below the sequence's namespace.
fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts = path.splitn(3, '/');
    let is_version = |text: &str| {
        let digits = text.strip_prefix('v');
        digits.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match (parts.next(), parts.next(), parts.next()) {
        (Some(group), Some(version), Some(rest)) if is_version(version) => {
            format!("/apis/{group}/{version}/namespaces/$NS/{rest}")
        }
        _ => format!("/api/v1/namespaces/$NS/{path}"),
    }
}

/// What the references of a sequence stand for on one side.
#[derive(Clone, Debug)]
pub struct Names {
    namespace: String,
    kept: BTreeMap<String, Value>,
}

impl Names {
    /// The names of a sequence before its first request.
    pub fn new(sequence: &Sequence) -> Self {
        Self { namespace: sequence.name.clone(), kept: BTreeMap::new() }
    }

    /// Remembers an answer's body.
    pub fn keep(&mut self, name: &str, body: Option<Value>) {
        if !name.is_empty() {
            self.kept.insert(name.to_owned(), body.unwrap_or_default());
        }
    }

    fn fill_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.fill(text).into(),
            Value::Array(list) => list.iter_mut().for_each(|item| self.fill_in(item)),
            Value::Object(map) => map.values_mut().for_each(|field| self.fill_in(field)),
            _ => {}
        }
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("$NS", &self.namespace);
        if text.contains("$HOOKS") || text.contains("$CA") {
            let hooks = hooks();
            text = text.replace("$HOOKS", &hooks.url).replace("$CA", &hooks.authority);
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((reference, tail)) = after.split_once('}') else { break };
            out.push_str(before);
            out.push_str(&self.resolve(reference));
            rest = tail;
        }
        out + rest
    }

    /// The referred field as text; what an answer lacks is named, so that both sides ask alike.
    fn resolve(&self, reference: &str) -> String {
        let (name, pointer) = match reference.find('/') {
            Some(at) => reference.split_at(at),
            None => (reference, ""),
        };
        match self.kept.get(name).and_then(|value| value.pointer(pointer)) {
            Some(Value::String(text)) => text.to_string(),
            Some(other) => other.to_string(),
            None => format!("no-{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::json;

    use super::*;

    #[track_caller]
    fn check(step: &Step, expected: &str) {
        let sequence = Sequence { name: "s".into(), requests: Vec::new() };
        let mut names = Names::new(&sequence);
        names.keep("a", Some(json!({"metadata": {"resourceVersion": "7"}, "n": 3})));
        let shown = match step.question(&names) {
            Ok(q) => format!("{} {} {}", q.method, q.path, String::from_utf8_lossy(&q.body)),
            Err(error) => error,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn requests_are_filled_in() {
        check(&Step::new("GET pods", Value::Null), "GET /api/v1/namespaces/s/pods ");
        check(
            &Step::new("GET apps/v1/deployments/x", Value::Null),
            "GET /apis/apps/v1/namespaces/s/deployments/x ",
        );
        check(
            &Step::new(
                "PUT /api/v1/nodes/$NS-${a/n}",
                json!({"v": "${a/metadata/resourceVersion}"}),
            ),
            "PUT /api/v1/nodes/s-3 {\"v\":\"7\"}",
        );
        check(&Step::new("GET /x?rv=${b/c}", Value::Null), "GET /x?rv=no-b ");
        check(&Step::new("GET", Value::Null), "\"GET\": expected METHOD PATH");
    }
}
