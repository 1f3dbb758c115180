//! RollingUpdate: the new ReplicaSet up by the surge, the old ones down by what is available.

use std::sync::Arc;

use crate::api::Status;
use crate::controller::deployment::{Roll, is_recreate};
use crate::controller::{Context, shape};
use crate::json::json;
use crate::object::Object;

/// `maxSurge` and `maxUnavailable` in pods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Pods above `spec.replicas`.
    pub surge: i64,
    /// Pods that may be unavailable.
    pub unavailable: i64,
}

/// Surge percents round up, unavailable ones down; if both come to 0, one may be unavailable.
pub fn limits(deployment: &Object) -> Limits {
    if is_recreate(deployment) {
        return Limits { surge: 0, unavailable: 0 };
    }
    let wanted = shape::replicas(deployment);
    let quarter = json!("25%");
    let field = |name| {
        deployment.at(&["spec", "strategy", "rollingUpdate", name]).unwrap_or(&quarter).clone()
    };
    let surge = shape::scaled(&field("maxSurge"), wanted, true);
    let unavailable = shape::scaled(&field("maxUnavailable"), wanted, false);
    let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
    Limits { surge, unavailable: unavailable.min(wanted) }
}

fn status(set: &Object, field: &str) -> i64 {
    set.int(&["status", field]).unwrap_or(0)
}

impl Roll {
    /// The limits of this Deployment.
    pub fn limits(&self) -> Limits {
        limits(&self.deployment)
    }

    fn total_spec(&self) -> i64 {
        self.all().map(|s| shape::replicas(s)).sum()
    }

    /// How many pods the new ReplicaSet should have now.
    pub(super) fn new_size(&self) -> i64 {
        let now = self.new.as_ref().map_or(0, |s| shape::replicas(s));
        if is_recreate(&self.deployment) {
            return self.wanted();
        }
        let room = self.wanted() + self.limits().surge - self.total_spec();
        if room <= 0 { now } else { now + room.min(self.wanted() - now) }
    }

    pub(super) fn scale_up_new(&mut self, cx: &mut dyn Context) -> Result<bool, Box<Status>> {
        let Some(new) = self.new.clone() else { return Ok(false) };
        let now = shape::replicas(&new);
        if now == self.wanted() {
            return Ok(false);
        }
        let to = if now > self.wanted() { self.wanted() } else { self.new_size() };
        self.resize(cx, &new, to)
    }

    pub(super) fn scale_down_old(&mut self, cx: &mut dyn Context) -> Result<bool, Box<Status>> {
        let old_total: i64 = self.old.iter().map(|s| shape::replicas(s)).sum();
        let Some(new) = self.new.clone() else { return Ok(false) };
        if old_total == 0 {
            return Ok(false);
        }
        let least = self.wanted() - self.limits().unavailable;
        let new_down = shape::replicas(&new) - status(&new, "availableReplicas");
        let spare = self.total_spec() - least - new_down;
        if spare <= 0 {
            return Ok(false);
        }
        let cleaned = self.drop_unhealthy(cx, spare)?;
        let available: i64 = self.all().map(|s| status(s, "availableReplicas")).sum();
        let mut left = available - least;
        let mut scaled = 0;
        for set in self.active_old() {
            if left <= 0 {
                break;
            }
            let by = left.min(shape::replicas(&set));
            if by > 0 && self.resize(cx, &set, shape::replicas(&set) - by)? {
                scaled += by;
                left -= by;
            }
        }
        Ok(cleaned + scaled > 0)
    }

    /// Takes pods that are not available off the old ReplicaSets first.
    fn drop_unhealthy(&mut self, cx: &mut dyn Context, most: i64) -> Result<i64, Box<Status>> {
        let mut dropped = 0;
        for set in self.active_old() {
            let size = shape::replicas(&set);
            let available = status(&set, "availableReplicas");
            let by = (most - dropped).min(size - available);
            if by <= 0 {
                continue;
            }
            self.resize(cx, &set, size - by)?;
            dropped += by;
        }
        Ok(dropped)
    }

    fn active_old(&self) -> Vec<Arc<Object>> {
        self.old.iter().filter(|s| shape::replicas(s) > 0).cloned().collect()
    }
}
