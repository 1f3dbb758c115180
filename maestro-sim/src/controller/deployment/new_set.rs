//! The ReplicaSet of a Deployment's template of now: finding it, or making it.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::deployment::status::progressing;
use crate::controller::deployment::{DESIRED, HASH_LABEL, MAX, REVISION, Roll, same_template};
use crate::controller::kinds::{DEPLOYMENTS, REPLICA_SETS};
use crate::controller::{Context, hash, own, shape};
use crate::json::{Map, Value, json};
use crate::object::{Key, Object, map_at};

const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Annotations that stay on the Deployment.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// The revision annotation as a number, 0 when absent or malformed.
pub fn revision(object: &Object) -> i64 {
    object.annotation(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Roll {
    /// Brings the ReplicaSet of the template up to date; makes it if allowed.
    pub(super) fn find_new(
        &mut self,
        cx: &mut dyn Context,
        create: bool,
    ) -> Result<(), Box<Status>> {
        let next = self.old.iter().map(|s| revision(s)).max().unwrap_or(0) + 1;
        if let Some(new) = self.new.clone() {
            return self.adopt_revision(cx, &new, next);
        }
        if create { self.create_new(cx, next) } else { Ok(()) }
    }

    fn adopt_revision(
        &mut self,
        cx: &mut dyn Context,
        new: &Object,
        next: i64,
    ) -> Result<(), Box<Status>> {
        let mut body = new.value().clone();
        let annotations = map_at(&mut body, &["metadata", "annotations"]);
        self.annotate(annotations, next);
        let min_ready = shape::min_ready(&self.deployment);
        if shape::min_ready(new) != min_ready {
            map_at(&mut body, &["spec"]).insert("minReadySeconds", min_ready.into());
        }
        if body != *new.value() {
            let written = cx.update(&REPLICA_SETS, body)?;
            self.replace(&written);
        }
        self.revision = self.new.as_ref().and_then(|s| s.annotation(REVISION)).map(str::to_owned);
        if shape::find(&self.conditions, "Progressing").is_none() && self.deadline().is_some() {
            let message = format!("Found new replica set \"{}\"", new.name());
            let reason = "FoundNewReplicaSet";
            self.put(progressing("True", reason, &message, &cx.timestamp()));
            return self.write_conditions(cx);
        }
        if self.told_revision() { Ok(()) } else { self.write_conditions(cx) }
    }

    /// Copies the Deployment's annotations and moves the revision on, never back.
    fn annotate(&self, annotations: &mut Map, next: i64) {
        let from = self.deployment.at(&["metadata", "annotations"]).and_then(Value::as_object);
        for (name, value) in from.into_iter().flatten() {
            if !OWN.contains(&name.as_str()) {
                annotations.insert(name.clone(), value.clone());
            }
        }
        let before = annotations.get(REVISION).and_then(Value::as_str).unwrap_or("").to_owned();
        let number: i64 = before.parse().unwrap_or(0);
        if number < next {
            if !before.is_empty() {
                let history = annotations.get(HISTORY).and_then(Value::as_str).unwrap_or("");
                let longer = match history {
                    "" => before,
                    some => format!("{some},{before}"),
                };
                annotations.insert(HISTORY, longer.into());
            }
            annotations.insert(REVISION, next.to_string().into());
        }
    }

    fn create_new(&mut self, cx: &mut dyn Context, next: i64) -> Result<(), Box<Status>> {
        let body = self.new_body(next);
        let name = shape::text(&body, &["metadata", "name"]).to_owned();
        let replicas = body["spec"]["replicas"].as_i64().unwrap_or(0);
        let now = cx.timestamp();
        let (made, fresh) = match cx.create(&REPLICA_SETS, body) {
            Ok(made) => (made, true),
            Err(status) if status.reason == "AlreadyExists" => {
                (self.taken(cx, &name, status)?, false)
            }
            Err(status) => {
                if self.deadline().is_some() {
                    let message =
                        format!("Failed to create new replica set \"{name}\": {}", status.message);
                    let reason = "ReplicaSetCreateError";
                    self.put(progressing("False", reason, &message, &now));
                    self.write_conditions(cx)?;
                }
                return Err(status);
            }
        };
        if fresh && replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            cx.event(&self.deployment, "Normal", "ScalingReplicaSet", &message);
        }
        self.revision = made.annotation(REVISION).map(str::to_owned);
        self.new = Some(made);
        if fresh && self.deadline().is_some() {
            let message = format!("Created new replica set \"{name}\"");
            self.put(progressing("True", "NewReplicaSetCreated", &message, &now));
            return self.write_conditions(cx);
        }
        if self.told_revision() { Ok(()) } else { self.write_conditions(cx) }
    }

    /// The name is taken: by the ReplicaSet we want (made on an older view), or by another
    /// template with the same hash, which makes `collisionCount` grow.
    fn taken(
        &mut self,
        cx: &mut dyn Context,
        name: &str,
        status: Box<Status>,
    ) -> Result<Arc<Object>, Box<Status>> {
        let key = Key::new(self.deployment.namespace(), name);
        let existing = cx.get(&REPLICA_SETS, &key)?;
        let ours = own::controller_uid(&existing) == self.deployment.uid();
        if ours && same_template(&self.deployment, &existing) {
            return Ok(existing);
        }
        self.collisions = Some(self.collisions.unwrap_or(0) + 1);
        self.write_conditions(cx)?;
        Err(status)
    }

    fn new_body(&self, next: i64) -> Value {
        let deployment = &self.deployment;
        let template = deployment.at(&["spec", "template"]).cloned().unwrap_or_else(|| json!({}));
        let hash = hash::of(&template, self.collisions);
        let mut spec = json!({
            "replicas": self.new_size(),
            "selector": deployment.at(&["spec", "selector"]),
            "template": template,
        });
        let min_ready = shape::min_ready(deployment);
        if min_ready > 0 {
            spec["minReadySeconds"] = min_ready.into();
        }
        for path in [&["template", "metadata", "labels"][..], &["selector", "matchLabels"][..]] {
            map_at(&mut spec, path).insert(HASH_LABEL, hash.as_str().into());
        }
        let mut annotations = Map::new();
        self.annotate(&mut annotations, next);
        annotations.insert(DESIRED, self.wanted().to_string().into());
        let max = self.wanted() + self.limits().surge;
        annotations.insert(MAX, max.to_string().into());
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{}-{hash}", deployment.name()),
                "namespace": deployment.namespace(),
                "labels": spec["template"]["metadata"]["labels"],
                "annotations": annotations,
                "ownerReferences": [own::controller_ref(&DEPLOYMENTS, deployment)],
            },
            "spec": spec,
        })
    }
}
