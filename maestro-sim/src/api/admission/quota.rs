//! The ResourceQuota plugin: what is new must fit into every quota that is about it.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`.

use std::sync::Arc;

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, Status, Verb};
use crate::json::{Value, json};
use crate::object::{Key, Object, at, map_at};
use crate::quota::{self, QUOTAS};
use crate::scheduler::pod::Amounts;
use crate::time::unix;

/// Amounts as messages write them.
fn told<'n>(amounts: &Amounts, names: impl Iterator<Item = &'n String>) -> String {
    let zero = Default::default();
    let parts = names.map(|name| format!("{name}={}", amounts.get(name).copied().unwrap_or(zero)));
    parts.collect::<Vec<_>>().join(",")
}

/// Whether a request of this sort is charged at all.
fn is_charged(served: &Served, request: &Request, old: Option<&Value>, new: &Value) -> bool {
    let group = &*served.resource.group;
    match (group, &*served.resource.resource, &*request.subresource, old) {
        ("" | "events.k8s.io", "events", ..) => false,
        ("", "pods", "", Some(old)) => quota::is_terminating(old) != quota::is_terminating(new),
        ("", "pods", "resize", Some(_)) => true,
        ("", "services" | "persistentvolumeclaims", "", Some(_)) => true,
        ("", "persistentvolumeclaims", "status", Some(_)) => true,
        ("resource.k8s.io", "resourceclaims", "", Some(_)) => true,
        (_, _, "", None) => true,
        _ => false,
    }
}

/// The share of `usage` that a quota limits, less what was charged before; nothing that is zero.
fn share(usage: &Amounts, before: Option<&Amounts>, hard: &Amounts) -> Amounts {
    let limited = usage.iter().filter(|(name, _)| hard.contains_key(*name));
    let left = limited.filter_map(|(name, amount)| {
        let charged = before.and_then(|before| before.get(name)).copied().unwrap_or_default();
        (*amount > charged).then(|| (name.clone(), *amount - charged))
    });
    left.collect()
}

/// What a quota that is about an object limits, and what is used of it.
///
/// # Errors
/// When the object does not say what the quota demands, or nobody has counted yet.
fn limits(
    served: &Served,
    quota: &Object,
    new: &Value,
) -> Result<Option<(Amounts, Amounts)>, String> {
    let hard = quota::amounts(quota, &["status", "hard"]);
    let about = |name: &&String| quota::is_about(&served.resource, name);
    let names: Vec<&str> = hard.keys().filter(about).map(String::as_str).collect();
    if names.is_empty() || !quota::matches_scopes(quota, &served.resource, new) {
        return Ok(None);
    }
    if served.is_pod()
        && let Some(unsaid) = quota::unsaid(new, names.iter().copied())
    {
        return Err(format!("failed quota: {}: {unsaid}", quota.name()));
    }
    let used = quota::amounts(quota, &["status", "used"]);
    if names.iter().any(|name| !used.contains_key(*name)) {
        let (quota, names) = (quota.name(), names.join(","));
        return Err(format!("status unknown for quota: {quota}, resources: {names}"));
    }
    Ok(Some((hard, used)))
}

impl Server {
    /// Charges what a request brings to every quota of its namespace, or refuses it.
    pub(in crate::api) fn admit_quota(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Object>,
        new: &Value,
    ) -> Result<(), Box<Status>> {
        if !served.namespaced || self.store.find(&QUOTAS).is_none_or(|t| t.objects.is_empty()) {
            return Ok(());
        }
        let old = old.map(Object::value);
        if !is_charged(served, request, old, new) {
            return Ok(());
        }
        let Some(table) = self.store.find(&QUOTAS) else { return Ok(()) };
        let here = table.objects.range(Key::new(&request.namespace, "")..);
        let here = here.take_while(|(key, _)| *key.namespace == *request.namespace);
        let quotas: Vec<Arc<Object>> = here.map(|(_, quota)| Arc::clone(quota)).collect();
        let name = at(new, &["metadata", "name"]).and_then(Value::as_str).unwrap_or("");
        let refuse = |why: String| Err(Box::new(Status::forbidden(&served.resource, name, &why)));
        let now = unix(self.now);
        let mut charges = Vec::new();
        let mut interested = Vec::new();
        for quota in &quotas {
            match limits(served, quota, new) {
                Ok(Some((hard, used))) => interested.push((quota, hard, used)),
                Ok(None) => {}
                Err(why) => return refuse(why),
            }
        }
        if interested.is_empty() {
            return Ok(());
        }
        let usage = quota::usage(&served.resource, new, now);
        let before = old.map(|old| quota::usage(&served.resource, old, now));
        for (quota, hard, used) in interested {
            let was_in = old.is_some_and(|old| quota::matches_scopes(quota, &served.resource, old));
            let asked = share(&usage, before.as_ref().filter(|_| was_in), &hard);
            if asked.is_empty() {
                continue;
            }
            let mut after = used.clone();
            quota::add(&mut after, &asked);
            let over: Vec<&String> =
                asked.keys().filter(|name| after.get(*name) > hard.get(*name)).collect();
            if !over.is_empty() && request.subresource != "status" {
                return refuse(format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    quota.name(),
                    told(&asked, over.iter().copied()),
                    told(&used, over.iter().copied()),
                    told(&hard, over.iter().copied())
                ));
            }
            charges.push((Arc::clone(quota), after));
        }
        if !request.options.dry_run {
            for (quota, used) in charges {
                self.charge(&quota, &used)?;
            }
        }
        Ok(())
    }

    fn charge(&mut self, quota: &Object, used: &Amounts) -> Result<(), Box<Status>> {
        let mut body = quota.value().clone();
        let used: Vec<(String, Value)> =
            used.iter().map(|(name, amount)| (name.clone(), amount.to_string().into())).collect();
        map_at(&mut body, &["status"]).insert("used", json!({}));
        map_at(&mut body, &["status", "used"]).extend(used);
        let (namespace, name) = (quota.namespace(), quota.name());
        let request = Request {
            subresource: "status".into(),
            body,
            ..Request::new("kube-apiserver", Verb::Update, QUOTAS, namespace, name)
        };
        // The request that charges is itself in the midst of being handled.
        let noticed = std::mem::take(&mut self.noticed);
        let warnings = std::mem::take(&mut self.warnings);
        let answer = self.dispatch(request);
        (self.noticed, self.warnings) = (noticed, warnings);
        answer.map(drop)
    }
}
