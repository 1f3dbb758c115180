//! The cells of the built-in kinds.

use serde_json::Value;

use super::found::{
    address, amounts, api_service, audiences, available, bound, claim, class, completions,
    controller, endpoints, external, first, first_seen, hosts, ingress_class, job_duration,
    job_status, kernel, last_seen, node_roles, node_status, parameters, requested, service_ports,
    shown, signing, slice_addresses, slice_ports, source, suspended, target, times, versions,
    volume_phase,
};
use super::metrics::metrics;
use super::words::{
    NONE, UNKNOWN, UNSET, balancer, condition, containers, int_at, labels, list_at, modes, or,
    selector, since, subjects, text_at,
};
use super::{Moment, pod};
use crate::builtin::field::text;
use crate::object::GroupResource;

/// One cell's recipe.
enum Cell {
    /// Text at a place, or other words.
    Text(&'static str, &'static str),
    /// A number at a place, or 0.
    Int(&'static str),
    /// What stands at a place, or a flag.
    Flag(&'static str, bool),
    /// What stands at a place, or words.
    Any(&'static str, &'static str),
    /// How many entries two places hold.
    Count(&'static str, &'static str),
    /// Two numbers.
    Share(&'static str, &'static str),
    /// A map of labels.
    Labels(&'static str),
    /// A label selector, or words for one that selects everything.
    Selector(&'static str, &'static str),
    /// Names and images of the containers at a place.
    Names(&'static str),
    Images(&'static str),
    /// A list of texts joined with commas, or words.
    Joined(&'static str, &'static str),
    /// How long ago a time at a place was, or words.
    Since(&'static str, &'static str),
    /// A kind and a name.
    Reference(&'static str),
    /// The subjects of a kind.
    Subjects(&'static str),
    /// Whatever takes more to find out.
    Of(fn(&Value, Moment) -> Value),
}

use Cell::{
    Any, Count, Flag, Images, Int, Joined, Labels, Names, Of, Reference, Selector, Share, Since,
    Subjects, Text,
};

const NAME: Cell = Text("/metadata/name", "");
const AGE: Cell = Since("/metadata/creationTimestamp", UNKNOWN);
const CONTAINERS: &str = "/spec/template/spec/containers";

impl Cell {
    fn of(&self, object: &Value, now: Moment) -> Value {
        let there = |place: &str| object.pointer(place).filter(|value| !value.is_null());
        let entries = |place: &str| match there(place).filter(|_| !place.is_empty()) {
            Some(Value::Object(map)) => map.len(),
            Some(Value::Array(list)) => list.len(),
            _ => 0,
        };
        match *self {
            Text(place, other) => or(text_at(object, place), other).into(),
            Int(place) => int_at(object, place).into(),
            Flag(place, other) => there(place).cloned().unwrap_or_else(|| other.into()),
            Any(place, other) => there(place).cloned().unwrap_or_else(|| other.into()),
            Count(one, other) => (entries(one) + entries(other)).into(),
            Share(part, whole) => {
                format!("{}/{}", int_at(object, part), int_at(object, whole)).into()
            }
            Labels(place) => labels(object, place).into(),
            Selector(place, other) => match selector(there(place)) {
                Some(told) => or(&told, other).into(),
                None => "<error>".into(),
            },
            Names(place) => containers(object, place, "name"),
            Images(place) => containers(object, place, "image"),
            Joined(place, other) => {
                let each: Vec<&str> =
                    list_at(object, place).iter().filter_map(Value::as_str).collect();
                or(&each.join(","), other).into()
            }
            Since(place, other) => match text_at(object, place) {
                "" => other.into(),
                time => since(time, now).into(),
            },
            Reference(place) => {
                let value = there(place).unwrap_or(&Value::Null);
                format!("{}/{}", text(value, "kind"), text(value, "name")).into()
            }
            Subjects(kind) => subjects(object, kind),
            Of(find) => find(object, now),
        }
    }
}

pub(super) fn of(resource: &GroupResource, object: &Value, now: Moment) -> Vec<Value> {
    if (&*resource.group, &*resource.resource) == ("", "pods") {
        return pod::cells(object, now);
    }
    let recipe = match &*resource.group {
        "" => core(&resource.resource),
        "apps" | "batch" | "autoscaling" | "policy" => workloads(&resource.resource),
        _ => others(&resource.resource),
    };
    recipe.iter().map(|cell| cell.of(object, now)).collect()
}

fn core(resource: &str) -> &'static [Cell] {
    match resource {
        "configmaps" => &[NAME, Count("/data", "/binaryData"), AGE],
        "endpoints" => &[NAME, Of(endpoints), AGE],
        "events" => EVENT,
        "namespaces" => &[NAME, Text("/status/phase", ""), AGE],
        "nodes" => &[
            NAME,
            Of(node_status),
            Of(node_roles),
            AGE,
            Text("/status/nodeInfo/kubeletVersion", ""),
            Of(|node, _| address(node, "InternalIP")),
            Of(|node, _| address(node, "ExternalIP")),
            Text("/status/nodeInfo/osImage", UNKNOWN),
            Of(kernel),
            Text("/status/nodeInfo/containerRuntimeVersion", UNKNOWN),
        ],
        "persistentvolumeclaims" => &[
            NAME,
            Of(volume_phase),
            Text("/spec/volumeName", ""),
            Of(|claim, _| bound(claim, text_at(claim, "/status/capacity/storage"))),
            Of(|claim, _| bound(claim, &modes(list_at(claim, "/status/accessModes")))),
            Of(class),
            Text("/spec/volumeAttributesClassName", UNSET),
            AGE,
            Text("/spec/volumeMode", UNSET),
        ],
        "persistentvolumes" => &[
            NAME,
            Text("/spec/capacity/storage", "0"),
            Of(|volume, _| modes(list_at(volume, "/spec/accessModes")).into()),
            Text("/spec/persistentVolumeReclaimPolicy", ""),
            Of(volume_phase),
            Of(claim),
            Of(class),
            Text("/spec/volumeAttributesClassName", UNSET),
            Text("/status/reason", ""),
            AGE,
            Text("/spec/volumeMode", UNSET),
        ],
        "podtemplates" => &[
            NAME,
            Names("/template/spec/containers"),
            Images("/template/spec/containers"),
            Labels("/template/metadata/labels"),
        ],
        "replicationcontrollers" => &[
            NAME,
            Int("/spec/replicas"),
            Int("/status/replicas"),
            Int("/status/readyReplicas"),
            AGE,
            Names(CONTAINERS),
            Images(CONTAINERS),
            Labels("/spec/selector"),
        ],
        "resourcequotas" => {
            &[NAME, Of(|quota, _| amounts(quota, false)), Of(|quota, _| amounts(quota, true)), AGE]
        }
        "secrets" => &[NAME, Text("/type", ""), Count("/data", ""), AGE],
        "serviceaccounts" => &[NAME, AGE],
        "services" => &[
            NAME,
            Text("/spec/type", ""),
            Text("/spec/clusterIPs/0", NONE),
            Of(external),
            Of(service_ports),
            AGE,
            Labels("/spec/selector"),
        ],
        _ => PLAIN,
    }
}

/// Kinds that nobody wrote columns for.
const PLAIN: &[Cell] = &[NAME, Text("/metadata/creationTimestamp", "")];

const EVENT: &[Cell] = &[
    Of(last_seen),
    Text("/type", ""),
    Text("/reason", ""),
    Of(|event, _| target(event).into()),
    Of(|event, _| first(event, ["/involvedObject/fieldPath", "/regarding/fieldPath"]).into()),
    Of(source),
    Of(|event, _| first(event, ["/message", "/note"]).trim().into()),
    Of(|event, now| first_seen(event, now).into()),
    Of(times),
    NAME,
];

fn workloads(resource: &str) -> &'static [Cell] {
    match resource {
        "controllerrevisions" => &[NAME, Of(controller), Int("/revision"), AGE],
        "daemonsets" => &[
            NAME,
            Int("/status/desiredNumberScheduled"),
            Int("/status/currentNumberScheduled"),
            Int("/status/numberReady"),
            Int("/status/updatedNumberScheduled"),
            Int("/status/numberAvailable"),
            Labels("/spec/template/spec/nodeSelector"),
            AGE,
            Names(CONTAINERS),
            Images(CONTAINERS),
            Selector("/spec/selector", NONE),
        ],
        "deployments" => &[
            NAME,
            Share("/status/readyReplicas", "/spec/replicas"),
            Int("/status/updatedReplicas"),
            Int("/status/availableReplicas"),
            AGE,
            Names(CONTAINERS),
            Images(CONTAINERS),
            Selector("/spec/selector", ""),
        ],
        "replicasets" => &[
            NAME,
            Int("/spec/replicas"),
            Int("/status/replicas"),
            Int("/status/readyReplicas"),
            AGE,
            Names(CONTAINERS),
            Images(CONTAINERS),
            Selector("/spec/selector", NONE),
        ],
        "statefulsets" => &[
            NAME,
            Share("/status/readyReplicas", "/spec/replicas"),
            AGE,
            Names(CONTAINERS),
            Images(CONTAINERS),
        ],
        "jobs" => &[
            NAME,
            Of(job_status),
            Of(completions),
            Of(job_duration),
            AGE,
            Names(CONTAINERS),
            Images(CONTAINERS),
            Selector("/spec/selector", NONE),
        ],
        "cronjobs" => &[
            NAME,
            Text("/spec/schedule", ""),
            Text("/spec/timeZone", NONE),
            Of(suspended),
            Count("/status/active", ""),
            Since("/status/lastScheduleTime", NONE),
            AGE,
            Names("/spec/jobTemplate/spec/template/spec/containers"),
            Images("/spec/jobTemplate/spec/template/spec/containers"),
            Selector("/spec/jobTemplate/spec/selector", NONE),
        ],
        "horizontalpodautoscalers" => &[
            NAME,
            Reference("/spec/scaleTargetRef"),
            Of(metrics),
            Of(|scaler, _| shown(scaler.pointer("/spec/minReplicas"), UNSET)),
            Int("/spec/maxReplicas"),
            Int("/status/currentReplicas"),
            AGE,
        ],
        "poddisruptionbudgets" => &[
            NAME,
            Of(|budget, _| shown(budget.pointer("/spec/minAvailable"), "N/A")),
            Of(|budget, _| shown(budget.pointer("/spec/maxUnavailable"), "N/A")),
            Int("/status/disruptionsAllowed"),
            AGE,
        ],
        _ => PLAIN,
    }
}

fn others(resource: &str) -> &'static [Cell] {
    match resource {
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            &[NAME, Count("/webhooks", ""), AGE]
        }
        "customresourcedefinitions" => &[
            NAME,
            Text("/spec/scope", ""),
            Of(versions),
            Text("/metadata/creationTimestamp", ""),
            Text("/spec/group", ""),
            Text("/spec/names/kind", ""),
            Joined("/spec/names/shortNames", ""),
            Of(|crd, _| or(condition(crd, "Established"), "False").into()),
        ],
        "apiservices" => &[NAME, Of(api_service), Of(available), AGE],
        "certificatesigningrequests" => &[
            NAME,
            AGE,
            Text("/spec/signerName", NONE),
            Text("/spec/username", ""),
            Of(requested),
            Of(signing),
        ],
        "leases" => &[NAME, Text("/spec/holderIdentity", ""), AGE],
        "endpointslices" => {
            &[NAME, Text("/addressType", ""), Of(slice_ports), Of(slice_addresses), AGE]
        }
        "events" => EVENT,
        "flowschemas" => &[
            NAME,
            Text("/spec/priorityLevelConfiguration/name", ""),
            Int("/spec/matchingPrecedence"),
            Text("/spec/distinguisherMethod/type", NONE),
            AGE,
            Of(|schema, _| or(condition(schema, "Dangling"), "?").into()),
        ],
        "prioritylevelconfigurations" => &[
            NAME,
            Text("/spec/type", ""),
            Any("/spec/limited/nominalConcurrencyShares", NONE),
            Any("/spec/limited/limitResponse/queuing/queues", NONE),
            Any("/spec/limited/limitResponse/queuing/handSize", NONE),
            Any("/spec/limited/limitResponse/queuing/queueLengthLimit", NONE),
            AGE,
        ],
        "ingressclasses" => &[Of(ingress_class), Text("/spec/controller", ""), Of(parameters), AGE],
        "ingresses" => &[
            NAME,
            Text("/spec/ingressClassName", NONE),
            Of(hosts),
            Of(|ingress, _| balancer(ingress).into()),
            Of(|ingress, _| match list_at(ingress, "/spec/tls") {
                [] => "80".into(),
                _ => "80, 443".into(),
            }),
            AGE,
        ],
        "networkpolicies" => &[NAME, Selector("/spec/podSelector", NONE), AGE],
        "servicecidrs" => &[NAME, Joined("/spec/cidrs", ""), AGE],
        "runtimeclasses" => &[NAME, Text("/handler", ""), AGE],
        "clusterrolebindings" | "rolebindings" => &[
            NAME,
            Reference("/roleRef"),
            AGE,
            Subjects("User"),
            Subjects("Group"),
            Subjects("ServiceAccount"),
        ],
        "priorityclasses" => &[
            NAME,
            Int("/value"),
            Flag("/globalDefault", false),
            AGE,
            Text("/preemptionPolicy", ""),
        ],
        other => storage(other),
    }
}

fn storage(resource: &str) -> &'static [Cell] {
    match resource {
        "csidrivers" => &[
            NAME,
            Flag("/spec/attachRequired", true),
            Flag("/spec/podInfoOnMount", false),
            Flag("/spec/storageCapacity", false),
            Of(audiences),
            Flag("/spec/requiresRepublish", false),
            Joined("/spec/volumeLifecycleModes", NONE),
            AGE,
        ],
        "csinodes" => &[NAME, Count("/spec/drivers", ""), AGE],
        "storageclasses" => &[
            NAME,
            Text("/provisioner", ""),
            Text("/reclaimPolicy", "Delete"),
            Text("/volumeBindingMode", "Immediate"),
            Flag("/allowVolumeExpansion", false),
            AGE,
        ],
        "volumeattachments" => &[
            NAME,
            Text("/spec/attacher", ""),
            Text("/spec/source/persistentVolumeName", ""),
            Text("/spec/nodeName", ""),
            Flag("/status/attached", false),
            AGE,
        ],
        "volumeattributesclasses" => &[NAME, Text("/driverName", ""), AGE],
        _ => PLAIN,
    }
}
