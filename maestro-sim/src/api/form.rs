//! Objects in the form a client asked for: their metadata alone, or rows of a Table.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>.

use std::sync::Arc;

use crate::api::read::List;
use crate::api::registry::Served;
use crate::api::server::{Handled, Response};
use crate::api::table::Printer;
use crate::api::{Form, Meta, Status};
use crate::json::{Value, json};
use crate::object::{Object, map_at};

/// What turns objects into the form that was asked for.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Nothing: they are sent as they are.
    Whole,
    /// Their metadata.
    Metadata(Meta),
    /// Rows.
    Table(Box<Printer>),
}

impl Shape {
    pub(super) fn new(form: Form, served: &Arc<Served>) -> Self {
        match form {
            Form::Whole => Self::Whole,
            Form::Metadata(meta) | Form::MetadataList(meta) => Self::Metadata(meta),
            Form::Table(include, meta) => {
                Self::Table(Box::new(Printer::new(Arc::clone(served), include, meta)))
            }
        }
    }

    /// An object of a watch, if it is not sent as it is. Only a watch's first Table has columns.
    pub(crate) fn watched(&self, object: &Object, first: bool, now: i64) -> Option<Value> {
        match self {
            Self::Whole => None,
            Self::Metadata(meta) => Some(metadata_only(object.value(), *meta)),
            Self::Table(printer) => {
                let mut table = printer.single(object.value(), now);
                if !first {
                    table["columnDefinitions"] = Value::Null;
                }
                Some(table)
            }
        }
    }

    fn one(&self, object: &Value, now: i64) -> Value {
        match self {
            Self::Table(printer) => printer.single(object, now),
            Self::Metadata(meta) => metadata_only(object, *meta),
            Self::Whole => object.clone(),
        }
    }

    fn list(&self, list: &List, now: i64) -> Value {
        let meta = list.place();
        let objects: Vec<&Value> = list.items.iter().map(|object| object.value()).collect();
        match self {
            Self::Table(printer) => printer.table(&meta, &objects, now),
            Self::Metadata(version) => {
                let items: Vec<Value> =
                    objects.into_iter().map(|object| metadata_only(object, *version)).collect();
                json!({"kind": "PartialObjectMetadataList", "apiVersion": version.api_version(),
                       "metadata": meta, "items": items})
            }
            Self::Whole => Value::Null,
        }
    }
}

/// The answer in the form that was asked for.
pub(super) fn shaped(form: Form, served: &Arc<Served>, response: Response, now: i64) -> Handled {
    let shape = Shape::new(form, served);
    Ok(match response {
        Response::Watch(mut start) => {
            start.shape = shape;
            Response::Watch(start)
        }
        response if form == Form::Whole => response,
        Response::Object { .. } | Response::Value { .. }
            if matches!(form, Form::MetadataList(_)) =>
        {
            return Err(not_so(served, &served.kind, "PartialObjectMetadataList", "not a list"));
        }
        Response::List(_) if matches!(form, Form::Metadata(_)) => {
            return Err(not_so(served, &served.list_kind, "PartialObjectMetadata", "a list"));
        }
        Response::Object { code, object } => {
            Response::Value { code, value: shape.one(object.value(), now) }
        }
        Response::Value { code, value } if value["kind"] != "Status" => {
            Response::Value { code, value: shape.one(&value, now) }
        }
        Response::List(list) => Response::Value { code: 200, value: shape.list(&list, now) },
        other => other,
    })
}

/// 406 for a form that the answer cannot have; it names the type that the answer has in Go.
fn not_so(served: &Served, kind: &str, form: &str, what: &str) -> Box<Status> {
    let group = served.resource.group.split('.').next().unwrap_or("");
    let place = match (served.is_custom(), group) {
        (true, _) => "unstructured",
        (_, "") => "core",
        (_, group) => group,
    };
    let message =
        format!("you requested {form}, but the requested object is {what} (*{place}.{kind})");
    Box::new(Status::new(406, "NotAcceptable", message))
}

/// An object's `PartialObjectMetadata`. One annotation only ever stands on whole objects.
pub(super) fn metadata_only(object: &Value, version: Meta) -> Value {
    const OLD_GENERATION: &str = "deprecated.daemonset.template.generation";
    let mut meta = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    if let Some(Value::Object(notes)) = meta.get_mut("annotations")
        && notes.remove(OLD_GENERATION).is_some()
        && notes.is_empty()
    {
        map_at(&mut meta, &[]).remove("annotations");
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(),
           "metadata": meta})
}
