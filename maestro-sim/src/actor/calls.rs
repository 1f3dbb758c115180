//! What an actor may do in one pass: its view, the time, its stream, and calls over its link.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Surroundings;
use crate::api::server::Response;
use crate::api::{Answer, PatchType, Request, Status, Verb};
use crate::controller::{Context, View};
use crate::link::Verdict;
use crate::object::{GroupResource, Key, Object};
use crate::rng::Stream;

/// The API calls of one pass.
pub(super) struct Calls<'a, 'b> {
    pub(super) view: &'a View,
    pub(super) around: &'a mut Surroundings<'b>,
    pub(super) user_agent: &'a Arc<str>,
    pub(super) stream: &'a mut Stream,
}

impl Calls<'_, '_> {
    fn call(&mut self, request: Request) -> Answer {
        let Surroundings { server, link, trace, now } = self.around;
        server.now = *now;
        let verb = request.verb;
        let verdict = link.verdict(&request);
        let client = self.user_agent.as_ref();
        let lost =
            || Err(Box::new(Status::new(504, "Timeout", "the request was lost on its link")));
        let reply = match verdict {
            Verdict::Drop => {
                trace.request(*now, client, &request, "drop");
                return lost();
            }
            Verdict::Error(status) => {
                trace.request(*now, client, &request, "error");
                return Err(status);
            }
            Verdict::LostReply => {
                trace.request(*now, client, &request, "lost-reply");
                let _ = server.handle(request);
                return lost();
            }
            Verdict::Pass => {
                trace.request(*now, client, &request, "pass");
                server.handle(request)
            }
        };
        let answer = match reply? {
            Response::Object { code, object } => (code, object),
            Response::Value { code, value } => (code, Arc::new(Object::new(value))),
            _ => return Err(Box::new(Status::method_not_allowed())),
        };
        trace.answer(*now, client, verb, Ok((answer.0, answer.1.resource_version())));
        Ok(answer.1)
    }

    fn request(
        &self,
        verb: Verb,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> Request {
        let version = self.around.server.registry.preferred(resource);
        Request {
            version,
            ..Request::new(Arc::clone(self.user_agent), verb, resource.clone(), namespace, name)
        }
    }

    fn with_body(&self, verb: Verb, resource: &GroupResource, body: Value) -> Request {
        let text = |field: &str| {
            let found = crate::object::at(&body, &["metadata", field]).and_then(Value::as_str);
            found.unwrap_or("").to_owned()
        };
        let name = if verb == Verb::Create { String::new() } else { text("name") };
        let namespace = text("namespace");
        Request { body, ..self.request(verb, resource, &namespace, &name) }
    }
}

impl Context for Calls<'_, '_> {
    fn view(&self) -> &View {
        self.view
    }

    fn now(&self) -> Duration {
        self.around.now
    }

    fn timestamp(&self) -> String {
        crate::time::rfc3339(self.around.now)
    }

    fn unix_seconds(&self, rfc3339: &str) -> Option<i64> {
        crate::time::unix_seconds(rfc3339)
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.stream.below(bound)
    }

    fn get(&mut self, resource: &GroupResource, key: &Key) -> Answer {
        let request = self.request(Verb::Get, resource, &key.namespace, &key.name);
        self.call(request)
    }

    fn create(&mut self, resource: &GroupResource, object: Value) -> Answer {
        let request = self.with_body(Verb::Create, resource, object);
        self.call(request)
    }

    fn update(&mut self, resource: &GroupResource, object: Value) -> Answer {
        let request = self.with_body(Verb::Update, resource, object);
        self.call(request)
    }

    fn update_status(&mut self, resource: &GroupResource, object: Value) -> Answer {
        self.update_sub(resource, "status", object)
    }

    fn patch(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer {
        let request = self.request(Verb::Patch, resource, &key.namespace, &key.name);
        self.call(Request { patch: Some(PatchType::Merge), body: patch, ..request })
    }

    fn patch_status(&mut self, resource: &GroupResource, key: &Key, patch: Value) -> Answer {
        let request = self.request(Verb::Patch, resource, &key.namespace, &key.name);
        let patch_type = Some(PatchType::Merge);
        self.call(Request {
            patch: patch_type,
            subresource: "status".into(),
            body: patch,
            ..request
        })
    }

    fn delete(&mut self, resource: &GroupResource, key: &Key, options: Value) -> Answer {
        let request = self.request(Verb::Delete, resource, &key.namespace, &key.name);
        self.call(Request { body: options, ..request })
    }

    fn create_sub(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        subresource: &'static str,
        body: Value,
    ) -> Answer {
        let request = self.request(Verb::Create, resource, &key.namespace, &key.name);
        self.call(Request { subresource: subresource.into(), body, ..request })
    }

    fn update_sub(
        &mut self,
        resource: &GroupResource,
        subresource: &'static str,
        body: Value,
    ) -> Answer {
        let request = self.with_body(Verb::Update, resource, body);
        self.call(Request { subresource: subresource.into(), ..request })
    }

    fn event(&mut self, regarding: &Object, kind: &str, reason: &str, message: &str) {
        let component = self.user_agent.clone();
        crate::event::record(self, &component, regarding, (kind, reason, message));
    }
}
