//! API services, certificate requests and attachments of volumes.
//!
//! Source: `k8s.io/kube-aggregator/pkg/apis/apiregistration/validation` and
//! `k8s.io/kubernetes/pkg/apis/{certificates,storage}/validation`.

use super::field::{self, Path, int, list, on, part, set, text};
use super::{go_json, text as form};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;

/// An API service, whose name says what it serves.
pub(super) fn api_service(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    let name = at(object, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
    let wanted = format!("{version}.{group}");
    if !name.is_empty() && form::segment(name).is_empty() && name != wanted {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        causes.push(field::invalid(&"metadata.name", &name.into(), &detail));
    }
    if group.is_empty() && version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        causes.push(field::required(&path.field("group"), detail));
    }
    if !group.is_empty() {
        field::each(&path.field("group"), group, &form::subdomain(group), causes);
    }
    field::each(&path.field("version"), version, &form::label_1035(version), causes);
    for (name, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let priority = int(spec, name).unwrap_or(0);
        if !(1..=most).contains(&priority) {
            let detail = format!("must be positive and less than {most}");
            causes.push(field::invalid(&path.field(name), &priority.into(), &detail));
        }
    }
    let bundle = text(spec, "caBundle");
    let trusting = on(spec, "insecureSkipTLSVerify");
    let Some(service) = set(spec, "service") else {
        if !bundle.is_empty() {
            let shown = format!("{} bytes", go_json::base64(bundle).len());
            let detail = "local APIServices may not have a caBundle";
            causes.push(field::invalid(&path.field("caBundle"), &shown.into(), detail));
        }
        if trusting {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            let place = path.field("insecureSkipTLSVerify");
            causes.push(field::invalid(&place, &true.into(), detail));
        }
        return;
    };
    let here = path.field("service");
    for name in ["namespace", "name"] {
        if text(service, name).is_empty() {
            causes.push(field::required(&here.field(name), ""));
        }
    }
    let port = int(service, "port").unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let detail = format!("port is not valid: {}", form::range(1, 65535));
        causes.push(field::invalid(&here.field("port"), &port.into(), &detail));
    }
    if trusting && !bundle.is_empty() {
        let detail = "may not be true if caBundle is present";
        causes.push(field::invalid(&path.field("insecureSkipTLSVerify"), &true.into(), detail));
    }
}

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// A certificate request. Of the request itself only the PEM block around it is looked at: the
/// signature in it is taken for good.
pub(super) fn certificate_request(object: &Value, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let request = text(spec, "request");
    let pem = go_json::base64(request);
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE REQUEST-----") {
        let detail = "PEM block type must be CERTIFICATE REQUEST";
        causes.push(field::invalid(&path.field("request"), &request.into(), detail));
    }
    let (usages, place) = (list(spec, "usages"), path.field("usages"));
    if usages.is_empty() {
        causes.push(field::required(&place, ""));
    }
    for (index, usage) in usages.iter().enumerate() {
        if !usage.as_str().is_some_and(|usage| USAGES.contains(&usage)) {
            causes.push(field::not_supported(&place.index(index), usage, &USAGES));
        }
    }
    for (index, usage) in usages.iter().enumerate() {
        if usages[..index].contains(usage) {
            causes.push(field::duplicate(&place.index(index), usage));
        }
    }
    let signer = text(spec, "signerName");
    let place = path.field("signerName");
    if signer == "kubernetes.io/legacy-unknown" {
        let detail = "the legacy signerName is not allowed via this API version";
        causes.push(field::invalid(&place, &signer.into(), detail));
    } else if signer.is_empty() {
        causes.push(field::required(&place, ""));
    } else if signer.split('/').count() != 2 {
        let detail = "must be a fully qualified domain and path of the form \
                      'example.com/signer-name'";
        causes.push(field::invalid(&place, &signer.into(), detail));
    }
    if let Some(seconds) = int(spec, "expirationSeconds").filter(|seconds| *seconds < 600) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        causes.push(field::invalid(&path.field("expirationSeconds"), &seconds.into(), detail));
    }
}

const CASELESS: &str = "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'Example.com', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// An attachment of a volume to a node, which stays what it is.
pub(super) fn attachment(
    version: Version,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = part(object, "spec");
    let source = part(spec, "source");
    let here = path.field("source");
    let volume = set(source, "persistentVolumeName").and_then(Value::as_str);
    let one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (set(source, "inlineVolumeSpec"), volume) {
        (None, None) => causes.push(field::required(&here, one)),
        (Some(_), Some(_)) => causes.push(field::forbidden(&here, one)),
        (None, Some("")) => {
            let detail = "must specify non empty persistentVolumeName";
            causes.push(field::required(&here.field("persistentVolumeName"), detail));
        }
        _ => {}
    }
    let node = text(spec, "nodeName");
    field::each(&path.field("nodeName"), node, &form::subdomain(node), causes);
    if let Some(volume) = volume {
        let place = "spec.source.persistentVolumeName";
        field::each(&place, volume, &form::subdomain(volume), causes);
    }
    if let Some(old) = old
        && old.get("spec") != object.get("spec")
    {
        causes.push(field::invalid(&path, spec, "field is immutable"));
    }
    let (attacher, place) = (text(spec, "attacher"), path.field("attacher"));
    if attacher.is_empty() {
        causes.push(field::required(&place, ""));
    } else if !version.has("DeclarativeValidationBeta") {
        let lower = attacher.to_lowercase();
        field::each(&place, attacher, &form::subdomain(&lower), causes);
        if attacher.len() > 63 {
            causes.push(field::too_long(&place, 63));
        }
    } else if attacher.len() > 63 {
        causes.push(field::too_long(&place, 63));
    } else if !form::subdomain(&attacher.to_lowercase()).is_empty() {
        causes.push(field::invalid(&place, &attacher.into(), CASELESS));
    }
}
