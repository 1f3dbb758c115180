//! Pods and the pod templates of every workload.

use super::fill::{each, get, inside, made, set, spec, text};
use crate::json::{Map, Name, Value, json};
use crate::object::at;
use crate::quantity::Quantity;
use crate::quota::resources;

/// A Pod; a new one is Pending, with the quality of service its resources give it.
pub(super) fn pod(object: &mut Value) {
    let Some(fields) = spec(object) else { return };
    pod_spec(fields);
    for list in ["containers", "initContainers"] {
        for resources in each(fields, list).filter_map(|c| inside(c, "resources")) {
            requests(resources);
        }
    }
    // Templates leave these open; only a Pod itself gets them.
    let grace = fields.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if grace.is_some_and(|seconds| seconds < 0) {
        fields.insert("terminationGracePeriodSeconds", 1.into());
    }
    set(fields, "enableServiceLinks", true);
    status(object);
}

/// The status of a Pod whose spec is complete.
pub(super) fn status(object: &mut Value) {
    if object.get("status").and_then(Value::as_object).is_some_and(is_whole) {
        return;
    }
    let class = object.get("spec").and_then(Value::as_object).map_or("BestEffort", quality);
    if let Some(status) = object.as_object_mut().and_then(|o| made(o, "status")) {
        text(status, "phase", "Pending");
        addresses(status, "podIP", "podIPs");
        text(status, "qosClass", class);
    }
}

/// Whether a status says already all that every status says.
fn is_whole(status: &Map) -> bool {
    let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or("");
    let first = status.get("podIPs").and_then(|list| list.pointer("/0/ip")?.as_str());
    let addressed = first.unwrap_or("") == text("podIP");
    addressed && !text("phase").is_empty() && !text("qosClass").is_empty()
}

/// What a pod as a whole asks for, where its limits are set: what its containers ask for, else its
/// limits.
///
/// Source: `defaultPodRequests` of `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`.
pub(crate) fn whole_requests(pod: &mut Value) {
    let Some(spec) = spec(pod) else { return };
    let limits = spec.get("resources").and_then(|r| r.get("limits")?.as_object()).cloned();
    let Some(limits) = limits.filter(|limits| !limits.is_empty()) else { return };
    let pod = json!({"spec": {"containers": spec.get("containers"),
                              "initContainers": spec.get("initContainers")}});
    let of_containers = resources::requests(&pod);
    let Some(own) = inside(spec, "resources").and_then(|r| made(r, "requests")) else { return };
    for (name, amount) in of_containers {
        if matches!(name.as_str(), "cpu" | "memory") {
            own.entry(name).or_insert_with(|| amount.to_string().into());
        }
    }
    let supported = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    for (name, amount) in limits.into_iter().filter(|(name, _)| supported(name)) {
        own.entry(name).or_insert(amount);
    }
}

/// What a pod as a whole asks for and is limited to, where it says one of both: what it leaves out
/// is what its containers say, or the other of both.
///
/// Source: `DefaultPodLevelResources` of `k8s.io/kubernetes/pkg/api/pod`.
pub(crate) fn whole_resources(pod: &mut Value) {
    let Some(spec) = spec(pod) else { return };
    let said = |name: &str| {
        let list = spec.get("resources").and_then(|all| all.get(name)?.as_object()).cloned();
        list.unwrap_or_default()
    };
    let (mut requests, mut limits) = (said("requests"), said("limits"));
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    let own = json!({"spec": {"containers": spec.get("containers"),
                              "initContainers": spec.get("initContainers")}});
    let common = |name: &str| matches!(name, "cpu" | "memory");
    let huge = |name: &str| name.starts_with("hugepages-");
    let limited = resources::limits(&own);
    for (name, amount) in limited.iter().filter(|(name, _)| huge(name)) {
        if !requests.contains_key(name.as_str()) {
            limits.entry(name.as_str()).or_insert_with(|| amount.to_string().into());
        }
    }
    for (name, amount) in resources::requests(&own) {
        if common(&name) {
            requests.entry(name).or_insert_with(|| amount.to_string().into());
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| common(name) || huge(name)) {
        requests.entry(name.as_str()).or_insert_with(|| amount.clone());
    }
    // All containers have to be limited for the whole to be.
    let missing = |name: &str| {
        let limit = |c: &Value| at(c, &["resources", "limits", name]).is_none();
        resources::containers(&own).any(limit)
    };
    for (name, asked) in requests.iter().filter(|(name, _)| common(name) || huge(name)) {
        let Some(amount) = limited.get(name.as_str()).filter(|_| !missing(name)) else { continue };
        let asked = asked.as_str().and_then(|asked| asked.parse::<Quantity>().ok());
        let most = asked.map_or(*amount, |asked| asked.max(*amount));
        limits.entry(name.as_str()).or_insert_with(|| most.to_string().into());
    }
    let Some(all) = made(spec, "resources") else { return };
    for (name, list) in [("requests", requests), ("limits", limits)] {
        if !list.is_empty() {
            all.insert(name, Value::Object(list));
        }
    }
}

/// A pod's address, and the list of them that it heads: whichever is there says both, and the
/// single one counts.
fn addresses(status: &mut Map, one: &str, all: &str) {
    let first = status.get(all).and_then(|list| list.pointer("/0/ip")).cloned();
    match status.get(one).filter(|ip| ip.as_str().is_some_and(|ip| !ip.is_empty())).cloned() {
        Some(ip) if first.as_ref() != Some(&ip) => {
            status.insert(all.to_owned(), json!([{"ip": ip}]));
        }
        Some(_) => {}
        None => {
            if let Some(first) = first {
                status.insert(one.to_owned(), first);
            }
        }
    }
}

/// A PodTemplate, whose template stands at its root.
pub(super) fn template_of_root(object: &mut Value) {
    if let Some(root) = object.as_object_mut() {
        template(root);
    }
}

/// The `template` of a workload's spec.
pub(super) fn template(parent: &mut Map) {
    if let Some(fields) = inside(parent, "template").and_then(|t| inside(t, "spec")) {
        pod_spec(fields);
    }
}

/// A pod spec.
pub(super) fn pod_spec(spec: &mut Map) {
    text(spec, "dnsPolicy", "ClusterFirst");
    text(spec, "restartPolicy", "Always");
    text(spec, "schedulerName", "default-scheduler");
    set(spec, "securityContext", Map::new());
    set(spec, "terminationGracePeriodSeconds", 30);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        host_ports(spec);
    }
    // The old name of the account is kept equal to the new one.
    let account = match get(spec, "serviceAccountName") {
        "" => get(spec, "serviceAccount"),
        name => name,
    };
    if !account.is_empty() {
        let account = account.to_owned();
        text(spec, "serviceAccountName", &account);
        spec.insert("serviceAccount", account.into());
    }
    for name in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, name).for_each(container);
    }
    each(spec, "volumes").for_each(volume);
}

fn host_ports(spec: &mut Map) {
    for name in ["containers", "initContainers"] {
        for port in each(spec, name).flat_map(|c| each(c, "ports")) {
            if let Some(number) = port.get("containerPort").cloned() {
                set(port, "hostPort", number);
            }
        }
    }
}

/// When an image is pulled that somebody names.
fn pull_policy(image: &str) -> &'static str {
    match tag(image) {
        "latest" => "Always",
        _ => "IfNotPresent",
    }
}

fn container(container: &mut Map) {
    let policy = pull_policy(get(container, "image"));
    text(container, "imagePullPolicy", policy);
    text(container, "terminationMessagePath", "/dev/termination-log");
    text(container, "terminationMessagePolicy", "File");
    set(container, "resources", Map::new());
    each(container, "ports").for_each(|port| text(port, "protocol", "TCP"));
    for variable in each(container, "env") {
        let Some(source) = inside(variable, "valueFrom") else { continue };
        if let Some(field) = inside(source, "fieldRef") {
            text(field, "apiVersion", "v1");
        }
        if let Some(file) = inside(source, "fileKeyRef") {
            set(file, "optional", false);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = inside(container, name) {
            probe(found);
        }
    }
    if let Some(lifecycle) = inside(container, "lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(get) = inside(lifecycle, name).and_then(|h| inside(h, "httpGet")) {
                http_get(get);
            }
        }
    }
}

/// The tag of an image, `latest` when it has neither tag nor digest, none when it is no image.
fn tag(image: &str) -> &str {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b);
    if !image.bytes().all(fits) {
        return "";
    }
    if image.contains('@') {
        return "";
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').map_or("latest", |(_, tag)| tag)
}

/// A limit without a request is the request, too.
fn requests(resources: &mut Map) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object) else { return };
    let known = resources.get("requests").and_then(Value::as_object);
    let missing: Vec<(Name, Value)> = limits
        .iter()
        .filter(|(name, _)| known.is_none_or(|k| !k.contains_key(name.as_str())))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !missing.is_empty()
        && let Some(requests) = made(resources, "requests")
    {
        requests.extend(missing);
    }
}

fn http_get(get: &mut Map) {
    text(get, "path", "/");
    text(get, "scheme", "HTTP");
}

fn probe(probe: &mut Map) {
    set_positive(probe, "timeoutSeconds", 1);
    set_positive(probe, "periodSeconds", 10);
    set_positive(probe, "successThreshold", 1);
    set_positive(probe, "failureThreshold", 3);
    if let Some(get) = inside(probe, "httpGet") {
        http_get(get);
    }
    if let Some(grpc) = inside(probe, "grpc") {
        set(grpc, "service", "");
    }
}

/// Sets a number that is absent or 0.
fn set_positive(map: &mut Map, name: &str, value: i64) {
    if map.get(name).and_then(Value::as_i64).unwrap_or(0) == 0 {
        map.insert(name.to_owned(), value.into());
    }
}

fn volume(volume: &mut Map) {
    for name in ["configMap", "secret", "downwardAPI", "projected"] {
        let Some(source) = inside(volume, name) else { continue };
        set(source, "defaultMode", 420);
        each(source, "items").for_each(field_item);
        for part in each(source, "sources") {
            if let Some(token) = inside(part, "serviceAccountToken") {
                set(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = inside(part, "downwardAPI") {
                each(downward, "items").for_each(field_item);
            }
        }
    }
    if let Some(image) = inside(volume, "image") {
        let policy = pull_policy(get(image, "reference"));
        text(image, "pullPolicy", policy);
    }
    if let Some(host) = inside(volume, "hostPath") {
        set(host, "type", "");
    }
    super::volume::elsewhere(volume);
    if let Some(claim) = inside(volume, "ephemeral")
        .and_then(|e| inside(e, "volumeClaimTemplate"))
        .and_then(|t| inside(t, "spec"))
    {
        set(claim, "volumeMode", "Filesystem");
    }
    let sources = volume.keys().filter(|name| *name != "name").count();
    if sources == 0 {
        volume.insert("emptyDir", json!({}));
    }
}

fn field_item(item: &mut Map) {
    if let Some(field) = inside(item, "fieldRef") {
        text(field, "apiVersion", "v1");
    }
}

/// Guaranteed, Burstable or BestEffort, as the requests and limits of all containers say.
fn quality(spec: &Map) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    let lists = ["containers", "initContainers"].into_iter().filter_map(|n| spec.get(n));
    for container in lists.filter_map(Value::as_array).flatten() {
        for name in ["cpu", "memory"] {
            let of = |kind: &str| container.get("resources")?.get(kind)?.get(name);
            let (request, limit) = (of("requests"), of("limits"));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
