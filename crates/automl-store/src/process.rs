//! Who a process is, beyond its number: the system gives the numbers of dead processes away again.
//!
//! Linux counts the start of a process in ticks since boot (field 22 of `/proc/<pid>/stat`). With the
//! number and the identity of the boot it names a process for good.

use std::fs;

/// What this computer knows about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Alive,
    Dead,
}

/// Returns the start of a live process in clock ticks since boot.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads the start time out of `/proc/<pid>/stat`; `None` for a zombie, which no longer acts.
fn parse_stat(stat: &str) -> Option<u64> {
    // The name of the program, in brackets, may itself contain blanks and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(start)
}

/// Tells whether the process that started at these ticks of this boot still runs.
pub(crate) fn liveness(pid: u32, start: u64, boot: &str) -> Liveness {
    if boot == boot_id() && start_ticks(pid) == Some(start) { Liveness::Alive } else { Liveness::Dead }
}

/// Returns the random identity of this boot of the system, empty where there is none.
pub(crate) fn boot_id() -> String {
    system_line("/proc/sys/kernel/random/boot_id")
}

/// Returns the name of this computer, empty where there is none.
pub(crate) fn host_name() -> String {
    system_line("/proc/sys/kernel/hostname")
}

fn system_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_is_field_22_whatever_the_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(parse_stat(&format!("9 (a) b) (c) {tail}")), Some(4711));
        assert_eq!(parse_stat(&format!("9 (a) {}", tail.replacen('S', "Z", 1))), None);
        assert_eq!(parse_stat("9 (a) S 1"), None);
    }

    #[test]
    fn this_process_lives_and_a_reused_number_does_not() {
        let me = std::process::id();
        let start = start_ticks(me).unwrap();
        assert_eq!(liveness(me, start, &boot_id()), Liveness::Alive);
        assert_eq!(liveness(me, start + 1, &boot_id()), Liveness::Dead);
        assert_eq!(liveness(me, start, "another boot"), Liveness::Dead);
    }
}
