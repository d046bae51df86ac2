//! Ends what a dead runner left behind.
//!
//! A runner that was killed could not end its program, so whoever finds it dead does. Three things prove
//! that a process belongs to the attempt, and a bare number is none of them: it is the recorded program
//! by pid and start time, it sits in the group which that program still leads, or it inherited the
//! attempt's marker. Descendants of such processes belong to it as well.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

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
