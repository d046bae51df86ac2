//! Every change of a file passes here first, so that a simulation can come between any two of them: it ends
//! the process there, or finds the disk full.

use std::io;

/// What is about to happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something is written, made or renamed, which takes space.
    Write,
    /// Something is deleted.
    Delete,
}

/// Tells that a file is about to be changed.
///
/// # Errors
/// What a simulation says of the disk; never outside of one.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "a simulation refuses some steps")]
pub(crate) fn step(_step: Step) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use simulated::{Watch, step};

#[cfg(test)]
mod simulated {
    use super::{Step, io};
    use std::cell::RefCell;
    use std::rc::Rc;

    type Watcher = Rc<dyn Fn(Step) -> io::Result<()>>;

    thread_local! {
        static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    }

    /// Has somebody come between the changes of files of this thread, until it is dropped.
    pub(crate) struct Watch(());

    impl Watch {
        pub(crate) fn begin(watcher: impl Fn(Step) -> io::Result<()> + 'static) -> Self {
            WATCHER.set(Some(Rc::new(watcher)));
            Watch(())
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            WATCHER.set(None);
        }
    }

    pub(crate) fn step(step: Step) -> io::Result<()> {
        // Not borrowed while it is asked: it may unwind.
        let watcher = WATCHER.with_borrow(Clone::clone);
        watcher.map_or(Ok(()), |watcher| watcher(step))
    }
}
