//! `metav1.Status`: every way a request can fail, with the server's own reason, code and words.
//!
//! Source: `k8s.io/apimachinery/pkg/api/errors` and `metav1.StatusReason`.

use crate::json::{Map, Value, json};
use crate::object::GroupResource;

/// Every reason that an API server gives (`metav1.StatusReason`).
const REASONS: [&str; 21] = [
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "AlreadyExists",
    "Conflict",
    "Gone",
    "Invalid",
    "ServerTimeout",
    "StorageReadError",
    "Timeout",
    "TooManyRequests",
    "BadRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "RequestEntityTooLarge",
    "UnsupportedMediaType",
    "InternalError",
    "Expired",
    "ServiceUnavailable",
    "Unknown",
    "FailedDependency",
];

/// One cause of an `Invalid` or `Conflict` answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable reason, for example `FieldValueRequired`.
    pub reason: String,
    /// What is wrong, for a person.
    pub message: String,
    /// Path of the field, for example `spec.replicas`; empty when no field is meant.
    pub field: String,
}

impl Cause {
    /// A cause from its three parts.
    pub fn new(reason: &str, field: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into(), field: field.into() }
    }
}

/// A failed request, as `metav1.Status`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({reason}, {code})")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `metav1.StatusReason`; empty for untyped errors.
    pub reason: &'static str,
    /// For a person.
    pub message: String,
    /// `details`, an object; empty when there are none.
    pub details: Map,
    /// Whether `details` stand there though they are empty.
    pub has_details: bool,
    /// Where a list that cannot go on as it began can go on.
    pub continue_token: Option<String>,
    /// What the server warned of before it refused.
    pub warnings: Vec<String>,
}

impl Status {
    /// A status without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Map::new(),
            has_details: false,
            continue_token: None,
            warnings: Vec::new(),
        }
    }

    /// A status as a server sent it (a `metav1.Status`). A reason that no API server gives is kept
    /// as `Unknown`; what is no Status at all is told by its code alone.
    pub fn from_value(code: u16, body: &Value) -> Self {
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or("");
        let reason = match text("reason") {
            "" => "",
            known => REASONS.into_iter().find(|reason| *reason == known).unwrap_or("Unknown"),
        };
        let details = body.get("details").and_then(Value::as_object).cloned();
        let message = match text("message") {
            "" => format!("the server answered {code}"),
            message => message.to_owned(),
        };
        let has_details = details.is_some();
        let details = details.unwrap_or_default();
        Self { details, has_details, ..Self::new(code, reason, message) }
    }

    pub(super) fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        if !name.is_empty() {
            self.details.insert("name", name.into());
        }
        if !resource.group.is_empty() {
            self.details.insert("group", resource.group.as_ref().into());
        }
        if !resource.resource.is_empty() {
            self.details.insert("kind", resource.resource.as_ref().into());
        }
        self
    }

    /// 404 for a named object.
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about(resource, name)
    }

    /// 404 for a path that nothing serves.
    pub fn no_such_path() -> Self {
        let mut status =
            Self::new(404, "NotFound", "the server could not find the requested resource");
        status.has_details = true;
        status
    }

    /// 409 for a create whose name is taken.
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" already exists");
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    /// 409 for a write that lost a race or a precondition.
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// 409 for a stale `resourceVersion`.
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(resource, name, why)
    }

    /// 403.
    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = match (&*resource.resource, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            _ => format!("{resource} \"{name}\" is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 422 with one cause per error. `kind` is the Kind, as the real server puts it here.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let parts: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let all = match parts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if group.is_empty() { kind.into() } else { format!("{kind}.{group}") };
        let message = format!("{qualified} \"{name}\" is invalid: {all}");
        let mut status =
            Self::new(422, "Invalid", message).about(&GroupResource::owned(group, kind), name);
        status.details.insert("causes", causes_json(causes));
        status
    }

    /// 410 for a resource version that is no longer in the log.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 415 for a patch of a type that the routes of built-in kinds do not take.
    pub fn unsupported_media_type() -> Self {
        let mut status = Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        status.has_details = true;
        status
    }

    /// 405 for a verb that the resource does not serve.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let mut status = Self::new(405, "MethodNotAllowed", message);
        status.has_details = true;
        status
    }

    /// 405 for a watch of what can only be listed.
    pub fn watch_not_supported(resource: &GroupResource) -> Self {
        let message = format!("watch is not supported on resources of kind \"{resource}\"");
        Self::new(405, "MethodNotAllowed", message).about(resource, "")
    }

    /// 429, with the seconds after which a retry makes sense.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        Self::new(429, "TooManyRequests", message).retry_after(retry_after_seconds)
    }

    /// Adds `details.retryAfterSeconds`.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.details.insert("retryAfterSeconds", seconds.into());
        self
    }

    /// Adds `details.causes`.
    pub fn with_causes(mut self, causes: &[Cause]) -> Self {
        self.details.insert("causes", causes_json(causes));
        self
    }

    /// The body as the server sends it.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(map) = body.as_object_mut() {
            if !self.reason.is_empty() {
                map.insert("reason", self.reason.into());
            }
            if self.has_details || !self.details.is_empty() {
                map.insert("details", Value::Object(self.details.clone()));
            }
            if let Some(token) = &self.continue_token {
                map.insert("metadata", json!({"continue": token}));
            }
        }
        body
    }
}

fn causes_json(causes: &[Cause]) -> Value {
    causes
        .iter()
        .map(|c| {
            let mut cause = Map::new();
            let parts = [("reason", &c.reason), ("message", &c.message), ("field", &c.field)];
            for (name, text) in parts {
                if !text.is_empty() {
                    cause.insert(name, text.as_str().into());
                }
            }
            Value::Object(cause)
        })
        .collect()
}
