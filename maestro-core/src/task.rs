//! Tasks: the closed list of what a step can do, each in a file of its own.
//!
//! A task is asked again and again what it still has to send and whether it is done. It answers
//! from what is observed, so it can be asked after a crash at any point.

use serde_json::Value;

use crate::execution::Moment;
use crate::machine::{Action, Effect, EffectId, Observed, Outcome};

mod apply;
mod delete;
mod job;
mod object;
mod patch;
mod replace;
mod scale;
mod toggle;
mod wait;

pub use apply::Apply;
pub use delete::Delete;
pub use job::Job;
pub use object::ObjectKey;
pub use patch::{Patch, PatchKind};
pub use replace::Replace;
pub use scale::Scale;
pub use toggle::Toggle;
pub use wait::Wait;

/// A task of a step, rendered for one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name in the Framework.
    pub name: String,
    /// What it does.
    pub kind: TaskKind,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskKind {
    /// Server-side applies objects; done when they are healthy.
    Apply(Apply),
    /// Deletes objects; done when they are gone.
    Delete(Delete),
    /// Applies while a condition holds, deletes while it does not.
    Toggle(Toggle),
    /// Runs a Job to completion, once an attempt.
    Job(Job),
    /// Waits for a condition or a time.
    Wait(Wait),
    /// Patches objects that exist.
    Patch(Patch),
    /// Sets replicas through `/scale`.
    Scale(Scale),
    /// Takes pods away, so that new ones come.
    Replace(Replace),
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It came to its end, and that is observed.
    Done,
    /// It is under way; the text says what it waits for.
    Waiting(String),
    /// This attempt cannot succeed; the text says why.
    Failed(String),
}

/// What a task answers when it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How far it is.
    pub state: TaskState,
    /// What is to be sent now.
    pub effects: Vec<Effect>,
    /// When to ask again, if nothing is observed before.
    pub wake: Option<Moment>,
}

/// What a task may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// UID of the execution.
    pub execution: &'a str,
    /// `phase/step`.
    pub step: &'a str,
    /// The task's place in its step.
    pub task: usize,
    /// The number of the step's attempt.
    pub attempt: u32,
    /// When the attempt began.
    pub started_at: Moment,
    /// What is known of the cluster.
    pub observed: &'a Observed,
    /// The present moment.
    pub now: Moment,
}

impl Task {
    /// How far the task is, and what it has to send.
    #[must_use]
    pub fn progress(&self, context: &Context<'_>) -> Progress {
        match &self.kind {
            TaskKind::Apply(apply) => apply.progress(context),
            TaskKind::Delete(delete) => delete.progress(context),
            TaskKind::Toggle(toggle) => toggle.progress(context),
            TaskKind::Job(job) => job.progress(context),
            TaskKind::Wait(wait) => wait.progress(context),
            TaskKind::Patch(patch) => patch.progress(context),
            TaskKind::Scale(scale) => scale.progress(context),
            TaskKind::Replace(replace) => replace.progress(context),
        }
    }

    /// What is left to tidy once the journal says that the task is complete.
    #[must_use]
    pub fn settle(&self, context: &Context<'_>) -> Progress {
        match &self.kind {
            TaskKind::Job(job) => job.settle(context),
            _ => Collected::default().end(),
        }
    }

    /// Whether anything is left to tidy once it is complete.
    #[must_use]
    pub fn settles(&self) -> bool {
        matches!(&self.kind, TaskKind::Job(job) if !job.keep)
    }

    /// The objects it reads, changes or waits for, as far as they have fixed names.
    #[must_use]
    pub fn objects(&self) -> Vec<ObjectKey> {
        match &self.kind {
            TaskKind::Apply(apply) => keys(&apply.objects),
            TaskKind::Delete(delete) => delete.objects.clone(),
            TaskKind::Toggle(toggle) => keys(&toggle.objects),
            TaskKind::Job(job) => ObjectKey::of(&job.object).into_iter().collect(),
            TaskKind::Wait(_) | TaskKind::Replace(_) => Vec::new(),
            TaskKind::Patch(patch) => patch.patches.iter().map(|(key, _)| key.clone()).collect(),
            TaskKind::Scale(scale) => scale.targets.clone(),
        }
    }

    /// The CEL expressions whose values it reads.
    #[must_use]
    pub fn expressions(&self) -> Vec<&str> {
        match &self.kind {
            TaskKind::Toggle(toggle) => vec![&toggle.when],
            TaskKind::Wait(wait) => wait.until.iter().map(String::as_str).collect(),
            TaskKind::Scale(scale) => vec![&scale.replicas],
            TaskKind::Replace(replace) => vec![&replace.pods],
            _ => Vec::new(),
        }
    }
}

fn keys(objects: &[Value]) -> Vec<ObjectKey> {
    objects.iter().filter_map(ObjectKey::of).collect()
}

impl<'a> Context<'a> {
    /// What became of the effect of this index in this attempt, if it was sent.
    fn outcome(&self, index: usize) -> Option<&'a Outcome> {
        self.observed.outcomes.get(&self.id(index))
    }

    fn id(&self, index: usize) -> EffectId {
        EffectId { step: self.step.to_owned(), task: self.task, attempt: self.attempt, index }
    }
}

/// What a task gathers while it looks at its objects: the first reason to wait or fail wins.
#[derive(Debug, Default)]
struct Collected {
    waiting: Option<String>,
    failed: Option<String>,
    effects: Vec<Effect>,
    wake: Option<Moment>,
}

impl Collected {
    fn wait(&mut self, why: String) {
        self.waiting.get_or_insert(why);
    }

    fn fail(&mut self, why: String) {
        self.failed.get_or_insert(why);
    }

    fn send(&mut self, context: &Context<'_>, index: usize, action: Action, why: String) {
        self.effects.push(Effect { id: context.id(index), action });
        self.wait(why);
    }

    fn end(self) -> Progress {
        let state = match (self.failed, self.waiting) {
            (Some(why), _) => TaskState::Failed(why),
            (None, Some(why)) => TaskState::Waiting(why),
            (None, None) => TaskState::Done,
        };
        // What cannot succeed sends nothing more.
        let failed = matches!(state, TaskState::Failed(_));
        let effects = if failed { Vec::new() } else { self.effects };
        Progress { state, effects, wake: self.wake }
    }
}
