//! `quiesces`: a converged operator writes nothing and does not spin; at no time does it run hot;
//! and it never spends more than the scenario's budget.

use std::time::Duration;

use super::{Class, Ending, Finding, Live, Property, Scene};
use crate::event::{Event, Happening, Phase, Request, Write, describe, is_operator};
use crate::scenario::{Budget, Scenario, Setting};

/// Requests an operator may make in the window besides leases: re-lists, watches that end, a
/// resync. More than one each second on average is a hot loop.
const REQUESTS_PER_SECOND: u64 = 1;

/// The stretch of virtual time over which [`HOT`] counts.
const MINUTE: Duration = Duration::from_secs(60);
/// So many requests within a minute, leases aside, are a hot loop whatever the operator is at:
/// 25 a second. A deployment of an ensemble takes about a hundred in all.
const HOT: u64 = 1_500;

/// See the module.
#[derive(Debug)]
pub struct Quiesces {
    /// The present minute: when it began, and the requests in it.
    minute: (Duration, u64),
    /// What the operator wrote last, before anything had converged.
    wrote: Option<Write>,
    budget: Budget,
    requests: u64,
    writes: u64,
    began: Duration,
    in_window: u64,
    commonest: String,
}

impl Quiesces {
    /// For one run.
    pub fn new(scenario: &Scenario, _: &Setting, _: u64) -> Self {
        Self {
            minute: (Duration::ZERO, 0),
            wrote: None,
            budget: scenario.spec.expect.budget.unwrap_or_default(),
            requests: 0,
            writes: 0,
            began: Duration::ZERO,
            in_window: 0,
            commonest: String::new(),
        }
    }

    /// A hot loop, named by what was written in it, or else by what was asked last.
    fn hot(&self, request: &Request, within: Duration) -> Finding {
        let wrote =
            self.wrote.as_ref().and_then(|w| Some((w.verb, describe(&w.resource, w.object()?))));
        let asked = || (request.verb, format!("{} {}", request.resource, request.key));
        let (verb, object) = wrote.unwrap_or_else(asked);
        let (actor, secs) = (&request.actor, within.as_secs().max(1));
        let verb = verb.as_str().to_uppercase();
        let detail = format!("{actor} makes {HOT} requests in {secs} s, a hot loop of {verb}");
        Finding(object, detail)
    }
}

impl Property for Quiesces {
    fn observe(&mut self, event: &Event, scene: &Scene<'_>) -> Option<Finding> {
        match &event.what {
            Happening::Write(write)
                if scene.phase < Phase::Stay
                    && write.by_operator()
                    && scene.class != Class::Background =>
            {
                self.wrote = Some(write.clone());
            }
            Happening::Phase(Phase::Stay) => self.began = event.at,
            Happening::Write(write) if scene.phase == Phase::Stay && write.by_operator() => {
                let object = write.object()?;
                // Writing the same again changes nothing in the store and is no event at all.
                if scene.class != Class::Background {
                    let what = describe(&write.resource, object);
                    let verb = write.verb.as_str();
                    let detail = format!("{} still does {verb} after converging", write.actor);
                    return Some(Finding(what, detail));
                }
            }
            Happening::Request(request) if is_operator(&request.actor) => {
                self.requests += 1;
                self.writes += u64::from(request.verb.writes());
                let is_lease = &*request.resource.group == "coordination.k8s.io";
                if !is_lease {
                    if event.at >= self.minute.0 + MINUTE {
                        self.minute = (event.at, 0);
                    }
                    self.minute.1 += 1;
                    if self.minute.1 == HOT {
                        return Some(self.hot(request, event.at - self.minute.0));
                    }
                }
                if scene.phase == Phase::Stay && !is_lease {
                    self.in_window += 1;
                    self.commonest =
                        format!("{} {}", request.verb.as_str().to_uppercase(), request.resource);
                }
            }
            _ => {}
        }
        None
    }

    fn finish(&mut self, ending: &Ending, _: &Live) -> Option<Finding> {
        let over = |spent: u64, allowed: Option<u64>, what: &str| {
            let allowed = allowed.filter(|a| spent > *a)?;
            Some(Finding(String::new(), format!("{spent} {what}, {allowed} are allowed")))
        };
        let window = ending.at.saturating_sub(self.began).as_secs();
        let hot = self.in_window > 60 + window * REQUESTS_PER_SECOND;
        if hot {
            let detail = format!(
                "{} requests in the {window} s after converging: a hot loop, last {}",
                self.in_window, self.commonest
            );
            return Some(Finding(String::new(), detail));
        }
        over(self.requests, self.budget.requests, "requests")
            .or_else(|| over(self.writes, self.budget.writes, "writes"))
    }
}

#[cfg(test)]
mod tests {
    use maestro_sim::json::json;

    use crate::event::Phase;
    use crate::property::Ending;
    use crate::property::testing::{Run, named};

    #[test]
    fn a_write_after_converging_is_found_and_a_lease_is_not() {
        let mut run = Run::new("quiesces");
        let old = named("packages.maestro.dev/v1alpha1", "ZooKeeper", "main");
        let mut new = old.clone();
        new["status"] = json!({"checkedAt": "now"});
        assert!(run.write("operator/0", Some(&old), Some(&new)).is_none());
        run.phase(Phase::Stay);
        let lease = named("coordination.k8s.io/v1", "Lease", "maestro");
        assert!(run.write("operator/0", Some(&lease), Some(&lease)).is_none());
        let found = run.write("operator/0", Some(&old), Some(&new)).unwrap_or_default();
        assert!(found.contains("ZooKeeper default/main: operator/0 still does patch"), "{found}");
    }

    #[test]
    fn a_hot_loop_is_found_before_anything_has_converged() {
        let mut run = Run::new("quiesces");
        let found = (0..4_000).find_map(|_| run.request("operator/0", 200)).unwrap_or_default();
        let said = "pods default/a: operator/0 makes 1500 requests in 1 s, a hot loop of GET";
        assert!(found.contains(said), "{found}");
    }

    #[test]
    fn a_hot_loop_of_reads_is_found() {
        let mut run = Run::new("quiesces");
        run.phase(Phase::Stay);
        (0..50).for_each(|_| drop(run.request("operator/0", 200)));
        assert!(run.end(&Ending::default()).is_empty());
        (0..50).for_each(|_| drop(run.request("operator/0", 200)));
        assert!(run.end(&Ending::default()).concat().contains("a hot loop, last GET pods"));
    }
}
