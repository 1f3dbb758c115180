//! Each problem by the smallest Framework that has it.

use super::*;
use serde_json::{Value, json};

fn sound() -> Value {
    json!({
        "names": {"kind": "Db", "plural": "dbs", "shortNames": ["d"]},
        "version": "1.0.0", "upgradableFrom": "^1.0",
        "parameters": [
            {"name": "nodes", "type": "integer", "default": 3, "rule": "self % 2 == 1",
             "onChange": "deploy"},
        ],
        "scale": {"parameter": "nodes", "selector": "app=${name}"},
        "templates": {"a.yaml":
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n\
             data:\n  n: \"x${params.nodes}\"\n"},
        "tasks": {"a": {"apply": ["a.yaml"]}, "w": {"wait": {"until": "size(objects) > 0"}}},
        "plans": {"deploy": {"phases": [{"name": "one", "steps": [
            {"name": "first", "tasks": ["a", "w"], "ready": "size(pods) >= 0"}]}]}},
        "triggers": [{"plan": "deploy", "schedule": "0 3 * * *"}],
        "health": {"ready": "true"},
        "connection": "name + '.' + namespace",
    })
}

#[test]
fn finds_what_cannot_work() {
    let check = |pointer: &str, value: Value, expected: &str| {
        let mut spec = sound();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = spec.pointer_mut(parent).expect(pointer);
        match parent {
            Value::Array(items) => items.push(value),
            _ => parent[field.replace("~1", "/")] = value,
        }
        let spec: FrameworkSpec = serde_json::from_value(spec).expect(pointer);
        let found: Vec<String> = validate(&spec).iter().map(ToString::to_string).collect();
        if expected.is_empty() {
            assert_eq!(found, Vec::<String>::new());
        } else {
            assert!(found.iter().any(|p| p.contains(expected)), "{pointer}: {found:#?}");
        }
    };
    check("/version", json!("1.0.0"), "");
    check("/version", json!("1.0"), "version: \"1.0\" is not a semantic version");
    check("/upgradableFrom", json!("banana"), "upgradableFrom: \"banana\"");
    check("/names/kind", json!("db"), "names.kind: \"db\" is not CamelCase");
    check("/names/plural", json!("Dbs"), "names.plural");
    check("/parameters/0/default", json!(4), "parameters[0].default: 4 breaks the rule");
    check("/parameters/0/default", json!("4"), "is not of type integer");
    check("/parameters/0/rule", json!("self %"), "parameters[0].rule: column");
    check("/parameters/0/rule", json!("slf > 1"), "there is no variable \"slf\"");
    check("/parameters/0/onChange", json!("grow"), "there is no plan \"grow\"; known are deploy");
    check("/parameters/0/minimum", json!(5), "3 is less than 5");
    check("/parameters/0/pattern", json!("a"), "only a string has a pattern");
    check("/parameters/-", json!({"name": "nodes", "type": "string"}), "two parameters");
    check("/parameters/-", json!({"name": "version", "type": "string"}), "has already");
    check("/scale/parameter", json!("size"), "there is no parameter \"size\"");
    check("/scale/selector", json!("app=${nam}"), "there is no variable \"nam\"");
    let bad = "a:\n  b: ${params.nods}";
    check("/templates/b.yaml", json!(bad), "templates[b.yaml]:2:6: there is no parameter \"nods\"");
    check("/templates/b.yaml", json!("a: ${1 +}"), "templates[b.yaml]:1:");
    check("/templates/b.yaml", json!("a: 1"), "object 1 has no apiVersion");
    check("/tasks/b", json!({"apply": ["b.yaml"]}), "tasks.b.apply: there is no template");
    check("/tasks/b", json!({"apply": ["a.yaml", "a.yaml"]}), "is in a.yaml and again");
    check("/tasks/b", json!({"wait": {}}), "needs `until`");
    check("/plans", json!({}), "there is no plan \"deploy\"");
    let steps = "/plans/deploy/phases/0/steps";
    check(&format!("{steps}/0/tasks/-"), json!("z"), "tasks[2]: there is no task \"z\"");
    check(&format!("{steps}/0/when"), json!("1 ++ 1"), "steps[0].when: column");
    check(&format!("{steps}/0/onFailure"), json!("rollback"), "there is no plan \"rollback\"");
    check(&format!("{steps}/-"), json!({"name": "first", "pause": true}), "two steps \"first\"");
    check(&format!("{steps}/-"), json!({"name": "none"}), "does nothing");
    check(
        "/triggers/-",
        json!({"plan": "x", "when": "true"}),
        "triggers[1].plan: there is no plan",
    );
    check("/triggers/-", json!({"plan": "deploy"}), "exactly one of");
    check("/triggers/-", json!({"plan": "deploy", "schedule": "daily"}), "not a cron");
    check("/triggers/-", json!({"plan": "deploy", "parameter": "x"}), "no parameter \"x\"");
    check("/health/ready", json!("objekts.size() > 0"), "health.ready");
    check("/health/ready", json!("size(objects)"), "health.ready: gives 1, not true or false");
    let when = |text: &str| json!({"plan": "deploy", "when": text});
    let text = "pods.exists(p, p.failedFor > 5)";
    check("/triggers/-", when(text), "triggers[1].when: ");
    check("/triggers/-", when("pods.exists(p, p.failedFor > duration('5m') && p.ready)"), "");
    check("/triggers/-", when("objects.exists(o, o.status.replicas > 1)"), "");
    check("/tasks/b", json!({"replace": {"pods": "pods"}}), "tasks.b.replace.pods: gives [");
    check("/tasks/b", json!({"replace": {"pods": "pods.map(p, p.name)"}}), "");
    check(
        "/triggers/-",
        json!({"plan": "deploy", "schedule": "0 3 * *"}),
        "has 4 fields, not five",
    );
    check("/connection", json!("params.host"), "connection: there is no parameter \"host\"");
}

#[test]
fn advises_on_what_will_be_regretted() {
    let spec: FrameworkSpec = serde_json::from_value(sound()).expect("a spec");
    let found: Vec<String> = advise(&spec).iter().map(ToString::to_string).collect();
    for expected in ["has no timeout", "has no description", "appVersion", "\"rollback\""] {
        assert!(found.iter().any(|p| p.contains(expected)), "{expected}: {found:#?}");
    }
}

/// Every Framework that we ship is free of errors, makes a CRD, and renders the same twice.
#[test]
fn the_fixtures_are_sound() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let folders = |path: &std::path::Path| {
        let entries = std::fs::read_dir(path).expect("a directory");
        let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        folders.sort();
        folders.into_iter().filter(|path| path.join("framework.yaml").is_file())
    };
    let mut count = 0;
    for path in folders(&root).chain(folders(&root.join("broken"))) {
        let package = crate::load::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let problems = validate(&package.spec);
        let places: Vec<_> = problems.iter().map(|p| package.locate(p).to_string()).collect();
        assert_eq!(places, Vec::<String>::new());
        crate::package::crd::crd(&package.spec).expect("a CRD");
        count += 1;
    }
    assert!(count >= 8, "only {count} fixtures were found");
}
