//! The server: store, registry of served kinds, and the dispatch from verb to function.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::api::addresses::pool::Addresses;
use crate::api::authorization::bootstrap::Roles;
use crate::api::conversion::{Converted, Freshness};
use crate::api::form::shaped;
use crate::api::kept::{Kept, Place};
use crate::api::read::List;
use crate::api::registry::{Registry, Served};
use crate::api::review;
use crate::api::settings::Settings;
use crate::api::token::Secret;
use crate::api::watch::WatchStart;
use crate::api::webhook::Webhooks;
use crate::api::{Form, Request, Status, Verb, authorization, component_status};
use crate::json::Value;
use crate::object::{GroupResource, Key, Object};
use crate::rng::Stream;
use crate::store::Store;
use crate::time::{rfc3339, unix};
use crate::typed::Noticed;

/// What a request answers when it does not fail.
#[derive(Debug)]
pub enum Response {
    /// A stored object: shared, encoded at most once.
    Object {
        /// HTTP status: 200 or 201.
        code: u16,
        /// The object.
        object: Arc<Object>,
    },
    /// A value made for this answer only (a Scale, a dry run, `Status` Success).
    Value {
        /// HTTP status.
        code: u16,
        /// The body.
        value: Value,
    },
    /// A text, or nothing.
    Text {
        /// HTTP status: 200 or 204.
        code: u16,
        /// The text.
        text: String,
    },
    /// A collection.
    List(List),
    /// A watch: where its cursor starts.
    Watch(WatchStart),
    /// An answer with warnings, only for clients that read them.
    Warned {
        /// What the server warns of.
        warnings: Vec<String>,
        /// The answer itself.
        response: Box<Response>,
    },
}

/// What every handler returns.
pub type Handled = Result<Response, Box<Status>>;

/// What the server says of a kind that will go.
fn deprecation(served: &Served) -> Option<String> {
    let told = match (&*served.resource.group, &*served.resource.resource) {
        ("", "endpoints") => {
            "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
        }
        ("", "componentstatuses") => "v1 ComponentStatus is deprecated in v1.19+",
        _ => return served.deprecated.clone(),
    };
    Some(told.to_owned())
}

/// An API server over its store. Synchronous: `now` is set by the caller before each request.
#[derive(Debug)]
pub struct Server {
    /// The store; read it freely, write through [`Server::handle`].
    pub store: Store,
    /// The served kinds.
    pub registry: Registry,
    /// Virtual time of the request being handled.
    pub now: Duration,
    pub(super) uids: Stream,
    pub(super) names: Stream,
    pub(super) addresses: Addresses,
    pub(super) warnings: Vec<String>,
    /// What was noticed when the body being written was read.
    pub(super) noticed: Noticed,
    /// Versions whose stored form lacks what every reader fills in: the next write of the object
    /// is stored even if it changes nothing.
    pub(super) unsettled: BTreeSet<u64>,
    clock: (u64, String),
    pub(super) roles: Roles,
    /// What the server keeps about itself.
    pub kept: Kept,
    /// Who answers for webhooks.
    pub webhooks: Webhooks,
    pub(super) converted: Converted,
    pub(super) review_uids: Stream,
    /// How it is set up, see [`Server::set_up`].
    pub(super) settings: Settings,
    /// What the tokens of service accounts are signed with.
    pub tokens: Secret,
    /// The certificate (PEM) by which clients know the server, which each namespace is told; none
    /// where nothing is served over TLS.
    pub authority: String,
}

impl Server {
    /// An empty server whose uids and generated names come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            store: Store::default(),
            registry: Registry::default(),
            now: Duration::ZERO,
            uids: Stream::new(seed, "uids"),
            names: Stream::new(seed, "names"),
            addresses: Addresses::new(&Settings::default()),
            warnings: Vec::new(),
            noticed: Noticed::default(),
            unsettled: BTreeSet::new(),
            clock: (0, rfc3339(Duration::ZERO)),
            roles: Roles::default(),
            kept: Kept::default(),
            webhooks: Webhooks::default(),
            converted: Converted::default(),
            review_uids: Stream::new(seed, "reviews"),
            settings: Settings::default(),
            tokens: Secret::new(&seed.to_le_bytes()),
            authority: String::new(),
        }
    }

    /// Sets an empty server up as somebody decided.
    pub fn set_up(&mut self, settings: Settings) {
        self.addresses = Addresses::new(&settings);
        self.settings = settings;
    }

    /// A seed for what one request draws: handled once more, it draws the same.
    pub(crate) fn seed_of_request(&mut self) -> u64 {
        self.uids.word()
    }

    /// Exchanges the streams that uids and names are drawn from.
    pub(crate) fn swap_streams(&mut self, [uids, names]: &mut [Stream; 2]) {
        std::mem::swap(&mut self.uids, uids);
        std::mem::swap(&mut self.names, names);
    }

    /// Where the server itself is reached.
    pub(crate) fn own_place(&self) -> Place {
        Place { listens: self.kept.listens, services: self.settings.services }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// With the `metav1.Status` that a real server answers.
    pub fn handle(&mut self, request: Request) -> Handled {
        let form = request.options.form;
        self.store.age(self.now);
        self.webhooks.begin();
        self.noticed = Noticed::default();
        let served = (form != Form::Whole)
            .then(|| self.registry.find(&request.resource, &request.version))
            .flatten();
        let mut handled = self.dispatch(request);
        if let (Some(served), true) = (served, handled.is_ok()) {
            let now = unix(self.now);
            handled = handled.and_then(|response| shaped(form, &served, response, now));
        }
        if self.warnings.is_empty() {
            return handled;
        }
        let warnings = std::mem::take(&mut self.warnings);
        match handled {
            Ok(response) => Ok(Response::Warned { warnings, response: Box::new(response) }),
            Err(mut status) => {
                status.warnings = warnings;
                Err(status)
            }
        }
    }

    pub(super) fn dispatch(&mut self, request: Request) -> Handled {
        self.admit_sender(&request)?;
        if request.resource.group == authorization::GROUP {
            self.hold_roles();
        }
        self.hold_kept(&request.resource);
        let served = self.served(&request)?;
        let response = self.perform(&served, request)?;
        Ok(self.in_version(&served, response)?)
    }

    fn perform(&mut self, served: &Arc<Served>, request: Request) -> Handled {
        if !request.subresource.is_empty() && request.subresource != "status" {
            return self.subresource(served, request);
        }
        match request.verb {
            verb if component_status::is_asked(served, verb) => {
                self.component_statuses(served, &request)
            }
            Verb::Get => self.read(served, &request),
            Verb::List => self.list(served, &request),
            Verb::Watch => self.watch(served, &request),
            Verb::Create if review::is_review(served) => self.review(served, request),
            Verb::Create => self.create(served, request),
            Verb::Update => self.update(served, request),
            Verb::Patch => self.patch(served, request),
            Verb::Delete => self.delete(served, &request),
            Verb::DeleteCollection => self.delete_collection(served, &request),
        }
    }

    fn served(&mut self, request: &Request) -> Result<Arc<Served>, Box<Status>> {
        let served = self
            .registry
            .find(&request.resource, &request.version)
            .ok_or_else(|| Box::new(Status::no_such_path()))?;
        let scoped = served.namespaced || request.namespace.is_empty();
        let named = !served.namespaced
            || !request.namespace.is_empty()
            || matches!(request.verb, Verb::List | Verb::Watch | Verb::DeleteCollection);
        if !named && request.verb == Verb::Create {
            return Err(Box::new(Status::method_not_allowed()));
        }
        if !scoped || !named {
            return Err(Box::new(Status::no_such_path()));
        }
        if !request.subresource.is_empty() && !served.has_subresource(&request.subresource) {
            return Err(Box::new(match served.is_custom() {
                true => Status::not_found(&served.resource, &request.name),
                false => Status::no_such_path(),
            }));
        }
        let serves = |verb| served.serves(verb, &request.subresource);
        // Who watches asks for a list, and is refused by what lists.
        let only_lists = request.verb == Verb::Watch && !serves(Verb::Watch) && serves(Verb::List);
        if !only_lists && !serves(request.verb) {
            return Err(Box::new(Status::method_not_allowed()));
        }
        if request.options.warn {
            self.warnings.extend(deprecation(&served));
        }
        if only_lists {
            return Err(Box::new(Status::watch_not_supported(&served.resource)));
        }
        Ok(served)
    }

    /// The stored object a request names, in the version that is served.
    pub(super) fn existing(
        &mut self,
        served: &Served,
        request: &Request,
    ) -> Result<Arc<Object>, Box<Status>> {
        // Whoever reads without a version reads what is there now.
        let version = request.options.resource_version.as_deref().unwrap_or("");
        let reads = request.verb == Verb::Get && version.is_empty();
        let freshness = if reads { Freshness::Anew } else { Freshness::Known };
        let found = self.found(served, &request.namespace, &request.name, freshness);
        let found = match (found, request.verb) {
            (Err(why), Verb::Get | Verb::Delete) => {
                let key = Key::new(&request.namespace, &request.name);
                return Err(self.corrupt(served, &key, why));
            }
            (found, _) => found?,
        };
        found.ok_or_else(|| Box::new(Status::not_found(&served.resource, &request.name)))
    }

    /// The present second as RFC 3339; the text is kept for the second.
    pub fn timestamp(&mut self) -> String {
        let second = self.now.as_secs();
        if self.clock.0 != second {
            self.clock = (second, rfc3339(self.now));
        }
        self.clock.1.clone()
    }

    /// Looks an object up without a request (for the cluster's own bookkeeping).
    pub fn peek(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<&Object> {
        self.store.named(resource, namespace, name).map(Arc::as_ref)
    }
}
