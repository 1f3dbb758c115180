//! The way of an HTTP request past those who ask who sends it and whether they may.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, header};

use super::{Attributes, exact_fields, exact_name, impersonate};
use crate::api::http::percent_decode;
use crate::api::identity::Identity;
use crate::api::server::Server;
use crate::api::{Status, query};

/// Who sends a request, and whether it may pass. Nobody in particular may do everything.
///
/// # Errors
/// 400, 401 or 403, as the server answers before it looks at what is asked.
pub fn enter(server: &mut Server, parts: &Parts) -> Result<Option<Arc<Identity>>, Box<Status>> {
    let sender = sender(server, parts)?;
    let wanted = impersonate::wanted(server.registry.version(), &parts.headers)?;
    if wanted.is_none() && sender.as_ref().is_none_or(|sender| sender.is_master()) {
        return Ok(sender);
    }
    let asked = attributes(parts);
    let user = match wanted {
        Some(wanted) => {
            let admin = Identity::admin;
            let sender = sender.as_ref().map_or_else(admin, |sender| sender.as_ref().clone());
            Some(Arc::new(server.impersonate(&sender, &wanted, &asked)?))
        }
        None => sender,
    };
    if let Some(user) = &user {
        server.authorize(user, &asked)?;
    }
    Ok(user)
}

/// Whom the shell knows the sender as.
/// A service account shows its own token.
fn sender(server: &mut Server, parts: &Parts) -> Result<Option<Arc<Identity>>, Box<Status>> {
    if let Some(known) = parts.extensions.get::<Arc<Identity>>() {
        return Ok(Some(Arc::clone(known)));
    }
    let Some(shown) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let shown = shown.to_str().unwrap_or("").split_once(' ');
    let token = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = token.map_or("", |(_, token)| token.trim());
    match server.authenticate(token, &[]) {
        Ok((user, _)) => Ok(Some(Arc::new(user))),
        Err(_) => Err(Box::new(Status::new(401, "Unauthorized", "Unauthorized"))),
    }
}

/// What a request asks for, by its path alone: nothing of it need exist.
///
/// Source: `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`.
fn attributes(parts: &Parts) -> Attributes {
    let path = percent_decode(parts.uri.path(), false).into_owned();
    let plain = || Attributes {
        verb: parts.method.as_str().to_ascii_lowercase(),
        path: Some(path.clone()),
        ..Attributes::default()
    };
    let trimmed = path.trim_matches('/');
    let segments: Vec<&str> = trimmed.split('/').collect();
    let (group, rest) = match segments.as_slice() {
        ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
        ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
        _ => return plain(),
    };
    let (fixed, rest) = match rest {
        [verb @ ("watch" | "proxy"), rest @ ..] => (Some(*verb), rest),
        rest => (None, rest),
    };
    let mut verb = fixed.unwrap_or(match parts.method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    });
    let (namespace, rest) = match rest {
        ["namespaces", namespace, sub, ..] if !matches!(*sub, "status" | "finalize") => {
            (*namespace, &rest[2..])
        }
        ["namespaces", namespace, ..] => (*namespace, rest),
        rest => ("", rest),
    };
    let at = |index: usize| rest.get(index).copied().unwrap_or("");
    let (resource, mut name) = (at(0), at(1).to_owned());
    let subresource = if fixed.is_some() { "" } else { at(2) };
    let query = parts.uri.query().unwrap_or("");
    if name.is_empty() && verb == "get" {
        let watch = query::value(query, "watch");
        let watches = watch.is_some_and(|value| query::is_on(&value));
        verb = if watches { "watch" } else { "list" };
        let selector = query::value(query, "fieldSelector").unwrap_or_default();
        name = exact_name(&selector).unwrap_or("").to_owned();
    }
    if name.is_empty() && verb == "delete" {
        verb = "deletecollection";
    }
    let fields = match verb {
        "list" | "watch" | "deletecollection" => {
            exact_fields(&query::value(query, "fieldSelector").unwrap_or_default())
        }
        _ => Vec::new(),
    };
    Attributes {
        verb: verb.into(),
        namespace: namespace.into(),
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        name,
        path: None,
        fields,
    }
}
