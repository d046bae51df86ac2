//! What this process itself needs of the machine before it begins any work: where it is missing, trials would be blamed.

use crate::exit::{Exit, Failure};
use rustix::process::{Resource, getrlimit};

/// Open files without which nothing is begun: those of the store, of waiting for programs and signals, and of a few
/// trials.
const OPEN_FILES_MIN: u64 = 64;

/// Refuses to begin where too few files may be open at a time.
///
/// # Errors
/// How many may be, and how more are allowed.
pub(super) fn check() -> Result<(), Failure> {
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < OPEN_FILES_MIN => Err(Failure::new(
            Exit::Environment,
            format!(
                "only {allowed} files may be open at a time, and {OPEN_FILES_MIN} are the least to work with: allow more, for \
                 example by `ulimit -n 1024`"
            ),
        )),
        _ => Ok(()),
    }
}
