//! What an actor may do in one pass: its view, the time, its stream, and calls over its link.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::Surroundings;
use crate::api::server::{Handled, Response};
use crate::api::{Answer, Options, PatchType, Request, Status, Verb};
use crate::controller::{Context, View};
use crate::json::Value;
use crate::link::Verdict;
use crate::object::{GroupResource, Key, Object};
use crate::rng::Stream;

/// The way to an API server: the store of the same simulation, or a server elsewhere.
pub trait Wire {
    /// Time since the run began.
    fn now(&self) -> Duration;

    /// The version in which the collection is asked for.
    fn version(&self, resource: &GroupResource) -> Cow<'static, str>;

    /// Carries out a request over the client's link. What is lost there is a status with reason
    /// `Timeout` (504).
    fn send(&mut self, request: Request) -> Handled;
}

/// What is answered in place of a message that a link lost.
pub fn lost() -> Box<Status> {
    Box::new(Status::new(504, "Timeout", "the request was lost on its link"))
}

impl Wire for Surroundings<'_> {
    fn now(&self) -> Duration {
        self.now
    }

    fn version(&self, resource: &GroupResource) -> Cow<'static, str> {
        self.server.registry.preferred(resource)
    }

    fn send(&mut self, request: Request) -> Handled {
        let Self { server, link, trace, now } = self;
        server.now = *now;
        let verb = request.verb;
        let verdict = link.verdict(&request);
        let client = Arc::clone(&request.user_agent);
        let reply = match verdict {
            Verdict::Drop => {
                trace.request(*now, &client, &request, "drop");
                return Err(lost());
            }
            Verdict::Error(status) => {
                trace.request(*now, &client, &request, "error");
                return Err(status);
            }
            Verdict::LostReply => {
                trace.request(*now, &client, &request, "lost-reply");
                let _ = server.handle(request);
                return Err(lost());
            }
            Verdict::Pass => {
                trace.request(*now, &client, &request, "pass");
                server.handle(request)
            }
        };
        if let Ok(Response::Object { code, object }) = &reply {
            trace.answer(*now, &client, verb, Ok((*code, object.resource_version())));
        } else if let Ok(Response::Value { code, value }) = &reply {
            let version = Object::new(value.clone()).resource_version();
            trace.answer(*now, &client, verb, Ok((*code, version)));
        }
        reply
    }
}

/// The API calls of one pass.
pub struct Calls<'a, W> {
    /// The client's cache.
    pub view: &'a View,
    /// Its way to the API server.
    pub wire: &'a mut W,
    /// The name under which it asks.
    pub user_agent: &'a Arc<str>,
    /// The program that it is part of, which then owns what it writes.
    pub program: Option<&'static str>,
    /// Its own stream.
    pub stream: &'a mut Stream,
}

impl<W: Wire> Calls<'_, W> {
    fn call(&mut self, request: Request) -> Answer {
        match self.wire.send(request)? {
            Response::Object { object, .. } => Ok(object),
            Response::Value { value, .. } => Ok(Arc::new(Object::new(value))),
            _ => Err(Box::new(Status::method_not_allowed())),
        }
    }

    fn request(
        &self,
        verb: Verb,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> Request {
        let version = self.wire.version(resource);
        let options =
            Options { field_manager: self.program.map(str::to_owned), ..Options::default() };
        Request {
            version,
            options,
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

impl<W: Wire> Context for Calls<'_, W> {
    fn view(&self) -> &View {
        self.view
    }

    fn now(&self) -> Duration {
        self.wire.now()
    }

    fn timestamp(&self) -> String {
        crate::time::rfc3339(self.wire.now())
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
