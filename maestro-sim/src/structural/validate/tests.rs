//! Objects against schemas, errors as a client sees them.

use crate::json::Value;

/// Every error of `new` under `schema`, one a line, as `field: message`.
#[track_caller]
fn check(schema: &str, old: &str, new: &str, errors: &[&str]) {
    let yaml = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
    let schema = crate::schema::parse::parse(&yaml(schema));
    let old = (!old.is_empty()).then(|| yaml(old));
    let found = super::validate(&schema, &yaml(new), old.as_ref(), Vec::new());
    let found: Vec<String> = found.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    assert_eq!(found, errors);
}

const SPEC: &str = "
type: object
required: [spec]
properties:
  spec:
    type: object
    required: [nodes]
    properties:
      nodes: {type: integer, minimum: 1, maximum: 9}
      mode: {type: string, enum: [a, b]}
      name: {type: string, maxLength: 5, minLength: 2, pattern: '^[a-z]+$'}
      port: {x-kubernetes-int-or-string: true}
      when: {type: string, format: date-time}
      items:
        type: array
        maxItems: 3
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [k]
        items: {type: object, properties: {k: {type: string}, v: {type: integer}}}
";

#[test]
fn constraints() {
    check(SPEC, "", "{spec: {nodes: 3, mode: a, name: abc, port: http}}", &[]);
    check(
        SPEC,
        "",
        "{spec: {nodes: 11, mode: c}}",
        &[
            "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
            "spec.nodes: Invalid value: 11: spec.nodes in body should be less than or equal to 9",
        ],
    );
    check(
        SPEC,
        "",
        "{spec: {nodes: x}}",
        &["spec.nodes: Invalid value: \"string\": spec.nodes in body must be of type integer: \
             \"string\""],
    );
    check(SPEC, "", "{spec: {}}", &["spec.nodes: Required value"]);
    check(
        SPEC,
        "",
        "{spec: {nodes: 1, name: abcdefg}}",
        &["spec.name: Too long: may not be more than 5 bytes"],
    );
    check(
        SPEC,
        "",
        "{spec: {nodes: 1, name: A, when: soon}}",
        &[
            "spec.name: Invalid value: \"A\": spec.name in body should be at least 2 chars long",
            "spec.when: Invalid value: \"soon\": spec.when in body must be of type date-time: \
             \"soon\"",
        ],
    );
    check(
        SPEC,
        "",
        "{spec: {nodes: 1, items: [{k: a}, {k: a}]}}",
        &["spec.items[1]: Duplicate value: {\"k\":\"a\"}"],
    );
}

#[test]
fn rules_are_left_out_where_sizes_and_types_are_wrong() {
    let skipped = "<nil>: Invalid value: null: some validation rules were not checked because \
                   the object was invalid; correct the existing errors to complete validation";
    let ruled = SPEC.replace(
        "mode: {type: string,",
        "mode: {type: string, x-kubernetes-validations: [{rule: 'self != \"b\"'}],",
    );
    for (object, told) in [
        (
            "{spec: {nodes: x}}",
            "spec.nodes: Invalid value: \"string\": spec.nodes in body must be of type integer: \
             \"string\"",
        ),
        ("{spec: {}}", "spec.nodes: Required value"),
        ("{spec: {nodes: 1, name: abcdefg}}", "spec.name: Too long: may not be more than 5 bytes"),
    ] {
        check(&ruled, "", object, &[told, skipped]);
        check(SPEC, "", object, &[told]);
    }
}

#[test]
fn unchanged_errors_pass_on_update() {
    check(SPEC, "{spec: {nodes: 11}}", "{spec: {nodes: 11, mode: a}}", &[]);
    check(
        SPEC,
        "{spec: {nodes: 11}}",
        "{spec: {nodes: 12}}",
        &["spec.nodes: Invalid value: 12: spec.nodes in body should be less than or equal to 9"],
    );
    check(
        SPEC,
        "{spec: {nodes: 1, items: [{k: a, v: 1}]}}",
        "{spec: {nodes: 1, items: [{k: b}, {k: a, v: 1}]}}",
        &[],
    );
}

#[test]
fn junctors() {
    let schema = "
type: object
properties:
  a: {type: object, oneOf: [{required: [x]}, {required: [y]}],
      properties: {x: {type: string}, y: {type: string}}}
";
    check(schema, "", "{a: {x: s}}", &[]);
    check(
        schema,
        "",
        "{a: {x: s, y: s}}",
        &[
            "<nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). Found \
           2 valid alternatives",
        ],
    );
}

const RULES: &str = "
type: object
properties:
  spec:
    type: object
    x-kubernetes-validations:
    - {rule: self.min <= self.max}
    - {rule: self.mode == oldSelf.mode, message: mode cannot change, reason: FieldValueForbidden,
       fieldPath: .mode}
    - {rule: 'self.max < 100', messageExpression: '\"no more than 99, not \" + string(self.max)'}
    properties:
      min: {type: integer}
      max: {type: integer}
      mode: {type: string}
      namespace: {type: string, x-kubernetes-validations: [{rule: self != 'x'}]}
      wait: {type: string, format: duration,
             x-kubernetes-validations: [{rule: 'self < duration(\"1h\")', message: too long}]}
";

#[test]
fn rules() {
    check(RULES, "", "{spec: {min: 1, max: 2, mode: a, wait: 5m}}", &[]);
    check(
        RULES,
        "",
        "{spec: {min: 3, max: 2, mode: a, namespace: x, wait: 2h}}",
        &[
            "spec: Invalid value: failed rule: self.min <= self.max",
            "spec.namespace: Invalid value: \"x\": failed rule: self != 'x'",
            "spec.wait: Invalid value: \"2h\": too long",
        ],
    );
    check(
        RULES,
        "{spec: {min: 1, max: 2, mode: a}}",
        "{spec: {min: 1, max: 200, mode: b}}",
        &[
            "spec.mode: Forbidden: mode cannot change",
            "spec: Invalid value: no more than 99, not 200",
        ],
    );
    check(RULES, "{spec: {min: 3, max: 2, mode: a}}", "{spec: {min: 3, max: 2, mode: a}}", &[]);
}
