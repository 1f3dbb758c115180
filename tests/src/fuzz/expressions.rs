//! CEL: rules of custom kinds, policies, and the expressions of Maestro's templates.

use maestro_core::template::{Expression, Scope, Template};
use maestro_sim::json::{Value, json};

use super::definitions::tried;
use super::message::{Message, parts};
use super::server::Server;

/// The first part is an expression; the second, if any, is the JSON that it looks at.
pub(super) fn expression(input: &[u8]) {
    let parts = parts(input);
    let Ok(source) = std::str::from_utf8(parts.first().copied().unwrap_or_default()) else {
        return;
    };
    let source = source.trim_end_matches('\n');
    let given = parts.get(1).and_then(|part| serde_json::from_slice(part).ok());
    let given: Value = given.unwrap_or_else(|| {
        json!({"n": 3, "text": "abc", "list": [1, 2], "names": {"a": "x"}, "at": "2025-01-01T00:00:00Z",
               "items": [{"name": "a", "port": 80}], "on": true, "ratio": 1.5, "open": {"x": [1]}})
    });
    in_template(source, &given);
    let rule = json!([{"rule": source}]);
    tried(schema(rule), &[json!({"spec": given}), json!({"spec": {"n": 1}})]);
    in_policy(source);
}

/// A schema whose `spec` has a field of every sort, and the rule.
fn schema(rule: Value) -> Value {
    let text = json!({"type": "string", "maxLength": 20});
    let item = json!({"type": "object", "required": ["name"], "properties": {
        "name": text, "port": {"x-kubernetes-int-or-string": true}}});
    json!({"type": "object", "properties": {"spec": {
        "type": "object", "x-kubernetes-validations": rule, "properties": {
            "n": {"type": "integer"}, "ratio": {"type": "number"}, "on": {"type": "boolean"},
            "text": text, "at": {"type": "string", "format": "date-time"},
            "list": {"type": "array", "maxItems": 10, "items": {"type": "integer"}},
            "names": {"type": "object", "maxProperties": 5, "additionalProperties": text},
            "items": {"type": "array", "maxItems": 5, "items": item,
                      "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}})
}

/// The same twice gives the same, and a template that holds it gives what it gives.
fn in_template(source: &str, given: &Value) {
    let given = || serde_json::Value::from(given.clone());
    let scope = Scope::new().with("self", given()).with("params", given());
    let scope = scope.with("name", "one");
    if let Ok(expression) = Expression::compile(source) {
        let told = |given: Result<Option<serde_json::Value>, _>| given.map_err(|e| format!("{e}"));
        let (first, second) = (expression.evaluate(&scope), expression.evaluate(&scope));
        assert_eq!(told(first), told(second), "{source:?} twice");
        let _ = expression.thresholds();
        assert_eq!(expression.source(), source);
    }
    if let Ok(template) = Template::compile("fuzz.yaml", source) {
        let _ = template.render(&scope);
    }
    let quoted = Value::from(format!("a ${{{source}}} b")).to_string();
    if let Ok(template) = Template::compile("fuzz.yaml", &format!("key: {quoted}\n")) {
        let _ = template.render(&scope);
    }
}

/// A policy with the expression judges a ConfigMap.
fn in_policy(source: &str) {
    let group = "/apis/admissionregistration.k8s.io/v1";
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"],
                        "resources": ["configmaps"]}]);
    let policy = json!({"metadata": {"name": "tried"}, "spec": {
        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": source, "messageExpression": source}]}});
    let binding = json!({"metadata": {"name": "tried"}, "spec": {
        "policyName": "tried", "validationActions": ["Deny"]}});
    let map = json!({"metadata": {"name": "two"}, "data": {"a": "b"}});
    Server::with(|server| {
        let path = format!("{group}/validatingadmissionpolicies");
        if !server.ask(&Message::new("POST", &path, policy.to_string())).is_success() {
            return;
        }
        let path = format!("{group}/validatingadmissionpolicybindings");
        server.ask(&Message::new("POST", &path, binding.to_string()));
        let path = "/api/v1/namespaces/fuzz/configmaps";
        server.ask(&Message::new("POST", path, map.to_string()));
    });
}
