//! Nodes that have a pod's images already.
//!
//! Source: `pkg/scheduler/framework/plugins/imagelocality`.

use std::collections::BTreeMap;

use crate::json::Value;
use crate::object::at;
use crate::scheduler::cluster::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::selector::list;
use crate::scheduler::{BEST, Plugin, Sight};

/// Prefers nodes whose `status.images` hold a pod's images, the more the bigger those are, and
/// less so when few nodes have them: a pod shall not be drawn to the one node that ever ran it.
pub struct Images;

const MIB: i64 = 1024 * 1024;
/// Images that are smaller together count for nothing.
const LEAST: i64 = 23 * MIB;
/// Bigger images count no more than this each.
const MOST: i64 = 1000 * MIB;

impl Plugin for Images {
    fn score(&self, sight: &Sight<'_>, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
        let held: Vec<_> = sight.cluster.nodes().map(held).collect();
        if held.iter().all(BTreeMap::is_empty) {
            return None;
        }
        let wanted = wanted(sight.pod);
        let most = MOST * i64::try_from(wanted.len()).unwrap_or(1).max(1);
        let spread = |image: &str| {
            let nodes = held.iter().filter(|images| images.contains_key(image)).count();
            nodes as f64 / held.len() as f64
        };
        let score = |node: &&NodeInfo| {
            let here = self::held(node);
            let worth = |image: &String| Some((*here.get(image)? as f64 * spread(image)) as i64);
            let sum: i64 = wanted.iter().filter_map(worth).sum();
            BEST * (sum.clamp(LEAST, most) - LEAST) / (most - LEAST)
        };
        Some(nodes.iter().map(score).collect())
    }
}

/// The images of a node by each of their names, with their sizes in bytes.
fn held(node: &NodeInfo) -> BTreeMap<String, i64> {
    let images = node.node.as_ref().map_or(&[][..], |n| n.items(&["status", "images"]));
    let named = images.iter().flat_map(|image| {
        let size = image.get("sizeBytes").and_then(Value::as_i64).unwrap_or(0);
        list(image, "names").iter().filter_map(move |n| Some((n.as_str()?.to_owned(), size)))
    });
    named.collect()
}

/// The images of a pod, one for each container and each volume made of an image.
fn wanted(pod: &PodInfo) -> Vec<String> {
    let lists = ["initContainers", "containers"].into_iter();
    let containers = lists.flat_map(|list| pod.items(&["spec", list]));
    let images = containers.map(|c| at(c, &["image"]));
    let volumes = pod.items(&["spec", "volumes"]).iter();
    let volumes = volumes.filter_map(|v| at(v, &["image"])).map(|i| at(i, &["reference"]));
    let names = images.chain(volumes).map(|name| name.and_then(Value::as_str).unwrap_or(""));
    names.map(tagged).collect()
}

/// The name with its tag: `latest` where none is given.
fn tagged(name: &str) -> String {
    if name.rfind(':') <= name.rfind('/') { format!("{name}:latest") } else { name.to_owned() }
}
