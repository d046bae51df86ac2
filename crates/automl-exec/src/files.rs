//! The files of an attempt: their names, how they are replaced, and how damage is told apart from absence.
//!
//! ```text
//! trials/00007/fence                     the number of the attempt that may run
//! trials/00007/attempt-1/launch.json     what to run, written before the submission
//!                        claim/          made by the one runner that owns the attempt
//!                        claim/owner.json
//!                        stdout.log stderr.log   the program's output
//!                        stdout.log.cut          which part of it was given back to the disk (`cut`)
//!                        heartbeat       a counter, replaced while the program runs
//!                        exit.json       the exit record, written last
//!                        refused         one line for each runner that came too late
//!                        runner.log      what the runner and its watchers had to say
//! ```
//! Every replaced file goes through a temporary name and a rename, so a reader sees the old or the new
//! content and never half of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

pub(crate) const LAUNCH: &str = "launch.json";
pub(crate) const CLAIM: &str = "claim";
pub(crate) const OWNER: &str = "claim/owner.json";
pub(crate) const EXIT: &str = "exit.json";
pub(crate) const HEARTBEAT: &str = "heartbeat";
pub(crate) const REFUSED: &str = "refused";
pub(crate) const FENCE: &str = "fence";
/// Standard output of the program, in the attempt's folder.
pub const STDOUT_LOG: &str = "stdout.log";
/// Standard error of the program, in the attempt's folder.
pub const STDERR_LOG: &str = "stderr.log";
/// What the runner and its watchers had to say, in the attempt's folder.
pub const RUNNER_LOG: &str = "runner.log";

/// A file that exists and cannot be understood; it is treated as absent.
#[derive(Debug, thiserror::Error)]
#[error("{} is damaged and treated as absent: {reason}", path.display())]
pub(crate) struct Damaged {
    path: PathBuf,
    reason: String,
}

impl Damaged {
    pub(crate) fn new(path: &Path, reason: impl ToString) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// What a replaced file must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of any process.
    Process,
    /// Power loss: the file and its folder are synced.
    Power,
}

/// Who may read a replaced file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever the process's umask lets.
    Umask,
    /// The owner alone: the file may hold secrets.
    Owner,
}

/// Replaces a file as a whole.
pub(crate) fn replace(path: &Path, bytes: &[u8], durability: Durability, readers: Readers) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mode = match readers {
        Readers::Umask => 0o666,
        Readers::Owner => 0o600,
    };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    if durability == Durability::Power {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    match (durability, path.parent()) {
        (Durability::Power, Some(folder)) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Reads a JSON file that may be absent.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Damaged> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Damaged::new(path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Damaged::new(path, error)),
    }
}

/// Opens a log for appending, and makes it if need be.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Adds a line to a log of the attempt.
pub(crate) fn add_line(path: &Path, line: &str) -> io::Result<()> {
    open_log(path)?.write_all(format!("{} {line}\n", now_ms()).as_bytes())
}

/// Adds a line to `runner.log`.
///
/// The result is dropped: the note explains what happened, and no decision hangs on it.
pub(crate) fn note(attempt_dir: &Path, line: &dyn std::fmt::Display) {
    let _ = add_line(&attempt_dir.join(RUNNER_LOG), &line.to_string());
}

/// Returns the time in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the folder of the trial that an attempt's folder lies in.
pub(crate) fn trial_dir(attempt_dir: &Path) -> &Path {
    attempt_dir.parent().unwrap_or(attempt_dir)
}

/// Reads the heartbeat counter, if there is a readable one.
pub(crate) fn read_heartbeat(attempt_dir: &Path) -> Option<u64> {
    fs::read_to_string(attempt_dir.join(HEARTBEAT)).ok()?.trim().parse().ok()
}

/// Raises the fence of a trial to this attempt number.
///
/// Every runner of an older attempt ends its program at its next heartbeat, and one that has not begun
/// yet refuses to. Call it before the new attempt is submitted.
///
/// # Errors
/// The file could not be written.
pub fn raise_fence(trial_dir: &Path, attempt: u32) -> io::Result<()> {
    let text = format!("{attempt}\n");
    replace(&trial_dir.join(FENCE), text.as_bytes(), Durability::Process, Readers::Umask)
}

/// Returns the attempt number in a trial's fence; absent or unreadable fences hold nobody back.
///
/// Failing open is safe here: at most one runner can claim an attempt, fence or no fence.
pub fn read_fence(trial_dir: &Path) -> Option<u32> {
    fs::read_to_string(trial_dir.join(FENCE)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaced_file_has_the_new_content_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        replace(&path, b"[1, 2, 3]", Durability::Power, Readers::Umask).unwrap();
        replace(&path, b"[4]", Durability::Process, Readers::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"[4]");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn damage_is_told_from_absence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        assert!(read_json::<Vec<u32>>(&path).unwrap().is_none());
        fs::write(&path, "[1, 2").unwrap();
        let damage = read_json::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(damage.contains("x.json is damaged"), "{damage}");
    }

    #[test]
    fn unreadable_fence_holds_nobody_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_fence(dir.path()), None);
        fs::write(dir.path().join(FENCE), "two").unwrap();
        assert_eq!(read_fence(dir.path()), None);
        raise_fence(dir.path(), 2).unwrap();
        assert_eq!(read_fence(dir.path()), Some(2));
    }
}
