//! `kill -9` of a process that appends, at random instants: this program, started again.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use automl_store::{SledStore, Store};

use crate::{Outcome, payloads};

/// First argument of a process that is to be killed.
pub(crate) const WRITE: &str = "--write";
/// Longest life of such a process after its first word.
const LIFE: Duration = Duration::from_millis(40);

/// Batches that a writer appends before it puts the log to rest and opens it again.
const BATCHES_AWAKE: usize = 60;

/// Appends batches of 1 to 9 records to an existing log and says how many there are after each, for ever. In
/// between it puts the log to rest, now with a journal, now without one.
pub(crate) fn write_for_ever(study: &Path) -> Outcome<()> {
    let mut out = io::stdout().lock();
    for keep_journal in [false, true].into_iter().cycle() {
        let (mut store, _) = SledStore::open(study)?;
        store.keep_journal(keep_journal);
        for size in (1..=9).cycle().take(BATCHES_AWAKE) {
            let first = store.last_seq() + 1;
            writeln!(out, "{}", store.append(&payloads(first, first + size - 1))?)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Has a process append to a log and kills it; returns the last number that it said. `share` of the longest
/// life is given to it.
pub(crate) fn kill_a_writer(study: &Path, share: f64) -> Outcome<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = command.arg(WRITE).arg(study).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(process.stdout.take().ok_or("the process has an output")?);
    let mut first = String::new();
    // A share below zero is a process that dies while it opens the log.
    if share >= 0.0 {
        said.read_line(&mut first)?;
    }
    std::thread::sleep(LIFE.mul_f64(share.abs()));
    process.kill()?;
    process.wait()?;
    let lines = std::iter::once(Ok(first.trim_end().to_owned())).chain(said.lines());
    let mut last = 0;
    for line in lines {
        // The kill may have cut the last line short: a number without its end is smaller, and claims less.
        last = last.max(line?.parse().unwrap_or(0));
    }
    Ok(last)
}
