//! The only clocks, and the name of this host.

use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since 1970.
pub(crate) type Clock = Box<dyn Fn() -> u64>;

/// Returns a clock that shows the time of day now, and from then on moves evenly: setting the time of
/// the machine does not move it, and sleep of the machine counts.
pub(crate) fn steady() -> Clock {
    let (day, boot) = (now_ms(), since_boot_ms());
    Box::new(move || day + since_boot_ms().saturating_sub(boot))
}

fn since_boot_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Returns milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// Returns this host's name, or an empty text where it has none.
pub(crate) fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| String::new(), |name| name.trim().into())
}
