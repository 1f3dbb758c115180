//! Histories of writes and what they leave: the object, its managers and when they last wrote.
//!
//! The behaviours are those of structured-merge-diff and of a real server.

mod apply;

use super::*;
use crate::json::json;
use crate::schema::parse::parse;

/// A typed kind with every way to merge, and a custom kind.
const WIDGET: &str = r#"
type: object
properties:
  apiVersion: {type: string, default: ''}
  kind: {type: string, default: ''}
  metadata: {type: object, x-go: s}
  spec:
    type: object
    x-go: s
    required: [containers]
    properties:
      replicas: {type: integer}
      paused: {type: boolean}
      image: {type: string}
      selector: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
      options: {type: object, additionalProperties: {type: string}}
      args: {type: array, items: {type: string}, x-kubernetes-list-type: atomic}
      tags: {type: array, items: {type: string}, x-kubernetes-list-type: set}
      strategy:
        type: object
        x-go: s
        properties:
          type: {type: string}
          rolling: {type: object, properties: {surge: {type: integer}}}
      containers:
        type: array
        x-go: n
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
        items:
          type: object
          properties:
            name: {type: string}
            image: {type: string}
            command: {type: string}
      ports:
        type: array
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [port, protocol]
        items:
          type: object
          properties:
            port: {type: integer}
            protocol: {type: string, default: TCP}
            name: {type: string}
      free: {type: object, x-kubernetes-preserve-unknown-fields: true}
  status:
    type: object
    x-go: s
    properties: {ready: {type: integer}}
"#;

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs the steps (`update: manager` or `apply: manager` with a `spec`, or a whole `object`; also
/// `typed`, `force`, `status`, `version`) one second apart, and describes what is left.
fn history(steps: &Value) -> Value {
    let schema = parse(&yaml(WIDGET));
    let mut live: Option<Value> = None;
    for (second, step) in steps.as_array().unwrap().iter().enumerate() {
        let flag = |name: &str| step.get(name).and_then(Value::as_bool).unwrap_or(false);
        let now = format!("2026-01-01T00:00:{second:02}Z");
        let subresource = if flag("status") { "status" } else { "" };
        let (verb, manager) = ["update", "apply"]
            .into_iter()
            .find_map(|verb| Some((verb, step.get(verb)?.as_str()?)))
            .unwrap();
        let typed = flag("typed");
        let version = step.get("version").and_then(Value::as_str).unwrap_or("v1");
        let write = Write {
            views: None,
            schema: &schema,
            typed,
            manager,
            api_version: version,
            subresource,
            reset: reset_fields(typed, true, subresource),
            now: &now,
        };
        let mut object = json!({
            "apiVersion": version, "kind": "Widget", "metadata": {"name": "w", "namespace": "n"}
        });
        for part in ["spec", "status"] {
            if let Some(value) = step.get(part).filter(|value| !value.is_boolean()) {
                object[part] = value.clone();
            }
        }
        if let Some(metadata) = step.get("metadata") {
            crate::patch::merge(&mut object["metadata"], metadata);
        }
        if verb == "update" {
            if object["metadata"].get("managedFields").is_none()
                && let Some(managed) = live.as_ref().and_then(managed_fields)
            {
                object["metadata"]["managedFields"] = managed.clone();
            }
            update(&write, live.as_ref(), &mut object);
            live = Some(object);
        } else {
            match apply(&write, live.as_ref(), &object, flag("force")) {
                Ok(object) => live = Some(object),
                Err(error) => return json!({"error": error.to_string()}),
            }
        }
    }
    describe(&live.unwrap())
}

fn describe(object: &Value) -> Value {
    let mut out = Map::new();
    for part in ["spec", "status"] {
        if let Some(value) = object.get(part) {
            out.insert(part.to_owned(), value.clone());
        }
    }
    let entries = managed_fields(object).map(|v| entry::decode(v.clone(), false).unwrap());
    let managers: Map = entries
        .unwrap_or_default()
        .into_iter()
        .map(|entry| {
            let when = entry.time.as_deref().map_or("undated".to_owned(), |time| {
                let second = time.rsplit(':').next().unwrap();
                let second = second.trim_start_matches('0').trim_end_matches('Z');
                format!("@{}", if second.is_empty() { "0" } else { second })
            });
            let sub = if entry.subresource.is_empty() { "" } else { "/status" };
            let name = format!("{} {:?}{sub} {when}", entry.manager, entry.operation);
            (name, json!(entry.fields.paths().join(" ")))
        })
        .collect();
    out.insert("managers", Value::Object(managers));
    Value::Object(out)
}

#[track_caller]
fn check(steps: &str, expected: &str) {
    assert_eq!(history(&yaml(steps)), yaml(expected), "{steps}");
}

#[test]
fn create_of_a_custom_kind_owns_all_it_names() {
    check(
        "[{update: a, spec: {replicas: 1, options: {x: '1'}, containers: [{name: c}]}}]",
        "spec: {replicas: 1, options: {x: '1'}, containers: [{name: c}]}
managers:
  a Update @0: >-
    .spec .spec.containers .spec.containers[name=\"c\"] .spec.containers[name=\"c\"].name
    .spec.options .spec.options.x .spec.replicas",
    );
}

#[test]
fn create_of_a_typed_kind_leaves_what_always_exists() {
    check(
        "[{update: a, typed: true, spec: {strategy: {rolling: {surge: 1}},
           containers: [{name: c}]}, status: {ready: 1}}]",
        "spec: {strategy: {rolling: {surge: 1}}, containers: [{name: c}]}
status: {ready: 1}
managers:
  a Update @0: >-
    .spec.containers[name=\"c\"] .spec.containers[name=\"c\"].name .spec.strategy.rolling
    .spec.strategy.rolling.surge",
    );
}

#[test]
fn updates_take_what_they_change() {
    check(
        "[{update: a, spec: {replicas: 1, image: x}}, {update: b, spec: {replicas: 2, image: x}}]",
        "{spec: {replicas: 2, image: x},
          managers: {a Update @0: .spec .spec.image, b Update @1: .spec.replicas}}",
    );
    check(
        "[{update: a, spec: {replicas: 1, image: x}}, {update: b, spec: {image: x}},
          {update: c, spec: {image: x}}]",
        "{spec: {image: x}, managers: {a Update @0: .spec .spec.image}}",
    );
    check(
        "[{update: a, spec: {replicas: 1}}, {update: a, spec: {replicas: 1, image: x}},
          {update: a, version: v2, spec: {replicas: 3, image: x}}]",
        "{spec: {replicas: 3, image: x},
          managers: {a Update @1: .spec .spec.image, a Update @2: .spec.replicas}}",
    );
}

#[test]
fn status_and_spec_are_owned_through_their_own_endpoints() {
    check(
        "[{update: a, spec: {replicas: 1}, status: {ready: 7}},
          {update: b, status: true, spec: {replicas: 9}}]",
        "{spec: {replicas: 9}, managers: {a Update @0: .spec .spec.replicas}}",
    );
    let schema = parse(&yaml(WIDGET));
    let write = Write {
        views: None,
        schema: &schema,
        typed: false,
        manager: "b",
        api_version: "v1",
        subresource: "status",
        reset: reset_fields(false, true, "status"),
        now: "2026-01-01T00:00:01Z",
    };
    let mut new = json!({"spec": {"replicas": 2}, "status": {"ready": 1}});
    update(&write, Some(&json!({"spec": {}, "metadata": {}})), &mut new);
    assert_eq!(managed_fields(&new), None, "untracked objects stay untracked");
    new = json!({"spec": {"replicas": 2}, "status": {"ready": 1}});
    update(&write, None, &mut new);
    assert_eq!(describe(&new)["managers"], json!({"b Update/status @1": ".status .status.ready"}));
}

#[test]
fn clients_may_send_or_reset_managed_fields() {
    let create = "{update: a, spec: {replicas: 1}}";
    check(
        &format!("[{create}, {{update: b, metadata: {{managedFields: [{{}}]}}, spec: {{}}}}]"),
        "{spec: {}, managers: {}}",
    );
    check(
        &format!(
            "[{create}, {{update: b, metadata: {{managedFields: []}}, spec: {{replicas: 1}}}}]"
        ),
        "{spec: {replicas: 1}, managers: {}}",
    );
    check(
        &format!(
            "[{create}, {{update: b, spec: {{replicas: 1}}, metadata: {{managedFields: [
              {{manager: z, operation: Update, apiVersion: v1, fieldsType: FieldsV1,
                fieldsV1: {{f:spec: {{f:replicas: {{}}}}}}}}]}}}}]"
        ),
        "{spec: {replicas: 1}, managers: {z Update undated: .spec.replicas}}",
    );
}

#[test]
fn old_updates_become_ancient() {
    let steps: Vec<Value> = (0..12)
        .map(|i| {
            let names = (0..=i).map(|n| format!("t{n:02}"));
            json!({"update": format!("m{i:02}"), "spec": {"tags": names.collect::<Vec<_>>()}})
        })
        .collect();
    let managers = history(&Value::from(steps));
    let managers = managers["managers"].as_object().unwrap();
    assert_eq!(managers.len(), 10);
    assert_eq!(
        managers["ancient-changes Update @2"],
        ".spec .spec.tags .spec.tags[=\"t00\"] .spec.tags[=\"t01\"] .spec.tags[=\"t02\"]"
    );
}

/// A built-in kind of the facts table, created as a client would.
#[test]
fn a_deployment_is_owned_as_on_a_real_server() {
    let schema = crate::facts::facts().schema("io.k8s.api.apps.v1.Deployment");
    let write = Write {
        views: None,
        schema: &schema,
        typed: true,
        manager: "kubectl-create",
        api_version: "apps/v1",
        subresource: "",
        reset: reset_fields(true, true, ""),
        now: "2026-01-01T00:00:00Z",
    };
    let mut object = yaml(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: {app: d}},
          spec: {replicas: 1, selector: {matchLabels: {app: d}},
            strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%}},
            template: {metadata: {labels: {app: d}}, spec: {containers: [
              {name: c, image: i, resources: {}, ports: [{containerPort: 80, protocol: TCP}]}
            ]}}}}",
    );
    update(&write, None, &mut object);
    let port = "k:{\"containerPort\":80,\"protocol\":\"TCP\"}";
    let expected = format!(
        "f:metadata: {{f:labels: {{.: {{}}, f:app: {{}}}}}}
f:spec:
  f:replicas: {{}}
  f:selector: {{}}
  f:strategy: {{f:rollingUpdate: {{.: {{}}, f:maxSurge: {{}}}}, f:type: {{}}}}
  f:template:
    f:metadata: {{f:labels: {{.: {{}}, f:app: {{}}}}}}
    f:spec:
      f:containers:
        'k:{{\"name\":\"c\"}}':
          .: {{}}
          f:image: {{}}
          f:name: {{}}
          f:ports:
            .: {{}}
            '{port}': {{.: {{}}, f:containerPort: {{}}, f:protocol: {{}}}}
          f:resources: {{}}
"
    );
    assert_eq!(object["metadata"]["managedFields"][0]["fieldsV1"], yaml(&expected));
}
