//! The sequences written by hand, one file a subject.

use crate::conformance::case::Sequence;

/// Every file, by its subject.
const FILES: &[(&str, &str)] = &[
    ("create", include_str!("../../../conformance/create.yaml")),
    ("update", include_str!("../../../conformance/update.yaml")),
    ("delete", include_str!("../../../conformance/delete.yaml")),
    ("cel", include_str!("../../../conformance/cel.yaml")),
    ("cel-cost", include_str!("../../../conformance/cel-cost.yaml")),
    ("bytes", include_str!("../../../conformance/bytes.yaml")),
    ("paths", include_str!("../../../conformance/paths.yaml")),
    ("certificates", include_str!("../../../conformance/certificates.yaml")),
    ("list", include_str!("../../../conformance/list.yaml")),
    ("watch", include_str!("../../../conformance/watch.yaml")),
    ("patch", include_str!("../../../conformance/patch.yaml")),
    ("apply", include_str!("../../../conformance/apply.yaml")),
    ("security", include_str!("../../../conformance/security.yaml")),
    ("classes", include_str!("../../../conformance/classes.yaml")),
    ("network", include_str!("../../../conformance/network.yaml")),
    ("checks", include_str!("../../../conformance/checks.yaml")),
    ("pods", include_str!("../../../conformance/pods.yaml")),
    ("fields", include_str!("../../../conformance/fields.yaml")),
    ("conversion", include_str!("../../../conformance/conversion.yaml")),
    ("hooked", include_str!("../../../conformance/hooked.yaml")),
    ("custom", include_str!("../../../conformance/custom.yaml")),
    ("proto", include_str!("../../../conformance/proto.yaml")),
    ("tables", include_str!("../../../conformance/tables.yaml")),
    ("rbac", include_str!("../../../conformance/rbac.yaml")),
    ("changes", include_str!("../../../conformance/changes.yaml")),
    ("volumes", include_str!("../../../conformance/volumes.yaml")),
    ("nodes", include_str!("../../../conformance/nodes.yaml")),
    ("quota", include_str!("../../../conformance/quota.yaml")),
    ("limits", include_str!("../../../conformance/limits.yaml")),
    ("tokens", include_str!("../../../conformance/tokens.yaml")),
    ("policy", include_str!("../../../conformance/policy.yaml")),
    ("webhooks", include_str!("../../../conformance/webhooks.yaml")),
    ("mutation", include_str!("../../../conformance/mutation.yaml")),
    ("scale", include_str!("../../../conformance/scale.yaml")),
    ("status", include_str!("../../../conformance/status.yaml")),
    ("versions", include_str!("../../../conformance/versions.yaml")),
    ("yaml", include_str!("../../../conformance/yaml.yaml")),
];

pub(super) fn sequences() -> Result<Vec<Sequence>, String> {
    let mut all = Vec::new();
    for (subject, text) in FILES {
        let read: Vec<Sequence> = serde_yaml::from_str(text)
            .map_err(|e| format!("tests/conformance/{subject}.yaml: {e}"))?;
        all.extend(
            read.into_iter().map(|s| Sequence { name: format!("{subject}-{}", s.name), ..s }),
        );
    }
    Ok(all)
}
