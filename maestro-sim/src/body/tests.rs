//! When a watch's events arrive, by the state of its link.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use tower_service::Service as _;

use crate::api::{Request, Verb};
use crate::boot;
use crate::json::json;
use crate::link::Trouble;
use crate::object::GroupResource;
use crate::sim::{self, Cluster};
use crate::trace::TraceLevel;

fn create(cluster: &Cluster, name: &str) {
    let request = Request {
        body: json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}),
        ..Request::new("test", Verb::Create, GroupResource::new("", "configmaps"), "default", "")
    };
    cluster.with(|world| world.direct(request)).expect("it is created");
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_open_watch_lags_while_its_link_does() {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    let arrivals = sim::run(&options, |cluster| async move {
        let link = cluster.with(|world| {
            boot::bootstrap(world);
            world.links.add("client")
        });
        let uri = "/api/v1/namespaces/default/configmaps?watch=1";
        let request = http::Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
        let answer = cluster.service(link).call(request).await.expect("an answer");
        let mut body = answer.into_body();
        let mut arrivals = Vec::new();
        let slow = Trouble::Lag(seconds(9)..=seconds(9));
        let slower = Trouble::Lag(seconds(30)..=seconds(30));
        let mut troubles = Vec::new();
        for (name, trouble, heals) in [
            ("healthy", None, false),
            ("slow", Some(&slow), false),
            ("slower", Some(&slower), false),
            ("slow again", None, true),
            ("healthy again", None, true),
        ] {
            cluster.with(|world| {
                troubles.extend(trouble.map(|trouble| world.links.trouble(&[link], trouble)));
                if heals && let Some(number) = troubles.pop() {
                    world.links.heal(number);
                }
            });
            let began = cluster.now();
            create(&cluster, &name.replace(' ', "-"));
            let frame = body.frame().await.expect("an event").expect("a frame");
            let text = String::from_utf8_lossy(frame.data_ref().expect("data")).into_owned();
            assert!(text.contains(&name.replace(' ', "-")), "{text}");
            arrivals.push((name, (cluster.now() - began).as_secs()));
        }
        arrivals
    });
    let expected =
        [("healthy", 0), ("slow", 9), ("slower", 30), ("slow again", 9), ("healthy again", 0)];
    assert_eq!(arrivals.as_deref(), Ok(expected.as_slice()));
}
