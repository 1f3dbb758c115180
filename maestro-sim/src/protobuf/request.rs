//! Bodies of requests that come in protobuf.

use http::HeaderMap;

use super::media::{Wire, wanted};
use super::{DecodeError, decode};
use crate::api::http::unrecognized;
use crate::api::registry::Served;
use crate::api::{Form, Status, Verb};
use crate::json::{Value, json};

/// The media types of bodies and answers, as messages list them.
const ALL: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

const STREAMED: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

/// Refuses a client that wants events in YAML, and one that reads protobuf alone and asks for a
/// kind that has none, before anything is done. Metadata alone has a message, whatever it is of.
///
/// # Errors
/// 406 NotAcceptable.
pub fn check_accept(
    headers: &HeaderMap,
    form: Form,
    verb: Verb,
    served: &Served,
) -> Result<(), Box<Status>> {
    let wire = wanted(headers);
    if wire == Wire::Yaml && verb == Verb::Watch {
        // Nothing says in YAML where an event ends.
        let all = if served.is_custom() { &STREAMED[..1] } else { &STREAMED };
        let all = all.join(", ");
        let message = format!("only the following media types are accepted: {all}");
        return Err(Box::new(Status::new(406, "NotAcceptable", message)));
    }
    if wire != (Wire::Protobuf { only: true }) || form != Form::Whole || !served.is_custom() {
        return Ok(());
    }
    let message = format!("only the following media types are accepted: {ALL}");
    Err(Box::new(Status::new(406, "NotAcceptable", message)))
}

/// Reads a body: an object of the served kind, or options for a deletion.
///
/// # Errors
/// 415 for kinds that are not in protobuf, where kube-apiserver 1.37.2 breaks the connection off;
/// 400 for a body that is no such message.
pub fn body(served: &Served, verb: Verb, body: &[u8]) -> Result<Value, Box<Status>> {
    let deletes = matches!(verb, Verb::Delete | Verb::DeleteCollection);
    if body.is_empty() && deletes {
        return Ok(Value::Null);
    }
    if served.is_custom() && !deletes {
        let message = "the body of the request was in an unknown format - accepted media types \
                       include: application/json, application/yaml";
        return Err(Box::new(Status::new(415, "UnsupportedMediaType", message)));
    }
    let kind = if deletes { "DeleteOptions" } else { &served.kind };
    match decode(body, (served.api_version(), kind)) {
        Ok(value) => Ok(value),
        Err(why) if deletes => Err(Box::new(Status::bad_request(why.to_string()))),
        // The server says of its type what it says of any body's.
        Err(DecodeError::NoMessage { api_version, kind }) => {
            Ok(json!({"apiVersion": api_version, "kind": kind}))
        }
        Err(DecodeError::Envelope(why)) => Err(Box::new(unrecognized(kind, &why, body))),
        Err(DecodeError::Message { api_version, kind: found, why }) => {
            let version = api_version.rsplit('/').next().unwrap_or("");
            Err(Box::new(Status::bad_request(format!(
                "{found} in version \"{version}\" cannot be handled as a {kind}: {why}"
            ))))
        }
    }
}
