//! What stands where envtest looks for etcd: a server that says that it is well.
//!
//! The simulated API server keeps everything in its own memory, so nothing is stored here, and
//! nothing but health and version is answered.
//!
//! Source: <https://etcd.io/docs/v3.6/op-guide/monitoring/#health-check>.

use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Error;
use super::flags::{FlagError, Flags, wrong};

/// What it says of its version; the cluster's has no patch.
const VERSIONS: &str = r#"{"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"}"#;
const HEALTH: &str = r#"{"health":"true","reason":""}"#;
/// Where clients are served unless something else is said.
const USUAL: &str = "http://localhost:2379";
/// How long the listener rests when the system gives it no connection.
const REST: Duration = Duration::from_millis(50);

/// An etcd that listens and is not yet served.
pub struct Etcd {
    listeners: Vec<TcpListener>,
}

/// Where a command line wants clients to be served.
fn addresses(flags: &Flags) -> Result<Vec<SocketAddr>, FlagError> {
    let (http, clients) = ("listen-client-http-urls", "listen-client-urls");
    let name = if flags.text(http).is_some() { http } else { clients };
    let mut urls: Vec<&str> = flags.list(name).collect();
    if urls.is_empty() {
        urls.push(USUAL);
    }
    let mut found = Vec::new();
    for url in urls {
        let place = url.strip_prefix("http://").ok_or("only http:// is simulated".to_owned());
        let place = place.map(|place| place.trim_end_matches('/'));
        let all = place.and_then(|place| place.to_socket_addrs().map_err(|why| why.to_string()));
        match all.map(|mut all| all.next()) {
            Ok(Some(address)) => found.push(address),
            Ok(None) => return Err(wrong(name, url, "the host has no address")),
            Err(why) => return Err(wrong(name, url, why)),
        }
    }
    Ok(found)
}

impl Etcd {
    /// The version that is stood in for.
    pub const VERSION: &str = "3.7.3";

    /// Listens where a command line says.
    ///
    /// # Errors
    /// When an address is none, or cannot be had.
    pub async fn bind(flags: &Flags) -> Result<Self, Box<dyn std::error::Error>> {
        let mut listeners = Vec::new();
        for address in addresses(flags)? {
            let listen = TcpListener::bind(address).await;
            listeners.push(listen.map_err(|source| Error::Listen { address, source })?);
        }
        Ok(Self { listeners })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut doors: JoinSet<()> = self.listeners.into_iter().map(accept).collect();
        shutdown.await;
        doors.shutdown().await;
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let io = TokioIo::new(stream);
                    // What comes of a connection is its client's matter.
                    let _ = builder.serve_connection(io, service_fn(answer)).await;
                });
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let told = match request.uri().path() {
        "/health" => Some(HEALTH),
        "/livez" | "/readyz" => Some("ok\n"),
        "/version" => Some(VERSIONS),
        _ => None,
    };
    let mut response = Response::new(Full::from(told.unwrap_or("404 page not found\n")));
    if told.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    let json = told.is_some_and(|told| told.starts_with('{'));
    let kind = if json { "application/json" } else { "text/plain; charset=utf-8" };
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::super::flags::Program;
    use super::*;

    #[test]
    fn clients_are_served_where_the_command_line_says() {
        for (line, expected) in [
            ("--listen-client-urls=http://127.0.0.1:7", Ok("127.0.0.1:7")),
            ("--listen-client-urls=http://127.0.0.1:7/", Ok("127.0.0.1:7")),
            ("--listen-client-urls=https://127.0.0.1:7", Err("only http:// is simulated")),
            ("--listen-client-urls=http://127.0.0.1", Err("invalid")),
            ("--listen-client-http-urls=http://127.0.0.1:8", Ok("127.0.0.1:8")),
        ] {
            let flags = Program::Etcd.parse(&[line.to_owned()]).expect("known flags");
            match (addresses(&flags), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found[0].to_string(), expected, "{line}"),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{line}: {error}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
