//! How workloads behave: what the containers of a simulated pod do, as declared by rules.
//!
//! Every quantity is drawn by its own name from (simulation seed, pod, container, restart), so
//! that no pod's draw depends on another's, on order, or on which other quantities are drawn.

pub mod command;
pub mod control;
pub mod draw;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use crate::json::{Map, Value};
use crate::object::at;

pub use control::{Control, Wake, WorkloadControl};
pub use draw::{Behaviour, Span};

/// Which pods a rule is about. All given parts must match; an empty selector matches every pod.
#[derive(Clone, Default, Debug)]
pub struct Selector {
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// Labels the pod must carry.
    pub labels: BTreeMap<String, String>,
    /// A pattern that one of its containers' images must match.
    pub image: Option<Regex>,
}

impl Selector {
    /// Whether the selector picks this pod.
    pub fn matches(&self, pod: &Value) -> bool {
        let none = Map::new();
        let labels = at(pod, &["metadata", "labels"]).and_then(Value::as_object).unwrap_or(&none);
        let namespace = at(pod, &["metadata", "namespace"]).and_then(Value::as_str).unwrap_or("");
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
            && self
                .labels
                .iter()
                .all(|(name, value)| labels.get(name).and_then(Value::as_str) == Some(value))
            && self.image.as_ref().is_none_or(|image| images(pod).any(|i| image.is_match(i)))
    }
}

fn images(pod: &Value) -> impl Iterator<Item = &str> {
    ["containers", "initContainers"]
        .into_iter()
        .filter_map(|list| at(pod, &["spec", list])?.as_array())
        .flatten()
        .filter_map(|container| container.get("image")?.as_str())
}

/// A container that ends by itself with a failure.
#[derive(Clone, Debug)]
pub struct Crash {
    /// Chance of each start to end in this crash, in percent.
    pub percent: u8,
    /// Time from start to crash.
    pub after: Span,
    /// The exit code.
    pub exit_code: i32,
    /// Only the first so many starts may crash; `None` for every start.
    pub times: Option<u32>,
}

/// How the pods that match a selector behave. What a rule leaves out keeps the default.
#[derive(Clone, Default, Debug)]
pub struct Rule {
    /// The pods meant.
    pub selector: Selector,
    /// Time to pull an image that the node does not have. Default 1 s to 5 s.
    pub image_pull: Option<Span>,
    /// Time to create and start a container whose image is there. Default 0.5 s to 2 s.
    pub start: Option<Span>,
    /// Time from started to passing readiness. Default 1 s to 5 s for containers with a
    /// readiness or startup probe; declared here, it holds for containers without one as well.
    pub ready: Option<Span>,
    /// Containers run this long, then exit with `exit_code`. Default: as their command says if it
    /// only waits, succeeds or fails ([`command`]); else for ever, for the pods of Jobs 1 s to 5 s.
    pub run: Option<Span>,
    /// What a container that ran to its end exits with.
    pub exit_code: i32,
    /// Time an init container runs before it exits 0. Default: as its command says if it only
    /// waits, succeeds or fails; else 0.5 s to 2 s.
    pub init: Option<Span>,
    /// Crashes.
    pub crash: Option<Crash>,
    /// Time from SIGTERM to exit. Default 0.5 s to 3 s.
    pub shutdown: Option<Span>,
    /// Time from start until the liveness probe begins to fail. Default: never.
    pub unhealthy: Option<Span>,
    /// Images that cannot be pulled.
    pub fails_to_pull: Vec<Regex>,
    /// Images whose containers run and never become ready.
    pub never_ready: Vec<Regex>,
    /// Ready only while more than half of so many members run.
    pub quorum: Option<Quorum>,
}

impl Rule {
    /// The same, with everything that is declared to take time taking this share of it.
    #[must_use]
    pub fn paced(mut self, share: f64) -> Self {
        let own = &mut self;
        for span in [
            &mut own.image_pull,
            &mut own.start,
            &mut own.ready,
            &mut own.run,
            &mut own.init,
            &mut own.shutdown,
            &mut own.unhealthy,
        ] {
            *span = span.map(|span| span.paced(share));
        }
        if let Some(crash) = &mut self.crash {
            crash.after = crash.after.paced(share);
        }
        self
    }
}

/// How many members there are, and who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quorum {
    /// So many; the members are all pods of the rule.
    Of(usize),
    /// As many as their StatefulSet wants (`spec.replicas`); the members are its pods. Pods of no
    /// StatefulSet need nobody.
    Replicas,
}

/// All rules; the first that matches a pod is its rule.
#[derive(Clone, Default, Debug)]
pub struct Workloads {
    rules: Vec<Arc<Rule>>,
    unmatched: Arc<Rule>,
    seed: u64,
}

impl Workloads {
    /// Rules in order of precedence, and the simulation's seed.
    pub fn new(rules: Vec<Rule>, seed: u64) -> Self {
        let rules = rules.into_iter().map(Arc::new).collect();
        Self { rules, unmatched: Arc::default(), seed }
    }

    /// The rule of a pod and its index; the defaults have no index.
    pub fn rule(&self, pod: &Value) -> (Option<usize>, &Arc<Rule>) {
        let found = self.rules.iter().enumerate().find(|(_, rule)| rule.selector.matches(pod));
        found.map_or((None, &self.unmatched), |(index, rule)| (Some(index), rule))
    }

    /// How one pod behaves, under what the fault layer has set.
    pub fn behaviour(&self, pod: &Value, control: &Control) -> Behaviour {
        let (index, rule) = self.rule(pod);
        let held = match (index, rule.quorum) {
            (Some(index), Some(Quorum::Of(all))) => control.members_running(index) * 2 > all,
            (Some(index), Some(Quorum::Replicas)) => control.set_has_quorum(index, pod),
            _ => true,
        };
        let faults = control.faults(pod);
        Behaviour::new(Arc::clone(rule), self.seed, pod, faults, held).of_rule(index)
    }
}

#[cfg(test)]
mod tests {
    use crate::json::json;

    use std::sync::Arc;

    use super::{Control, Quorum, Rule, Selector, Span, Workloads};
    use crate::object::Object;

    #[test]
    fn first_matching_rule_wins_and_draws_are_the_pods_own() {
        let selector = |label: &str| Selector {
            labels: [("app".to_owned(), label.to_owned())].into(),
            ..Selector::default()
        };
        let rule = |label, from, to| Rule {
            selector: selector(label),
            start: Some(Span::millis(from, to)),
            ..Rule::default()
        };
        let workloads = Workloads::new(vec![rule("a", 10, 20), rule("a", 30, 40)], 7);
        let pod = |name: &str| {
            json!({"metadata": {"name": name, "namespace": "x", "labels": {"app": "a"}},
                   "spec": {"containers": [{"name": "c", "image": "i"}]}})
        };
        let control = Control::default();
        let start = |name: &str, restart| {
            workloads.behaviour(&pod(name), &control).start("c", restart).as_millis()
        };
        assert!((10..=20).contains(&start("one", 0)));
        assert_eq!(start("one", 0), start("one", 0));
        let drawn: std::collections::BTreeSet<u128> = (0..40).map(|n| start("one", n)).collect();
        assert!(drawn.len() > 5, "restarts redraw: {drawn:?}");
    }

    #[test]
    fn a_quorum_is_of_a_number_or_of_what_the_set_wants() {
        let pod = |set: &str, ordinal: usize| {
            json!({"apiVersion": "v1", "kind": "Pod",
                   "metadata": {"name": format!("{set}-{ordinal}"), "namespace": "x",
                                "ownerReferences": [{"apiVersion": "apps/v1", "controller": true,
                                    "kind": "StatefulSet", "name": set, "uid": set}]},
                   "spec": {"containers": [{"name": "c", "image": "i"}]}})
        };
        // Of each set: how many it wants, how many run. Then whether a pod of `a` may be ready.
        let cases = [
            (Quorum::Replicas, ("a", Some(3), 1), ("b", Some(3), 3), false),
            (Quorum::Replicas, ("a", Some(3), 2), ("b", Some(3), 0), true),
            (Quorum::Replicas, ("a", Some(5), 2), ("b", Some(1), 1), false),
            (Quorum::Replicas, ("a", Some(4), 2), ("b", Some(1), 1), false),
            (Quorum::Replicas, ("a", None, 0), ("b", Some(3), 0), true),
            (Quorum::Of(3), ("a", Some(9), 1), ("b", None, 1), true),
            (Quorum::Of(3), ("a", Some(1), 1), ("b", None, 0), false),
        ];
        for (quorum, a, b, held) in cases {
            let rule = Rule { quorum: Some(quorum), ..Rule::default() };
            let workloads = Workloads::new(vec![rule], 7);
            let mut control = Control::default();
            for (set, wanted, running) in [a, b] {
                control.wants(set, wanted);
                for ordinal in 0..3 {
                    let member = Arc::new(Object::new(pod(set, ordinal)));
                    control.placed(&member, "node-1", Some((0, ordinal < running)));
                }
            }
            let behaviour = workloads.behaviour(&pod("a", 0), &control);
            assert_eq!(behaviour.quorum_held(), held, "{quorum:?} {a:?} {b:?}");
        }
    }
}
