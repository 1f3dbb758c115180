//! Webhooks of a served cluster, asked over HTTPS.
//!
//! The server itself waits for nothing: the service of a client asks what its request was left for
//! and has it handled once more, and one task asks for the cluster's own controllers.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::trust;
use crate::api::webhook::{Answer, Asked};
use crate::json::Value;
use crate::service::Outside;
use crate::sim::Cluster;

/// Between two looks at what the controllers wait for.
const LOOK: Duration = Duration::from_millis(20);
/// How long, in the world's time, an answer is kept for a controller's next try.
const KEPT: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const LONGEST: usize = 3 << 20;

/// Asks over HTTPS.
pub(super) struct Https;

impl Outside for Https {
    fn ask(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move {
            let patience = Duration::from_secs(asked.timeout_secs);
            match tokio::time::timeout(patience, exchange(&asked)).await {
                Ok(answer) => answer,
                Err(_) => Err("context deadline exceeded".into()),
            }
        })
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn exchange(asked: &Asked) -> Answer {
    let url: Uri = asked.url.parse().map_err(told)?;
    let host = url.host().ok_or("the URL has no host")?.to_owned();
    let port = url.port_u16().unwrap_or(443);
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let there = asked.dial.clone().unwrap_or_else(|| format!("{host}:{port}"));
    let stream = TcpStream::connect(there.as_str()).await;
    let stream = stream.map_err(|e| format!("dial tcp {there}: {e}"))?;
    let name = ServerName::try_from(bare).map_err(told)?;
    let stream = trust::connector(&asked.authorities)?.connect(name, stream).await;
    let stream = stream.map_err(|error| trust::told(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(told)?;
    let driver = tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let body = Full::new(Bytes::from(asked.review.to_string()));
    let request = Request::post(path)
        .header(HOST, format!("{host}:{port}"))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .body(body)
        .map_err(told)?;
    let response = sender.send_request(request).await.map_err(told)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(told)?;
    driver.abort();
    if !status.is_success() {
        return Err(format!("the server responded with the status code {}", status.as_u16()));
    }
    serde_json::from_slice::<Value>(&body.to_bytes()).map_err(told)
}

/// Asks for the cluster's own controllers, for ever.
pub(super) async fn ask_for_controllers(cluster: Cluster) {
    loop {
        tokio::time::sleep(LOOK).await;
        for asked in cluster.with(|world| world.server.webhooks.take_waiting()) {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                let answer = Https.ask(asked.clone()).await;
                cluster.with(|world| {
                    let until = world.now + KEPT;
                    world.server.webhooks.keep(asked, answer, until);
                });
            });
        }
    }
}
