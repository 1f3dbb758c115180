//! `maestro crds`: what has to be applied before the operator runs.

use crate::package::framework_crds;
use std::io::Write;

pub(super) fn run(out: &mut dyn Write) -> super::Result {
    super::print_yaml(out, framework_crds())
}
