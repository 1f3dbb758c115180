//! What of a cluster's objects is a run's, and what of that is to be deleted next.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use maestro_sim::object::{GroupResource, Object};

use crate::cluster::Served;

/// An object as it was listed.
pub struct Found {
    pub served: Served,
    pub object: Arc<Object>,
    /// Whether a definition in the cluster made its kind.
    pub is_custom: bool,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.object.key();
        write!(f, "{} ", self.served.resource)?;
        if !key.namespace.is_empty() {
            write!(f, "{}/", key.namespace)?;
        }
        f.write_str(&key.name)
    }
}

impl Found {
    pub fn new(served: &Served, object: Arc<Object>) -> Self {
        Self { served: served.clone(), object, is_custom: false }
    }

    /// Whether it is in this collection.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.served.resource.group == group && self.served.resource.resource == resource
    }

    /// Whether others need it to go in order: it goes after them.
    pub fn is_foundation(&self) -> bool {
        const ALL: [(&str, &str); 4] = [
            ("", "nodes"),
            ("storage.k8s.io", "storageclasses"),
            ("storage.k8s.io", "csidrivers"),
            ("apiextensions.k8s.io", "customresourcedefinitions"),
        ];
        ALL.iter().any(|(group, resource)| self.is(group, resource))
    }

    /// The collection that it defines, if it is a definition.
    fn defined(&self) -> Option<GroupResource> {
        let text = |path: &[&str]| self.object.text(path);
        self.is("apiextensions.k8s.io", "customresourcedefinitions").then(|| {
            GroupResource::owned(text(&["spec", "group"]), text(&["spec", "names", "plural"]))
        })
    }

    /// UIDs of its owners.
    fn owners(&self) -> impl Iterator<Item = &str> {
        self.object.owners().iter().filter_map(|owner| owner.get("uid")?.as_str())
    }

    /// Whether one of these is its owner.
    pub fn has_owner(&self, of: &BTreeSet<String>) -> bool {
        self.owners().any(|uid| of.contains(uid))
    }

    /// Whether it is a volume that was made for its claim and goes with it.
    fn is_provisioned(&self) -> bool {
        self.is("", "persistentvolumes")
            && self.object.annotation("pv.kubernetes.io/provisioned-by").is_some()
            && self.object.text(&["spec", "persistentVolumeReclaimPolicy"]) == "Delete"
    }

    /// Whether it came of what is known to be the run's, `all` being what there is.
    fn comes_of(&self, known: &BTreeSet<String>, own: &Own<'_>) -> bool {
        let text = |path: &[&str]| self.object.text(path);
        let about = |path: &[&str]| known.contains(text(path));
        self.has_owner(known)
            || own.namespaces.contains(self.object.namespace())
            || own.kinds.contains(&self.served.resource)
            || (self.is("", "persistentvolumeclaims")
                && own.classes.contains(text(&["spec", "storageClassName"])))
            || (self.is_provisioned() && about(&["spec", "claimRef", "uid"]))
            || (self.is("", "events") && about(&["involvedObject", "uid"]))
            || (self.is("events.k8s.io", "events") && about(&["regarding", "uid"]))
    }
}

/// What is the run's among those things that others belong to.
#[derive(Default)]
struct Own<'a> {
    namespaces: BTreeSet<&'a str>,
    kinds: BTreeSet<GroupResource>,
    classes: BTreeSet<&'a str>,
}

impl<'a> Own<'a> {
    fn of(all: &'a [Found], known: &BTreeSet<String>) -> Self {
        let mut own = Self::default();
        for one in all.iter().filter(|one| known.contains(one.object.uid())) {
            if one.is("", "namespaces") {
                own.namespaces.insert(one.object.name());
            } else if one.is("storage.k8s.io", "storageclasses") {
                own.classes.insert(one.object.name());
            }
            own.kinds.extend(one.defined());
        }
        own
    }
}

/// Of all objects those that are the run's, each once: `known` grows by what came of it.
pub fn of_run(known: &mut BTreeSet<String>, mut all: Vec<Found>) -> Vec<Found> {
    // Some kinds are served by two groups.
    let mut seen = BTreeSet::new();
    all.retain(|one| seen.insert(one.object.uid().to_owned()));
    loop {
        let own = Own::of(&all, known);
        let more: Vec<String> = all
            .iter()
            .filter(|one| !known.contains(one.object.uid()) && one.comes_of(known, &own))
            .map(|one| one.object.uid().to_owned())
            .collect();
        if more.is_empty() {
            break;
        }
        known.extend(more);
    }
    let custom: BTreeSet<GroupResource> = all.iter().filter_map(Found::defined).collect();
    all.retain(|one| known.contains(one.object.uid()));
    for one in &mut all {
        one.is_custom = custom.contains(&one.served.resource);
    }
    all
}

/// Whether all that is left is what goes at the end, and what that takes along: a Node its Lease.
pub fn is_bare(found: &[Found]) -> bool {
    let foundations: BTreeSet<&str> =
        found.iter().filter(|one| one.is_foundation()).map(|one| one.object.uid()).collect();
    found.iter().all(|one| one.is_foundation() || one.owners().any(|o| foundations.contains(o)))
}

/// What is to be deleted now. What an owner, a namespace or a claim takes along is left to them, as
/// long as they are there and not stuck; what others need waits for these.
pub fn due<'a>(
    found: &'a [Found],
    known: &'a BTreeSet<String>,
    is_stuck: impl Fn(&Found) -> bool + 'a,
) -> impl Iterator<Item = &'a Found> {
    let is_bare = is_bare(found);
    let takes_along = move |one: &Found| {
        let namespace = one.object.namespace();
        found.iter().any(|other| {
            let owns = one.owners().any(|uid| uid == other.object.uid());
            let holds = other.is("", "namespaces") && other.object.name() == namespace;
            let claims = one.is_provisioned()
                && one.object.text(&["spec", "claimRef", "uid"]) == other.object.uid();
            (owns || claims || (holds && !namespace.is_empty())) && !is_stuck(other)
        })
    };
    found.iter().filter(move |one| {
        let waits = one.is_foundation() && !is_bare;
        known.contains(one.object.uid()) && !one.object.is_deleting() && !waits && !takes_along(one)
    })
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::{Value, json};

    use super::*;

    /// An object of a collection (`group/resource`): its place (`namespace/name`), which is its UID
    /// too, and more of it.
    fn one(collection: &str, place: &str, more: Value) -> Found {
        let (group, resource) = collection.rsplit_once('/').unwrap_or(("", collection));
        let (namespace, name) = place.split_once('/').unwrap_or(("", place));
        let mut value = more;
        value["metadata"]["name"] = name.into();
        value["metadata"]["namespace"] = namespace.into();
        value["metadata"]["uid"] = place.into();
        let resource = GroupResource::owned(group, resource);
        let served = Served { resource, version: "v1".into(), namespaced: !namespace.is_empty() };
        Found::new(&served, Arc::new(Object::new(value)))
    }

    fn owned(by: &str) -> Value {
        json!({"metadata": {"ownerReferences": [{"uid": by}]}})
    }

    fn all() -> Vec<Found> {
        let volume = |claim: &str, policy: &str| {
            json!({
                "metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": "p"}},
                "spec": {"claimRef": {"uid": claim}, "persistentVolumeReclaimPolicy": policy}})
        };
        let class = |class: &str| json!({"spec": {"storageClassName": class}});
        let about = |uid: &str| json!({"involvedObject": {"uid": uid}});
        let definition = json!({"spec": {"group": "x", "names": {"plural": "things"}}});
        vec![
            one("nodes", "node", Value::default()),
            one("coordination.k8s.io/leases", "kube-node-lease/node", owned("node")),
            one("namespaces", "own", Value::default()),
            one("configmaps", "own/within", Value::default()),
            one("configmaps", "other/theirs", Value::default()),
            one("apps/statefulsets", "other/set", Value::default()),
            one("pods", "other/pod", owned("other/set")),
            one("persistentvolumeclaims", "other/claim", class("class")),
            one("persistentvolumeclaims", "other/old", class("")),
            one("persistentvolumes", "made", volume("other/claim", "Delete")),
            one("persistentvolumes", "kept", volume("other/claim", "Retain")),
            one("storage.k8s.io/storageclasses", "class", Value::default()),
            one("apiextensions.k8s.io/customresourcedefinitions", "things.x", definition),
            one("x/things", "other/thing", Value::default()),
            one("events", "other/event", about("other/pod")),
            one("events", "other/news", about("other/theirs")),
        ]
    }

    const OWN: [&str; 5] = ["node", "own", "other/set", "class", "things.x"];

    fn uids<'a>(found: impl IntoIterator<Item = &'a Found>) -> Vec<&'a str> {
        found.into_iter().map(|one| one.object.uid()).collect()
    }

    #[test]
    fn what_comes_of_a_run_is_found_and_nothing_else() {
        let mut known = OWN.map(str::to_owned).into();
        let found = of_run(&mut known, all());
        let theirs = ["other/theirs", "other/old", "kept", "other/news"];
        let whole = all();
        let expected = uids(&whole).into_iter().filter(|uid| !theirs.contains(uid));
        assert_eq!(uids(&found), expected.collect::<Vec<_>>());
        assert_eq!(uids(found.iter().filter(|one| one.is_custom)), ["other/thing"]);
    }

    #[test]
    fn everything_goes_in_its_turn() {
        let check = |left: &[&str], stuck: &str, expected: &[&str]| {
            let mut known = OWN.map(str::to_owned).into();
            let mut found = of_run(&mut known, all());
            found.retain(|one| left.is_empty() || left.contains(&one.object.uid()));
            let due = due(&found, &known, |one| one.object.uid() == stuck);
            assert_eq!(uids(due), expected, "{left:?} {stuck}");
        };
        let first = ["own", "other/set", "other/claim", "other/thing", "other/event"];
        check(&[], "", &first);
        let with_within = ["own", "own/within", "other/set", "other/claim", "other/thing"];
        check(&[], "own", &[&with_within[..], &["other/event"]].concat());
        check(&["other/pod", "made", "node"], "", &["other/pod", "made"]);
        check(&["node", "kube-node-lease/node", "class"], "", &["node", "class"]);
        check(&["kube-node-lease/node"], "", &["kube-node-lease/node"]);
    }
}
