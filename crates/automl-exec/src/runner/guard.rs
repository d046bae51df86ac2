//! What an attempt may use of the machine: memory, disk and log space.
//!
//! Memory (where the kernel does not see to it, see `cgroup`) and disk end the program; a log is never a reason to: its middle is given back to the disk, so
//! that the beginning and the recent past stay. Everything is looked at now and then, so a limit may be
//! passed for as long as the time between two looks.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::LaunchSpec;
use crate::cut::Cut;
use crate::files;
use crate::process::{self, Stat};
use crate::record::Why;

/// Time between two looks at memory and logs. A program can use this much time's allocations too much.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time between two looks at the disk, at least.
const WALK_EVERY: Duration = Duration::from_secs(1);
/// Walking a folder may take this share of the runner's time: one part in so many.
const WALK_SHARE: u32 = 20;

/// Watches what an attempt uses.
pub(super) struct Guard {
    attempt_dir: PathBuf,
    memory_bytes: Option<u64>,
    /// Most memory that a look has found.
    memory_peak: u64,
    disk: Option<Disk>,
    logs: Vec<Log>,
    next_look: Instant,
}

/// A folder that may only hold so much.
struct Disk {
    folder: PathBuf,
    bytes: u64,
    next_walk: Instant,
}

/// A log of which only so much is kept.
struct Log {
    path: PathBuf,
    bytes: u64,
    cut: Option<Cut>,
    /// Whether the file system cannot give parts of a file back.
    is_whole: bool,
}

impl Guard {
    /// Returns the guard that the launch spec asks for, if it sets a limit.
    pub(super) fn new(
        spec: &LaunchSpec,
        attempt_dir: &Path,
        now: Instant,
        kernel_bounds_memory: bool,
    ) -> Option<Self> {
        let limits = &spec.limits;
        let folder = limits.disk_dir.as_ref().map(|folder| spec.workdir.join(folder));
        let disk = folder.zip(limits.disk_bytes);
        let disk = disk.map(|(folder, bytes)| Disk { folder, bytes, next_walk: now });
        let log =
            |name: &str, bytes: u64| Log { path: attempt_dir.join(name), bytes, cut: None, is_whole: false };
        let names = [files::STDOUT_LOG, files::STDERR_LOG];
        let logs = limits.log_bytes.iter().flat_map(|bytes| names.map(|name| log(name, *bytes)));
        let guard = Guard {
            attempt_dir: attempt_dir.to_owned(),
            memory_bytes: limits.memory_bytes.filter(|_| !kernel_bounds_memory),
            memory_peak: 0,
            disk,
            logs: logs.collect(),
            next_look: now + LOOK_EVERY,
        };
        let watches = guard.memory_bytes.is_some() || guard.disk.is_some() || !guard.logs.is_empty();
        watches.then_some(guard)
    }

    /// Returns when the next look is due.
    pub(super) fn deadline(&self) -> Instant {
        self.next_look
    }

    /// Returns the most memory that a look has found, if any looked.
    pub(super) fn memory_peak_bytes(&self) -> Option<u64> {
        (self.memory_peak > 0).then_some(self.memory_peak)
    }

    /// Takes a look, if one is due, and returns the limit that was passed. `processes` lists those of the
    /// attempt; they are asked for only where memory is limited.
    pub(super) fn look(&mut self, now: Instant, processes: impl FnOnce() -> Vec<Stat>) -> Option<Why> {
        if now < self.next_look {
            return None;
        }
        self.next_look = now + LOOK_EVERY;
        for log in &mut self.logs {
            log.keep_short(&self.attempt_dir);
        }
        if let Some(limit) = self.memory_bytes {
            let memory = process::memory(&processes(), limit);
            self.memory_peak = self.memory_peak.max(memory);
            if memory > limit {
                return Some(Why::MemoryLimit);
            }
        }
        self.disk.as_mut()?.is_over(now).then_some(Why::DiskLimit)
    }
}

impl Disk {
    fn is_over(&mut self, now: Instant) -> bool {
        if now < self.next_walk {
            return false;
        }
        let used = bytes_in(&self.folder);
        let took = now.elapsed();
        self.next_walk = now + WALK_EVERY.max(took * WALK_SHARE);
        used > self.bytes
    }
}

/// Returns the disk space that the files below a folder take; links are not followed, and what vanishes
/// meanwhile takes none.
fn bytes_in(folder: &Path) -> u64 {
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            bytes += metadata.blocks() * 512;
        }
    }
    bytes
}

impl Log {
    fn keep_short(&mut self, attempt_dir: &Path) {
        if self.is_whole {
            return;
        }
        if let Err(error) = self.cut_if_long() {
            let path = self.path.display();
            files::note(attempt_dir, &format_args!("{path} cannot be kept short, and may grow on: {error}"));
            self.is_whole = true;
        }
    }

    fn cut_if_long(&mut self) -> io::Result<()> {
        let length = fs::metadata(&self.path)?.len();
        let dropped = self.cut.as_ref().map_or(0, Cut::bytes);
        if length - dropped.min(length) <= self.bytes {
            return Ok(());
        }
        let file: File = OpenOptions::new().read(true).write(true).open(&self.path)?;
        if let Some(cut) = Cut::widened(self.cut.as_ref(), &file, length - self.bytes / 2)? {
            cut.perform(&file, &self.path)?;
            self.cut = Some(cut);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_added_up_without_following_links() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/x"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/usr", root.path().join("link")).unwrap();
        let used = bytes_in(root.path());
        assert!((100_000..200_000).contains(&used), "{used}");
        assert_eq!(bytes_in(Path::new("/does/not/exist")), 0);
    }
}
