//! Answers over HTTP: bodies, status codes, warnings.

use http::StatusCode;

use crate::api::server::{Handled, Response};
use crate::api::{Status, strict};
use crate::body::Body;
use crate::json::Value;

/// The HTTP answer of anything but a watch.
pub fn answer(handled: Handled) -> http::Response<Body> {
    match handled {
        Ok(Response::Object { code, object }) => respond(code, Body::full(object.bytes().clone())),
        Ok(Response::Value { code, value }) => json_answer(code, &value),
        Ok(Response::List(list)) => respond(200, Body::list(&list)),
        Ok(Response::Watch(_)) => respond(200, Body::full("")),
        Ok(Response::Text { code, text }) => plain(code, text),
        Ok(Response::Warned { warnings, response }) => warned(answer(Ok(*response)), &warnings),
        Err(status) => refused(json_answer(status.code, &status.to_value()), &status),
    }
}

/// A refusal before anything was handled.
pub fn refusal(status: &Status) -> http::Response<Body> {
    refused(json_answer(status.code, &status.to_value()), status)
}

/// Adds what a refusal says outside its body.
pub fn refused(mut response: http::Response<Body>, status: &Status) -> http::Response<Body> {
    let seconds = status.details.get("retryAfterSeconds").and_then(Value::as_u64);
    if let Some(seconds) = seconds {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    warned(response, &status.warnings)
}

/// Adds warnings as the server writes them: code 299, no agent, quoted text (RFC 7234 §5.5).
pub(crate) fn warned(
    mut response: http::Response<Body>,
    warnings: &[String],
) -> http::Response<Body> {
    for warning in strict::cut(warnings) {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = http::HeaderValue::try_from(format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(http::header::WARNING, value);
        }
    }
    response
}

/// The HTTP answer of a watch.
pub fn watch_answer(body: Body) -> http::Response<Body> {
    respond(200, body)
}

/// A JSON document with a status code.
pub fn json_answer(code: u16, value: &Value) -> http::Response<Body> {
    respond(code, Body::full(value.to_string()))
}

/// A text with a status code.
fn plain(code: u16, text: String) -> http::Response<Body> {
    let mut response = respond(code, Body::full(text));
    match code {
        204 => response.headers_mut().remove(http::header::CONTENT_TYPE),
        _ => {
            let plain = http::HeaderValue::from_static("text/plain");
            response.headers_mut().insert(http::header::CONTENT_TYPE, plain)
        }
    };
    response
}

/// A JSON body with a status code.
pub fn respond(code: u16, body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
