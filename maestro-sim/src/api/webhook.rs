//! Who answers for admission webhooks.
//!
//! Inside a simulation a webhook is a closure, registered for the URL or the service that its
//! configuration names. Nothing else can be called from there: [`Server::handle`] waits for
//! nothing. A shell that can reach others says so; then a request that needs an answer is left
//! before anything is changed, the shell takes what is [`Webhooks::asked`], sends it, hands the
//! answer in, and has the request handled once more.
//!
//! [`Server::handle`]: crate::api::server::Server::handle

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// From an `AdmissionReview` (admission.k8s.io/v1) with a request to one with a response, or what a
/// connection says that failed.
pub type Handler = Box<dyn FnMut(&Value) -> Result<Value, String> + Send>;

/// A review that somebody else has to answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// Where it is to be sent, with its timeout.
    pub url: String,
    /// The certificates (PEM) that are trusted, empty for those of the system.
    pub authorities: Vec<u8>,
    /// Seconds that the answer may take.
    pub timeout_secs: u64,
    /// The `AdmissionReview`.
    pub review: Value,
}

/// What answers webhooks, and what they have been asked.
#[derive(Default)]
pub struct Webhooks {
    handlers: BTreeMap<String, Handler>,
    down: Vec<String>,
    /// Whether a shell sends what no closure answers.
    pub outside: bool,
    answers: Vec<(Asked, Result<Value, String>)>,
    taken: usize,
    asked: Option<Asked>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers: Vec<&String> = self.handlers.keys().collect();
        f.debug_struct("Webhooks").field("handlers", &handlers).field("down", &self.down).finish()
    }
}

/// How one review came out.
pub(super) enum Outcome {
    /// It was answered, or the connection failed.
    Told(Result<Value, String>),
    /// A shell has to ask.
    Later,
}

/// The address of a webhook without its query.
fn plain(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

impl Webhooks {
    /// Answers a webhook by a closure: for a URL such as `https://hooks.example/validate`, or for
    /// a service as `https://NAME.NAMESPACE.svc:PORT/PATH`.
    pub fn answer(&mut self, url: &str, handler: Handler) {
        self.handlers.insert(url.to_owned(), handler);
    }

    /// Lets every webhook whose URL begins so refuse connections, or lets it answer again.
    pub fn set_down(&mut self, url: &str, down: bool) {
        self.down.retain(|known| known != url);
        if down {
            self.down.push(url.to_owned());
        }
    }

    /// Takes the review that the request just left off for.
    pub fn asked(&mut self) -> Option<Asked> {
        self.asked.take()
    }

    /// Hands in answers for the request that is handled next, in the order they were asked for.
    pub fn hand_in(&mut self, answers: Vec<(Asked, Result<Value, String>)>) {
        self.answers = answers;
        self.taken = 0;
    }

    /// Sends a review. `unreachable` is what a connection to a stranger says.
    pub(super) fn send(&mut self, asked: Asked, unreachable: String) -> Outcome {
        let url = plain(&asked.url);
        if self.down.iter().any(|prefix| url.starts_with(prefix.as_str())) {
            return Outcome::Told(Err("connect: connection refused".into()));
        }
        if let Some(handler) = self.handlers.get_mut(url) {
            return Outcome::Told(handler(&asked.review));
        }
        if !self.outside {
            return Outcome::Told(Err(unreachable));
        }
        let at = self.taken;
        self.taken += 1;
        match self.answers.get(at) {
            // What was asked in the meantime may be asked of something else by now.
            Some((known, answer)) if *known == asked => Outcome::Told(answer.clone()),
            _ => {
                self.asked = Some(asked);
                Outcome::Later
            }
        }
    }
}
