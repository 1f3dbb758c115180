//! From a body to an object of the kind that the URL names, with what is said of surplus fields.

use crate::api::http::unrecognized;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::strict::{self, Written};
use crate::api::{Cause, PatchType, Request, Status};
use crate::crd;
use crate::json::Value;
use crate::patch::go_print;
use crate::structural;
use crate::typed;

/// Where the real server registers its types; its message names the place.
const SCHEME: &str = "pkg/runtime/scheme.go:111";

/// What `fieldValidation` asks for (KEP-2885).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Ignore,
    Warn,
    Strict,
}

impl Server {
    /// Reads the body of a create, an update or an apply in place; `live` is what is stored.
    pub(super) fn decode(
        &mut self,
        served: &Served,
        request: &Request,
        body: &mut Value,
        live: Option<&Value>,
    ) -> Result<(), Box<Status>> {
        let strictness = strictness(request)?;
        self.check_type(served, request, body)?;
        let mut noticed = read(served, body, live).map_err(|why| {
            let (kind, version) = (&served.kind, &served.version);
            let message =
                format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}");
            Box::new(Status::bad_request(message))
        })?;
        let unknown = std::mem::take(&mut noticed.unknown);
        self.noticed = noticed;
        let told = || strict::told(request, !served.is_custom(), &unknown, &Value::Null);
        let Some(why) = self.surplus(request, strictness, told) else { return Ok(()) };
        let (kind, version) = (&served.kind, &served.version);
        let message =
            format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}");
        Err(Box::new(Status::bad_request(message)))
    }

    /// Reads what an apply made of an object: a typed server stores nothing else.
    pub(super) fn decode_merged(
        &mut self,
        served: &Served,
        mut merged: Value,
        live: Option<&Value>,
    ) -> Result<Value, Box<Status>> {
        let noticed = read(served, &mut merged, live);
        let noticed = noticed.map_err(|why| {
            let (version, kind) = (served.api_version(), &served.kind);
            let slash = if version.contains('/') { "" } else { "/" };
            let name = merged.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
            let message = format!(
                "failed to convert new object (/{name}; {slash}{version}, Kind={kind}) to proper \
                 version: unable to convert unstructured object to {slash}{version}, Kind={kind}: \
                 {why}"
            );
            Box::new(Status::new(500, "", message))
        })?;
        self.noticed = noticed;
        Ok(merged)
    }

    /// Reads what a patch made of an object; `again` makes it once more, for errors quote it.
    pub(super) fn decode_patched(
        &mut self,
        served: &Served,
        request: &Request,
        body: &mut Value,
        (live, patch): (&Value, &Value),
        again: impl Fn() -> Option<Value>,
    ) -> Result<(), Box<Status>> {
        let strictness = strictness(request)?;
        let typed = self.check_type(served, request, body);
        let strategic = request.patch == Some(PatchType::Strategic);
        let refuse = |why: &str| {
            let shown = match strategic {
                true => go_print(patch),
                false => again().unwrap_or_default().to_string(),
            };
            let message = format!("Invalid value: {}: {why}", Value::from(shown));
            let cause = Cause::new("FieldValueInvalid", "patch", message);
            Box::new(Status::invalid("", "", "", &[cause]))
        };
        typed.map_err(|status| {
            let head = " cannot be handled as a ";
            match status.message.split_once(head).and_then(|(_, rest)| rest.split_once(": ")) {
                Some((_, why)) if status.code == 400 => refuse(why),
                _ => status,
            }
        })?;
        let mut noticed = read(served, body, Some(live)).map_err(|why| {
            let why = if strategic { from_unstructured(&why) } else { why };
            refuse(&why)
        })?;
        let mut unknown = std::mem::take(&mut noticed.unknown);
        self.noticed = noticed;
        if strategic {
            unknown.sort();
        }
        let told = || strict::told(request, !served.is_custom(), &unknown, patch);
        self.surplus(request, strictness, told).map_or(Ok(()), |why| Err(refuse(&why)))
    }

    /// Warns of surplus fields, or says why they are refused.
    fn surplus(
        &mut self,
        request: &Request,
        strictness: Strictness,
        told: impl FnOnce() -> Vec<String>,
    ) -> Option<String> {
        if strictness == Strictness::Ignore {
            return None;
        }
        let told = told();
        if strictness == Strictness::Strict && !told.is_empty() {
            return Some(format!("strict decoding error: {}", told.join(", ")));
        }
        if request.options.warn {
            self.warnings.extend(strict::apart(told));
        }
        None
    }

    /// What strict readers say of an applied configuration, once it was applied.
    pub(super) fn strictly_applied(&mut self, request: &Request) -> Result<(), Box<Status>> {
        let strictness = strictness(request)?;
        if strictness == Strictness::Ignore {
            return Ok(());
        }
        let told = strict::applied(&request.options.written);
        if strictness == Strictness::Strict && !told.is_empty() {
            let message = format!(
                "error strict decoding patch: error converting YAML to JSON: {}",
                strict::errors(&told)
            );
            return Err(Box::new(Status::bad_request(message)));
        }
        if request.options.warn {
            self.warnings.extend(told);
        }
        Ok(())
    }

    /// The body must be of the kind that the URL names; absent type fields are filled in for
    /// built-in kinds.
    fn check_type(
        &mut self,
        served: &Served,
        request: &Request,
        body: &mut Value,
    ) -> Result<(), Box<Status>> {
        if body.is_null() && !served.is_custom() {
            *body = Value::Object(crate::json::Map::new());
        }
        let written = &request.options.written;
        if !body.is_object() {
            return Err(no_object(served, written, body));
        }
        let outside = request.options.warn;
        let is_patch = request.verb == crate::api::Verb::Patch;
        if let Some(why) = mistyped(body).filter(|_| outside && !is_patch) {
            let shown = written.shown(body);
            return Err(Box::new(unrecognized(&served.kind, &why, shown.as_bytes())));
        }
        let Some(map) = body.as_object_mut() else { return Ok(()) };
        let text = |field: &str| {
            map.get(field).and_then(Value::as_str).filter(|v| !v.is_empty()).map(str::to_owned)
        };
        let version = text("apiVersion");
        let kind = text("kind");
        // Inside the simulation the collection says the kind well enough.
        if served.is_custom() && outside && (version.is_none() || kind.is_none()) {
            if is_patch {
                let message = missing_type(kind.as_deref(), &body.to_string());
                return Err(Box::new(Status::bad_request(message)));
            }
            let shown = written.shown(body);
            if kind.is_none() {
                let why = missing_type(None, &shown);
                return Err(Box::new(unrecognized(&served.kind, &why, shown.as_bytes())));
            }
            return Err(Box::new(Status::bad_request(self.other_type(served, "", ""))));
        }
        let version = version.unwrap_or_else(|| served.api_version().to_owned());
        let kind = kind.unwrap_or_else(|| served.kind.clone());
        let same = version == served.api_version();
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let is_of_kind = group == served.resource.group && kind == served.kind;
        if !same && is_of_kind && served.is_custom() && request.options.warn {
            // It is read as what it says it is, if that is served.
            let versions = self.registry.served_versions(&served.resource);
            let other = versions.iter().find(|one| one.api_version() == version);
            let unknown = match other {
                Some(other) => {
                    structural::unknown_fields(other.schema(), &Value::Object(map.clone()))
                }
                None => {
                    let common = ["apiVersion", "kind", "metadata"];
                    map.keys()
                        .filter(|field| !common.contains(&field.as_str()))
                        .map(|name| name.to_string())
                        .collect()
                }
            };
            let told = unknown.iter().map(|field| format!("unknown field \"{field}\""));
            self.warnings.extend(told);
        }
        if !same || (kind != served.kind && !served.is_custom()) {
            return Err(Box::new(Status::bad_request(self.other_type(served, &version, &kind))));
        }
        map.insert("apiVersion", version.into());
        map.insert("kind", kind.into());
        Ok(())
    }

    /// What is said of a body of another kind than the URL's.
    fn other_type(&self, served: &Served, api_version: &str, kind: &str) -> String {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if served.is_custom() {
            return format!(
                "the API version in the data ({api_version}) does not match the expected API \
                 version ({})",
                served.api_version()
            );
        }
        let head =
            format!("{kind} in version \"{version}\" cannot be handled as a {}", served.kind);
        let known = self
            .registry
            .of_kind(group, kind)
            .is_some_and(|other| other.version == version && !other.is_custom());
        if !known {
            return format!(
                "{head}: no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \
                 \"{SCHEME}\""
            );
        }
        let package = match served.resource.group.split('.').next() {
            None | Some("") => "core",
            Some(package) => package,
        };
        format!(
            "{head}: converting ({version}.{kind}) to ({package}.{}): unknown conversion",
            served.kind
        )
    }
}

/// An applied configuration must say that it is of the kind that the URL names.
pub(super) fn applied_type(served: &Served, body: &Value) -> Result<(), Box<Status>> {
    if !body.is_object() {
        let message = format!(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot \
             unmarshal {} into Go value of type map[string]interface {{}}",
            typed::json_type(body)
        );
        return Err(Box::new(Status::bad_request(message)));
    }
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or("");
    let (version, kind) = (text("apiVersion"), text("kind"));
    if version == served.api_version() && kind == served.kind {
        return Ok(());
    }
    let slash = if version.contains('/') { "" } else { "/" };
    let message = format!("invalid object type: {slash}{version}, Kind={kind}");
    Err(Box::new(Status::bad_request(message)))
}

/// The fields that nothing knows, after everything has the type that it should have.
fn read(served: &Served, body: &mut Value, live: Option<&Value>) -> Result<typed::Noticed, String> {
    if served.is_custom() {
        // What says that it is of another kind is not pruned as one of this.
        let kind = body.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        if kind.is_some_and(|kind| kind != served.kind) {
            return Ok(typed::Noticed::default());
        }
        let unknown = structural::unknown_fields(served.schema(), body);
        return Ok(typed::Noticed { unknown, ..typed::Noticed::default() });
    }
    let mut noticed = typed::decode(served.schema(), &served.kind, body, live)?;
    if served.kind == "CustomResourceDefinition" {
        if let Some(why) = crd::mistyped(body) {
            return Err(why);
        }
        noticed.unknown.extend(crd::surplus(body));
        noticed.unknown.sort();
    }
    Ok(noticed)
}

fn strictness(request: &Request) -> Result<Strictness, Box<Status>> {
    match request.options.field_validation.as_deref() {
        None | Some("" | "Warn") => Ok(Strictness::Warn),
        Some("Ignore") => Ok(Strictness::Ignore),
        Some("Strict") => Ok(Strictness::Strict),
        Some(other) => {
            let message = format!(
                "Unsupported value: \"{other}\": supported values: \"\", \"Ignore\", \"Strict\", \
                 \"Warn\""
            );
            let options = match request.verb {
                crate::api::Verb::Create => "CreateOptions",
                crate::api::Verb::Update => "UpdateOptions",
                _ => "PatchOptions",
            };
            let cause = Cause::new("FieldValueNotSupported", "fieldValidation", message);
            Err(Box::new(Status::invalid("meta.k8s.io", options, "", &[cause])))
        }
    }
}

/// A body that is no object at all; a YAML document that is empty only lacks its type.
fn no_object(served: &Served, written: &Written, body: &Value) -> Box<Status> {
    const TARGET: &str = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind \
                          string \"json:\\\"kind,omitempty\\\"\" }";
    let shown = written.shown(body);
    let why = if body.is_null() && written.is_yaml() {
        missing_type(None, &shown)
    } else {
        format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value \
             of type {TARGET}",
            typed::json_type(body)
        )
    };
    Box::new(unrecognized(&served.kind, &why, shown.as_bytes()))
}

/// What is said of a type that is no text.
fn mistyped(body: &Value) -> Option<String> {
    let (field, value) = ["apiVersion", "kind"].into_iter().find_map(|field| {
        let value = body.get(field)?;
        (!value.is_string() && !value.is_null()).then_some((field, value))
    })?;
    Some(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go struct \
         field .{field} of type string",
        typed::json_type(value)
    ))
}

/// A custom object has to say what it is.
fn missing_type(kind: Option<&str>, body: &str) -> String {
    let field = if kind.is_none() { "Kind" } else { "apiVersion" };
    format!("Object '{field}' is missing in '{body}'")
}

/// Strategic merge decodes maps, not text, and names no place.
///
/// Source: `fromUnstructured` of `k8s.io/apimachinery/pkg/runtime`. Go converts whole numbers to
/// text, which JSON does not, so that there is a word of its own for that.
fn from_unstructured(why: &str) -> String {
    let told =
        why.strip_prefix("json: cannot unmarshal ").and_then(|rest| rest.split_once(" into "));
    let Some((what, rest)) = told else { return why.to_owned() };
    let of = rest.rsplit(' ').next().unwrap_or_default();
    let kind = match what {
        "array" => "slice",
        "object" => "map",
        "number" => "int64",
        what if what.starts_with("number ") => "float64",
        what => what,
    };
    match of {
        list if list.starts_with("[]") => format!("cannot restore slice from {kind}"),
        map if map.starts_with("map[") => format!("cannot restore map from {kind}"),
        "string" if kind == "int64" => format!("cannot convert {kind} to {of}"),
        of if kind == "string" || !of.contains('.') => format!("unrecognized type: {of}"),
        _ => why.to_owned(),
    }
}
