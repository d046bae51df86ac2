//! A seam through which tests make the disk fail.
//!
//! Every write of the store that must be durable asks here first. Without a plan, which is always so in
//! production, the answer is yes. A plan belongs to its thread, as a store does, and ends with the call
//! that set it, so that nothing is left behind.

use std::cell::RefCell;
use std::io;

/// A step of the store that a disk can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A batch is handed to the database.
    DatabaseWrite,
    /// The database writes what it holds in memory.
    DatabaseFlush,
    /// `fdatasync` of the database's file.
    DatabaseSync,
    /// Lines are written to the end of the journal.
    JournalWrite,
    /// `fdatasync` of the journal.
    JournalSync,
    /// The unfinished end of the journal is cut off.
    JournalCut,
}

impl Operation {
    /// All of them, in the order in which an append comes to them.
    pub const ALL: [Operation; 6] = [
        Operation::DatabaseWrite,
        Operation::DatabaseFlush,
        Operation::DatabaseSync,
        Operation::JournalWrite,
        Operation::JournalSync,
        Operation::JournalCut,
    ];
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Error number of the operating system, such as 28 for a full disk.
    pub errno: i32,
    /// Bytes that reach the journal before a write to it fails: a short write.
    pub written: usize,
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::from_raw_os_error(fault.errno)
    }
}

type Plan = Box<dyn FnMut(Operation) -> Option<Fault>>;

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Does some work on this thread while `plan` decides which operations fail.
///
/// The plan is asked once for each operation, in order. It must not use a store itself.
pub fn with_faults<T>(plan: impl FnMut(Operation) -> Option<Fault> + 'static, work: impl FnOnce() -> T) -> T {
    /// Ends the plan also when the work panics.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            PLAN.set(None);
        }
    }
    PLAN.set(Some(Box::new(plan)));
    let _end = End;
    work()
}

/// Returns the fault that an operation meets, if it meets one.
pub(crate) fn strike(operation: Operation) -> Option<Fault> {
    PLAN.with_borrow_mut(|plan| plan.as_mut().and_then(|plan| plan(operation)))
}

/// Lets an operation pass, or fail.
pub(crate) fn pass(operation: Operation) -> io::Result<()> {
    strike(operation).map_or(Ok(()), |fault| Err(fault.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_ends_with_its_work() {
        let full = Fault { errno: 28, written: 0 };
        let plan = move |operation| (operation == Operation::JournalSync).then_some(full);
        with_faults(plan, || {
            assert_eq!(pass(Operation::JournalSync).unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert!(pass(Operation::JournalWrite).is_ok());
        });
        assert!(pass(Operation::JournalSync).is_ok());
        let panicked = std::panic::catch_unwind(|| with_faults(move |_| Some(full), || panic!("at work")));
        assert!(panicked.is_err() && pass(Operation::JournalWrite).is_ok());
    }
}
