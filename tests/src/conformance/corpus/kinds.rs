//! Every verb on every kind that the server serves: one sequence a kind.

use maestro_sim::json::{Value, json};
use serde::Deserialize;

use crate::conformance::case::{Sequence, Step};

const KINDS: &str = include_str!("../../../conformance/kinds.yaml");

/// A kind with a small valid object of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    /// Path of the collection, as in [`Step::ask`].
    pub(super) at: String,
    /// An object without type and name, which are filled in.
    pub(super) object: Value,
    /// A merge patch that changes something beside the metadata; none when all is fixed.
    #[serde(default)]
    change: Value,
}

pub(super) fn sequences() -> Result<Vec<Sequence>, String> {
    Ok(kinds()?.iter().map(sequence).collect())
}

/// Every kind of the corpus.
pub(super) fn kinds() -> Result<Vec<Kind>, String> {
    serde_yaml::from_str(KINDS).map_err(|e| format!("tests/conformance/kinds.yaml: {e}"))
}

fn sequence(kind: &Kind) -> Sequence {
    let at = &kind.at;
    // Cluster-wide objects need names that no other sequence uses.
    let name = if at.starts_with('/') { "$NS-one" } else { "one" };
    let one = format!("{at}/{name}");
    let named = |name: &str, object: &Value| {
        let mut object = object.clone();
        object["metadata"]["name"] = name.into();
        object
    };
    let object = named(name, &kind.object);
    let label = |value: &str| json!({"metadata": {"labels": {"step": value}}});
    let change = match &kind.change {
        Value::Null => label("changed"),
        given => given.clone(),
    };
    let mut stale = object.clone();
    stale["metadata"]["resourceVersion"] = "${created/metadata/resourceVersion}".into();
    let mut fresh = object.clone();
    fresh["metadata"]["resourceVersion"] = "${patched/metadata/resourceVersion}".into();
    fresh["metadata"]["annotations"] = json!({"put": "yes"});
    let mut unknown = object.clone();
    unknown["metadata"]["name"] = format!("{name}-unknown").into();
    unknown["surplus"] = 1.into();
    let requests = vec![
        Step::new(format!("GET {one}"), Value::Null),
        Step::new(format!("POST {at}"), object.clone()).keep("created"),
        Step::new(format!("POST {at}"), object),
        Step::new(format!("POST {at}?dryRun=All"), named(&format!("{name}-dry"), &kind.object)),
        Step::new(format!("POST {at}?fieldValidation=Strict"), unknown),
        Step::new(format!("POST {at}"), named("Not_A_Name!", &kind.object)),
        Step::new(format!("GET {one}"), Value::Null),
        Step::new(format!("GET {at}?fieldSelector=metadata.name={name}"), Value::Null),
        Step::new(format!("GET {at}?fieldSelector=metadata.name={name}&watch=1"), Value::Null),
        Step::new(format!("GET {at}?fieldSelector=spec.nothing=x"), Value::Null),
        Step::patch(&one, "merge", label("merged")).keep("patched"),
        Step::patch(&one, "merge", label("merged")),
        Step::new(format!("PUT {one}"), stale),
        Step::new(format!("PUT {one}"), fresh),
        Step::patch(&one, "merge", change),
        Step::patch(&one, "strategic", label("strategic")),
        Step::patch(
            &one,
            "json",
            json!([{"op": "replace", "path": "/metadata/labels/step", "value": "json"}]),
        ),
        Step::patch(format!("{one}?fieldManager=other"), "apply", label("applied")),
        Step::patch(format!("{one}?fieldManager=other&force=true"), "apply", label("applied")),
        Step::new(format!("GET {one}"), Value::Null).header("accept", TABLE),
        Step::new(format!("GET {one}"), Value::Null).header("accept", METADATA),
        Step::new(format!("DELETE {one}?dryRun=All"), Value::Null),
        Step::new(format!("DELETE {one}"), json!({"preconditions": {"uid": "wrong"}})),
        Step::new(format!("DELETE {one}"), Value::Null),
        Step::new(format!("DELETE {one}"), Value::Null),
        Step::new(format!("DELETE {at}?labelSelector=step"), Value::Null),
    ];
    // A namespace's name has at most 63 letters: the group's first word tells kinds apart.
    let mut words = at.trim_start_matches("/apis/").trim_start_matches("/api/").rsplit('/');
    let resource = words.next().unwrap_or("");
    let version = words.next().unwrap_or("v1");
    let group = words.next().and_then(|group| group.split('.').next()).unwrap_or("core");
    Sequence { name: format!("kind-{resource}-{version}-{group}"), requests }
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
