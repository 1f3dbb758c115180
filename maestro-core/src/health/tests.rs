//! Health rules, as a table of objects and verdicts.

use serde_json::json;

use super::*;

fn check(object: &Value, expected: &str) {
    let verdict = match health(object) {
        Health::Healthy => "healthy".to_owned(),
        Health::Progressing(why) => format!("progressing: {why}"),
        Health::Failed(why) => format!("failed: {why}"),
    };
    assert_eq!(verdict, expected, "{object}");
}

fn workload(kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"generation": 2},
           "spec": spec, "status": status})
}

#[test]
fn deployments() {
    let check = |spec, status, expected| check(&workload("Deployment", spec, status), expected);
    check(
        json!({"replicas": 2}),
        json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
        "progressing: its controller has not seen the present spec",
    );
    check(
        json!({"replicas": 2}),
        json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}),
        "progressing: 1 old replicas are left",
    );
    check(
        json!({"replicas": 2}),
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
        "healthy",
    );
    check(
        json!({"replicas": 2}),
        json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False",
               "reason": "ProgressDeadlineExceeded", "message": "late"}]}),
        "failed: ProgressDeadlineExceeded: late",
    );
    check(json!({"replicas": 0}), json!({"observedGeneration": 2}), "healthy");
}

#[test]
fn stateful_sets() {
    let check = |spec, status, expected| check(&workload("StatefulSet", spec, status), expected);
    let status = |ready: i64, updated: i64, current: &str, update: &str| {
        json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": ready,
               "updatedReplicas": updated, "currentRevision": current, "updateRevision": update})
    };
    let partition = json!({"replicas": 3,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}});
    let on_delete = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
    check(json!({"replicas": 3}), status(3, 3, "a", "a"), "healthy");
    check(json!({"replicas": 3}), status(2, 3, "a", "a"), "progressing: 2 of 3 replicas ready");
    check(json!({"replicas": 3}), status(3, 1, "a", "b"), "progressing: 1 of 3 replicas updated");
    check(
        json!({"replicas": 3}),
        status(3, 3, "a", "b"),
        "progressing: the last replicas become current",
    );
    check(partition.clone(), status(3, 0, "a", "b"), "progressing: 0 of 1 replicas updated");
    check(partition, status(3, 1, "a", "b"), "healthy");
    check(on_delete, status(3, 0, "a", "b"), "healthy");
    check(json!({"replicas": 1}), status(3, 3, "a", "a"), "progressing: 2 replicas too many");
}

#[test]
fn the_others() {
    check(&json!({"apiVersion": "v1", "kind": "ConfigMap"}), "healthy");
    check(
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": "t"}}),
        "progressing: it is being deleted",
    );
    check(
        &json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer"}}),
        "progressing: its load balancer has no address",
    );
    check(
        &json!({"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "None"}}),
        "healthy",
    );
    check(
        &json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions":
            [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}),
        "failed: BackoffLimitExceeded",
    );
    check(
        &json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions":
            [{"type": "Complete", "status": "True"}]}}),
        "healthy",
    );
    check(
        &json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running", "conditions":
            [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}}),
        "progressing: ContainersNotReady",
    );
    check(
        &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}),
        "progressing: it is not established",
    );
    check(
        &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Lost"}}),
        "failed: its volume is lost",
    );
    check(
        &workload(
            "DaemonSet",
            json!({}),
            json!({"observedGeneration": 2,
            "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}),
        ),
        "progressing: 2 of 3 pods available",
    );
    check(
        &workload(
            "ReplicaSet",
            json!({"replicas": 1}),
            json!({"observedGeneration": 2,
            "replicas": 1, "availableReplicas": 1}),
        ),
        "healthy",
    );
    check(
        &json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"generation": 1}, "status": {"observedGeneration": 1}}),
        "healthy",
    );
    check(
        &json!({"apiVersion": "v1", "kind": "Namespace", "status": {"phase": "Active"}}),
        "healthy",
    );
}
