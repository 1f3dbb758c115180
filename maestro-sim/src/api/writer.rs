//! Who writes, as the bookkeeping of fields wants to know it.

use crate::api::certificate;
use crate::api::conversion::Kept;
use crate::api::pod_parts::PodPart;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::uneven;
use crate::api::version::Views;
use crate::api::{Request, Status};
use crate::json::Value;
use crate::managed::{self, Write};
use crate::object::{Object, at, map_at};
use crate::structural::Step;

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
fn manager_of(request: &Request) -> String {
    match request.options.field_manager.as_deref() {
        Some(manager) if !manager.is_empty() => manager.to_owned(),
        _ => request.user_agent.split('/').next().unwrap_or("unknown").to_owned(),
    }
}

impl Server {
    /// Charges a write with the fields that it changes.
    ///
    /// # Errors
    /// When a webhook is still to be asked for the object in another version.
    pub(super) fn own(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Value>,
        new: &mut Value,
    ) -> Result<(), Box<Status>> {
        let now = self.timestamp();
        let manager = manager_of(request);
        // An empty list says that nobody owns anything.
        let fields = [Step::Name("metadata".into()), Step::Name("managedFields".into())];
        if self.noticed.dropped.iter().any(|steps| *steps == fields) {
            map_at(new, &["metadata"]).insert("managedFields", crate::json!([{}]));
        }
        let marked = old.and_then(|old| uneven::marked(served, old, new, &self.noticed.uneven));
        let views = Views::new(self, served);
        let write = Write { views: views.as_dyn(), ..write_of(served, request, &manager, &now) };
        managed::update(&write, marked.as_ref().or(old), new);
        if let (Some(old), Some(scale), "scale") = (old, &served.scale, &*request.subresource) {
            // A Scale of none does not tell them, and one of replicas that nobody owned has no
            // bookkeeping: whoever scales then owns nothing.
            let path: Vec<&str> = scale.spec.iter().map(String::as_str).collect();
            let is_none = |tree: &Value| at(tree, &path).is_none_or(|replicas| *replicas == 0);
            if !managed::is_owned(old, &path) {
                managed::keep(old, new);
            } else if is_none(new) && !is_none(old) {
                managed::disown(new, &path);
            }
        }
        views.complete()
    }

    /// The same before anything of what was sent is put back, where that is how it is done.
    /// Answers whether it was.
    ///
    /// # Errors
    /// As [`Server::own`].
    pub(super) fn own_as_sent(
        &mut self,
        served: &Served,
        request: &Request,
        live: &Object,
        body: &mut Value,
    ) -> Result<bool, Box<Status>> {
        if PodPart::of(served, &request.subresource).is_none() {
            return Ok(false);
        }
        served.complete(body, None);
        self.own(served, request, Some(live.value()), body)?;
        Ok(true)
    }

    /// What a webhook makes of a tree that is to be stored, if one converts its kind.
    pub(super) fn converted_to_keep(
        &mut self,
        served: &Served,
        body: &Value,
        drawn: bool,
    ) -> Result<Option<Kept>, Box<Status>> {
        match served.converter() {
            Some(_) => Ok(Some(self.kept(served, body.clone(), drawn)?)),
            None => Ok(None),
        }
    }
}
