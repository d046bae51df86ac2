//! Cuts, damage, disk faults, kills and losses of power, and what the store makes of them, as a table.
//!
//! `cargo run --release -p automl-store --example durability [FOLDER] [STRIDE] [CASES]`
//!
//! FOLDER (default: the one for temporary files) is where the logs are made. A journal is read at every
//! cut; a log is opened, which takes milliseconds, at every STRIDE-th (default 211). STRIDE 1 tries all, best in
//! a folder that is kept in memory.
//! CASES (default 300) is how many kills, losses of power and places of damage are drawn. Ends with an error
//! when a record is lost or a log cannot be opened.

mod kills;
mod power;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use power::drawing;

use automl_store::{
    Fault, Operation, SledStore, Store, StoreError, StoredRecord, inspect, read_journal, with_faults,
};

/// Records of the log, in batches of 1 to 7.
const RECORDS: u64 = 900;
/// How much of the end of a file is cut.
const TAIL_BYTES: u64 = 64 << 10;
/// Opening a log is for the most part waiting for threads of sled.
const THREADS_PER_PROCESSOR: usize = 4;
/// Input/output error, no space left, quota exceeded.
const ERRNOS: [i32; 3] = [5, 28, 122];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    if let [_, word, study] = std::env::args().collect::<Vec<_>>().as_slice()
        && word == kills::WRITE
    {
        return kills::write_for_ever(Path::new(study));
    }
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let stride = arguments.next().map_or(Ok(211), |text| text.parse::<u64>())?.max(1);
    let cases = arguments.next().map_or(Ok(300), |text| text.parse::<u64>())?;
    // sled panics on some damage; the store catches that.
    std::panic::set_hook(Box::new(|_| ()));
    let work = tempfile::tempdir_in(root)?;
    let [whole, rested] = ["whole", "rested"].map(|name| work.path().join(name));
    prepare(&whole, &rested)?;
    let mut table = Table::begin()?;
    let journal = |dir: &Path| dir.join("events.jsonl");
    let database = |dir: &Path| dir.join("store/db");

    table.row("journal cut, read beside a running engine", &read_cuts(&whole)?)?;
    table.row("journal cut, database whole", &cuts(&whole, stride, &[journal], Expected::All)?)?;
    table.row("database cut, journal whole", &cuts(&whole, stride, &[database], Expected::All)?)?;
    table.row("database at rest cut, journal whole", &cuts(&rested, stride, &[database], Expected::All)?)?;
    table.row("both cut", &cuts(&whole, stride, &[journal, database], Expected::Journal)?)?;
    table.row("journal overwritten at a random place", &overwrites(&whole, cases, journal)?)?;
    table.row("database overwritten at a random place", &overwrites(&whole, cases, database)?)?;
    fs::remove_dir_all(whole.join("store"))?;
    table.row("journal cut, database gone", &cuts(&whole, stride, &[journal], Expected::Journal)?)?;
    table.row("append refused, then repeated", &faults(work.path(), true)?)?;
    table.row("append refused, then the process ended", &faults(work.path(), false)?)?;
    table.row("power lost", &power_losses(work.path(), cases)?)?;
    table.row("writer killed", &writer_kills(work.path(), cases)?)?;
    Ok(())
}

/// What a log must still hold.
#[derive(Clone, Copy)]
enum Expected {
    /// Every record.
    All,
    /// Every whole batch that is left in the journal, or more.
    Journal,
}

/// What became of one kind of damage.
#[derive(Default)]
struct Tally {
    cases: u64,
    /// How many of them are only opened by a repair on request: the log knows that it had more.
    refused: u64,
    /// Fewest and most records that came back.
    kept: Option<(u64, u64)>,
    /// Longest time that reading or opening took.
    slowest: Duration,
}

impl Tally {
    fn add(&mut self, records: &[StoredRecord], at_least: u64, took: Duration) -> Outcome<()> {
        let kept = records.len() as u64;
        if kept < at_least {
            return Err(format!("case {}: {kept} records left of {at_least}", self.cases + 1).into());
        }
        for (record, seq) in records.iter().zip(1..) {
            if record.seq != seq || record.payload != payload(seq) {
                return Err(format!("case {}: record {seq} reads back as another", self.cases + 1).into());
            }
        }
        self.include(&Tally { cases: 1, refused: 0, kept: Some((kept, kept)), slowest: took });
        Ok(())
    }

    fn include(&mut self, other: &Tally) {
        self.cases += other.cases;
        self.refused += other.refused;
        self.slowest = self.slowest.max(other.slowest);
        let both = [self.kept, other.kept].into_iter().flatten();
        self.kept = both.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    }
}

/// Prints rows as they are known.
struct Table(io::Stdout);

impl Table {
    fn begin() -> Outcome<Self> {
        let mut table = Table(io::stdout());
        writeln!(
            table.0,
            "| what is done | cases | records lost | records left | needs a repair | slowest, ms |"
        )?;
        writeln!(table.0, "|---|--:|--:|--:|--:|--:|")?;
        Ok(table)
    }

    fn row(&mut self, what: &str, tally: &Tally) -> Outcome<()> {
        let (fewest, most) = tally.kept.unwrap_or_default();
        let slowest = tally.slowest.as_secs_f64() * 1000.0;
        // A tally with a loss ends the program before it is printed.
        Ok(writeln!(
            self.0,
            "| {what} | {} | 0 | {fewest} to {most} | {} | {slowest:.1} |",
            tally.cases, tally.refused
        )?)
    }
}

fn payload(seq: u64) -> Vec<u8> {
    let filler = "x".repeat((seq % 97) as usize);
    format!(r#"{{"event":"told","n":{seq},"note":"{filler}"}}"#).into_bytes()
}

fn payloads(first: u64, last: u64) -> Vec<Vec<u8>> {
    (first..=last).map(payload).collect()
}

/// Makes a log as a killed process leaves it, and the same log at rest.
fn prepare(killed: &Path, rested: &Path) -> Outcome<()> {
    let mut store = SledStore::create(rested)?;
    let mut size = 0;
    while store.last_seq() < RECORDS {
        size = size % 7 + 1;
        let first = store.last_seq() + 1;
        store.append(&payloads(first, RECORDS.min(first + size - 1)))?;
    }
    Ok(copy_folder(rested, killed)?)
}

/// Reads a journal that ends at every byte of its tail.
fn read_cuts(whole: &Path) -> Outcome<Tally> {
    let dir = tempfile::tempdir_in(whole.parent().expect("it is in a folder"))?;
    let path = dir.path().join("events.jsonl");
    let len = fs::copy(whole.join("events.jsonl"), &path)?;
    let file = OpenOptions::new().write(true).open(&path)?;
    let mut tally = Tally::default();
    let mut at_most = RECORDS;
    for at in (len.saturating_sub(TAIL_BYTES)..len).rev() {
        file.set_len(at)?;
        let start = Instant::now();
        let view = read_journal(dir.path())?;
        let kept = view.records.len() as u64;
        // A byte less costs a whole batch or nothing, and is no damage.
        if view.damage.is_some() || kept > at_most || kept + 7 < at_most {
            return Err(format!("cut at {at}: {kept} records after {at_most}").into());
        }
        at_most = kept;
        tally.add(&view.records, kept, start.elapsed())?;
    }
    Ok(tally)
}

/// Opens logs some of whose files end at places of their tails.
fn cuts(whole: &Path, stride: u64, files: &[fn(&Path) -> PathBuf], expected: Expected) -> Outcome<Tally> {
    let root = whole.parent().expect("it is in a folder");
    let places: Vec<u64> = (1..=TAIL_BYTES).step_by(usize::try_from(stride)?).collect();
    shared_out(&places, |back, tally| {
        let dir = tempfile::tempdir_in(root)?;
        copy_folder(whole, dir.path())?;
        for path in files.iter().map(|file| file(dir.path())) {
            let len = fs::metadata(&path)?.len();
            OpenOptions::new().write(true).open(&path)?.set_len(len.saturating_sub(back))?;
        }
        let at_least = match expected {
            Expected::All => RECORDS,
            Expected::Journal => read_journal(dir.path())?.records.len() as u64,
        };
        let start = Instant::now();
        let opened = SledStore::open(dir.path());
        let took = start.elapsed();
        let (store, _) = match (opened, expected) {
            // What neither copy has cannot be read, and is not passed over either.
            (Err(StoreError::Lost { .. }), Expected::Journal) => {
                tally.refused += 1;
                SledStore::salvage(dir.path())?
            }
            (opened, _) => opened.map_err(|error| format!("{back} bytes cut: {error}"))?,
        };
        tally
            .add(&store.read_all()?, at_least, took)
            .map_err(|error| format!("{back} bytes cut: {error}").into())
    })
}

/// Has threads go through cases, and adds up what they found.
fn shared_out(cases: &[u64], work: impl Fn(u64, &mut Tally) -> Outcome<()> + Sync) -> Outcome<Tally> {
    let next = AtomicUsize::new(0);
    let share = || -> Result<Tally, String> {
        let mut tally = Tally::default();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(*case, &mut tally).map_err(|error| error.to_string())?;
        }
        Ok(tally)
    };
    let threads = THREADS_PER_PROCESSOR * thread::available_parallelism().map_or(1, NonZero::get);
    let found: Vec<Result<Tally, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("a thread does not panic");
        threads.into_iter().map(join).collect()
    });
    let mut sum = Tally::default();
    for tally in found {
        sum.include(&tally?);
    }
    Ok(sum)
}

/// Appends to logs on disks that refuse one step, and reads them in another opening.
fn faults(root: &Path, repeat: bool) -> Outcome<Tally> {
    const BEFORE: u64 = 20;
    let mut tally = Tally::default();
    for operation in Operation::ALL {
        for errno in ERRNOS {
            for written in [0, 1, 100, usize::MAX] {
                let dir = tempfile::tempdir_in(root)?;
                let mut store = SledStore::create(dir.path())?;
                store.append(&payloads(1, BEFORE))?;
                let fault = Fault { errno, written };
                // The end of a journal is cut only where a write to it has failed.
                let refuses = move |asked| {
                    asked == operation
                        || (operation, asked) == (Operation::JournalCut, Operation::JournalWrite)
                };
                let refused = with_faults(
                    move |asked| refuses(asked).then_some(fault),
                    || store.append(&payloads(BEFORE + 1, BEFORE + 4)).is_err(),
                );
                if !refused || store.read_all()?.len() as u64 != BEFORE {
                    return Err(
                        format!("{operation:?}, error {errno}: the append was not refused whole").into()
                    );
                }
                if repeat {
                    store.append(&payloads(BEFORE + 1, BEFORE + 4))?;
                }
                drop(store);
                let start = Instant::now();
                drop(SledStore::open(dir.path())?);
                let took = start.elapsed();
                let found = inspect(dir.path())?;
                if !found.defects.is_empty() || ![BEFORE, BEFORE + 4].contains(&(found.records.len() as u64))
                {
                    return Err(format!("{operation:?}, error {errno}: {:?}", found.defects).into());
                }
                tally.add(&found.records, if repeat { BEFORE + 4 } else { BEFORE }, took)?;
            }
        }
    }
    Ok(tally)
}

/// Opens logs one of whose files has some bytes overwritten.
fn overwrites(whole: &Path, cases: u64, file: fn(&Path) -> PathBuf) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let mut draw = drawing(1);
    for _ in 0..cases {
        let dir = tempfile::tempdir_in(whole.parent().expect("it is in a folder"))?;
        copy_folder(whole, dir.path())?;
        let path = file(dir.path());
        let at = (draw() * fs::metadata(&path)?.len() as f64) as u64;
        let bytes: Vec<u8> = (0..1 + (draw() * 200.0) as usize).map(|_| (draw() * 256.0) as u8).collect();
        OpenOptions::new().write(true).open(&path)?.write_all_at(&bytes, at)?;
        let start = Instant::now();
        let (store, _) = SledStore::open(dir.path())?;
        let took = start.elapsed();
        tally.add(&store.read_all()?, RECORDS, took)?;
    }
    Ok(tally)
}

/// Opens what losses of power leave, at each step of some appends, several times each.
fn power_losses(root: &Path, cases: u64) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let mut draw = drawing(2);
    let study = tempfile::tempdir_in(root)?;
    let losses = power::losses(&study.path().join("study"), (1..=30).map(|n| n * 7 % 23 + 1), payloads)?;
    for loss in losses.iter().cycle().take(usize::try_from(cases)?) {
        let dir = tempfile::tempdir_in(root)?;
        loss.leave(dir.path(), &mut draw)?;
        let start = Instant::now();
        let (store, _) = SledStore::open(dir.path())?;
        let took = start.elapsed();
        let found = store.last_seq();
        if ![loss.acknowledged, loss.begun].contains(&found) {
            let (acknowledged, begun) = (loss.acknowledged, loss.begun);
            return Err(format!("{found} records where {acknowledged} or {begun} belong").into());
        }
        tally.add(&store.read_all()?, loss.acknowledged, took)?;
    }
    Ok(tally)
}

/// Opens a log again and again whose writer was killed, now while it opened the log, now while it wrote.
fn writer_kills(root: &Path, cases: u64) -> Outcome<Tally> {
    /// Records after which a new log is begun.
    const ENOUGH: u64 = 20_000;
    let mut tally = Tally::default();
    let mut draw = drawing(3);
    let mut dir = tempfile::tempdir_in(root)?;
    let mut acknowledged = ENOUGH;
    for _ in 0..cases {
        if acknowledged >= ENOUGH {
            dir = tempfile::tempdir_in(root)?;
            drop(SledStore::create(dir.path())?);
            acknowledged = 0;
        }
        acknowledged = acknowledged.max(kills::kill_a_writer(dir.path(), draw() * 1.2 - 0.2)?);
        let start = Instant::now();
        let (store, _) = SledStore::open(dir.path())?;
        let took = start.elapsed();
        let found = store.last_seq();
        if found > acknowledged + 9 {
            return Err(format!("{found} records where {acknowledged} were acknowledged").into());
        }
        tally.add(&store.read_all()?, acknowledged, took)?;
        acknowledged = found;
    }
    Ok(tally)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => fs::copy(entry.path(), &target).map(drop)?,
        }
    }
    Ok(())
}
