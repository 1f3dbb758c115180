//! Probes and hooks: what runs or is asked, and how often.

use super::super::field::{self, Path, int, list, set, text};
use super::super::text as form;
use crate::api::Cause;
use crate::json::Value;

const MORE: &str = "may not specify more than 1 handler type";

/// A probe; readiness may ask for more than one success.
pub(super) fn probe(probe: &Value, readiness: bool, path: &Path<'_>, causes: &mut Vec<Cause>) {
    handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], None, path, causes);
    let counts = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ];
    for name in counts {
        field::not_negative(&path.field(name), int(probe, name), causes);
    }
    let name = "terminationGracePeriodSeconds";
    let (grace, place) = (int(probe, name), path.field(name));
    if let Some(seconds) = grace.filter(|seconds| *seconds <= 0) {
        causes.push(field::invalid(&place, &seconds.into(), "must be greater than 0"));
    }
    if readiness {
        if let Some(seconds) = grace {
            let detail = "must not be set for readinessProbes";
            causes.push(field::invalid(&place, &seconds.into(), detail));
        }
    } else if let Some(count) = int(probe, "successThreshold").filter(|count| *count != 1) {
        causes.push(field::invalid(&path.field("successThreshold"), &count.into(), "must be 1"));
    }
}

/// The hooks of a container.
pub(super) fn lifecycle(
    lifecycle: &Value,
    grace: Option<i64>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    for hook in ["postStart", "preStop"] {
        if let Some(found) = set(lifecycle, hook) {
            let kinds = ["exec", "httpGet", "tcpSocket", "sleep"];
            handler(found, &kinds, grace, &path.field(hook), causes);
        }
    }
}

fn handler(
    handler: &Value,
    kinds: &[&str],
    grace: Option<i64>,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let mut count = 0;
    for kind in kinds {
        let Some(found) = set(handler, kind) else { continue };
        let here = path.field(kind);
        count += 1;
        if count > 1 {
            causes.push(field::forbidden(&here, MORE));
            continue;
        }
        match *kind {
            "exec" if list(found, "command").is_empty() => {
                causes.push(field::required(&here.field("command"), ""));
            }
            "httpGet" => http_get(found, &here, causes),
            "tcpSocket" | "grpc" => port(found.get("port"), &here.field("port"), causes),
            "sleep" => sleep(found, grace, &here, causes),
            _ => {}
        }
    }
    if count == 0 {
        causes.push(field::required(path, "must specify a handler type"));
    }
}

fn sleep(sleep: &Value, grace: Option<i64>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let (Some(grace), seconds) = (grace, int(sleep, "seconds").unwrap_or(0)) else { return };
    if !(0..=grace).contains(&seconds) {
        let detail =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        causes.push(field::invalid(path, &seconds.into(), &detail));
    }
}

fn http_get(get: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if get.get("path").is_some_and(|path| path == "") {
        causes.push(field::required(&path.field("path"), ""));
    }
    port(get.get("port"), &path.field("port"), causes);
    let scheme = get.get("scheme").and_then(Value::as_str).unwrap_or("HTTP");
    let allowed = ["HTTP", "HTTPS"];
    if !allowed.contains(&scheme) {
        causes.push(field::not_supported(&path.field("scheme"), &scheme.into(), &allowed));
    }
    for header in list(get, "httpHeaders") {
        let name = text(header, "name");
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if name.is_empty() || !name.bytes().all(fits) {
            let detail = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. \
                          'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
            causes.push(field::invalid(&path.field("httpHeaders"), &name.into(), detail));
        }
    }
}

/// A port by number or by name.
pub(in super::super) fn port(port: Option<&Value>, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match port {
        Some(Value::String(name)) => field::each(path, name, &form::port_name(name), causes),
        other => {
            let number = other.and_then(Value::as_i64).unwrap_or(0);
            field::in_range(path, Some(number), (1, 65535), causes);
        }
    }
}
