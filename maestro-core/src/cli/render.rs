//! `maestro render`: exactly what a plan would apply, step by step.

use super::Exit;
use crate::framework::enhance::{Identity, StepInfo, enhance, is_cluster_scoped};
use crate::framework::{FrameworkSpec, PACKAGE_GROUP, ParameterType, VERSION};
use crate::template::{Run, Templates, scope};
use crate::yaml::Reader;
use crate::{load, parameters};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Render {
    /// Directory with a framework.yaml, or such a file.
    path: PathBuf,
    /// A parameter, as name=value; the value is YAML.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The plan to render.
    #[arg(long, default_value = "deploy")]
    plan: String,
    /// The instance's name.
    #[arg(long, default_value = "main")]
    name: String,
    /// The instance's namespace.
    #[arg(long, default_value = "default")]
    namespace: String,
}

impl Render {
    pub(super) fn run(&self, out: &mut dyn Write) -> super::Result {
        let package = load::load(&self.path)?;
        let spec = &package.spec;
        let templates = match Templates::compile(&spec.templates) {
            Ok(templates) => templates,
            Err(errors) => return Ok(complain(&errors)),
        };
        let given = self.given(spec)?;
        let params = match parameters::resolve(spec, &given) {
            Ok(params) => params,
            Err(errors) => return Ok(complain(&errors)),
        };
        let Some(plan) = spec.plans.get(&self.plan) else {
            let known: Vec<_> = spec.plans.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(miette::miette!("there is no plan {:?}; known are {known}", self.plan));
        };
        let renderer =
            Renderer { command: self, framework: &package.name, spec, templates, params };
        let configs = renderer.configs()?;
        let mut seen = BTreeSet::new();
        let mut objects = Vec::new();
        for phase in &plan.phases {
            for step in &phase.steps {
                let run = Run { plan: &self.plan, phase: &phase.name, step: &step.name };
                let tasks = step.tasks.iter().filter_map(|name| spec.tasks.get(name));
                let names = tasks.flat_map(|task| task.templates());
                let names: Vec<_> = names.filter(|name| seen.insert((*name).to_owned())).collect();
                objects.extend(renderer.objects(&names, run, &configs)?);
            }
        }
        super::print_yaml(out, &objects)
    }

    fn given(&self, spec: &FrameworkSpec) -> Result<Value, miette::Report> {
        let mut given = Map::new();
        for pair in &self.set {
            let (name, text) = pair
                .split_once('=')
                .ok_or_else(|| miette::miette!("--set {pair} is not of the form name=value"))?;
            let parameter = spec.parameter(name);
            let textual = parameter.is_some_and(|parameter| {
                matches!(parameter.kind, ParameterType::String | ParameterType::Duration)
            });
            let value = if textual {
                json!(text)
            } else {
                Reader::default()
                    .read(text)
                    .map_err(|error| miette::miette!("--set {pair}: {error}"))?
            };
            given.insert(name.to_owned(), value);
        }
        Ok(Value::Object(given))
    }
}

fn complain<E: std::fmt::Display>(errors: &[E]) -> Exit {
    for error in errors {
        eprintln!("error: {error}");
    }
    Exit::Problems
}

struct Renderer<'a> {
    command: &'a Render,
    framework: &'a str,
    spec: &'a FrameworkSpec,
    templates: Templates,
    params: Value,
}

impl Renderer<'_> {
    fn raw(&self, names: &[&str], run: Run<'_>) -> Result<Vec<Value>, miette::Report> {
        let instance = json!({
            "apiVersion": format!("{PACKAGE_GROUP}/{VERSION}"),
            "kind": self.spec.names.kind,
            "metadata": {"name": self.command.name, "namespace": self.command.namespace,
                         "generation": 1, "resourceVersion": "1"},
            "spec": self.params,
        });
        let scope = scope(self.framework, self.spec, &instance, &self.params, run);
        let objects = self.templates.render(names.iter().copied(), &scope);
        objects.map_err(|error| miette::miette!("{error}"))
    }

    /// Every ConfigMap and Secret of the Framework, for the hash on pod templates.
    fn configs(&self) -> Result<Vec<Value>, miette::Report> {
        let names: Vec<_> = self.spec.templates.keys().map(String::as_str).collect();
        let mut objects = self.raw(&names, Run { plan: &self.command.plan, ..Run::default() })?;
        objects.retain(|object| object["kind"] == "ConfigMap" || object["kind"] == "Secret");
        Ok(objects)
    }

    fn objects(
        &self,
        names: &[&str],
        run: Run<'_>,
        configs: &[Value],
    ) -> Result<Vec<Value>, miette::Report> {
        let mut objects = self.raw(names, run)?;
        let identity = Identity {
            framework: self.framework,
            kind: &self.spec.names.kind,
            name: &self.command.name,
            namespace: &self.command.namespace,
            uid: "",
            app_version: self.spec.app_version.as_deref(),
        };
        let step = StepInfo { plan: run.plan, phase: run.phase, step: run.step };
        enhance(&mut objects, &identity, &step, configs, &is_cluster_scoped);
        Ok(objects)
    }
}
