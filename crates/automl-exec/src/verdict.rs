//! How an attempt ended.
//!
//! A verdict states what happened and leaves the judgement (retry, count against the trial) to others.

/// The end of one attempt, from its exit record or from the absence of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why it ended.
    pub cause: Cause,
    /// When the program was started, in milliseconds since the Unix epoch; absent if it never was, or if
    /// nobody is left to tell.
    pub started_ms: Option<u64>,
    /// When the end was established, in milliseconds since the Unix epoch.
    pub ended_ms: u64,
    /// User plus system time of the program and of all its descendants, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Largest resident set of any single process of the attempt, in KiB.
    pub max_rss_kib: Option<u64>,
    /// Most memory that all its processes held together, in KiB: as the kernel counted it where the attempt
    /// had a control group, else as it was seen where memory was limited.
    pub memory_peak_kib: Option<u64>,
    /// Whether the kernel killed processes for want of memory meanwhile, of this attempt or (where it had no
    /// control group) of others.
    pub oom_kills: bool,
}

/// Why an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The program ended by itself with this exit code.
    Exit(i32),
    /// The program was ended by this signal, which the runner did not send.
    Signal(i32),
    /// The attempt was cancelled, or its runner was asked to end (SIGTERM, SIGINT, SIGUSR1, SIGQUIT).
    Terminated,
    /// The program ran longer than its wall-clock limit.
    TimeLimit,
    /// The program wrote nothing for longer than its silence limit.
    Silent,
    /// Its processes together used more memory than their limit.
    MemoryLimit,
    /// Its results took more disk space than their limit.
    DiskLimit,
    /// A newer attempt raised the fence.
    Fenced,
    /// The runner vanished without an exit record: it was killed, or the machine went down.
    Lost,
    /// The program could not be started; the text names it and gives the system's reason.
    LaunchFailed(String),
}

impl Verdict {
    /// Returns the verdict on an attempt whose end nobody measured.
    pub fn unmeasured(cause: Cause, ended_ms: u64) -> Self {
        Self {
            cause,
            started_ms: None,
            ended_ms,
            cpu_ms: None,
            max_rss_kib: None,
            memory_peak_kib: None,
            oom_kills: false,
        }
    }
}
