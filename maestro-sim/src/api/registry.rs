//! What is served: the built-in kinds, shared by all simulations, and this one's custom kinds.

pub mod custom;
mod rules;
pub(super) mod selectable;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::api::Verb;
use crate::api::conversion::Converter;
use crate::api::version::Storage;
use crate::facts::{Version, facts};
use crate::json::{Array, Value};
use crate::object::{GroupResource, Object};
use crate::rng::hasher;
use crate::schema::Schema;

/// What makes `metadata.generation` grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// The kind has none.
    None,
    /// A change of `spec`.
    Spec,
    /// The same, and there is none before the first (CSIDriver).
    SpecOnceChanged,
    /// A change of `spec` or of the annotations (Deployment).
    SpecOrAnnotations,
    /// Any change at all but of the server's own metadata (EndpointSlice).
    Any,
    /// Nothing: it is 1 for ever.
    Fixed,
    /// Any change outside metadata, and outside status when that is a subresource.
    AnyButMetadata,
}

/// Where a kind keeps what its Scale shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScalePaths {
    /// Desired replicas.
    pub spec: Vec<String>,
    /// Present replicas.
    pub status: Vec<String>,
    /// Label selector of the replicas, a string or a `LabelSelector`.
    pub selector: Option<Vec<String>>,
}

/// One served version of one kind.
#[derive(Debug)]
pub struct Served {
    /// Collection.
    pub resource: GroupResource,
    /// API version within the group.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Kind of its lists.
    pub list_kind: String,
    /// Singular name.
    pub singular: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether status is a subresource.
    pub status: bool,
    /// What makes the generation grow.
    pub generation: Generation,
    /// Whether PUT without resourceVersion is accepted.
    pub unconditional_update: bool,
    /// Whether PUT creates what is absent.
    pub create_on_update: bool,
    /// Scale subresource.
    pub scale: Option<ScalePaths>,
    /// What discovery says of it.
    pub discovery: Value,
    /// Field selectors besides name and namespace.
    pub selectable: Vec<String>,
    /// Columns of its Tables besides the name, if it is a custom kind.
    pub columns: Array,
    /// The version of Kubernetes that it is served in, if it is built in.
    pub release: Version,
    api_version: String,
    verbs: Vec<Verb>,
    subresources: BTreeMap<String, Vec<Verb>>,
    type_name: Option<String>,
    schema: OnceLock<Arc<Schema>>,
    pub(crate) storage: Storage,
    /// What users are told when the version is one that will go.
    pub deprecated: Option<String>,
    /// Who converts its objects between versions, if it is a webhook.
    converter: Option<Arc<Converter>>,
    /// Whether objects may be stored that an older schema of the definition was filled into.
    pub(crate) revised: bool,
}

impl Served {
    /// A built-in kind as an entry of the table of facts describes it.
    pub(crate) fn described(entry: &Value) -> Self {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let id = GroupResource::owned(text("group"), text("resource"));
        rules::built_in(id, entry, Version::default())
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The group that errors name: Events are the core's, whichever group serves them.
    pub fn told_group(&self) -> &str {
        match &*self.resource.group {
            "events.k8s.io" => "",
            group => group,
        }
    }

    /// Whether it is built in, and the release before had it in no such version.
    pub fn is_new(&self) -> bool {
        let resource = &self.resource;
        let served =
            |release: Version| release.serves(&resource.group, &self.version, &resource.resource);
        !self.is_custom() && self.release.before().is_some_and(|before| !served(before))
    }

    /// Whether it comes from a CustomResourceDefinition.
    pub fn is_custom(&self) -> bool {
        self.type_name.is_none()
    }

    /// The webhook that converts its objects, if one does.
    pub(crate) fn converter(&self) -> Option<&Arc<Converter>> {
        self.converter.as_ref()
    }

    /// The name of a built-in kind's type.
    pub fn type_name(&self) -> Option<&str> {
        self.type_name.as_deref()
    }

    /// The names of its subresources, sorted.
    pub fn subresource_names(&self) -> impl Iterator<Item = &str> {
        self.subresources.keys().map(String::as_str)
    }

    /// The schema, parsed on first use.
    pub fn schema(&self) -> &Arc<Schema> {
        self.schema.get_or_init(|| match &self.type_name {
            Some(name) => facts().schema(name),
            None => Arc::new(Schema::any()),
        })
    }

    /// Whether a verb is served on the object or a subresource.
    pub fn serves(&self, verb: Verb, subresource: &str) -> bool {
        match subresource {
            "" => self.verbs.contains(&verb),
            name => self.subresources.get(name).is_some_and(|verbs| verbs.contains(&verb)),
        }
    }

    /// Whether objects are stored by the same schema as those of an earlier definition.
    fn keeps(&self, old: &Self) -> bool {
        match (&self.storage, &old.storage) {
            (Storage::Named(_, new), Storage::Named(_, old)) => new == old,
            _ => true,
        }
    }

    /// Whether there is such a subresource at all.
    pub fn has_subresource(&self, subresource: &str) -> bool {
        self.subresources.contains_key(subresource)
    }

    /// Whether a field selector may name this path.
    pub fn selects_field(&self, path: &str) -> bool {
        path == "metadata.name"
            || (path == "metadata.namespace" && selectable::by_namespace(self))
            || self.selectable.iter().any(|p| p == path)
    }
}

/// The kinds of one cluster.
#[derive(Debug, Default)]
pub struct Registry {
    version: Version,
    custom: BTreeMap<GroupResource, Vec<Arc<Served>>>,
    changed: bool,
}

type Built = BTreeMap<GroupResource, Vec<Arc<Served>>>;

/// The built-in kinds of a version, made once a process when one of it is asked for.
fn built_in(version: Version) -> &'static Built {
    static BUILT: [OnceLock<Built>; Version::ALL.len()] =
        [const { OnceLock::new() }; Version::ALL.len()];
    BUILT[version as usize].get_or_init(|| {
        let mut table = Built::new();
        for entry in &facts().resources {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            let id = GroupResource::new(text("group"), text("resource"));
            let served = rules::built_in(id, entry, version);
            let resource = &served.resource;
            if !version.serves(&resource.group, &served.version, &resource.resource) {
                continue;
            }
            table.entry(served.resource.clone()).or_default().push(Arc::new(served));
        }
        table
    })
}

#[expect(clippy::disallowed_types, reason = "it is asked for names, and never walked")]
type Names = std::collections::HashMap<
    (&'static str, &'static str),
    &'static GroupResource,
    ahash::RandomState,
>;

/// The built-in collections of a version by group and resource.
fn names(version: Version) -> &'static Names {
    static NAMES: [OnceLock<Names>; Version::ALL.len()] =
        [const { OnceLock::new() }; Version::ALL.len()];
    NAMES[version as usize].get_or_init(|| {
        let mut names = Names::with_hasher(hasher());
        names.extend(built_in(version).keys().map(|id| ((&*id.group, &*id.resource), id)));
        names
    })
}

impl Registry {
    /// The kinds of a new cluster of a version.
    pub fn of(version: Version) -> Self {
        Self { version, ..Self::default() }
    }

    /// The version of Kubernetes that is served.
    pub fn version(&self) -> Version {
        self.version
    }

    fn versions(&self, resource: &GroupResource) -> &[Arc<Served>] {
        built_in(self.version)
            .get(resource)
            .or_else(|| self.custom.get(resource))
            .map_or(&[], |list| list.as_slice())
    }

    /// The name of a collection, that of a built-in one without a copy.
    pub(crate) fn collection(&self, group: &str, resource: &str) -> GroupResource {
        match names(self.version).get(&(group, resource)) {
            Some(known) => (*known).clone(),
            None => GroupResource::owned(group, resource),
        }
    }

    /// Every served version of a collection.
    pub(crate) fn served_versions(&self, resource: &GroupResource) -> &[Arc<Served>] {
        self.versions(resource)
    }

    /// The kind behind a collection and version.
    pub fn find(&self, resource: &GroupResource, version: &str) -> Option<Arc<Served>> {
        self.versions(resource).iter().find(|s| s.version == version).cloned()
    }

    /// The version that the cluster's own clients use: the first one listed.
    pub fn preferred(&self, resource: &GroupResource) -> Cow<'static, str> {
        match self.versions(resource).first() {
            Some(served) => version_of(&served.version),
            None => Cow::Borrowed("v1"),
        }
    }

    /// The collection of a kind, in any served version.
    pub fn of_kind(&self, group: &str, kind: &str) -> Option<&Arc<Served>> {
        self.all().find(|s| s.kind == kind && s.resource.group == group)
    }

    /// Whether anything is served in the group.
    pub fn has_group(&self, group: &str) -> bool {
        static KNOWN: [OnceLock<BTreeSet<String>>; Version::ALL.len()] =
            [const { OnceLock::new() }; Version::ALL.len()];
        let groups =
            || built_in(self.version).keys().map(|resource| resource.group.to_string()).collect();
        let known = KNOWN[self.version as usize].get_or_init(groups);
        known.contains(group) || self.custom.keys().any(|resource| resource.group == group)
    }

    /// Every served version of every kind, built-in first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        built_in(self.version).values().flatten().chain(self.custom.values().flatten())
    }

    /// The version in which a kind's objects are stored.
    pub fn storage_version<'s>(&'s self, served: &'s Served) -> &'s str {
        let custom = self.custom.get(&served.resource).and_then(|versions| versions.first());
        custom.map_or(&served.version, |first| &first.version)
    }

    /// The custom collections.
    pub fn custom_resources(&self) -> Vec<GroupResource> {
        self.custom.keys().cloned().collect()
    }

    /// Whether the custom kinds changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Serves what a CustomResourceDefinition describes, at once.
    pub fn serve(&mut self, crd: &Object) {
        if let Some((resource, mut versions)) = custom::versions(crd) {
            let before = self.custom.get(&resource).and_then(|versions| versions.first());
            if before.is_some_and(|old| old.revised || !versions.iter().all(|new| new.keeps(old))) {
                versions.iter_mut().filter_map(Arc::get_mut).for_each(|new| new.revised = true);
            }
            self.custom.insert(resource, versions);
            self.changed = true;
        }
    }

    /// Stops serving what a CustomResourceDefinition describes.
    pub fn unserve(&mut self, crd: &Object) {
        let group = crd.text(&["spec", "group"]);
        let plural = crd.text(&["spec", "names", "plural"]);
        self.custom.remove(&GroupResource::owned(group, plural));
        self.changed = true;
    }
}

/// A version of an API; most are the first one.
pub(crate) fn version_of(text: &str) -> Cow<'static, str> {
    if text == "v1" { Cow::Borrowed("v1") } else { Cow::Owned(text.to_owned()) }
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Verbs as discovery lists them.
fn verbs(list: Option<&Value>) -> Vec<Verb> {
    const ALL: [Verb; 8] = [
        Verb::Get,
        Verb::List,
        Verb::Watch,
        Verb::Create,
        Verb::Update,
        Verb::Patch,
        Verb::Delete,
        Verb::DeleteCollection,
    ];
    let names = list.and_then(Value::as_array).into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .filter_map(|name| ALL.into_iter().find(|verb| verb.as_str() == name))
        .collect()
}
