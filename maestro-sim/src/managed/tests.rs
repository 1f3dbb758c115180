//! Histories of writes and what they leave: the object, its managers and when they last wrote.
//!
//! The behaviours are those of structured-merge-diff and of a real server.

use serde_json::json;

use super::*;
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
    let managers: Map<String, Value> = entries
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
    out.insert("managers".to_owned(), Value::Object(managers));
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
    let managers = history(&Value::Array(steps));
    let managers = managers["managers"].as_object().unwrap();
    assert_eq!(managers.len(), 10);
    assert_eq!(
        managers["ancient-changes Update @2"],
        ".spec .spec.tags .spec.tags[=\"t00\"] .spec.tags[=\"t01\"] .spec.tags[=\"t02\"]"
    );
}

#[test]
fn apply_creates_shares_and_drops() {
    check(
        "[{apply: a, spec: {replicas: 1, options: {x: '1'}}}]",
        "{spec: {replicas: 1, options: {x: '1'}},
          managers: {a Apply @0: .spec.options.x .spec.replicas}}",
    );
    check(
        "[{apply: a, spec: {replicas: 1, image: x}}, {apply: b, spec: {image: x}},
          {apply: a, spec: {replicas: 1}}]",
        "{spec: {replicas: 1, image: x},
          managers: {a Apply @0: .spec.replicas, b Apply undated: .spec.image}}",
    );
    check(
        "[{apply: a, spec: {replicas: 1, image: x}}, {apply: a, spec: {image: x}}]",
        "{spec: {image: x}, managers: {a Apply @1: .spec.image}}",
    );
    check(
        "[{apply: a, spec: {replicas: 1}}, {apply: a, spec: {replicas: 1}}]",
        "{spec: {replicas: 1}, managers: {a Apply @0: .spec.replicas}}",
    );
    check(
        "[{apply: a, spec: {options: {x: '1'}}},
          {update: u, spec: {options: {x: '1', y: '2'}}}, {apply: a, spec: {}}]",
        "{spec: {options: {y: '2'}}, managers: {a Apply @2: .spec, u Update @1: .spec.options.y}}",
    );
}

#[test]
fn conflicts_name_the_other_manager() {
    let created = "{update: u, spec: {replicas: 1, image: x}}";
    check(
        &format!("[{created}, {{apply: a, spec: {{replicas: 2}}}}]"),
        "error: 'Apply failed with 1 conflict: conflict with \"u\" using v1: .spec.replicas'",
    );
    check(
        "[{apply: b, spec: {replicas: 1}}, {apply: a, spec: {replicas: 2}}]",
        "error: 'Apply failed with 1 conflict: conflict with \"b\": .spec.replicas'",
    );
    check(
        "[{update: u, spec: {replicas: 1, image: x}}, {apply: b, spec: {image: x}},
          {apply: a, spec: {replicas: 2, image: y}}]",
        "error: \"Apply failed with 3 conflicts: conflicts with \\\"b\\\":\\n- .spec.image\\n\
         conflicts with \\\"u\\\" using v1:\\n- .spec.image\\n- .spec.replicas\"",
    );
    check(
        &format!("[{created}, {{apply: a, force: true, spec: {{replicas: 2}}}}]"),
        "{spec: {replicas: 2, image: x},
          managers: {a Apply @1: .spec.replicas, u Update @0: .spec .spec.image}}",
    );
    check(
        &format!("[{created}, {{apply: a, spec: {{replicas: 1}}}}]"),
        "{spec: {replicas: 1, image: x},
          managers: {a Apply undated: .spec.replicas,
            u Update @0: .spec .spec.image .spec.replicas}}",
    );
}

#[test]
fn untracked_objects_belong_to_before_first_apply() {
    let untracked = "{update: u, spec: {replicas: 1}},
        {update: u, metadata: {managedFields: [{}]}, spec: {replicas: 1}}";
    check(
        &format!("[{untracked}, {{apply: a, spec: {{image: x}}}}]"),
        "{spec: {replicas: 1, image: x},
          managers: {a Apply @2: .spec.image,
            before-first-apply Update @2: .spec .spec.replicas}}",
    );
    check(
        &format!("[{untracked}, {{apply: a, spec: {{replicas: 2}}}}]"),
        "error: 'Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: \
         .spec.replicas'",
    );
}

#[test]
fn keyed_lists_merge_by_item() {
    check(
        "[{apply: a, spec: {containers: [{name: x, image: i}, {name: y}]}},
          {apply: b, spec: {containers: [{name: z}, {name: x, command: c}]}},
          {apply: a, spec: {containers: [{name: x, image: j}]}}]",
        "spec: {containers: [{name: z}, {name: x, image: j, command: c}]}
managers:
  a Apply @2: >-
    .spec.containers[name=\"x\"] .spec.containers[name=\"x\"].image
    .spec.containers[name=\"x\"].name
  b Apply @1: >-
    .spec.containers[name=\"x\"] .spec.containers[name=\"x\"].command
    .spec.containers[name=\"x\"].name .spec.containers[name=\"z\"]
    .spec.containers[name=\"z\"].name",
    );
    check(
        "[{apply: a, spec: {ports: [{port: 80, name: web}]}},
          {apply: b, spec: {ports: [{port: 80, protocol: UDP}]}}]",
        "spec: {ports: [{port: 80, name: web}, {port: 80, protocol: UDP}]}
managers:
  a Apply @0: >-
    .spec.ports[port=80,protocol=\"TCP\"] .spec.ports[port=80,protocol=\"TCP\"].name
    .spec.ports[port=80,protocol=\"TCP\"].port
  b Apply @1: >-
    .spec.ports[port=80,protocol=\"UDP\"] .spec.ports[port=80,protocol=\"UDP\"].port
    .spec.ports[port=80,protocol=\"UDP\"].protocol",
    );
}

#[test]
fn sets_and_atomics() {
    check(
        "[{apply: a, spec: {tags: [x, y]}}, {apply: b, spec: {tags: [z, y]}},
          {apply: a, spec: {tags: [x]}}, {apply: b, spec: {tags: [z]}}]",
        "{spec: {tags: [x, z]},
          managers: {a Apply @0: '.spec.tags[=\"x\"]', b Apply @3: '.spec.tags[=\"z\"]'}}",
    );
    check(
        "[{apply: a, spec: {args: [x]}}, {apply: b, spec: {args: [x, y]}}]",
        "error: 'Apply failed with 1 conflict: conflict with \"a\": .spec.args'",
    );
    check(
        "[{apply: a, spec: {selector: {k: v}}}, {apply: a, spec: {selector: {l: w}}}]",
        "{spec: {selector: {l: w}}, managers: {a Apply @1: .spec.selector}}",
    );
    check(
        "[{apply: a, spec: {free: {m: {n: 1}, l: [1]}}}, {apply: b, spec: {free: {m: {o: 2}}}}]",
        "{spec: {free: {m: {n: 1, o: 2}, l: [1]}},
          managers: {
            a Apply @0: .spec.free.l .spec.free.m .spec.free.m.n,
            b Apply @1: .spec.free.m .spec.free.m.o}}",
    );
}

#[test]
fn configurations_that_do_not_fit() {
    let failed = "failed to create typed patch object (n/w; /v1, Kind=Widget)";
    check(
        "[{apply: a, spec: {replica: 1}}]",
        &format!("error: '{failed}: .spec.replica: field not declared in schema'"),
    );
    check(
        "[{apply: a, spec: {replicas: one}}]",
        &format!("error: '{failed}: .spec.replicas: expected numeric (int or float), got string'"),
    );
    check(
        "[{apply: a, spec: {containers: [{name: x}, {name: x}]}}]",
        &format!("error: '{failed}: .spec.containers: duplicate entries for key [name=\"x\"]'"),
    );
    check(
        "[{apply: a, spec: {containers: [{image: x}]}}]",
        &format!(
            "error: '{failed}: .spec.containers: element 0: associative list with keys has an \
             element that omits key field \"name\" (and doesn''t have default value)'"
        ),
    );
    check(
        "[{apply: a, metadata: {managedFields: [{}]}}]",
        "error: metadata.managedFields must be nil",
    );
}

/// A built-in kind of the facts table, created as a client would.
#[test]
fn a_deployment_is_owned_as_on_a_real_server() {
    let schema = crate::facts::facts().schema("io.k8s.api.apps.v1.Deployment");
    let write = Write {
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
