//! One engine per study: a lock of the operating system, and a file that says who holds it.
//!
//! The lock on `engine.lock` decides; it goes with the process, so nothing has to be cleaned up after
//! a crash. `engine.json` only informs. It is believed when it names a live process of this computer;
//! one that a crashed engine left behind is replaced at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{ENGINE_FILE, ENGINE_LOCK_FILE, write_atomically};
use crate::process::{Liveness, boot_id, host_name, liveness, start_ticks};

/// How long to wait for the holder of the lock to say who it is, or for a reader that probes it.
const INTRODUCTION: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(5);

/// The engine that runs a study, as `engine.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Process number.
    pub pid: u32,
    /// Start of the process in clock ticks since boot.
    pub start_ticks: u64,
    /// Identity of the boot of the computer.
    pub boot_id: String,
    /// Name of the computer.
    pub host: String,
    /// Program file.
    pub exe: PathBuf,
    /// When the study was locked, in milliseconds since 1970 (UTC).
    pub since_ms: u64,
}

/// Failure to lock a study.
#[derive(Debug, Error)]
pub enum LockError {
    /// An engine runs the study.
    #[error(
        "{} is run by process {pid} on {host} ({}); wait for it, or end it with Ctrl-C there",
        study_dir.display(), exe.display()
    )]
    Held {
        /// The study folder.
        study_dir: PathBuf,
        /// Process number of the engine.
        pid: u32,
        /// When it locked the study.
        since: SystemTime,
        /// Name of the computer that it runs on.
        host: String,
        /// Program file of the engine.
        exe: PathBuf,
    },
    /// A process that does not say who it is holds the lock.
    #[error("{} is locked by a process that does not say who it is; wait for it to end", lock_file.display())]
    HeldByUnknown {
        /// The locked file.
        lock_file: PathBuf,
    },
    /// A file of the lock cannot be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
}

impl LockError {
    /// Returns the refusal that names an engine.
    #[must_use]
    pub fn held_by(study_dir: &Path, holder: EngineInfo) -> Self {
        LockError::Held {
            study_dir: study_dir.to_owned(),
            pid: holder.pid,
            since: UNIX_EPOCH + Duration::from_millis(holder.since_ms),
            host: holder.host,
            exe: holder.exe,
        }
    }
}

/// Holds a study for this process until it is dropped or the process ends.
#[derive(Debug)]
pub struct StudyLock {
    info: EngineInfo,
    info_path: PathBuf,
    taken_over: Option<EngineInfo>,
    _lock: File,
}

impl StudyLock {
    /// Locks a study for this process.
    ///
    /// What a crashed engine left behind is taken over at once; [`StudyLock::taken_over`] names it.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] while another engine runs the study, [`LockError::Io`] when the folder
    /// cannot be written to or its file system has no locks.
    pub fn acquire(study_dir: &Path) -> Result<Self, LockError> {
        let path = study_dir.join(ENGINE_LOCK_FILE);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|source| LockError::Io { action: "open", path: path.clone(), source })?;
        lock_or_name_holder(&file, &path, study_dir)?;

        let info_path = study_dir.join(ENGINE_FILE);
        let taken_over = read_info(&info_path);
        let info = this_engine();
        let json = serde_json::to_vec(&info).expect("plain fields always serialise");
        write_atomically(&info_path, &json).map_err(|source| LockError::Io {
            action: "write",
            path: info_path.clone(),
            source,
        })?;
        Ok(Self { info, info_path, taken_over, _lock: file })
    }

    /// Returns what this process tells others about itself.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Returns the engine that held the study before and did not end in order, if any.
    pub fn taken_over(&self) -> Option<&EngineInfo> {
        self.taken_over.as_ref()
    }
}

impl Drop for StudyLock {
    fn drop(&mut self) {
        // Removed before the lock goes, so that it is never another engine's file. A file that stays
        // behind names a dead process and is ignored.
        let _ = fs::remove_file(&self.info_path);
    }
}

/// Returns the engine that runs a study at this moment.
///
/// Writes nothing and works on a folder that may only be read. An engine on another computer cannot
/// be looked up; its entry counts while its lock is held.
pub fn running_engine(study_dir: &Path) -> Option<EngineInfo> {
    let info = read_info(&study_dir.join(ENGINE_FILE))?;
    let runs = if info.host == host_name() {
        liveness(info.pid, info.start_ticks, &info.boot_id) == Liveness::Alive
    } else {
        is_locked(&study_dir.join(ENGINE_LOCK_FILE))
    };
    runs.then_some(info)
}

fn lock_or_name_holder(file: &File, path: &Path, study_dir: &Path) -> Result<(), LockError> {
    let give_up = Instant::now() + INTRODUCTION;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => {
                return Err(LockError::Io { action: "lock", path: path.to_owned(), source });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        // The holder writes its entry just after it has the lock.
        if let Some(holder) = running_engine(study_dir) {
            return Err(LockError::held_by(study_dir, holder));
        }
        if Instant::now() > give_up {
            return Err(LockError::HeldByUnknown { lock_file: path.to_owned() });
        }
        thread::sleep(RETRY);
    }
}

/// Tells whether some process has the file locked, by asking for a share of it for an instant.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn read_info(path: &Path) -> Option<EngineInfo> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn this_engine() -> EngineInfo {
    let pid = std::process::id();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EngineInfo {
        pid,
        start_ticks: start_ticks(pid).unwrap_or_default(),
        boot_id: boot_id(),
        host: host_name(),
        exe: std::env::current_exe().unwrap_or_default(),
        since_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave_behind(dir: &Path, change: impl FnOnce(&mut EngineInfo)) -> EngineInfo {
        let mut info = this_engine();
        change(&mut info);
        fs::write(dir.join(ENGINE_FILE), serde_json::to_vec(&info).unwrap()).unwrap();
        info
    }

    #[test]
    fn lock_names_its_holder_and_cleans_up() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StudyLock::acquire(dir.path()).unwrap();
        assert_eq!(running_engine(dir.path()).as_ref(), Some(lock.info()));
        assert_eq!(lock.taken_over(), None);
        let refused = StudyLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(refused, LockError::Held { pid, .. } if pid == std::process::id()));
        assert!(refused.to_string().contains(&std::process::id().to_string()));
        drop(lock);
        assert_eq!(running_engine(dir.path()), None);
        assert!(!dir.path().join(ENGINE_FILE).exists());
        StudyLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn entry_of_a_reused_process_number_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let stale = leave_behind(dir.path(), |info| info.start_ticks += 1);
        assert_eq!(running_engine(dir.path()), None);
        let lock = StudyLock::acquire(dir.path()).unwrap();
        assert_eq!(lock.taken_over(), Some(&stale));
    }

    #[test]
    fn engine_elsewhere_counts_while_its_lock_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = leave_behind(dir.path(), |info| info.host = "elsewhere".into());
        assert_eq!(running_engine(dir.path()), None);
        let file = File::create(dir.path().join(ENGINE_LOCK_FILE)).unwrap();
        file.lock().unwrap();
        assert_eq!(running_engine(dir.path()), Some(elsewhere));
        let refused = StudyLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(refused, LockError::Held { host, .. } if host == "elsewhere"));
    }

    #[test]
    fn lock_without_an_entry_is_reported_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join(ENGINE_LOCK_FILE)).unwrap();
        file.lock().unwrap();
        assert!(matches!(StudyLock::acquire(dir.path()), Err(LockError::HeldByUnknown { .. })));
    }

    #[test]
    fn missing_folder_is_named() {
        let error = StudyLock::acquire(Path::new("/nowhere/study")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/study/engine.lock"), "{error}");
    }
}
