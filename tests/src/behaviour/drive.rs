//! Does the steps of a case on a cluster, and lets it come to rest after each.

use std::sync::Arc;
use std::time::Duration;

use maestro_sim::api::{Options, PatchType, Request, Status, Verb};
use maestro_sim::json::{Value, json};
use maestro_sim::link::{Direction, Trouble};
use maestro_sim::object::Object;
use maestro_test::cluster::{Served, Shared};
use serde::Deserialize as _;

use crate::behaviour::case::{Case, Step, Target, Until};
use crate::behaviour::log::Log;

/// A cluster is at rest when nothing was written for so long.
const REST: Duration = Duration::from_millis(1800);
/// How long a step may take altogether.
const LONGEST: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Who does it.
const USER: &str = "user";

/// One case on one cluster.
pub struct Driver<'a> {
    /// What is done.
    pub case: &'a Case,
    /// Where.
    pub cluster: Shared,
    /// What is seen there.
    pub log: Log,
}

impl Driver<'_> {
    /// Does everything; what was answered to each step.
    ///
    /// # Errors
    /// When the namespace cannot be made, or a step says nothing.
    pub async fn run(&self) -> Result<Vec<String>, String> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace",
                          "metadata": {"name": self.case.name}});
        self.apply(body).map_err(|status| format!("{}: {status}", self.case.name))?;
        let accounts =
            Target { kind: "ServiceAccount".into(), name: "default".into(), ..Target::default() };
        let field = Some("/metadata/name".to_owned());
        let account =
            Until { target: accounts, condition: None, field, is: "default".into(), gone: false };
        self.until(&account).await?;
        self.rest().await;
        let mut answers = Vec::new();
        let mut troubles = Vec::new();
        for step in &self.case.steps {
            answers.push(self.step(step, &mut troubles).await?);
            self.rest().await;
        }
        troubles.iter().for_each(|(_, number)| self.cluster.heal(*number));
        Ok(answers)
    }

    /// Removes the namespace, so that its pods stand in nobody's way, and waits until it is gone.
    pub async fn leave(&self) {
        let spaces =
            Target { kind: "Namespace".into(), name: self.case.name.clone(), ..Target::default() };
        let gone = Until {
            target: spaces.clone(),
            condition: None,
            field: None,
            is: Value::Null,
            gone: true,
        };
        if let Ok(request) = self.about(&spaces, Verb::Delete) {
            // A case may have deleted it itself.
            let _ = self.cluster.send(request);
        }
        let _ = self.until(&gone).await;
    }

    async fn step(&self, step: &Step, troubles: &mut Vec<(String, u64)>) -> Result<String, String> {
        let mut answers = Vec::new();
        if let Some(documents) = &step.apply {
            for document in serde_yaml::Deserializer::from_str(documents) {
                let body = Value::deserialize(document);
                let body = body.map_err(|error| format!("{}: {error}", self.case.name))?;
                answers.push(told(self.apply(body)));
            }
        }
        if let Some(patch) = &step.patch {
            let request = self.about(&patch.target, Verb::Patch)?;
            let subresource = patch.subresource.clone().into();
            answers.push(told(self.merge(request, subresource, patch.merge.clone())));
        }
        if let Some(scale) = &step.scale {
            let request = self.about(&scale.target, Verb::Patch)?;
            let body = json!({"spec": {"replicas": scale.replicas}});
            answers.push(told(self.merge(request, "scale".into(), body)));
        }
        if let Some(target) = &step.delete {
            let mut request = self.about(target, Verb::Delete)?;
            if let Some(policy) = &target.propagation {
                request.body = json!({"kind": "DeleteOptions", "apiVersion": "v1",
                                      "propagationPolicy": policy});
            }
            answers.push(told(self.cluster.send(request)));
        }
        if let Some(target) = &step.evict {
            let mut request = self.about(target, Verb::Create)?;
            request.subresource = "eviction".into();
            request.body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata":
                {"name": request.name, "namespace": request.namespace}});
            answers.push(told(self.cluster.send(request)));
        }
        if let Some(until) = &step.until {
            answers.push(self.until(until).await?);
        }
        if let Some(node) = &step.cut {
            let link = self.cluster.with_links(|links| links.find(&format!("kubelet/{node}")));
            let link = link.ok_or_else(|| format!("there is no kubelet of {node}"))?;
            let number = self.cluster.trouble(&[link], &Trouble::Cut(Direction::Both));
            troubles.push((node.clone(), number));
            answers.push("cut".to_owned());
        }
        if let Some(node) = &step.join {
            troubles.iter().filter(|(of, _)| of == node).for_each(|(_, n)| self.cluster.heal(*n));
            answers.push("joined".to_owned());
        }
        match answers.is_empty() {
            true => Err(format!("{}: a step that does nothing", self.case.name)),
            false => Ok(answers.join("\n")),
        }
    }

    fn apply(&self, mut body: Value) -> Result<(), Box<Status>> {
        let text = |body: &Value, path: &str| {
            body.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned()
        };
        let (kind, version) = (text(&body, "/kind"), text(&body, "/apiVersion"));
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let name = text(&body, "/metadata/name");
        let served = self.cluster.served(&kind, Some(group));
        let served = served.ok_or_else(|| {
            Box::new(Status::new(404, "NotFound", format!("nothing serves {kind} of {version}")))
        })?;
        let mut request = self.request(&served, &name, Verb::Patch);
        if served.namespaced
            && let Some(meta) = body.get_mut("metadata")
        {
            meta["namespace"] = self.case.name.clone().into();
        }
        request.patch = Some(PatchType::Apply);
        request.options.force = Some(true);
        request.body = body;
        self.cluster.send(request)
    }

    fn merge(
        &self,
        mut request: Request,
        subresource: std::borrow::Cow<'static, str>,
        body: Value,
    ) -> Result<(), Box<Status>> {
        request.patch = Some(PatchType::Merge);
        request.subresource = subresource;
        request.body = body;
        self.cluster.send(request)
    }

    fn served(&self, target: &Target) -> Result<Served, String> {
        let kind = if target.kind.is_empty() { "Pod" } else { &target.kind };
        let (kind, group) = match kind.split_once('.') {
            Some((kind, group)) => (kind, Some(group)),
            None => (kind, None),
        };
        self.cluster
            .served(kind, group)
            .ok_or_else(|| format!("{}: nothing serves {kind}", self.case.name))
    }

    /// The newest version of a target that was seen.
    fn find(&self, target: &Target) -> Result<Option<Arc<Object>>, String> {
        let served = self.served(target)?;
        let namespace = if served.namespaced { self.case.name.as_str() } else { "" };
        let is_meant = |object: &Object| {
            object.namespace() == namespace
                && (target.name.is_empty() || object.name() == target.name)
                && target.labels.iter().all(|(name, value)| object.label(name) == Some(value))
                && (!target.name.is_empty() || !object.is_deleting())
        };
        Ok(self.log.find(&served.resource, &is_meant))
    }

    fn about(&self, target: &Target, verb: Verb) -> Result<Request, String> {
        let served = self.served(target)?;
        let name = match target.name.is_empty() {
            true => self.find(target)?.map_or_else(|| "none".to_owned(), |o| o.name().to_owned()),
            false => target.name.clone(),
        };
        Ok(self.request(&served, &name, verb))
    }

    fn request(&self, served: &Served, name: &str, verb: Verb) -> Request {
        let namespace = if served.namespaced { self.case.name.as_str() } else { "" };
        Request {
            version: served.version.clone(),
            options: Options { field_manager: Some(USER.to_owned()), ..Options::default() },
            ..Request::new(USER, verb, served.resource.clone(), namespace, name)
        }
    }

    async fn until(&self, until: &Until) -> Result<String, String> {
        let end = self.cluster.now() + LONGEST;
        while self.cluster.now() < end {
            if is_so(until, self.find(&until.target)?.as_deref()) {
                return Ok("it is so".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(format!("it is not so after {LONGEST:?}"))
    }

    /// Waits until nothing was written for a while.
    async fn rest(&self) {
        let began = self.cluster.now();
        while self.cluster.now() < began + LONGEST {
            let since = self.log.last(&self.case.name).max(began);
            let now = self.cluster.now();
            if now >= since + REST {
                return;
            }
            tokio::time::sleep((since + REST).saturating_sub(now).max(LOOK)).await;
        }
    }
}

fn told(answer: Result<(), Box<Status>>) -> String {
    match answer {
        Ok(()) => "done".to_owned(),
        Err(status) => format!("{} {}: {}", status.code, status.reason, status.message),
    }
}

fn is_so(until: &Until, object: Option<&Object>) -> bool {
    let Some(object) = object else { return until.gone };
    let field = |path: &String| object.value().pointer(path) == Some(&until.is);
    let condition = |wanted: &String| {
        object.items(&["status", "conditions"]).iter().any(|condition| {
            let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or("");
            format!("{}={}", text("type"), text("status")) == *wanted
        })
    };
    !until.gone
        && until.field.as_ref().is_none_or(field)
        && until.condition.as_ref().is_none_or(condition)
}
