//! What a client accepts: whole objects, their metadata, rows of a Table.

use http::request::Parts;

use crate::api::{Form, Include, Status};

/// The form of the first media type in Accept that this server answers with.
pub(super) fn form(parts: &Parts, include: Option<&str>) -> Result<Form, Box<Status>> {
    let header = parts.headers.get(http::header::ACCEPT).and_then(|v| v.to_str().ok());
    for media in header.unwrap_or("").split(',') {
        let mut words = media.split(';').map(str::trim);
        let json = matches!(words.next(), Some("application/json" | "application/*" | "*/*"));
        let wanted = words.find_map(|word| word.strip_prefix("as="));
        match wanted {
            None if json => return Ok(Form::Whole),
            Some("PartialObjectMetadata") if json => return Ok(Form::Metadata),
            Some("PartialObjectMetadataList") if json => return Ok(Form::MetadataList),
            Some("Table") if json => return included(include).map(Form::Table),
            _ => {}
        }
    }
    Ok(Form::Whole)
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
