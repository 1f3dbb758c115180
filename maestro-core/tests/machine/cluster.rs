//! A cluster that does what it is told and no more, and to which things happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use maestro_core::execution::{Moment, StepState};
use maestro_core::machine::{Action, Execution, Observed, Outcome, Seen};
use maestro_core::task::ObjectKey;
use serde_json::{Value, json};

use crate::plans::{Happening, object, places};

/// A cluster that does what it is told and no more.
pub struct Cluster {
    pub observed: Observed,
    pub now: Moment,
    pub uids: u64,
    pub refuse: bool,
    pub hinder: bool,
    /// How often each effect was done since the last crash, while its object was there.
    pub done: BTreeMap<String, u32>,
    /// Names of Jobs that were ever created.
    pub jobs: BTreeSet<String>,
    /// How often each Job may come into being: once, and once more each time somebody deletes it.
    pub allowed: BTreeMap<String, u32>,
    /// Whether the next journal is lost.
    pub lose: bool,
    /// After how many of the next effects the process stops.
    pub stop: Option<u8>,
}

impl Cluster {
    pub fn new() -> Self {
        let mut observed = Observed::default();
        observed.values.insert("flag".to_owned(), Ok(json!(true)));
        observed.values.insert("ready".to_owned(), Ok(json!(true)));
        observed.values.insert("count".to_owned(), Ok(json!(3)));
        observed.values.insert("pods".to_owned(), Ok(json!(["p"])));
        let mut pod = object("Pod", "v1", "p");
        pod["metadata"]["uid"] = json!("u0");
        observed.objects.extend(ObjectKey::of(&pod).map(|key| (key, pod.into())));
        Self {
            observed,
            now: Moment::new("2026-01-01T00:00:00Z".parse().expect("a time")),
            uids: 0,
            refuse: false,
            hinder: false,
            done: BTreeMap::new(),
            jobs: BTreeSet::new(),
            allowed: BTreeMap::new(),
            lose: false,
            stop: None,
        }
    }

    pub fn perform(&mut self, action: &Action) -> Outcome {
        if std::mem::take(&mut self.refuse) {
            return Outcome::Refused("refused".to_owned());
        }
        if std::mem::take(&mut self.hinder) {
            return Outcome::Hindered("hindered".to_owned());
        }
        match action {
            Action::Apply { object } | Action::Create { object } => {
                let key = ObjectKey::of(object).expect("a key");
                if key.kind == "Job" {
                    self.jobs.insert(key.name.clone());
                }
                let live = self.observed.objects.entry(key).or_insert_with(|| {
                    self.uids += 1;
                    if object["kind"] == "Job" {
                        let name = object["metadata"]["name"].as_str().unwrap_or_default();
                        let left = self.allowed.entry(name.to_owned()).or_insert(1);
                        *left = left.checked_sub(1).expect("a Job is run once an attempt");
                    }
                    let mut live = object.clone();
                    live["metadata"]["uid"] = json!(format!("u{}", self.uids));
                    live["metadata"]["generation"] = json!(1);
                    Arc::new(live)
                });
                Outcome::Done(Seen::of(live))
            }
            Action::Delete { key, uid } | Action::Evict { key, uid, .. } => {
                // Two tasks of one step may delete the same thing: the second finds it gone, which
                // the operator takes as done. What is there must be what the machine saw.
                if let Some(found) = self.observed.objects.remove(key) {
                    assert_eq!(Seen::of(&found).uid, *uid);
                }
                Outcome::Done(Seen { uid: uid.clone(), generation: 0 })
            }
            Action::Patch { key, .. } | Action::Scale { key, .. } => {
                match self.observed.objects.get(key) {
                    Some(live) => Outcome::Done(Seen::of(live)),
                    None => Outcome::Hindered("not found".to_owned()),
                }
            }
        }
    }

    pub fn crash(&mut self) {
        self.observed.outcomes.clear();
        self.done.clear();
    }

    pub fn happen(&mut self, happening: &Happening, execution: &mut Execution) {
        let waiting = |object: &&mut Value| object["status"].is_null();
        let mut live = self.observed.objects.values_mut().map(Arc::make_mut);
        match happening {
            Happening::Wait(secs) => {
                self.now = self.now.after(Duration::from_secs(u64::from(*secs)));
            }
            Happening::Well => {
                if let Some(object) = live.find(waiting) {
                    object["status"] = json!({"observedGeneration": 1, "replicas": 1,
                        "readyReplicas": 1, "updatedReplicas": 1,
                        "conditions": [{"type": "Complete", "status": "True"}]});
                }
            }
            Happening::Ill => {
                let mut jobs = live.filter(|one| one["kind"] == "Job");
                if let Some(object) = jobs.find(waiting) {
                    object["status"] =
                        json!({"conditions": [{"type": "Failed", "status": "True"}]});
                }
            }
            Happening::Vanish => {
                if let Some((key, _)) = self.observed.objects.pop_last() {
                    *self.allowed.entry(key.name).or_insert(1) += 1;
                }
            }
            Happening::Refuse => self.refuse = true,
            Happening::Hinder => self.hinder = true,
            Happening::Crash => self.crash(),
            Happening::LoseJournal => self.lose = true,
            Happening::StopAfter(count) => self.stop = Some(*count),
            Happening::Retry => execution.spec.retry = Some(format!("{:?}", self.now)),
            Happening::Cancel => execution.spec.cancel = true,
            Happening::Supersede => self.observed.superseded = Some("another wish".to_owned()),
            Happening::Skip => {
                execution.spec.skip = places(&execution.status, |state| {
                    matches!(state, StepState::Running | StepState::Retrying)
                });
            }
            Happening::Suspend(on) => execution.spec.suspend = *on,
            Happening::Approve => {
                execution.spec.approve =
                    places(&execution.status, |state| state == StepState::Paused);
            }
            Happening::Flip => {
                let old = self.observed.truth("flag").expect("a flag");
                self.observed.values.insert("flag".to_owned(), Ok(json!(!old)));
            }
        }
    }
}
