//! The signals a runner listens to, as a file descriptor.
//!
//! They stay blocked for the runner's whole life, so none can end it between two steps. The executor
//! blocks them before it starts a runner, and the mask is inherited: not even a signal that arrives
//! before the runner's first instruction is lost.
//!
//! | signal | meaning |
//! |---|---|
//! | TERM, INT, USR1 | end the program gracefully |
//! | QUIT | end it at once |
//! | HUP | nothing: a closed terminal is no reason to end a trial |
//! | CHLD | some process of the attempt ended |

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// `si_code` of a signal that the kernel raised, as a terminal's Ctrl-C does.
const SENT_BY_KERNEL: i32 = 0x80;

const HEARD: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGQUIT, Signal::SIGCHLD];

/// What a signal asks of the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// End the program gracefully.
    Terminate,
    /// End the program at once.
    Kill,
}

/// The blocked signals of a runner.
pub(crate) struct Signals {
    fd: SignalFd,
    /// With a session of its own, a runner has no terminal whose Ctrl-C could concern it.
    pub(crate) ignore_terminal: bool,
}

impl Signals {
    /// Blocks the runner's signals for this thread and opens them for reading.
    pub(crate) fn block() -> nix::Result<Self> {
        let heard: SigSet = HEARD.into_iter().collect();
        heard.thread_set_mask()?;
        let fd = SignalFd::with_flags(&heard, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { fd, ignore_terminal: false })
    }

    /// Waits until a signal arrives or the time is over, and returns what was asked meanwhile.
    pub(crate) fn wait(&self, timeout: Duration) -> nix::Result<Vec<Notice>> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, poll_timeout(timeout)) {
            Ok(_) | Err(Errno::EINTR) => self.drain(),
            Err(error) => Err(error),
        }
    }

    /// Returns what has been asked so far, without waiting.
    pub(crate) fn drain(&self) -> nix::Result<Vec<Notice>> {
        let mut notices = Vec::new();
        while let Some(info) = self.fd.read_signal()? {
            let from_terminal = info.ssi_code == SENT_BY_KERNEL;
            if !(from_terminal && self.ignore_terminal) {
                notices.extend(notice(info.ssi_signo.cast_signed()));
            }
        }
        Ok(notices)
    }
}

/// Runs `start` while the runner's signals are blocked, so that what it starts is born with them blocked.
pub(crate) fn with_blocked<T>(start: impl FnOnce() -> T) -> T {
    let heard: SigSet = HEARD.into_iter().collect();
    let before = heard.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = start();
    if let Ok(before) = before {
        before.thread_set_mask().expect("a mask that was in force is valid");
    }
    result
}

fn notice(signal: i32) -> Option<Notice> {
    match Signal::try_from(signal) {
        Ok(Signal::SIGTERM | Signal::SIGINT | Signal::SIGUSR1) => Some(Notice::Terminate),
        Ok(Signal::SIGQUIT) => Some(Notice::Kill),
        _ => None,
    }
}

/// Rounds up to whole milliseconds, so that waiting for a deadline does not end just before it.
fn poll_timeout(timeout: Duration) -> PollTimeout {
    PollTimeout::try_from(timeout + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn blocked_signals_are_heard_and_hangup_is_not() {
        let signals = Signals::block().unwrap();
        for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGQUIT] {
            raise(signal).unwrap();
        }
        let notices = signals.wait(Duration::from_secs(5)).unwrap();
        assert!(notices.contains(&Notice::Terminate) && notices.contains(&Notice::Kill));
        assert_eq!(notices.len(), 2);
        assert!(signals.drain().unwrap().is_empty());
    }

    #[test]
    fn mask_is_restored_after_the_start() {
        let before = SigSet::thread_get_mask().unwrap();
        assert!(with_blocked(|| SigSet::thread_get_mask().unwrap().contains(Signal::SIGQUIT)));
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
