//! Who answers for admission webhooks.
//!
//! Inside a simulation a webhook is a closure, registered for the URL or the service that its
//! configuration names. Nothing else can be called from there: [`Server::handle`] waits for
//! nothing.
//!
//! A shell that can reach others says so ([`Webhooks::outside`]). A request that needs an answer is
//! then refused before anything is changed, the shell takes what is [`Webhooks::asked`], sends it,
//! hands the answers in, and has the request handled once more. The cluster's own controllers have
//! no such shell: what they need is asked beside them ([`Webhooks::take_waiting`]), and their next
//! try finds the answer ([`Webhooks::keep`]).
//!
//! [`Server::handle`]: crate::api::server::Server::handle

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

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

/// An answer, or what a connection says that failed.
pub type Answer = Result<Value, String>;

/// What answers webhooks, and what they have been asked.
#[derive(Default)]
pub struct Webhooks {
    handlers: BTreeMap<String, Handler>,
    down: Vec<String>,
    /// Whether a shell sends what no closure answers.
    pub outside: bool,
    /// What the shell of the request being handled has learnt; none where it has none.
    handed: Option<Vec<(Asked, Answer)>>,
    asked: Option<Asked>,
    waiting: Vec<Asked>,
    kept: Vec<(Asked, Answer, Duration)>,
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

    /// Says that the request handled next has a shell, and what it has learnt so far.
    pub fn hand_in(&mut self, answers: Vec<(Asked, Answer)>) {
        self.handed = Some(answers);
        self.asked = None;
    }

    /// Takes the review for which the request just handled was left; its shell is gone then.
    pub fn asked(&mut self) -> Option<Asked> {
        self.handed = None;
        self.asked.take()
    }

    /// Takes what clients without a shell wait for.
    pub fn take_waiting(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.waiting)
    }

    /// Keeps an answer for clients without a shell, until a time of the world.
    pub fn keep(&mut self, asked: Asked, answer: Answer, until: Duration) {
        self.kept.push((asked, answer, until));
    }

    /// Sends a review. `unreachable` is what a connection to a stranger says; a service's pods are
    /// out of everybody's reach.
    pub(super) fn send(
        &mut self,
        asked: Asked,
        unreachable: String,
        is_service: bool,
        now: Duration,
    ) -> Outcome {
        let url = plain(&asked.url);
        if self.down.iter().any(|prefix| url.starts_with(prefix.as_str())) {
            return Outcome::Told(Err("connect: connection refused".into()));
        }
        if let Some(handler) = self.handlers.get_mut(url) {
            return Outcome::Told(handler(&asked.review));
        }
        if !self.outside || is_service {
            return Outcome::Told(Err(unreachable));
        }
        if let Some(handed) = &self.handed {
            let known = handed.iter().find(|(known, _)| known.is_alike(&asked));
            return match known {
                Some((_, answer)) => Outcome::Told(asked.answered(answer)),
                None => {
                    self.asked = Some(asked);
                    Outcome::Later
                }
            };
        }
        self.kept.retain(|(_, _, until)| *until > now);
        if let Some((_, answer, _)) = self.kept.iter().find(|(known, ..)| known.is_alike(&asked)) {
            return Outcome::Told(asked.answered(answer));
        }
        if !self.waiting.iter().any(|known| known.is_alike(&asked)) {
            self.waiting.push(asked);
        }
        Outcome::Later
    }
}

impl Asked {
    /// Whether two reviews ask the same of the same webhook, but for what is drawn anew when a
    /// request is handled once more.
    fn is_alike(&self, other: &Self) -> bool {
        let bare = |review: &Value| {
            let mut review = review.clone();
            let request = &mut review["request"];
            request["uid"] = Value::Null;
            if request["operation"] == "CREATE" {
                let drawn = request["object"]["metadata"].get("generateName").is_some();
                if let Some(meta) = request["object"]["metadata"].as_object_mut() {
                    meta.remove("uid");
                    meta.remove("creationTimestamp");
                    if drawn {
                        meta.remove("name");
                    }
                }
                if drawn {
                    request["name"] = Value::Null;
                }
            }
            if request["kind"]["kind"] == "Service"
                && let Some(spec) = request["object"]["spec"].as_object_mut()
            {
                for field in ["clusterIP", "clusterIPs", "ports", "healthCheckNodePort"] {
                    spec.remove(field);
                }
            }
            without_suffixes(&review.to_string())
        };
        self.url == other.url && bare(&self.review) == bare(&other.review)
    }

    /// An answer to a review that was alike, as one to this.
    fn answered(&self, answer: &Answer) -> Answer {
        let mut answer = answer.clone()?;
        if answer["response"]["uid"].is_string() {
            answer["response"]["uid"] = self.review["request"]["uid"].clone();
        }
        Ok(answer)
    }
}

/// A text without what is drawn for the names of token volumes.
fn without_suffixes(text: &str) -> String {
    const VOLUME: &str = "kube-api-access-";
    let mut parts = text.split(VOLUME);
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        out.push_str(VOLUME);
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(uid: &str, object: Value) -> Asked {
        let request = json!({"uid": uid, "operation": "CREATE", "object": object});
        Asked {
            url: "https://hooks.example/a?timeout=10s".into(),
            authorities: Vec::new(),
            timeout_secs: 10,
            review: json!({"request": request}),
        }
    }

    fn told(webhooks: &mut Webhooks, asked: Asked, now: u64) -> Option<Answer> {
        let now = Duration::from_secs(now);
        match webhooks.send(asked, "nobody is there".into(), false, now) {
            Outcome::Told(answer) => Some(answer),
            Outcome::Later => None,
        }
    }

    #[test]
    fn closures_answer_and_may_be_down() {
        let mut webhooks = Webhooks::default();
        let one = || asked("1", json!({}));
        assert_eq!(told(&mut webhooks, one(), 0), Some(Err("nobody is there".into())));
        webhooks.answer("https://hooks.example/a", Box::new(|_| Ok(json!(1))));
        assert_eq!(told(&mut webhooks, one(), 0), Some(Ok(json!(1))));
        webhooks.set_down("https://hooks.example", true);
        assert!(told(&mut webhooks, one(), 0).is_some_and(|answer| answer.is_err()));
        webhooks.set_down("https://hooks.example", false);
        assert_eq!(told(&mut webhooks, one(), 0), Some(Ok(json!(1))));
    }

    #[test]
    fn what_is_asked_outside_is_answered_at_the_next_try() {
        let mut webhooks = Webhooks { outside: true, ..Webhooks::default() };
        let drawn = |name: &str| json!({"metadata": {"generateName": "a-", "name": name}});
        let answer = Ok(json!({"response": {"uid": "1"}}));
        // A request with a shell.
        webhooks.hand_in(Vec::new());
        assert_eq!(told(&mut webhooks, asked("1", drawn("a-b")), 0), None);
        let first = webhooks.asked().expect("it is to be asked");
        webhooks.hand_in(vec![(first, answer.clone())]);
        let again = told(&mut webhooks, asked("2", drawn("a-c")), 0);
        assert_eq!(again, Some(Ok(json!({"response": {"uid": "2"}}))));
        assert_eq!(webhooks.asked(), None);
        // One without.
        assert_eq!(told(&mut webhooks, asked("3", drawn("a-d")), 0), None);
        assert_eq!(told(&mut webhooks, asked("4", drawn("a-e")), 0), None);
        let waiting = webhooks.take_waiting();
        assert_eq!(waiting.len(), 1);
        webhooks.keep(waiting[0].clone(), answer, Duration::from_secs(5));
        assert!(told(&mut webhooks, asked("5", drawn("a-f")), 4).is_some());
        assert!(told(&mut webhooks, asked("6", drawn("a-g")), 5).is_none());
        let other = json!({"metadata": {"name": "other"}});
        assert!(told(&mut webhooks, asked("7", other), 4).is_none());
    }
}
