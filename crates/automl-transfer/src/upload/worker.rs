//! The thread that uploads.

use super::ledger::{Ledger, Stamp};
use super::scan::{Found, scan};
use super::{Choose, Outcome, Source, archive};
use crate::place::Place;
use crate::retry::{retrying, store_refuses};
use object_store::buffered::BufWriter;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

/// Time between two looks at the folders.
const LOOK: Duration = Duration::from_secs(5);
/// Longest time between two looks, after failures.
const LOOK_MAX: Duration = Duration::from_secs(300);
/// A file younger than this may still be written; it is looked at again.
const SETTLED_MS: u64 = 2_000;
/// Failures in a row after which a place is taken to be down, and the rest is left.
const FAILURES_MAX: u32 = 3;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Command {
    Follow(Source),
    Finish,
}

pub(super) struct Worker {
    place: Place,
    ledger: Ledger,
    choose: Box<dyn Fn(&str) -> Choose + Send>,
    notes: Sender<String>,
    abort: Arc<AtomicBool>,
    runtime: Runtime,
    sources: BTreeMap<String, Source>,
    outcome: Outcome,
    /// Failures of this look since its last success.
    failures: u32,
    /// People know that something is wrong.
    noted: bool,
}

/// Something to upload: a file of the folder, or an archive of several.
struct Item<'f> {
    /// Where it goes below the place.
    name: String,
    stamp: Stamp,
    files: Vec<&'f Found>,
    is_archive: bool,
}

impl Worker {
    pub(super) fn new(
        place: Place,
        ledger: &Path,
        choose: Box<dyn Fn(&str) -> Choose + Send>,
        notes: Sender<String>,
        abort: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let ledger = Ledger::open(ledger, place.shown())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sources, outcome) = (BTreeMap::new(), Outcome::default());
        Ok(Worker {
            place,
            ledger,
            choose,
            notes,
            abort,
            runtime,
            sources,
            outcome,
            failures: 0,
            noted: false,
        })
    }

    pub(super) fn run(mut self, inbox: &Receiver<Command>) -> Outcome {
        let mut pause = LOOK;
        loop {
            match inbox.recv_timeout(pause) {
                Ok(Command::Follow(source)) => {
                    self.sources.insert(source.name.clone(), source);
                    continue;
                }
                Ok(Command::Finish) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look(false);
            pause = if self.failures == 0 { LOOK } else { (pause * 2).min(LOOK_MAX) };
        }
        self.look(true);
        self.outcome
    }

    /// Uploads what has changed. The last look takes what is there, and counts what it cannot upload.
    fn look(&mut self, last: bool) {
        self.failures = 0;
        let sources: Vec<Source> = self.sources.values().cloned().collect();
        for source in sources {
            let found = scan(&source.folder);
            let items = self.items(&source, &found, last);
            for item in items {
                let aborted = self.abort.load(Ordering::Relaxed);
                let down = self.failures >= FAILURES_MAX || (!last && self.failures > 0);
                if aborted || down || !self.upload(&source, &item) {
                    self.outcome.left += u64::from(last);
                }
            }
            // An ended folder without remains is never looked at again.
            if source.ended && self.failures == 0 {
                self.sources.remove(&source.name);
            }
        }
    }

    /// Returns what of a folder has changed since it was uploaded.
    fn items<'f>(&self, source: &Source, found: &'f [Found], last: bool) -> Vec<Item<'f>> {
        let done = source.ended || last;
        let mut items = Vec::new();
        let mut archives: BTreeMap<String, Vec<&Found>> = BTreeMap::new();
        for file in found {
            match (self.choose)(&file.name) {
                Choose::Leave => {}
                Choose::Archive(name) => archives.entry(name).or_default().push(file),
                Choose::File if done || file.age_ms() >= SETTLED_MS => items.push(Item {
                    name: format!("{}/{}", source.name, file.name),
                    stamp: file.stamp,
                    files: vec![file],
                    is_archive: false,
                }),
                Choose::File => {}
            }
        }
        if source.ended {
            items.extend(archives.into_iter().map(|(name, files)| Item {
                name: format!("{}/{name}", source.name),
                stamp: archive::stamp(&files),
                files,
                is_archive: true,
            }));
        }
        items.retain(|item| !self.ledger.has(&item.name, item.stamp));
        items
    }

    fn upload(&mut self, source: &Source, item: &Item<'_>) -> bool {
        let result =
            if item.is_archive { self.upload_archive(source, item) } else { self.upload_file(source, item) };
        let result = result.and_then(|bytes| self.ledger.add(&item.name, item.stamp).map(|()| bytes));
        match result {
            Ok(bytes) => {
                self.outcome.uploaded += 1;
                self.outcome.bytes += bytes;
                (self.failures, self.noted) = (0, false);
                true
            }
            // The program has removed or replaced it: nothing is wrong, and there is a next look.
            Err(error) if item.files.iter().any(|f| !source.folder.join(&f.name).exists()) => {
                drop(error);
                true
            }
            Err(error) => {
                self.failures += 1;
                if !std::mem::replace(&mut self.noted, true) {
                    let to = self.place.shown();
                    // Nobody listening is no reason to stop.
                    let _ = self.notes.send(format!("cannot upload {} to {to}: {error}", item.name));
                }
                false
            }
        }
    }

    fn upload_file(&self, source: &Source, item: &Item<'_>) -> io::Result<u64> {
        self.send(&source.folder.join(&item.files[0].name), &item.name)
    }

    fn upload_archive(&self, source: &Source, item: &Item<'_>) -> io::Result<u64> {
        let scratch = self.ledger.scratch();
        let sent = archive::write(&source.folder, &item.files, &scratch)
            .and_then(|()| self.send(&scratch, &item.name));
        // It is written anew for the next archive; a left-over costs space and nothing else.
        let _ = std::fs::remove_file(&scratch);
        sent
    }

    fn send(&self, file: &Path, name: &str) -> io::Result<u64> {
        let place = self.place.join(name);
        let lasts = |error: &io::Error| {
            let store = error.get_ref().and_then(|e| e.downcast_ref::<object_store::Error>());
            place.is_local() || store.is_some_and(store_refuses) || error.kind() == io::ErrorKind::NotFound
        };
        let file = file.to_path_buf();
        self.runtime.block_on(retrying(lasts, || put(file.clone(), place.clone())))
    }
}

/// Writes a file to a place; it is there when it is complete, in parts where it is large.
async fn put(file: PathBuf, place: Place) -> io::Result<u64> {
    let mut reader = tokio::fs::File::open(&file).await?;
    let mut writer = BufWriter::new(place.store(), place.path().clone());
    match tokio::io::copy(&mut reader, &mut writer).await {
        Ok(bytes) => writer.shutdown().await.map(|()| bytes),
        Err(error) => {
            // What was sent of it is of no use; the first error tells more than a second one would.
            let _ = writer.abort().await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc::channel;

    #[test]
    fn a_place_that_was_down_is_tried_at_the_next_look() {
        let dir = tempfile::tempdir().unwrap();
        let (results, target) = (dir.path().join("results"), dir.path().join("target"));
        fs::create_dir_all(&results).unwrap();
        fs::create_dir_all(&target).unwrap();
        for name in ["a", "b"] {
            fs::write(results.join(name), name).unwrap();
        }
        fs::write(target.join("s"), "in the way").unwrap();
        let (outbox, notes) = channel();
        let place = Place::open(target.to_str().unwrap()).unwrap();
        let choose = Box::new(|_: &str| Choose::File);
        let ledger = dir.path().join("uploads.jsonl");
        let mut worker = Worker::new(place, &ledger, choose, outbox, Arc::default()).unwrap();
        let source = Source { name: "s".into(), folder: results, ended: true };
        worker.sources.insert(source.name.clone(), source);
        worker.look(false);
        worker.look(false);
        assert_eq!(notes.try_iter().count(), 1, "the same trouble is told once");
        assert_eq!((worker.outcome.uploaded, worker.sources.len()), (0, 1));
        fs::remove_file(target.join("s")).unwrap();
        worker.look(false);
        assert_eq!((worker.outcome.uploaded, worker.sources.len()), (2, 0));
    }
}
