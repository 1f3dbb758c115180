//! Service: a load balancer needs an address; the rest is well with a cluster IP.

use serde_json::Value;

use super::Health;

pub(super) fn check(object: &Value) -> Health {
    let spec = &object["spec"];
    match spec["type"].as_str().unwrap_or("ClusterIP") {
        "ExternalName" => Health::Healthy,
        "LoadBalancer" => match object["status"]["loadBalancer"]["ingress"].as_array() {
            Some(ingress) if !ingress.is_empty() => Health::Healthy,
            _ => Health::Progressing("its load balancer has no address".to_owned()),
        },
        _ if spec["clusterIP"].as_str().unwrap_or_default().is_empty() => {
            Health::Progressing("it has no cluster IP".to_owned())
        }
        _ => Health::Healthy,
    }
}
