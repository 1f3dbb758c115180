//! What a client accepts: whole objects, their metadata, rows of a Table.

use http::request::Parts;

use crate::api::{Form, Include, Meta, Status};
use crate::object::GroupResource;
use crate::protobuf;

/// The encodings that a real server knows besides JSON.
const ENCODINGS: [&str; 2] = ["application/yaml", protobuf::MEDIA_TYPE];

/// The form of the first media type in Accept that this server answers with; `rows` says whether
/// there are any (see [`has_rows`]).
pub(super) fn form(
    parts: &Parts,
    include: impl FnOnce() -> Option<String>,
    rows: bool,
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
        let meta = meta(&words);
        if text && wanted.is_some() && meta.is_none() {
            odd = true;
            continue;
        }
        let message = kind == protobuf::MEDIA_TYPE && meta == Some(Meta::V1);
        let meta = meta.unwrap_or_default();
        match wanted {
            None if text => return Ok(Form::Whole),
            // Metadata alone has a message, whatever it is of, in the newer version.
            Some("PartialObjectMetadata") if text || message => {
                return Ok(Form::Metadata(meta));
            }
            Some("PartialObjectMetadataList") if text || message => {
                return Ok(Form::MetadataList(meta));
            }
            Some("Table") if text && rows => {
                let include = included(include().as_deref())?;
                return Ok(Form::Table(include, meta));
            }
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

/// The version that a form is wanted in; `None` for those that no form has.
fn meta(words: &[&str]) -> Option<Meta> {
    words.iter().try_fold(Meta::V1, |meta, word| match word.split_once('=') {
        Some(("v", "v1")) => Some(Meta::V1),
        Some(("v", "v1beta1")) => Some(Meta::V1beta1),
        Some(("g", group)) if group != "meta.k8s.io" => None,
        Some(("v", _)) => None,
        _ => Some(meta),
    })
}

/// Whether there are rows: there are none of what is posted and kept nowhere.
pub(super) fn has_rows(resource: &GroupResource, subresource: &str) -> bool {
    !matches!(
        (&*resource.group, &*resource.resource),
        ("authentication.k8s.io" | "authorization.k8s.io", _) | ("", "bindings")
    ) && !matches!(subresource, "binding" | "eviction" | "token")
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
