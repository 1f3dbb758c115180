//! Discovery, version and health: what clients ask before they ask for objects.
//!
//! Aggregated discovery (KEP-3352) and the older documents, from one registry.

mod documents;

use std::cmp::Reverse;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use http::request::Parts;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::api::http::{json_answer, respond};
use crate::api::registry::{Registry, Served};
use crate::api::{Status, Verb, health};
use crate::body::Body;
use crate::facts::{Version, facts};
use crate::json::{Value, json};
use crate::protobuf::media;

use documents::{
    Group, GroupList, GroupVersion, Info, Resource, ResourceList, RootPaths,
    Versions as CoreVersions,
};

/// The answer to a path that is no resource, `None` when it is one.
pub fn answer(
    registry: &Registry,
    segments: &[&str],
    parts: &Parts,
) -> Option<http::Response<Body>> {
    let accept = parts.headers.get(http::header::ACCEPT).and_then(|v| v.to_str().ok());
    let aggregated = || accept.is_some_and(|a| a.contains("as=APIGroupDiscoveryList"));
    let is_document = || match segments {
        ["version" | "api"] => true,
        ["api", version] => has_version(registry, "", version),
        ["apis", group, version] => has_version(registry, group, version),
        _ => false,
    };
    Some(match segments {
        _ if parts.method != http::Method::GET && is_document() => {
            json_answer(405, &Status::method_not_allowed().to_value())
        }
        ["version"] if !media::reads_json(&parts.headers) => {
            let message = "406: Not Acceptable\n\nAvailable representations: application/json";
            let mut status = Status::new(406, "NotAcceptable", message);
            status.has_details = true;
            json_answer(406, &status.to_value())
        }
        ["version"] => indented(&version(registry.version())),
        [endpoint @ ("healthz" | "livez" | "readyz"), check @ ..] => {
            let query = parts.uri.query().unwrap_or("");
            let answer = health::answer(registry.version(), endpoint, check, query).map(text);
            answer.unwrap_or_else(page_not_found)
        }
        ["api"] if aggregated() => aggregated_answer(&groups(registry, true)),
        ["apis"] if aggregated() => aggregated_answer(&groups(registry, false)),
        ["api"] => document(&CoreVersions { kind: "APIVersions", versions: ["v1"] }),
        ["apis"] => document(&group_list(registry)),
        ["api", version] => resource_list(registry, "", version),
        ["apis", group] => group_document(registry, group),
        ["apis", group, version] => resource_list(registry, group, version),
        [""] if parts.uri.path().len() < 2 => indented(&index(registry)),
        _ => return None,
    })
}

fn document(value: &impl Serialize) -> http::Response<Body> {
    respond(200, Body::full(serde_json::to_string(value).unwrap_or_default()))
}

/// What a person may look at with a browser.
fn indented(value: &impl Serialize) -> http::Response<Body> {
    respond(200, Body::full(serde_json::to_string_pretty(value).unwrap_or_default()))
}

/// The paths that this server answers.
fn index(registry: &Registry) -> RootPaths {
    let fixed = [
        "/api", "/api/v1", "/apis", "/apis/", "/healthz", "/livez", "/metrics", "/readyz",
        "/version",
    ];
    let mut paths: Vec<String> = fixed.iter().map(|path| (*path).to_owned()).collect();
    for (group, versions) in by_group(registry).iter().filter(|(group, _)| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|(version, _)| format!("/apis/{group}/{version}")));
    }
    paths.sort();
    RootPaths { paths }
}

/// What `/version` says. An older version says so in every field: clients look at the first ones.
fn version(version: Version) -> Info {
    let minor = version.minor().to_string();
    // The oldest that can be acted as is the oldest that there is a table of.
    let least = (version.minor() - 1).max(Version::ALL[0].minor()).to_string();
    Info {
        major: "1",
        minor: minor.clone(),
        emulation_major: "1",
        emulation_minor: minor,
        min_compatibility_major: "1",
        min_compatibility_minor: least,
        git_version: version.git().to_string(),
        git_commit: "",
        git_tree_state: "",
        build_date: "",
        go_version: "",
        compiler: "",
        platform: "linux/amd64",
    }
}

fn text(body: impl Into<Bytes>) -> http::Response<Body> {
    let mut response = http::Response::new(Body::full(body));
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// The answer to a request that no HTTP server reads.
pub fn bad_request() -> http::Response<Body> {
    let mut response = text("400 Bad Request");
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    let close = http::HeaderValue::from_static("close");
    response.headers_mut().insert(http::header::CONNECTION, close);
    response
}

/// The answer to a path that is nobody's.
pub fn page_not_found() -> http::Response<Body> {
    let mut response = text("404 page not found\n");
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    response
}

fn aggregated_answer(items: &[Value]) -> http::Response<Body> {
    let value = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                       "metadata": {}, "items": items});
    let mut response = json_answer(200, &value);
    let media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(media));
    response
}

type Versions<'a> = Vec<(&'a str, Vec<&'a Served>)>;

/// Where a version of a custom kind stands among others: stable ones before betas before alphas, of
/// each the highest number first, and what is no version of Kubernetes' last, by its name.
///
/// Source: `k8s.io/apimachinery/pkg/version`, `CompareKubeAwareVersionStrings`.
pub(super) fn rank(version: &str) -> (u8, Reverse<u64>, Reverse<u64>, &str) {
    let read = |text: &str| -> Option<(u8, u64, u64)> {
        let text = text.strip_prefix('v')?;
        let (maturity, major, minor) = match (text.split_once("beta"), text.split_once("alpha")) {
            (Some((major, minor)), _) => (1, major, minor),
            (_, Some((major, minor))) => (2, major, minor),
            _ => (0, text, "0"),
        };
        Some((maturity, major.parse().ok()?, minor.parse().ok()?))
    };
    match read(version) {
        Some((maturity, major, minor)) => (maturity, Reverse(major), Reverse(minor), ""),
        None => (3, Reverse(0), Reverse(0), version),
    }
}

/// Groups, the built-in ones by their priority, each with its versions in order.
fn by_group(registry: &Registry) -> Vec<(&str, Versions<'_>)> {
    let ranked = facts().resources.iter().filter_map(|entry| entry.get("group")?.as_str());
    let mut groups: Vec<(&str, Versions<'_>)> = Vec::new();
    for group in ranked {
        if !groups.iter().any(|(known, _)| *known == group) {
            groups.push((group, Vec::new()));
        }
    }
    for served in registry.all() {
        let group = &*served.resource.group;
        let at = groups.iter().position(|(known, _)| *known == group).unwrap_or_else(|| {
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        let versions = &mut groups[at].1;
        match versions.iter_mut().find(|(version, _)| *version == served.version) {
            Some((_, list)) => list.push(served),
            None => versions.push((&served.version, vec![served])),
        }
    }
    for (_, versions) in &mut groups {
        if versions.iter().any(|(_, list)| list.iter().any(|served| served.is_custom())) {
            versions.sort_by_key(|(version, _)| rank(version));
        }
    }
    // An older version serves nothing of some.
    groups.retain(|(_, versions)| !versions.is_empty());
    groups
}

fn groups(registry: &Registry, core: bool) -> Vec<Value> {
    by_group(registry)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|(version, list)| {
                    let resources: Vec<Value> =
                        list.iter().map(|served| with_response_kind(served)).collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect()
}

fn with_response_kind(served: &Served) -> Value {
    let mut entry = served.discovery.clone();
    // Whoever asks is to fill in the group and version of the built-in kinds.
    let (group, version) = match served.is_custom() {
        true => (&*served.resource.group, &*served.version),
        false => ("", ""),
    };
    entry["responseKind"] = json!({"group": group, "version": version, "kind": served.kind});
    entry
}

fn group_value<'a>(group: &'a str, versions: &Versions<'a>) -> Group<'a> {
    let versions: Vec<GroupVersion<'a>> = versions
        .iter()
        .map(|(v, _)| GroupVersion { group_version: format!("{group}/{v}"), version: v })
        .collect();
    let preferred_version = versions.first().cloned();
    Group { kind: None, api_version: None, name: group, versions, preferred_version }
}

fn group_list(registry: &Registry) -> GroupList<'_> {
    let groups = by_group(registry)
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_value(group, versions))
        .collect();
    GroupList { kind: "APIGroupList", api_version: "v1", groups }
}

fn has_version(registry: &Registry, group: &str, version: &str) -> bool {
    by_group(registry)
        .iter()
        .any(|(name, versions)| *name == group && versions.iter().any(|(one, _)| *one == version))
}

fn group_document(registry: &Registry, group: &str) -> http::Response<Body> {
    match by_group(registry).iter().find(|(name, _)| *name == group && !group.is_empty()) {
        Some((name, versions)) => document(&Group {
            kind: Some("APIGroup"),
            api_version: Some("v1"),
            ..group_value(name, versions)
        }),
        None => page_not_found(),
    }
}

fn resource_list(registry: &Registry, group: &str, version: &str) -> http::Response<Body> {
    let groups = by_group(registry);
    let versions = groups.iter().find(|(name, _)| *name == group).map(|(_, versions)| versions);
    let found = versions.and_then(|v| v.iter().find(|(name, _)| *name == version));
    let Some((_, list)) = found else {
        let status = Status::no_such_path();
        let served = versions.is_some();
        return if served { json_answer(404, &status.to_value()) } else { page_not_found() };
    };
    let (api_version, group_version) = match group {
        "" => (None, version.to_owned()),
        _ => (Some("v1"), format!("{group}/{version}")),
    };
    let resources = list.iter().flat_map(|served| entries(registry, served)).collect();
    document(&ResourceList { kind: "APIResourceList", api_version, group_version, resources })
}

/// Tells in which version objects are stored, without saying it.
fn storage_hash(registry: &Registry, served: &Served) -> String {
    let (group, version) = match (&*served.resource.group, &*served.resource.resource) {
        ("events.k8s.io", "events") => ("", "v1"),
        ("autoscaling", "horizontalpodautoscalers") => ("autoscaling", "v2"),
        ("apiextensions.k8s.io", _) => ("apiextensions.k8s.io", "v1beta1"),
        // What came with this release is still stored in a form that the one before can read.
        (group @ "resource.k8s.io", _) if served.is_new() => (group, "v1beta2"),
        (group, _) if served.is_new() => (group, "v1beta1"),
        (group, _) => (group, registry.storage_version(served)),
    };
    let hash = Sha256::digest(format!("{group}/{version}/{}", served.kind));
    STANDARD.encode(&hash[..8])
}

/// A resource and its subresources as `APIResource`s.
fn entries<'a>(registry: &Registry, served: &'a Served) -> Vec<Resource<'a>> {
    let entry = &served.discovery;
    let hash = served.serves(Verb::Watch, "").then(|| storage_hash(registry, served));
    let own = Resource {
        name: served.resource.resource.to_string(),
        singular_name: &served.singular,
        namespaced: served.namespaced,
        group: None,
        version: None,
        kind: &served.kind,
        verbs: entry.get("verbs"),
        short_names: entry.get("shortNames"),
        categories: entry.get("categories"),
        storage_version_hash: hash,
    };
    let subresources = entry.get("subresources").and_then(Value::as_array).into_iter().flatten();
    let below = subresources.map(|sub| {
        let name = sub.get("subresource").and_then(Value::as_str).unwrap_or("");
        let kind = |field: &str| sub.get("responseKind")?.get(field)?.as_str();
        let foreign = kind("group")
            .is_some_and(|group| !group.is_empty() && group != &*served.resource.group);
        Resource {
            name: format!("{}/{name}", served.resource.resource),
            singular_name: "",
            namespaced: served.namespaced,
            group: foreign.then(|| kind("group").unwrap_or("")),
            version: foreign.then(|| kind("version").unwrap_or("")),
            kind: kind("kind").unwrap_or(""),
            verbs: sub.get("verbs"),
            short_names: None,
            categories: None,
            storage_version_hash: None,
        }
    });
    std::iter::once(own).chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_fields_in_their_order() {
        let registry = Registry::of(Version::default());
        let text = |path: &str| {
            let (parts, ()) = http::Request::get(path).body(()).expect("a request").into_parts();
            let segments: Vec<&str> = path[1..].split('/').collect();
            let answer = answer(&registry, &segments, &parts).expect("an answer");
            let Body::Chunks(chunks) = answer.into_body() else { panic!("a stream: {path}") };
            let bytes: Vec<u8> = chunks.into_iter().flatten().collect();
            String::from_utf8(bytes).expect("text")
        };
        for (path, found) in [
            (
                "/api/v1",
                r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"bin"#,
            ),
            (
                "/api/v1",
                r#"{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["create","delete","deletecollection","get","list","patch","update","watch"],"shortNames":["po"],"categories":["all"],"storageVersionHash":"#,
            ),
            (
                "/api/v1",
                r#"{"name":"pods/eviction","singularName":"","namespaced":true,"group":"policy","version":"v1","kind":"Eviction","verbs":["create"]}"#,
            ),
            (
                "/apis/apps",
                r#"{"kind":"APIGroup","apiVersion":"v1","name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}"#,
            ),
            (
                "/version",
                "{\n  \"major\": \"1\",\n  \"minor\": \"37\",\n  \"emulationMajor\": \"1\"",
            ),
        ] {
            let text = text(path);
            assert!(text.contains(found), "{path}: {text}");
        }
    }
}
