//! Leader election by a Lease, by client-go's rules: whoever holds the lease gives up leading when
//! it could not renew it for the renew deadline; others take it once they have seen it unchanged
//! for the lease's duration. Time is measured by each observer's own clock from its own
//! observation, so that clocks need not agree.
//!
//! Two things are thriftier than client-go, which has every candidate ask every retry period. A
//! holder renews at half of its deadline, and tries every retry period only while that fails (as
//! kubelets do with theirs, KEP-589). Others watch the lease, so that they learn of a release at
//! once, and ask only when it has run out; a watch that breaks delays nothing but that.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::{Either, select};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::time::Instant;

use super::clock;
use super::ending::why;

/// How a lease is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    /// How long others wait without a sign of life before they take the lease.
    pub duration: Duration,
    /// How long the holder goes on without a successful renewal.
    pub renew_deadline: Duration,
    /// How often everybody tries again what did not succeed.
    pub retry_period: Duration,
}

impl Default for LeaseTimings {
    /// client-go's: 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl LeaseTimings {
    /// client-go's rules: whoever leads must stop before others begin, and must have had the time
    /// to try more than once before that.
    ///
    /// # Errors
    /// A sentence that says which two do not go together, or that the duration is no whole second.
    pub fn check(&self) -> Result<(), String> {
        let Self { duration, renew_deadline, retry_period } = *self;
        let text = |duration: Duration| crate::framework::GoDuration(duration);
        if duration.as_secs() == 0 || duration.subsec_nanos() != 0 {
            let duration = text(duration);
            return Err(format!("the lease duration {duration} is not a number of whole seconds"));
        }
        if renew_deadline >= duration {
            let (one, other) = (text(renew_deadline), text(duration));
            return Err(format!(
                "the renew deadline {one} is not shorter than the lease duration {other}"
            ));
        }
        if retry_period.is_zero() || retry_period.saturating_mul(6) / 5 >= renew_deadline {
            let (one, other) = (text(retry_period), text(renew_deadline));
            return Err(format!(
                "the retry period {one} does not fit into the renew deadline {other} more than once"
            ));
        }
        Ok(())
    }
}

/// One candidate for a lease.
pub(super) struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timings: LeaseTimings,
    /// The lease as it was seen last, and since when it is unchanged.
    seen: Option<(Lease, Instant)>,
}

impl Candidate {
    pub(super) fn new(api: Api<Lease>, name: &str, identity: &str, timings: LeaseTimings) -> Self {
        Self { api, name: name.to_owned(), identity: identity.to_owned(), timings, seen: None }
    }

    /// Waits until the lease is held.
    pub(super) async fn acquire(&mut self) {
        let one = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut signs = pin!(watcher(self.api.clone(), one).default_backoff());
        loop {
            let wait = match self.attempt().await {
                Ok(true) => return,
                Ok(false) => self.left(),
                Err(error) => {
                    tracing::warn!(error = why(&error), "could not try for the lease");
                    Duration::ZERO
                }
            };
            self.look_on(signs.as_mut(), wait.max(self.timings.retry_period)).await;
        }
    }

    /// How long the lease as it was seen last belongs to its holder.
    fn left(&self) -> Duration {
        self.seen.as_ref().map_or(Duration::ZERO, |(lease, since)| {
            self.duration_of(lease).saturating_sub(since.elapsed())
        })
    }

    /// Watches the lease until it was given away, or has shown no sign of life for long enough.
    async fn look_on<S>(&mut self, mut signs: Pin<&mut S>, wait: Duration)
    where
        S: Stream<Item = watcher::Result<watcher::Event<Lease>>>,
    {
        let mut out = Instant::now() + wait;
        loop {
            let sleep = pin!(tokio::time::sleep_until(out));
            let sign = match select(signs.next(), sleep).await {
                Either::Left((Some(Ok(sign)), _)) => sign,
                // It tries again by itself.
                Either::Left((Some(Err(_)), _)) => continue,
                Either::Left((None, sleep)) => return sleep.await,
                Either::Right(_) => return,
            };
            match sign {
                watcher::Event::Apply(lease) | watcher::Event::InitApply(lease) => {
                    if holder(&lease).is_empty() {
                        return;
                    }
                    if self.seen.as_ref().is_none_or(|(seen, _)| seen.spec != lease.spec) {
                        out = Instant::now() + self.duration_of(&lease);
                        self.seen = Some((lease, Instant::now()));
                    }
                }
                watcher::Event::Delete(_) => return,
                watcher::Event::Init | watcher::Event::InitDone => {}
            }
        }
    }

    /// Keeps the lease; returns when it is lost.
    pub(super) async fn keep(&mut self) {
        let mut renewed = Instant::now();
        let mut wait = self.timings.renew_deadline / 2;
        loop {
            tokio::time::sleep(wait).await;
            let left =
                (renewed + self.timings.renew_deadline).saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::error!("the lease could not be renewed in time");
                return;
            }
            wait = self.timings.retry_period.min(left);
            match tokio::time::timeout(left, self.attempt()).await {
                Ok(Ok(true)) => {
                    renewed = Instant::now();
                    wait = self.timings.renew_deadline / 2;
                }
                Ok(Ok(false)) => {
                    tracing::error!("another replica holds the lease");
                    return;
                }
                Ok(Err(error)) => tracing::warn!(error = why(&error), "could not renew the lease"),
                Err(_) => {}
            }
        }
    }

    /// Gives the lease away, so that another replica need not wait for it to run out.
    pub(super) async fn release(&mut self) {
        let Some((lease, _)) = &self.seen else { return };
        if holder(lease) != self.identity {
            return;
        }
        let mut lease = lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(clock::now().timestamp()));
        if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::warn!(error = why(&error), "could not release the lease");
        }
        self.seen = None;
    }

    /// Tries once to take or renew the lease; false while another holds it.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        // A holder renews what it wrote last without reading it again; a conflict shows that
        // somebody else wrote in between.
        if let Some((lease, _)) = &self.seen
            && holder(lease) == self.identity
        {
            match self.write(lease.clone()).await {
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
                other => return other.map(|()| true),
            }
        }
        let Some(found) = self.api.get_opt(&self.name).await? else {
            return self.create().await;
        };
        let unchanged = self.seen.as_ref().is_some_and(|(seen, _)| seen.spec == found.spec);
        let since = match &self.seen {
            Some((_, since)) if unchanged => *since,
            _ => Instant::now(),
        };
        let free = holder(&found).is_empty() || holder(&found) == self.identity;
        self.seen = Some((found.clone(), since));
        if !free && since.elapsed() < self.duration_of(&found) {
            return Ok(false);
        }
        match self.write(found).await {
            Ok(()) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn duration_of(&self, lease: &Lease) -> Duration {
        let secs = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        secs.and_then(|secs| u64::try_from(secs).ok())
            .map_or(self.timings.duration, Duration::from_secs)
    }

    async fn create(&mut self) -> Result<bool, kube::Error> {
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(self.hold(&LeaseSpec::default())),
        };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(lease) => {
                self.seen = Some((lease, Instant::now()));
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn write(&mut self, mut lease: Lease) -> Result<(), kube::Error> {
        lease.spec = Some(self.hold(&lease.spec.unwrap_or_default()));
        // Who manages which field is the server's to know: what is left out, it keeps.
        lease.metadata.managed_fields = None;
        let written = self.api.replace(&self.name, &PostParams::default(), &lease).await?;
        self.seen = Some((written, Instant::now()));
        Ok(())
    }

    fn hold(&self, old: &LeaseSpec) -> LeaseSpec {
        let now = MicroTime(clock::now().timestamp());
        let mine = old.holder_identity.as_deref() == Some(&self.identity);
        let transitions = old.lease_transitions.unwrap_or(0);
        let first = old.holder_identity.is_none();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timings.duration.as_secs()).ok(),
            acquire_time: if mine { old.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if mine || first { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        }
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}
