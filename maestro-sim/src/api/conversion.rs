//! Conversion webhooks: how an object of a custom kind becomes one of another of its versions.
//!
//! As in the real server, each object is sent by itself: when it is read in another version than
//! its own, and, on the way to the store, when it was written in another than the stored one. What
//! the webhook answers is pruned by the schema of its version; of the metadata only labels and
//! annotations are the webhook's to change. What lists and watches show is converted once for each
//! version of an object and kept (the real server's watch cache); a GET asks anew.
//!
//! Sources: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion>,
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/conversion`.

mod answer;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::api::read::Filter;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::version::Storage;
use crate::api::webhook::{Asked, Outcome, Way};
use crate::api::{Status, failure};
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Key, Object, at, map_at};
use crate::structural;

/// How long the server waits for a conversion (`setGlobalDefaults` of
/// `k8s.io/apiserver/pkg/util/webhook`).
const PATIENCE_SECS: u64 = 30;

/// Who converts the objects of a kind.
#[derive(Debug)]
pub(crate) struct Converter {
    /// The name of the definition that says so.
    definition: String,
    /// Its `spec.conversion.webhook`.
    webhook: Value,
    /// The version of reviews, the first one that the server knows.
    review: String,
    /// The `apiVersion`s that the definition names.
    versions: Vec<String>,
}

/// Why there is no converted object.
#[derive(Debug)]
pub(crate) enum Unconverted {
    /// The webhook is still to be asked; the request is handled again when the answer is there.
    Later,
    /// It failed, or answered with what is no such object.
    Failed(Box<Status>),
}

impl From<Unconverted> for Box<Status> {
    fn from(why: Unconverted) -> Self {
        match why {
            Unconverted::Later => {
                Self::new(Status::new(500, "", "a conversion webhook is still to be asked"))
            }
            Unconverted::Failed(status) => status,
        }
    }
}

fn failed(message: String) -> Unconverted {
    Unconverted::Failed(Box::new(Status::new(500, "", message)))
}

impl Converter {
    /// The webhook that a definition names, if its strategy is that.
    pub(super) fn of(definition: &Object) -> Option<Self> {
        let conversion = definition.at(&["spec", "conversion"])?;
        if conversion["strategy"] != "Webhook" {
            return None;
        }
        let webhook = conversion.get("webhook")?.clone();
        let reviews = webhook.get("conversionReviewVersions").and_then(Value::as_array);
        let review = reviews?.iter().find_map(|v| v.as_str().filter(|v| is_known(v)))?.to_owned();
        let group = definition.text(&["spec", "group"]);
        let versions = definition.items(&["spec", "versions"]).iter();
        let versions = versions.map(|v| format!("{group}/{}", v["name"].as_str().unwrap_or("")));
        Some(Self {
            definition: definition.name().to_owned(),
            review,
            versions: versions.collect(),
            webhook,
        })
    }

    fn review(&self, uid: &str, object: &Value, to: &str) -> Value {
        json!({"kind": "ConversionReview",
               "apiVersion": format!("apiextensions.k8s.io/{}", self.review),
               "request": {"uid": uid, "desiredAPIVersion": to, "objects": [object]},
               "response": {"uid": "", "convertedObjects": null, "result": {"metadata": {}}}})
    }
}

/// Whether the server writes reviews of this version.
fn is_known(version: &str) -> bool {
    matches!(version, "v1" | "v1beta1")
}

/// What was converted already, by collection, version shown and object.
#[derive(Debug, Default)]
pub(crate) struct Converted(BTreeMap<GroupResource, BTreeMap<String, Versions>>);

type Versions = BTreeMap<Key, (u64, Result<Arc<Object>, Box<Status>>)>;

impl Converted {
    /// Forgets an object that is gone.
    fn forget_object(&mut self, resource: &GroupResource, key: &Key) {
        for versions in self.0.get_mut(resource).into_iter().flat_map(BTreeMap::values_mut) {
            versions.remove(key);
        }
    }

    fn find(&self, served: &Served, object: &Object) -> Option<&Result<Arc<Object>, Box<Status>>> {
        let versions = self.0.get(served.stored())?.get(served.api_version())?;
        let (version, shown) = versions.get(object.key())?;
        (*version == object.resource_version()).then_some(shown)
    }

    fn keep(&mut self, served: &Served, of: &Object, shown: Result<Arc<Object>, Box<Status>>) {
        let versions = self.0.entry(served.stored().clone()).or_default();
        let objects = versions.entry(served.api_version().to_owned()).or_default();
        let version = of.resource_version();
        if objects.get(of.key()).is_none_or(|(known, _)| *known <= version) {
            objects.insert(of.key().clone(), (version, shown));
        }
    }
}

/// Whether an answer shows an object as it is in the store now, or as it was converted before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The webhook is asked anew.
    Anew,
    /// What is known counts.
    Known,
}

impl Server {
    /// What was converted is forgotten when the definition is written or deleted.
    pub(super) fn forget_converted(&mut self, definition: &Object) {
        let group = definition.text(&["spec", "group"]);
        let plural = definition.text(&["spec", "names", "plural"]);
        self.converted.0.remove(&GroupResource::owned(group, plural));
    }

    /// Asks a webhook for one object in another version, as that webhook writes it.
    fn convert(
        &mut self,
        converter: &Converter,
        object: &Value,
        to: &str,
        drawn: bool,
    ) -> Result<Value, Unconverted> {
        let text = |field: &str| object[field].as_str().unwrap_or("");
        let from = text("apiVersion");
        for (what, version) in [("to an", to), ("from an", from)] {
            if !converter.versions.iter().any(|known| known == version) {
                let told = format!("request to convert CR {what} invalid group/version: {version}");
                return Err(failed(told));
            }
        }
        let head = format!("conversion webhook for {from}, Kind={}", text("kind"));
        let uid = self.review_uids.uuid();
        let review = converter.review(&uid, object, to);
        let place = self.whereabouts(&converter.webhook, PATIENCE_SECS);
        let bundle = at(&converter.webhook, &["clientConfig", "caBundle"]).and_then(Value::as_str);
        let authorities = STANDARD.decode(bundle.unwrap_or("")).unwrap_or_default();
        let asked = Asked::new(&place, authorities, PATIENCE_SECS, review, drawn);
        let way = Way {
            configuration: &converter.definition,
            place: &place,
            is_there: self.webhooks.obliging && self.is_there(&converter.webhook),
            in_turn: true,
        };
        let answer = match self.webhooks.send(asked, way, self.now) {
            Outcome::Later => return Err(Unconverted::Later),
            Outcome::Told(answer) => answer,
        };
        let answer = answer.map_err(|why| failed(format!("{head} failed: {why}")))?;
        let strict = converter.review == "v1";
        answer::read(&answer, strict.then_some(uid.as_str()), object, to)
            .map_err(|why| failed(why.told(&head)))
    }

    /// A stored object as a version shows it.
    pub(crate) fn shown(
        &mut self,
        served: &Served,
        object: &Arc<Object>,
    ) -> Result<Arc<Object>, Unconverted> {
        self.shown_as(served, object, Freshness::Known)
    }

    pub(super) fn shown_as(
        &mut self,
        served: &Served,
        object: &Arc<Object>,
        freshness: Freshness,
    ) -> Result<Arc<Object>, Unconverted> {
        let Some(converter) = served.converter() else {
            return Ok(served.shown(object).into_owned());
        };
        if object.text(&["apiVersion"]) == served.api_version() {
            return Ok(Arc::clone(object));
        }
        let known = self.converted.find(served, object);
        if let Some(shown) = known.filter(|_| freshness == Freshness::Known) {
            return shown.clone().map_err(Unconverted::Failed);
        }
        let converter = Arc::clone(converter);
        let shown = self.reshown(&converter, served, object.value().clone(), false);
        let shown = shown.map_err(|why| self.undecodable(object, why))?;
        let shown = Arc::new(Object::new(shown));
        self.converted.keep(served, object, Ok(Arc::clone(&shown)));
        Ok(shown)
    }

    /// A tree as it is stored, as a version shows it.
    fn reshown(
        &mut self,
        converter: &Converter,
        served: &Served,
        mut stored: Value,
        drawn: bool,
    ) -> Result<Value, Unconverted> {
        // The store knows no versions of objects but by its own counting.
        let version = map_at(&mut stored, &["metadata"]).remove("resourceVersion");
        let mut shown = self.convert(converter, &stored, served.api_version(), drawn)?;
        structural::prune(served.schema(), &mut shown);
        structural::drop_nulls(served.schema(), &mut shown);
        put_back(&mut shown, version);
        Ok(shown)
    }

    /// A tree of the served version as it is stored, and as it is shown when it is read again.
    pub(super) fn kept(
        &mut self,
        served: &Served,
        mut body: Value,
        drawn: bool,
    ) -> Result<Kept, Unconverted> {
        let Storage::Named(stored, schema) = &served.storage else {
            return Ok(Kept::plain(served.kept(&self.registry, body)));
        };
        let Some(converter) = served.converter() else {
            return Ok(Kept::plain(served.kept(&self.registry, body)));
        };
        if stored == served.api_version() {
            return Ok(Kept::plain(body));
        }
        let converter = Arc::clone(converter);
        let version = map_at(&mut body, &["metadata"]).remove("resourceVersion");
        let mut value = self.convert(&converter, &body, stored, drawn)?;
        structural::prune(schema, &mut value);
        // Whoever reads it finds the defaults of the version in which it is stored.
        structural::default(schema, &mut value);
        let shown = match self.reshown(&converter, served, value.clone(), drawn) {
            Err(Unconverted::Later) => return Err(Unconverted::Later),
            Err(Unconverted::Failed(status)) => Err(status),
            Ok(mut shown) => {
                put_back(&mut shown, version.clone());
                Ok(shown)
            }
        };
        put_back(&mut value, version);
        Ok(Kept { value, shown: Some(shown) })
    }

    /// Stores what [`Server::kept`] made; the object as it is stored.
    pub(super) fn put_kept(&mut self, served: &Served, kept: Kept) -> Arc<Object> {
        let now = self.now;
        let object = self.store.put(served.stored(), kept.value, now);
        if let Some(shown) = kept.shown {
            let shown = match shown {
                Ok(mut shown) => {
                    put_back(&mut shown, Some(object.resource_version().to_string().into()));
                    Ok(Arc::new(Object::new(shown)))
                }
                Err(status) => Err(self.undecodable(&object, Unconverted::Failed(status)).into()),
            };
            self.converted.keep(served, &object, shown);
        }
        object
    }

    /// Removes an object from the store, and what is known of it.
    pub(super) fn take_out(&mut self, served: &Served, key: &Key) -> Option<Arc<Object>> {
        let now = self.now;
        if served.converter().is_some() {
            self.converted.forget_object(served.stored(), key);
        }
        self.store.remove(served.stored(), key, now)
    }

    /// Objects as a version shows them, those alone that a filter lets pass. All that have to be
    /// asked for are asked for at once.
    pub(super) fn shown_all(
        &mut self,
        served: &Served,
        objects: Vec<Arc<Object>>,
        filter: Option<&Filter>,
    ) -> Result<Vec<Arc<Object>>, Unconverted> {
        let mut out = Vec::with_capacity(objects.len());
        let (mut later, mut corrupt) = (false, Vec::new());
        for object in objects {
            match self.shown(served, &object) {
                Ok(shown) if filter.is_some_and(|filter| !filter.matches(&shown)) => {}
                Ok(shown) => out.push(shown),
                Err(Unconverted::Later) => later = true,
                Err(failed) if !self.tells_corruption() => return Err(failed),
                Err(Unconverted::Failed(status)) => corrupt.push((object, status.message)),
            }
        }
        match corrupt.as_slice() {
            _ if later => Err(Unconverted::Later),
            [] => Ok(out),
            all => Err(Unconverted::Failed(failure::unreadable_list(served, all))),
        }
    }

    /// Whether the server says which object in its store cannot be read (KEP-3926).
    fn tells_corruption(&self) -> bool {
        self.registry.version().has("AllowUnsafeMalformedObjectDeletion")
    }

    /// What is said of an object in the store that cannot be converted.
    fn undecodable(&self, object: &Object, why: Unconverted) -> Unconverted {
        match why {
            Unconverted::Failed(mut status) if self.tells_corruption() => {
                let revision = object.resource_version();
                let why = &status.message;
                status.message = format!("object not decodable revision={revision}: {why}");
                Unconverted::Failed(status)
            }
            other => other,
        }
    }

    /// What is said to whoever reads or deletes one object that cannot be converted.
    pub(super) fn corrupt(&self, served: &Served, key: &Key, why: Unconverted) -> Box<Status> {
        match why {
            Unconverted::Failed(status) if self.tells_corruption() => {
                failure::corrupt(served, key, &status.message)
            }
            other => other.into(),
        }
    }

    /// A tree of the served version in another one, for those who wrote in that.
    pub(super) fn viewed(
        &mut self,
        served: &Served,
        tree: &Value,
        to: &str,
    ) -> Result<Value, Unconverted> {
        let bare = |tree: &Map| tree.len() == 2;
        match served.converter() {
            Some(converter) if !tree.as_object().is_some_and(bare) => {
                let converter = Arc::clone(converter);
                self.convert(&converter, tree, to, true)
            }
            _ => Ok(tree.clone()),
        }
    }
}

/// What a write leaves in the store.
pub(super) struct Kept {
    /// The tree that is stored.
    pub value: Value,
    /// How it is shown in the version that was written, where that is asked of a webhook.
    pub shown: Option<Result<Value, Box<Status>>>,
}

impl Kept {
    fn plain(value: Value) -> Self {
        Self { value, shown: None }
    }
}

fn put_back(object: &mut Value, version: Option<Value>) {
    if let Some(version) = version {
        map_at(object, &["metadata"]).insert("resourceVersion", version);
    }
}

#[cfg(test)]
mod tests;
