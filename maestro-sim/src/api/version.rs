//! Versions of one kind: its objects are stored in one of them and are read and written in any.
//!
//! A custom kind's versions differ in nothing but their name, as the conversion strategy `None`
//! has it, or a webhook converts between them ([`conversion`]); an object that was stored before
//! the storage version changed is read like any other.
//! Events are the core's, whichever group serves them, and a HorizontalPodAutoscaler is one of
//! `autoscaling/v2`.
//!
//! Sources: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/>,
//! `k8s.io/kubernetes/pkg/apis/events/v1/conversion.go`.
//!
//! [`conversion`]: crate::api::conversion

mod autoscaler;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::api::Status;
use crate::api::conversion::{Freshness, Unconverted};
use crate::api::registry::{Registry, Served};
use crate::api::server::{Response, Server};
use crate::json::{Map, Value};
use crate::managed::{self, View};
use crate::object::{GroupResource, Object};
use crate::schema::Schema;
use crate::selector::FieldSelector;
use crate::{structural, typed};

static EVENTS: GroupResource = GroupResource::new("", "events");

/// Where the objects of a served version are kept, and how they become its own.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// As they are served.
    Same,
    /// In a version of this `apiVersion` and schema, which differs in nothing else.
    Named(String, Arc<Schema>),
    /// As Events of the core.
    CoreEvents,
    /// As autoscalers of `autoscaling/v2`.
    Autoscalers,
}

impl Storage {
    /// That of a built-in kind.
    pub(super) fn built_in(id: &GroupResource, version: &str) -> Self {
        match (&*id.group, &*id.resource, version) {
            ("events.k8s.io", "events", _) => Self::CoreEvents,
            ("autoscaling", "horizontalpodautoscalers", "v1") => Self::Autoscalers,
            _ => Self::Same,
        }
    }
}

/// What the fields of `events.k8s.io/v1` are called in the core, both ways.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

impl Served {
    /// The collection that holds its objects.
    pub(crate) fn stored(&self) -> &GroupResource {
        match self.storage {
            Storage::CoreEvents => &EVENTS,
            _ => &self.resource,
        }
    }

    /// Whether what is stored may have to be converted.
    fn converts(&self) -> bool {
        !matches!(self.storage, Storage::Same)
    }

    /// A stored object as this version shows it.
    pub(crate) fn shown<'o>(&self, object: &'o Arc<Object>) -> Cow<'o, Arc<Object>> {
        let same = || object.text(&["apiVersion"]) == self.api_version();
        if !self.converts() || (!self.revised && same()) {
            return Cow::Borrowed(object);
        }
        let read = self.read(object);
        if read.text(&["apiVersion"]) == self.api_version() {
            return read;
        }
        let mut value = read.value().clone();
        match self.storage {
            Storage::CoreEvents => rename(&mut value, |(new, old)| (old, new)),
            Storage::Autoscalers => autoscaler::to_v1(&mut value),
            Storage::Named(..) => structural::prune(self.schema(), &mut value),
            Storage::Same => {}
        }
        name(&mut value, self.api_version());
        self.refill(&mut value);
        Cow::Owned(Arc::new(Object::new(value)))
    }

    /// A stored object as it is read: an older schema may have left it without what the present
    /// one fills in.
    pub(crate) fn read<'o>(&self, object: &'o Arc<Object>) -> Cow<'o, Arc<Object>> {
        let Storage::Named(_, schema) = &self.storage else { return Cow::Borrowed(object) };
        if !self.revised {
            return Cow::Borrowed(object);
        }
        let mut value = object.value().clone();
        structural::prune(schema, &mut value);
        structural::default(schema, &mut value);
        match value == *object.value() {
            true => Cow::Borrowed(object),
            false => Cow::Owned(Arc::new(Object::new(value))),
        }
    }

    /// A tree of this version as it is stored.
    pub(super) fn kept(&self, registry: &Registry, mut value: Value) -> Value {
        match &self.storage {
            Storage::Same => return value,
            Storage::Named(stored, _) if stored == self.api_version() => {}
            Storage::Named(stored, schema) => {
                self.fit(&mut value);
                name(&mut value, stored);
                // Whoever reads it finds the defaults of the version in which it is stored.
                structural::default(schema, &mut value);
            }
            Storage::CoreEvents => {
                rename(&mut value, |names| names);
                name(&mut value, "v1");
                if let Some(core) = registry.find(&EVENTS, "v1") {
                    core.refill(&mut value);
                }
            }
            Storage::Autoscalers => {
                autoscaler::to_v2(&mut value);
                name(&mut value, "autoscaling/v2");
                if let Some(second) = registry.find(&self.resource, "v2") {
                    second.refill(&mut value);
                }
            }
        }
        value
    }

    /// A tree as its validation wants it: every autoscaler is validated as one of `v2`.
    pub(super) fn validated<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        if !matches!(self.storage, Storage::Autoscalers) {
            return Cow::Borrowed(value);
        }
        let mut value = value.clone();
        autoscaler::to_v2(&mut value);
        Cow::Owned(value)
    }

    /// Takes out of a tree what cannot be stored.
    pub(super) fn fit(&self, value: &mut Value) {
        if let Storage::Named(stored, schema) = &self.storage
            && self.converter().is_none()
            && stored != self.api_version()
        {
            structural::prune(schema, value);
        }
    }

    /// Fields that a typed version always writes, and those it does not.
    fn refill(&self, value: &mut Value) {
        if !self.is_custom() {
            // What was valid in one version is well typed in the other.
            let _ = typed::decode(self.schema(), &self.kind, value, None);
        }
    }

    /// A field selector of this version's names as one of the stored names.
    pub(super) fn stored_fields(&self, fields: FieldSelector) -> FieldSelector {
        match self.storage {
            Storage::CoreEvents => fields.renamed(|field| {
                let (first, rest) = field.split_once('.').unwrap_or((field, ""));
                let stored = EVENT_FIELDS.iter().find(|(new, _)| *new == first)?.1;
                Some(if rest.is_empty() { stored.to_owned() } else { format!("{stored}.{rest}") })
            }),
            _ => fields,
        }
    }
}

fn name(value: &mut Value, api_version: &str) {
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion", api_version.into());
    }
}

/// Renames the top-level fields of an Event; `way` turns a pair into from and to.
fn rename(
    event: &mut Value,
    way: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(map) = event.as_object_mut() else { return };
    let moved: Map = EVENT_FIELDS
        .into_iter()
        .map(way)
        .filter_map(|(from, to)| Some((to.to_owned(), map.remove(from)?)))
        .collect();
    map.extend(moved);
}

impl Server {
    /// The object of a key, in the version that is served.
    pub(super) fn found(
        &mut self,
        served: &Served,
        namespace: &str,
        name: &str,
        freshness: Freshness,
    ) -> Result<Option<Arc<Object>>, Unconverted> {
        let found = self.store.named(served.stored(), namespace, name).map(Arc::clone);
        let Some(object) = found else { return Ok(None) };
        self.shown_as(served, &object, freshness).map(Some)
    }

    /// Stores a tree of the served version; the object as it is stored.
    pub(super) fn put(&mut self, served: &Served, body: Value) -> Result<Arc<Object>, Unconverted> {
        let kept = self.kept(served, body, false)?;
        Ok(self.put_kept(served, kept))
    }

    /// An answer with its objects in the version that was asked for.
    pub(super) fn in_version(
        &mut self,
        served: &Arc<Served>,
        response: Response,
    ) -> Result<Response, Unconverted> {
        if !served.converts() {
            return Ok(response);
        }
        Ok(match response {
            Response::Object { code, object } => {
                Response::Object { code, object: self.shown(served, &object)? }
            }
            Response::List(mut list) => {
                list.items = self.shown_all(served, list.items, None)?;
                Response::List(list)
            }
            Response::Watch(mut start) => {
                start.initial = self.shown_all(served, start.initial, None)?;
                start.version = Some(Arc::clone(served));
                Response::Watch(start)
            }
            Response::Warned { warnings, response } => {
                let response = Box::new(self.in_version(served, *response)?);
                Response::Warned { warnings, response }
            }
            other @ (Response::Value { .. } | Response::Text { .. }) => other,
        })
    }
}

/// One kind's trees in its other versions, as the bookkeeping of fields compares them.
#[derive(Debug)]
pub(super) struct Views<'a> {
    server: RefCell<&'a mut Server>,
    served: &'a Served,
    /// Whether a webhook is still to be asked for one of them.
    later: Cell<bool>,
}

impl<'a> Views<'a> {
    pub(super) fn new(server: &'a mut Server, served: &'a Served) -> Self {
        Self { server: RefCell::new(server), served, later: Cell::new(false) }
    }

    /// None for a kind of one version.
    pub(super) fn as_dyn(&self) -> Option<&dyn managed::Views> {
        let several = self.served.is_custom()
            || *self.served.stored() == EVENTS
            || &*self.served.resource.resource == "horizontalpodautoscalers";
        several.then_some(self)
    }

    /// Whether all that was looked at could be converted, or cannot be.
    ///
    /// # Errors
    /// When a webhook is still to be asked.
    pub(super) fn complete(&self) -> Result<(), Box<Status>> {
        if self.later.get() { Err(Unconverted::Later.into()) } else { Ok(()) }
    }
}

impl managed::Views for Views<'_> {
    fn view(&self, api_version: &str, tree: &Value) -> View {
        let mut server = self.server.borrow_mut();
        let versions = server.registry.served_versions(&self.served.resource);
        let Some(other) = versions.iter().find(|one| one.api_version() == api_version) else {
            return View::Gone;
        };
        let other = Arc::clone(other);
        let schema = Arc::clone(other.schema());
        if other.is_custom() {
            return match server.viewed(self.served, tree, api_version) {
                Ok(tree) => View::Tree(schema, tree),
                Err(why) => {
                    self.later.set(self.later.get() || matches!(why, Unconverted::Later));
                    View::Failed(Box::<Status>::from(why).message)
                }
            };
        }
        let stored = Arc::new(Object::new(self.served.kept(&server.registry, tree.clone())));
        View::Tree(schema, other.shown(&stored).value().clone())
    }
}

#[cfg(test)]
mod tests;
