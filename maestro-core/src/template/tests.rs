//! What templates give, and what they refuse, through one `check` each.

use super::*;
use serde_json::json;

fn scope() -> Scope<'static> {
    Scope::new()
        .with("name", "main")
        .with("params", json!({"nodes": 3, "config": {"b": "2", "a": "1"}, "on": false}))
}

#[test]
fn renders_typed_values() {
    let check = |source: &str, expected: Value| {
        let rendered = Template::compile("t.yaml", source).and_then(|t| t.render(&scope()));
        assert_eq!(rendered.map(Value::Array), Ok(expected), "{source}");
    };
    check("replicas: ${params.nodes}", json!([{"replicas": 3}]));
    check("a: \"${name}-${params.nodes}\"", json!([{"a": "main-3"}]));
    check("a: ${params.on}", json!([{"a": false}]));
    check("a: $${name} ${name}", json!([{"a": "${name} main"}]));
    check("a: ${null}\nb: 1", json!([{"b": 1}]));
    check("a: ${params.?missing}\nb: ${params.?nodes}", json!([{"b": 3}]));
    check("${name}: {\"${name}\": 0644}", json!([{"main": {"main": 420}}]));
    check("a: [1, \"${null}\", \"${name}\"]", json!([{"a": [1, "main"]}]));
    check("\"${params.on ? {'a': 1} : null}\"\n---\nb: 1\n---\n", json!([{"b": 1}]));
    check("a: ${params.config.map(k, k + '=' + params.config[k])}", json!([{"a": ["a=1", "b=2"]}]));
    check("a: ${params.config.map(k, k).join(',')}", json!([{"a": "a,b"}]));
    check("a: \"${{'x': {'y': '}'}}}\"", json!([{"a": {"x": {"y": "}"}}}]));
    check("a: |\n  x=${params.nodes}\n  y\n", json!([{"a": "x=3\ny\n"}]));
    check(
        "a: ${lists.range(params.nodes).map(i, name + '-' + string(i))}",
        json!([{"a": ["main-0", "main-1", "main-2"]}]),
    );
    check("a: ${duration('90s')}", json!([{"a": "1m30s"}]));
    check("a: ~\nb: \"null\"", json!([{"a": null, "b": "null"}]));
}

#[test]
fn names_the_place_of_a_mistake() {
    let check = |source: &str, expected: &str| {
        let error = Template::compile("t.yaml", source).and_then(|t| t.render(&scope()));
        let error = error.expect_err(source).to_string();
        assert!(error.contains(expected), "{source}\n  wanted {expected}\n  got {error}");
    };
    check("a: 1\nb: ${params.}", "t.yaml:2:");
    check("a: 1\nb:   \"${nope(1)}\"", "t.yaml:2:9: unknown function \"nope\"");
    check("a:\n  - ${missing}", "t.yaml:2:5: Undeclared reference to 'missing'");
    check("a: ${params.nodess}", "No such key: nodess");
    check("a: ${name", "t.yaml:1:4: `${` is never closed");
    check("a: 1\na: 2", "t.yaml:2:1: field `a` is given twice");
    check("a: ${'x' + params}", "'add': String(\"x\"), a map in");
    check("a: '${Foo{x: 1}}'", "not supported");
    check("a: [", "t.yaml:1");
}

#[test]
fn a_hostile_expression_is_stopped() {
    let check = |source: &str| {
        let text = format!("a: {source}");
        let error = Template::compile("t.yaml", &text).and_then(|t| t.render(&scope()));
        let error = error.map(|_| "a value").expect_err(source).to_string();
        assert!(error.contains("too expensive"), "{error}");
    };
    check("${lists.range(1000000000)}");
    check("${lists.range(1000).map(i, lists.range(1000).map(j, i + j))}");
    let doubling = ".map(y, y + y)".repeat(60);
    check(&format!("${{['aaaaaaaa']{doubling}}}"));
    let lists = ".map(y, [y, y, y, y])".repeat(40);
    check(&format!("${{['a']{lists}}}"));
    let squares = ".map(y, y.replace('a', y))".repeat(20);
    check(&format!("${{['aaaa']{squares}}}"));
    let long = "1 + ".repeat(2000) + "1";
    assert!(Expression::compile(&long).is_err_and(|e| e.message.contains("at most 4096")));
    let nested = format!("{}1{}", "(".repeat(500), ")".repeat(500));
    assert!(Expression::compile(&nested).is_err());
}

#[test]
fn finds_what_an_expression_refers_to() {
    let expression = Expression::compile(
        "params.nodes > 1 && objects.all(o, o.metadata.name == name) && has(params.tls)",
    )
    .expect("it compiles");
    assert_eq!(expression.variables().collect::<Vec<_>>(), ["name", "objects", "params"]);
    assert_eq!(expression.fields_of("params").collect::<Vec<_>>(), ["nodes", "tls"]);
}

#[test]
fn the_cache_gives_what_was_compiled_and_no_mistake() {
    let first = cache::expression("params.nodes + 1").expect("it compiles");
    let second = cache::expression("params.nodes + 1").expect("it compiles");
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert_eq!(first.integer(&scope()), Ok(4));
    assert!(cache::expression("1 +").is_err() && cache::expression("1 +").is_err());
    let named = |name| cache::template(name, "a: ${missing}").and_then(|t| t.render(&scope()));
    assert_eq!(named("x.yaml").expect_err("no variable").template, "x.yaml");
    assert_eq!(named("y.yaml").expect_err("no variable").template, "y.yaml");
}

#[test]
fn what_is_lent_is_worth_as_much_as_what_is_set() {
    let pods = json!([
        {"kind": "Pod", "metadata": {"name": "a", "labels": {"x": "1", "y": "2"}},
         "status": {"phase": "Running", "ips": [{"ip": "10.0.0.1"}]}},
        {"kind": "Pod", "metadata": {"name": "b"}, "status": {"phase": "Failed"}, "gone": "5m"},
    ]);
    let check = |text: &str, converts: &str| {
        let expression = Expression::compile(text).expect(text);
        let mut lent = Scope::new();
        lent.lend_all("pods", pods.as_array().into_iter().flatten().collect());
        lent.lend("first", &pods[0]);
        let set = Scope::new().with("pods", pods.clone()).with("first", pods[0].clone());
        let plain = |result: Result<Option<Value>, EvaluateError>| {
            result.map_err(|error| error.to_string().chars().take(24).collect::<String>())
        };
        assert_eq!(plain(expression.evaluate(&lent)), plain(expression.evaluate(&set)), "{text}");
        // What was converted is seen in what another expression can then find.
        assert_eq!(lent.converted("pods").as_deref(), Some(converts), "{text}");
    };
    check("pods.exists(p, p.status.phase == 'Failed')", "[{status{phase}}]");
    check("pods.all(p, has(p.gone))", "[{gone{}}]");
    check("pods.all(p, has(p.status.ips) && has(p.status))", "[{status{ips{}}}]");
    check("pods.exists(p, has(p.status) && p.status.phase == 'Failed')", "[{status{phase}}]");
    check("pods.exists(p, has(p.status.ips) && size(p.status.ips) == 1)", "[{status{ips}}]");
    check("pods.filter(p, p.kind == 'Pod')", "[*]");
    check("pods.map(p, p.metadata.name)", "[{metadata{name}}]");
    check("pods.exists(p, p.metadata.?labels.orValue({}).size() > 1)", "[{metadata}]");
    check("pods.map(p, p['metadata']['name'])", "[{metadata{name}}]");
    check(
        "pods.exists(p, p.status.ips.exists(i, i.ip == first.status.phase))",
        "[{status{ips[{ip}]}}]",
    );
    check("pods.exists(p, p.metadata.labels.exists(l, l == 'y'))", "[{metadata{labels[*]}}]");
    check("pods.map(p, [1].map(i, p.metadata.name + string(i)))", "[{metadata{name}}]");
    check("pods.map(p, [1].map(p, p))", "[{}]");
    check("pods.map(p, p == first)", "[*]");
    check("size(pods)", "*");
    check("pods[1].kind", "*");
    check("pods.kind", "{kind}");
    check("pods", "*");
}
