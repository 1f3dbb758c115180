//! What a Framework becomes for its users: artifacts made from the spec alone.

pub mod crd;

use crate::framework::{Framework, FrameworkVersion};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The CRDs of the kinds in this crate room. The operator adds its own.
#[must_use]
pub fn framework_crds() -> Vec<CustomResourceDefinition> {
    vec![Framework::crd(), FrameworkVersion::crd()]
}
