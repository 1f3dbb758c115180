//! Scaling outside a rollout step: a changed `spec.replicas` is spread over the ReplicaSets.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::deployment::{MAX, Roll, is_recreate};
use crate::controller::{Context, shape};
use crate::object::Object;

impl Roll {
    /// Proportional scaling, so that a rollout in the middle keeps its balance.
    pub(super) fn scale(&mut self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        if let Some(only) = self.active_or_latest() {
            if shape::replicas(&only) != self.wanted() {
                self.resize(cx, &only, self.wanted())?;
            } else {
                self.resize(cx, &only, shape::replicas(&only))?;
            }
            return Ok(());
        }
        if self.is_saturated() {
            for set in self.old.clone().iter().filter(|s| shape::replicas(s) > 0) {
                self.resize(cx, set, 0)?;
            }
            return Ok(());
        }
        if !is_recreate(&self.deployment) {
            self.spread(cx)?;
        }
        Ok(())
    }

    /// The one ReplicaSet to scale when at most one has pods.
    fn active_or_latest(&self) -> Option<Arc<Object>> {
        let active: Vec<_> = self.all().filter(|s| shape::replicas(s) > 0).collect();
        match active.as_slice() {
            [] => self.new.clone().or_else(|| self.old.last().cloned()),
            [one] => Some(Arc::clone(one)),
            _ => None,
        }
    }

    /// Whether the new ReplicaSet alone holds what is wanted, available.
    fn is_saturated(&self) -> bool {
        self.new.as_ref().is_some_and(|s| {
            shape::replicas(s) == self.wanted()
                && s.annotation(super::DESIRED) == Some(&*self.wanted().to_string())
                && s.int(&["status", "availableReplicas"]).unwrap_or(0) == self.wanted()
        })
    }

    fn spread(&mut self, cx: &mut dyn Context) -> Result<(), Box<Status>> {
        let mut sets: Vec<_> = self.all().filter(|s| shape::replicas(s) > 0).cloned().collect();
        let total: i64 = sets.iter().map(|s| shape::replicas(s)).sum();
        let most = if self.wanted() > 0 { self.wanted() + self.limits().surge } else { 0 };
        let to_add = most - total;
        // Larger first; among equals the newer grows first and the older shrinks first.
        let age = |s: &Object| super::created(s);
        sets.sort_by(|a, b| {
            let by_size = shape::replicas(b).cmp(&shape::replicas(a));
            let by_age = if to_add > 0 { age(b).cmp(&age(a)) } else { age(a).cmp(&age(b)) };
            by_size.then(by_age)
        });
        let mut added = 0;
        let mut sizes = Vec::new();
        for set in &sets {
            let share = if to_add == 0 { 0 } else { self.share(set, most, to_add, added) };
            sizes.push(shape::replicas(set) + share);
            added += share;
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + to_add - added).max(0);
        }
        for (set, size) in sets.iter().zip(sizes) {
            self.resize(cx, set, size)?;
        }
        Ok(())
    }

    /// A ReplicaSet's share of what is added or removed, never more than what is left of it.
    fn share(&self, set: &Object, most: i64, to_add: i64, added: i64) -> i64 {
        let size = shape::replicas(set);
        let before = set.annotation(MAX).and_then(|text| text.parse::<i64>().ok());
        let before = before
            .filter(|n| *n > 0)
            .unwrap_or_else(|| self.deployment.int(&["status", "replicas"]).unwrap_or(0));
        if before == 0 {
            return 0;
        }
        let target = round_div(size * most, before);
        let share = if self.wanted() > 0 { target - size } else { -size };
        let left = to_add - added;
        if to_add > 0 { share.min(left) } else { share.max(left) }
    }
}

/// Division rounded half away from zero.
fn round_div(a: i64, b: i64) -> i64 {
    (2 * a + b).div_euclid(2 * b)
}
