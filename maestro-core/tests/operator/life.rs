//! The operator against a fake API server: a whole life of one instance.

use std::time::Duration;

use maestro_core::operator::{LeaseOptions, OperatorOptions, run};
use serde_json::{Value, json};

use crate::fake::{FRAMEWORK, Fake, MAIN, SET, condition, framework, instance};

async fn settle(secs: u64) {
    tokio::time::sleep(Duration::from_secs(secs)).await;
}

#[tokio::test(start_paused = true)]
async fn a_whole_life() {
    let fake = Fake::new();
    fake.apply(FRAMEWORK, framework());
    fake.apply(MAIN, instance(3));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = OperatorOptions {
        lease: Some(LeaseOptions::default()),
        shutdown: Box::pin(async move { drop(stopped.await) }),
        ..OperatorOptions::default()
    };
    let operator = tokio::spawn(run(fake.client(), options));
    settle(60).await;
    let log = fake.log();
    eprintln!("{}\n{}", log.join("\n"), log.len());
    let main = fake.get(MAIN);
    eprintln!("{main:#}");
    assert_eq!(condition(&main, "Ready"), "True Healthy");
    assert_eq!(main["status"]["replicas"], 3);
    assert_eq!(main["status"]["connection"], "main:2181");
    assert!(log.len() <= 80, "{} requests", log.len());
    settle(600).await;
    let mut quiet = fake.log();
    // Watches end of themselves and are begun anew.
    quiet.retain(|line| !line.starts_with("WATCH"));
    assert_eq!(quiet, Vec::<String>::new(), "it is quiet once all is well");

    let mut drifted = fake.get(SET);
    drifted["spec"]["replicas"] = json!(1);
    fake.apply(SET, drifted);
    settle(60).await;
    assert_eq!(fake.get(SET)["spec"]["replicas"], 3, "drift is repaired");
    fake.log();

    let mut main = fake.get(MAIN);
    main["spec"]["nodes"] = json!(5);
    fake.apply(MAIN, main);
    settle(60).await;
    let log = fake.log();
    eprintln!("{}\n{}", log.join("\n"), log.len());
    let main = fake.get(MAIN);
    assert_eq!(fake.get(SET)["spec"]["replicas"], 5);
    assert_eq!(condition(&main, "Ready"), "True Healthy", "{main:#}");
    assert!(log.len() <= 12, "{} requests", log.len());

    fake.delete(MAIN);
    settle(60).await;
    assert_eq!(fake.get(MAIN), Value::Null);
    fake.delete(FRAMEWORK);
    settle(60).await;
    assert_eq!(fake.get(FRAMEWORK), Value::Null);
    stop.send(()).expect("the operator listens");
    operator.await.expect("no panic").expect("a graceful end");
    let lease =
        fake.get("/apis/coordination.k8s.io/v1/namespaces/maestro-system/leases/maestro-operator");
    assert_eq!(lease["spec"]["holderIdentity"], "", "the lease is given away");
}
