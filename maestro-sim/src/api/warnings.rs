//! What the server stores and yet warns of, kind by kind.
//!
//! Source: the `WarningsOnCreate` and `WarningsOnUpdate` of `k8s.io/kubernetes/pkg/registry`.

use serde_json::Value;

use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::{Request, service_spec};

impl Server {
    /// Warns of a complete and valid object, if whoever asks reads warnings.
    pub(super) fn warn(&mut self, served: &Served, request: &Request, body: &Value) {
        if !request.options.warn || !request.subresource.is_empty() || served.is_custom() {
            return;
        }
        let out = &mut self.warnings;
        match (&*served.resource.group, &*served.resource.resource) {
            ("", "services") => service_spec::warnings(body, out),
            _ => {}
        }
    }
}
