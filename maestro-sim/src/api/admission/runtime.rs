//! What a RuntimeClass gives to the pods that name it: their overhead, and where they may run.
//!
//! Source: <https://kubernetes.io/docs/concepts/containers/runtime-class/>, KEP-688,
//! `k8s.io/kubernetes/plugin/pkg/admission/runtimeclass`, `pkg/util/tolerations`.

use std::sync::Arc;

use super::RUNTIME_CLASSES;
use crate::api::Status;
use crate::api::server::Server;
use crate::builtin::field::text;
use crate::builtin::text as form;
use crate::json::{Array, Map, Value};
use crate::object::{GroupResource, Object, at, map_at};
use crate::scheduler::pod::amounts;

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

impl Server {
    /// Gives a new pod what its class says.
    pub(super) fn admit_runtime(&self, pod: &mut Value) -> Result<(), Box<Status>> {
        let Some(class) = self.runtime(pod)? else { return Ok(()) };
        if let Some(fixed) = fixed(&class) {
            let own = overhead(pod);
            if !own.is_empty() && !is_overhead(&own, &fixed) {
                return Err(refused(pod, MISMATCH));
            }
            let spec = map_at(pod, &["spec"]);
            match fixed.is_empty() {
                true => drop(spec.remove("overhead")),
                false => drop(spec.insert("overhead", fixed.into())),
            }
        }
        let Some(scheduling) = class.at(&["scheduling"]) else { return Ok(()) };
        self.place(pod, scheduling)
    }

    fn place(&self, pod: &mut Value, scheduling: &Value) -> Result<(), Box<Status>> {
        let of_class = scheduling.get("nodeSelector").and_then(Value::as_object);
        for (key, value) in of_class.into_iter().flatten() {
            let own = at(pod, &["spec", "nodeSelector", key]);
            if let Some(own) = own.filter(|own| *own != value) {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let why = format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; \
                     pod.spec.nodeSelector[{key}] = {}",
                    text(value),
                    text(own)
                );
                return Err(refused(pod, &why));
            }
        }
        if let Some(of_class) = of_class.filter(|map| !map.is_empty()) {
            map_at(pod, &["spec", "nodeSelector"]).extend(of_class.clone());
        }
        let list = |tree: Option<&Value>| tree.and_then(Value::as_array).cloned();
        let own = list(at(pod, &["spec", "tolerations"])).unwrap_or_default();
        let of_class = list(scheduling.get("tolerations")).unwrap_or_default();
        let merged = merged(&own, &of_class);
        if !merged.is_empty() {
            map_at(pod, &["spec"]).insert("tolerations", merged.into());
        }
        Ok(())
    }

    /// Whether a new pod has the overhead of its class, and no other.
    pub(super) fn judge_runtime(&self, pod: &Value) -> Result<(), Box<Status>> {
        let (class, own) = (self.runtime(pod)?, overhead(pod));
        match class.and_then(|class| fixed(&class)) {
            Some(fixed) if is_overhead(&own, &fixed) => Ok(()),
            Some(_) => Err(refused(pod, MISMATCH)),
            None if own.is_empty() => Ok(()),
            None => Err(refused(
                pod,
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            )),
        }
    }

    /// The class that a pod names.
    fn runtime(&self, pod: &Value) -> Result<Option<Arc<Object>>, Box<Status>> {
        let Some(name) = at(pod, &["spec", "runtimeClassName"]).and_then(Value::as_str) else {
            return Ok(None);
        };
        if let Some(class) = self.store.named(&RUNTIME_CLASSES, "", name) {
            return Ok(Some(Arc::clone(class)));
        }
        // The real server's own client asks for it, and that needs a name.
        if name.is_empty() {
            return Err(Box::new(Status::new(500, "", "resource name may not be empty")));
        }
        let problems = form::segment(name);
        if !problems.is_empty() {
            let told = problems.join(" ");
            let message = format!("invalid resource name \"{name}\": [{told}]");
            return Err(Box::new(Status::new(500, "", message)));
        }
        Err(refused(pod, &format!("pod rejected: RuntimeClass \"{name}\" not found")))
    }
}

/// What a pod says that it costs beyond its containers.
fn overhead(pod: &Value) -> Map {
    at(pod, &["spec", "overhead"]).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The overhead of a class, if it speaks of one.
fn fixed(class: &Object) -> Option<Map> {
    let fixed = class.at(&["overhead"])?.get("podFixed").and_then(Value::as_object);
    Some(fixed.cloned().unwrap_or_default())
}

fn refused(pod: &Value, why: &str) -> Box<Status> {
    let name = at(pod, &["metadata", "name"]).and_then(Value::as_str).unwrap_or_default();
    Box::new(Status::forbidden(&GroupResource::new("", "pods"), name, why))
}

/// Whether two lists hold the same amounts, however they are written.
fn is_overhead(own: &Map, fixed: &Map) -> bool {
    let of = |map: &Map| amounts(Some(&Value::Object(map.clone())));
    own.len() == fixed.len() && of(own) == of(fixed)
}

/// Tolerations of a pod and of its class, without those that another one covers.
fn merged(own: &Array, of_class: &Array) -> Array {
    let all: Vec<&Value> = own.iter().chain(of_class).collect();
    let mut out = Array::new();
    for (index, one) in all.iter().enumerate() {
        let before = out.iter().any(|other| covers(other, one));
        // Of two that are equal the first one stays.
        let after = all[index + 1..].iter().any(|other| other != one && covers(other, one));
        if !before && !after {
            out.push((*one).clone());
        }
    }
    out
}

/// Whether one toleration tolerates all that another one does.
fn covers(one: &Value, other: &Value) -> bool {
    let (operator, effect) = (text(one, "operator"), text(one, "effect"));
    let seconds = |of: &Value| of.get("tolerationSeconds").and_then(Value::as_i64);
    let key = text(one, "key");
    if one == other {
        return true;
    }
    if text(other, "key") != key && !(key.is_empty() && operator == "Exists") {
        return false;
    }
    if text(other, "effect") != effect && !effect.is_empty() {
        return false;
    }
    if let (true, Some(most)) = (effect == "NoExecute", seconds(one))
        && seconds(other).is_none_or(|seconds| seconds > most)
    {
        return false;
    }
    match operator {
        "Equal" | "" => {
            text(other, "operator") == "Equal" && text(other, "value") == text(one, "value")
        }
        "Exists" => true,
        _ => false,
    }
}
