//! Rendering: from a snapshot, an instance and a run's parameters to complete objects, and the
//! values of expressions over what is observed.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::instance::earlier;
use super::pods;
use crate::execution::Moment;
use crate::framework::FrameworkVersionSpec;
use crate::framework::enhance::{self, StepInfo, enhance, is_cluster_scoped};
use crate::parameters;
use crate::plan::Plan;
use crate::plan::compile::{Error, compile};
use crate::task::ObjectKey;
use crate::template::{self, Recall, Run, Scope, cache};

/// Values of expressions by their text, or why they have none.
pub(super) type Values = BTreeMap<String, Result<Value, String>>;

/// What a plan is rendered for.
pub(super) struct Subject<'a> {
    /// The snapshot whose plan runs.
    pub(super) version: &'a FrameworkVersionSpec,
    /// The instance as it is.
    pub(super) instance: &'a Value,
    /// The parameters of the run, as recorded.
    parameters: &'a BTreeMap<String, Value>,
    /// The same with defaults.
    resolved: OnceLock<Result<Value, String>>,
    /// What its expressions gave last.
    recall: Option<Arc<Recall>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        version: &'a FrameworkVersionSpec,
        instance: &'a Value,
        parameters: &'a BTreeMap<String, Value>,
    ) -> Self {
        Self { version, instance, parameters, resolved: OnceLock::new(), recall: None }
    }

    /// The same, remembering what expressions gave.
    pub(super) fn recalling(mut self, recall: &Arc<Recall>) -> Self {
        self.recall = Some(recall.clone());
        self
    }

    fn text(&self, field: &str) -> &str {
        self.instance["metadata"][field].as_str().unwrap_or_default()
    }

    /// The variables that every template and expression sees.
    fn scope(&self) -> Result<Scope<'_>, String> {
        let resolve = || {
            let given: Map<String, Value> = self.parameters.clone().into_iter().collect();
            parameters::resolve(&self.version.spec, &Value::Object(given)).map_err(|errors| {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            })
        };
        let params = self.resolved.get_or_init(resolve).as_ref().map_err(Clone::clone)?;
        let (framework, spec) = (&self.version.framework, &self.version.spec);
        Ok(template::scope(framework, spec, self.instance, params, Run::default()))
    }

    /// Renders a plan.
    pub(super) fn plan(&self, plan: &str) -> Result<Plan, Error> {
        let failed = |message| Error::Render(plan.to_owned(), message);
        let mut scope = self.scope().map_err(failed)?;
        scope.set("plan", plan).set("phase", "").set("step", "");
        let configs = self.configs(&scope);
        compile(&self.version.spec, plan, &mut |place, name| {
            let source = self.version.spec.templates.get(name);
            let source = source.ok_or_else(|| "the framework has no such template".to_owned())?;
            let template = cache::template(name, source).map_err(|error| error.to_string())?;
            scope.set("plan", place.plan).set("phase", place.phase).set("step", place.step);
            let mut objects = template.render(&scope).map_err(|error| error.to_string())?;
            let step = StepInfo { plan: place.plan, phase: place.phase, step: place.step };
            enhance(&mut objects, &self.identity(), &step, &configs, &is_cluster_scoped);
            Ok(objects)
        })
    }

    /// Whether a template looks at more of the instance than its name, namespace and UID.
    pub(super) fn looks_at_instance(&self) -> bool {
        self.version.spec.templates.iter().any(|(name, source)| {
            source.contains("instance")
                && cache::template(name, source).is_ok_and(|template| {
                    let mut all = template.expressions().into_iter();
                    all.any(|one| one.variables().any(|name| name == "instance"))
                })
        })
    }

    /// Every ConfigMap and Secret that any plan of the version applies, for the hashes on pods.
    fn configs(&self, scope: &Scope<'_>) -> Vec<Value> {
        let mut configs = Vec::new();
        for (name, source) in &self.version.spec.templates {
            // What does not render here fails where a step needs it, with its place.
            let Ok(template) = cache::template(name, source) else { continue };
            let objects = template.render(scope).unwrap_or_default();
            configs.extend(objects.into_iter().filter(|object| {
                object["apiVersion"] == "v1"
                    && (object["kind"] == "ConfigMap" || object["kind"] == "Secret")
            }));
        }
        configs
    }

    fn identity(&self) -> enhance::Identity<'_> {
        enhance::Identity {
            framework: &self.version.framework,
            kind: self.instance["kind"].as_str().unwrap_or_default(),
            name: self.text("name"),
            namespace: self.text("namespace"),
            uid: self.text("uid"),
            app_version: self.version.spec.app_version.as_deref(),
        }
    }

    /// The values of expressions over the instance's objects, now.
    pub(super) fn values(
        &self,
        expressions: &[String],
        objects: &[(ObjectKey, Arc<Value>)],
        now: Moment,
    ) -> Values {
        if expressions.is_empty() {
            return Values::new();
        }
        let scope = self.observed(objects, now);
        let ask = |text: &str| match (&self.recall, &scope) {
            (Some(recall), Ok(scope)) => recall.value(scope, text),
            _ => value(&scope, text),
        };
        expressions.iter().map(|text| (text.clone(), ask(text))).collect()
    }

    /// The first moment at which one of the expressions may have another value than now although
    /// nothing happens; none where time alone changes nothing.
    pub(super) fn change(
        &self,
        expressions: &[String],
        objects: &[(ObjectKey, Arc<Value>)],
        now: Moment,
    ) -> Option<Moment> {
        if !pods_of(objects).any(pods::has_clock) {
            return None;
        }
        let mut first: Option<Moment> = None;
        for text in expressions {
            let Ok(expression) = cache::expression(text) else { continue };
            let change = match expression.thresholds() {
                Some(thresholds) => pods::reached(pods_of(objects), thresholds, now),
                None => self.tried(text, objects, now),
            };
            first = earlier(first, change);
        }
        first
    }

    /// The same for one expression, by trying it at one moment after the other.
    fn tried(
        &self,
        text: &str,
        objects: &[(ObjectKey, Arc<Value>)],
        now: Moment,
    ) -> Option<Moment> {
        let mut scope = self.observed(objects, now);
        pods::change(now, |moment| {
            if let Ok(scope) = &mut scope {
                lend_pods(scope, objects, moment);
            }
            value(&scope, text)
        })
    }

    fn observed<'s>(
        &'s self,
        objects: &'s [(ObjectKey, Arc<Value>)],
        now: Moment,
    ) -> Result<Scope<'s>, String> {
        let mut scope = self.scope()?;
        let all: Vec<&Value> = objects.iter().map(|(_, object)| &**object).collect();
        scope.lend_all("objects", all).lend("self", self.instance);
        lend_pods(&mut scope, objects, now);
        Ok(scope)
    }

    /// A text with `${…}` in it.
    pub(super) fn text_of(&self, source: &str) -> Result<String, String> {
        let text = cache::text(source).map_err(|error| error.to_string())?;
        text.render_text(&self.scope()?).map_err(|error| error.to_string())
    }
}

fn pods_of(objects: &[(ObjectKey, Arc<Value>)]) -> impl Iterator<Item = &Value> {
    objects.iter().map(|(_, object)| &**object).filter(|object| object["kind"] == "Pod")
}

fn lend_pods<'a>(scope: &mut Scope<'a>, objects: &'a [(ObjectKey, Arc<Value>)], now: Moment) {
    scope.lend_known("pods", pods_of(objects).collect(), pods::facts(now));
}

fn value(scope: &Result<Scope<'_>, String>, text: &str) -> Result<Value, String> {
    let scope = scope.as_ref().map_err(Clone::clone)?;
    let expression = cache::expression(text).map_err(|error| error.to_string())?;
    let value = expression.evaluate(scope).map_err(|error| error.to_string())?;
    Ok(value.unwrap_or(Value::Null))
}

/// Every expression of a plan, once each.
pub(super) fn expressions_of(plan: &Plan) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for step in plan.phases.iter().flat_map(|phase| &phase.steps) {
        all.extend(step.when.iter().chain(&step.ready).cloned());
        all.extend(step.tasks.iter().flat_map(|task| task.expressions()).map(str::to_owned));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Every object a plan names, once each.
pub(super) fn objects_of(plan: &Plan) -> Vec<ObjectKey> {
    let steps = plan.phases.iter().flat_map(|phase| &phase.steps);
    let mut all: Vec<ObjectKey> =
        steps.flat_map(|step| &step.tasks).flat_map(|task| task.objects()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether an expression looks at pods.
pub(super) fn speaks_of_pods(expressions: &[String]) -> bool {
    expressions.iter().any(|text| {
        cache::expression(text)
            .is_ok_and(|expression| expression.variables().any(|name| name == "pods"))
    })
}
