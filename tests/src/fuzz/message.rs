//! Inputs as text that people can read: requests with their headers and bodies.
//!
//! ```text
//! POST /api/v1/namespaces/fuzz/configmaps?dryRun=All
//! accept: application/yaml
//!
//! {"metadata": {"name": "two"}}
//! ===
//! GET /api/v1/namespaces/fuzz/configmaps
//! ```

use bytes::Bytes;

/// What stands between two requests, or two parts of another input.
pub(super) const BETWEEN: &[u8] = b"\n===\n";

/// The most requests that one input makes; more only take time.
const MOST: usize = 6;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Message {
    pub(super) fn new(method: &str, path: &str, body: impl Into<Bytes>) -> Self {
        let headers = Vec::new();
        Self { method: method.into(), path: path.into(), headers, body: body.into() }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The path without its query.
    pub(super) fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or("")
    }

    /// Whether the query says just this.
    pub(super) fn has_option(&self, option: &str) -> bool {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair == option)
    }

    /// One request as it stands in an input; `None` when its first line is none.
    pub(super) fn read(input: &[u8]) -> Option<Self> {
        let mut message = Self::new("", "", Bytes::new());
        let mut rest = input;
        let mut is_first = true;
        while let Some((line, after)) = line(rest) {
            rest = after;
            let line = String::from_utf8_lossy(line);
            if is_first {
                let (method, target) = line.split_once(' ')?;
                // A fragment is no part of what is sent, with a query in it or without.
                let path = target.split('#').next().unwrap_or_default();
                (message.method, message.path) = (method.into(), path.into());
                is_first = false;
                continue;
            }
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            message.headers.push((name.trim().into(), value.trim().into()));
        }
        message.body = Bytes::copy_from_slice(rest);
        (!is_first).then_some(message)
    }

    /// As an input.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {}\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(&self.body);
        out
    }

    /// As HTTP; `None` when it is not.
    pub(super) fn to_http(&self) -> Option<http::Request<()>> {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(()).ok()
    }
}

/// The first line and what follows it; `None` at the end.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    if input.is_empty() {
        return None;
    }
    match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => Some((&input[..at], &input[at + 1..])),
        None => Some((input, &[])),
    }
}

/// The parts of an input.
pub(super) fn parts(input: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = input;
    while found.len() + 1 < MOST
        && let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN)
    {
        found.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    found.push(rest);
    found
}

/// The requests of an input.
pub(super) fn messages(input: &[u8]) -> Vec<Message> {
    parts(input).into_iter().filter_map(Message::read).collect()
}
