//! What leads to pods from outside: ingresses and their classes.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/networking/validation`.

use super::address::{self, is_address, legacy};
use super::field::{self, Path, int, list, part, set, text};
use super::text as form;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;

const NO_NAME: &str = "must be a DNS name, not an IP address";
/// The annotation that was there before the field.
const CLASS: &str = "kubernetes.io/ingress.class";

/// An ingress.
pub(super) fn ingress(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let (rules, backend) = (list(spec, "rules"), set(spec, "defaultBackend"));
    if rules.is_empty() && backend.is_none() {
        let shown = part(spec, "rules");
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(field::invalid(&path, shown, detail));
    }
    if let Some(backend) = backend {
        self::backend(version, backend, &path.field("defaultBackend"), causes);
    }
    let place = path.field("rules");
    for (index, one) in rules.iter().enumerate() {
        rule(version, one, &place.index(index), causes);
    }
    let place = path.field("tls");
    // Ingresses of old may keep names that are none.
    let lenient = old.is_some_and(|old| {
        let tls = at(old, &["spec", "tls"]).and_then(Value::as_array);
        tls.into_iter().flatten().any(|one| !secret_name(one).is_empty())
    });
    for (index, one) in list(spec, "tls").iter().enumerate() {
        let here = place.index(index);
        let hosts = here.field("hosts");
        for (index, host) in list(one, "hosts").iter().enumerate() {
            name_of_host(host.as_str().unwrap_or(""), &hosts.index(index), causes);
        }
        if !lenient {
            let name = text(one, "secretName");
            field::each(&here.field("secretName"), name, &secret_name(one), causes);
        }
    }
    let class = set(spec, "ingressClassName").and_then(Value::as_str);
    if let Some(class) = class {
        field::each(&path.field("ingressClassName"), class, &form::subdomain(class), causes);
    }
    let noted = at(object, &["metadata", "annotations", CLASS]).and_then(Value::as_str);
    if let (None, Some(class), Some(noted)) = (old, class, noted)
        && class != noted
    {
        let detail = "must match `ingressClassName` when both are specified";
        causes.push(field::invalid(&format!("annotations.{CLASS}"), &noted.into(), detail));
    }
}

fn secret_name(tls: &Value) -> form::Problems {
    match text(tls, "secretName") {
        "" => form::Problems::new(),
        name => form::subdomain(name),
    }
}

fn name_of_host(host: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let problems = if host.contains('*') { form::wildcard(host) } else { form::subdomain(host) };
    field::each(path, host, &problems, causes);
}

fn rule(version: Version, rule: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let host = text(rule, "host");
    if !host.is_empty() {
        let place = path.field("host");
        if is_address(host) {
            causes.push(field::invalid(&place, &host.into(), NO_NAME));
        }
        name_of_host(host, &place, causes);
    }
    let Some(http) = set(rule, "http") else { return };
    let here = path.field("http");
    let place = here.field("paths");
    let paths = list(http, "paths");
    if paths.is_empty() {
        causes.push(field::required(&place, ""));
    }
    for (index, one) in paths.iter().enumerate() {
        let here = place.index(index);
        if set(one, "pathType").is_none() {
            causes.push(field::required(&here.field("pathType"), "pathType must be specified"));
            continue;
        }
        http_path(text(one, "path"), text(one, "pathType"), &here, causes);
        let backend = part(one, "backend");
        self::backend(version, backend, &here.field("backend"), causes);
    }
}

fn http_path(uri: &str, kind: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = path.field("path");
    let mut wrong = |detail: &str| causes.push(field::invalid(&place, &uri.into(), detail));
    let strict = match kind {
        "Exact" | "Prefix" => true,
        "ImplementationSpecific" => false,
        _ => {
            let allowed = ["Exact", "ImplementationSpecific", "Prefix"];
            let place = path.field("pathType");
            causes.push(field::not_supported(&place, &kind.into(), &allowed));
            return;
        }
    };
    if !uri.starts_with('/') && (strict || !uri.is_empty()) {
        wrong("must be an absolute path");
    }
    if strict {
        for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| uri.contains(**part)) {
            wrong(&format!("must not contain '{part}'"));
        }
        for end in ["/..", "/."].iter().filter(|end| uri.ends_with(**end)) {
            wrong(&format!("cannot end with '{end}'"));
        }
    }
}

fn backend(version: Version, backend: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let wrong = |detail: &str| field::invalid(path, &"".into(), detail);
    match (set(backend, "service"), set(backend, "resource")) {
        (Some(_), Some(_)) => {
            causes.push(wrong("cannot set both resource and service backends"));
        }
        (None, None) => causes.push(wrong("resource or service backend is required")),
        (None, Some(resource)) => reference(resource, &path.field("resource"), causes),
        (Some(service), None) => {
            let here = path.field("service");
            let name = text(service, "name");
            if name.is_empty() {
                causes.push(field::required(&here.field("name"), ""));
            } else {
                let problems = match version.has("RelaxedServiceNameValidation") {
                    true => form::label(name),
                    false => form::label_1035(name),
                };
                field::each(&here.field("name"), name, &problems, causes);
            }
            let port = part(service, "port");
            let place = here.field("port");
            match (text(port, "name"), int(port, "number").unwrap_or(0)) {
                ("", 0) => {
                    causes.push(field::required(path, "port name or number is required"));
                }
                ("", number) => {
                    let place = place.field("number");
                    field::in_range(&place, Some(number), (1, 65535), causes);
                }
                (name, 0) => {
                    field::each(&place.field("name"), name, &form::port_name(name), causes);
                }
                _ => causes.push(wrong("cannot set both port name & port number")),
            }
        }
    }
}

/// What names another object by group, kind and name.
fn reference(reference: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(group) = set(reference, "apiGroup").and_then(Value::as_str) {
        field::each(&path.field("apiGroup"), group, &form::subdomain(group), causes);
    }
    for name in ["kind", "name"] {
        let value = text(reference, name);
        if value.is_empty() {
            causes.push(field::required(&path.field(name), ""));
        } else {
            field::each(&path.field(name), value, &form::segment(value), causes);
        }
    }
}

/// The status of an ingress.
pub(super) fn ingress_status(version: Version, object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let status = root.field("status");
    let balancer = status.field("loadBalancer");
    if let Some(points) = object.pointer("/status/loadBalancer/ingress") {
        self::points(version, points, &balancer.field("ingress"), causes);
    }
}

/// Where an ingress or a Service can be reached, at `path`.
pub(super) fn points(version: Version, points: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (index, point) in points.as_array().into_iter().flatten().enumerate() {
        let here = path.index(index);
        let (ip, host) = (text(point, "ip"), text(point, "hostname"));
        if !ip.is_empty() {
            legacy(version, ip, &here.field("ip"), causes);
        }
        if !host.is_empty() {
            let place = here.field("hostname");
            field::each(&place, host, &form::subdomain(host), causes);
            if is_address(host) {
                causes.push(field::invalid(&place, &host.into(), NO_NAME));
            }
        }
    }
}

/// The longest name of a controller.
const LONGEST_CONTROLLER: usize = 250;

/// A class of ingresses, whose controller stays.
pub(super) fn ingress_class(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let (controller, place) = (text(spec, "controller"), path.field("controller"));
    if old.is_some_and(|old| at(old, &["spec", "controller"]) != set(spec, "controller")) {
        causes.push(field::invalid(&place, &controller.into(), "field is immutable"));
    }
    if controller.len() > LONGEST_CONTROLLER {
        causes.push(field::too_long(&place, LONGEST_CONTROLLER as u64));
    }
    domain_prefixed(controller, &place, causes);
    if let Some(parameters) = set(spec, "parameters") {
        let here = path.field("parameters");
        // What is declared to be required is said last.
        let mut needed = Vec::new();
        reference(parameters, &here, &mut needed);
        let mut declared = Vec::new();
        if version.has("DeclarativeValidationBeta") {
            let required = |cause: &Cause| cause.reason == "FieldValueRequired";
            (declared, needed) = needed.into_iter().partition(required);
        }
        causes.extend(needed);
        let place = here.field("namespace");
        let namespace = set(parameters, "namespace").and_then(Value::as_str);
        match (text(parameters, "scope"), namespace) {
            ("Namespace", None) => {
                let detail = "`parameters.scope` is set to 'Namespace'";
                causes.push(field::required(&place, detail));
            }
            ("Namespace", Some(name)) => field::each(&place, name, &form::label(name), causes),
            ("Cluster", Some(_)) => {
                let detail = "`parameters.scope` is set to 'Cluster'";
                causes.push(field::forbidden(&place, detail));
            }
            ("Cluster", None) => {}
            (other, _) => {
                let allowed = ["Cluster", "Namespace"];
                causes.push(field::not_supported(&here.field("scope"), &other.into(), &allowed));
            }
        }
        causes.extend(declared);
    }
}

/// A domain, a slash and a path.
pub(super) fn domain_prefixed(name: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(field::required(path, ""));
        return;
    }
    match name.split_once('/') {
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            field::each(path, domain, &form::subdomain(domain), causes);
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
            if !rest.bytes().all(fits) {
                let detail = "Invalid path (regex used for validation is \
                              '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                causes.push(field::invalid(path, &rest.into(), detail));
            }
        }
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            causes.push(field::invalid(path, &name.into(), detail));
        }
    }
}

/// An address in use: whose it is, once and for all.
pub(super) fn address(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let spec = root.field("spec");
    let path = spec.field("parentRef");
    let parent = |object: &Value| at(object, &["spec", "parentRef"]).cloned();
    let Some(found) = parent(object).filter(Value::is_object) else {
        return causes.push(field::required(&path, ""));
    };
    let group = text(&found, "group");
    if !group.is_empty() {
        field::each(&path.field("group"), group, &form::subdomain(group), causes);
    }
    for (name, required) in [("resource", true), ("name", true), ("namespace", false)] {
        let value = text(&found, name);
        if !value.is_empty() {
            field::each(&path.field(name), value, &form::segment(value), causes);
        } else if required {
            causes.push(field::required(&path.field(name), ""));
        }
    }
    if old.is_some_and(|old| parent(old).as_ref() != Some(&found)) {
        // Newer servers show the parent as nothing.
        let shown = if version.minor() < 36 { &found } else { &Value::Null };
        causes.push(field::invalid(&path, shown, "field is immutable"));
    }
}

/// A range of Services' addresses: a network a family. Only the second one can come later.
pub(super) fn range(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let spec = root.field("spec");
    let path = spec.field("cidrs");
    let all = |object| crate::object::items(object, &["spec", "cidrs"]);
    let (new, immutable) = (all(object), "field is immutable");
    if let Some(before) = old.map(all) {
        let other = |at: usize| before.get(at) != new.get(at);
        match (before.len(), new.len()) {
            (held, now) if held == now => {
                for at in (0..now).filter(|at| other(*at)) {
                    causes.push(field::invalid(&path.index(at), &new[at], immutable));
                }
                return;
            }
            (1, 2) if other(0) => causes.push(field::invalid(&path.index(0), &new[0], immutable)),
            (1, 2) => {}
            _ => return causes.push(field::invalid(&path, &new.to_vec().into(), immutable)),
        }
    }
    if new.is_empty() {
        return causes.push(field::required(&path, "at least one CIDR required"));
    }
    if new.len() > 2 {
        let shown = object.get("spec").unwrap_or(&Value::Null);
        return causes.push(field::invalid(&path, shown, "may only hold up to 2 values"));
    }
    let networks = new.iter().enumerate().map(|(at, cidr)| {
        address::canonical_network(cidr.as_str().unwrap_or(""), &path.index(at), causes)
    });
    let families: Vec<bool> = networks.filter_map(|network| Some(network?.is_v4())).collect();
    if matches!(families.as_slice(), [a, b] if a == b) {
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and \
                      2001:db8::/64";
        causes.push(field::invalid(&path, &new.to_vec().into(), detail));
    }
}
