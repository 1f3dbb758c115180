//! A quota counted by its controller: what is there, what goes, and what admission charges between.

use crate::api::{Request, Verb};
use crate::boot::{self, ClusterSpec};
use crate::json::{Value, json};
use crate::object::GroupResource;
use crate::quota::QUOTAS;
use crate::sim::{self, Cluster};
use crate::trace::TraceLevel;

fn ask(cluster: &Cluster, verb: Verb, plural: &'static str, name: &str, body: Value) -> u16 {
    let resource = GroupResource::new("", plural);
    let request = Request { body, ..Request::new("test", verb, resource, "default", name) };
    cluster.with(|world| world.direct(request).map_or_else(|status| status.code, |_| 200))
}

async fn used(cluster: &Cluster) -> Value {
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    cluster.with(|world| {
        let quota = world.server.store.named(&QUOTAS, "default", "q");
        quota.and_then(|quota| quota.at(&["status", "used"]).cloned()).unwrap_or_default()
    })
}

#[test]
fn a_quota_is_counted() {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    sim::run(&options, |cluster: Cluster| async move {
        cluster.with(|world| {
            boot::cluster(world, &ClusterSpec { nodes: 1, workloads: Vec::new() });
        });
        let named = |name: &str| json!({"metadata": {"name": name}});
        let pod = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"containers": [
                {"name": "a", "image": "a", "resources": {"requests": {"cpu": "400m"}}}]}})
        };
        assert_eq!(ask(&cluster, Verb::Create, "secrets", "", named("a")), 200);
        assert_eq!(ask(&cluster, Verb::Create, "serviceaccounts", "", named("default")), 200);
        let quota = json!({"metadata": {"name": "q"}, "spec": {"hard":
            {"secrets": "2", "requests.cpu": "500m"}}});
        assert_eq!(ask(&cluster, Verb::Create, "resourcequotas", "", quota), 200);
        assert_eq!(used(&cluster).await, json!({"secrets": "1", "requests.cpu": "0"}));
        assert_eq!(ask(&cluster, Verb::Create, "pods", "", pod("a")), 200);
        assert_eq!(ask(&cluster, Verb::Create, "pods", "", pod("b")), 403);
        assert_eq!(ask(&cluster, Verb::Create, "secrets", "", named("b")), 200);
        assert_eq!(ask(&cluster, Verb::Create, "secrets", "", named("c")), 403);
        assert_eq!(used(&cluster).await, json!({"secrets": "2", "requests.cpu": "400m"}));
        assert_eq!(ask(&cluster, Verb::Delete, "secrets", "a", Value::Null), 200);
        let now = json!({"gracePeriodSeconds": 0});
        assert_eq!(ask(&cluster, Verb::Delete, "pods", "a", now), 200);
        assert_eq!(used(&cluster).await, json!({"secrets": "1", "requests.cpu": "0"}));
        assert_eq!(ask(&cluster, Verb::Create, "pods", "", pod("b")), 200);
    })
    .expect("the run ends");
}
