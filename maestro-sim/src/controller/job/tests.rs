//! Jobs to their end.

use crate::controller::job::indexes;
use crate::controller::kinds::{JOBS, PODS};
use crate::controller::pods::has_condition;
use crate::controller::testing::World;
use crate::json::{Value, json};

/// A Job whose pods all end in `phase`; how many pods there were and the last condition.
fn check(spec: &Value, phase: &str, seconds: u64) -> (usize, String, Value) {
    let mut job = json!({"metadata": {"name": "j", "namespace": "default"}, "spec": {
        "selector": {"matchLabels": {"job": "j"}},
        "template": {"metadata": {"labels": {"job": "j"}}, "spec": {"containers": [{"name": "c"}]}},
    }});
    crate::json::merge(&mut job, &json!({"spec": spec}));
    let mut world = World::new();
    world.create(&JOBS, job);
    for _ in 0..seconds {
        world.settle();
        let live: Vec<_> = world.server.list(&PODS).cloned().collect();
        for pod in live.iter().filter(|p| crate::controller::pods::is_active(p)) {
            world.server.patch(&PODS, pod.key(), &json!({"status": {"phase": phase}}), true).ok();
        }
        world.pass(1);
    }
    let made = world.trace.iter().filter(|t| t.starts_with("made")).count();
    let job = world.get(&JOBS, "j");
    let end = job.as_ref().map_or("gone", |j| match () {
        () if has_condition(j, "Complete") => "Complete",
        () if has_condition(j, "Failed") => "Failed",
        () => "running",
    });
    let status = job.as_ref().and_then(|j| j.at(&["status"])).cloned().unwrap_or_default();
    assert!(world.server.list(&PODS).all(|p| p.finalizers().count() == 0), "{end}");
    (made, end.to_owned(), status)
}

#[test]
fn ends() {
    let (made, end, status) = check(&json!({"completions": 5, "parallelism": 2}), "Succeeded", 9);
    assert_eq!((made, end.as_str(), &status["succeeded"]), (5, "Complete", &json!(5)));
    let (made, end, status) = check(&json!({"completions": 1, "backoffLimit": 2}), "Failed", 90);
    assert_eq!((made, end.as_str(), &status["failed"]), (3, "Failed", &json!(3)));
    let kinds: Vec<_> = status["conditions"].as_array().into_iter().flatten().collect();
    assert_eq!(kinds[0]["type"], "FailureTarget");
    assert_eq!(kinds[1]["reason"], "BackoffLimitExceeded");
    let indexed = json!({"completions": 4, "parallelism": 4, "completionMode": "Indexed"});
    let (made, end, status) = check(&indexed, "Succeeded", 5);
    assert_eq!((made, end.as_str(), &status["completedIndexes"]), (4, "Complete", &json!("0-3")));
    let suspended = json!({"completions": 1, "suspend": true});
    assert_eq!(check(&suspended, "Succeeded", 3).0, 0);
    let deadline = json!({"completions": 1, "activeDeadlineSeconds": 5});
    let (_, end, status) = check(&deadline, "Running", 12);
    assert_eq!(
        (end.as_str(), &status["conditions"][0]["reason"]),
        ("Failed", &json!("DeadlineExceeded"))
    );
    let ttl = json!({"completions": 1, "ttlSecondsAfterFinished": 3});
    assert_eq!(check(&ttl, "Succeeded", 9).1, "gone");
    let policy = json!({"completions": 1, "podFailurePolicy": {"rules": [
        {"action": "FailJob", "onPodConditions": [{"type": "Ready", "status": "True"}]}]}});
    let (made, end, _) = check(&policy, "Failed", 5);
    assert_eq!((made, end.as_str()), (1, "Failed"));
}

#[test]
fn index_text() {
    for text in ["", "3", "1,2", "0-2,5", "1,3-5,7,8"] {
        assert_eq!(indexes::format(&indexes::parse(text, 100)), text);
    }
}
