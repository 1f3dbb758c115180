//! What a run shows to those who judge it: every stored write, every request, every note.

use std::time::Duration;

use crate::api::server::{Handled, Response};
use crate::api::{Request, Status, Verb};
use crate::json::Value;
use crate::store::Event;

/// Looks at every write as it is stored: what properties are fed with.
pub trait Observer: Send {
    /// One stored event of a collection, at virtual time `event.at`, and who wrote it.
    fn stored(&mut self, table: &crate::store::Table, event: &Event, writer: Writer<'_>);

    /// One request, after it was answered. `None` for the answer means that it was lost.
    fn requested(&mut self, _now: Duration, _request: &RequestSummary<'_>) {}

    /// A crash, fault or step that the driver notes.
    fn noted(&mut self, _now: Duration, _what: &str, _details: &Value) {}
}

/// Who wrote to the store.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The client's link name, component or user agent.
    pub client: &'a str,
    /// The request's verb; `None` for what a component wrote in a step of several requests.
    pub verb: Option<Verb>,
}

/// A request and its answer, for observers.
#[derive(Debug)]
pub struct RequestSummary<'a> {
    /// The client's link name or component.
    pub client: &'a str,
    /// The request, without its body.
    pub request: &'a Request,
    /// HTTP status; 0 when the request or its answer was lost.
    pub code: u16,
    /// The failure's message, empty on success.
    pub message: &'a str,
}

/// HTTP status and message of a reply; 0 when it was lost.
pub(crate) fn outcome(reply: Option<&Handled>) -> (u16, &str) {
    match reply {
        None => (0, ""),
        Some(Err(status)) => (status.code, &status.message),
        Some(Ok(response)) => (numbers(response).0, ""),
    }
}

/// What a trace keeps of a reply: status and resource version.
pub(crate) fn traced(reply: &Handled) -> Result<(u16, u64), &Status> {
    match reply {
        Err(status) => Err(status),
        Ok(response) => Ok(numbers(response)),
    }
}

fn numbers(response: &Response) -> (u16, u64) {
    match response {
        Response::Object { code, object } => (*code, object.resource_version()),
        Response::Value { code, .. } | Response::Text { code, .. } => (*code, 0),
        Response::List(list) => (200, list.resource_version),
        Response::Watch(start) => (200, start.resource_version),
        Response::Warned { response, .. } => numbers(response),
    }
}
