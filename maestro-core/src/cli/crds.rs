//! `maestro crds`: what has to be applied before the operator runs.

use crate::execution::PlanExecution;
use crate::package::framework_crds;
use kube::CustomResourceExt;
use std::io::Write;

pub(super) fn run(out: &mut dyn Write) -> super::Result {
    let mut crds = framework_crds();
    crds.push(PlanExecution::crd());
    super::print_yaml(out, &crds)
}
