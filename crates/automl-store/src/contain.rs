//! A fence around sled: its panics and its error type end here.
//!
//! sled 0.34 panics on some damage that it should report. Such a panic is one more way for the
//! database to be unusable, and the journal then takes over.

use std::any::Any;
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::StoreError;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Tells whether a panic on this thread will be caught and repaired by the store.
///
/// A panic hook that prints for the user should stay silent when this is true: opening a damaged
/// database may panic inside sled, and the store then rebuilds it and reports that in
/// [`Recovery`](crate::Recovery).
pub fn panic_is_contained() -> bool {
    CONTAINED.get()
}

/// Why a call into sled did not succeed.
#[derive(Debug)]
pub(crate) enum SledFailure {
    /// The database file is locked.
    Locked,
    /// The operating system refused; the data on the disk may be fine.
    Io(io::Error),
    /// The data on the disk cannot be used.
    Damage(String),
}

impl SledFailure {
    /// Turns the failure of a database that was open into the error for the caller.
    pub(crate) fn into_error(self, action: &'static str, path: &Path) -> StoreError {
        match self {
            SledFailure::Io(source) => StoreError::Io { action, path: path.to_owned(), source },
            SledFailure::Damage(detail) => StoreError::Database { action, path: path.to_owned(), detail },
            SledFailure::Locked => {
                StoreError::Database { action, path: path.to_owned(), detail: "it is locked".into() }
            }
        }
    }
}

impl From<sled::Error> for SledFailure {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => SledFailure::Locked,
            sled::Error::Io(e) if means_damage(e.kind()) => SledFailure::Damage(e.to_string()),
            sled::Error::Io(e) => SledFailure::Io(e),
            sled::Error::Corruption { .. } => SledFailure::Damage("corrupt".into()),
            sled::Error::Unsupported(what) | sled::Error::ReportableBug(what) => {
                SledFailure::Damage(format!("damaged ({what})"))
            }
            sled::Error::CollectionNotFound(_) => SledFailure::Damage("without its tree".into()),
        }
    }
}

/// Tells a file that ends early or a part that is gone from a disk that is full or forbidden.
fn means_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::NotFound
    )
}

/// Runs calls into sled and turns a panic into [`SledFailure::Damage`].
///
/// Whatever `work` used must be dropped after a failure: a panic may have left it half changed.
pub(crate) fn contained<T>(work: impl FnOnce() -> Result<T, SledFailure>) -> Result<T, SledFailure> {
    let before = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    outcome.unwrap_or_else(|panic| Err(SledFailure::Damage(panic_text(panic.as_ref()))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let first_line = text.lines().next().unwrap_or_default();
    format!("damaged (sled panicked: {first_line})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_becomes_damage_and_is_announced_to_hooks() {
        let failure = contained::<()>(|| {
            assert!(panic_is_contained());
            panic!("segment {} is odd", 3)
        });
        assert!(!panic_is_contained());
        assert!(matches!(failure, Err(SledFailure::Damage(text)) if text.contains("segment 3 is odd")));
    }

    #[test]
    fn full_disk_is_no_damage() {
        let full = sled::Error::Io(io::Error::from(ErrorKind::StorageFull));
        assert!(matches!(SledFailure::from(full), SledFailure::Io(_)));
        let cut = sled::Error::Io(io::Error::from(ErrorKind::UnexpectedEof));
        assert!(matches!(SledFailure::from(cut), SledFailure::Damage(_)));
    }
}
