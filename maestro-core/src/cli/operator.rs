//! `maestro operator`: the program that ships, around [`crate::operator::run`].
//!
//! It finds the cluster as kubectl does, says what it does on the standard error stream, and ends
//! gracefully when it is asked to. Every flag can be given by environment as well.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use miette::{IntoDiagnostic, WrapErr, miette};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::Exit;
use crate::framework::GoDuration;
use crate::operator::{LeaseOptions, LeaseTimings, OperatorOptions, Shutdown, run};

/// The operator's flags, each with its environment variable.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// The kubeconfig file. Default: the files of KUBECONFIG, else ~/.kube/config, else the
    /// service account of the pod.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; its current one by default.
    #[arg(long, env = "MAESTRO_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// The namespace whose instances are reconciled; all of them where it is absent or empty.
    #[arg(long, env = "MAESTRO_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// Whether replicas elect a leader by a Lease.
    #[arg(long, env = "MAESTRO_LEASE", value_name = "BOOL", default_value_t = true,
          action = clap::ArgAction::Set)]
    lease: bool,
    /// The Lease's name.
    #[arg(
        long,
        env = "MAESTRO_LEASE_NAME",
        value_name = "NAME",
        default_value = "maestro-operator"
    )]
    lease_name: String,
    /// The Lease's namespace; the pod's own, or the kubeconfig context's, by default.
    #[arg(long, env = "MAESTRO_LEASE_NAMESPACE", value_name = "NAME")]
    lease_namespace: Option<String>,
    /// How long other replicas wait without a sign of life before they take the Lease.
    #[arg(long, env = "MAESTRO_LEASE_DURATION", value_name = "DURATION", default_value = "15s")]
    lease_duration: GoDuration,
    /// How long the leader goes on when it cannot renew the Lease.
    #[arg(long, env = "MAESTRO_RENEW_DEADLINE", value_name = "DURATION", default_value = "10s")]
    renew_deadline: GoDuration,
    /// How often a replica tries again to take or renew the Lease when that failed.
    #[arg(long, env = "MAESTRO_RETRY_PERIOD", value_name = "DURATION", default_value = "2s")]
    retry_period: GoDuration,
    /// This replica's name, different for every replica; the host's name by default, which in a
    /// pod is the pod's.
    #[arg(long, env = "MAESTRO_IDENTITY", value_name = "NAME")]
    identity: Option<String>,
    /// How many instances of one kind are reconciled at the same time.
    #[arg(long, env = "MAESTRO_CONCURRENCY", value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// Where /metrics, /healthz and /readyz are served; "none" to serve nothing.
    #[arg(long, env = "MAESTRO_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080",
          value_parser = listen)]
    listen: Listen,
    /// How long reconciles under way may take to end after SIGTERM or SIGINT.
    #[arg(long, env = "MAESTRO_GRACE", value_name = "DURATION", default_value = "25s")]
    grace: GoDuration,
    /// How the log is written.
    #[arg(long, env = "MAESTRO_LOG_FORMAT", value_name = "FORMAT", default_value = "json")]
    log_format: LogFormat,
    /// What is logged, as of tracing's env-filter: "info", "debug", "info,maestro_core=debug".
    #[arg(long, env = "MAESTRO_LOG", value_name = "FILTER", default_value = "info",
          value_parser = filter)]
    log: String,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Where to serve; clap would take an `Option` for a flag that may be absent.
#[derive(Debug, Clone, Copy)]
struct Listen(Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen(None));
    }
    let address = text.parse().map(|address| Listen(Some(address)));
    address.map_err(|_| "write an address and a port, as in 0.0.0.0:8080, or none".to_owned())
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl Operator {
    pub(super) fn run(self) -> super::Result {
        let timings = LeaseTimings {
            duration: self.lease_duration.0,
            renew_deadline: self.renew_deadline.0,
            retry_period: self.retry_period.0,
        };
        if let Err(why) = timings.check() {
            eprintln!("error: {why}");
            return Ok(Exit::Usage);
        }
        self.start_log();
        // Two providers may be compiled in when other crates bring their own; name ours. That one
        // is installed already is no failure.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // One thread: the operator waits for the API server nearly all of the time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.into_diagnostic().wrap_err("cannot start the runtime")?;
        let result = runtime.block_on(self.operate(timings));
        // A name look-up under way must not keep the process.
        runtime.shutdown_background();
        result
    }

    fn start_log(&self) {
        let builder = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_env_filter(EnvFilter::new(&self.log));
        match self.log_format {
            LogFormat::Json => builder.json().flatten_event(true).init(),
            LogFormat::Text => builder.init(),
        }
    }

    async fn operate(self, timings: LeaseTimings) -> super::Result {
        let (stop, stopped) = tokio::sync::watch::channel(());
        let signals = Signals::new()?;
        let config = self.config().await?;
        let home = config.default_namespace.clone();
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).into_diagnostic();
        let client = client.wrap_err("cannot make a client for the cluster")?;
        let identity = self.identity()?;
        let namespace = self.namespace.filter(|name| !name.is_empty());
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, identity, server, namespace, lease = self.lease, "starting");
        let lease = self.lease.then(|| LeaseOptions {
            namespace: self.lease_namespace.unwrap_or(home),
            name: self.lease_name,
            timings,
        });
        let options = OperatorOptions {
            identity,
            namespace,
            lease,
            concurrency: self.concurrency,
            shutdown: shutdown(stopped),
            listen: self.listen.0,
        };
        let mut work = std::pin::pin!(run(client, options));
        tokio::select! {
            ended = &mut work => return finish(ended),
            name = signals.first() => tracing::info!(signal = name, "ending"),
        }
        drop(stop);
        match tokio::time::timeout(self.grace.0, work).await {
            Ok(ended) => finish(ended),
            Err(_) => Err(miette!("reconciles under way did not end within {}", self.grace)),
        }
    }

    async fn config(&self) -> miette::Result<Config> {
        let options =
            KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(path) = &self.kubeconfig {
            let place = format!("cannot use the kubeconfig {}", path.display());
            let file = Kubeconfig::read_from(path).into_diagnostic().wrap_err(place.clone())?;
            let config = Config::from_custom_kubeconfig(file, &options).await;
            return config.into_diagnostic().wrap_err(place);
        }
        if let Some(context) = &self.context {
            let config = Config::from_kubeconfig(&options).await.into_diagnostic();
            return config.wrap_err_with(|| format!("cannot use the context {context:?}"));
        }
        let config = Config::infer().await.into_diagnostic();
        config.wrap_err("there is no kubeconfig and this is no pod; give --kubeconfig FILE")
    }

    fn identity(&self) -> miette::Result<String> {
        if let Some(name) = self.identity.as_ref().filter(|name| !name.is_empty()) {
            return Ok(name.clone());
        }
        let name = hostname::get().into_diagnostic().wrap_err("the host has no name")?;
        let name = name.into_string().ok().filter(|name| !name.is_empty());
        name.ok_or_else(|| miette!("the host's name is not text; give --identity NAME"))
    }
}

/// Ready once the sender is dropped.
fn shutdown(mut stopped: tokio::sync::watch::Receiver<()>) -> Shutdown {
    Box::pin(async move { drop(stopped.changed().await) })
}

fn finish(ended: Result<(), crate::operator::Error>) -> super::Result {
    match ended {
        Ok(()) => {
            tracing::info!("ended");
            Ok(Exit::Ok)
        }
        Err(error) => {
            tracing::error!(%error, "ended");
            Err(miette!("{error}"))
        }
    }
}

/// The signals that end the operator gracefully.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    fn new() -> miette::Result<Self> {
        let listen = |kind| signal(kind).into_diagnostic().wrap_err("cannot listen to signals");
        let terminate = listen(SignalKind::terminate())?;
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    /// The name of the first that comes.
    async fn first(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
