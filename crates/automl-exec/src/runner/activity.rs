//! Signs of life of a program: its logs and watched files change.
//!
//! A change is any difference of size or modification time; what the files say is of no interest here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::LaunchSpec;
use crate::files;

/// Watches files for change and measures the silence since the last one.
pub(super) struct Activity {
    files: Vec<PathBuf>,
    seen: Vec<Option<(u64, Option<SystemTime>)>>,
    last_change: Instant,
    limit: Duration,
}

impl Activity {
    /// Returns the watch that the launch spec asks for, if it sets a limit.
    pub(super) fn new(spec: &LaunchSpec, attempt_dir: &Path, now: Instant) -> Option<Self> {
        let limit = Duration::from_millis(spec.silence_limit_ms?);
        let logs = [files::STDOUT_LOG, files::STDERR_LOG].map(|name| attempt_dir.join(name));
        let watched = spec.watch.iter().map(|path| spec.workdir.join(path));
        let files: Vec<PathBuf> = logs.into_iter().chain(watched).collect();
        let seen = look(&files);
        Some(Self { files, seen, last_change: now, limit })
    }

    /// Looks at the files and tells whether they have been unchanged for longer than the limit.
    ///
    /// A change counts from the moment it is noticed, so the true silence may be longer by the time
    /// between two looks, and never shorter.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        let seen = look(&self.files);
        if seen != self.seen {
            self.seen = seen;
            self.last_change = now;
        }
        now >= self.deadline()
    }

    /// Returns when the silence will have lasted too long if nothing changes.
    pub(super) fn deadline(&self) -> Instant {
        self.last_change + self.limit
    }
}

fn look(files: &[PathBuf]) -> Vec<Option<(u64, Option<SystemTime>)>> {
    let state = |path: PathBuf| fs::metadata(path).ok().map(|meta| (meta.len(), meta.modified().ok()));
    files.iter().flat_map(|path| expand(path)).map(state).collect()
}

/// Returns the files that a path with wildcards means now; any other path as it is.
fn expand(path: &Path) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    if path.exists() || !text.contains(['*', '?', '[']) {
        return vec![path.to_path_buf()];
    }
    glob::glob(&text).map(|found| found.flatten().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{AttemptKey, UseLimits};

    #[test]
    fn silence_is_counted_from_the_last_change() {
        let dir = tempfile::tempdir().unwrap();
        let spec = LaunchSpec {
            key: AttemptKey { study: "0000000a".into(), trial: 1, attempt: 1 },
            argv: vec![],
            env: BTreeMap::new(),
            workdir: dir.path().to_owned(),
            attempt_dir: dir.path().to_owned(),
            grace_ms: 0,
            wall_limit_ms: None,
            silence_limit_ms: Some(1000),
            watch: vec!["status.json".into()],
            limits: UseLimits::default(),
        };
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut activity = Activity::new(&spec, dir.path(), start).unwrap();
        assert!(!activity.is_silent(at(999)));
        fs::write(dir.path().join("status.json"), "{}").unwrap();
        assert!(!activity.is_silent(at(1000)), "a watched file appeared");
        fs::write(dir.path().join(files::STDERR_LOG), "x").unwrap();
        assert!(!activity.is_silent(at(1999)), "a log grew");
        assert_eq!(activity.deadline(), at(2999));
        assert!(!activity.is_silent(at(2998)) && activity.is_silent(at(2999)));
    }
}
