//! Properties: what must hold in every run, each a file, all fed from the one stream of events.
//!
//! To add one: a file under `property/` with a type that implements [`Property`], and one line
//! in [`properties!`] below; scenarios, reports and the schema know it from there.
//!
//! An event is classified once ([`Class`]) and most properties are done after one comparison.

mod budgeted;
mod children_bounded;
mod converges;
pub mod live;
mod no_orphans;
mod no_panic;
mod observed_generation;
mod one_plan;
mod quiesces;
pub mod settled;
mod sometimes;
mod stays;
mod storage_safe;

use std::time::Duration;

use maestro_sim::object::GroupResource;

pub use live::Live;
pub use settled::Settled;
pub use sometimes::Coverage;

use crate::event::{Event, Happening, Phase};
use crate::scenario::{Scenario, Setting};

/// What an object is to the properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the variants are kinds of Kubernetes and of Maestro")]
pub enum Class {
    Pod,
    Claim,
    StatefulSet,
    /// Deployments, ReplicaSets, DaemonSets and Jobs.
    Workload,
    Budget,
    /// A package's kind.
    Instance,
    Execution,
    /// What lives in the background and says nothing about convergence: leases, events, nodes.
    Background,
    Other,
}

impl Class {
    /// The class of a collection.
    pub fn of(resource: &GroupResource) -> Self {
        match (&*resource.group, &*resource.resource) {
            ("", "pods") => Self::Pod,
            ("", "persistentvolumeclaims") => Self::Claim,
            ("apps", "statefulsets") => Self::StatefulSet,
            ("apps", "deployments" | "replicasets" | "daemonsets") | ("batch", "jobs") => {
                Self::Workload
            }
            ("policy", "poddisruptionbudgets") => Self::Budget,
            ("packages.maestro.dev", _) => Self::Instance,
            ("maestro.dev", "planexecutions") => Self::Execution,
            ("" | "events.k8s.io", "events") | ("", "nodes") | ("coordination.k8s.io", _) => {
                Self::Background
            }
            _ => Self::Other,
        }
    }
}

/// A property that was found broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property's name.
    pub property: &'static str,
    /// What it is about: an object, a request, a replica; may be empty.
    pub object: String,
    /// What is wrong, in a sentence without a full stop.
    pub detail: String,
    /// Virtual time.
    pub at: Duration,
}

/// What properties see besides the event.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The class of the written object; `Other` for events that are no writes.
    pub class: Class,
    /// All live objects, this event included.
    pub live: &'a Live,
    /// The objects that are not as they are wanted, this event included.
    pub settled: &'a Settled,
    /// The phase of the run.
    pub phase: Phase,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Virtual time of the end.
    pub at: Duration,
    /// When it had converged, if it did.
    pub converged_at: Option<Duration>,
    /// The last moment at which a fault or an edit disturbed it.
    pub disturbed_at: Duration,
    /// Why it did not converge.
    pub reason: Option<Reason>,
}

/// Why a run did not converge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Which object, or which step.
    pub object: String,
    /// What it waits for.
    pub waits_for: String,
    /// The request that keeps failing, if one does.
    pub failing_request: Option<String>,
}

/// One property in one run.
pub trait Property: std::fmt::Debug + Send {
    /// Looks at one event; the first thing broken is enough.
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding>;

    /// Looks at the end.
    fn finish(&mut self, _ending: &Ending, _live: &Live) -> Option<Finding> {
        None
    }
}

/// What a property found: the object and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding(pub String, pub String);

/// Registers the properties: module, type, name.
macro_rules! properties {
    ($($module:ident :: $type:ident = $name:literal),+ $(,)?) => {
        /// The names of all properties, in the order in which they are checked: where one event
        /// breaks several, the cause stands before what follows from it.
        pub const NAMES: [&str; [$($name),+].len()] = [$($name),+];

        fn build(scenario: &Scenario, seed: u64) -> Vec<(&'static str, Box<dyn Property>)> {
            let mut all: Vec<(&'static str, Box<dyn Property>)> = Vec::new();
            $(
                let how = setting(scenario, $name);
                if !how.off {
                    let property = $module::$type::new(scenario, &how, seed);
                    all.push(($name, Box::new(property)));
                }
            )+
            all
        }
    };
}

properties! {
    converges::Converges = "converges",
    quiesces::Quiesces = "quiesces",
    stays::Stays = "stays",
    one_plan::OnePlan = "one-plan",
    storage_safe::StorageSafe = "storage-safe",
    budgeted::Budgeted = "budgeted",
    no_orphans::NoOrphans = "no-orphans",
    observed_generation::ObservedGeneration = "observed-generation",
    children_bounded::ChildrenBounded = "children-bounded",
    no_panic::NoPanic = "no-panic",
    sometimes::Sometimes = "sometimes",
}

fn setting(scenario: &Scenario, name: &str) -> Setting {
    let all = &scenario.spec.expect.properties;
    all.iter().find(|(key, _)| key.as_str() == name).map(|(_, s)| *s).unwrap_or_default()
}

/// How long a converged cluster is watched, if the scenario does not say. At least twice the
/// longest resync or back-off of the usual operators (kube-rs re-lists about every 5 minutes).
pub const STAY_WINDOW: Duration = Duration::from_secs(15 * 60);

/// How long a converged cluster of this scenario is watched.
pub fn stay_window(scenario: &Scenario) -> Duration {
    let window = |name| setting(scenario, name).window.map(|w| w.0);
    window("stays").into_iter().chain(window("quiesces")).max().unwrap_or(STAY_WINDOW)
}

/// The properties of one run.
#[derive(Debug)]
pub struct Watchers {
    properties: Vec<(&'static str, Box<dyn Property>)>,
    live: Live,
    settled: Settled,
    phase: Phase,
}

impl Watchers {
    /// The properties that a scenario asks for.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        Self {
            properties: build(scenario, seed),
            live: Live::default(),
            settled: Settled::default(),
            phase: Phase::Steps,
        }
    }

    /// Feeds one event to all; the first violation, if any.
    pub fn observe(&mut self, event: &Event) -> Option<Violation> {
        let mut class = Class::Other;
        match &event.what {
            Happening::Write(write) => {
                class = Class::of(&write.resource);
                self.live.apply(class, write);
                self.settled.apply(class, write, event.at);
            }
            Happening::Phase(phase) => self.phase = *phase,
            _ => {}
        }
        let scene = Scene { class, live: &self.live, settled: &self.settled, phase: self.phase };
        let mut found = None;
        for (name, property) in &mut self.properties {
            // Every property sees every event, also after another has found something.
            if let Some(finding) = property.observe(event, &scene) {
                found.get_or_insert(violation(name, finding, event.at));
            }
        }
        found
    }

    /// Tells all that the run is over.
    pub fn finish(&mut self, ending: &Ending) -> Vec<Violation> {
        let live = &self.live;
        let all = self.properties.iter_mut();
        all.filter_map(|(name, property)| {
            Some(violation(name, property.finish(ending, live)?, ending.at))
        })
        .collect()
    }

    /// What is not as it is wanted.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// The live objects.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

fn violation(property: &'static str, finding: Finding, at: Duration) -> Violation {
    Violation { property, object: finding.0, detail: finding.1, at }
}

#[cfg(test)]
pub(crate) mod testing;
