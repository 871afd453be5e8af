//! Listening and answering, with a limit on everything that a caller could use up: connections, headers, time.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::sign_in::Peer;
use super::{Serve, ServeError, Site, routes};

/// Connections at once; further ones wait in the queue of the system.
const CONNECTIONS: usize = 64;
/// How long a caller may take over its headers.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection may last, with all its requests.
const CONNECTION: Duration = Duration::from_secs(300);
/// How long open connections may still take once the server is to end.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long to wait when the system has no connection to give.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of headers, and their number.
const HEADER_BYTES: usize = 64 * 1024;
const HEADER_LINES: usize = 64;

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    site: Arc<Site>,
}

impl Server {
    /// Listens where the configuration says. Callers wait until [`Server::run`].
    ///
    /// # Errors
    /// When it may not listen there ([`Serve::check`]), or cannot.
    pub async fn bind(serve: &Serve, site: Arc<Site>) -> Result<Self, ServeError> {
        serve.check()?;
        let cannot = |e| ServeError(format!("`listen` = {}: cannot listen there: {e}", serve.listen));
        let listener = TcpListener::bind(serve.listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address, site })
    }

    /// The address it listens on; with port 0 in the configuration, the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` is done, and then what was already asked.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let router = routes::router(self.site);
        let mut open = JoinSet::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::pin!(end);
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (self.listener.accept().await, place)
            };
            tokio::select! {
                () = &mut end => break,
                // What ended is taken out, so that the set does not grow.
                Some(_) = open.join_next() => {}
                (accepted, place) = next => match accepted {
                    Ok((stream, from)) => {
                        let router = router.clone();
                        open.spawn(async move {
                            let _ = timeout(CONNECTION, answer(stream, Peer::new(from.ip()), router)).await;
                            drop(place);
                        });
                    }
                    Err(e) => {
                        tracing::warn!(error = %e, "no connection can be taken");
                        let _ = timeout(PAUSE, pending::<()>()).await;
                    }
                },
            }
        }
        drop(self.listener);
        let _ = timeout(FAREWELL, async { while open.join_next().await.is_some() {} }).await;
    }
}

/// Requests one after another, each with its answer, until whoever asks is quiet for as long as headers may take.
async fn answer(stream: TcpStream, peer: Peer, router: axum::Router) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let served = Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(true)
        .header_read_timeout(HEADERS)
        .max_headers(HEADER_LINES)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(e) = served {
        tracing::debug!(error = %e, "a connection ended early");
    }
}
