//! Connections whose client keeps us waiting on purpose or by accident.
//!
//! actix-web bounds the time that the first head on a connection takes, and the silence between two requests, but not
//! the time of a later head that comes byte by byte: its first byte ends the silence. So each connection is watched
//! here: one on which nothing was going on for longer than silence and a head may take together is closed.

use std::any::Any;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::net::{Shutdown, shutdown};
use tokio_util::sync::CancellationToken;

/// How long a connection may be silent between two requests.
pub const SILENCE: Duration = Duration::from_secs(5);

/// How long a client may take nothing of what it is sent, milliseconds.
const DEAFNESS_MS: u32 = 60_000;

/// How often the connections are looked through.
const INTERVAL: Duration = Duration::from_millis(500);

/// All connections of the server. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Mutex<Vec<Weak<Connection>>>>);

/// One of them, as long as it is open.
#[derive(Debug)]
struct Connection {
    /// The same socket once more, for closing it.
    socket: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests that are being answered.
    requests: usize,
    /// Since when there is none.
    idle_since: Instant,
}

impl Connections {
    /// Watches a connection that has just been opened, in the clear or by TLS.
    pub fn watch(&self, stream: &dyn Any, data: &mut Extensions) {
        let by_tls = || stream.downcast_ref::<TlsStream<TcpStream>>();
        let Some(stream) = stream
            .downcast_ref::<TcpStream>()
            .or_else(|| by_tls().map(|stream| stream.get_ref().0))
        else {
            return;
        };
        // only the kernel can know of it, because nothing more is written to a connection whose buffers are full
        if let Err(error) = set_tcp_user_timeout(stream, DEAFNESS_MS) {
            tracing::debug!(%error, "a connection's time is not bounded");
        }
        let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
            return;
        };
        let state = State {
            requests: 0,
            idle_since: Instant::now(),
        };
        let connection = Arc::new(Connection {
            socket,
            state: Mutex::new(state),
        });
        self.lock().push(Arc::downgrade(&connection));
        data.insert(connection);
    }

    /// Closes, until `stop` is cancelled, those on which nothing goes on for longer than silence and a head may take.
    pub async fn close_the_slow(self, head_time: Duration, stop: CancellationToken) {
        let patience = SILENCE + head_time;
        while tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_err() {
            self.lock().retain(|connection| {
                let Some(connection) = connection.upgrade() else {
                    return false;
                };
                let is_slow = connection.is_idle_for(patience);
                if is_slow {
                    connection.close();
                }
                !is_slow
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn is_idle_for(&self, time: Duration) -> bool {
        let state = self.lock();
        state.requests == 0 && state.idle_since.elapsed() > time
    }

    fn close(&self) {
        metrics::counter!("windfarm_api_slow_connections_closed_total").increment(1);
        if let Err(error) = shutdown(&self.socket, Shutdown::Both) {
            tracing::debug!(%error, "a slow connection was gone already");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
struct Request(Arc<Connection>);

impl Request {
    fn begin(connection: &Arc<Connection>) -> Self {
        connection.lock().requests += 1;
        Self(Arc::clone(connection))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests = state.requests.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

/// The body of an answer; the request lasts until it has been sent.
struct Answering {
    body: BoxBody,
    _request: Option<Request>,
}

impl MessageBody for Answering {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}

/// Middleware: tells the connection that something is going on.
///
/// # Errors
/// Those of the request.
pub async fn note_request(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let going_on = request.conn_data::<Arc<Connection>>().map(Request::begin);
    let answer = next.call(request).await?.map_into_boxed_body();
    Ok(answer.map_body(|_, body| Answering {
        body,
        _request: going_on,
    }))
}
