//! From HTTP to [`Request`] and back: paths, query, media types, bodies.

mod answers;
mod place;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;

use crate::api::registry::{Registry, Served, version_of};
use crate::api::review;
use crate::api::strict::Written;
use crate::api::{Options, PatchType, Request, Status, Verb, query, yaml};
use crate::api::{accept, discovery, json};
use crate::body::Body;
use crate::go_json;
use crate::json::Value;
use crate::object::GroupResource;
use crate::protobuf;

pub(crate) use answers::warned;
pub use answers::{answer, json_answer, refusal, refused, respond, watch_answer};
pub use place::is_malformed;
use place::{Place, segmented};

/// What a path and method mean.
pub enum Routed {
    /// A request to the API.
    Request(Box<Request>),
    /// Something answered at once: discovery, version, health, or a refusal.
    Answer(http::Response<Body>),
}

/// Reads an HTTP request.
pub fn route(registry: &Registry, parts: &Parts, body: &Bytes) -> Routed {
    match parse(registry, parts, body) {
        Ok(routed) => routed,
        Err(status) => Routed::Answer(json_answer(status.code, &status.to_value())),
    }
}

fn parse(registry: &Registry, parts: &Parts, body: &Bytes) -> Result<Routed, Box<Status>> {
    segmented(parts, |segments| read(registry, parts, body, segments))
}

fn read(
    registry: &Registry,
    parts: &Parts,
    body: &Bytes,
    segments: &[&str],
) -> Result<Routed, Box<Status>> {
    query::check_timeout(parts.uri.query().unwrap_or(""))?;
    if let Some(value) = discovery::answer(registry, segments, parts) {
        return Ok(Routed::Answer(value));
    }
    let known = match segments {
        ["api", ..] => true,
        ["apis", group, ..] => registry.has_group(group),
        _ => false,
    };
    if !known {
        return Ok(Routed::Answer(discovery::page_not_found()));
    }
    let place = Place::find(segments).ok_or_else(|| Box::new(Status::no_such_path()))?;
    let resource = registry.collection(place.group, place.resource);
    // The router knows no path of what is not served, whatever the rest of the request says.
    let served = registry.find(&resource, place.version).filter(|served| place.is_of(served));
    let served = served.ok_or_else(|| Box::new(Status::no_such_path()))?;
    if place.is_of_all_namespaces(&served) && parts.method != Method::GET {
        return Err(Box::new(Status::method_not_allowed()));
    }
    // The router refuses it before a handler could say more.
    let by_router = |status: Box<Status>| match status.code == 415 && !served.is_custom() {
        true => Box::new(Status::unsupported_media_type()),
        false => status,
    };
    let (verb, patch) = verb(parts, &place).map_err(by_router)?;
    place.check_name()?;
    let query = parts.uri.query().unwrap_or("");
    let (options, watch) = query::options(&parts.method, query)?;
    let verb = watching(verb, watch);
    // Who connects to a pod says everything in the query.
    let connects = matches!(place.subresource, "exec" | "attach" | "portforward");
    let (mut body, written) = match protobuf::media::is_protobuf(&parts.headers) {
        _ if connects => (Value::Null, Default::default()),
        true => {
            let body = protobuf::request::body(&served, verb, body)?;
            (body, Default::default())
        }
        false => decode(&served, parts, verb, body)?,
    };
    review::sign(parts, &resource, &mut body);
    if matches!(verb, Verb::Delete | Verb::DeleteCollection) && body.is_null() {
        body = delete_options(query)?;
    }
    let rows = accept::has_rows(&resource, place.subresource);
    let form = accept::form(parts, || query::value(query, "includeObject"), rows)?;
    protobuf::request::check_accept(&parts.headers, form, verb, &served)?;
    let agent = parts.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok());
    Ok(Routed::Request(Box::new(Request {
        verb,
        resource,
        version: version_of(place.version),
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        subresource: place.subresource.to_owned().into(),
        patch,
        options: Options { warn: true, form, written, ..merged(options, verb, &body) },
        body,
        user_agent: Arc::from(agent.unwrap_or("unknown")),
        user: None,
    })))
}

/// What a DELETE without a body says in its query.
fn delete_options(query: &str) -> Result<Value, Box<Status>> {
    let mut options = crate::json::Map::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decode(value, true);
        let read = match name {
            "propagationPolicy" => value.as_ref().into(),
            "orphanDependents" => query::is_on(&value).into(),
            "gracePeriodSeconds" => value.parse::<i64>().map(Value::from).map_err(|_| {
                let message = format!("strconv.ParseInt: parsing \"{value}\": invalid syntax");
                Box::new(Status::bad_request(message))
            })?,
            _ => continue,
        };
        options.insert(name.to_owned(), read);
    }
    Ok(if options.is_empty() { Value::Null } else { Value::Object(options) })
}

/// `DeleteOptions` may ask for a dry run in the body.
fn merged(mut options: Options, verb: Verb, body: &Value) -> Options {
    if matches!(verb, Verb::Delete | Verb::DeleteCollection) {
        let dry = body.get("dryRun").and_then(Value::as_array).is_some_and(|d| !d.is_empty());
        options.dry_run |= dry;
    }
    options
}

/// What a request asks, as its path, query and headers say it, whatever the server serves; without
/// its body. `None` for what is no request about a collection: discovery, health, the version.
pub fn asked(parts: &Parts) -> Option<Request> {
    segmented(parts, |segments| asked_of(parts, segments))
}

fn asked_of(parts: &Parts, segments: &[&str]) -> Option<Request> {
    let place = Place::find(segments)?;
    let (options, watch) = query::options(&parts.method, parts.uri.query().unwrap_or("")).ok()?;
    let (verb, patch) = verb(parts, &place).ok()?;
    let verb = watching(verb, watch);
    let agent = parts.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok());
    let resource = GroupResource::owned(place.group, place.resource);
    Some(Request {
        version: version_of(place.version),
        subresource: place.subresource.to_owned().into(),
        patch,
        options,
        ..Request::new(agent.unwrap_or("unknown"), verb, resource, place.namespace, place.name)
    })
}

/// Who lists may ask to watch instead.
fn watching(verb: Verb, watch: bool) -> Verb {
    if watch && verb == Verb::List { Verb::Watch } else { verb }
}

fn verb(parts: &Parts, place: &Place<'_>) -> Result<(Verb, Option<PatchType>), Box<Status>> {
    let named = !place.name.is_empty();
    Ok(match (&parts.method, named) {
        (&Method::GET, _) if place.watch => (Verb::Watch, None),
        (&Method::GET, true) => (Verb::Get, None),
        (&Method::GET, false) => (Verb::List, None),
        (&Method::POST, false) => (Verb::Create, None),
        (&Method::POST, true) if !place.subresource.is_empty() => (Verb::Create, None),
        (&Method::PUT, true) => (Verb::Update, None),
        (&Method::PATCH, true) => (Verb::Patch, Some(patch_type(parts)?)),
        (&Method::DELETE, true) => (Verb::Delete, None),
        (&Method::DELETE, false) => (Verb::DeleteCollection, None),
        _ => return Err(Box::new(Status::method_not_allowed())),
    })
}

fn patch_type(parts: &Parts) -> Result<PatchType, Box<Status>> {
    let media = media_type(parts);
    match media {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        _ => {
            let message = "415: Unsupported Media Type";
            let mut status = Status::new(415, "UnsupportedMediaType", message);
            status.has_details = true;
            Err(Box::new(status))
        }
    }
}

fn media_type(parts: &Parts) -> &str {
    let header = parts.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    header.unwrap_or("").split(';').next().unwrap_or("").trim()
}

/// The body as a tree. What cannot be read is told in the words of the handler that reads it.
fn decode(
    served: &Served,
    parts: &Parts,
    verb: Verb,
    body: &Bytes,
) -> Result<(Value, Written), Box<Status>> {
    let media = media_type(parts);
    let writes = matches!(verb, Verb::Create | Verb::Update);
    let deletes = matches!(verb, Verb::Delete | Verb::DeleteCollection) && !body.is_empty();
    if (writes || deletes) && !matches!(media, "" | "application/json" | "application/yaml") {
        let message = "the body of the request was in an unknown format - accepted media types \
                       include: application/json, application/yaml, \
                       application/vnd.kubernetes.protobuf";
        return Err(Box::new(Status::new(415, "UnsupportedMediaType", message)));
    }
    if body.is_empty() && !writes {
        return Ok((Value::Null, Written::default()));
    }
    let merges = || writes && !served.is_custom();
    let error = match json::read(body, &merges) {
        Ok((value, twice)) => return Ok((value, Written::json(body, twice))),
        Err(error) => error,
    };
    // Apply and YAML bodies are mostly JSON, which is YAML: the slow parser is the fallback.
    let yaml = media.ends_with("yaml").then(|| yaml::read(body));
    let why = match (yaml, verb) {
        (Some(Ok((value, twice))), _) => return Ok((value, Written::yaml(body, twice))),
        (Some(Err(why)), Verb::Patch) => {
            // What begins as JSON does is taken for it, and found out later.
            let message = if body.trim_ascii_start().starts_with(b"{") {
                format!("error decoding patch: error converting YAML to JSON: {why}")
            } else {
                format!("error encoding patch: {why}")
            };
            return Err(Box::new(Status::bad_request(message)));
        }
        (Some(Err(why)), _) => why,
        (None, Verb::Patch) => {
            return Err(Box::new(Status::bad_request("invalid JSON patch")));
        }
        (None, _) => {
            let why = go_json::syntax(body).unwrap_or_else(|| error.to_string());
            format!("couldn't get version/kind; json parse error: {why}")
        }
    };
    if deletes {
        return Err(Box::new(Status::bad_request(why)));
    }
    Err(Box::new(unrecognized(&served.kind, &why, body)))
}

/// What is said of a body of which nothing can be made.
pub(crate) fn unrecognized(kind: &str, why: &str, body: &[u8]) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({})",
        summary(body)
    ))
}

/// The beginning of a body as messages show it: text if it begins as JSON does, else digits.
fn summary(body: &[u8]) -> String {
    const MOST: usize = 30;
    let kept = &body[..body.len().min(MOST)];
    let shown = match kept.first() {
        None => return "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(kept).into_owned(),
        Some(_) => kept.iter().map(|b| format!("{b:02x}")).collect(),
    };
    if body.len() > MOST { format!("{shown} ...") } else { shown }
}

pub(crate) fn percent_decode(text: &str, plus: bool) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || (plus && byte == b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' if plus => out.push(b' '),
            b'%' => {
                let mut rest = bytes.clone();
                let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                match (hex(rest.next()), hex(rest.next())) {
                    (Some(high), Some(low)) => {
                        out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                        bytes = rest;
                    }
                    _ => out.push(b'%'),
                }
            }
            other => out.push(other),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}
