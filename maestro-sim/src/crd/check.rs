//! What the server refuses in a definition: names, versions, and schemas that are not structural.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`.

use super::extras::{check_conversion, extras};
use super::{preset, printed, schema, shape};
use crate::api::Cause;
use crate::builtin::field::{self, Path};
use crate::builtin::text as form;
use crate::json::{Array, Value};
use crate::object::at;

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
    start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  \
    or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// What is wrong with a complete definition; `old` is what is stored of it.
pub fn check(crd: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let root = Path::Root;
    let spec = root.field("spec");
    let text = |path: &[&str]| at(crd, path).and_then(Value::as_str).unwrap_or("");
    let (group, plural) = (text(&["spec", "group"]), text(&["spec", "names", "plural"]));
    let name = text(&["metadata", "name"]);
    if name != format!("{plural}.{group}") {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        causes.push(field::invalid(&"metadata.name", &name.into(), detail));
    }
    if group.is_empty() {
        causes.push(field::required(&spec.field("group"), ""));
    } else if !form::subdomain(group).is_empty() {
        let told = form::subdomain(group).join(",");
        causes.push(field::invalid(&spec.field("group"), &group.into(), &told));
    } else if !group.contains('.') {
        let detail = "should be a domain with at least one dot";
        causes.push(field::invalid(&spec.field("group"), &group.into(), detail));
    }
    match text(&["spec", "scope"]) {
        "Namespaced" | "Cluster" => {}
        "" => causes.push(field::required(&spec.field("scope"), "")),
        other => {
            let allowed = ["Cluster", "Namespaced"];
            causes.push(field::not_supported(&spec.field("scope"), &other.into(), &allowed));
        }
    }
    check_versions(crd, old, &spec, &mut causes);
    check_names(crd, &spec.field("names"), &mut causes);
    extras(crd, &spec, &mut causes);
    if let Some(conversion) = at(crd, &["spec", "conversion"]) {
        check_conversion(conversion, &spec.field("conversion"), &mut causes);
    }
    if let Some(schema) = shared(crd, "schema").and_then(|schema| schema.get("openAPIV3Schema")) {
        let validation = spec.field("validation");
        let first =
            at(crd, &["spec", "versions"]).and_then(|versions| versions.as_array()?.first());
        let known = Known {
            held: first.is_some_and(|version| is_held(version, old)),
            status: at(crd, &["spec", "versions"])
                .and_then(Value::as_array)
                .is_some_and(|versions| versions.iter().any(has_status)),
        };
        check_root(schema, &validation.field("openAPIV3Schema"), known, &mut causes);
    }
    let stored = at(crd, &["status", "storedVersions"]).and_then(Value::as_array);
    if stored.is_none_or(|list| list.is_empty()) {
        let path = root.field("status");
        let detail = "must have at least one stored version";
        causes.push(field::invalid(&path.field("storedVersions"), &Value::Null, detail));
    }
    check_approval(crd, group, &mut causes);
    causes
}

/// What all versions have alike, which the server then keeps for the whole definition.
pub(super) fn shared<'v>(crd: &'v Value, name: &str) -> Option<&'v Value> {
    let versions = at(crd, &["spec", "versions"])?.as_array()?;
    let first = versions.first()?.get(name)?;
    versions.iter().all(|version| version.get(name) == Some(first)).then_some(first)
}

/// Versions as the server prints them.
fn go_versions(crd: &Value) -> String {
    let Some(versions) = at(crd, &["spec", "versions"]).and_then(Value::as_array) else {
        return "null".to_owned();
    };
    let fields = [
        ("Name", "name"),
        ("Served", "served"),
        ("Storage", "storage"),
        ("Deprecated", "deprecated"),
        ("DeprecationWarning", "deprecationWarning"),
        ("Schema", "schema"),
        ("Subresources", "subresources"),
        ("AdditionalPrinterColumns", "additionalPrinterColumns"),
        ("SelectableFields", "selectableFields"),
    ];
    let one = |version: &Value| {
        let shown = fields.map(|(go, name)| {
            let hoisted = shared(crd, name).is_some() && version.get(name) == shared(crd, name);
            let value = match name {
                "name" => version.get(name).cloned().unwrap_or_else(|| "".into()),
                "served" | "storage" | "deprecated" => {
                    version.get(name).cloned().unwrap_or_else(|| false.into())
                }
                _ if hoisted => Value::Null,
                _ => version.get(name).cloned().unwrap_or_default(),
            };
            if let (Some(schema), "schema") = (value.get("openAPIV3Schema"), name) {
                return format!("\"{go}\":{{\"OpenAPIV3Schema\":{}}}", shown(schema));
            }
            format!("\"{go}\":{value}")
        });
        format!("{{{}}}", shown.join(","))
    };
    format!("[{}]", versions.iter().map(one).collect::<Vec<_>>().join(","))
}

fn check_names(crd: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let text = |name: &str| at(crd, &["spec", "names", name]).and_then(Value::as_str).unwrap_or("");
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(name).is_empty() {
            causes.push(field::required(&path.field(name), ""));
        }
    }
    for name in ["plural", "singular", "kind", "listKind"] {
        let found = text(name);
        let form = if name.ends_with("ind") { found.to_lowercase() } else { found.to_owned() };
        if !found.is_empty() && !is_label(&form) {
            let detail = match name {
                "kind" | "listKind" => {
                    format!("may have mixed case, but should otherwise match: {LABEL}")
                }
                _ => LABEL.to_owned(),
            };
            causes.push(field::invalid(&path.field(name), &found.into(), &detail));
        }
    }
    for list in ["shortNames", "categories"] {
        let place = path.field(list);
        let names = at(crd, &["spec", "names", list]).and_then(Value::as_array);
        for (index, name) in names.into_iter().flatten().enumerate() {
            let name = name.as_str().unwrap_or("");
            field::each(&place.index(index), name, &form::label_1035(name), causes);
        }
    }
    if !text("kind").is_empty() && text("kind") == text("listKind") {
        let detail = "kind and listKind may not be the same";
        causes.push(field::invalid(&path.field("listKind"), &text("kind").into(), detail));
    }
}

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// Groups of the Kubernetes project need its approval (KEP-1111).
fn check_approval(crd: &Value, group: &str, causes: &mut Vec<Cause>) {
    const APPROVAL: &str = "api-approved.kubernetes.io";
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|g| group == *g || group.strip_suffix(g).is_some_and(|rest| rest.ends_with('.')));
    let annotations = at(crd, &["metadata", "annotations"]);
    if protected && annotations.and_then(|a| a.get(APPROVAL)).is_none() {
        let detail = "protected groups must have approval annotation \
                      \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
        causes.push(field::required(&format!("metadata.annotations[{APPROVAL}]"), detail));
    }
}

/// Whether a version has the schema that it has already.
fn is_held(version: &Value, old: Option<&Value>) -> bool {
    let versions = old.and_then(|old| at(old, &["spec", "versions"])?.as_array());
    let same = |own: &&Value| own.get("name") == version.get("name");
    let before = versions.and_then(|versions| versions.iter().find(same));
    before.is_some_and(|own| own.get("schema") == version.get("schema"))
}

fn has_status(version: &Value) -> bool {
    at(version, &["subresources", "status"]).is_some_and(|status| !status.is_null())
}

fn check_versions(crd: &Value, old: Option<&Value>, spec: &Path<'_>, causes: &mut Vec<Cause>) {
    let path = spec.field("versions");
    let none = Array::new();
    let versions = at(crd, &["spec", "versions"]).and_then(Value::as_array).unwrap_or(&none);
    let alike = shared(crd, "schema").is_some();
    for (i, version) in versions.iter().enumerate() {
        if at(version, &["schema", "openAPIV3Schema"]).is_none() {
            let holder = path.index(i);
            causes.push(field::required(&holder.field("schema").field("openAPIV3Schema"), ""));
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut unique = true;
    for (i, version) in versions.iter().enumerate() {
        let here = path.index(i);
        let name = version.get("name").and_then(Value::as_str).unwrap_or("");
        if !is_label(name) {
            causes.push(field::invalid(&here.field("name"), &name.into(), LABEL));
        }
        unique &= !seen.contains(&name);
        seen.push(name);
        if let (false, Some(schema)) = (alike, at(version, &["schema", "openAPIV3Schema"])) {
            let holder = here.field("schema");
            let known = Known { held: is_held(version, old), status: has_status(version) };
            check_root(schema, &holder.field("openAPIV3Schema"), known, causes);
        }
    }
    if !unique {
        let detail = "must contain unique version names";
        causes.push(field::invalid_shown(&path, &go_versions(crd), detail));
    }
    let storage = |v: &&Value| v.get("storage").and_then(Value::as_bool) == Some(true);
    if versions.iter().filter(storage).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(field::invalid_shown(&path, &go_versions(crd), detail));
    }
    if let Some(first) = seen.first().filter(|first| !first.is_empty() && !is_label(first)) {
        causes.push(field::invalid(&spec.field("version"), &(*first).into(), LABEL));
    }
}

/// What is known of a version besides its schema.
#[derive(Clone, Copy)]
struct Known {
    /// Whether it had the same schema before.
    held: bool,
    /// Whether its status is written by itself.
    status: bool,
}

/// The longest schema in JSON that is printed in what is said of it, in bytes.
const LONGEST: usize = 16 * 1024;

/// A schema as the server prints it. Each part has forty fields: of a long one that is too much.
fn shown(schema: &Value) -> String {
    match schema.to_string().len() {
        0..=LONGEST => printed::schema(schema),
        _ => "{...}".to_owned(),
    }
}

/// Where a status is validated by itself, what the root says of the whole would be lost.
fn beside_status(schema: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    const ALLOWED: [&str; 22] = [
        "Description",
        "Type",
        "Format",
        "Title",
        "Maximum",
        "ExclusiveMaximum",
        "Minimum",
        "ExclusiveMinimum",
        "MaxLength",
        "MinLength",
        "Pattern",
        "MaxItems",
        "MinItems",
        "UniqueItems",
        "MultipleOf",
        "Required",
        "Items",
        "Properties",
        "ExternalDocs",
        "Example",
        "XPreserveUnknownFields",
        "XValidations",
    ];
    for held in printed::held(schema) {
        let kind = schema::text(schema, "type");
        if held == "Type" && kind != "object" {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the \
                          status subresource is enabled";
            causes.push(field::invalid(&path.field("type"), &kind.into(), detail));
            return;
        }
        if !ALLOWED.contains(&held) {
            let detail = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource \
                 is enabled",
                ALLOWED.join(" ")
            );
            causes.push(field::invalid_shown(path, &shown(schema), &detail));
            return;
        }
    }
}

/// The schema of a whole object.
fn check_root(
    schema: &Value,
    path: &Path<'_>,
    Known { held, status }: Known,
    causes: &mut Vec<Cause>,
) {
    let before = causes.len();
    if status {
        beside_status(schema, path, causes);
    }
    if schema::flag(schema, "nullable") {
        causes
            .push(field::forbidden(&path.field("nullable"), "nullable cannot be true at the root"));
    }
    let unsupported = shape::unsupported(schema);
    if unsupported.is_none() {
        let found = causes.len();
        shape::check(schema, path, causes);
        if causes.len() == found {
            preset::check(schema, path, causes);
        }
    }
    schema::check(schema, path, causes);
    if let (Some(why), true) = (unsupported, causes.len() == before) {
        causes.push(field::invalid(path, &"".into(), &why));
    }
    // What a schema means that is none is not asked.
    if causes.len() == before {
        super::rules::check(schema, path, held, causes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    fn definition() -> Value {
        json!({"metadata": {"name": "cats.example.com"}, "spec": {"group": "example.com",
            "scope": "Namespaced", "names": {"plural": "cats", "kind": "Cat"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]},
            "status": {"storedVersions": ["v1"]}})
    }

    #[track_caller]
    fn check_fields(change: impl FnOnce(&mut Value), expected: &[&str]) {
        let mut crd = definition();
        crate::crd::complete(&mut crd);
        change(&mut crd);
        let found: Vec<String> =
            check(&crd, None).into_iter().map(|c| format!("{} {}", c.reason, c.field)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_definition_is_completed_and_checked() {
        check_fields(|_| {}, &[]);
        check_fields(
            |crd| crd["metadata"]["name"] = "dogs.example.com".into(),
            &["FieldValueInvalid metadata.name"],
        );
        check_fields(
            |crd| crd["spec"]["versions"][0]["storage"] = false.into(),
            &["FieldValueInvalid spec.versions"],
        );
        check_fields(
            |crd| {
                crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] =
                    json!({"spec": {}});
            },
            &["FieldValueRequired spec.validation.openAPIV3Schema.properties[spec].type"],
        );
    }
}
