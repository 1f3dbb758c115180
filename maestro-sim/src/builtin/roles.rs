//! Roles, and what their bindings refer to.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/rbac/validation`.

use super::field::{self, Path, part};
use super::{meta, text};
use crate::api::Cause;
use crate::facts::Version;
use crate::json::Value;

/// Without it, what is required is said in its place and in words of its own.
const DECLARED: &str = "DeclarativeValidationBeta";

const GROUP: &str = "rbac.authorization.k8s.io";

/// A Role, or a ClusterRole.
pub(super) fn role(version: Version, object: &Value, namespaced: bool, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let rules = root.field("rules");
    for (index, rule) in field::list(object, "rules").iter().enumerate() {
        self::rule(version, rule, namespaced, &rules.index(index), causes);
    }
    let place = root.field("aggregationRule");
    let gathered = place.field("clusterRoleSelectors");
    let selectors = object.pointer("/aggregationRule/clusterRoleSelectors");
    for (index, one) in selectors.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let (here, before) = (gathered.index(index), causes.len());
        meta::label_selector(one, &here, causes);
        if causes.len() > before {
            causes.push(field::invalid(&here, &Value::Null, "invalid label selector."));
        }
    }
    let gathers = object.get("aggregationRule").is_some_and(Value::is_object);
    if gathers && selectors.and_then(Value::as_array).is_none_or(|list| list.is_empty()) {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        causes.push(field::required(&place.field("clusterRoleSelectors"), detail));
    }
}

fn rule(
    version: Version,
    rule: &Value,
    namespaced: bool,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) {
    let has = |name: &str| !field::list(rule, name).is_empty();
    let declared = version.has(DECLARED);
    if !declared && !has("verbs") {
        let detail = "verbs must contain at least one value";
        causes.push(field::required(&path.field("verbs"), detail));
    }
    if has("nonResourceURLs") {
        let place = path.field("nonResourceURLs");
        if namespaced {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            causes.push(field::invalid(&place, &rule["nonResourceURLs"], detail));
        }
        if has("apiGroups") || has("resources") || has("resourceNames") {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            causes.push(field::invalid(&place, &rule["nonResourceURLs"], detail));
        }
    } else {
        for (name, detail) in [
            ("apiGroups", "resource rules must supply at least one api group"),
            ("resources", "resource rules must supply at least one resource"),
        ] {
            if !has(name) {
                causes.push(field::required(&path.field(name), detail));
            }
        }
    }
    if declared && !has("verbs") {
        causes.push(field::required(&path.field("verbs"), ""));
    }
}

/// What a binding refers to, and whom it is about.
pub(super) fn binding(version: Version, object: &Value, namespaced: bool, causes: &mut Vec<Cause>) {
    let root = Path::Root;
    let place = root.field("roleRef");
    let reference = part(object, "roleRef");
    let group = field::text(reference, "apiGroup");
    if !group.is_empty() && group != GROUP {
        causes.push(field::not_supported(&place.field("apiGroup"), &group.into(), &[GROUP]));
    }
    let kind = field::text(reference, "kind");
    let allowed = if namespaced { &["Role", "ClusterRole"][..] } else { &["ClusterRole"] };
    if !allowed.contains(&kind) {
        causes.push(field::not_supported(&place.field("kind"), &kind.into(), allowed));
    }
    match field::text(reference, "name") {
        "" => causes.push(field::required(&place.field("name"), "")),
        name => field::each(&place.field("name"), name, &text::segment(name), causes),
    }
    let all = root.field("subjects");
    let mut nameless = Vec::new();
    for (index, subject) in field::list(object, "subjects").iter().enumerate() {
        let here = all.index(index);
        let of = |name: &str| field::text(subject, name);
        if of("name").is_empty() {
            let cause = field::required(&here.field("name"), "");
            match version.has(DECLARED) {
                true => nameless.push(cause),
                false => causes.push(cause),
            }
        }
        let wanted = match of("kind") {
            "ServiceAccount" => {
                if !of("name").is_empty() {
                    field::each(
                        &here.field("name"),
                        of("name"),
                        &text::subdomain(of("name")),
                        causes,
                    );
                }
                if !of("apiGroup").is_empty() {
                    let shown = of("apiGroup").into();
                    causes.push(field::not_supported(&here.field("apiGroup"), &shown, &[""]));
                }
                if !namespaced && of("namespace").is_empty() {
                    causes.push(field::required(&here.field("namespace"), ""));
                }
                continue;
            }
            "User" | "Group" => GROUP,
            kind => {
                let allowed = ["ServiceAccount", "User", "Group"];
                causes.push(field::not_supported(&here.field("kind"), &kind.into(), &allowed));
                continue;
            }
        };
        if !of("apiGroup").is_empty() && of("apiGroup") != wanted {
            let shown = of("apiGroup").into();
            causes.push(field::not_supported(&here.field("apiGroup"), &shown, &[wanted]));
        }
    }
    causes.extend(nameless);
}
