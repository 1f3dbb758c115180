//! The columns of the built-in kinds: one recipe a cell.

use super::cells::Cell::{
    self, Any, Count, Flag, Images, Int, Joined, Labels, Names, Of, Reference, Selector, Share,
    Since, Subjects, Text,
};
use super::found::{
    address, amounts, api_service, audiences, available, bound, claim, class, completions,
    controller, endpoints, external, first, first_seen, health, hosts, ingress_class, job_duration,
    job_status, kernel, last_seen, node_roles, node_status, parameters, requested, service_ports,
    shown, signing, slice_addresses, slice_ports, source, suspended, target, times, versions,
    volume_phase,
};
use super::metrics::metrics;
use super::words::{NONE, UNKNOWN, UNSET, balancer, condition, list_at, modes, or, text_at};

const NAME: Cell = Text("/metadata/name", "");
const AGE: Cell = Since("/metadata/creationTimestamp", UNKNOWN);
const CONTAINERS: &str = "/spec/template/spec/containers";

const NODE: &[Cell] = &[
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
];

const CLAIM: &[Cell] = &[
    NAME,
    Of(volume_phase),
    Text("/spec/volumeName", ""),
    Of(|claim, _| bound(claim, or(text_at(claim, "/status/capacity/storage"), "0"))),
    Of(|claim, _| bound(claim, &modes(list_at(claim, "/status/accessModes")))),
    Of(class),
    Text("/spec/volumeAttributesClassName", UNSET),
    AGE,
    Text("/spec/volumeMode", UNSET),
];

const VOLUME: &[Cell] = &[
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
];

const DAEMON_SET: &[Cell] = &[
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
];

const JOB: &[Cell] = &[
    NAME,
    Of(job_status),
    Of(completions),
    Of(job_duration),
    AGE,
    Names(CONTAINERS),
    Images(CONTAINERS),
    Selector("/spec/selector", NONE),
];

const CRON_JOB: &[Cell] = &[
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
];

const DEFINITION: &[Cell] = &[
    NAME,
    Text("/spec/scope", ""),
    Of(versions),
    Text("/metadata/creationTimestamp", ""),
    Text("/spec/group", ""),
    Text("/spec/names/kind", ""),
    Joined("/spec/names/shortNames", ""),
    Of(|crd, _| or(condition(crd, "Established"), "False").into()),
];

const PRIORITY_LEVEL: &[Cell] = &[
    NAME,
    Text("/spec/type", ""),
    Any("/spec/limited/nominalConcurrencyShares", NONE),
    Any("/spec/limited/limitResponse/queuing/queues", NONE),
    Any("/spec/limited/limitResponse/queuing/handSize", NONE),
    Any("/spec/limited/limitResponse/queuing/queueLengthLimit", NONE),
    AGE,
];

pub(super) fn core(resource: &str) -> &'static [Cell] {
    match resource {
        "componentstatuses" => {
            &[NAME, Of(health), Text("/conditions/0/message", ""), Text("/conditions/0/error", "")]
        }
        "configmaps" => &[NAME, Count("/data", "/binaryData"), AGE],
        "endpoints" => &[NAME, Of(endpoints), AGE],
        "events" => EVENT,
        "namespaces" => &[NAME, Text("/status/phase", ""), AGE],
        "nodes" => NODE,
        "persistentvolumeclaims" => CLAIM,
        "persistentvolumes" => VOLUME,
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

pub(super) fn workloads(resource: &str) -> &'static [Cell] {
    match resource {
        "controllerrevisions" => &[NAME, Of(controller), Int("/revision"), AGE],
        "daemonsets" => DAEMON_SET,
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
        "jobs" => JOB,
        "cronjobs" => CRON_JOB,
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

pub(super) fn others(resource: &str) -> &'static [Cell] {
    match resource {
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            &[NAME, Count("/webhooks", ""), AGE]
        }
        "customresourcedefinitions" => DEFINITION,
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
        "prioritylevelconfigurations" => PRIORITY_LEVEL,
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
