//! Watches in protobuf: frames of a length, four bytes with the highest first, and a `WatchEvent`
//! that holds an object in its envelope.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#kubernetes-protobuf-encoding>.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::wire::{Found, Reader, Writer};
use super::{DecodeError, decode, encode};
use crate::api::Status;
use crate::json::{Value, json};

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

/// The events of whole frames as JSON shows them; what follows the last whole frame is left.
///
/// # Errors
/// What is wrong with a frame.
pub fn events(mut frames: &[u8]) -> Result<Vec<Value>, DecodeError> {
    let mut found = Vec::new();
    while let Some((length, rest)) = frames.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((frame, rest)) = rest.split_at_checked(length) else { break };
        found.push(read(frame)?);
        frames = rest;
    }
    Ok(found)
}

fn read(frame: &[u8]) -> Result<Value, DecodeError> {
    let (mut kind, mut object) = (String::new(), Value::Null);
    let mut reader = Reader::new(frame, "WatchEvent");
    while let Some((number, found)) = reader.next().map_err(DecodeError::Envelope)? {
        match (number, found) {
            (1, Found::Bytes(text)) => kind = String::from_utf8_lossy(text).into_owned(),
            (2, Found::Bytes(extension)) => {
                let mut extension = Reader::new(extension, "RawExtension");
                while let Some((number, found)) = extension.next().map_err(DecodeError::Envelope)? {
                    if let (1, Found::Bytes(raw)) = (number, found) {
                        object = decode(raw, ("", ""))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(json!({"type": kind, "object": object}))
}
