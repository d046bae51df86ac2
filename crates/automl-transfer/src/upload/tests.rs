use super::*;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for the thread.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.write("log.txt", "line\n");
        bench.write("train/epoch 1.pth", "weights");
        bench.write("data/Camera1/a.png", "pixels");
        bench
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join("results").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn uploader(&self, to: &Path, choose: fn(&str) -> Choose) -> Uploader {
        let place = Place::open(to.to_str().unwrap()).unwrap();
        let uploader = Uploader::start(place, self.dir.path().join("uploads.jsonl"), choose).unwrap();
        let folder = self.dir.path().join("results");
        uploader.follow(Source { name: "s/1".into(), folder, ended: true });
        uploader
    }

    /// Uploads everything; returns what came of it and the notes.
    fn upload(&self, to: &Path, choose: fn(&str) -> Choose) -> (Outcome, Vec<String>) {
        let mut uploader = self.uploader(to, choose);
        uploader.finish();
        let start = Instant::now();
        loop {
            if let Some(outcome) = uploader.outcome() {
                return (outcome, uploader.notes());
            }
            assert!(start.elapsed() < PATIENCE, "the thread does not end");
            thread::yield_now();
        }
    }

    fn target(&self) -> PathBuf {
        let target = self.dir.path().join("target");
        fs::create_dir_all(&target).unwrap();
        target
    }
}

fn every_file(_: &str) -> Choose {
    Choose::File
}

#[test]
fn changed_files_are_uploaded_once() {
    let bench = Bench::new();
    let target = bench.target();
    let (outcome, notes) = bench.upload(&target, every_file);
    assert_eq!((outcome.uploaded, outcome.left, notes.len()), (3, 0, 0), "{notes:?}");
    assert_eq!(fs::read_to_string(target.join("s/1/train/epoch 1.pth")).unwrap(), "weights");
    assert_eq!(bench.upload(&target, every_file).0, Outcome::default(), "a later process starts anew");
    bench.write("log.txt", "line\nanother line\n");
    assert_eq!(bench.upload(&target, every_file).0.uploaded, 1);
    assert_eq!(fs::read_to_string(target.join("s/1/log.txt")).unwrap(), "line\nanother line\n");
    let elsewhere = bench.dir.path().join("elsewhere");
    assert_eq!(bench.upload(&elsewhere, every_file).0.uploaded, 3, "another place has nothing yet");
}

#[test]
fn archives_hold_what_was_chosen() {
    let bench = Bench::new();
    let choose = |path: &str| match path {
        _ if path.starts_with("data/Camera") => Choose::Archive("dataset_convert_selective.tar.gz".into()),
        "log.txt" => Choose::Leave,
        _ => Choose::File,
    };
    let target = bench.target();
    assert_eq!(bench.upload(&target, choose).0.uploaded, 2);
    let mut names: Vec<_> =
        fs::read_dir(target.join("s/1")).unwrap().flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["dataset_convert_selective.tar.gz", "train"]);
    let archives = crate::Archives::new(bench.dir.path().join("cache"));
    let folder = archives.unpack(&target.join("s/1/dataset_convert_selective.tar.gz")).unwrap();
    assert_eq!(fs::read_to_string(folder.join("data/Camera1/a.png")).unwrap(), "pixels");
    assert_eq!(bench.upload(&target, choose).0, Outcome::default());
    bench.write("data/Camera1/b.png", "more");
    assert_eq!(bench.upload(&target, choose).0.uploaded, 1, "the archive is made anew");
}

#[test]
fn unwritable_places_are_noted_once_and_tried_later() {
    let bench = Bench::new();
    let target = bench.target();
    fs::write(target.join("s"), "a file where a folder should be").unwrap();
    let (outcome, notes) = bench.upload(&target, every_file);
    assert_eq!((outcome.uploaded, outcome.left), (0, 3));
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("cannot upload s/1/data/Camera1/a.png to "), "{notes:?}");
    fs::remove_file(target.join("s")).unwrap();
    assert_eq!(bench.upload(&target, every_file).0.uploaded, 3);
}

#[test]
fn aborted_uploads_leave_the_rest_to_a_later_process() {
    let bench = Bench::new();
    let target = bench.target();
    let mut uploader = bench.uploader(&target, every_file);
    uploader.abort();
    let start = Instant::now();
    let outcome = loop {
        match uploader.outcome() {
            Some(outcome) => break outcome,
            None => assert!(start.elapsed() < PATIENCE, "the thread does not end"),
        }
    };
    assert_eq!((outcome.uploaded, outcome.left), (0, 3));
    assert_eq!(bench.upload(&target, every_file).0.uploaded, 3);
}

#[test]
fn half_a_line_of_the_ledger_is_overlooked() {
    let bench = Bench::new();
    let target = bench.target();
    bench.upload(&target, every_file);
    let ledger = bench.dir.path().join("uploads.jsonl");
    let text = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, &text[..text.len() - 9]).unwrap();
    assert_eq!(bench.upload(&target, every_file).0.uploaded, 1);
    assert_eq!(bench.upload(&target, every_file).0, Outcome::default());
}
