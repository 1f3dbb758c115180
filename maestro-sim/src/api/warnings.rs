//! What the server stores and yet warns of, kind by kind.
//!
//! Source: the `WarningsOnCreate` and `WarningsOnUpdate` of `k8s.io/kubernetes/pkg/registry`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, service_spec};
use crate::builtin::field::{Path, list};
use crate::builtin::{meta, odd_address, odd_network, pod_warnings, text};
use crate::crd;
use crate::json::Value;
use crate::object::{GroupResource, at};

const INGRESSES: GroupResource = GroupResource::new("networking.k8s.io", "ingresses");

impl Server {
    /// Warns of a complete and valid object, if whoever asks reads warnings.
    pub(super) fn warn(
        &mut self,
        served: &Served,
        request: &Request,
        body: &Value,
        old: Option<&Value>,
    ) {
        if !request.options.warn {
            return;
        }
        if !request.subresource.is_empty() {
            if served.resource == INGRESSES {
                points(body, &mut self.warnings);
            }
            return;
        }
        if served.is_custom() {
            finalizers(body, old, &mut self.warnings);
            return;
        }
        let generation = |object: &Value| at(object, &["metadata", "generation"]).cloned();
        let changed = old.is_none_or(|old| generation(old) != generation(body));
        let out = &mut self.warnings;
        let root = Path::Root;
        let spec = root.field("spec");
        match (&*served.resource.group, &*served.resource.resource) {
            ("apiextensions.k8s.io", _) => out.extend(crd::warnings(body, old)),
            ("", "secrets") => out.extend(no_pem(body)),
            ("", "services") => service_spec::warnings(body, out),
            ("", "nodes") if at(body, &["spec", "externalID"]).is_some_and(|id| id != "") => {
                let told = "this field is deprecated, and is unused by Kubernetes";
                out.push(format!("spec.externalID: {told}"));
            }
            ("storage.k8s.io", "csidrivers")
                if served.release.has("CSIServiceAccountTokenSecrets") =>
            {
                out.extend(tokens_told(body));
            }
            ("", "persistentvolumes") => {
                out.extend(recycled(body));
                out.extend(old_volume(body));
            }
            ("", "podtemplates") => {
                if let Some(template) = body.get("template").filter(|_| changed) {
                    pod_warnings(template, &root.field("template"), out);
                }
            }
            ("", "endpoints") => addresses(body, out),
            ("networking.k8s.io", "networkpolicies") => networks(body, out),
            ("discovery.k8s.io", "endpointslices") if old.is_none() => {
                let endpoints = list(body, "endpoints");
                for (index, endpoint) in endpoints.iter().enumerate() {
                    for (place, address) in list(endpoint, "addresses").iter().enumerate() {
                        let told = address.as_str().and_then(odd_address);
                        let path = format!("endpoints[{index}].addresses[{place}]");
                        out.extend(told.map(|told| format!("{path}: {told}")));
                    }
                }
                if at(body, &["addressType"]).is_some_and(|kind| kind == "FQDN") {
                    out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
                }
            }
            ("networking.k8s.io", "ingresses") if old.is_none() => out.extend(classified(body)),
            // Few people change pods by hand.
            ("", "pods") if old.is_none() => {
                name(body, "the Pod's hostname", out);
                pod_warnings(body, &root, out);
            }
            ("apps", "deployments" | "replicasets")
            | ("", "replicationcontrollers")
            | ("batch", "jobs" | "cronjobs")
                if old.is_none() =>
            {
                name(body, "Pod names and hostnames", out);
                template(body, &spec, out);
            }
            ("apps", "statefulsets") if changed => {
                let kept = at(body, &["spec", "revisionHistoryLimit"]).and_then(Value::as_i64);
                if kept.is_some_and(|kept| kept < 0) {
                    let told = "a negative value retains all historical revisions; a value >= 0 is \
                                recommended";
                    out.push(format!("spec.revisionHistoryLimit: {told}"));
                }
                template(body, &spec, out);
            }
            ("apps" | "batch", _) | ("", "replicationcontrollers") if changed => {
                template(body, &spec, out);
            }
            _ => {}
        }
    }
}

/// New finalizers of a custom object that are named without a domain, or not as labels are.
///
/// Source: `validateKubeFinalizerName` of
/// `k8s.io/apiextensions-apiserver/pkg/registry/customresource`.
fn finalizers(body: &Value, old: Option<&Value>, out: &mut Vec<String>) {
    let of = |object: &Value| -> BTreeSet<String> {
        let list = at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let known = old.map(of).unwrap_or_default();
    for name in of(body).difference(&known) {
        let mut tell = |what: &str| out.push(format!("metadata.finalizers: {name:?}: {what}"));
        text::key(name).iter().for_each(|problem| tell(problem.as_ref()));
        if !name.contains('/') && !meta::STANDARD.contains(&name.as_str()) {
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            tell(&format!(
                "prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with \
                 other finalizer writers"
            ));
        }
    }
}

fn name(body: &Value, what: &str, out: &mut Vec<String>) {
    let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    let problems: Vec<String> = text::label(name).iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        out.push(format!(
            "metadata.name: this is used in {what}, which can result in surprising behavior; a \
             DNS label is recommended: [{}]",
            problems.join(" ")
        ));
    }
}

/// A pair of certificate and key that is none at first sight.
fn no_pem(secret: &Value) -> Option<String> {
    if secret.get("type").is_none_or(|kind| kind != "kubernetes.io/tls") {
        return None;
    }
    let parts = [("tls.crt", "certificate"), ("tls.key", "key")];
    let (_, what) = parts.into_iter().find(|(name, _)| {
        let data = at(secret, &["data", name]).and_then(Value::as_str).unwrap_or("");
        let text = STANDARD.decode(data).unwrap_or_default();
        !String::from_utf8_lossy(&text).contains("-----BEGIN ")
    })?;
    Some(format!("tls: failed to find any PEM data in {what} input"))
}

/// Drivers that are given tokens among what is logged.
fn tokens_told(driver: &Value) -> Option<String> {
    let asks = at(driver, &["spec", "tokenRequests"]).and_then(Value::as_array);
    let unset = at(driver, &["spec", "serviceAccountTokenInSecrets"]).is_none();
    (unset && asks.is_some_and(|asks| !asks.is_empty())).then(|| {
        "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true \
         to prevent possible logging of tokens in volume attributes"
            .to_owned()
    })
}

/// Addresses of a balancer that are oddly written.
fn points(ingress: &Value, out: &mut Vec<String>) {
    let points = at(ingress, &["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
    for (index, point) in points.into_iter().flatten().enumerate() {
        let told = point.get("ip").and_then(Value::as_str).and_then(odd_address);
        out.extend(told.map(|told| format!("status.loadBalancer.ingress[{index}]: {told}")));
    }
}

/// Addresses of Endpoints that are oddly written.
fn addresses(endpoints: &Value, out: &mut Vec<String>) {
    let root = Path::Root;
    let path = root.field("subsets");
    let subsets = at(endpoints, &["subsets"]).and_then(Value::as_array);
    for (index, subset) in subsets.into_iter().flatten().enumerate() {
        let here = path.index(index);
        for name in ["addresses", "notReadyAddresses"] {
            let place = here.field(name);
            for (index, address) in list(subset, name).iter().enumerate() {
                let told = address.get("ip").and_then(Value::as_str).and_then(odd_address);
                out.extend(told.map(|told| format!("{}.ip: {told}", place.index(index))));
            }
        }
    }
}

/// Networks of a policy that are oddly written.
fn networks(policy: &Value, out: &mut Vec<String>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = at(policy, &["spec"]).unwrap_or(&Value::Null);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = path.field(direction);
        for (index, rule) in list(spec, direction).iter().enumerate() {
            let here = rules.index(index);
            let place = here.field(peers);
            for (index, peer) in list(rule, peers).iter().enumerate() {
                let here = place.index(index);
                let here = here.field("ipBlock");
                let Some(block) = peer.get("ipBlock") else { continue };
                let told = block.get("cidr").and_then(Value::as_str).and_then(odd_network);
                out.extend(told.map(|told| format!("{}: {told}", here.field("cidr"))));
                let except = here.field("except");
                for (index, part) in list(block, "except").iter().enumerate() {
                    let told = part.as_str().and_then(odd_network);
                    out.extend(told.map(|told| format!("{}: {told}", except.index(index))));
                }
            }
        }
    }
}

/// Volumes that are wiped and used again.
/// Volumes of kinds that nobody provides any more, with the words for each.
fn old_volume(volume: &Value) -> impl Iterator<Item = String> {
    const OLD: [(&str, &str, &str); 6] = [
        ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
        (
            "photonPersistentDisk",
            "photonPersistentDisk",
            "deprecated in v1.11, non-functional in v1.16+",
        ),
        ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
        ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
        ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ];
    let has = |kind: &str| at(volume, &["spec", kind]).is_some_and(|source| !source.is_null());
    let found = OLD.into_iter().filter(|(kind, ..)| has(kind));
    found.map(|(_, told, why)| format!("spec.{told}: {why}")).collect::<Vec<_>>().into_iter()
}

fn recycled(volume: &Value) -> Option<String> {
    let policy = at(volume, &["spec", "persistentVolumeReclaimPolicy"])?;
    (policy == "Recycle").then(|| {
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, \
         the recommended approach is to use dynamic provisioning."
            .to_owned()
    })
}

/// Ingresses whose class is an annotation still.
fn classified(ingress: &Value) -> Option<String> {
    const CLASS: &str = "kubernetes.io/ingress.class";
    at(ingress, &["metadata", "annotations", CLASS])?;
    at(ingress, &["spec", "ingressClassName"]).is_none().then(|| {
        format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead")
    })
}

fn template(body: &Value, spec: &Path<'_>, out: &mut Vec<String>) {
    if let Some(job) = body.pointer("/spec/jobTemplate/spec/template") {
        let (outer, inner) = (spec.field("jobTemplate"), "spec");
        pod_warnings(job, &outer.field(inner).field("template"), out);
    }
    if let Some(template) = body.pointer("/spec/template") {
        pod_warnings(template, &spec.field("template"), out);
    }
}
