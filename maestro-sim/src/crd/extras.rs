//! What the server refuses in a definition besides names and schemas: columns, scales, warnings,
//! fields to select by, and how versions become one another.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`.

use super::check::shared;
use super::field_path;
use crate::api::Cause;
use crate::builtin::field::{self, Path, part};
use crate::builtin::{text as form, webhook_service, webhook_url};
use crate::json::Value;
use crate::object::at;

/// What versions say besides their schema: what all of them say the server keeps in one place.
pub(super) fn extras(crd: &Value, spec: &Path<'_>, causes: &mut Vec<Cause>) {
    let path = spec.field("versions");
    let versions = at(crd, &["spec", "versions"]).and_then(Value::as_array);
    let kept = ["subresources", "additionalPrinterColumns", "selectableFields"];
    for name in kept {
        if let Some(value) = shared(crd, name) {
            let first = versions.and_then(|versions| versions.first());
            extra(name, value, schema_of(first), &spec.field(name), causes);
        }
    }
    for (index, version) in versions.into_iter().flatten().enumerate() {
        let here = path.index(index);
        for name in kept.iter().filter(|name| shared(crd, name).is_none()) {
            if let Some(value) = field::set(version, name) {
                extra(name, value, schema_of(Some(version)), &here.field(name), causes);
            }
        }
        let place = here.field("deprecationWarning");
        let Some(warning) = field::set(version, "deprecationWarning") else { continue };
        const LONGEST: usize = 256;
        let text = warning.as_str().unwrap_or("");
        let detail = match text {
            _ if !field::on(version, "deprecated") => "can only be set for deprecated versions",
            "" => "must not be empty",
            _ if text.len() > LONGEST => "must be <= 256 characters long",
            _ if text.chars().any(char::is_control) => "must only contain printable characters",
            _ => continue,
        };
        causes.push(field::invalid(&place, warning, detail));
    }
}

/// The schema of a version, if it has one.
fn schema_of(version: Option<&Value>) -> &Value {
    const NONE: &Value = &Value::Null;
    version.and_then(|version| version.pointer("/schema/openAPIV3Schema")).unwrap_or(NONE)
}

fn extra(name: &str, value: &Value, schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    match name {
        "subresources" => {
            if let Some(scale) = field::set(value, "scale") {
                check_scale(scale, &path.field("scale"), causes);
            }
        }
        "additionalPrinterColumns" => {
            for (index, column) in value.as_array().into_iter().flatten().enumerate() {
                check_column(column, &path.index(index), causes);
            }
        }
        _ => selected(value, schema, path, causes),
    }
}

/// Fields that lists and watches may be selected by.
fn selected(value: &Value, schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const MOST: usize = 8;
    let mut seen: Vec<Vec<String>> = Vec::new();
    for (index, selected) in value.as_array().into_iter().flatten().enumerate() {
        let (text, here) = (field::text(selected, "jsonPath"), path.index(index));
        let (place, shown) = (here.field("jsonPath"), Value::from(text));
        if text.is_empty() {
            causes.push(field::required(&place, ""));
            continue;
        }
        let (names, found) = match field_path::find(text, schema, false) {
            Ok(found) => found,
            Err(why) => {
                let detail = format!("is an invalid path: {why}");
                causes.push(field::invalid(&place, &shown, &detail));
                continue;
            }
        };
        if names.first().is_some_and(|first| first == "metadata") {
            let detail = "must not point to fields in metadata";
            causes.push(field::invalid(&place, &shown, detail));
        }
        if !matches!(field::text(found, "type"), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string \
                          fields and strings with formats are allowed.";
            causes.push(field::invalid(&place, &shown, detail));
        }
        match seen.contains(&names) {
            true => causes.push(field::duplicate(&place, &shown)),
            false => seen.push(names),
        }
    }
    if seen.len() > MOST {
        causes.push(field::too_many(path, seen.len(), MOST));
    }
}

const NOT_SIMPLE: &str = "must be a simple json path starting with .";

fn check_scale(scale: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    for (name, roots, below) in [
        ("specReplicasPath", &[".spec."][..], ".spec"),
        ("statusReplicasPath", &[".status."], ".status"),
        ("labelSelectorPath", &[".spec.", ".status."], "either .spec or .status"),
    ] {
        let (text, place) = (field::text(scale, name), path.field(name));
        if text.is_empty() {
            if name != "labelSelectorPath" {
                causes.push(field::required(&place, ""));
            }
        } else if !text.starts_with('.') {
            causes.push(field::invalid(&place, &text.into(), NOT_SIMPLE));
        } else if !roots.iter().any(|root| text.starts_with(root)) {
            let detail = format!("should be a json path under {below}");
            causes.push(field::invalid(&place, &text.into(), &detail));
        }
    }
}

const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

fn check_column(column: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if field::text(column, "name").is_empty() {
        causes.push(field::required(&path.field("name"), ""));
    }
    let (kind, place) = (field::text(column, "type"), path.field("type"));
    let detail = format!("must be one of {}", TYPES.join(","));
    if kind.is_empty() {
        causes.push(field::required(&place, &detail));
    } else if !TYPES.contains(&kind) {
        causes.push(field::invalid(&place, &kind.into(), &detail));
    }
    let form = field::text(column, "format");
    if !form.is_empty() && !FORMATS.contains(&form) {
        let detail = format!("must be one of {}", FORMATS.join(","));
        causes.push(field::invalid(&path.field("format"), &form.into(), &detail));
    }
    let (text, place) = (field::text(column, "jsonPath"), path.field("JSONPath"));
    if text.is_empty() {
        causes.push(field::required(&place, ""));
    } else if !text.starts_with('.') {
        causes.push(field::invalid(&place, &text.into(), NOT_SIMPLE));
    }
}

/// How objects get from one version to another.
pub(super) fn check_conversion(conversion: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let strategy = field::text(conversion, "strategy");
    field::one_of(&path.field("strategy"), strategy, &["None", "Webhook"], causes);
    let webhook = part(conversion, "webhook");
    let versions = field::list(webhook, "conversionReviewVersions");
    // The server keeps both beside the strategy, and so it names them.
    let (client, reviews) =
        (path.field("webhookClientConfig"), path.field("conversionReviewVersions"));
    if strategy == "Webhook" {
        match field::set(webhook, "clientConfig") {
            None => {
                causes.push(field::required(&client, "required when strategy is set to Webhook"));
            }
            Some(config) => {
                let both = ["url", "service"].map(|name| field::set(config, name).is_some());
                if both[0] == both[1] {
                    let detail = "exactly one of url or service is required";
                    causes.push(field::required(&client, detail));
                } else if let Some(url) = config.get("url").and_then(Value::as_str) {
                    webhook_url(url, &client.field("url"), causes);
                } else if let Some(service) = field::set(config, "service") {
                    webhook_service(service, &client.field("service"), causes);
                }
            }
        }
        if versions.is_empty() {
            causes.push(field::required(&reviews, ""));
        } else {
            let mut seen: Vec<&Value> = Vec::new();
            for (index, version) in versions.iter().enumerate() {
                let place = reviews.index(index);
                if seen.contains(&version) {
                    causes.push(field::invalid(&place, version, "duplicate version"));
                    continue;
                }
                seen.push(version);
                let version = version.as_str().unwrap_or("");
                field::each(&place, version, &form::label_1035(version), causes);
            }
            if !versions.iter().any(|version| version == "v1" || version == "v1beta1") {
                let detail = "must include at least one of v1, v1beta1";
                let shown = Value::from(versions.to_vec());
                causes.push(field::invalid(&reviews, &shown, detail));
            }
        }
        return;
    }
    let detail = "should not be set when strategy is not set to Webhook";
    if field::set(webhook, "clientConfig").is_some() {
        causes.push(field::forbidden(&client, detail));
    }
    if !versions.is_empty() {
        causes.push(field::forbidden(&reviews, detail));
    }
}
