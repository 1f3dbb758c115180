//! Quotas counted again: when one is new or changed, when something goes, and every five minutes.
//!
//! It watches what quotas count, and so nothing while there are none.
//! Source: `k8s.io/kubernetes/pkg/controller/resourcequota`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::Status;
use crate::controller::own::absent_is_fine;
use crate::controller::{Change, Context, Controller, Next, Queue, View};
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object, map_at};
use crate::quota::{self, QUOTAS};
use crate::scheduler::pod::Amounts;

/// How long a count stands without anybody looking.
const RESYNC: Duration = Duration::from_secs(300);

/// The counting controller.
#[derive(Debug, Default)]
pub struct ResourceQuotaController {
    counted: BTreeSet<GroupResource>,
    grew: bool,
}

fn hard(quota: &Object) -> Amounts {
    quota::amounts(quota, &["spec", "hard"])
}

/// Whether a container of a pod has other resources than before (`hasResourcesChanged`).
fn resizes(old: &Object, new: &Object) -> bool {
    ["containerStatuses", "initContainerStatuses"].iter().any(|list| {
        old.items(&["status", list]).iter().any(|before| {
            let mut all = new.items(&["status", list]).iter();
            let after = all.find(|after| after.get("name") == before.get("name"));
            after.is_some_and(|after| after.get("resources") != before.get("resources"))
        })
    })
}

/// Whether an update may have made room in a quota, or taken it.
fn moves(resource: &GroupResource, old: &Object, new: &Object) -> bool {
    let differs = |path: &[&str]| old.at(path) != new.at(path);
    match (&*resource.group, &*resource.resource) {
        ("", "pods") => {
            let counts = |pod: &Object| quota::counts(pod.value(), i64::MIN);
            let scoped = |pod: &Object| {
                pod.int(&["spec", "activeDeadlineSeconds"]).is_some_and(|seconds| seconds >= 0)
            };
            resizes(old, new) || scoped(old) != scoped(new) || (counts(old) && !counts(new))
        }
        ("", "services") => differs(&["spec", "type"]),
        ("", "persistentvolumeclaims") => {
            differs(&["status", "allocatedResources"])
                || differs(&["spec", "volumeAttributesClassName"])
                || differs(&["status", "currentVolumeAttributesClassName"])
        }
        _ => false,
    }
}

impl Controller for ResourceQuotaController {
    fn name(&self) -> &str {
        "resourcequota-controller"
    }

    fn watches(&self) -> Vec<GroupResource> {
        let mut all = vec![QUOTAS];
        all.extend(self.counted.iter().filter(|resource| **resource != QUOTAS).cloned());
        all
    }

    fn grew(&mut self) -> bool {
        std::mem::take(&mut self.grew)
    }

    fn observe(&mut self, change: &Change, view: &View, queue: &mut Queue) {
        let Some(object) = change.object() else { return };
        if change.resource == QUOTAS
            && let Some(new) = &change.new
        {
            for name in hard(new).keys() {
                self.grew |= self.counted.insert(quota::collection_of(name));
            }
            let same = |old: &Object| old.at(&["spec"]) == new.at(&["spec"]);
            if !change.old.as_deref().is_some_and(same) {
                queue.add(new.key().clone());
            }
        }
        let moved = match (&change.old, &change.new) {
            (Some(old), Some(new)) => moves(&change.resource, old, new),
            (_, new) => new.is_none(),
        };
        if moved {
            let here = view.list(&QUOTAS, object.namespace());
            queue.extend(here.map(|quota| quota.key().clone()));
        }
    }

    fn reconcile(&mut self, key: &Key, cx: &mut dyn Context) -> Result<Next, Box<Status>> {
        let Some(quota) = cx.view().get(&QUOTAS, key).cloned() else { return Ok(Next::Done) };
        if self.grew {
            // It does not see yet what it has to count.
            return Ok(Next::After(Duration::from_millis(1)));
        }
        let now = cx.unix_seconds(&cx.timestamp()).unwrap_or(0);
        let hard = hard(&quota);
        let mut used = Amounts::new();
        for name in hard.keys() {
            used.entry(name.clone()).or_default();
        }
        let collections: BTreeSet<GroupResource> =
            hard.keys().map(|name| quota::collection_of(name)).collect();
        for resource in &collections {
            for object in cx.view().list(resource, &key.namespace) {
                if quota::matches_scopes(&quota, resource, object.value()) {
                    quota::add(&mut used, &quota::usage(resource, object.value(), now));
                }
            }
        }
        used.retain(|name, _| hard.contains_key(name));
        let written = |amounts: &Amounts| {
            let texts = amounts.iter().map(|(name, amount)| (name.clone(), amount.to_string()));
            json!(texts.collect::<std::collections::BTreeMap<_, _>>())
        };
        let known = quota::amounts(&quota, &["status", "used"]);
        let limited = quota::amounts(&quota, &["status", "hard"]);
        if known != used || limited != hard || quota.at(&["status", "hard"]).is_none() {
            let mut next = quota.value().clone();
            let status = json!({"hard": written(&hard), "used": written(&used)});
            map_at(&mut next, &[]).insert("status", Value::clone(&status));
            absent_is_fine(cx.update_status(&QUOTAS, next))?;
        }
        Ok(Next::After(RESYNC))
    }
}
