//! What a Framework becomes for its users: artifacts made from the spec alone.

pub mod crd;

use crate::execution::PlanExecution;
use crate::framework::{Framework, FrameworkVersion};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use std::sync::LazyLock;

/// The CRDs of the operator's own kinds: what is installed before it. They are made once a
/// process.
#[must_use]
pub fn framework_crds() -> &'static [CustomResourceDefinition] {
    static CRDS: LazyLock<Vec<CustomResourceDefinition>> =
        LazyLock::new(|| vec![Framework::crd(), FrameworkVersion::crd(), PlanExecution::crd()]);
    &CRDS
}
