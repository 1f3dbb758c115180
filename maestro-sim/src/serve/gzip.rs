//! Large answers, compressed for clients that read it.
//!
//! Source: `negotiateEncoding` and `deferredResponseWriter` of `k8s.io/apiserver`
//! (`endpoints/handlers/responsewriters`); documents of OpenAPI v2 are compressed whatever their
//! size, those of v3 are not.

use std::collections::VecDeque;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::request::Parts;
use http::{HeaderValue, Response};

use crate::body::Body;

/// Bytes that an answer must exceed.
const LEAST: usize = 128 << 10;

/// What a request says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packed {
    /// As it is.
    Never,
    /// What is large.
    Large,
    /// Everything.
    Always,
}

/// What becomes of the answer to a request. Only the plain name counts, without a quality.
pub(super) fn wanted(parts: &Parts) -> Packed {
    let reads = parts.headers.get_all(ACCEPT_ENCODING).into_iter().next();
    let reads = reads.and_then(|value| value.to_str().ok()).unwrap_or_default();
    match parts.uri.path() {
        _ if !reads.split(',').any(|name| name.trim() == "gzip") => Packed::Never,
        "/openapi/v2" => Packed::Always,
        path if ["api", "apis"].contains(&path.split('/').nth(1).unwrap_or("")) => Packed::Large,
        _ => Packed::Never,
    }
}

impl Packed {
    pub(super) fn answer(self, mut answer: Response<Body>) -> Response<Body> {
        let Body::Chunks(chunks) = answer.body() else { return answer };
        let size: usize = chunks.iter().map(bytes::Bytes::len).sum();
        let packs = match self {
            Self::Never => false,
            Self::Large => size > LEAST,
            Self::Always => size > 0,
        };
        if let Some(packed) = packs.then(|| pack(chunks)).flatten() {
            *answer.body_mut() = Body::full(packed);
            let headers = answer.headers_mut();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        answer
    }
}

fn pack(chunks: &VecDeque<bytes::Bytes>) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for chunk in chunks {
        encoder.write_all(chunk).ok()?;
    }
    encoder.finish().ok()
}
