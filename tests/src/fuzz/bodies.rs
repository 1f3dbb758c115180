//! Requests: paths and queries, and bodies in each encoding.

use maestro_sim::protobuf;

use super::message::{Message, messages};
use super::server::Server;

/// Whole requests, one after another.
pub(super) fn request(input: &[u8]) {
    Server::with(|server| {
        for message in messages(input) {
            server.ask(&message);
        }
    });
}

pub(super) fn json(input: &[u8]) {
    typed(input, "application/json");
}

pub(super) fn yaml(input: &[u8]) {
    typed(input, "application/yaml");
}

pub(super) fn protobuf(input: &[u8]) {
    typed(input, protobuf::MEDIA_TYPE);
}

/// Requests whose bodies are of one media type, whatever their headers say.
fn typed(input: &[u8], media: &str) {
    Server::with(|server| {
        for message in messages(input) {
            server.ask(&with_media(message, media));
        }
    });
}

fn with_media(mut message: Message, media: &str) -> Message {
    message.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    message.header("content-type", media)
}

/// Patches: the first word of each is the type in place of the method.
pub(super) fn patch(input: &[u8]) {
    Server::with(|server| {
        for message in messages(input) {
            let Some(media) = media(&message.method) else { continue };
            let message = with_media(message, media);
            let message = Message { method: "PATCH".into(), ..message };
            let told = server.ask(&message);
            if told.is_success() && media.ends_with("yaml") && !tells_empty(&message.path) {
                // Who applies the same again changes nothing.
                let again = server.ask(&message);
                let version = |value: &maestro_sim::json::Value| {
                    value.pointer("/metadata/resourceVersion").cloned()
                };
                if again.is_success() {
                    let (first, second) = (version(&told.value), version(&again.value));
                    assert_eq!(first, second, "{message:?}\n{}\n{}", told.value, again.value);
                }
            }
        }
    });
}

/// Kinds for which an empty list, which is not stored, counts as a change each time.
fn tells_empty(path: &str) -> bool {
    path.contains("/networkpolicies/") || path.contains("webhookconfigurations/")
}

pub(super) fn media(word: &str) -> Option<&'static str> {
    Some(match word {
        "json" => "application/json-patch+json",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        _ => return None,
    })
}
