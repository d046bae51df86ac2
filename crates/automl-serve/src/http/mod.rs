//! The HTTP door: `POST /rpc`, plain REST, and server-sent events.
//!
//! Every request but a look at `/` needs the bearer token. Other pages in a browser on this machine
//! cannot get in: they do not know the token, and no cookie carries it. Calls are answered one after the
//! other, on a thread of their own.

mod events;
mod rest;
mod token;
mod worker;

pub use token::{Token, TokenError};

use crate::MESSAGE_MAX;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use events::Events;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use worker::Worker;

/// What every request sees.
#[derive(Clone)]
struct Door {
    worker: Worker,
    events: Events,
    token: Arc<Token>,
}

/// A bound address, before anything is answered.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// What the system reports.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Listener)
    }

    /// Returns the address, with the port that the system chose where 0 was asked for.
    ///
    /// # Errors
    /// What the system reports.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Answers requests over the studies below `root` until `stop` is ready; requests in progress are
/// finished.
///
/// # Errors
/// What the system reports.
pub async fn serve(
    listener: Listener,
    root: PathBuf,
    token: Token,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let events = Events::new();
    let ending = events.clone();
    let (worker, thread) = Worker::start(root);
    let door = Door { worker, events, token: Arc::new(token) };
    // Listeners of the stream never go by themselves, and would keep the server up.
    let stop = async move {
        stop.await;
        ending.end();
    };
    let served = axum::serve(listener.0, router(door)).with_graceful_shutdown(stop).await;
    // The last door is gone, so the thread closes its stores and ends.
    let _ = thread.join();
    served
}

fn router(door: Door) -> Router {
    let guarded = rest::routes()
        .route("/rpc", post(rpc))
        .route("/events", get(events::stream))
        .route_layer(middleware::from_fn_with_state(door.clone(), guard));
    Router::new()
        .route("/", get(front))
        .merge(guarded)
        .fallback(rest::nowhere)
        .method_not_allowed_fallback(rest::wrong_verb)
        .layer(DefaultBodyLimit::max(MESSAGE_MAX))
        .with_state(door)
}

async fn front() -> &'static str {
    "automl serve: POST /rpc (JSON-RPC 2.0), GET /studies, GET /events; each needs the header \
     `Authorization: Bearer TOKEN`\n"
}

/// Lets in who knows the token.
async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    if door.token.admits(request.headers()) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    let message = "this needs the header `Authorization: Bearer TOKEN`; the token is in serve.token\n";
    (StatusCode::UNAUTHORIZED, challenge, message).into_response()
}

async fn rpc(State(door): State<Door>, body: Bytes) -> Response {
    let Ok(text) = String::from_utf8(body.to_vec()) else {
        return json(StatusCode::OK, crate::rpc::refusal("the message is not UTF-8"));
    };
    let events = door.events.clone();
    let answer = door.worker.run(move |service| {
        crate::rpc::answer(&text, |method, params| {
            let result = service.call(method, params);
            events.tell(method, params, &result);
            result
        })
    });
    match answer.await {
        Some(Some(answer)) => json(StatusCode::OK, answer),
        Some(None) => StatusCode::NO_CONTENT.into_response(),
        None => broken(),
    }
}

/// The answer where a call broke down.
fn broken() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "the call broke down; the service goes on\n").into_response()
}

fn json(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
