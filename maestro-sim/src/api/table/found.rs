//! Cells that take more than looking one place up.

use std::collections::BTreeSet;

use super::Moment;
use super::words::{
    NONE, UNKNOWN, UNSET, balancer, condition, cut, human, int_at, list_at, or, since, text_at,
};
use crate::builtin::field::{int, list, text};
use crate::json::Value;
use crate::object::at;
use crate::time::unix_seconds;

/// A number or text as text, or other words.
pub(super) fn shown(value: Option<&Value>, other: &str) -> Value {
    match value {
        None | Some(Value::Null) => other.into(),
        Some(Value::String(text)) => text.as_str().into(),
        Some(value) => value.to_string().into(),
    }
}

/// The first text that is there.
pub(super) fn first<'v, const N: usize>(object: &'v Value, places: [&str; N]) -> &'v str {
    places.iter().map(|place| text_at(object, place)).find(|text| !text.is_empty()).unwrap_or("")
}

fn bool_text(value: &Value) -> Value {
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        _ => UNSET.into(),
    }
}

pub(super) fn suspended(object: &Value, _: Moment) -> Value {
    bool_text(object.pointer("/spec/suspend").unwrap_or(&Value::Null))
}

/// Whether a component of the control plane answers.
pub(super) fn health(object: &Value, _: Moment) -> Value {
    match object.pointer("/conditions/0/status").and_then(Value::as_str) {
        None => "Unknown".into(),
        Some("True") => "Healthy".into(),
        Some(_) => "Unhealthy".into(),
    }
}

pub(super) fn endpoints(object: &Value, _: Moment) -> Value {
    let mut all = Vec::new();
    for subset in list(object, "subsets") {
        let addresses = || list(subset, "addresses").iter().map(|a| text(a, "ip"));
        match list(subset, "ports") {
            [] => all.extend(addresses().map(str::to_owned)),
            ports => {
                for port in ports.iter().map(|port| int(port, "port").unwrap_or(0)) {
                    all.extend(addresses().map(|address| match address.contains(':') {
                        true => format!("[{address}]:{port}"),
                        false => format!("{address}:{port}"),
                    }));
                }
            }
        }
    }
    match list(object, "subsets") {
        [] => NONE.into(),
        _ => cut(&all, "").into(),
    }
}

pub(super) fn slice_ports(slice: &Value, _: Moment) -> Value {
    let shown = |port: &Value| match int(port, "port") {
        Some(number) => number.to_string(),
        None => port.get("name").and_then(Value::as_str).unwrap_or("*").to_owned(),
    };
    cut(&list(slice, "ports").iter().map(shown).collect::<Vec<_>>(), UNSET).into()
}

pub(super) fn slice_addresses(slice: &Value, _: Moment) -> Value {
    let each = list(slice, "endpoints").iter().flat_map(|e| list(e, "addresses"));
    let all: Vec<String> = each.filter_map(Value::as_str).map(str::to_owned).collect();
    cut(&all, UNSET).into()
}

pub(super) fn node_status(node: &Value, _: Moment) -> Value {
    let ready = match condition(node, "Ready") {
        "" => "Unknown",
        "True" => "Ready",
        _ => "NotReady",
    };
    match node.pointer("/spec/unschedulable") {
        Some(Value::Bool(true)) => format!("{ready},SchedulingDisabled").into(),
        _ => ready.into(),
    }
}

pub(super) fn node_roles(node: &Value, _: Moment) -> Value {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
    let mut roles = BTreeSet::new();
    for (key, value) in labels.into_iter().flatten() {
        let role = match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => role,
            None if key == "kubernetes.io/role" => value.as_str().unwrap_or(""),
            None => "",
        };
        if !role.is_empty() {
            roles.insert(role);
        }
    }
    or(&roles.into_iter().collect::<Vec<_>>().join(","), NONE).into()
}

pub(super) fn address(node: &Value, kind: &str) -> Value {
    let found = list_at(node, "/status/addresses").iter().find(|a| text(a, "type") == kind);
    found.map_or(NONE, |found| text(found, "address")).into()
}

pub(super) fn kernel(node: &Value, _: Moment) -> Value {
    let kernel = or(text_at(node, "/status/nodeInfo/kernelVersion"), UNKNOWN);
    match text_at(node, "/status/nodeInfo/architecture") {
        "" => kernel.into(),
        architecture => format!("{kernel} ({architecture})").into(),
    }
}

pub(super) fn volume_phase(object: &Value, _: Moment) -> Value {
    match object.pointer("/metadata/deletionTimestamp") {
        Some(_) => "Terminating".into(),
        None => text_at(object, "/status/phase").into(),
    }
}

/// What is told of a claim once it is bound.
pub(super) fn bound(claim: &Value, what: &str) -> Value {
    let bound = !text_at(claim, "/spec/volumeName").is_empty();
    if bound { what.into() } else { "".into() }
}

pub(super) fn claim(volume: &Value, _: Moment) -> Value {
    match volume.pointer("/spec/claimRef") {
        Some(claim) => format!("{}/{}", text(claim, "namespace"), text(claim, "name")).into(),
        None => "".into(),
    }
}

pub(super) fn class(object: &Value, _: Moment) -> Value {
    let marked =
        at(object, &["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]);
    match marked.and_then(Value::as_str) {
        Some(class) => class.into(),
        None => text_at(object, "/spec/storageClassName").into(),
    }
}

/// What a quota allows, either its limits or the rest.
pub(super) fn amounts(quota: &Value, limits: bool) -> Value {
    let hard = quota.pointer("/status/hard").and_then(Value::as_object);
    let mut all = Vec::new();
    for (name, most) in hard.into_iter().flatten() {
        if name.starts_with("limits.") == limits {
            let used = at(quota, &["status", "used", name]).and_then(Value::as_str).unwrap_or("0");
            all.push(format!("{name}: {used}/{}", most.as_str().unwrap_or("0")));
        }
    }
    all.join(", ").into()
}

pub(super) fn external(service: &Value, _: Moment) -> Value {
    let given: Vec<&str> =
        list_at(service, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    let given = given.join(",");
    match text_at(service, "/spec/type") {
        "ClusterIP" | "NodePort" => or(&given, NONE).into(),
        "LoadBalancer" => {
            let both = [balancer(service), given];
            let both: Vec<String> = both.into_iter().filter(|text| !text.is_empty()).collect();
            or(&both.join(","), "<pending>").into()
        }
        "ExternalName" => text_at(service, "/spec/externalName").into(),
        _ => UNKNOWN.into(),
    }
}

pub(super) fn service_ports(service: &Value, _: Moment) -> Value {
    let shown = |port: &Value| {
        let (number, protocol) = (int(port, "port").unwrap_or(0), text(port, "protocol"));
        match int(port, "nodePort") {
            Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    };
    let ports: Vec<String> = list_at(service, "/spec/ports").iter().map(shown).collect();
    or(&ports.join(","), NONE).into()
}

pub(super) fn first_seen(event: &Value, now: Moment) -> String {
    since(first(event, ["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"]), now)
}

pub(super) fn last_seen(event: &Value, now: Moment) -> Value {
    if let Some(series) = event.get("series").filter(|series| series.is_object()) {
        return since(text(series, "lastObservedTime"), now).into();
    }
    match first(event, ["/lastTimestamp", "/deprecatedLastTimestamp"]) {
        "" => first_seen(event, now).into(),
        time => since(time, now).into(),
    }
}

pub(super) fn times(event: &Value, _: Moment) -> Value {
    let counted = int_at(event, "/count").max(int_at(event, "/deprecatedCount"));
    match event.get("series").filter(|series| series.is_object()) {
        Some(series) => int_at(series, "/count").into(),
        None => counted.max(1).into(),
    }
}

pub(super) fn target(event: &Value) -> String {
    let kind = first(event, ["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
    match first(event, ["/involvedObject/name", "/regarding/name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

pub(super) fn source(event: &Value, _: Moment) -> Value {
    let places = [
        "/source/component",
        "/deprecatedSource/component",
        "/reportingComponent",
        "/reportingController",
    ];
    let component = first(event, places);
    match first(event, ["/source/host", "/deprecatedSource/host", "/reportingInstance"]) {
        "" => component.into(),
        instance => format!("{component}, {instance}").into(),
    }
}

pub(super) fn controller(object: &Value, _: Moment) -> Value {
    let owners = list_at(object, "/metadata/ownerReferences");
    let Some(owner) = owners.iter().find(|o| o.get("controller") == Some(&Value::Bool(true)))
    else {
        return NONE.into();
    };
    let (kind, name) = (text(owner, "kind").to_lowercase(), text(owner, "name"));
    match text(owner, "apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{name}").into(),
        None => format!("{kind}/{name}").into(),
    }
}

pub(super) fn job_status(job: &Value, _: Moment) -> Value {
    let holds = |kind: &str| condition(job, kind) == "True";
    let ended = [("Complete", "Complete"), ("Failed", "Failed")];
    let waits = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
    if let Some((_, told)) = ended.iter().find(|(kind, _)| holds(kind)) {
        return (*told).into();
    }
    if job.pointer("/metadata/deletionTimestamp").is_some() {
        return "Terminating".into();
    }
    (*waits.iter().find(|kind| holds(kind)).unwrap_or(&"Running")).into()
}

pub(super) fn completions(job: &Value, _: Moment) -> Value {
    let done = int_at(job, "/status/succeeded");
    match job.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(wanted) => format!("{done}/{wanted}").into(),
        None => match int_at(job, "/spec/parallelism") {
            ..=1 => format!("{done}/1").into(),
            many => format!("{done}/1 of {many}").into(),
        },
    }
}

pub(super) fn job_duration(job: &Value, now: Moment) -> Value {
    let Some(start) = unix_seconds(text_at(job, "/status/startTime")) else { return "".into() };
    let end = unix_seconds(text_at(job, "/status/completionTime")).unwrap_or(now.0);
    human(end - start).into()
}

pub(super) fn versions(crd: &Value, _: Moment) -> Value {
    let served = list_at(crd, "/spec/versions").iter().filter(|version| version["served"] == true);
    let mut each: Vec<String> = served
        .map(|version| {
            let storage = if version["storage"] == true { "(storage)" } else { "" };
            format!("{}{storage}", text(version, "name"))
        })
        .collect();
    each.sort();
    each.join(",").into()
}

pub(super) fn api_service(service: &Value, _: Moment) -> Value {
    match service.pointer("/spec/service") {
        Some(at) => format!("{}/{}", text(at, "namespace"), text(at, "name")).into(),
        None => "Local".into(),
    }
}

pub(super) fn available(service: &Value, _: Moment) -> Value {
    let conditions = list_at(service, "/status/conditions");
    match conditions.iter().find(|c| text(c, "type") == "Available") {
        None => "Unknown".into(),
        Some(found) if text(found, "status") == "True" => "True".into(),
        Some(found) => format!("{} ({})", text(found, "status"), text(found, "reason")).into(),
    }
}

pub(super) fn requested(request: &Value, _: Moment) -> Value {
    match request.pointer("/spec/expirationSeconds").and_then(Value::as_i64) {
        Some(seconds) => human(seconds).into(),
        None => NONE.into(),
    }
}

pub(super) fn signing(request: &Value, _: Moment) -> Value {
    let conditions = list_at(request, "/status/conditions");
    let has = |kind: &str| conditions.iter().any(|c| text(c, "type") == kind);
    let mut told = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    }
    .to_owned();
    if has("Failed") {
        told.push_str(",Failed");
    }
    if !text_at(request, "/status/certificate").is_empty() {
        told.push_str(",Issued");
    }
    told.into()
}

pub(super) fn ingress_class(class: &Value, _: Moment) -> Value {
    let mark = "ingressclass.kubernetes.io/is-default-class";
    let name = text_at(class, "/metadata/name");
    match at(class, &["metadata", "annotations", mark]) {
        Some(Value::String(yes)) if yes == "true" => format!("{name} (default)").into(),
        _ => name.into(),
    }
}

pub(super) fn parameters(class: &Value, _: Moment) -> Value {
    let Some(found) = class.pointer("/spec/parameters") else { return NONE.into() };
    let (kind, name) = (text(found, "kind"), text(found, "name"));
    match found.get("apiGroup").and_then(Value::as_str) {
        Some(group) => format!("{kind}.{group}/{name}").into(),
        None => format!("{kind}/{name}").into(),
    }
}

pub(super) fn hosts(ingress: &Value, _: Moment) -> Value {
    const MOST: usize = 3;
    let rules = list_at(ingress, "/spec/rules");
    let named: Vec<&str> =
        rules.iter().map(|r| text(r, "host")).filter(|h| !h.is_empty()).collect();
    let shown = named.iter().take(MOST).copied().collect::<Vec<_>>().join(",");
    if shown.is_empty() {
        return "*".into();
    }
    match named.len() > MOST {
        true => format!("{shown} + {} more...", rules.len() - MOST).into(),
        false => shown.into(),
    }
}

pub(super) fn audiences(driver: &Value, _: Moment) -> Value {
    match driver.pointer("/spec/tokenRequests").and_then(Value::as_array) {
        None => UNSET.into(),
        Some(all) => {
            all.iter().map(|token| text(token, "audience")).collect::<Vec<_>>().join(",").into()
        }
    }
}
