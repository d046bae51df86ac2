//! What large studies cost on this machine and disk, as a table:
//! `cargo run --release -p automl --example study_costs [FOLDER] [PYTHON]`.
//!
//! FOLDER (default: the current one) decides which disk is measured. With PYTHON, an interpreter that has
//! Optuna, its journal and SQLite storages are measured in the same run, on the same trials.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use automl::{AskTell, StudyDir, Watch, view};
use automl_core::{Algorithm, AttemptNumber, Event, Record, TrialId};
use automl_store::{SledStore, Store, read_journal};
use automl_testkit::{Log, settings};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// First argument of a process that only folds a study and says what memory that took.
const MEMORY: &str = "--memory";
/// First argument of a process that watches a study until it is killed, as `automl status --watch` does.
const WATCH: &str = "--watch";
/// First argument of a process that looks at a study once and ends, as `automl status` does.
const LOOK: &str = "--look";
/// Events of one append while studies are prepared.
const BATCH: usize = 10_000;
/// How long rates are measured.
const SPAN: Duration = Duration::from_secs(3);
/// Events that an engine commits at a time in the rate of group commits.
const GROUP: usize = 16;
/// Readers beside a writer, and how often each looks.
const READERS: usize = 100;
const READER_PAUSE: Duration = Duration::from_secs(1);
/// How long a writer is measured beside readers, and how often it commits a group of events.
const WRITER_SPAN: Duration = Duration::from_secs(10);
const WRITER_PAUSE: Duration = Duration::from_millis(20);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, study] = arguments.as_slice() {
        let dir = StudyDir::at(PathBuf::from(study));
        match word.as_str() {
            MEMORY => return print_memory(&dir),
            WATCH => return watch(&dir),
            LOOK => return Ok(view(&dir).map(drop)?),
            _ => {}
        }
    }
    let root = arguments.first().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let work = tempfile::tempdir_in(root)?;
    println!("| what | figure | target |");
    println!("|---|--:|--:|");
    opening(work.path(), "10,000 trials of 20 reports", 10_000, 20, "0.3 s")?;
    opening(work.path(), "1,000,000 events", 47_620, 18, "3 s")?;
    small_studies(work.path())?;
    memory(work.path())?;
    rates(work.path())?;
    readers(work.path())?;
    if let Some(python) = arguments.get(1) {
        optuna(work.path(), python)?;
    }
    Ok(())
}

fn row(what: &str, figure: &str, target: &str) {
    println!("| {what} | {figure} | {target} |");
}

/// Time to open studies as readers and as those who work on them do, and their size.
fn opening(root: &Path, what: &str, trials: u64, reports: u64, target: &str) -> Outcome<()> {
    let dir = StudyDir::new(root, &format!("open-{trials}"));
    let json = prepare(&dir, trials, reports)?;
    let look = || Ok(view(&dir)?.study.trials.len() as u64);
    let (folded, seen) = fastest(look)?;
    let start = Instant::now();
    drop(AskTell::open(&dir)?);
    let opened = start.elapsed();
    // The first opening has left a snapshot.
    let (remembered, seen_again) = fastest(look)?;
    let (opened_again, _) = fastest(|| Ok(AskTell::open(&dir)?.study().trials.len() as u64))?;
    if (seen, seen_again) != (trials, trials) {
        return Err(format!("{seen} and {seen_again} trials of {trials}").into());
    }
    row(&format!("{what}: read and folded"), &seconds(folded), &format!("≤ {target}"));
    row(&format!("{what}: read, from a snapshot"), &seconds(remembered), "");
    let recovery = "≤ 1 s of 10,000 trials";
    row(&format!("{what}: opened for work (both copies compared), folded"), &seconds(opened), recovery);
    row(&format!("{what}: opened for work, from a snapshot"), &seconds(opened_again), recovery);
    let (journal, database) = (size(&dir.path().join("events.jsonl"))?, size(&dir.path().join("store"))?);
    let times = |bytes: u64| format!("{:.2}", bytes as f64 / json as f64);
    row(&format!("{what}: database, in sizes of its events' JSON"), &times(database), "≤ 2");
    row(&format!("{what}: journal, in sizes of its events' JSON"), &times(journal), "");
    Ok(())
}

/// Size of small studies at rest whose events came one by one.
fn small_studies(root: &Path) -> Outcome<()> {
    const TRIALS: [u64; 4] = [1, 5, 20, 100];
    let mut largest = 0.0f64;
    for trials in TRIALS {
        let dir = StudyDir::new(root, &format!("small-{trials}"));
        let json = prepare(&dir, trials, 5)?;
        let copy = root.join(format!("small-copy-{trials}"));
        let mut store = SledStore::create(&copy)?;
        for record in read_journal(dir.path())?.records {
            store.append(&[record.payload])?;
        }
        drop(store);
        largest = largest.max(size(&copy.join("store"))? as f64 / json as f64);
    }
    let what = format!(
        "{TRIALS:?} trials of 5 reports, event by event: database at rest, in sizes of its events' JSON"
    );
    row(&format!("{what}, at most"), &format!("{largest:.2}"), "≤ 2");
    Ok(())
}

/// Memory of a folded study, in a process of its own.
fn memory(root: &Path) -> Outcome<()> {
    let dir = StudyDir::new(root, "memory");
    prepare(&dir, 100_000, 1)?;
    let output = Command::new(std::env::current_exe()?).arg(MEMORY).arg(dir.path()).output()?;
    let bytes: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    row(
        "100,000 trials: resident memory once folded",
        &format!("{:.0} MiB", bytes / f64::from(1 << 20)),
        "≤ 200 MiB",
    );
    Ok(())
}

/// Rates of durable writes beside the disk's own.
fn rates(root: &Path) -> Outcome<()> {
    let event = serde_json::to_vec(&measured(1, 1))?;
    let mut plain = File::create(root.join("plain"))?;
    let disk = rate(|| Ok(plain.write_all(&event).and_then(|()| plain.sync_data())?))?;
    row("the disk: write and `fdatasync`", &format!("{disk:.0}/s"), "");
    for group in [1, GROUP] {
        let mut store = SledStore::create(&root.join(format!("rate-{group}")))?;
        let payloads = vec![event.clone(); group];
        let commits = rate(|| Ok(store.append(&payloads).map(drop)?))?;
        let target = if group == 1 { "" } else { "≥ 2000/s" };
        row(
            &format!("durable events, {group} in a commit (two `fdatasync` each)"),
            &format!("{:.0}/s", commits * group as f64),
            target,
        );
        let json = store.last_seq() * event.len() as u64;
        drop(store);
        let database = size(&root.join(format!("rate-{group}/store")))?;
        let times = format!("{:.2}", database as f64 / json as f64);
        row(
            &format!("database of these {} MiB of events, in sizes of their JSON", json >> 20),
            &times,
            "≤ 2",
        );
    }
    Ok(())
}

/// What a commit takes alone, beside processes that watch, and beside processes that come, look and go.
fn readers(root: &Path) -> Outcome<()> {
    let dir = StudyDir::new(root, "readers");
    prepare(&dir, 500, 20)?;
    let (mut store, _) = SledStore::open(dir.path())?;
    // Records of the log's own kind that can be said again and again.
    let event = Event::BudgetChanged { trials: None, timeout_ms: None, gpu_time_ms: None, parallel: None };
    let record = serde_json::to_vec(&Record { at: 1, event })?;
    let group = vec![record; GROUP];
    let pace = format!("commits of {GROUP} events, {} a second", 1000 / WRITER_PAUSE.as_millis());
    let alone = commits(&mut store, &group, || Ok(()))?;
    row(&format!("{pace}, beside nobody"), &alone, "");

    let mut watching = Readers::default();
    for _ in 0..READERS {
        watching.0.push(myself(WATCH, &dir)?);
        sleep(READER_PAUSE / READERS as u32);
    }
    let beside = commits(&mut store, &group, || Ok(()))?;
    drop(watching);
    row(&format!("{pace}, beside {READERS} processes that watch, each looking once a second"), &beside, "");

    let (mut looking, mut next) = (Readers::default(), Instant::now());
    let beside = commits(&mut store, &group, || {
        while next <= Instant::now() {
            looking.0.push(myself(LOOK, &dir)?);
            next += READER_PAUSE / READERS as u32;
        }
        looking.0.retain_mut(|reader| matches!(reader.try_wait(), Ok(None)));
        Ok(())
    })?;
    row(&format!("{pace}, beside {READERS} processes a second that look and end"), &beside, "");
    Ok(())
}

/// Processes that are ended when nobody needs them any more.
#[derive(Default)]
struct Readers(Vec<Child>);

impl Drop for Readers {
    fn drop(&mut self) {
        for reader in &mut self.0 {
            // One that has ended by itself is as good.
            let _ = reader.kill().and_then(|()| reader.wait());
        }
    }
}

/// Starts this program again with another task.
fn myself(task: &str, dir: &StudyDir) -> Outcome<Child> {
    Ok(Command::new(std::env::current_exe()?).arg(task).arg(dir.path()).spawn()?)
}

/// Commits at an even pace, with something to do before each; returns what commits took.
fn commits(
    store: &mut SledStore,
    group: &[Vec<u8>],
    mut between: impl FnMut() -> Outcome<()>,
) -> Outcome<String> {
    let mut took = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < WRITER_SPAN {
        between()?;
        let start = Instant::now();
        store.append(group)?;
        took.push(start.elapsed());
        sleep(WRITER_PAUSE.saturating_sub(start.elapsed()));
    }
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    Ok(format!("{:.2} ms, 99 of 100 within {:.2} ms", at(0.5), at(0.99)))
}

/// Watches a study for ever.
fn watch(dir: &StudyDir) -> Outcome<()> {
    let mut watch = Watch::new(dir);
    loop {
        watch.look()?;
        sleep(READER_PAUSE);
    }
}

/// Folds a study and says what memory that took.
fn print_memory(dir: &StudyDir) -> Outcome<()> {
    let before = resident_bytes()?;
    let found = view(dir)?;
    println!("{}", resident_bytes()?.saturating_sub(before));
    drop(found);
    Ok(())
}

/// Optuna's storages with the trials of the first row.
fn optuna(root: &Path, python: &str) -> Outcome<()> {
    let script = root.join("storages.py");
    fs::write(&script, include_str!("study_costs.py"))?;
    let output = Command::new(python).arg(script).arg(root.join("optuna")).output()?;
    if !output.status.success() {
        return Err(format!("{python}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    print!("{}", String::from_utf8(output.stdout)?);
    Ok(())
}

/// Makes a study; returns the bytes of its events as JSON.
fn prepare(dir: &StudyDir, trials: u64, reports: u64) -> Outcome<u64> {
    let mut store = SledStore::create(dir.path())?;
    let (mut batch, mut json) = (Vec::new(), 0);
    let mut log = Log::new(settings(Algorithm::Random));
    for trial in 1..=trials {
        log = log.suggest(trial).start(trial, 1, 9);
        (1..=reports).for_each(|line| log.push(measured(trial, line)));
        log = log.reach(trial, 1, 9, 0.5);
        for record in log.records.drain(..) {
            let payload = serde_json::to_vec(&record)?;
            json += payload.len() as u64;
            batch.push(payload);
        }
        if batch.len() >= BATCH {
            store.append(&batch)?;
            batch.clear();
        }
    }
    store.append(&batch)?;
    Ok(json)
}

fn measured(trial: u64, line: u64) -> Event {
    Event::Measured {
        trial: TrialId(trial),
        attempt: AttemptNumber(1),
        source: 0,
        line,
        step: Some(line),
        values: [("acc".to_string(), (trial * line % 997) as f64 / 997.0)].into(),
    }
}

/// Returns the shortest of some times, and what the work gave.
fn fastest<T>(mut work: impl FnMut() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let mut best: Option<(Duration, T)> = None;
    for _ in 0..5 {
        let start = Instant::now();
        let done = work()?;
        let took = start.elapsed();
        if best.as_ref().is_none_or(|(fastest, _)| took < *fastest) {
            best = Some((took, done));
        }
    }
    best.ok_or_else(|| "it was done at least once".into())
}

/// Returns how often work is done a second.
fn rate(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let (start, mut done) = (Instant::now(), 0_u32);
    while start.elapsed() < SPAN {
        work()?;
        done += 1;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Bytes on the disk of a file, or of everything in a folder.
fn size(path: &Path) -> Outcome<u64> {
    if path.is_file() {
        return Ok(fs::metadata(path)?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

fn resident_bytes() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}
