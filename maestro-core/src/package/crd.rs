//! The package's CustomResourceDefinition: parameters become a typed, defaulted, validated spec.

use crate::framework::{
    FrameworkSpec, PACKAGE_GROUP, Parameter, ParameterType, VERSION, conditions_value,
};
use crate::parameters::QUANTITY_PATTERN;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

const DURATION_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$";
const VERSION_PATTERN: &str = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$";

/// The CRD of `spec`'s kind. Equal specs give equal CRDs, byte for byte.
///
/// # Errors
/// A `schema` of a parameter that is no OpenAPI schema.
pub fn crd(spec: &FrameworkSpec) -> Result<CustomResourceDefinition, serde_json::Error> {
    serde_json::from_value(crd_value(spec))
}

/// The same as JSON, in which unknown schema keywords of an author are kept as written.
#[must_use]
pub fn crd_value(spec: &FrameworkSpec) -> Value {
    let names = &spec.names;
    let singular = names.singular.clone().unwrap_or_else(|| names.kind.to_lowercase());
    let mut crd_names = json!({
        "kind": names.kind,
        "listKind": format!("{}List", names.kind),
        "plural": names.plural,
        "singular": singular,
    });
    if !names.short_names.is_empty() {
        crd_names["shortNames"] = json!(names.short_names);
    }
    if !names.categories.is_empty() {
        crd_names["categories"] = json!(names.categories);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": spec.crd_name(),
            "labels": {"app.kubernetes.io/managed-by": "maestro"},
        },
        "spec": {
            "group": PACKAGE_GROUP,
            "scope": "Namespaced",
            "names": crd_names,
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": root_schema(spec)},
                "subresources": subresources(spec),
                "additionalPrinterColumns": columns(),
            }],
        },
    })
}

fn subresources(spec: &FrameworkSpec) -> Value {
    let mut subresources = json!({"status": {}});
    if let Some(scale) = &spec.scale {
        subresources["scale"] = json!({
            "specReplicasPath": format!(".spec.{}", scale.parameter),
            "statusReplicasPath": ".status.replicas",
        });
        if scale.selector.is_some() {
            subresources["scale"]["labelSelectorPath"] = json!(".status.selector");
        }
    }
    subresources
}

fn columns() -> Value {
    let ready = ".status.conditions[?(@.type==\"Ready\")].status";
    json!([
        {"name": "Ready", "type": "string", "jsonPath": ready},
        {"name": "Version", "type": "string", "jsonPath": ".status.version"},
        {"name": "Plan", "type": "string", "jsonPath": ".status.activePlan.name"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])
}

fn root_schema(spec: &FrameworkSpec) -> Value {
    json!({
        "type": "object",
        "description": format!("An instance of {}, run by Maestro.", spec.names.kind),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(spec),
            "status": status_schema(),
        },
    })
}

fn spec_schema(spec: &FrameworkSpec) -> Value {
    let mut properties = Map::new();
    properties.insert(
        "version".to_owned(),
        json!({
            "type": "string",
            "pattern": VERSION_PATTERN,
            "description": "The Framework version to run; changing it upgrades. \
                            Absent means the Framework's present version at creation.",
        }),
    );
    properties.insert(
        "suspend".to_owned(),
        json!({"type": "boolean", "description": "Holds every plan and the repair of drift."}),
    );
    let (mut required, mut rules) = (Vec::new(), Vec::new());
    for parameter in &spec.parameters {
        properties.insert(parameter.name.clone(), parameter_schema(parameter));
        if parameter.required && parameter.default.is_none() {
            required.push(json!(parameter.name));
        } else if parameter.immutable && parameter.default.is_none() {
            rules.push(presence_rule(&parameter.name));
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if required.is_empty() {
        // So that the defaults of parameters apply where a user left out the whole spec.
        schema["default"] = json!({});
    } else {
        schema["required"] = Value::Array(required);
    }
    if !rules.is_empty() {
        schema["x-kubernetes-validations"] = Value::Array(rules);
    }
    schema
}

/// A transition rule on an optional field is not asked when the field comes or goes.
fn presence_rule(name: &str) -> Value {
    let field = cel_field(name);
    json!({
        "rule": format!("has(self.{field}) == has(oldSelf.{field})"),
        "message": format!("{name} cannot be changed"),
    })
}

/// CEL's reserved words are escaped in field selections of CRD rules.
fn cel_field(name: &str) -> String {
    const RESERVED: [&str; 21] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) { format!("__{name}__") } else { name.to_owned() }
}

/// The structural schema of one parameter.
#[must_use]
pub fn parameter_schema(parameter: &Parameter) -> Value {
    let mut schema = match &parameter.schema {
        Some(Value::Object(schema)) => schema.clone(),
        _ => type_schema(parameter.kind),
    };
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            schema.insert(key.to_owned(), value);
        }
    };
    put("description", parameter.description.as_ref().map(|text| json!(text)));
    put("default", parameter.default.clone());
    put("minimum", parameter.minimum.map(|bound| number(parameter.kind, bound)));
    put("maximum", parameter.maximum.map(|bound| number(parameter.kind, bound)));
    put("pattern", parameter.pattern.as_ref().map(|pattern| json!(pattern)));
    if !parameter.allowed.is_empty() {
        put("enum", Some(json!(parameter.allowed)));
    }
    let mut rules = match schema.remove("x-kubernetes-validations") {
        Some(Value::Array(rules)) => rules,
        _ => Vec::new(),
    };
    if let Some(rule) = &parameter.rule {
        let message = parameter.message.clone().unwrap_or_else(|| format!("must satisfy {rule}"));
        rules.push(json!({"rule": rule, "message": message}));
    }
    if parameter.immutable {
        let message = format!("{} cannot be changed", parameter.name);
        rules.push(json!({"rule": "self == oldSelf", "message": message}));
    }
    if !rules.is_empty() {
        schema.insert("x-kubernetes-validations".to_owned(), Value::Array(rules));
    }
    Value::Object(schema)
}

/// Whole bounds of an integer are written as integers, as a person would.
fn number(kind: ParameterType, bound: f64) -> Value {
    let whole = bound.fract() == 0.0 && bound.abs() < 9e15;
    // The range was checked, so the cast is exact.
    #[allow(clippy::cast_possible_truncation)]
    if kind == ParameterType::Integer && whole { json!(bound as i64) } else { json!(bound) }
}

fn type_schema(kind: ParameterType) -> Map<String, Value> {
    let schema = match kind {
        ParameterType::String => json!({"type": "string"}),
        ParameterType::Integer => json!({"type": "integer", "format": "int64"}),
        ParameterType::Number => json!({"type": "number"}),
        ParameterType::Boolean => json!({"type": "boolean"}),
        ParameterType::Quantity => json!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "x-kubernetes-int-or-string": true,
        }),
        ParameterType::Duration => json!({"type": "string", "pattern": DURATION_PATTERN}),
        ParameterType::Array => json!({
            "type": "array",
            "items": {"x-kubernetes-preserve-unknown-fields": true},
        }),
        ParameterType::Object => json!({
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
        }),
    };
    match schema {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn status_schema() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    json!({
        "type": "object",
        "properties": {
            "conditions": conditions_value(),
            "observedGeneration": {"type": "integer", "format": "int64"},
            "version": text,
            "connection": text,
            "replicas": {"type": "integer", "format": "int32"},
            "selector": text,
            "activePlan": {
                "type": "object",
                "properties": {
                    "name": text, "execution": text, "uid": text, "phase": text, "step": text,
                    "startedAt": time,
                },
            },
            "plans": {
                "type": "array",
                "description": "The last result of each plan.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": text, "execution": text, "uid": text, "result": text,
                        "reason": text, "message": text, "version": text,
                        "generation": {"type": "integer", "format": "int64"},
                        "startedAt": time, "finishedAt": time,
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(parameters: Value) -> FrameworkSpec {
        serde_json::from_value(json!({
            "names": {"kind": "ZooKeeper", "plural": "zookeepers", "shortNames": ["zk"]},
            "version": "1.1.0",
            "parameters": parameters,
            "scale": {"parameter": "nodes", "selector": "app.kubernetes.io/instance=${name}"},
        }))
        .expect("a spec")
    }

    #[test]
    fn a_parameter_becomes_a_schema() {
        let check = |parameter: Value, expected: Value| {
            let crd = crd_value(&spec(json!([parameter])));
            let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            assert_eq!(root["properties"]["spec"]["properties"]["p"], expected);
        };
        check(
            json!({"name": "p", "type": "integer", "default": 3, "minimum": 3, "maximum": 9,
                   "rule": "self % 2 == 1", "message": "odd", "description": "servers"}),
            json!({"type": "integer", "format": "int64", "default": 3, "minimum": 3,
                   "maximum": 9, "description": "servers",
                   "x-kubernetes-validations": [{"rule": "self % 2 == 1", "message": "odd"}]}),
        );
        check(
            json!({"name": "p", "type": "duration", "immutable": true}),
            json!({"type": "string", "pattern": DURATION_PATTERN, "x-kubernetes-validations":
                   [{"rule": "self == oldSelf", "message": "p cannot be changed"}]}),
        );
        check(
            json!({"name": "p", "type": "array", "schema":
                   {"type": "array", "items": {"type": "string"}}}),
            json!({"type": "array", "items": {"type": "string"}}),
        );
        check(
            json!({"name": "p", "type": "quantity", "default": "1Gi"}),
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "default": "1Gi",
                   "pattern": QUANTITY_PATTERN, "x-kubernetes-int-or-string": true}),
        );
    }

    #[test]
    fn the_crd_is_whole_typed_and_the_same_each_time() {
        let parameters = json!([
            {"name": "nodes", "type": "integer", "default": 3},
            {"name": "zone", "type": "string", "immutable": true},
        ]);
        let spec = spec(parameters);
        let typed = crd(&spec).expect("a CRD");
        assert_eq!(typed.metadata.name.as_deref(), Some("zookeepers.packages.maestro.dev"));
        let version = &typed.spec.versions[0];
        let scale = version.subresources.as_ref().and_then(|s| s.scale.as_ref());
        let scale = scale.expect("a scale subresource");
        assert_eq!(scale.spec_replicas_path, ".spec.nodes");
        assert_eq!(scale.label_selector_path.as_deref(), Some(".status.selector"));
        let value = crd_value(&spec);
        let schema = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert_eq!(
            schema["properties"]["spec"]["x-kubernetes-validations"][0]["rule"],
            "has(self.zone) == has(oldSelf.zone)"
        );
        assert_eq!(crd_value(&spec).to_string(), value.to_string());
    }

    #[test]
    fn our_own_crds_are_structural() {
        for crd in crate::package::framework_crds() {
            let schema = serde_json::to_string(&crd).expect("JSON");
            assert!(!schema.contains("additionalProperties\":false"), "{schema}");
            assert!(!schema.contains("$ref"), "{schema}");
        }
    }
}
