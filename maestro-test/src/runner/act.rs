//! What a scenario's steps do to the cluster, as a person with `kubectl` would.

use maestro_sim::api::{Options, PatchType, Request, Verb};
use maestro_sim::json::{Map, Value, json};
use maestro_sim::object::Key;

use super::Recorder;
use super::faults::pods;
use crate::cluster::{Cluster, Served};
use crate::event::USER;
use crate::scenario::{Action, Condition, Scenario};

/// The version of an object that did not satisfy what a step waits for, and why.
pub type Unmet = Option<(u64, String)>;

/// Tries a step once: `None` when it is done, else why not yet. An error ends the run. One version
/// of an object is not looked at twice.
pub async fn attempt(
    cluster: &dyn Cluster,
    scenario: &Scenario,
    step: &str,
    action: Action<'_>,
    (condition, unmet): (Option<&Condition>, &mut Unmet),
    recorder: &Recorder,
) -> Result<Option<String>, String> {
    let done = |result: Result<(), String>| Ok(result.err());
    match action {
        Action::Apply(paths) => {
            for path in paths {
                for object in objects(&scenario.resolve(path))? {
                    if let Err(why) = apply(cluster, &object) {
                        return Ok(Some(why));
                    }
                }
            }
            Ok(None)
        }
        Action::Patch(p) => {
            let body = json!({"spec": Value::Object(p.spec.clone())});
            done(merge(cluster, &p.kind, p.namespace.as_deref(), &p.name, "", body))
        }
        Action::Edit(e) => {
            let body = Value::Object(e.merge.clone());
            done(merge(cluster, &e.kind, e.namespace.as_deref(), &e.name, "", body))
        }
        Action::Scale(s) => {
            let body = json!({"spec": {"replicas": s.replicas}});
            done(merge(cluster, &s.kind, s.namespace.as_deref(), &s.name, "scale", body))
        }
        Action::Delete(t) => {
            let request = about(cluster, &t.kind, t.namespace.as_deref(), &t.name, Verb::Delete);
            let Some((_, request)) = request else { return Ok(Some(no_kind(&t.kind))) };
            done(send(cluster, request))
        }
        Action::Await(wait) => {
            let request =
                about(cluster, &wait.kind, wait.namespace.as_deref(), &wait.name, Verb::Get);
            let Some((served, request)) = request else { return Ok(Some(no_kind(&wait.kind))) };
            let found = cluster.find(&served, &Key::new(&request.namespace, &request.name));
            match (found, condition) {
                (None, None) => Ok(None),
                (Some(_), None) => Ok(Some("it is still there".into())),
                (None, Some(_)) => Ok(Some(format!("there is no {} {}", *wait.kind, *wait.name))),
                (Some(object), Some(condition)) => {
                    let version = object.resource_version();
                    if let Some((_, why)) = unmet.as_ref().filter(|(known, _)| *known == version) {
                        return Ok(Some(why.clone()));
                    }
                    let why = match condition.holds(object.value()) {
                        Ok(true) => return Ok(None),
                        Ok(false) => format!("`{}` is false", condition.source()),
                        Err(error) => error,
                    };
                    *unmet = Some((version, why.clone()));
                    Ok(Some(why))
                }
            }
        }
        Action::Kill(kill) => {
            let mut stream = cluster.stream(&format!("kill/{step}"));
            pods::kill(cluster, kill, "pod-kill", &mut stream, recorder);
            Ok(None)
        }
        Action::Sleep(range) => {
            let mut stream = cluster.stream(&format!("sleep/{step}"));
            tokio::time::sleep(cluster.paced(stream.duration(&range.bounds()))).await;
            Ok(None)
        }
    }
}

/// The objects of a file or directory; a Framework's directory becomes one Framework.
fn objects(path: &std::path::Path) -> Result<Vec<Value>, String> {
    use maestro_core::load;
    let plain = |error: load::LoadError| error.to_string();
    if path.join("framework.yaml").exists() || path.ends_with("framework.yaml") {
        let package = load::load(path).map_err(plain)?;
        let mut spec = serde_json::to_value(&package.spec).map_err(|e| e.to_string())?;
        if let Some(map) = spec.as_object_mut() {
            map.retain(|_, value| !value.is_null());
        }
        let framework = json!({"apiVersion": "maestro.dev/v1alpha1", "kind": "Framework",
                               "metadata": {"name": package.name}, "spec": spec});
        let manifests = package.manifests.into_iter().map(Value::from);
        return Ok(std::iter::once(framework).chain(manifests).collect());
    }
    let documents = |file: &std::path::Path| {
        let read = load::documents(file).map_err(plain)?;
        Ok::<_, String>(read.into_iter().map(Value::from))
    };
    if !path.is_dir() {
        return Ok(documents(path)?.collect());
    }
    let read = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut files: Vec<_> = std::fs::read_dir(path)
        .map_err(read)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(documents(&file)?);
    }
    Ok(all)
}

/// Server-side apply as the user.
pub fn apply(cluster: &dyn Cluster, object: &Value) -> Result<(), String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    let (kind, api) = (text(object.get("kind")), text(object.get("apiVersion")));
    let group = api.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    let empty = Map::new();
    let meta = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let namespace = meta.get("namespace").and_then(Value::as_str).map(str::to_owned);
    let qualified = format!("{kind}.{group}");
    let name = text(meta.get("name"));
    let request = about(cluster, &qualified, namespace.as_deref(), &name, Verb::Patch);
    let Some((_, mut request)) = request else { return Err(no_kind(&kind)) };
    request.patch = Some(PatchType::Apply);
    request.options.force = Some(true);
    request.body = object.clone();
    send(cluster, request)
}

fn merge(
    cluster: &dyn Cluster,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    subresource: &'static str,
    body: Value,
) -> Result<(), String> {
    let request = about(cluster, kind, namespace, name, Verb::Patch);
    let Some((_, mut request)) = request else { return Err(no_kind(kind)) };
    request.patch = Some(PatchType::Merge);
    request.subresource = subresource.into();
    request.body = body;
    send(cluster, request)
}

fn no_kind(kind: &str) -> String {
    format!("the cluster serves no kind {kind}")
}

/// A request about an object by `Kind` or `Kind.group`; `None` when nothing serves the kind.
fn about(
    cluster: &dyn Cluster,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    verb: Verb,
) -> Option<(Served, Request)> {
    let (kind, group) = match kind.split_once('.') {
        Some((kind, group)) => (kind, Some(group)),
        None => (kind, None),
    };
    let served = cluster.served(kind, group)?;
    let namespace = if served.namespaced { namespace.unwrap_or("default") } else { "" };
    let request = Request {
        version: served.version.clone(),
        options: Options { field_manager: Some(USER.to_owned()), ..Options::default() },
        ..Request::new(USER, verb, served.resource.clone(), namespace, name)
    };
    Some((served, request))
}

fn send(cluster: &dyn Cluster, request: Request) -> Result<(), String> {
    cluster.send(request).map_err(|status| status.to_string())
}
