//! Which resizes a node has room for: those that wait come one after the other, and what makes room
//! wakes them.
//!
//! Source: `pkg/kubelet/allocation/allocation_manager.go`, `HandlePodReconcile` of
//! `pkg/kubelet/kubelet.go`.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::admit::Taken;
use super::{Held, Kubelet};
use crate::controller::{Change, Context, Queue, pods};
use crate::json::Value;
use crate::kubelet::needs::qos_class;
use crate::kubelet::resize::{as_allocated, is_asked};
use crate::kubelet::state::Verdict;
use crate::object::{Key, Object, at};
use crate::scheduler::pod::{CpuMemory, requests};

impl Held {
    fn waits(&self) -> bool {
        self.state.resize.pending.is_some()
    }

    /// Its place among those that wait: what takes no more goes first, then by priority, class of
    /// service, and how long it waits.
    fn rank(&self) -> (bool, Reverse<i64>, bool, Duration) {
        let pod = self.latest.value();
        let before = CpuMemory::of(&requests(&as_allocated(pod, &self.state))).each();
        let after = CpuMemory::of(&requests(pod)).each();
        let grows = before.iter().zip(after).any(|(before, after)| after > *before);
        let priority = at(pod, &["spec", "priority"]).and_then(Value::as_i64).unwrap_or(0);
        let since = self.state.resize.pending.as_ref().map_or(Duration::MAX, |on| on.since());
        (grows, Reverse(priority), qos_class(pod) != "Guaranteed", since)
    }
}

impl Kubelet {
    /// What the node lacks for what a pod's spec asks for, once those had theirs that come first.
    pub(super) fn unfit(&self, key: &Key, cx: &mut dyn Context) -> Option<Verdict> {
        let held = self.pods.get(key)?;
        let pod = held.latest.value();
        if held.state.stopping.is_some() || !is_asked(pod, &held.state) {
            return None;
        }
        let own = held.rank();
        let waiting = self.pods.iter().filter(|(other, held)| *other != key && held.waits());
        let mut before: Vec<_> = waiting.map(|(key, held)| (held.rank(), key, held)).collect();
        before.retain(|(rank, ..)| *rank < own);
        if before.is_empty() {
            return self.refusal(&self.taken, key, pod, cx);
        }
        before.sort_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
        let mut taken: Taken = self.taken.clone();
        for (_, other, held) in before {
            if self.refusal(&taken, other, held.latest.value(), cx).is_none() {
                taken.take(other, held.latest.value());
            }
        }
        self.refusal(&taken, key, pod, cx)
    }

    /// Takes note of what a pod holds of the node: what it was given, and has.
    pub(super) fn retake(&mut self, key: &Key) {
        let Some(held) = self.pods.get(key) else { return };
        if !pods::is_terminated(&held.latest) {
            self.taken.take(key, &as_allocated(held.latest.value(), &held.state));
        }
    }

    /// Wakes the resizes that wait, if a change may have made room.
    pub(super) fn wake_waiting(&self, change: &Change, queue: &mut Queue) {
        let waiting = self.pods.iter().filter(|(_, held)| held.waits());
        let mut waiting = waiting.map(|(key, _)| key.clone()).peekable();
        if waiting.peek().is_none() {
            return;
        }
        let makes_room = match (&change.old, &change.new) {
            (_, None) => true,
            (Some(old), Some(new)) => {
                (pods::is_terminated(new) && !pods::is_terminated(old)) || shrinks(old, new)
            }
            (None, Some(_)) => false,
        };
        if makes_room {
            queue.extend(waiting);
        }
    }
}

fn shrinks(old: &Arc<Object>, new: &Arc<Object>) -> bool {
    let of = |pod: &Object| CpuMemory::of(&requests(pod.value())).each();
    of(old).iter().zip(of(new)).any(|(old, new)| new < *old)
}
