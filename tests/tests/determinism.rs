//! One seed, one run.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use maestro_sim::sim::{Cluster, Options, run};
use maestro_sim::trace::TraceLevel;

#[test]
fn smoke() {
    let options = Options { seed: 1, trace: TraceLevel::Full };
    let out = run(&options, |cluster: Cluster| async move {
        let link = cluster.with(|w| {
            maestro_sim::boot::bootstrap(w);
            w.add_link("test")
        });
        let client = kube::client::ClientBuilder::new(cluster.service(link), "default").build();
        let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let cm: ConfigMap = serde_json::from_value(
            serde_json::json!({"metadata": {"name": "a"}, "data": {"x": "y"}}),
        )
        .unwrap();
        let made = api.create(&PostParams::default(), &cm).await.unwrap();
        println!("{made:?}");
        let list = api.list(&ListParams::default()).await.unwrap();
        println!("{}", list.items.len());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        println!("{}", api.get("nope").await.unwrap_err());
        cluster.with(|w| w.trace.lines().join("\n"))
    });
    println!("{}", out.unwrap());
}
