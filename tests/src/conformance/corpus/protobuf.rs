//! Every kind once more, as clients meet it that speak protobuf: bodies and answers.

use maestro_sim::json::{Value, json};

use maestro_sim::facts::facts;

use super::kinds::{Kind, kinds};
use crate::conformance::case::{Sequence, Step};

/// What typed clients of client-go accept.
const EITHER: &str = "application/vnd.kubernetes.protobuf,application/json";
const ONLY: &str = "application/vnd.kubernetes.protobuf";
const METADATA: &str =
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

pub(super) fn sequences() -> Result<Vec<Sequence>, String> {
    kinds()?.iter().map(sequence).collect()
}

/// `apiVersion`, kind and resource at a path.
fn names(at: &str) -> Result<(String, String, String), String> {
    let tail = at.trim_start_matches("/apis/").trim_start_matches("/api/");
    let (api_version, resource) = tail.rsplit_once('/').unwrap_or(("v1", tail));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let found = facts().resources.iter().find(|entry| {
        entry["group"] == group && entry["version"] == version && entry["resource"] == resource
    });
    let kind = found.and_then(|entry| entry["kind"].as_str());
    let kind = kind.ok_or_else(|| format!("kinds.yaml: no kind at {at}"))?;
    Ok((api_version.to_owned(), kind.to_owned(), resource.to_owned()))
}

fn sequence(kind: &Kind) -> Result<Sequence, String> {
    let at = &kind.at;
    let (api_version, kind_name, resource) = names(at)?;
    let name = if at.starts_with('/') { "$NS-one" } else { "one" };
    let mut object = kind.object.clone();
    object["apiVersion"] = api_version.as_str().into();
    object["kind"] = kind_name.as_str().into();
    object["metadata"]["name"] = name.into();
    let mut labelled = object.clone();
    labelled["metadata"]["labels"] = json!({"step": "put"});
    labelled["metadata"]["resourceVersion"] = "${created/metadata/resourceVersion}".into();
    let foreground = json!({"apiVersion": api_version, "kind": "DeleteOptions",
                            "propagationPolicy": "Background",
                            "preconditions": {"uid": "${created/metadata/uid}"}});
    let stale = json!({"apiVersion": api_version, "kind": "DeleteOptions",
                       "preconditions": {"uid": "00000000-0000-0000-0000-000000000001"}});
    let send = |ask: String, body: Value| {
        Step { media: "protobuf".into(), ..Step::new(ask, body) }.header("accept", EITHER)
    };
    let read = |ask: String, accept: &str| Step::new(ask, Value::Null).header("accept", accept);
    let one = format!("{at}/{name}");
    let own = format!("{at}?fieldSelector=metadata.name={name}");
    let requests = vec![
        read(format!("GET {one}"), EITHER),
        send(format!("POST {at}"), object.clone()).keep("created"),
        send(format!("POST {at}"), object),
        read(format!("GET {one}"), ONLY),
        read(format!("GET {one}"), "application/json"),
        read(format!("GET {own}"), EITHER),
        read(format!("GET {one}"), METADATA),
        read(format!("GET {own}&watch=1&resourceVersion=0"), EITHER),
        send(format!("PUT {one}"), labelled).keep("put"),
        read(
            format!("GET {own}&watch=1&resourceVersion=${{created/metadata/resourceVersion}}"),
            ONLY,
        ),
        send(format!("DELETE {one}"), stale),
        send(format!("DELETE {one}?gracePeriodSeconds=0"), foreground),
        read(format!("GET {one}"), EITHER),
    ];
    // A namespace's name has at most 63 letters: the group's first word tells kinds apart.
    let (group, version) = api_version.split_once('/').unwrap_or(("core", &api_version));
    let group = group.split('.').next().unwrap_or(group);
    Ok(Sequence { name: format!("proto-{resource}-{version}-{group}"), requests })
}
