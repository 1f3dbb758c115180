//! The LimitRanger plugin: defaults for containers, and bounds of what pods and claims ask for.
//!
//! Source: <https://kubernetes.io/docs/concepts/policy/limit-range/>,
//! `k8s.io/kubernetes/plugin/pkg/admission/limitranger`.

use std::sync::Arc;

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, Status};
use crate::json::Value;
use crate::object::{GroupResource, Key, Object, at, map_at};
use crate::quantity::Quantity;
use crate::quota::resources::{self, amounts};
use crate::scheduler::pod::Amounts;

const RANGES: GroupResource = GroupResource::new("", "limitranges");
/// Where a pod says what was set for it.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Who asks for what.
struct Asked {
    requests: Amounts,
    /// None where limits are not spoken of.
    limits: Option<Amounts>,
}

impl Asked {
    fn of(container: &Value) -> Self {
        let of = |kind: &str| amounts(at(container, &["resources", kind]));
        Self { requests: of("requests"), limits: Some(of("limits")) }
    }

    fn request(&self, name: &str) -> Option<Quantity> {
        self.requests.get(name).copied()
    }

    fn limit(&self, name: &str) -> Option<Quantity> {
        self.limits.as_ref()?.get(name).copied()
    }

    fn below(&self, of: &str, name: &str, least: Quantity) -> Option<String> {
        let head = format!("minimum {name} usage per {of} is {least}");
        let Some(request) = self.request(name) else {
            return Some(format!("{head}.  No request is specified"));
        };
        if request < least {
            return Some(format!("{head}, but request is {request}"));
        }
        let limit = self.limit(name).filter(|limit| *limit < least);
        limit.map(|limit| format!("{head}, but limit is {limit}"))
    }

    fn above(&self, of: &str, name: &str, most: Quantity) -> Option<String> {
        let head = format!("maximum {name} usage per {of} is {most}");
        if self.limits.is_some() {
            let Some(limit) = self.limit(name) else {
                return Some(format!("{head}.  No limit is specified"));
            };
            if limit > most {
                return Some(format!("{head}, but limit is {limit}"));
            }
        } else if self.request(name).is_none() {
            return Some(format!("{head}.  No request is specified"));
        }
        let request = self.request(name).filter(|request| *request > most);
        request.map(|request| format!("{head}, but request is {request}"))
    }

    fn beyond(&self, of: &str, name: &str, most: Quantity) -> Option<String> {
        let head = format!("{name} max limit to request ratio per {of} is {most}");
        let some = |amount: Option<Quantity>| amount.filter(|amount| !amount.is_zero());
        let Some(request) = some(self.request(name)) else {
            return Some(format!("{head}, but no request is specified or request is 0"));
        };
        let Some(limit) = some(self.limit(name)) else {
            return Some(format!("{head}, but no limit is specified or limit is 0"));
        };
        let float = |amount: Quantity| amount.milli_value() as f64;
        let ratio = float(limit) / float(request);
        let told = || format!("{head}, but provided ratio is {ratio:.6}");
        (ratio * 1000.0 > float(most)).then(told)
    }

    /// What of one limit is not kept.
    fn breaks(&self, limit: &Value, out: &mut Vec<String>) {
        let of = limit.get("type").and_then(Value::as_str).unwrap_or("");
        let bounds = |field: &str| amounts(limit.get(field));
        out.extend(bounds("min").iter().filter_map(|(name, q)| self.below(of, name, *q)));
        out.extend(bounds("max").iter().filter_map(|(name, q)| self.above(of, name, *q)));
        if self.limits.is_some() {
            let ratios = bounds("maxLimitRequestRatio");
            out.extend(ratios.iter().filter_map(|(name, q)| self.beyond(of, name, *q)));
        }
    }
}

/// What of one range is not kept by an object.
fn broken(range: &Object, plural: &str, body: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for limit in range.items(&["spec", "limits"]) {
        match (plural, limit.get("type").and_then(Value::as_str).unwrap_or("")) {
            ("pods", "Container") => {
                for container in resources::containers(body) {
                    Asked::of(container).breaks(limit, &mut out);
                }
            }
            ("pods", "Pod") => {
                let requests = resources::requests(body);
                let limits = Some(resources::limits(body));
                Asked { requests, limits }.breaks(limit, &mut out);
            }
            ("persistentvolumeclaims", "PersistentVolumeClaim") => {
                let requests = amounts(at(body, &["spec", "resources", "requests"]));
                Asked { requests, limits: None }.breaks(limit, &mut out);
            }
            _ => {}
        }
    }
    out
}

/// Fills in what one range sets; what was set, as the pod tells it.
fn fill(range: &Object, pod: &mut Value) -> Vec<String> {
    let mut told = Vec::new();
    let limits = range.items(&["spec", "limits"]);
    let of_containers: Vec<&Value> =
        limits.iter().filter(|limit| limit.get("type").is_some_and(|t| t == "Container")).collect();
    for (list, called) in [("containers", "container"), ("initContainers", "init container")] {
        let Some(containers) = map_at(pod, &["spec"]).get_mut(list).and_then(Value::as_array_mut)
        else {
            continue;
        };
        for container in containers {
            let name = container.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
            for (kind, source, word) in
                [("requests", "defaultRequest", "request"), ("limits", "default", "limit")]
            {
                let mut set: Vec<&str> = Vec::new();
                for (resource, amount) in
                    of_containers.iter().filter_map(|l| l.get(source)?.as_object()).flatten()
                {
                    let own = map_at(container, &["resources", kind]);
                    if !own.contains_key(resource) || set.contains(&resource.as_str()) {
                        own.insert(resource.clone(), amount.clone());
                        set.push(resource);
                    }
                }
                set.sort_unstable();
                set.dedup();
                if !set.is_empty() {
                    told.push(format!("{} {word} for {called} {name}", set.join(", ")));
                }
            }
        }
    }
    told
}

impl Server {
    fn ranges(&self, namespace: &str) -> Vec<Arc<Object>> {
        let Some(table) = self.store.find(&RANGES).filter(|table| !table.objects.is_empty()) else {
            return Vec::new();
        };
        let here = table.objects.range(Key::new(namespace, "")..);
        let here = here.take_while(|(key, _)| &*key.namespace == namespace);
        here.map(|(_, range)| Arc::clone(range)).collect()
    }

    /// Fills in what a new pod's containers do not say.
    pub(in crate::api) fn fill_limits(&self, request: &Request, pod: &mut Value) {
        for range in self.ranges(&request.namespace) {
            let told = fill(&range, pod);
            if !told.is_empty() {
                let text = format!("LimitRanger plugin set: {}", told.join("; "));
                map_at(pod, &["metadata", "annotations"]).insert(ANNOTATION, text.into());
            }
        }
    }

    /// Refuses what is out of the bounds of its namespace.
    pub(in crate::api) fn check_limits(
        &self,
        served: &Served,
        request: &Request,
        old: Option<&Object>,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        let plural = &*served.resource.resource;
        let bounded = match (&*served.resource.group, plural, &*request.subresource) {
            ("", "pods", "") => old.is_none(),
            ("", "pods", "resize") => true,
            ("", "persistentvolumeclaims", "") => true,
            _ => false,
        };
        if !bounded || old.is_some_and(Object::is_deleting) {
            return Ok(());
        }
        for range in self.ranges(&request.namespace) {
            let mut wrong = broken(&range, plural, body);
            let mut seen = Vec::new();
            wrong.retain(|one| !seen.contains(one) && (seen.push(one.clone()), true).1);
            let why = match wrong.as_slice() {
                [] => continue,
                [one] => one.clone(),
                many => format!("[{}]", many.join(", ")),
            };
            let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
            return Err(Box::new(Status::forbidden(&served.resource, name, &why)));
        }
        Ok(())
    }
}
