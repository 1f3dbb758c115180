//! Connections: accepted within a limit, each with its handshake, its timeouts and its end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Limits;
use super::access::Door;
use super::patience::Patient;
use super::tls::{Clients, Tls};

/// Streams that one HTTP/2 connection may have open; kube-apiserver's default is 250.
const STREAMS: u32 = 250;
/// After so much silence an HTTP/2 client is asked whether it is there.
const PING: Duration = Duration::from_secs(30);
/// How long the listener rests when the system gives it no connection.
const REST: Duration = Duration::from_millis(50);

/// Accepts clients until `shutdown`, then waits for the requests under way, within the limit.
pub(super) async fn accept(
    listener: TcpListener,
    tls: &Tls,
    door: Door,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let (ending, ends) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let room = room.clone().acquire_owned().await.ok();
            (listener.accept().await, room)
        };
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (accepted, room) = next => match accepted {
                Ok((stream, _)) => {
                    let serve = serve(stream, (tls.acceptor(), tls.clients()), door.clone(), limits.clone(), ends.clone());
                    connections.spawn(async move {
                        serve.await;
                        drop(room);
                    });
                }
                // Too many open files, or a client that was gone already.
                Err(_) => tokio::time::sleep(REST).await,
            },
        }
    }
    drop(listener);
    ending.send_replace(true);
    door.close();
    let rest = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(limits.ending, rest).await;
    connections.shutdown().await;
}

async fn serve(
    stream: TcpStream,
    (tls, clients): (TlsAcceptor, Arc<Clients>),
    door: Door,
    limits: Limits,
    mut ends: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, limits.reading);
    // What comes of a connection is its client's matter: nobody else is told of its errors.
    let Ok(Ok(stream)) = tokio::time::timeout(limits.sending, tls.accept(stream)).await else {
        return;
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let caller = door.caller(chain, clients.vouches(chain));
    let service = service_fn(move |request| {
        let caller = caller.clone();
        async move { Ok::<_, std::convert::Infallible>(caller.answer(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.sending)
        .max_buf_size(limits.headers.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.headers).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(limits.reading);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ends.wait_for(|ends| *ends) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
