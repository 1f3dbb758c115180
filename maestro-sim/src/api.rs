//! The API server as one synchronous function from request to answer.
//!
//! HTTP, the in-process client and the simulated controllers are thin shells on [`Request`]:
//! a request from inside the simulation never becomes HTTP or JSON text.

mod accept;
mod account;
mod addresses;
pub(crate) mod admission;
pub(crate) mod app_armor;
pub mod authorization;
pub(crate) mod certificate;
mod component_status;
pub(crate) mod conversion;
mod decode;
mod delete;
mod disabled;
pub mod discovery;
mod failure;
pub(crate) mod form;
mod health;
pub mod http;
pub mod identity;
mod json;
pub mod kept;
mod label_keys;
pub mod metrics;
pub mod openapi;
mod pod_output;
pub(crate) mod pod_parts;
mod prepare;
pub(crate) mod pretty;
mod proposal;
mod query;
pub mod read;
pub mod registry;
pub mod review;
mod scale;
pub mod server;
mod service_spec;
pub mod settings;
pub mod status;
mod strategy;
mod strict;
mod subresource;
pub(crate) mod table;
pub mod token;
mod topology;
mod uneven;
mod version;
mod warnings;
pub mod watch;
pub mod webhook;
mod write;
mod writer;
pub(crate) mod yaml;

use std::borrow::Cow;
use std::sync::Arc;

pub use status::{Cause, Status};
pub use strict::Written;

use crate::json::Value;
use crate::object::{GroupResource, Object};

/// What is asked of a resource. Names as in RBAC and audit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH; the type stands in [`Request::patch`].
    Patch,
    /// DELETE one.
    Delete,
    /// DELETE a collection.
    DeleteCollection,
}

impl Verb {
    /// The verb as RBAC writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// Whether it can change the store.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// The media types of PATCH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchType {
    /// `application/json-patch+json`, RFC 6902.
    Json,
    /// `application/merge-patch+json`, RFC 7386.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`, server-side apply (KEP-555).
    Apply,
}

/// Query options of every verb; each verb reads its own.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// `dryRun=All`.
    pub dry_run: bool,
    /// `fieldManager`.
    pub field_manager: Option<String>,
    /// `force`, for apply.
    pub force: Option<bool>,
    /// `fieldValidation`: Ignore, Warn or Strict.
    pub field_validation: Option<String>,
    /// `labelSelector`.
    pub label_selector: Option<String>,
    /// `fieldSelector`.
    pub field_selector: Option<String>,
    /// `limit`, 0 for none.
    pub limit: usize,
    /// `continue`.
    pub continue_token: Option<String>,
    /// `resourceVersion`.
    pub resource_version: Option<String>,
    /// `resourceVersionMatch`.
    pub resource_version_match: Option<String>,
    /// `timeoutSeconds`.
    pub timeout_seconds: Option<u64>,
    /// `allowWatchBookmarks`.
    pub allow_watch_bookmarks: bool,
    /// `sendInitialEvents`.
    pub send_initial_events: Option<bool>,
    /// What of a pod's output is asked for.
    pub log: Option<Box<pod_output::LogOptions>>,
    /// Whether the client reads warnings: those over HTTP do.
    pub warn: bool,
    /// The form in which objects are wanted.
    pub form: Form,
    /// How the body was written, where that can matter.
    pub written: Written,
}

/// The form in which a client wants objects (`as=` in its Accept header).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Form {
    /// Whole objects.
    #[default]
    Whole,
    /// `PartialObjectMetadata` of one object.
    Metadata(Meta),
    /// `PartialObjectMetadataList`.
    MetadataList(Meta),
    /// A `Table`, whose rows hold so much of each object.
    Table(Include, Meta),
}

/// The version of `meta.k8s.io` in which a form is wanted (`v=` in Accept).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Meta {
    /// `v1`.
    #[default]
    V1,
    /// `v1beta1`, which says the same under its name.
    V1beta1,
}

impl Meta {
    /// What stands in `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// How much of an object a Table's row holds (`includeObject=`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Include {
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    Nothing,
}

/// One request, whoever makes it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// Of which collection.
    pub resource: GroupResource,
    /// In which API version of the group, for example `v1`.
    pub version: Cow<'static, str>,
    /// Namespace, empty for cluster scope and for "all namespaces".
    pub namespace: String,
    /// Object name, empty for collections.
    pub name: String,
    /// For example `status`, `scale`, `eviction`; empty for the object itself.
    pub subresource: Cow<'static, str>,
    /// The patch's type, when the verb is Patch.
    pub patch: Option<PatchType>,
    /// Query options.
    pub options: Options,
    /// The body: an object, a patch, `DeleteOptions`; `Null` when there is none.
    pub body: Value,
    /// Who asks: names the field manager when the options do not, and stands in traces.
    pub user_agent: Arc<str>,
    /// As whom; nobody in particular may do everything.
    pub user: Option<Arc<identity::Identity>>,
}

impl Request {
    /// A request in version `v1` without subresource, options and body; whoever asks sets what is
    /// otherwise.
    pub fn new(
        user_agent: impl Into<Arc<str>>,
        verb: Verb,
        resource: GroupResource,
        namespace: &str,
        name: &str,
    ) -> Self {
        Self {
            verb,
            resource,
            version: Cow::Borrowed("v1"),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: Cow::Borrowed(""),
            patch: None,
            options: Options::default(),
            body: Value::Null,
            user_agent: user_agent.into(),
            user: None,
        }
    }
}

/// What one in-process call answers.
pub type Answer = Result<Arc<Object>, Box<Status>>;
