//! Kubernetes' protobuf encoding of built-in kinds, converted from and to the JSON that the API
//! server works on.
//!
//! Which messages there are says [`table`], made from the Go modules of Kubernetes. Custom kinds
//! have no messages and are JSON alone. Nothing here is touched for a program that speaks JSON;
//! people are shown it in the order of `order`.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#kubernetes-protobuf-encoding>.

pub mod answer;
mod decode;
mod encode;
mod envelope;
pub mod media;
pub(crate) mod order;
pub mod request;
mod special;
mod table;
#[cfg(test)]
mod tests;
pub mod watch;
mod wire;

use bytes::Bytes;

use crate::json::Value;

pub use table::MessageId;

/// The media type of a body in protobuf.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// The message of a kind; `None` for kinds that have none, as all custom ones.
pub fn message_of(api_version: &str, kind: &str) -> Option<MessageId> {
    table::table().of_kind(api_version, kind)
}

/// Options for a deletion are of every group and version.
fn options(kind: &str) -> Option<MessageId> {
    (kind == "DeleteOptions").then(|| table::table().named("meta.v1.DeleteOptions")).flatten()
}

/// An object, list or Status with the envelope around it; `None` when its kind has no message.
///
/// # Errors
/// Which field holds a value that its type in protobuf cannot hold.
pub fn encode(value: &Value) -> Option<Result<Bytes, String>> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or("");
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let options = || options(kind).filter(|_| value.get("metadata").is_none());
    let message = message_of(api_version, kind).or_else(options)?;
    let encoded = encode::message(message, value);
    Some(encoded.map(|raw| envelope::wrap(api_version, kind, &raw)))
}

/// A body in protobuf as the JSON object that it stands for, with the type that it names, or of
/// `otherwise` (`apiVersion` and kind) where it names none.
///
/// # Errors
/// What is wrong with it.
pub fn decode(body: &[u8], otherwise: (&str, &str)) -> Result<Value, DecodeError> {
    let found = envelope::unwrap(body).map_err(DecodeError::Envelope)?;
    let or = |found: String, otherwise: &str| match found.is_empty() {
        true => otherwise.to_owned(),
        false => found,
    };
    let kind = or(found.kind, otherwise.1);
    let api_version = or(found.api_version, otherwise.0);
    let message = message_of(&api_version, &kind).or_else(|| options(&kind));
    let Some(message) = message else { return Err(DecodeError::NoMessage { api_version, kind }) };
    decode::message(message, found.raw, &api_version, &kind).map_err(|why| DecodeError::Message {
        api_version,
        kind,
        why,
    })
}

/// Why a body in protobuf could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is no message in an envelope.
    #[error("{0}")]
    Envelope(String),
    /// The kind that it names has no message.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    NoMessage {
        /// The `apiVersion` that it names.
        api_version: String,
        /// The kind that it names.
        kind: String,
    },
    /// The message is broken, or of another type.
    #[error("{why}")]
    Message {
        /// Its `apiVersion`.
        api_version: String,
        /// Its kind.
        kind: String,
        /// What is wrong with it.
        why: String,
    },
}
