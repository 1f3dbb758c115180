//! The listener: `/metrics`, `/healthz` and `/readyz` over plain HTTP.
//!
//! A replica that waits for the lease is ready: readiness that followed leadership would hold up
//! every rolling update of the operator.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Error;
use super::metrics::Metrics;

/// A listener that ends when this is dropped.
pub(super) struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves at an address.
pub(super) async fn spawn(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Listener, Error> {
    let socket = TcpListener::bind(address).await?;
    tracing::info!(address = %socket.local_addr()?, "listening");
    Ok(Listener(tokio::spawn(accept(socket, metrics))))
}

async fn accept(socket: TcpListener, metrics: Arc<Metrics>) {
    loop {
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                continue;
            }
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, metrics.clone()));
            let connection = hyper::server::conn::http1::Builder::new();
            // A client that goes away is no concern of ours.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    metrics: Arc<Metrics>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/metrics" => (StatusCode::OK, metrics.text()),
        "/healthz" | "/readyz" => (StatusCode::OK, "ok".to_owned()),
        _ => (StatusCode::NOT_FOUND, "not found".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let content = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content);
    Ok(response)
}
