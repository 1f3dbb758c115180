//! What a client can read, by its Accept header.
//!
//! Source: RFC 9110 §12.5.1, and
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources>.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::MEDIA_TYPE;

/// How a client wants to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// In JSON.
    Json,
    /// In YAML.
    Yaml,
    /// In protobuf where the kind has a message.
    Protobuf {
        /// Whether it reads nothing else.
        only: bool,
    },
}

/// Whether a body is in protobuf.
pub fn is_protobuf(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim() == MEDIA_TYPE
}

/// What the Accept header asks for.
pub fn wanted(headers: &HeaderMap) -> Wire {
    negotiated(headers, |_| true)
}

/// Whether a client reads JSON, perhaps among others.
pub fn reads_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let json = |media: &str| matches!(media.trim(), "application/json" | "application/*" | "*/*");
    accept.trim().is_empty()
        || accept.split(',').any(|clause| clause.split(';').next().is_some_and(json))
}

/// What it asks for of a kind without messages.
pub fn wanted_as_text(headers: &HeaderMap) -> Wire {
    negotiated(headers, |clause| !clause.wire.is_protobuf())
}

/// What it asks for an error: none is in the form that a clause asks for with `as`.
pub fn wanted_of_errors(headers: &HeaderMap) -> Wire {
    negotiated(headers, |clause| !clause.shaped)
}

fn negotiated(headers: &HeaderMap, counts: impl Fn(&Clause) -> bool) -> Wire {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let plain = matches!(accept, "application/json" | "*/*" | "");
    if plain || !accept.contains(MEDIA_TYPE) && !accept.contains("yaml") {
        return Wire::Json;
    }
    let mut clauses: Vec<Clause> =
        accept.split(',').filter_map(Clause::read).filter(counts).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    match clauses.first() {
        Some(Clause { wire: Wire::Protobuf { .. }, .. }) => {
            Wire::Protobuf { only: clauses.iter().all(|clause| clause.wire.is_protobuf()) }
        }
        Some(clause) => clause.wire,
        None => Wire::Json,
    }
}

impl Wire {
    /// Whether it is protobuf.
    pub const fn is_protobuf(self) -> bool {
        matches!(self, Self::Protobuf { .. })
    }
}

/// One media range that this server can satisfy.
struct Clause {
    wire: Wire,
    /// Whether objects are wanted in another form than their own.
    shaped: bool,
    /// From 0 to 1.
    quality: f64,
}

impl Clause {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(';').map(str::trim);
        let wire = match words.next()? {
            MEDIA_TYPE => Wire::Protobuf { only: false },
            "application/yaml" => Wire::Yaml,
            "application/json" | "application/*" | "*/*" => Wire::Json,
            _ => return None,
        };
        let (mut shaped, mut quality) = (false, 1.0);
        for word in words {
            match word.split_once('=') {
                // A Table has no message.
                Some(("as", "Table")) if wire.is_protobuf() => return None,
                Some(("as", _)) => shaped = true,
                Some(("q", value)) => quality = value.parse().unwrap_or(1.0),
                _ => {}
            }
        }
        Some(Self { wire, shaped, quality })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expected: Wire) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect(accept));
        assert_eq!(wanted(&headers), expected, "{accept}");
    }

    #[test]
    fn a_client_is_answered_in_what_it_prefers() {
        let (either, only) = (Wire::Protobuf { only: false }, Wire::Protobuf { only: true });
        check("application/json", Wire::Json);
        check("*/*", Wire::Json);
        check("application/vnd.kubernetes.protobuf,application/json", either);
        check("application/vnd.kubernetes.protobuf, */*", either);
        check("application/vnd.kubernetes.protobuf", only);
        check("application/vnd.kubernetes.protobuf;stream=watch", only);
        check("application/vnd.kubernetes.protobuf,text/plain", only);
        check("application/json,application/vnd.kubernetes.protobuf", Wire::Json);
        check("application/yaml", Wire::Yaml);
        check("application/yaml,application/json", Wire::Yaml);
        check("application/json,application/yaml", Wire::Json);
        check("application/json;q=0.5,application/yaml", Wire::Yaml);
        check("application/vnd.kubernetes.protobuf,application/yaml", either);
        check("application/json;q=0.5,application/vnd.kubernetes.protobuf;q=0.8", either);
        check("application/json,application/vnd.kubernetes.protobuf;q=0.8", Wire::Json);
        let metadata = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let (protobuf, json) = (MEDIA_TYPE, "application/json");
        check(&format!("{protobuf}{metadata},{json}{metadata},{json}"), either);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, format!("{protobuf}{metadata}").parse().expect("a header"));
        assert_eq!((wanted(&headers), wanted_of_errors(&headers)), (only, Wire::Json));
        let table = ";as=Table;g=meta.k8s.io;v=v1";
        check(&format!("{protobuf}{table},{json}{table},{json}"), Wire::Json);
    }
}
