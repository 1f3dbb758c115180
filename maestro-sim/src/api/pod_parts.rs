//! Endpoints that change one part of a pod: `ephemeralcontainers`, by which a running pod gets more
//! containers, and `resize`, by which its containers get other resources.
//!
//! Source: `podEphemeralContainersStrategy` and `podResizeStrategy` of
//! `k8s.io/kubernetes/pkg/registry/core/pod`, KEP-277, KEP-1287.

use crate::api::registry::Served;
use crate::defaults;
use crate::facts::Version;
use crate::json::{Array, Value};
use crate::object::{at, map_at};

/// A part of a pod with an endpoint of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PodPart {
    /// `ephemeralcontainers`.
    EphemeralContainers,
    /// `resize`.
    Resources,
}

impl PodPart {
    /// The part that a subresource of a kind is.
    pub(super) fn of(served: &Served, subresource: &str) -> Option<Self> {
        match subresource {
            "ephemeralcontainers" if served.is_pod() => Some(Self::EphemeralContainers),
            "resize" if served.is_pod() => Some(Self::Resources),
            _ => None,
        }
    }

    /// The live pod with this part of the proposed one. Containers that come, go or change places
    /// are left to validation.
    pub(super) fn carry_over(self, release: Version, old: &Value, body: &mut Value) {
        let fields = map_at(body, &["metadata"]).remove("managedFields");
        let version = at(body, &["metadata", "resourceVersion"]).cloned();
        let proposed = std::mem::replace(body, old.clone());
        let meta = map_at(body, &["metadata"]);
        meta.remove("managedFields");
        for (name, value) in [("managedFields", fields), ("resourceVersion", version)] {
            if let Some(value) = value {
                meta.insert(name, value);
            }
        }
        let of = |name: &str| at(&proposed, &["spec", name]).cloned();
        let spec = map_at(body, &["spec"]);
        let mut put = |name: &str, value: Option<Value>| match value {
            Some(value) => spec.insert(name, value),
            None => spec.remove(name),
        };
        match self {
            Self::EphemeralContainers => {
                put("ephemeralContainers", of("ephemeralContainers"));
            }
            Self::Resources => {
                for list in ["containers", "initContainers"] {
                    put(list, resized(at(old, &["spec", list]), of(list)));
                }
                if release.has("InPlacePodLevelResourcesVerticalScaling") {
                    // Who does not know the field does not mean to remove it.
                    let kept = || at(old, &["spec", "resources"]).cloned();
                    let kept = release.has("PodLevelResourcesFixDefaulting").then(kept).flatten();
                    put("resources", of("resources").or(kept));
                }
                if release.has("PodLevelResourcesFixDefaulting") {
                    defaults::whole_resources(body);
                }
            }
        }
    }
}

/// Containers as they are, with the resources that are proposed.
fn resized(old: Option<&Value>, new: Option<Value>) -> Option<Value> {
    let (Some(before), Some(after)) = (old.and_then(Value::as_array), new.as_ref()) else {
        return new;
    };
    let after = after.as_array()?;
    let same = before.len() == after.len()
        && before.iter().zip(&**after).all(|(a, b)| a.get("name") == b.get("name"));
    if !same {
        return new;
    }
    let merged = before.iter().zip(&**after).map(|(before, after)| {
        let mut merged = before.clone();
        for name in ["resources", "resizePolicy"] {
            match (after.get(name).cloned(), merged.as_object_mut()) {
                (Some(value), Some(map)) => map.insert(name, value),
                (None, Some(map)) => map.remove(name),
                _ => None,
            };
        }
        merged
    });
    Some(Value::Array(merged.collect::<Array>()))
}
