//! What stands around a message: four magic bytes and a `runtime.Unknown` that names its type.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#kubernetes-protobuf-encoding>
//! and `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`.

use bytes::Bytes;

use super::wire::{Found, Reader, Writer};

const MAGIC: &[u8; 4] = b"k8s\0";

/// What an envelope holds.
pub(super) struct Unknown<'a> {
    /// Empty when it is not said.
    pub(super) api_version: String,
    /// Empty when it is not said.
    pub(super) kind: String,
    pub(super) raw: &'a [u8],
}

/// Puts a message into its envelope.
pub(super) fn wrap(api_version: &str, kind: &str, raw: &[u8]) -> Bytes {
    let mut writer = Writer::default();
    writer.bytes(4, b"");
    writer.bytes(3, b"");
    writer.bytes(2, raw);
    let mark = writer.mark();
    writer.bytes(2, kind.as_bytes());
    writer.bytes(1, api_version.as_bytes());
    writer.nest(1, mark);
    let mut out = MAGIC.to_vec();
    out.append(&mut writer.finish());
    out.into()
}

/// Takes a message out of its envelope.
pub(super) fn unwrap(body: &[u8]) -> Result<Unknown<'_>, String> {
    let Some(rest) = body.strip_prefix(MAGIC) else {
        return Err("provided data does not appear to be a protobuf message, expected prefix \
                    [107 56 115 0]"
            .into());
    };
    if rest.is_empty() {
        return Err("empty body".into());
    }
    let mut found = Unknown { api_version: String::new(), kind: String::new(), raw: &[] };
    let mut reader = Reader::new(rest, "Unknown");
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Found::Bytes(types)) => read_type(types, &mut found)?,
            (2, Found::Bytes(raw)) => found.raw = raw,
            (3 | 4, Found::Bytes(_)) => {}
            (1, other) => return Err(other.wrong("TypeMeta")),
            (2, other) => return Err(other.wrong("Raw")),
            (3, other) => return Err(other.wrong("ContentEncoding")),
            (4, other) => return Err(other.wrong("ContentType")),
            _ => {}
        }
    }
    Ok(found)
}

fn read_type(types: &[u8], found: &mut Unknown<'_>) -> Result<(), String> {
    let mut reader = Reader::new(types, "TypeMeta");
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Found::Bytes(text)) => found.api_version = String::from_utf8_lossy(text).into(),
            (2, Found::Bytes(text)) => found.kind = String::from_utf8_lossy(text).into(),
            (1, other) => return Err(other.wrong("APIVersion")),
            (2, other) => return Err(other.wrong("Kind")),
            _ => {}
        }
    }
    Ok(())
}
