//! Answers in JSON that a person reads: a field a line, two spaces deeper than what holds it, in
//! the order in which Go declares them.
//!
//! Source: `isPrettyPrint` of `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`, Go's
//! `json.Indent`.

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::request::Parts;

use crate::api::query::value;
use crate::body::Body;
use crate::protobuf::order;

/// Whether `pretty` asks for it, or else a browser or a tool of the command line does.
pub(crate) fn wanted(parts: &Parts) -> bool {
    if parts.uri.path().starts_with("/openapi") {
        return false;
    }
    let asked = parts.uri.query().and_then(|query| value(query, "pretty"));
    if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
        return matches!(&*asked, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("");
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|human| agent.starts_with(human))
}

/// An answer for a person; one that is no JSON, or goes on for ever, stays as it is.
pub(crate) fn answer(response: http::Response<Body>) -> http::Response<Body> {
    let is_json = response.headers().get(CONTENT_TYPE);
    let is_json = is_json.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let (parts, body) = response.into_parts();
    let body = match body {
        Body::Chunks(chunks) if is_json => {
            let text: Vec<u8> = chunks.into_iter().flatten().collect();
            Body::full(indented(&order::as_declared(&text).unwrap_or(text)))
        }
        other => other,
    };
    http::Response::from_parts(parts, body)
}

/// A valid JSON text with a field or an element a line.
fn indented(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    // What was opened and has nothing in it yet.
    let mut fresh = false;
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    for &byte in text {
        if quoted {
            out.push(byte);
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        if fresh && !matches!(byte, b'}' | b']') {
            depth += 1;
            line(&mut out, depth);
        }
        match byte {
            b'{' | b'[' => out.push(byte),
            b'}' | b']' => {
                if !fresh {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
        fresh = matches!(byte, b'{' | b'[');
        quoted = byte == b'"';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_a_line() {
        let check = |text: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&indented(text.as_bytes())), expected, "{text}");
        };
        check("{}", "{}");
        check("[]", "[]");
        check("7", "7");
        check(r#"{"a":{},"b":[]}"#, "{\n  \"a\": {},\n  \"b\": []\n}");
        check(
            r#"{"a":[1,{"b":"x, {y}: \"z\\"}],"c":null}"#,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, {y}: \\\"z\\\\\"\n    }\n  ],\n  \
             \"c\": null\n}",
        );
        check("{\n \"a\" : 1 }", "{\n  \"a\": 1\n}");
    }

    #[test]
    fn who_is_a_person() {
        let check = |path: &str, agent: &str, expected: bool| {
            let request = http::Request::get(path).header(USER_AGENT, agent).body(());
            let (parts, ()) = request.expect("a request").into_parts();
            assert_eq!(wanted(&parts), expected, "{path} {agent}");
        };
        check("/api/v1/pods", "kubectl/v1.37.2", false);
        check("/api/v1/pods", "curl/8.14.1", true);
        check("/api/v1/pods", "Wget/1.25", true);
        check("/api/v1/pods", "Mozilla/5.0 (X11; Linux)", true);
        check("/api/v1/pods?pretty=true", "kubectl/v1.37.2", true);
        check("/api/v1/pods?limit=1&pretty=1", "kubectl/v1.37.2", true);
        check("/api/v1/pods?pretty=false", "curl/8.14.1", false);
        check("/api/v1/pods?pretty=", "curl/8.14.1", true);
        check("/api/v1/pods?pretty=yes", "curl/8.14.1", false);
        check("/openapi/v3", "curl/8.14.1", false);
    }
}
