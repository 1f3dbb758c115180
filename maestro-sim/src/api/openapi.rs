//! OpenAPI v3: an index of groups and versions, and a document for each (KEP-2896). And v2: one
//! document of everything, in JSON or in protobuf.
//!
//! Made when somebody asks, from the tables of facts and of words, and from the definitions stored:
//! clients read the types, what is said of them, and which operations take `fieldValidation`.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::api::http::{json_answer, respond};
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::body::Body;
use crate::json::{Map, Value, json};
use crate::object::GroupResource;
use crate::protobuf::media;

pub mod gnostic;
mod operations;
mod second;
mod types;

use operations::operations;
use types::Types;

const DEFINITIONS: GroupResource =
    GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");

/// The answer to `/openapi/v2` or a path under `/openapi/v3`; `None` for any other path.
pub fn answer(server: &Server, path: &str, headers: &HeaderMap) -> Option<http::Response<Body>> {
    if path == "/openapi/v2" {
        return Some(second::answer(server, headers));
    }
    let rest = path.strip_prefix("/openapi/v3")?;
    if rest.is_empty() || rest == "/" {
        let mut answer = json_answer(200, &index(server));
        // The real server does not say what it is.
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, text);
        return Some(answer);
    }
    // Not found without a word.
    let absent = || {
        let mut answer = http::Response::new(Body::full(""));
        *answer.status_mut() = http::StatusCode::NOT_FOUND;
        Some(answer)
    };
    let (group, version) = match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["", "api", version] => ("", *version),
        ["", "apis", group, version] => (*group, *version),
        _ => return absent(),
    };
    let kinds: Vec<&Served> = kinds(server, group, version).collect();
    if kinds.is_empty() {
        return absent();
    }
    if !media::reads_json(headers) {
        return Some(unacceptable());
    }
    Some(json_answer(200, &document(server, &kinds)))
}

/// The answer to those who read no form that there is: it says nothing.
fn unacceptable() -> http::Response<Body> {
    let mut answer = respond(406, Body::full(""));
    answer.headers_mut().remove(CONTENT_TYPE);
    answer
}

fn kinds<'a>(
    server: &'a Server,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Served> {
    let all = server.registry.all().map(|served| &**served);
    all.filter(move |served| served.resource.group == group && served.version == version)
}

/// Every group and version, with a hash by which clients keep what they have read.
fn index(server: &Server) -> Value {
    let all = server.registry.all();
    let places: BTreeSet<String> = all.map(|served| prefix(served)).collect();
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let paths: Map = places
        .into_iter()
        .map(|place| {
            let (group, version) = split(&place);
            // A definition's stored version says whether its document is another.
            let stored: Vec<u64> = kinds(server, group, version)
                .filter_map(|served| definition(server, served))
                .map(|crd| crd.resource_version())
                .collect();
            let hash = hasher.hash_one((&place, stored));
            let url = format!("/openapi/v3/{place}?hash={hash:016X}");
            (place, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

fn prefix(served: &Served) -> String {
    match &*served.resource.group {
        "" => format!("api/{}", served.version),
        group => format!("apis/{group}/{}", served.version),
    }
}

fn split(prefix: &str) -> (&str, &str) {
    let (group, version) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    (group.strip_prefix("apis/").unwrap_or(""), version)
}

fn definition<'a>(server: &'a Server, served: &Served) -> Option<&'a crate::object::Object> {
    let name = format!("{}.{}", served.resource.resource, served.resource.group);
    let stored = || server.store.named(&DEFINITIONS, "", &name).map(AsRef::as_ref);
    served.is_custom().then(stored)?
}

fn document(server: &Server, kinds: &[&Served]) -> Value {
    let mut types = Types::default();
    let mut paths = Map::new();
    for served in kinds {
        let name = types.kind(server, served);
        operations(served, &name, &mut types, &mut paths);
    }
    types.close();
    let Some(first) = kinds.first() else { return Value::Null };
    types.keep_kinds_of(&first.resource.group, &first.version);
    let custom = first.is_custom();
    let (title, version) = match custom {
        true => ("Kubernetes CRD Swagger", "v0.1.0"),
        false => ("Kubernetes", server.registry.version().name()),
    };
    let mut components = json!({"schemas": types.found});
    if !custom {
        components["securitySchemes"] = json!({"BearerToken": bearer_token()});
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": components,
    })
}

fn bearer_token() -> Value {
    json!({"type": "apiKey", "in": "header", "name": "authorization",
           "description": "Bearer Token authentication"})
}

fn own_kind(served: &Served) -> Value {
    json!({"group": served.resource.group, "version": served.version, "kind": served.kind})
}
