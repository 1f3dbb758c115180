//! What a pod's status may become.
//!
//! Source: `ValidatePodStatusUpdate` of `k8s.io/kubernetes/pkg/apis/core/validation`. How the
//! states of containers may follow one another is left to kubelets.

use super::super::field::{self, Path, int, list, text};
use super::super::text as form;
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;
use crate::object::at;

/// Types of conditions that need no prefix.
const OWN: [&str; 3] = ["PodScheduled", "Ready", "Initialized"];

/// Checks the change of a status.
pub(in crate::builtin) fn status(
    version: Version,
    pod: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let root = Path::Root;
    let path = root.field("status");
    let Some(status) = pod.get("status") else { return };
    let before = old.and_then(|old| old.get("status")).unwrap_or(&Value::Null);
    let conditions = path.field("conditions");
    for (index, condition) in list(status, "conditions").iter().enumerate() {
        let here = conditions.index(index);
        generation(condition, &here, causes);
        let kind = text(condition, "type");
        if !OWN.contains(&kind) {
            field::each(&here.field("Type"), kind, &form::key(kind), causes);
        }
    }
    let (node, held) = (text(status, "nominatedNodeName"), text(before, "nominatedNodeName"));
    if node != held && !node.is_empty() {
        let place = path.field("nominatedNodeName");
        field::each(&place, node, &form::subdomain(node), causes);
        let bound = old.and_then(|old| at(old, &["spec", "nodeName"])?.as_str()).unwrap_or("");
        if !bound.is_empty() && version.has("ClearingNominatedNodeNameAfterBinding") {
            let detail = "may not be set on pods that are already bound to a node";
            causes.push(field::forbidden(&place, detail));
        }
    }
    generation(status, &path, causes);
    let (class, was) = (text(status, "qosClass"), text(before, "qosClass"));
    if class != was && !class.is_empty() {
        let place = path.field("qosClass");
        causes.push(field::invalid(&place, &class.into(), "field is immutable"));
    }
}

fn generation(of: &Value, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(number) = int(of, "observedGeneration").filter(|number| *number < 0) {
        let detail = "must be a non-negative integer";
        causes.push(field::invalid(&path.field("observedGeneration"), &number.into(), detail));
    }
}
