//! Configurations of admission webhooks.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/admissionregistration/validation`.

use super::field::{self, Path, part};
use super::{meta, text as form};
use crate::api::Cause;
use crate::json::Value;
use crate::structural::cel::Seen;

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const ONE_OF: &str = "exactly one of url or service is required";

/// A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration.
pub(super) fn configuration(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let all = root.field("webhooks");
    let mut names = Vec::new();
    for (index, hook) in field::list(object, "webhooks").iter().enumerate() {
        let path = all.index(index);
        webhook(hook, &path, causes);
        versions(hook, &path, causes);
        let name = field::text(hook, "name");
        if !name.is_empty() && names.contains(&name) {
            causes.push(field::duplicate(&path.field("name"), &name.into()));
        }
        names.push(name);
    }
}

fn webhook(hook: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let name = field::text(hook, "name");
    if name.is_empty() {
        causes.push(field::required(&path.field("name"), ""));
    } else if !form::subdomain(name).is_empty() {
        let told = form::subdomain(name).join(",");
        causes.push(field::invalid(&path.field("name"), &name.into(), &told));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        causes.push(field::invalid(&path.field("name"), &name.into(), detail));
    }
    for name in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = field::set(hook, name) {
            meta::label_selector(selector, &path.field(name), causes);
        }
    }
    let rules = path.field("rules");
    for (index, rule) in field::list(hook, "rules").iter().enumerate() {
        self::rule(rule, &rules.index(index), causes);
    }
    for (name, allowed) in [
        ("failurePolicy", &["Fail", "Ignore"][..]),
        ("matchPolicy", &["Equivalent", "Exact"]),
        ("sideEffects", &["None", "NoneOnDryRun"]),
    ] {
        if field::set(hook, name).is_none() && name == "sideEffects" {
            let detail = "must specify one of None, NoneOnDryRun";
            causes.push(field::required(&path.field(name), detail));
        }
        field::word(hook, name, allowed, path, causes);
    }
    if let Some(seconds) = field::int(hook, "timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        causes.push(field::invalid(&path.field("timeoutSeconds"), &seconds.into(), detail));
    }
    client(hook, path, causes);
    let seen = Seen::by_conditions(false);
    let all = path.field("matchConditions");
    let mut names = Vec::new();
    for (index, condition) in field::list(hook, "matchConditions").iter().enumerate() {
        let here = all.index(index);
        let (name, source) = (field::text(condition, "name"), field::text(condition, "expression"));
        if source.trim().is_empty() {
            causes.push(field::required(&here.field("expression"), ""));
        } else if let Err(why) = seen.check(source, &["bool"]) {
            causes.push(field::invalid(&here.field("expression"), &source.into(), &why));
        }
        if name.is_empty() {
            causes.push(field::required(&here.field("name"), ""));
        } else {
            field::each(&here.field("name"), name, &form::key(name), causes);
        }
        if names.contains(&name) {
            causes.push(field::duplicate(&here.field("name"), &name.into()));
        }
        names.push(name);
    }
    field::word(hook, "reinvocationPolicy", &["IfNeeded", "Never"], path, causes);
}

/// Which requests are meant.
pub(super) fn rule(rule: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for name in ["operations", "apiGroups", "apiVersions", "resources"] {
        let place = path.field(name);
        let items: Vec<&str> = field::list(rule, name).iter().filter_map(Value::as_str).collect();
        if items.is_empty() {
            causes.push(field::required(&place, ""));
            continue;
        }
        let more = items.len() > 1;
        let detail = match name {
            "operations" if more && items.contains(&"*") => {
                "if '*' is present, must not specify other operations"
            }
            "apiGroups" if more && items.contains(&"*") => {
                "if '*' is present, must not specify other API groups"
            }
            "apiVersions" if more && items.contains(&"*") => {
                "if '*' is present, must not specify other API versions"
            }
            "resources" if more && items.contains(&"*/*") => {
                "if '*/*' is present, must not specify other resources"
            }
            "resources"
                if items.contains(&"*") && items.iter().any(|r| *r != "*" && !r.contains('/')) =>
            {
                "if '*' is present, must not specify other resources without subresources"
            }
            _ => "",
        };
        if !detail.is_empty() {
            causes.push(field::invalid(&place, &rule[name], detail));
        }
        if matches!(name, "apiVersions" | "resources") {
            for (index, _) in items.iter().enumerate().filter(|(_, item)| item.is_empty()) {
                causes.push(field::required(&place.index(index), ""));
            }
        }
        if name == "operations" {
            for (index, item) in items.iter().enumerate().filter(|i| !OPERATIONS.contains(i.1)) {
                let here = place.index(index);
                causes.push(field::not_supported(&here, &(*item).into(), &OPERATIONS));
            }
        }
    }
    field::word(rule, "scope", &["*", "Cluster", "Namespaced"], path, causes);
}

fn client(hook: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let config = part(hook, "clientConfig");
    let place = path.field("clientConfig");
    let url = config.get("url").and_then(Value::as_str);
    let service = config.get("service").filter(|service| service.is_object());
    if url.is_some() == service.is_some() {
        causes.push(field::required(&place, ONE_OF));
        return;
    }
    if let Some(value) = url {
        self::url(value, &place.field("url"), causes);
    }
    if let Some(value) = service {
        self::service(value, &place.field("service"), causes);
    }
}

/// Where a webhook is (`ValidateWebhookURL` of `k8s.io/apiserver/pkg/util/webhook`).
pub(crate) fn url(url: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut wrong = |value: &str, detail: &str| {
        causes.push(field::invalid(path, &value.into(), detail));
    };
    let (scheme, rest) = url.split_once("://").unwrap_or(("", ""));
    if scheme != "https" {
        let detail = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
        wrong(scheme, detail);
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or("");
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        wrong("", "host must be specified; desired format: https://host[/path]");
    }
    if !user.is_empty() {
        wrong(user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        wrong(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        wrong(query, "query parameters are not permitted in the URL");
    }
}

/// Behind which Service a webhook is (`ValidateWebhookService`, same package).
pub(crate) fn service(service: &Value, place: &Path<'_>, causes: &mut Vec<Cause>) {
    // The server takes the one for the other when it says which is missing.
    for (name, told) in [("namespace", "name"), ("name", "namespace")] {
        if field::text(service, name).is_empty() {
            causes.push(field::required(&place.field(told), ""));
        }
    }
    if let Some(port) = field::int(service, "port").filter(|port| !(1..=65535).contains(port)) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(field::invalid(&place.field("port"), &port.into(), detail));
    }
    let path = field::text(service, "path");
    let place = place.field("path");
    let mut wrong = |detail: &str| causes.push(field::invalid(&place, &path.into(), detail));
    match path {
        "" | "/" => return,
        "//" => return wrong("segment[0] may not be empty"),
        _ => {}
    }
    if !path.starts_with('/') {
        wrong("must start with a '/'");
    }
    // As the server does, whatever the first character is.
    let mut rest = path.chars();
    rest.next();
    let steps = rest.as_str();
    let steps = steps.strip_suffix('/').unwrap_or(steps);
    for (index, step) in steps.split('/').enumerate() {
        if step.is_empty() {
            wrong(&format!("segment[{index}] may not be empty"));
            continue;
        }
        for problem in &form::subdomain(step) {
            wrong(&format!("segment[{index}]: {problem}"));
        }
    }
}

fn versions(hook: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let place = path.field("admissionReviewVersions");
    let versions = field::list(hook, "admissionReviewVersions");
    if versions.is_empty() {
        causes.push(field::required(&place, "must specify one of v1, v1beta1"));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        let version = version.as_str().unwrap_or("");
        field::each(&place.index(index), version, &form::label_1035(version), causes);
    }
    if !versions.iter().any(|version| version == "v1" || version == "v1beta1") {
        let detail = "must include at least one of v1, v1beta1";
        causes.push(field::invalid(&place, &Value::from(versions.to_vec()), detail));
    }
}
