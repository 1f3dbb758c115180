//! Objects in the form a client asked for: only their metadata.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>.

use serde_json::{Value, json};

use crate::api::Form;
use crate::api::server::Response;

/// The answer in the form that was asked for.
pub(super) fn shaped(form: Form, response: Response) -> Response {
    match (form, response) {
        (Form::Whole, response) => response,
        (Form::Metadata, Response::Object { code, object }) => {
            Response::Value { code, value: metadata_only(object.value()) }
        }
        (Form::Metadata, Response::Value { code, value }) if value["kind"] != "Status" => {
            Response::Value { code, value: metadata_only(&value) }
        }
        (Form::Metadata, Response::List(list)) => {
            let items: Vec<Value> = list.items.iter().map(|o| metadata_only(o.value())).collect();
            let mut meta = json!({"resourceVersion": list.resource_version.to_string()});
            if let Some(token) = &list.continue_token {
                meta["continue"] = token.as_str().into();
            }
            if let Some(remaining) = list.remaining {
                meta["remainingItemCount"] = remaining.into();
            }
            let value = json!({"kind": "PartialObjectMetadataList",
                               "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items});
            Response::Value { code: 200, value }
        }
        (Form::Metadata, other) => other,
    }
}

fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
           "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({}))})
}
