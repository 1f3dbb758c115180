//! What a client accepts: whole objects, their metadata, rows of a Table.

use http::request::Parts;

use crate::api::{Form, Include, Status};
use crate::protobuf;

/// The encodings that a real server knows besides JSON.
const ENCODINGS: [&str; 2] = ["application/yaml", protobuf::MEDIA_TYPE];

/// The form of the first media type in Accept that this server answers with.
pub(super) fn form(
    parts: &Parts,
    include: impl FnOnce() -> Option<String>,
) -> Result<Form, Box<Status>> {
    let header = parts.headers.get(http::header::ACCEPT).and_then(|v| v.to_str().ok());
    let header = header.unwrap_or("");
    let mut odd = false;
    for media in header.split(',') {
        let mut words = media.split(';').map(str::trim);
        let kind = words.next().unwrap_or("");
        let text = matches!(kind, "application/json" | "application/yaml" | "*/*");
        let words: Vec<&str> = words.collect();
        let wanted = words.iter().find_map(|word| word.strip_prefix("as="));
        let foreign = words.iter().any(|word| match word.split_once('=') {
            Some(("v", version)) => version != "v1",
            Some(("g", group)) => group != "meta.k8s.io",
            _ => false,
        });
        if text && wanted.is_some() && foreign {
            odd = true;
            continue;
        }
        match wanted {
            None if text => return Ok(Form::Whole),
            // Metadata alone has a message, whatever it is of.
            Some("PartialObjectMetadata") if text || kind == protobuf::MEDIA_TYPE => {
                return Ok(Form::Metadata);
            }
            Some("PartialObjectMetadataList") if text || kind == protobuf::MEDIA_TYPE => {
                return Ok(Form::MetadataList);
            }
            Some("Table") if text => return included(include().as_deref()).map(Form::Table),
            None if ENCODINGS.contains(&kind) => return Ok(Form::Whole),
            _ => odd |= text || ENCODINGS.contains(&kind),
        }
    }
    if header.trim().is_empty() {
        return Ok(Form::Whole);
    }
    if odd {
        let message = "only the following media types are accepted: application/json, \
                       application/yaml, application/vnd.kubernetes.protobuf";
        return Err(Box::new(Status::new(406, "NotAcceptable", message)));
    }
    let message = "406: Not Acceptable\n\nAvailable representations: application/json, \
                   application/yaml, application/vnd.kubernetes.protobuf";
    let mut status = Status::new(406, "NotAcceptable", message);
    status.has_details = true;
    Err(Box::new(status))
}

/// How much of an object a Table's row is to hold.
fn included(asked: Option<&str>) -> Result<Include, Box<Status>> {
    match asked.unwrap_or("") {
        "" | "Metadata" => Ok(Include::Metadata),
        "Object" => Ok(Include::Object),
        "None" => Ok(Include::Nothing),
        other => Err(Box::new(Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: \
             must be 'Metadata', 'Object', 'None', or empty"
        )))),
    }
}
