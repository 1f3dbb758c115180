//! Server-side apply: what it shares, takes, refuses and lets go.

use super::check;

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
