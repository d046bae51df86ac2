//! `automl logs`: what a trial's program printed, on the streams it printed it to.

use super::{find_trial, locate, look};
use crate::args::LogsArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Output};
use crate::project::Project;
use automl::{StudyDir, View};
use automl_core::{Attempt, AttemptNumber, TrialId};
use automl_exec::{STDERR_LOG, STDOUT_LOG};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Time between two looks at growing logs.
const FOLLOW: Duration = Duration::from_millis(200);

/// Prints an attempt's standard output and standard error, once or until its program ends.
pub(super) fn run(args: &LogsArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.as_deref(), output)?;
    let trial = TrialId(args.trial);
    let attempt = find_attempt(&look(&dir)?, trial, args.attempt)?;
    let folder = dir.attempt(trial, attempt);
    let mut stdout = Growing::new(folder.join(STDOUT_LOG));
    let mut stderr = Growing::new(folder.join(STDERR_LOG));
    loop {
        // Asked before reading: what was printed before the end is then read for certain.
        let over = !args.follow || is_over(&dir, trial, attempt)?;
        output.raw(&stdout.read()?)?;
        output::to_stderr(&String::from_utf8_lossy(&stderr.read()?));
        if over {
            return Ok(Exit::Done);
        }
        thread::sleep(FOLLOW);
    }
}

fn find_attempt(view: &View, trial: TrialId, wanted: Option<u32>) -> Result<AttemptNumber, Failure> {
    let known = find_trial(&view.study, trial.0)?;
    let attempts = known.attempts.len();
    let number = wanted.unwrap_or(attempts as u32);
    if number == 0 || number as usize > attempts {
        let message = format!("trial {trial} has no attempt {number}; it has {attempts}");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(AttemptNumber(number))
}

/// Tells whether nothing will be added: the attempt has ended, or nobody works on the study.
fn is_over(dir: &StudyDir, trial: TrialId, attempt: AttemptNumber) -> Result<bool, Failure> {
    let view = look(dir)?;
    let running = view.study.trials.get(&trial).and_then(|trial| trial.running_attempt());
    Ok(view.engine.is_none() || running.is_none_or(|running: &Attempt| running.number != attempt))
}

/// A file that grows, read piece by piece.
struct Growing {
    path: PathBuf,
    position: u64,
}

impl Growing {
    fn new(path: PathBuf) -> Self {
        Growing { path, position: 0 }
    }

    /// Returns what was added since the last call; nothing where there is no file yet.
    fn read(&mut self) -> Result<Vec<u8>, Failure> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(self.position)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|error| {
            Failure::new(Exit::Environment, format!("cannot read {}: {error}", self.path.display()))
        })?;
        self.position += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_files_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        let mut log = Growing::new(path.clone());
        assert!(log.read().unwrap().is_empty());
        std::fs::write(&path, "one").unwrap();
        assert_eq!(log.read().unwrap(), b"one");
        std::fs::write(&path, "one two").unwrap();
        assert_eq!(log.read().unwrap(), b" two");
        assert!(log.read().unwrap().is_empty());
    }
}
