//! The control group of the attempt, where whoever started the runner can have groups.
//!
//! Nothing about it is a reason not to run: what does not work is noted, and the attempt runs without.

use std::env;
use std::path::{Path, PathBuf};

use crate::LaunchSpec;
use crate::cgroup::{self, Group, MemoryUse};
use crate::files;

/// Environment variable by which an executor tells the runner where attempts get their groups.
pub(crate) const PLACE: &str = "AUTOML_CGROUP";

/// A group that goes with this value.
pub(super) struct Held {
    group: Group,
    attempt_dir: PathBuf,
}

impl Held {
    pub(super) fn create(spec: &LaunchSpec, attempt_dir: &Path) -> Option<Self> {
        let place = env::var_os(PLACE).filter(|place| !place.is_empty())?;
        // Two copies of a study have the same keys.
        let name = format!("{}-{}", spec.key, std::process::id());
        match Group::create(Path::new(&place), &name, spec.limits.memory_bytes) {
            Ok(group) => Some(Self { group, attempt_dir: attempt_dir.to_owned() }),
            Err(error) => {
                note_absence(attempt_dir, &error);
                None
            }
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.group.folder()
    }

    pub(super) fn memory_use(&self) -> MemoryUse {
        self.group.memory_use()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = cgroup::remove(self.folder()) {
            let folder = self.folder().display();
            files::note(
                &self.attempt_dir,
                &format_args!("cannot remove the control group {folder}: {error}"),
            );
        }
    }
}

/// Starts a program in the group, if there is one and it takes it.
pub(super) fn start_in<T>(group: Option<&Held>, attempt_dir: &Path, start: impl Fn() -> T) -> T {
    match group.map(|held| held.group.around(&start)) {
        Some(Ok(started)) => started,
        Some(Err(error)) => {
            note_absence(attempt_dir, &error);
            start()
        }
        None => start(),
    }
}

fn note_absence(attempt_dir: &Path, error: &std::io::Error) {
    files::note(attempt_dir, &format_args!("the attempt runs without a control group of its own: {error}"));
}
