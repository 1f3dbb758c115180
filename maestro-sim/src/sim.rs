//! One simulation: one fresh thread, one paused tokio runtime, one world.
//!
//! A fresh thread resets every thread-local generator of the standard library and of the crates
//! an operator uses; [`crate::entropy`] answers what they ask of the system.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::entropy;
use crate::link::LinkId;
use crate::service::Service;
use crate::trace::TraceLevel;
use crate::world::World;

/// How a simulation is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// What the trace keeps.
    pub trace: TraceLevel,
}

/// A running cluster: cheap to clone, shared by everything on the simulation's thread.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    world: Mutex<World>,
    changed: Notify,
    start: Instant,
    /// The world's time at `start`.
    base: Duration,
    /// Seconds of the world in one second of the runtime.
    speed: f64,
}

impl Cluster {
    /// A cluster in a runtime of the caller's: its world begins at `base` after
    /// [`entropy::EPOCH_SECS`], and `speed` of its seconds pass in one of the runtime's.
    pub(crate) fn new(options: &Options, base: Duration, speed: f64) -> Self {
        let world = Mutex::new(World::new(options.seed, options.trace));
        let (changed, start) = (Notify::new(), Instant::now());
        Self { shared: Arc::new(Shared { world, changed, start, base, speed }) }
    }

    /// Virtual time since the simulation began.
    pub fn now(&self) -> Duration {
        let elapsed = self.shared.start.elapsed();
        if self.shared.speed == 1.0 {
            return self.shared.base + elapsed;
        }
        self.shared.base + elapsed.mul_f64(self.shared.speed)
    }

    /// How long the runtime waits for a time of the world to pass.
    pub(crate) fn wait(&self, virtually: Duration) -> Duration {
        if self.shared.speed == 1.0 {
            return virtually;
        }
        // Rounded up: whoever waits too short would wait again, and again.
        virtually.div_f64(self.shared.speed) + Duration::from_nanos(1)
    }

    /// Looks at or changes the world at the present instant.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let (result, sooner) = {
            let mut world = self.lock();
            let before = world.next();
            let now = self.now();
            world.now = world.now.max(now);
            let result = act(&mut world);
            world.heed_links();
            let after = world.next();
            (result, after.is_some_and(|a| before.is_none_or(|b| a < b)))
        };
        if sooner {
            self.shared.changed.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic inside the world is reported by the run itself; what it held stays readable.
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tower service on a link: what a `kube::Client` is built from.
    pub fn service(&self, link: LinkId) -> Service {
        Service::new(self.clone(), link)
    }

    /// Waits until a link's client is dead.
    pub async fn fenced(&self, link: LinkId) {
        std::future::poll_fn(|cx| {
            self.with(|world| {
                if world.link(link).fenced {
                    return Poll::Ready(());
                }
                world.wake_on_link(link, cx.waker());
                Poll::Pending
            })
        })
        .await;
    }

    /// When the world's time is this.
    fn reached(&self, at: Duration) -> Instant {
        self.shared.start + self.wait(at.saturating_sub(self.shared.base))
    }

    /// Runs the world's timers for ever; the simulation's own background task.
    pub(crate) async fn drive(self) {
        loop {
            let next = {
                let mut world = self.lock();
                world.advance(self.now());
                world.next()
            };
            let changed = self.shared.changed.notified();
            match next {
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = tokio::time::sleep_until(self.reached(at)) => {}
                    }
                }
                None => changed.await,
            }
        }
    }
}

/// Runs `body` with a fresh cluster on a thread of its own and returns what it returns.
///
/// Virtual time moves only when every task is idle. When `body` ends, everything else on the
/// thread is dropped.
///
/// # Errors
/// With the panic's message when `body` or the cluster panicked.
pub fn run<F, Fut, T>(options: &Options, body: F) -> Result<T, String>
where
    F: FnOnce(Cluster) -> Fut + Send,
    Fut: Future<Output = T>,
    T: Send,
{
    seed_process();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("simulation".into()).stack_size(8 << 20);
        let handle = thread
            .spawn_scoped(scope, || simulate(options, body))
            .map_err(|e| format!("cannot start a simulation's thread: {e}"))?;
        handle.join().map_err(|panic| panic_message(&*panic))?
    })
}

fn simulate<F, Fut, T>(options: &Options, body: F) -> Result<T, String>
where
    F: FnOnce(Cluster) -> Fut,
    Fut: Future<Output = T>,
{
    entropy::enter(options.seed);
    fastrand::seed(options.seed);
    AHASH_STATE.set(0);
    POLLS.set(0);
    let result = runtime(options.seed).map(|runtime| {
        let result = runtime.block_on(async {
            START.set(Some(Instant::now()));
            let cluster = Cluster::new(options, Duration::ZERO, 1.0);
            let engine = tokio::spawn(cluster.clone().drive());
            let result = body(cluster).await;
            engine.abort();
            result
        });
        // Tasks that were left behind end here, still under virtual time.
        drop(runtime);
        START.set(None);
        result
    });
    entropy::leave();
    result
}

thread_local! {
    static START: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
    static AHASH_STATE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static POLLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// So many polls of tasks at one virtual instant are a loop without end.
const POLLS_AT_ONCE: u32 = 10_000_000;

fn runtime(seed: u64) -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    // Time moves when every task is idle. Where one never is, it would stand still for ever.
    builder.on_before_task_poll(|_| {
        let polls = POLLS.get().saturating_add(1);
        POLLS.set(polls);
        assert!(
            polls < POLLS_AT_ONCE,
            "after {polls} polls virtual time still stands at {:?}: a task goes on without waiting",
            START.get().map(|start| start.elapsed()).unwrap_or_default()
        );
    });
    // The clock must not be asked of tokio inside `clock_gettime`: copy it after each advance.
    builder.on_thread_unpark(|| {
        POLLS.set(0);
        if let Some(start) = START.get() {
            entropy::set_elapsed(start.elapsed());
        }
    });
    builder.build().map_err(|e| format!("cannot build the simulation's runtime: {e}"))
}

/// Makes what is set once a process equal in all processes: ahash's fixed keys.
fn seed_process() {
    struct Source;
    impl ahash::random_state::RandomSource for Source {
        fn gen_hasher_seed(&self) -> usize {
            let next = AHASH_STATE.get().wrapping_add(0x9e37);
            AHASH_STATE.set(next);
            next
        }
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An earlier source (a second copy of this crate) is kept: it is as good.
        let _ = ahash::random_state::set_random_source(Source);
        let fixed = std::thread::spawn(|| {
            entropy::enter(0);
            let _ = ahash::RandomState::new();
            entropy::leave();
        });
        let _ = fixed.join();
    });
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
