//! Watches in protobuf: frames of a length, four bytes with the highest first, and a `WatchEvent`
//! that holds an object in its envelope.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#kubernetes-protobuf-encoding>.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::Value;

use super::encode;
use super::wire::Writer;
use crate::api::Status;

/// One event as a frame. An object that cannot be encoded becomes an ERROR.
pub fn frame(kind: &str, object: &Value) -> Bytes {
    match encode(object) {
        Some(Ok(object)) => event(kind, &object),
        Some(Err(why)) => failed(&why),
        None => failed("the kind has no message"),
    }
}

fn failed(why: &str) -> Bytes {
    let status = Status::new(500, "InternalError", format!("cannot encode an event: {why}"));
    let status = encode(&status.to_value()).and_then(Result::ok);
    event("ERROR", &status.unwrap_or_default())
}

fn event(kind: &str, object: &[u8]) -> Bytes {
    let mut writer = Writer::default();
    let mark = writer.mark();
    writer.bytes(1, object);
    writer.nest(2, mark);
    writer.bytes(1, kind.as_bytes());
    let event = writer.finish();
    let mut out = BytesMut::with_capacity(event.len() + 4);
    // Far below 4 GiB: an object is never larger than a request.
    out.put_u32(u32::try_from(event.len()).unwrap_or(u32::MAX));
    out.put_slice(&event);
    out.freeze()
}
