//! Streams of events for the tests of properties.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use maestro_sim::api::Verb;
use maestro_sim::json::{Value, json};
use maestro_sim::object::{GroupResource, Key, Object};

use super::{Ending, Violation, Watchers};
use crate::event::{Event, Happening, Phase, Request, Write};
use crate::scenario::Scenario;

/// A scenario of one step, with more lines for its spec.
pub fn scenario(more: &str) -> Scenario {
    let text = format!(
        "apiVersion: test.maestro.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: test}}\n\
         spec:\n  steps: [{{name: wait, sleep: 1m}}]\n  {more}\n"
    );
    match Scenario::parse(Path::new("test.yaml"), &text) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{error}"),
    }
}

/// A run in which only one property is on.
pub struct Run {
    watchers: Watchers,
    clock: Duration,
}

impl Run {
    pub fn new(property: &str) -> Self {
        let others = super::NAMES.iter().filter(|name| **name != property);
        let off: Vec<String> = others.map(|name| format!("{name}: {{off: true}}")).collect();
        let more = format!("expect: {{properties: {{{}}}}}", off.join(", "));
        Self { watchers: Watchers::new(&scenario(&more), 1), clock: Duration::ZERO }
    }

    fn feed(&mut self, what: Happening) -> Option<String> {
        self.clock += Duration::from_millis(1);
        self.watchers.observe(&Event { at: self.clock, what }).map(|found| text(&found))
    }

    pub fn write(
        &mut self,
        actor: &str,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> Option<String> {
        let resource = resource(new.or(old).unwrap_or(&Value::Null));
        let object = |value: &Value| Arc::new(Object::new(value.clone()));
        let (old, new) = (old.map(object), new.map(object));
        self.feed(Happening::Write(Write {
            actor: actor.into(),
            verb: Verb::Patch,
            resource,
            old,
            new,
        }))
    }

    pub fn request(&mut self, actor: &str, code: u16) -> Option<String> {
        self.feed(Happening::Request(Request {
            actor: actor.into(),
            verb: Verb::Get,
            resource: GroupResource::new("", "pods"),
            key: Key::new("default", "a"),
            code,
            reason: "",
        }))
    }

    pub fn phase(&mut self, phase: Phase) {
        self.feed(Happening::Phase(phase));
    }

    pub fn panic(&mut self, actor: &str, message: &str) -> Option<String> {
        self.feed(Happening::Panicked { actor: actor.into(), message: message.into() })
    }

    pub fn step_missed(&mut self, why: &str) {
        self.feed(Happening::StepMissed { index: 0, why: why.into() });
    }

    pub fn end(&mut self, ending: &Ending) -> Vec<String> {
        self.watchers.finish(ending).iter().map(text).collect()
    }
}

fn text(found: &Violation) -> String {
    format!("{}: {}: {}", found.property, found.object, found.detail)
}

fn resource(object: &Value) -> GroupResource {
    let of = |field| object.get(field).and_then(Value::as_str).unwrap_or("");
    let group = of("apiVersion").split_once('/').map_or("", |(group, _)| group);
    GroupResource::owned(group, &format!("{}s", of("kind").to_lowercase()))
}

/// The UID of the object that [`named`] makes with this name.
pub fn uid(name: &str) -> String {
    format!("uid-{name}")
}

/// An object with a name, a namespace and a UID.
pub fn named(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind,
           "metadata": {"name": name, "namespace": "default", "uid": uid(name)}})
}

/// A StatefulSet that wants so many replicas and has so many ready.
pub fn set_status(mut set: Value, wanted: i64, ready: i64) -> Value {
    set["spec"] = json!({"replicas": wanted});
    set["status"] = json!({"replicas": wanted, "readyReplicas": ready, "updatedReplicas": wanted,
                           "observedGeneration": 1});
    set
}
