//! Events: what happens to an instance, told where `kubectl describe` looks for it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::Value;

use super::ending::why;

/// The longest note the API accepts, in bytes.
const LONGEST: usize = 1024;

/// Records events of the operator.
pub(super) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(super) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "maestro.dev/operator".to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Records an event of an object. That an event cannot be recorded hinders nothing.
    pub(super) async fn tell(&self, object: &Value, kind: EventType, reason: &str, note: &str) {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let reference = ObjectReference {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            uid: text("/metadata/uid"),
            ..ObjectReference::default()
        };
        let mut end = note.len().min(LONGEST);
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: note.get(..end).map(str::to_owned),
            action: "RunPlan".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            tracing::warn!(reason, error = why(&error), "an event could not be recorded");
        }
    }
}
