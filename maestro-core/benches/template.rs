//! What rendering costs: an 80-line StatefulSet, its variables, and its compilation.

use maestro_core::template::{Scope, Template};
use serde_json::Value;

fn main() {
    divan::main();
}

const STATEFUL_SET: &str = include_str!("../../fixtures/zookeeper/templates/ensemble.yaml");

fn params() -> Value {
    let spec = include_str!("../../fixtures/zookeeper/framework.yaml");
    let spec: Value = serde_yaml::from_str(spec).expect("YAML");
    let parameters = spec["spec"]["parameters"].as_array().expect("parameters").iter();
    let defaults =
        parameters.map(|p| (p["name"].as_str().unwrap_or("").to_owned(), p["default"].clone()));
    Value::Object(defaults.collect())
}

fn scope(params: &Value) -> Scope<'_> {
    let mut scope = Scope::new();
    scope.lend("params", params).set("name", "main").set("namespace", "default");
    scope.set("appVersion", "3.9.3").set("framework", "zookeeper");
    scope
}

#[divan::bench]
fn compile(bencher: divan::Bencher) {
    bencher.bench(|| Template::compile("ensemble.yaml", STATEFUL_SET).expect("it compiles"));
}

#[divan::bench]
fn variables(bencher: divan::Bencher) {
    let params = params();
    bencher.bench(|| scope(&params));
}

#[divan::bench]
fn render(bencher: divan::Bencher) {
    let template = Template::compile("ensemble.yaml", STATEFUL_SET).expect("it compiles");
    let params = params();
    let scope = scope(&params);
    bencher.bench_local(|| template.render(&scope).expect("it renders"));
}
