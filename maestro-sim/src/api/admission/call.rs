//! One admission: what is done, to what, by whom, as policies and webhooks see it.
//!
//! Source: `AdmissionRequest` of admission.k8s.io/v1.

use crate::api::identity::Identity;
use crate::api::registry::{ScalePaths, Served};
use crate::api::{Request, Verb};
use crate::json::{Map, Value, json};
use crate::object::at;

/// What is done to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::api) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// An admission under way.
#[derive(Clone, Copy)]
pub(in crate::api) struct Call<'a> {
    pub operation: Operation,
    pub served: &'a Served,
    pub request: &'a Request,
    /// The object as it is to be, none when it goes.
    pub new: Option<&'a Value>,
    /// The stored object, none when there is none yet.
    pub old: Option<&'a Value>,
}

/// What cannot be kept out by policies and webhooks, lest nobody could mend them, and what is
/// asked of nobody but the server.
fn is_exempt(served: &Served) -> bool {
    matches!(
        &*served.resource.group,
        "admissionregistration.k8s.io" | "authentication.k8s.io" | "authorization.k8s.io"
    )
}

impl<'a> Call<'a> {
    /// The admission of an object that is written; none where nobody is asked.
    pub(in crate::api) fn of(
        served: &'a Served,
        request: &'a Request,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Option<Self> {
        let operation = match (old, new) {
            (_, None) => Operation::Delete,
            (None, Some(_)) => Operation::Create,
            (Some(_), Some(_)) => Operation::Update,
        };
        (!is_exempt(served)).then_some(Self { operation, served, request, new, old })
    }

    /// Whether it is about a namespace itself.
    pub(super) fn is_namespace(&self) -> bool {
        self.served.is_namespace()
    }

    /// The object's name, empty while it is not drawn yet.
    pub(super) fn name(&self) -> &'a str {
        if self.request.verb == Verb::DeleteCollection {
            return "";
        }
        let own = |value: &'a Value| at(value, &["metadata", "name"]).and_then(Value::as_str);
        match self.request.name.as_str() {
            "" => self.new.or(self.old).and_then(own).unwrap_or(""),
            name => name,
        }
    }

    /// Where the replicas are, if it is about nothing else.
    pub(super) fn scale(&self) -> Option<&'a ScalePaths> {
        self.served.scale.as_ref().filter(|_| self.request.subresource == "scale")
    }

    /// The name by which it is refused.
    pub(super) fn told_name(&self) -> &'a str {
        if self.name().is_empty() { "Unknown" } else { self.name() }
    }

    /// The namespace, a namespace's own name for itself; empty for cluster scope.
    pub(super) fn namespace(&self) -> &'a str {
        if self.is_namespace() { self.name() } else { &self.request.namespace }
    }

    /// As whom it is done.
    pub(super) fn user(&self) -> Identity {
        self.request.user.as_deref().cloned().unwrap_or_else(Identity::admin)
    }

    fn options(&self) -> Value {
        let kind = match self.operation {
            Operation::Delete => "DeleteOptions",
            Operation::Create => "CreateOptions",
            // A patch is told as the update that it is.
            Operation::Update => "UpdateOptions",
        };
        let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        let own = &self.request.options;
        if own.dry_run {
            options["dryRun"] = json!(["All"]);
        }
        if let Some(manager) = &own.field_manager {
            options["fieldManager"] = manager.as_str().into();
        }
        if let Some(validation) = &own.field_validation {
            options["fieldValidation"] = validation.as_str().into();
        }
        if let (Operation::Delete, Some(body)) = (self.operation, self.request.body.as_object()) {
            let kept = ["gracePeriodSeconds", "propagationPolicy", "preconditions"];
            for field in kept.into_iter().filter(|field| body.contains_key(field)) {
                options[field] = body[field].clone();
            }
        }
        options
    }

    /// The `request` of expressions; with objects and an identifier it is that of a review.
    pub(super) fn describe(&self, version: &str) -> Map {
        let served = self.served;
        let kind = |version: &str| match self.scale() {
            Some(_) => json!({"group": "autoscaling", "version": "v1", "kind": "Scale"}),
            None => json!({"group": served.resource.group, "version": version,
                           "kind": served.kind}),
        };
        let resource = |version: &str| {
            json!({"group": served.resource.group, "version": version,
                   "resource": served.resource.resource})
        };
        let mut out = Map::new();
        let mut put = |field: &str, value: Value| {
            if value != "" {
                out.insert(field, value);
            }
        };
        put("kind", kind(version));
        put("resource", resource(version));
        put("subResource", self.request.subresource.as_ref().into());
        put("requestKind", kind(&served.version));
        put("requestResource", resource(&served.version));
        put("requestSubResource", self.request.subresource.as_ref().into());
        put("name", self.name().into());
        put("namespace", self.namespace().into());
        put("operation", self.operation.as_str().into());
        put("userInfo", self.user().info());
        put("dryRun", self.request.options.dry_run.into());
        put("options", self.options());
        out
    }
}
