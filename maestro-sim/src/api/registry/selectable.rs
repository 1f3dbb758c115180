//! Which fields of built-in objects can be selected, what a selector compares them with, and what
//! is said of others.
//!
//! Sources: the field label conversions in `k8s.io/kubernetes/pkg/apis/*/*/conversion.go`, and the
//! selectable fields in `pkg/registry/*/*/strategy.go`.

use std::borrow::Cow;

use super::Served;
use crate::json::Value;
use crate::object::GroupResource;
use crate::selector::field;

/// How a field selector reads a field of a stored object; a missing text is empty.
pub(in crate::api) type Lookup = for<'a> fn(&'a Value, &str) -> Option<Cow<'a, str>>;

/// The fields besides name and namespace.
pub(super) fn names(id: &GroupResource) -> &'static [&'static str] {
    match (&*id.group, &*id.resource) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.host",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", _) => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", "podcertificaterequests") => {
            &["spec.signerName", "spec.podName", "spec.nodeName"]
        }
        ("certificates.k8s.io", _) => &["spec.signerName"],
        ("resource.k8s.io", "resourceslices") => {
            &["spec.nodeName", "spec.driver", "spec.pool.name"]
        }
        _ => &[],
    }
}

/// Whether objects of a kind can be selected by namespace: a kind that says nothing of its fields
/// lets everyone ask, even where there is none.
pub(super) fn by_namespace(served: &Served) -> bool {
    match served.is_custom() || words(served) != Words::Known {
        true => served.namespaced && served.resource.resource != "podcertificaterequests",
        false => true,
    }
}

/// How the objects of a stored kind are read.
pub(in crate::api) fn lookup(stored: &GroupResource) -> Lookup {
    match (&*stored.group, &*stored.resource) {
        ("", "events") => of_event,
        ("", "pods") => of_pod,
        ("", "nodes") => of_node,
        ("batch", "jobs") => of_job,
        _ => field::at,
    }
}

/// An Event is selected by its source's component, or who reported it if there is none.
fn of_event<'a>(event: &'a Value, path: &str) -> Option<Cow<'a, str>> {
    match path {
        "source" => {
            let component = field::at(event, "source.component").filter(|name| !name.is_empty());
            component.or_else(|| field::at(event, "reportingComponent"))
        }
        path => field::at(event, path),
    }
}

/// A flag that is not set reads `false`, and the address is the first of all.
fn of_pod<'a>(pod: &'a Value, path: &str) -> Option<Cow<'a, str>> {
    match path {
        "spec.host" => field::at(pod, "spec.nodeName"),
        "spec.hostNetwork" => Some(field::at(pod, path).unwrap_or(Cow::Borrowed("false"))),
        "status.podIP" => {
            let first = pod.get("status")?.get("podIPs")?.as_array()?.iter().next()?;
            field::at(first, "ip")
        }
        path => field::at(pod, path),
    }
}

fn of_node<'a>(node: &'a Value, path: &str) -> Option<Cow<'a, str>> {
    let text = field::at(node, path);
    match path {
        "spec.unschedulable" => Some(text.unwrap_or(Cow::Borrowed("false"))),
        _ => text,
    }
}

/// A Job's count of succeeded pods has another name here.
fn of_job<'a>(job: &'a Value, path: &str) -> Option<Cow<'a, str>> {
    match path {
        "status.successful" => {
            Some(field::at(job, "status.succeeded").unwrap_or(Cow::Borrowed("0")))
        }
        path => field::at(job, path),
    }
}

/// In which words a kind refuses a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// `field label not supported`.
    Label,
    /// The same, of this kind.
    Job,
    /// The same, of this kind and version.
    Versioned,
    /// `… is not a known field selector`, of kinds that say nothing of their fields.
    Known,
}

fn words(served: &Served) -> Words {
    match (&*served.resource.group, &*served.resource.resource) {
        ("batch", "jobs") => Words::Job,
        ("resource.k8s.io", "resourceslices") => Words::Versioned,
        ("certificates.k8s.io" | "events.k8s.io", _)
        | (
            "",
            "pods"
            | "nodes"
            | "replicationcontrollers"
            | "events"
            | "namespaces"
            | "secrets"
            | "services",
        ) => Words::Label,
        _ if served.is_custom() => Words::Label,
        _ => Words::Known,
    }
}

/// What is said of a field that cannot be selected.
pub(in crate::api) fn refusal(served: &Served, field: &str) -> String {
    match words(served) {
        Words::Label => format!("field label not supported: {field}"),
        Words::Job => format!("field label \"{field}\" not supported for Job"),
        Words::Versioned => format!(
            "field label not supported for {}, Kind={}: {field}",
            served.api_version, served.kind
        ),
        Words::Known => format!(
            "\"{field}\" is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\""
        ),
    }
}
