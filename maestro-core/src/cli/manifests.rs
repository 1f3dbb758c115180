//! `maestro manifests`: what installs the operator, for `kubectl apply -f -`.

use super::Exit;
use crate::manifests::{self, Choices, NAMESPACE};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Manifests {
    /// The image that holds the maestro program.
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// The namespace to install it in.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,
    /// How many replicas run; one of them leads.
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u16).range(1..))]
    replicas: u16,
}

impl Manifests {
    pub(super) fn run(self, out: &mut dyn Write) -> super::Result {
        let choices =
            Choices { image: self.image, namespace: self.namespace, replicas: self.replicas };
        match manifests::all(&choices) {
            Ok(objects) => super::print_yaml(out, &objects),
            Err(why) => {
                eprintln!("error: {why}");
                Ok(Exit::Usage)
            }
        }
    }
}
