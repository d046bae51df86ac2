//! The two records a runner leaves: who owns the attempt, and how it ended.
//!
//! Their stored form lives here and nowhere else. Readers get `Ok(None)` for an absent record and
//! [`Damaged`] for one that cannot be trusted; neither ever stops an engine.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, Damaged, Durability, Readers};
use crate::process::ProcessId;
use crate::{AttemptKey, Cause, Verdict};

/// The kernel that a pid belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) host: String,
    /// Changes with every boot of the kernel; empty if it could not be read.
    pub(crate) boot_id: String,
    /// Containers of one kernel share its boot id and number their processes apart.
    pub(crate) pid_namespace: String,
}

impl Machine {
    /// Returns the machine that this process runs on.
    pub(crate) fn here() -> Self {
        let line = |path: &str| fs::read_to_string(path).map(|s| s.trim().to_owned()).unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Self {
            host: line("/proc/sys/kernel/hostname"),
            boot_id: line("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace.to_string_lossy().into_owned(),
        }
    }

    /// Tells whether pids of the other machine can be looked up here.
    pub(crate) fn shares_pids_with(&self, other: &Self) -> bool {
        !self.boot_id.is_empty() && self.boot_id == other.boot_id && self.pid_namespace == other.pid_namespace
    }

    /// Tells whether the other record was made here before a reboot, which no process outlives.
    pub(crate) fn rebooted_since(&self, other: &Self) -> bool {
        let known = !self.boot_id.is_empty() && !other.boot_id.is_empty() && !self.host.is_empty();
        known && self.host == other.host && self.boot_id != other.boot_id
    }
}

/// `claim/owner.json`: the runner that owns the attempt, and its program once it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) key: AttemptKey,
    pub(crate) machine: Machine,
    pub(crate) runner: ProcessId,
    pub(crate) child: Option<ProcessId>,
    /// The folder of the attempt's control group, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<PathBuf>,
}

/// `exit.json`: how the attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    pub(crate) key: AttemptKey,
    pub(crate) why: Why,
    /// Exit code of the program, whatever the reason of the end.
    pub(crate) code: Option<i32>,
    /// Signal that ended the program, whoever sent it.
    pub(crate) signal: Option<i32>,
    /// What went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    pub(crate) started_ms: Option<u64>,
    pub(crate) ended_ms: u64,
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) max_rss_kib: Option<u64>,
    /// Most memory of all processes together, as far as anybody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_peak_kib: Option<u64>,
    /// Whether the kernel killed processes for want of memory, somewhere on the machine, meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) oom_kills: bool,
    pub(crate) owner: Owner,
}

/// Who or what ended the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// The program itself, by returning or by a signal that the runner did not send.
    Exited,
    Terminated,
    TimeLimit,
    Silent,
    MemoryLimit,
    DiskLimit,
    Fenced,
    /// The runner could not learn how the program ended.
    Lost,
    LaunchFailed,
}

impl Owner {
    pub(crate) fn write(&self, attempt_dir: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        files::replace(&attempt_dir.join(files::OWNER), &bytes, Durability::Process, Readers::Umask)
    }

    pub(crate) fn read(attempt_dir: &Path, key: &AttemptKey) -> Result<Option<Self>, Damaged> {
        let path = attempt_dir.join(files::OWNER);
        let owner: Option<Self> = files::read_json(&path)?;
        match owner {
            Some(owner) if owner.key != *key => Err(foreign(&path, &owner.key, key)),
            owner => Ok(owner),
        }
    }
}

impl ExitRecord {
    pub(crate) fn write(&self, attempt_dir: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        files::replace(&attempt_dir.join(files::EXIT), &bytes, Durability::Power, Readers::Umask)
    }
}

/// Reads the verdict from `exit.json`.
pub(crate) fn read_verdict(attempt_dir: &Path, key: &AttemptKey) -> Result<Option<Verdict>, Damaged> {
    let path = attempt_dir.join(files::EXIT);
    let Some(record) = files::read_json::<ExitRecord>(&path)? else {
        return Ok(None);
    };
    if record.key != *key {
        return Err(foreign(&path, &record.key, key));
    }
    let cause = cause(&record).ok_or_else(|| Damaged::new(&path, "neither an exit code nor a signal"))?;
    Ok(Some(Verdict {
        cause,
        started_ms: record.started_ms,
        ended_ms: record.ended_ms,
        cpu_ms: record.cpu_ms,
        max_rss_kib: record.max_rss_kib,
        memory_peak_kib: record.memory_peak_kib,
        oom_kills: record.oom_kills,
    }))
}

fn cause(record: &ExitRecord) -> Option<Cause> {
    Some(match record.why {
        Why::Exited => match (record.code, record.signal) {
            (Some(code), None) => Cause::Exit(code),
            (None, Some(signal)) => Cause::Signal(signal),
            _ => return None,
        },
        Why::Terminated => Cause::Terminated,
        Why::TimeLimit => Cause::TimeLimit,
        Why::Silent => Cause::Silent,
        Why::MemoryLimit => Cause::MemoryLimit,
        Why::DiskLimit => Cause::DiskLimit,
        Why::Fenced => Cause::Fenced,
        Why::Lost => Cause::Lost,
        Why::LaunchFailed => Cause::LaunchFailed(record.message.clone().unwrap_or_default()),
    })
}

fn foreign(path: &Path, found: &AttemptKey, expected: &AttemptKey) -> Damaged {
    Damaged::new(path, format_args!("it belongs to {found}, not to {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AttemptKey {
        AttemptKey { study: "0000000a".into(), trial: 1, attempt: 1 }
    }

    fn record(why: Why, code: Option<i32>, signal: Option<i32>) -> ExitRecord {
        let process = ProcessId { pid: 10, start: 20 };
        let owner = Owner {
            key: key(),
            machine: Machine::here(),
            runner: process,
            child: Some(process),
            group: None,
        };
        let (started_ms, cpu_ms, max_rss_kib) = (Some(5), Some(7), Some(9));
        ExitRecord {
            key: key(),
            why,
            code,
            signal,
            message: None,
            started_ms,
            ended_ms: 6,
            cpu_ms,
            max_rss_kib,
            memory_peak_kib: Some(11),
            oom_kills: true,
            owner,
        }
    }

    #[test]
    fn every_end_survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut failed = record(Why::LaunchFailed, None, None);
        failed.message = Some("no such program".into());
        for (record, cause) in [
            (record(Why::Exited, Some(3), None), Cause::Exit(3)),
            (record(Why::Exited, None, Some(11)), Cause::Signal(11)),
            (record(Why::Terminated, Some(0), None), Cause::Terminated),
            (record(Why::TimeLimit, None, Some(9)), Cause::TimeLimit),
            (record(Why::Silent, None, Some(9)), Cause::Silent),
            (record(Why::MemoryLimit, None, Some(15)), Cause::MemoryLimit),
            (record(Why::DiskLimit, Some(1), None), Cause::DiskLimit),
            (record(Why::Fenced, None, Some(15)), Cause::Fenced),
            (record(Why::Lost, None, None), Cause::Lost),
            (failed, Cause::LaunchFailed("no such program".into())),
        ] {
            record.write(dir.path()).unwrap();
            let verdict = read_verdict(dir.path(), &key()).unwrap().unwrap();
            let expected = Verdict {
                cause,
                started_ms: Some(5),
                ended_ms: 6,
                cpu_ms: Some(7),
                max_rss_kib: Some(9),
                memory_peak_kib: Some(11),
                oom_kills: true,
            };
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn record_cut_anywhere_is_damaged_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        record(Why::Exited, Some(0), None).write(dir.path()).unwrap();
        let path = dir.path().join(files::EXIT);
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(read_verdict(dir.path(), &key()).is_err(), "{end}");
        }
    }

    #[test]
    fn contradictory_and_foreign_records_are_damaged() {
        let dir = tempfile::tempdir().unwrap();
        for (code, signal) in [(None, None), (Some(0), Some(9))] {
            record(Why::Exited, code, signal).write(dir.path()).unwrap();
            assert!(read_verdict(dir.path(), &key()).is_err());
        }
        record(Why::Exited, Some(0), None).write(dir.path()).unwrap();
        let other = AttemptKey { attempt: 2, ..key() };
        let damage = read_verdict(dir.path(), &other).unwrap_err().to_string();
        assert!(damage.contains("am-0000000a-t1-a1, not to am-0000000a-t1-a2"), "{damage}");
    }

    #[test]
    fn pids_are_shared_within_one_boot_and_namespace_only() {
        let machine = |host: &str, boot: &str, namespace: &str| Machine {
            host: host.into(),
            boot_id: boot.into(),
            pid_namespace: namespace.into(),
        };
        let here = machine("a", "1", "n");
        assert!(here.shares_pids_with(&machine("renamed", "1", "n")));
        assert!(!here.shares_pids_with(&machine("a", "1", "container")));
        assert!(!here.shares_pids_with(&machine("a", "2", "n")));
        assert!(!machine("a", "", "n").shares_pids_with(&machine("a", "", "n")));
        assert!(here.rebooted_since(&machine("a", "2", "n")));
        assert!(!here.rebooted_since(&machine("b", "2", "n")));
        assert!(!here.rebooted_since(&machine("a", "", "n")));
    }
}
