//! Maestro's own parts of a real cluster: kubelets and the provisioner, the simulator's steps as
//! clients of the API server, each on a link.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maestro_sim::actor::{Remote, Wire, lost};
use maestro_sim::api::Request;
use maestro_sim::api::server::{Handled, Response};
use maestro_sim::link::{LinkId, Verdict};
use maestro_sim::links::Links;
use maestro_sim::object::GroupResource;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;

use super::clock::Clock;
use super::feed::Message;
use super::hand::Hand;

/// How often a part that is cut off looks whether it still is.
const LOOK: Duration = Duration::from_millis(100);

/// How long a part waits at most for something to do.
const LONG: Duration = Duration::from_secs(60);

/// A part's way to the API server.
pub struct Way {
    pub hand: Hand,
    pub links: Arc<Mutex<Links>>,
    pub link: LinkId,
}

impl Way {
    fn hears(&self) -> bool {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).get(self.link).hears()
    }

    fn made(&self, request: &Request) -> Handled {
        let answer = Handle::current().block_on(self.hand.send(request));
        answer.map(|(code, value)| Response::Value { code, value })
    }
}

impl Wire for Way {
    fn now(&self) -> Duration {
        Clock::now()
    }

    fn version(&self, _: &GroupResource) -> std::borrow::Cow<'static, str> {
        // Everything that kubelets and provisioners read and write is served as v1.
        "v1".into()
    }

    fn send(&mut self, request: Request) -> Handled {
        let verdict = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.get_mut(self.link).verdict(&request)
        };
        match verdict {
            Verdict::Pass => self.made(&request),
            Verdict::Drop => Err(lost()),
            Verdict::Error(status) => Err(status),
            Verdict::LostReply => {
                // It is carried out, and nobody hears how it ended.
                let _ = self.made(&request);
                Err(lost())
            }
        }
    }
}

/// Runs a part until nobody tells it anything any more. What is told while its link is cut comes
/// when it is whole again.
pub async fn run(mut remote: Remote, mut way: Way, mut news: UnboundedReceiver<Message>) {
    let mut held = Vec::new();
    loop {
        let hears = way.hears();
        if hears {
            held.drain(..).for_each(|message| take(&mut remote, message));
        }
        let next = tokio::task::block_in_place(|| remote.step(&mut way));
        let wait = next.map_or(LONG, |at| at.saturating_sub(Clock::now()));
        tokio::select! {
            message = news.recv() => {
                let Some(message) = message else { return };
                held.push(message);
                while let Ok(message) = news.try_recv() {
                    held.push(message);
                }
            }
            () = tokio::time::sleep(wait.min(if hears { LONG } else { LOOK })) => {}
        }
    }
}

fn take(remote: &mut Remote, message: Message) {
    match message {
        Message::Told(told) => {
            if let Some(key) = told.object().map(|object| object.key().clone()) {
                remote.see(&told.resource, &key, told.new);
            }
        }
        Message::Enqueue(key) => remote.enqueue(key),
    }
}
