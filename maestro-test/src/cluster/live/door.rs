//! A way to a real API server for a program: HTTP on the loopback interface, where every message
//! meets the verdict of a link.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue,
    TRANSFER_ENCODING,
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::keeper::Keeper;
use super::linked::{Answer, LinkError, Linked};

/// An open door. Dropping it closes it, and ends what passes.
pub struct Door {
    kubeconfig: PathBuf,
    folder: TempDir,
    _keeper: Keeper,
    _server: JoinSet<()>,
}

impl Door {
    /// Opens a door to a link, and writes the kubeconfig that leads there.
    ///
    /// # Errors
    /// When no port is free, or the kubeconfig cannot be written.
    pub async fn open(linked: Linked) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let folder = TempDir::with_prefix("maestro-operator-")?;
        let _keeper = Keeper::of_folder(folder.path())?;
        let kubeconfig = folder.path().join("kubeconfig");
        let server = format!("http://{}", listener.local_addr()?);
        std::fs::write(
            &kubeconfig,
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: link\n\
                 clusters: [{{name: link, cluster: {{server: '{server}'}}}}]\n\
                 users: [{{name: operator, user: {{}}}}]\n\
                 contexts: [{{name: link, context: {{cluster: link, user: operator}}}}]\n"
            ),
        )?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, linked));
        Ok(Self { kubeconfig, folder, _keeper, _server: tasks })
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A folder that goes with the door.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn accept(listener: TcpListener, linked: Linked) {
    let mut connections = JoinSet::new();
    loop {
        // What cannot be accepted is the client's to try again.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let linked = linked.clone();
        connections.spawn(async move {
            let service = service_fn(|request| pass(linked.clone(), request));
            // A connection that breaks off is the client's to open again.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn pass(
    linked: Linked,
    request: http::Request<Incoming>,
) -> Result<http::Response<Answer>, LinkError> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| LinkError::Body(error.to_string()))?;
    for header in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, AUTHORIZATION] {
        parts.headers.remove(header);
    }
    // Who wrote what is read off the answers.
    parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let body: Bytes = body.to_bytes();
    let mut response = linked.serve(http::Request::from_parts(parts, Body::from(body))).await?;
    for header in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        response.headers_mut().remove(header);
    }
    Ok(response)
}
