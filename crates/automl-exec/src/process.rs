//! Processes as `/proc` shows them, named by pid *and* start time.
//!
//! A pid alone names nobody for long: the kernel hands it out again. Every signal sent from here goes
//! through a pidfd that was checked against the start time after it was opened, so a process that
//! merely inherited the number is never touched. Kernels before 5.3 have no pidfd; there the check comes
//! right before the signal.
//!
//! Nothing here knows about attempts, except for the marker in the environment.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::AttemptKey;

/// Environment variable that every process of an attempt inherits: the attempt's key.
pub const MARKER: &str = "AUTOML_ATTEMPT_KEY";
/// Environment variable beside [`MARKER`]: the attempt's folder, which tells apart two copies of a study.
pub const MARKER_DIR: &str = "AUTOML_ATTEMPT_DIR";

/// How often a process is looked at where the kernel cannot announce its end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One process, never confused with a later one of the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// Field 22 of `/proc/<pid>/stat`: clock ticks between boot and the start of the process.
    pub(crate) start: u64,
}

/// The part of `/proc/<pid>/stat` that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: ProcessId,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    state: u8,
    threads: u32,
}

impl Stat {
    /// Reads the state of a process; `None` if there is none of this pid.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Tells whether any thread still runs. A zombie has ended, unless only its first thread has.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X') || self.threads > 1
    }
}

impl ProcessId {
    /// Returns the identity of the process that has this pid now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Stat::read(pid).map(|stat| stat.id)
    }

    /// Tells whether exactly this process is alive.
    pub(crate) fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.id == self && stat.is_alive())
    }

    /// Blocks until exactly this process has ended.
    pub(crate) fn wait_for_end(self) {
        match self.open() {
            Ok(Some(handle)) => wait_readable(&handle),
            Ok(None) => {}
            Err(_) => {
                while self.is_alive() {
                    thread::sleep(LOOK_EVERY);
                }
            }
        }
    }

    /// Sends a signal to exactly this process.
    pub(crate) fn signal(self, signal: Signal) -> Signalled {
        let sent = match self.open() {
            Ok(None) => return Signalled::Gone,
            Ok(Some(handle)) => pidfd_send_signal(handle, signal),
            Err(_) if !self.is_alive() => return Signalled::Gone,
            Err(_) => rustix_pid(self.pid).map_or(Err(Errno::SRCH), |pid| kill_process(pid, signal)),
        };
        match sent {
            Ok(()) => Signalled::Sent,
            Err(Errno::SRCH) => Signalled::Gone,
            Err(_) => Signalled::Refused,
        }
    }

    /// Opens a handle; `Ok(None)` if the process is gone, an error if the kernel gives no handles.
    fn open(self) -> Result<Option<OwnedFd>, Errno> {
        let Some(pid) = rustix_pid(self.pid) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // Looked at after opening: what the handle refers to can no longer change.
            Ok(handle) => Ok((Self::of(self.pid) == Some(self)).then_some(handle)),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// It was delivered.
    Sent,
    /// The process no longer exists.
    Gone,
    /// The kernel refused, usually because the process runs as another user.
    Refused,
}

/// Returns every process visible in `/proc`.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Stat::read).collect()
}

/// Returns the processes for which `is_root` holds and all their descendants.
pub(crate) fn trees(all: &[Stat], is_root: impl Fn(&Stat) -> bool) -> Vec<Stat> {
    let mut members: BTreeSet<i32> = all.iter().filter(|p| is_root(p)).map(|p| p.id.pid).collect();
    loop {
        let before = members.len();
        members
            .extend(all.iter().filter(|p| members.contains(&p.parent)).map(|p| p.id.pid).collect::<Vec<_>>());
        if members.len() == before {
            return all.iter().filter(|p| members.contains(&p.id.pid)).copied().collect();
        }
    }
}

/// Returns the memory of processes in bytes. Their resident sets count memory that they share several
/// times, so where these add up to more than is `enough`, the shares are asked for, which costs more.
pub(crate) fn memory(processes: &[Stat], enough: u64) -> u64 {
    let add = |read: fn(i32) -> Option<u64>| processes.iter().filter_map(|p| read(p.id.pid)).sum();
    let resident: u64 = add(resident_bytes);
    if resident <= enough { resident } else { add(|pid| share_bytes(pid).or(resident_bytes(pid))) }
}

fn resident_bytes(pid: i32) -> Option<u64> {
    kib_of(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// The resident set with shared pages divided among those who share them; absent before Linux 4.14.
fn share_bytes(pid: i32) -> Option<u64> {
    kib_of(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:")
}

fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Returns how many processes the kernel has killed for want of memory since the machine was started.
pub(crate) fn oom_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    kills.and_then(|kills| kills.trim().parse().ok()).unwrap_or(0)
}

/// Tells whether a process inherited the marker of this attempt. The folder must be canonical.
pub(crate) fn has_marker(pid: i32, key: &AttemptKey, attempt_dir: &Path) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    let folder = [MARKER_DIR.as_bytes(), b"=", attempt_dir.as_os_str().as_encoded_bytes()].concat();
    let key = format!("{MARKER}={key}");
    let mut found = (false, false);
    for variable in environ.split(|&b| b == 0) {
        found.0 |= variable == key.as_bytes();
        found.1 |= variable == folder.as_slice();
    }
    found == (true, true)
}

fn rustix_pid(pid: i32) -> Option<Pid> {
    // Zero and negative numbers mean groups to kill(2) and must never get that far.
    (pid > 0).then(|| Pid::from_raw(pid)).flatten()
}

fn wait_readable(handle: &OwnedFd) {
    let mut fds = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
}

/// Parses a stat line. The command name may hold spaces and parentheses, so fields count from its end.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let line = String::from_utf8_lossy(line);
    let pid = line.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Stat {
        id: ProcessId { pid, start: fields.get(19)?.parse().ok()? },
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
    })
}

/// Waits until a process just started has its environment: it is empty for a moment within `exec`.
#[cfg(test)]
pub(crate) fn wait_for_environment(pid: u32) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while fs::read(format!("/proc/{pid}/environ")).unwrap().is_empty() {
        assert!(std::time::Instant::now() < deadline, "process {pid} has no environment");
        thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const LINE: &str =
        "42 (a) (b) c) S 7 40 39 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 987654 1000 10 18446744073709551615";

    #[test]
    fn stat_line_with_an_odd_name_is_read() {
        let stat = parse_stat(LINE.as_bytes()).unwrap();
        assert_eq!(stat.id, ProcessId { pid: 42, start: 987_654 });
        assert_eq!((stat.parent, stat.group, stat.threads), (7, 40, 3));
        assert!(stat.is_alive());
    }

    #[test]
    fn zombie_has_ended_unless_threads_go_on() {
        let zombie = LINE.replace(" S 7", " Z 7");
        assert!(parse_stat(zombie.as_bytes()).unwrap().is_alive(), "two of three threads go on");
        assert!(!parse_stat(zombie.replace(" 20 0 3 0", " 20 0 1 0").as_bytes()).unwrap().is_alive());
    }

    #[test]
    fn cut_stat_line_is_no_process() {
        for end in 0..LINE.find("987654").unwrap() {
            assert_eq!(parse_stat(&LINE.as_bytes()[..end]), None);
        }
    }

    #[test]
    fn reused_pid_is_not_signalled() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id().cast_signed()).unwrap();
        let earlier = ProcessId { start: id.start - 1, ..id };
        assert_eq!(earlier.signal(Signal::KILL), Signalled::Gone);
        assert!(!earlier.is_alive() && id.is_alive());
        earlier.wait_for_end();
        assert_eq!(id.signal(Signal::KILL), Signalled::Sent);
        id.wait_for_end();
        assert!(!id.is_alive());
        child.wait().unwrap();
        assert_eq!(id.signal(Signal::KILL), Signalled::Gone);
    }

    #[test]
    fn groups_are_never_signalled_by_number() {
        for pid in [0, -1] {
            assert_eq!(ProcessId { pid, start: 0 }.signal(Signal::KILL), Signalled::Gone);
        }
    }

    #[test]
    fn tree_holds_all_generations_and_nobody_else() {
        let process =
            |pid, parent| Stat { id: ProcessId { pid, start: 1 }, parent, group: 1, state: b'S', threads: 1 };
        let all = [process(5, 4), process(4, 3), process(3, 2), process(9, 1), process(2, 1)];
        let pids: Vec<i32> = trees(&all, |p| p.id.pid == 3).iter().map(|p| p.id.pid).collect();
        assert_eq!(pids, [5, 4, 3]);
    }

    #[test]
    fn memory_is_resident_or_shared_out() {
        let me = Stat::read(std::process::id().cast_signed()).unwrap();
        let resident = memory(&[me], u64::MAX);
        assert!(resident > 1 << 20, "{resident}");
        let share = memory(&[me], 0);
        assert!(share > 0 && share <= 2 * resident, "{share} of {resident}");
    }

    #[test]
    fn marker_needs_key_and_folder() {
        let key = AttemptKey { study: "0000000a".into(), trial: 1, attempt: 1 };
        let mut child = Command::new("sleep")
            .arg("60")
            .env(MARKER, key.to_string())
            .env(MARKER_DIR, "/studies/a")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        wait_for_environment(child.id());
        assert!(has_marker(pid, &key, Path::new("/studies/a")));
        assert!(!has_marker(pid, &key, Path::new("/studies/b")));
        assert!(!has_marker(pid, &AttemptKey { attempt: 2, ..key }, Path::new("/studies/a")));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
