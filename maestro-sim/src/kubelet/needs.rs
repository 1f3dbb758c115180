//! What a pod needs from the cluster before it can run, and which of it is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::json::Value;
use crate::kubelet::spec::{Role, containers};
use crate::object::{GroupResource, Object, at};
use crate::quantity::Quantity;
use crate::quota::resources::is_set;

/// Config maps.
pub const CONFIG_MAPS: GroupResource = GroupResource::new("", "configmaps");
/// Secrets.
pub const SECRETS: GroupResource = GroupResource::new("", "secrets");
/// Claims.
pub const CLAIMS: GroupResource = GroupResource::new("", "persistentvolumeclaims");

/// The objects that are not there, in the kubelet's words.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Missing {
    /// Why a volume cannot be mounted: the whole pod waits.
    pub mount: Option<String>,
    /// Why a container cannot be configured, by its name.
    pub environment: BTreeMap<String, String>,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.mount.is_none() && self.environment.is_empty()
    }
}

/// Looks up everything the pod refers to. `get` answers the object of that name, if there.
pub fn missing(
    pod: &Value,
    mut get: impl FnMut(&GroupResource, &str) -> Option<Arc<Object>>,
) -> Missing {
    let namespace = at(pod, &["metadata", "namespace"]).and_then(Value::as_str).unwrap_or("");
    let name = at(pod, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    let volumes = at(pod, &["spec", "volumes"]).and_then(Value::as_array);
    let mount = volumes.into_iter().flatten().find_map(|volume| {
        let called = volume.get("name")?.as_str()?;
        volume_sources(volume, name).into_iter().find_map(|need| {
            let why = unmet(&need, namespace, &mut get)?;
            Some(format!("MountVolume.SetUp failed for volume \"{called}\" : {why}"))
        })
    });
    let mut environment = BTreeMap::new();
    for container in containers(pod) {
        let why = environment_sources(container.value)
            .into_iter()
            .find_map(|need| unmet(&need, namespace, &mut get));
        if let Some(why) = why {
            environment.insert(container.name.to_owned(), why);
        }
    }
    Missing { mount, environment }
}

struct Need<'a> {
    resource: GroupResource,
    name: String,
    keys: Vec<&'a str>,
    optional: bool,
}

impl<'a> Need<'a> {
    fn new(resource: GroupResource, source: &'a Value, name_field: &str) -> Option<Self> {
        let name = source.get(name_field)?.as_str()?.to_owned();
        let optional = source.get("optional").and_then(Value::as_bool) == Some(true);
        let items = source.get("items").and_then(Value::as_array).into_iter().flatten();
        let mut keys: Vec<&str> = items.filter_map(|item| item.get("key")?.as_str()).collect();
        keys.extend(source.get("key").and_then(Value::as_str));
        Some(Self { resource, name, keys, optional })
    }
}

fn volume_sources<'a>(volume: &'a Value, pod: &str) -> Vec<Need<'a>> {
    let projected = at(volume, &["projected", "sources"]).and_then(Value::as_array);
    let mut needs: Vec<Need<'a>> = projected
        .into_iter()
        .flatten()
        .flat_map(|source| {
            let map = source.get("configMap").and_then(|s| Need::new(CONFIG_MAPS, s, "name"));
            let secret = source.get("secret").and_then(|s| Need::new(SECRETS, s, "name"));
            [map, secret]
        })
        .flatten()
        .collect();
    needs.extend(volume.get("configMap").and_then(|s| Need::new(CONFIG_MAPS, s, "name")));
    needs.extend(volume.get("secret").and_then(|s| Need::new(SECRETS, s, "secretName")));
    let claim = volume.get("persistentVolumeClaim");
    needs.extend(claim.and_then(|s| Need::new(CLAIMS, s, "claimName")));
    if volume.get("ephemeral").is_some_and(Value::is_object) {
        let called = volume.get("name").and_then(Value::as_str).unwrap_or("");
        let name = format!("{pod}-{called}");
        needs.push(Need { resource: CLAIMS, name, keys: Vec::new(), optional: false });
    }
    needs
}

fn environment_sources(container: &Value) -> Vec<Need<'_>> {
    let list = |name| container.get(name).and_then(Value::as_array).into_iter().flatten();
    let whole = list("envFrom").flat_map(|source| {
        let map = source.get("configMapRef").and_then(|s| Need::new(CONFIG_MAPS, s, "name"));
        [map, source.get("secretRef").and_then(|s| Need::new(SECRETS, s, "name"))]
    });
    let single = list("env").flat_map(|variable| {
        let from = variable.get("valueFrom");
        let source = |field| from.and_then(|f| f.get(field));
        let map = source("configMapKeyRef").and_then(|s| Need::new(CONFIG_MAPS, s, "name"));
        [map, source("secretKeyRef").and_then(|s| Need::new(SECRETS, s, "name"))]
    });
    whole.chain(single).flatten().collect()
}

/// Why a need is not met, or `None` when it is.
fn unmet(
    need: &Need<'_>,
    namespace: &str,
    get: &mut impl FnMut(&GroupResource, &str) -> Option<Arc<Object>>,
) -> Option<String> {
    let kind = match &*need.resource.resource {
        "configmaps" => "configmap",
        "secrets" => "secret",
        _ => "persistentvolumeclaim",
    };
    let Some(found) = get(&need.resource, &need.name) else {
        let why = format!("{kind} \"{}\" not found", need.name);
        return (!need.optional).then_some(why);
    };
    if need.resource == CLAIMS {
        let bound = found.text(&["status", "phase"]) == "Bound";
        return (!bound).then(|| format!("PVC {namespace}/{} is not bound", need.name));
    }
    let holds =
        |key: &str| ["data", "binaryData"].iter().any(|field| found.at(&[field, key]).is_some());
    let absent = need.keys.iter().find(|key| !holds(key)).filter(|_| !need.optional)?;
    let kind = if kind == "secret" { "Secret" } else { "ConfigMap" };
    Some(format!("couldn't find key {absent} in {kind} {namespace}/{}", need.name))
}

/// `status.qosClass`, from the requests and limits of cpu and memory of every container, or of the
/// pod as a whole where it has such.
pub fn qos_class(pod: &Value) -> &'static str {
    let whole = at(pod, &["spec"]).filter(|spec| spec.get("resources").is_some_and(is_set));
    let all: Vec<&Value> = match whole {
        Some(spec) => vec![spec],
        None => {
            let own = containers(pod).into_iter().filter(|one| one.role != Role::Ephemeral);
            own.map(|container| container.value).collect()
        }
    };
    let amount = |container: &Value, list: &str, name: &str| {
        let text = at(container, &["resources", list, name])?;
        let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
        text.parse::<Quantity>().ok().filter(|q| !q.is_zero())
    };
    let names = ["cpu", "memory"];
    let any = all.iter().any(|c| {
        names.iter().any(|n| amount(c, "requests", n).is_some() || amount(c, "limits", n).is_some())
    });
    let guaranteed = all.iter().all(|c| {
        names.iter().all(|n| {
            let limit = amount(c, "limits", n);
            limit.is_some() && amount(c, "requests", n).or(limit) == limit
        })
    });
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
