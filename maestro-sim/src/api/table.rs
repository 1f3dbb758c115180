//! Objects as rows of a Table: what `kubectl get` asks for.
//!
//! Source: `k8s.io/kubernetes/pkg/printers/internalversion` and the `tableconvertor` of
//! `k8s.io/apiextensions-apiserver`. Every column is answered, those of `-o wide`, too.

mod cells;
mod custom;
mod found;
mod metrics;
mod pod;
mod recipes;
mod words;

use std::sync::Arc;

use crate::api::form::metadata_only;
use crate::api::registry::Served;
use crate::api::{Include, Meta};
use crate::facts::facts;
use crate::json::{Value, json};
use crate::object::at;

/// Makes rows of the objects of one kind.
#[derive(Debug)]
pub(crate) struct Printer {
    served: Arc<Served>,
    include: Include,
    meta: Meta,
    columns: Vec<Value>,
}

/// A moment, in seconds since 1970, that ages are told at.
#[derive(Clone, Copy)]
struct Moment(i64);

impl Printer {
    pub(super) fn new(served: Arc<Served>, include: Include, meta: Meta) -> Self {
        let columns = if served.is_custom() {
            custom::columns(&served.columns)
        } else {
            let resource = &served.resource;
            let (group, version) = (&*resource.group, &*served.version);
            let root = if group.is_empty() { "/api".into() } else { format!("/apis/{group}") };
            facts().columns(&format!("{root}/{version}/{}", resource.resource))
        };
        Self { served, include, meta, columns }
    }

    /// A Table of some objects with the metadata of what held them.
    pub(super) fn table(&self, meta: &Value, objects: &[&Value], now: i64) -> Value {
        let favourite = words::default_class(&self.served.resource, objects);
        let row = |object: &&Value| self.row(object, favourite == Some(*object), Moment(now));
        let rows: Vec<Value> = objects.iter().map(row).collect();
        json!({"kind": "Table", "apiVersion": self.meta.api_version(), "metadata": meta,
               "columnDefinitions": self.columns, "rows": rows})
    }

    /// A Table of one object.
    pub(super) fn single(&self, object: &Value, now: i64) -> Value {
        let version = at(object, &["metadata", "resourceVersion"]).cloned();
        let meta = version.map_or_else(|| json!({}), |version| json!({"resourceVersion": version}));
        let row = self.row(object, false, Moment(now));
        json!({"kind": "Table", "apiVersion": self.meta.api_version(), "metadata": meta,
               "columnDefinitions": self.columns, "rows": [row]})
    }

    fn row(&self, object: &Value, favourite: bool, now: Moment) -> Value {
        let mut cells = if self.served.is_custom() {
            custom::cells(&self.served.columns, object, now)
        } else {
            cells::of(&self.served.resource, object, now)
        };
        if let (true, Some(Value::String(name))) = (favourite, cells.first_mut()) {
            name.push_str(" (default)");
        }
        let held = match self.include {
            Include::Metadata => metadata_only(object, self.meta),
            Include::Object => object.clone(),
            Include::Nothing => Value::Null,
        };
        let mut row = json!({"cells": cells, "object": held});
        if (&*self.served.resource.group, &*self.served.resource.resource) == ("", "pods")
            && let Some(condition) = pod::condition(object)
        {
            row["conditions"] = json!([condition]);
        }
        row
    }
}
