//! Server-sent events: every change of a study, as it happens, for dashboards.

use super::Door;
use crate::Service;
use crate::error::RpcError;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

/// Changes that a slow listener may lag behind before it misses some.
const BACKLOG: usize = 1024;

/// Tells listeners what changes. After [`Events::end`] their streams end.
#[derive(Clone)]
pub(super) struct Events(Arc<Mutex<Option<broadcast::Sender<Value>>>>);

impl Events {
    pub(super) fn new() -> Self {
        Events(Arc::new(Mutex::new(Some(broadcast::channel(BACKLOG).0))))
    }

    /// Tells of a call that changed something.
    pub(super) fn tell(&self, method: &str, params: &Value, result: &Result<Value, RpcError>) {
        let (true, Ok(result)) = (Service::changes(method), result) else { return };
        let event = json!({"method": method, "params": params, "result": result});
        if let Some(sender) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Nobody may be listening.
            let _ = sender.send(event);
        }
    }

    pub(super) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn listen(&self) -> broadcast::Receiver<Value> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
    }
}

/// `GET /events`: one event a change, named after its method; `missed` where a listener was too slow.
pub(super) async fn stream(State(door): State<Door>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(door.events.listen()).map(|change| {
        Ok(match change {
            Ok(change) => {
                let name = change["method"].as_str().unwrap_or_default().to_string();
                Event::default().event(name).data(change.to_string())
            }
            Err(_) => Event::default().event("missed").data("{}"),
        })
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
