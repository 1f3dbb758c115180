//! Who writes, as the bookkeeping of fields wants to know it.

use crate::api::Request;
use crate::api::certificate;
use crate::api::registry::Served;
use crate::managed::{self, Write};

/// A write as the bookkeeping of fields sees it.
pub(super) fn write_of<'a>(
    served: &'a Served,
    request: &'a Request,
    manager: &'a str,
    now: &'a str,
) -> Write<'a> {
    let typed = !served.is_custom();
    Write {
        schema: served.schema(),
        typed,
        manager,
        api_version: served.api_version(),
        subresource: &request.subresource,
        reset: certificate::reset_fields(served, &request.subresource)
            .unwrap_or_else(|| managed::reset_fields(typed, served.status, &request.subresource)),
        // The entries of scales lose their times on the way to the object.
        views: None,
        now: if request.subresource == "scale" { "" } else { now },
    }
}

/// The field manager: the option, else the user agent up to its first slash.
pub(super) fn manager_of(request: &Request) -> String {
    match request.options.field_manager.as_deref() {
        Some(manager) if !manager.is_empty() => manager.to_owned(),
        _ => request.user_agent.split('/').next().unwrap_or("unknown").to_owned(),
    }
}
