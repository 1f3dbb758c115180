//! DELETE and DELETECOLLECTION: preconditions, grace, finalizers, propagation.

use std::sync::Arc;
use std::time::Duration;

use crate::api::proposal::unmet;
use crate::api::read::List;
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Request, Status};
use crate::crd;
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Object, at, map_at};
use crate::time::rfc3339;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Namespaces that stay (the NamespaceLifecycle admission plugin).
const ETERNAL: [&str; 3] = ["default", "kube-public", "kube-system"];

impl Server {
    pub(super) fn delete(&mut self, served: &Arc<Served>, request: &Request) -> Handled {
        check_options(&request.body)?;
        let live = self.existing(served, request)?;
        if served.is_namespace() && ETERNAL.contains(&live.name()) {
            let why = "this namespace may not be deleted";
            return Err(Box::new(Status::forbidden(&served.resource, live.name(), why)));
        }
        self.warn_of_orphans(served, request);
        check_preconditions(served, &live, &request.body)?;
        self.delete_object(served, &live, request)
    }

    pub(super) fn delete_collection(&mut self, served: &Arc<Served>, request: &Request) -> Handled {
        check_options(&request.body)?;
        self.warn_of_orphans(served, request);
        let Response::List(List { items, api_version, kind, .. }) = self.list(served, request)?
        else {
            return Err(Box::new(Status::method_not_allowed()));
        };
        let converted;
        let shown = match served.converter() {
            Some(_) => {
                converted = self.shown_all(served, items.clone(), None)?;
                &converted
            }
            None => &items,
        };
        for object in shown {
            // Another deletion in this loop may have taken it along.
            if self.store.get(served.stored(), object.key()).is_some() {
                self.delete_object(served, object, request)?;
            }
        }
        let resource_version = self.store.version();
        Ok(Response::List(List {
            api_version,
            kind,
            typed_items: served.is_custom(),
            items,
            resource_version,
            continue_token: None,
            remaining: None,
        }))
    }

    /// Jobs leave their pods behind unless told otherwise, which few expect.
    fn warn_of_orphans(&mut self, served: &Served, request: &Request) {
        let says = |field: &str| request.body.get(field).is_some_and(|v| !v.is_null());
        let silent = !says("propagationPolicy") && !says("orphanDependents");
        if request.options.warn && silent && served.kind == "Job" {
            let warning = "child pods are preserved by default when jobs are deleted; set \
                           propagationPolicy=Background to remove them or set \
                           propagationPolicy=Orphan to suppress this warning";
            self.warnings.push(warning.to_owned());
        }
    }

    fn delete_object(
        &mut self,
        served: &Arc<Served>,
        live: &Arc<Object>,
        request: &Request,
    ) -> Handled {
        self.judge_deletion(served, request, live)?;
        if served.is_definition() && !live.is_deleting() {
            let mut value = live.value().clone();
            crd::terminating(&mut value, &self.timestamp());
            if request.options.dry_run {
                return Ok(Response::Value { code: 200, value });
            }
            let object = self.put(served, value)?;
            self.after_write(served, &object);
            return Ok(Response::Object { code: 200, object });
        }
        let grace = grace_seconds(served, live, &request.body);
        let finalizers = finalizers_after(served, live, &request.body);
        if self.keep_for_content(served, live) {
            return self.terminate_namespace(served, live, request);
        }
        if finalizers.is_empty() && grace == 0 {
            return self.remove_now(served, live, request);
        }
        let mut value = live.value().clone();
        self.mark(&mut value, live, grace);
        let meta = map_at(&mut value, &["metadata"]);
        if finalizers.is_empty() {
            meta.remove("finalizers");
        } else {
            meta.insert("finalizers", finalizers.into());
        }
        if value == *live.value() {
            return Ok(Response::Object { code: 200, object: Arc::clone(live) });
        }
        if request.options.dry_run {
            return Ok(Response::Value { code: 200, value });
        }
        let object = self.put(served, value)?;
        self.after_write(served, &object);
        Ok(Response::Object { code: 200, object })
    }

    /// Sets the deletion fields; the grace period of a second delete can only shorten.
    fn mark(&mut self, value: &mut Value, live: &Object, grace: i64) {
        let deadline = rfc3339(self.now + Duration::from_secs(grace.unsigned_abs()));
        let earlier = live.int(&["metadata", "deletionGracePeriodSeconds"]);
        let generation = live.generation();
        let meta = map_at(value, &["metadata"]);
        if !live.is_deleting() {
            meta.insert("deletionTimestamp", deadline.into());
            meta.insert("deletionGracePeriodSeconds", grace.into());
            if generation > 0 {
                meta.insert("generation", (generation + 1).into());
            }
        } else if earlier.is_some_and(|earlier| grace < earlier) {
            meta.insert("deletionTimestamp", deadline.into());
            meta.insert("deletionGracePeriodSeconds", grace.into());
        }
    }

    fn remove_now(&mut self, served: &Arc<Served>, live: &Object, request: &Request) -> Handled {
        let answer = if served.returns_deleted() {
            let mut value = live.value().clone();
            if served.is_pod() {
                self.mark(&mut value, live, 0);
            }
            value
        } else {
            success(served, live)
        };
        if request.options.dry_run {
            return Ok(Response::Value { code: 200, value: answer });
        }
        if served.is_pod() && live.int(&["metadata", "deletionGracePeriodSeconds"]) != Some(0) {
            // Deletion without grace is written first, then carried out.
            let mut value = live.value().clone();
            self.mark(&mut value, live, 0);
            self.put(served, value)?;
        }
        let removed = self.take_out(served, live.key());
        self.after_delete(served, live);
        match removed {
            Some(object) if served.is_pod() => {
                let mut value = object.value().clone();
                self.mark(&mut value, live, 0);
                Ok(Response::Value { code: 200, value })
            }
            Some(object) if served.returns_deleted() => Ok(Response::Object { code: 200, object }),
            _ => Ok(Response::Value { code: 200, value: answer }),
        }
    }

    fn keep_for_content(&self, served: &Served, live: &Object) -> bool {
        served.is_namespace() && !live.items(&["spec", "finalizers"]).is_empty()
    }

    fn terminate_namespace(
        &mut self,
        served: &Arc<Served>,
        live: &Arc<Object>,
        request: &Request,
    ) -> Handled {
        let mut value = live.value().clone();
        let now = self.timestamp();
        let meta = map_at(&mut value, &["metadata"]);
        meta.entry("deletionTimestamp").or_insert_with(|| now.into());
        map_at(&mut value, &["status"]).insert("phase", "Terminating".into());
        if request.options.dry_run || value == *live.value() {
            return Ok(Response::Value { code: 200, value });
        }
        let object = self.put(served, value)?;
        Ok(Response::Object { code: 200, object })
    }
}

impl Served {
    /// Whether this is the CustomResourceDefinition.
    fn is_definition(&self) -> bool {
        self.resource == GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions")
    }

    /// Kinds whose deletion answers with the object, where others answer with a Status.
    fn returns_deleted(&self) -> bool {
        matches!(
            (&*self.resource.group, &*self.resource.resource),
            (
                "",
                "namespaces"
                    | "persistentvolumeclaims"
                    | "persistentvolumes"
                    | "pods"
                    | "podtemplates"
                    | "resourcequotas"
                    | "serviceaccounts"
                    | "services"
            ) | (
                "storage.k8s.io",
                "csidrivers"
                    | "csinodes"
                    | "storageclasses"
                    | "volumeattachments"
                    | "volumeattributesclasses"
            ) | (
                "resource.k8s.io",
                "deviceclasses" | "resourceclaims" | "resourceclaimtemplates" | "resourceslices"
            )
        )
    }

    /// Kinds whose dependents stay when nobody says what becomes of them, as of old.
    fn orphans_by_default(&self) -> bool {
        matches!(
            (&*self.resource.group, &*self.resource.resource),
            ("batch", "jobs") | ("", "replicationcontrollers")
        )
    }
}

fn success(served: &Served, live: &Object) -> Value {
    let mut details = Map::new();
    details.insert("name", live.name().into());
    if !served.resource.group.is_empty() {
        details.insert("group", served.resource.group.as_ref().into());
    }
    details.insert("kind", served.resource.resource.as_ref().into());
    details.insert("uid", live.uid().into());
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
           "details": details})
}

fn check_options(options: &Value) -> Result<(), Box<Status>> {
    let policy = options.get("propagationPolicy").and_then(Value::as_str);
    let orphan = options.get("orphanDependents").is_some_and(|o| !o.is_null());
    let refuse = |field: &str, message: String| {
        let reason = match message.starts_with("Unsupported") {
            true => "FieldValueNotSupported",
            false => "FieldValueInvalid",
        };
        let cause = crate::api::Cause::new(reason, field, message);
        Err(Box::new(Status::invalid("meta.k8s.io", "DeleteOptions", "", &[cause])))
    };
    let dry = options.get("dryRun").and_then(Value::as_array);
    if let Some(dry) = dry.filter(|dry| dry.iter().any(|what| what != "All")) {
        let shown = Value::Array(dry.clone());
        let message = format!("Unsupported value: {shown}: supported values: \"All\"");
        return refuse("dryRun", message);
    }
    match policy {
        Some(policy) if orphan => refuse(
            "propagationPolicy",
            format!(
                "Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both \
                 set"
            ),
        ),
        None | Some("Foreground" | "Background" | "Orphan") => Ok(()),
        Some(other) => refuse(
            "propagationPolicy",
            format!(
                "Unsupported value: \"{other}\": supported values: \"Foreground\", \
                 \"Background\", \"Orphan\", \"nil\""
            ),
        ),
    }
}

fn check_preconditions(served: &Served, live: &Object, options: &Value) -> Result<(), Box<Status>> {
    let text = |field: &str| at(options, &["preconditions", field]).and_then(Value::as_str);
    let version = live.resource_version().to_string();
    let uid = text("uid").filter(|uid| *uid != live.uid());
    let asked = text("resourceVersion").filter(|asked| *asked != version);
    // What dies in stages has its own words.
    if served.is_namespace() || served.is_definition() {
        let other = |what: &str, asked: &str, is: &str| {
            let why = unmet(what, asked, is);
            Box::new(Status::conflict(&served.resource, live.name(), &why))
        };
        return match (uid, asked) {
            (Some(uid), _) => Err(other("UID", uid, live.uid())),
            (None, Some(asked)) => Err(other("ResourceVersion", asked, &version)),
            (None, None) => Ok(()),
        };
    }
    // The server names the kind here, where everywhere else it names the collection.
    let kind = GroupResource::owned(served.told_group(), &served.kind);
    if let Some(uid) = uid {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object \
             might have been deleted and then recreated",
            live.uid()
        );
        return Err(Box::new(Status::conflict(&kind, live.name(), &why)));
    }
    if let Some(asked) = asked {
        let why = format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion \
             in record ({version}). The object might have been modified"
        );
        return Err(Box::new(Status::conflict(&kind, live.name(), &why)));
    }
    Ok(())
}

/// Seconds of grace: pods only; the option, else the spec; none once unscheduled or terminal.
fn grace_seconds(served: &Served, live: &Object, options: &Value) -> i64 {
    if !served.is_pod() {
        return 0;
    }
    let phase = live.text(&["status", "phase"]);
    let unscheduled = live.text(&["spec", "nodeName"]).is_empty();
    if unscheduled || matches!(phase, "Succeeded" | "Failed") {
        return 0;
    }
    let asked = options.get("gracePeriodSeconds").and_then(Value::as_i64);
    let declared = live.int(&["spec", "terminationGracePeriodSeconds"]);
    let earlier = live.int(&["metadata", "deletionGracePeriodSeconds"]);
    asked.or(earlier.filter(|_| live.is_deleting())).or(declared).unwrap_or(30).max(0)
}

/// The finalizers that deletion leaves: the propagation policy adds or removes its own.
fn finalizers_after(served: &Served, live: &Object, options: &Value) -> Vec<String> {
    let policy = options.get("propagationPolicy").and_then(Value::as_str);
    let orphan = options.get("orphanDependents").and_then(Value::as_bool);
    let wanted = match (policy, orphan) {
        (Some("Foreground"), _) => Some(FOREGROUND),
        (Some("Orphan"), _) | (None, Some(true)) => Some(ORPHAN),
        (None, None) if served.orphans_by_default() => {
            let held = live.finalizers().any(|f| f == FOREGROUND);
            (!held).then_some(ORPHAN)
        }
        _ => None,
    };
    let explicit = policy.is_some() || orphan.is_some() || wanted.is_some();
    let mut kept: Vec<String> = live
        .finalizers()
        .filter(|f| !explicit || (*f != FOREGROUND && *f != ORPHAN))
        .map(str::to_owned)
        .collect();
    if let Some(wanted) = wanted {
        kept.push(wanted.to_owned());
    }
    kept
}
