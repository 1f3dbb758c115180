//! Answers in protobuf or YAML, for clients that prefer it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::media::Wire;
use super::{MEDIA_TYPE, encode, envelope, message_of};
use crate::api::Status;
use crate::api::http as json;
use crate::api::read::List;
use crate::api::server::{self, Handled};
use crate::api::yaml::{self, Layout};
use crate::body::Body;
use crate::json::Value;

/// The HTTP answer of anything but a watch, in the form that a client wants.
pub fn answer(wire: Wire, handled: Handled) -> Response<Body> {
    match wire {
        Wire::Json => return json::answer(handled),
        Wire::Yaml => return recoded(wire, json::answer(handled)),
        Wire::Protobuf { .. } => {}
    }
    match handled {
        Ok(server::Response::Object { code, object }) => of_value(code, object.value()),
        Ok(server::Response::Value { code, value }) => of_value(code, &value),
        Ok(server::Response::List(list)) => of_list(list),
        Ok(server::Response::Warned { warnings, response }) => {
            json::warned(answer(wire, Ok(*response)), &warnings)
        }
        Ok(other @ (server::Response::Watch(_) | server::Response::Text { .. })) => {
            json::answer(Ok(other))
        }
        Err(status) => json::refused(of_value(status.code, &status.to_value()), &status),
    }
}

/// An answer that was made in JSON, such as a discovery document, in the form that a client wants.
pub fn recoded(wire: Wire, mut answer: Response<Body>) -> Response<Body> {
    let Some(media) = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return answer;
    };
    let (media, parameters) = media.split_once(';').unwrap_or((media, ""));
    if wire == Wire::Json || media != "application/json" {
        return answer;
    }
    let own = if wire == Wire::Yaml { "application/yaml" } else { MEDIA_TYPE };
    let media = match parameters {
        "" => own.to_owned(),
        parameters => format!("{own};{parameters}"),
    };
    let Body::Chunks(chunks) = answer.body() else { return answer };
    let text: Vec<u8> = chunks.iter().flatten().copied().collect();
    let value: Value = serde_json::from_slice(&text).unwrap_or_default();
    let bytes = match wire {
        Wire::Yaml => Some(Ok(yaml::write(&value, Layout::Flat).into())),
        _ => encode(&value),
    };
    if let (Some(Ok(bytes)), Ok(media)) = (bytes, HeaderValue::try_from(media)) {
        *answer.body_mut() = Body::full(bytes);
        answer.headers_mut().insert(CONTENT_TYPE, media);
    }
    answer
}

/// The HTTP answer of a watch in protobuf.
pub fn watch_answer(body: Body) -> Response<Body> {
    let mut response = json::watch_answer(body);
    let media = HeaderValue::from_static("application/vnd.kubernetes.protobuf;stream=watch");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

fn of_value(code: u16, value: &Value) -> Response<Body> {
    match encode(value) {
        Some(encoded) => respond(code, encoded),
        None => json::json_answer(code, value),
    }
}

fn of_list(list: List) -> Response<Body> {
    let Some(message) = message_of(&list.api_version, &list.kind) else {
        return json::answer(Ok(server::Response::List(list)));
    };
    let items = list.items.iter().map(|item| item.value());
    let encoded = super::encode::list(message, &list.metadata(), items);
    respond(200, encoded.map(|raw| envelope::wrap(&list.api_version, &list.kind, &raw)))
}

fn respond(code: u16, encoded: Result<Bytes, String>) -> Response<Body> {
    let bytes = match encoded {
        Ok(bytes) => bytes,
        Err(why) => {
            let message = format!("cannot encode the answer: {why}");
            let status = Status::new(500, "InternalError", message);
            return json::json_answer(500, &status.to_value());
        }
    };
    let mut response = json::respond(code, Body::full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}
