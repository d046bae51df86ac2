//! Growing folders, taken elsewhere in the background.
//!
//! A thread of its own looks at the folders again and again and uploads what has changed. It reads, and
//! writes nothing but its ledger, so it can neither block nor fail whoever writes the folders. What it
//! has uploaded stands in the ledger, so a later process carries on where this one ended.

mod archive;
mod ledger;
mod scan;
#[cfg(test)]
mod tests;
mod worker;

use crate::place::Place;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use worker::{Command, Worker};

/// What happens to a file, by its path relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choose {
    /// It stays.
    Leave,
    /// It goes by itself, as soon as it has not changed for a moment.
    File,
    /// It goes into an archive of this name when its folder has ended.
    Archive(String),
}

/// A folder to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where its files go below the place, for example `trials/00007`.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Nobody writes to it any more.
    pub ended: bool,
}

/// What came of all uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files and archives uploaded by this process.
    pub uploaded: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files and archives that could not be uploaded, or were not for want of time.
    pub left: u64,
}

/// Uploads in the background.
#[derive(Debug)]
pub struct Uploader {
    commands: Sender<Command>,
    notes: Receiver<String>,
    abort: Arc<AtomicBool>,
    thread: Option<JoinHandle<Outcome>>,
}

impl Uploader {
    /// Starts uploading to a place; what is uploaded is remembered in the ledger file.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub fn start(
        place: Place,
        ledger: PathBuf,
        choose: impl Fn(&str) -> Choose + Send + 'static,
    ) -> io::Result<Self> {
        let (commands, inbox) = channel();
        let (outbox, notes) = channel();
        let abort = Arc::new(AtomicBool::new(false));
        let worker = Worker::new(place, &ledger, Box::new(choose), outbox, Arc::clone(&abort))?;
        let thread = thread::Builder::new().name("uploads".into()).spawn(move || worker.run(&inbox))?;
        Ok(Uploader { commands, notes, abort, thread: Some(thread) })
    }

    /// Has a folder looked at from now on. The same name again says more about the same folder.
    pub fn follow(&self, source: Source) {
        // The thread only ends when it is told to, and is told nothing after that.
        let _ = self.commands.send(Command::Follow(source));
    }

    /// Returns what has gone wrong since the last call, in words.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.notes.try_iter().collect()
    }

    /// Has everything uploaded that is left, whether its folder has ended or not, and the thread end.
    pub fn finish(&self) {
        let _ = self.commands.send(Command::Finish);
    }

    /// Has the thread end after the file at hand; a later process uploads the rest.
    pub fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
        self.finish();
    }

    /// Returns what came of it, once the thread has ended.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        let thread = self.thread.take_if(|_| ended)?;
        Some(thread.join().unwrap_or_default())
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        self.abort();
    }
}
