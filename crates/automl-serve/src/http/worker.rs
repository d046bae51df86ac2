//! The thread that owns the service. A store belongs to one thread, and calls are answered one after the
//! other; requests wait for their answer without holding up those who wait for them.

use crate::Service;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Service) + Send>;

/// A way to the service's thread; the thread ends when the last one is dropped.
#[derive(Clone)]
pub(super) struct Worker(Sender<Job>);

impl Worker {
    /// Starts the thread over the studies below a folder.
    pub(super) fn start(root: PathBuf) -> (Self, JoinHandle<()>) {
        let (sender, jobs) = channel::<Job>();
        let thread = thread::spawn(move || {
            let mut service = Service::new(root);
            for job in jobs {
                // What a call that panicked had not made durable has not happened; the next one is heard.
                let _ = catch_unwind(AssertUnwindSafe(|| job(&mut service)));
            }
        });
        (Worker(sender), thread)
    }

    /// Runs something on the service; `None` if that broke down.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Service) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |service: &mut Service| {
            // Whoever asked may have gone; the call was made all the same.
            let _ = reply.send(run(service));
        });
        self.0.send(job).ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_panics_does_not_end_the_service() {
        let (worker, thread) = Worker::start("/nowhere".into());
        assert_eq!(worker.run(|_| -> u8 { panic!("on purpose") }).await, None);
        assert_eq!(worker.run(|_| 7).await, Some(7));
        drop(worker);
        thread.join().unwrap();
    }
}
