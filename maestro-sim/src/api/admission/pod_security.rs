//! Pod Security: what a namespace's labels let pods do, what is warned of, and what changing the
//! labels would find.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-admission/>, KEP-2579,
//! `k8s.io/pod-security-admission/admission` and `api`.

mod checks;

use std::collections::BTreeMap;
use std::fmt;

use self::checks::{Finding, findings};
use super::NAMESPACES;
use crate::api::app_armor;
use crate::api::disabled::pod_spec;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Cause, Request, Status};
use crate::facts::Version;
use crate::json::{Array, Map, Value};
use crate::object::{GroupResource, Key, Object, at};

const PODS: GroupResource = GroupResource::new("", "pods");
const PREFIX: &str = "pod-security.kubernetes.io/";

/// A level of the Pod Security Standards, from what allows everything to what allows little.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

/// A level as a version of Kubernetes has it; the newest where none is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Policy {
    level: Level,
    version: Option<u32>,
    newest: u32,
}

impl Policy {
    /// The minor version whose checks count.
    fn minor(self) -> u32 {
        self.version.unwrap_or(self.newest).min(self.newest)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Some(minor) => write!(f, "{level}:v1.{minor}"),
            None => write!(f, "{level}:latest"),
        }
    }
}

/// What a namespace's labels say: what is refused, and what is warned of.
struct Policies {
    enforce: Policy,
    warn: Policy,
    /// The labels that cannot be read.
    errors: Vec<Cause>,
}

impl Policies {
    fn of(release: Version, labels: Option<&Map>) -> Self {
        let open = Policy { level: Level::Privileged, version: None, newest: release.minor() };
        let mut errors = Vec::new();
        let mut read = |mode: &str| {
            let label = |suffix: &str| {
                let key = format!("{PREFIX}{mode}{suffix}");
                let value = labels.and_then(|labels| labels.get(&key)?.as_str());
                value.map(|value| (key, value.to_owned()))
            };
            let mut wrong = |(key, value): &(String, String), detail: &str| {
                let message = format!("Invalid value: \"{value}\": {detail}");
                let field = format!("metadata.labels[{key}]");
                errors.push(Cause::new("FieldValueInvalid", &field, message));
            };
            let level = label("").map(|label| {
                Level::parse(&label.1).ok_or_else(|| {
                    wrong(&label, "must be one of privileged, baseline, restricted");
                })
            });
            let version = label("-version").map(|label| match label.1.as_str() {
                "latest" => Ok(None),
                text => match text.strip_prefix("v1.").map(str::parse::<u32>) {
                    Some(Ok(minor)) => Ok(Some(minor)),
                    _ => {
                        wrong(&label, "must be \"latest\" or \"v1.x\"");
                        Err(())
                    }
                },
            });
            (level, version)
        };
        let (level, version) = read("enforce");
        // Nobody reads an audit; its labels must be such as can be read.
        read("audit");
        let (warn_level, warn_version) = read("warn");
        let enforce = Policy {
            level: level.map_or(Level::Privileged, |level| level.unwrap_or(Level::Restricted)),
            version: version.and_then(Result::ok).flatten(),
            ..open
        };
        let mut warn = Policy {
            level: warn_level.and_then(Result::ok).unwrap_or(Level::Privileged),
            version: warn_version.and_then(Result::ok).flatten(),
            ..open
        };
        if warn_level.is_none() && level.is_some_and(|level| level.is_ok()) {
            // Whoever is refused something is warned before it comes to pods.
            if enforce.level > warn.level {
                warn.level = enforce.level;
                if warn_version.is_none() {
                    warn.version = enforce.version;
                }
            }
        }
        Self { enforce, warn, errors }
    }
}

impl Server {
    /// What Pod Security says of a proposed object.
    pub(super) fn judge_security(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Object>,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        if served.resource == NAMESPACES && request.subresource.is_empty() {
            return self.judge_labels(served, old, body);
        }
        let heeded = match served.is_pod() {
            true => matches!(&*request.subresource, "" | "ephemeralcontainers" | "resize"),
            false => request.subresource.is_empty(),
        };
        let path = pod_spec(served).filter(|_| heeded).and_then(|path| path.split_last());
        let Some(pod) = path.and_then(|(_, pod)| at(body, pod)) else { return Ok(()) };
        let part = |name: &str| pod.get(name).unwrap_or(&Value::Null);
        let (meta, spec) = (part("metadata"), part("spec"));
        let release = self.registry.version();
        let namespace = self.peek(&NAMESPACES, "", &request.namespace);
        let labels = namespace.and_then(Object::labels);
        let policies = match labels.filter(|l| l.keys().any(|key| key.starts_with(PREFIX))) {
            Some(labels) => Policies::of(release, Some(labels)),
            None => return Ok(()),
        };
        if served.is_pod() {
            if old.is_some_and(|old| !is_significant(old.value(), body)) {
                return Ok(());
            }
            let all = findings(policies.enforce, meta, spec);
            if !all.is_empty() {
                let why = format!("violates PodSecurity \"{}\": {}", policies.enforce, told(&all));
                let name = at(body, &["metadata", "name"]).and_then(Value::as_str);
                let name = name.unwrap_or(&request.name);
                return Err(Box::new(Status::forbidden(&PODS, name, &why)));
            }
        }
        let all = findings(policies.warn, meta, spec);
        if !all.is_empty() && request.options.warn {
            let policy = policies.warn;
            self.warnings.push(format!("would violate PodSecurity \"{policy}\": {}", told(&all)));
        }
        Ok(())
    }

    /// A namespace's labels must be such as can be read; who tightens them is told of the pods that
    /// would be refused.
    fn judge_labels(
        &mut self,
        served: &Served,
        old: Option<&Object>,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        let release = self.registry.version();
        let labels = at(body, &["metadata", "labels"]).and_then(Value::as_object);
        let new = Policies::of(release, labels);
        let before = old.map(|old| Policies::of(release, old.labels()));
        let texts = |errors: &[Cause]| -> Vec<String> {
            errors.iter().map(|cause| format!("{}{}", cause.field, cause.message)).collect()
        };
        let known = before.as_ref().is_some_and(|old| texts(&old.errors) == texts(&new.errors));
        let name = at(body, &["metadata", "name"]).and_then(Value::as_str).unwrap_or_default();
        if !new.errors.is_empty() && !known {
            return Err(Box::new(Status::invalid("", &served.kind, name, &new.errors)));
        }
        let Some(before) = before else { return Ok(()) };
        let (from, to) = (before.enforce, new.enforce);
        let relaxed = from.version == to.version && to.level <= from.level;
        if from == to || to.level == Level::Privileged || relaxed {
            return Ok(());
        }
        let warnings = self.misfits(name, to);
        self.warnings.extend(warnings);
        Ok(())
    }

    /// The pods of a namespace that a policy would refuse, those alike told together.
    fn misfits(&self, namespace: &str, policy: Policy) -> Vec<String> {
        let Some(table) = self.store.find(&PODS) else { return Vec::new() };
        let pods = table.objects.range(Key::new(namespace, "")..);
        let pods = pods.take_while(|(key, _)| &*key.namespace == namespace);
        let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (_, pod) in pods {
            let part = |name: &str| pod.value().get(name).unwrap_or(&Value::Null);
            let all = findings(policy, part("metadata"), part("spec"));
            if all.is_empty() {
                continue;
            }
            let reasons: Vec<&str> = all.iter().map(|finding| finding.reason.as_str()).collect();
            alike.entry(reasons.join(", ")).or_default().push(pod.name());
        }
        let line = |(reasons, names): (&String, &Vec<&str>)| match names.as_slice() {
            [only] => format!("{only}: {reasons}"),
            [first, _] => format!("{first} (and 1 other pod): {reasons}"),
            names => format!("{} (and {} other pods): {reasons}", names[0], names.len() - 1),
        };
        let mut out: Vec<String> = alike.iter().map(line).collect();
        out.sort();
        if !out.is_empty() {
            let head = format!(
                "existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce \
                 level \"{policy}\""
            );
            out.insert(0, head);
        }
        out
    }
}

fn told(all: &[Finding]) -> String {
    let one = |finding: &Finding| format!("{} ({})", finding.reason, finding.detail);
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whether an update of a pod changes what policies look at.
fn is_significant(old: &Value, new: &Value) -> bool {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let notes = |pod: &Value| -> Map {
        let all = at(pod, &["metadata", "annotations"]).and_then(Value::as_object);
        let all = all.into_iter().flatten().filter(|(name, _)| name.starts_with(app_armor::PREFIX));
        all.collect()
    };
    let images = |pod: &Value, list: &str| -> Array {
        let all = at(pod, &["spec", list]).and_then(Value::as_array).into_iter().flatten();
        all.map(|container| &container["image"]).collect()
    };
    notes(old) != notes(new) || lists.iter().any(|list| images(old, list) != images(new, list))
}

#[cfg(test)]
mod tests;
