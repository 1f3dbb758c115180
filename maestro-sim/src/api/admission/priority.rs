//! Priorities of pods by their classes (the Priority plugin).
//!
//! Source: <https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/>,
//! `k8s.io/kubernetes/plugin/pkg/admission/priority`.

use std::sync::Arc;

use crate::api::server::Server;
use crate::api::{Request, Status};
use crate::json::Value;
use crate::object::{GroupResource, Object, at, map_at};

pub(super) const PRIORITY_CLASSES: GroupResource =
    GroupResource::new("scheduling.k8s.io", "priorityclasses");

impl Server {
    /// What its class says of a new pod's priority.
    pub(super) fn admit_priority(&self, body: &mut Value) -> Result<(), Box<Status>> {
        let class = at(body, &["spec", "priorityClassName"]).and_then(Value::as_str);
        let pod = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("").to_owned();
        let refuse = |why: String| {
            Err(Box::new(Status::forbidden(&GroupResource::new("", "pods"), &pod, &why)))
        };
        let Some((name, priority, policy)) = self.priority(class) else {
            let class = class.unwrap_or("");
            return refuse(format!("no PriorityClass with name {class} was found"));
        };
        let asked = at(body, &["spec", "priority"]).and_then(Value::as_i64);
        if let Some(asked) = asked.filter(|asked| *asked != priority) {
            return refuse(format!(
                "the integer value of priority ({asked}) must not be provided in pod spec; \
                 priority admission controller computed {priority} from the given PriorityClass \
                 name"
            ));
        }
        let asked = at(body, &["spec", "preemptionPolicy"]).and_then(Value::as_str);
        if let Some(asked) = asked.filter(|asked| *asked != policy) {
            return refuse(format!(
                "the string value of PreemptionPolicy ({asked}) must not be provided in pod spec; \
                 priority admission controller computed {policy} from the given PriorityClass name"
            ));
        }
        let spec = map_at(body, &["spec"]);
        if let Some(name) = name {
            spec.insert("priorityClassName", name.into());
        }
        spec.insert("priority", priority.into());
        spec.entry("preemptionPolicy").or_insert_with(|| policy.into());
        Ok(())
    }

    /// The name of the default class, the priority and the policy that a class gives; none where
    /// there is no such class.
    fn priority(&self, class: Option<&str>) -> Option<(Option<String>, i64, String)> {
        let policy = |class: &Object| match class.text(&["preemptionPolicy"]) {
            "" => "PreemptLowerPriority".to_owned(),
            policy => policy.to_owned(),
        };
        let Some(name) = class.filter(|c| !c.is_empty()) else {
            return Some(match self.default_priority() {
                Some(c) => (Some(c.name().to_owned()), c.int(&["value"]).unwrap_or(0), policy(c)),
                None => (None, 0, "PreemptLowerPriority".to_owned()),
            });
        };
        let class = self.peek(&PRIORITY_CLASSES, "", name)?;
        Some((None, class.int(&["value"]).unwrap_or(0), policy(class)))
    }

    /// The class that holds for pods that name none.
    fn default_priority(&self) -> Option<&Arc<Object>> {
        let classes = self.store.find(&PRIORITY_CLASSES)?.objects.values();
        let is_default = |class: &&Arc<Object>| {
            class.at(&["globalDefault"]).and_then(Value::as_bool) == Some(true)
        };
        classes.filter(is_default).min_by_key(|class| class.int(&["value"]))
    }

    /// There is one default priority at most.
    pub(super) fn only_default(
        &self,
        request: &Request,
        old: Option<&Object>,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or(&request.name);
        let wants = at(body, &["globalDefault"]).and_then(Value::as_bool) == Some(true);
        match self.default_priority().filter(|_| wants) {
            Some(class) if old.is_none() || class.name() != name => {
                let why = format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    class.name()
                );
                Err(Box::new(Status::forbidden(&PRIORITY_CLASSES, name, &why)))
            }
            _ => Ok(()),
        }
    }
}

/// Whoever writes a pod again need not repeat what its class said of it.
pub(super) fn keep_priority(live: &Value, body: &mut Value) {
    for field in ["priority", "preemptionPolicy"] {
        // To ask first leaves shared what need not change.
        if let (Some(kept), None) = (at(live, &["spec", field]), at(body, &["spec", field])) {
            map_at(body, &["spec"]).insert(field, kept.clone());
        }
    }
}
