//! The trace of a run: one line per thing that happened, as JSON Lines, or only its digest.

use std::fmt::Write as _;
use std::time::Duration;

use crate::api::{Request, Status, Verb};
use crate::json::{Value, json};
use crate::object::GroupResource;

/// What a trace keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TraceLevel {
    /// A digest only: enough to tell two runs apart.
    #[default]
    Digest,
    /// Every line, with the bodies of writes.
    Full,
}

/// A growing trace. Its digest covers every request and every note in order.
#[derive(Debug, Default)]
pub struct Trace {
    level: TraceLevel,
    digest: u64,
    lines: Vec<String>,
    scratch: String,
}

impl Trace {
    /// An empty trace.
    pub fn new(level: TraceLevel) -> Self {
        Self { level, ..Self::default() }
    }

    /// The digest so far.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The lines so far; none at [`TraceLevel::Digest`].
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Takes the lines.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Whether lines are kept.
    pub fn is_full(&self) -> bool {
        self.level == TraceLevel::Full
    }

    /// Records one request before it is handled.
    pub fn request(&mut self, now: Duration, client: &str, request: &Request, verdict: &str) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let GroupResource { group, resource, .. } = &request.resource;
        let dot = if group.is_empty() { "" } else { "." };
        let _ = write!(text, "{}", now.as_nanos());
        for piece in ["|", client, "|", request.verb.as_str(), "|", resource, dot, group, "|"] {
            text.push_str(piece);
        }
        let Request { version, namespace, name, subresource, .. } = request;
        for piece in [version, "|", namespace, "/", name, "|", subresource, "|", verdict] {
            text.push_str(piece);
        }
        self.absorb(text.as_bytes());
        self.scratch = text;
        if self.is_full() {
            let mut line = json!({
                "at": seconds(now), "client": client, "verb": request.verb.as_str(),
                "resource": request.resource.to_string(), "verdict": verdict,
            });
            let optional = [
                ("namespace", &request.namespace),
                ("name", &request.name),
                ("subresource", &request.subresource.to_string()),
            ];
            for (field, text) in optional {
                if !text.is_empty() {
                    line[field] = text.as_str().into();
                }
            }
            if request.verb.writes() && !request.body.is_null() {
                line["body"] = request.body.clone();
            }
            self.lines.push(line.to_string());
        }
    }

    /// Records what was answered to the last request of `client`.
    pub fn answer(
        &mut self,
        now: Duration,
        client: &str,
        verb: Verb,
        result: Result<(u16, u64), &Status>,
    ) {
        let (code, version) = match result {
            Ok(answer) => answer,
            Err(status) => (status.code, 0),
        };
        self.absorb(&code.to_le_bytes());
        self.absorb(&version.to_le_bytes());
        if self.is_full() {
            let mut line = json!({"at": seconds(now), "client": client, "code": code,
                                  "answers": verb.as_str()});
            if let Err(status) = result {
                line["reason"] = status.reason.into();
                line["message"] = status.message.as_str().into();
            } else if version > 0 {
                line["resourceVersion"] = version.into();
            }
            self.lines.push(line.to_string());
        }
    }

    /// Records anything else: a fault, a step, a delivered event.
    pub fn note(&mut self, now: Duration, what: &str, details: Value) {
        self.absorb(what.as_bytes());
        self.absorb(&now.as_nanos().to_le_bytes());
        self.absorb(details.to_string().as_bytes());
        if self.is_full() {
            let mut line = json!({"at": seconds(now), "event": what});
            if !details.is_null() {
                line["details"] = details;
            }
            self.lines.push(line.to_string());
        }
    }

    fn absorb(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in chunks.by_ref() {
            self.mix(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        let mut tail = [0; 8];
        let rest = chunks.remainder();
        tail[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(tail) ^ ((bytes.len() as u64) << 56));
    }

    /// One round of a multiply-and-fold hash: order-dependent and the same on every platform.
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.digest ^ word ^ 0x9e37_79b9_7f4a_7c15)
            * u128::from(0xd6e8_feb8_6659_fd93_u64 ^ word.rotate_left(32));
        let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
        self.digest = u64::try_from(folded).unwrap_or(0).wrapping_add(self.digest.rotate_left(5));
    }
}

/// Virtual seconds with milliseconds, as traces write time.
fn seconds(now: Duration) -> Value {
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    crate::json::Number::from_f64(millis as f64 / 1000.0).map_or(Value::Null, Value::Number)
}
