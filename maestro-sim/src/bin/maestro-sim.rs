//! `maestro-sim`: a simulated cluster that any client can talk to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use maestro_sim::facts::Version;
use maestro_sim::serve::flags::{Flags, Program};
use maestro_sim::serve::{Etcd, Options, Parts, Route, Server, Users, assets, command};

/// A whole Kubernetes cluster in memory.
#[derive(Parser)]
#[command(name = "maestro-sim", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a cluster over TCP and TLS until it is told to stop (Ctrl-C or SIGTERM).
    Serve(Serve),
    /// Lets suites that use controller-runtime's envtest run on the simulated API server.
    ///
    ///     export KUBEBUILDER_ASSETS=$(maestro-sim envtest)
    ///     go test ./...
    ///
    /// Writes a folder with a kube-apiserver and an etcd that are this program, and the kubectl of
    /// PATH if there is one, and prints where it is. As with envtest's own, nothing but the API
    /// server runs: no controller, no scheduler, no node.
    #[command(verbatim_doc_comment)]
    Envtest(Envtest),
    /// Is the kube-apiserver that envtest starts; reads the flags of kube-apiserver, see --help.
    #[command(disable_help_flag = true)]
    KubeApiserver(Foreign),
    /// Is the etcd that envtest starts, and stores nothing; reads the flags of etcd, see --help.
    #[command(disable_help_flag = true)]
    Etcd(Foreign),
}

#[derive(Args)]
struct Envtest {
    /// The folder to write; one in the user's cache where absent.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The Kubernetes version to be.
    #[arg(long, value_name = "VERSION", default_value = Version::default().name(),
          value_parser = versions())]
    version: Version,
}

/// The command line of another program.
#[derive(Args)]
struct Foreign {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

#[derive(Args)]
struct Serve {
    /// Where to listen; only this machine unless told otherwise. Port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6443))]
    listen: SocketAddr,
    /// Where to write the administrator's kubeconfig; printed where absent.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Number of nodes, in three zones.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=5000))]
    nodes: u32,
    /// Serve the API server alone, as envtest does: no controllers, no scheduler and no nodes.
    #[arg(long, conflicts_with = "nodes")]
    api_server_only: bool,
    /// The Kubernetes version to be.
    #[arg(long, value_name = "VERSION", default_value = Version::default().name(),
          value_parser = versions())]
    version: Version,
    /// How fast the cluster's time passes: `wall`, or a factor such as `60x`.
    #[arg(long, value_name = "wall|FACTORx", default_value = "wall", value_parser = speed)]
    time: f64,
    /// Decides everything that is drawn: names, UIDs, the behaviour of workloads.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Users with tokens, a line each: `token,user,uid,"group1,group2"`.
    #[arg(long, value_name = "FILE")]
    token_auth_file: Option<PathBuf>,
    /// Where a Service of the cluster is answered, for the webhooks behind it; may be repeated.
    /// Without a port it is meant on each of its own. The webhook's certificate has to be one for
    /// `NAME.NAMESPACE.svc`, as in any cluster.
    #[arg(long, value_name = "NAMESPACE/NAME[:PORT]=HOST:PORT")]
    service: Vec<Route>,
}

/// A version by its name; the usage lists all.
fn versions() -> impl TypedValueParser<Value = Version> {
    PossibleValuesParser::new(Version::names()).try_map(|name| name.parse::<Version>())
}

fn speed(text: &str) -> Result<f64, String> {
    if text == "wall" {
        return Ok(1.0);
    }
    let factor = text.strip_suffix('x').and_then(|factor| factor.parse::<f64>().ok());
    factor
        .filter(|factor| (0.001..=100_000.0).contains(factor))
        .ok_or_else(|| "`wall`, or a factor from 0.001x to 100000x, such as `60x`".to_owned())
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(options) => run(serve(options)),
        Command::Envtest(options) => match envtest(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&*error),
        },
        Command::KubeApiserver(line) => stand_in(Program::ApiServer, &line, api_server),
        Command::Etcd(line) => stand_in(Program::Etcd, &line, etcd),
    }
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("maestro-sim: {error}");
    ExitCode::FAILURE
}

type Failure = Box<dyn std::error::Error>;

/// Acts as another program, of which `--help` and `--version` are asked as well.
fn stand_in<F: Future<Output = Result<(), Failure>>>(
    program: Program,
    line: &Foreign,
    work: impl FnOnce(Flags) -> F,
) -> ExitCode {
    let name = program.name();
    let flags = match program.parse(&line.flags) {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("{name} (maestro-sim): {error}");
            return ExitCode::FAILURE;
        }
    };
    if flags.text("help").is_some() {
        print!("{}", program.help());
        return ExitCode::SUCCESS;
    }
    if flags.text("version").is_some() {
        match program {
            Program::ApiServer => println!("Kubernetes {}", Version::default().git()),
            Program::Etcd => println!("etcd Version: {}", Etcd::VERSION),
        }
        return ExitCode::SUCCESS;
    }
    run(work(flags))
}

async fn api_server(flags: Flags) -> Result<(), Failure> {
    let stop = stopped()?;
    let asked = command::api_server(&flags)?;
    for missing in &asked.missing {
        eprintln!("kube-apiserver (maestro-sim): not simulated, and left out: {missing}");
    }
    let version = asked.options.version;
    let server = Server::bind(asked.options).await?;
    let address = server.address();
    eprintln!("kube-apiserver (maestro-sim): Kubernetes {version} on https://{address}");
    server.run(stop).await;
    Ok(())
}

async fn etcd(flags: Flags) -> Result<(), Failure> {
    let stop = stopped()?;
    let etcd = Etcd::bind(&flags).await?;
    for address in etcd.addresses() {
        eprintln!("etcd (maestro-sim): on http://{address}, and stores nothing");
    }
    etcd.run(stop).await;
    Ok(())
}

fn envtest(asked: &Envtest) -> Result<(), Failure> {
    let usual = || assets::usual_folder(asked.version);
    let folder = asked.folder.clone().or_else(usual).ok_or("no HOME: name a folder")?;
    let folder = std::path::absolute(folder)?;
    let kubectl = assets::kubectl();
    assets::write(&folder, &std::env::current_exe()?, asked.version, kubectl.as_deref())
        .map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
    if kubectl.is_none() {
        eprintln!("maestro-sim: there is no kubectl in PATH, which a few suites call");
    }
    println!("{}", folder.display());
    Ok(())
}

async fn serve(asked: Serve) -> Result<(), Failure> {
    let users = match &asked.token_auth_file {
        Some(path) => Users::from_file(path)?,
        None => Users::default(),
    };
    let parts = match asked.api_server_only {
        true => Parts::ApiServer,
        false => Parts::Cluster { nodes: asked.nodes, workloads: Vec::new() },
    };
    let server = Server::bind(Options {
        version: asked.version,
        seed: asked.seed,
        speed: asked.time,
        users,
        services: asked.service,
        ..Options::new(asked.listen, parts)
    })
    .await?;
    let stop = stopped()?;
    let (address, version) = (server.address(), asked.version);
    match asked.api_server_only {
        true => eprintln!("serving an API server of Kubernetes {version} on https://{address}"),
        false => {
            let nodes = asked.nodes;
            eprintln!("serving Kubernetes {version} with {nodes} nodes on https://{address}");
        }
    }
    match &asked.kubeconfig {
        Some(path) => {
            server.write_kubeconfig(path)?;
            eprintln!("export KUBECONFIG={}", path.display());
        }
        None => print!("{}", server.kubeconfig().unwrap_or_default()),
    }
    server.run(stop).await;
    Ok(())
}

/// Done when the process is told to stop.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}
