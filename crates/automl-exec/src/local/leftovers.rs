//! Ends what a dead runner left behind.
//!
//! A runner that was killed could not end its program, so whoever finds it dead does. Three things prove
//! that a process belongs to the attempt, and a bare number is none of them: it is the recorded program
//! by pid and start time, it sits in the group which that program still leads, or it inherited the
//! attempt's marker. Descendants of such processes belong to it as well, and whatever is in its control
//! group, if it had one.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cgroup;
use crate::files;
use crate::process::{self, ProcessId, Stat};
use crate::record::Owner;

/// How long killed processes may take to disappear: freeing the memory of a GPU takes its time.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(3);
/// How many looks in a row must find nothing. One is not enough: a process in the middle of `exec` has
/// no environment yet, and one that was just forked may miss in the listing.
const EMPTY_LOOKS: u32 = 3;

/// Kills all processes of the attempt and waits until they are gone. The folder must be canonical.
pub(super) fn end(owner: &Owner, dir: &Path) {
    let deadline = Instant::now() + PATIENCE;
    if let Some(group) = &owner.group {
        cgroup::kill(group);
    }
    let mut empty_looks = 0;
    while empty_looks < EMPTY_LOOKS {
        let left = find(owner, dir);
        empty_looks = if left.is_empty() { empty_looks + 1 } else { 0 };
        if !left.is_empty() && Instant::now() >= deadline {
            let pids: Vec<i32> = left.iter().map(|id| id.pid).collect();
            files::note(dir, &format_args!("processes {pids:?} of the attempt could not be ended"));
            return;
        }
        for id in left {
            id.signal(Signal::KILL);
        }
        std::thread::sleep(PAUSE);
    }
    if let Some(group) = &owner.group
        && let Err(error) = cgroup::remove(group)
    {
        files::note(dir, &format_args!("cannot remove the control group {}: {error}", group.display()));
    }
}

fn find(owner: &Owner, dir: &Path) -> Vec<ProcessId> {
    let all = process::all();
    let leader = owner.child.filter(|child| all.iter().any(|process| process.id == *child));
    let belongs = |process: &Stat| {
        leader.is_some_and(|leader| process.id == leader || process.group == leader.pid)
            || process::has_marker(process.id.pid, &owner.key, dir)
    };
    let trees = process::trees(&all, belongs);
    trees.into_iter().filter(Stat::is_alive).map(|process| process.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttemptKey;
    use crate::record::Machine;

    #[test]
    fn control_group_of_a_dead_runner_is_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let group = dir.path().join("group");
        std::fs::create_dir(&group).unwrap();
        let owner = Owner {
            key: AttemptKey { study: "0000000a".into(), trial: 1, attempt: 1 },
            machine: Machine::here(),
            runner: ProcessId { pid: i32::MAX, start: 1 },
            child: None,
            group: Some(group.clone()),
        };
        end(&owner, dir.path());
        assert_eq!(std::fs::read_to_string(group.join("cgroup.kill")).unwrap(), "1");
    }
}
