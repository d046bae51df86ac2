//! What an attempt may use of the machine, with real programs.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::common::Trial;
use automl_exec::{Cut, UseLimits};
use serde_json::json;

const MIB: u64 = 1 << 20;

#[test]
fn memory_of_all_processes_together_is_limited() {
    // Three children, each well below the limit. A shell whose last command is `sleep` would become that.
    let child = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 20; :";
    let script = format!("for i in 1 2 3; do ( {child} ) & done; wait");
    let limits = UseLimits { memory_bytes: Some(60 * MIB), ..UseLimits::default() };
    let (_, record) = Trial::script(&script).with(|spec| spec.limits = limits).run();
    assert_eq!(record["why"], "memory_limit", "{record}");
}

#[test]
fn memory_below_the_limit_is_nobodys_business() {
    let limits = UseLimits { memory_bytes: Some(500 * MIB), ..UseLimits::default() };
    let script = "x=$(head -c 3000000 /dev/zero | tr '\\0' x); sleep 1.2; :";
    let (_, record) = Trial::script(script).with(|spec| spec.limits = limits).run();
    assert_eq!((&record["why"], &record["code"]), (&json!("exited"), &json!(0)), "{record}");
}

#[test]
fn results_may_take_so_much_disk() {
    let script = "mkdir -p out/deep; head -c 3000000 /dev/zero > out/deep/a; sleep 20";
    let limits =
        UseLimits { disk_bytes: Some(2 * MIB), disk_dir: Some("out".into()), ..UseLimits::default() };
    let (_, record) = Trial::script(script).with(|spec| spec.limits = limits).run();
    assert_eq!(record["why"], "disk_limit", "{record}");
}

#[test]
fn long_logs_lose_their_middle() {
    // Goes on only once the log has been cut, and writes more behind the hole.
    let script = "echo first; seq 1 400000; \
                  while [ ! -e $AUTOML_ATTEMPT_DIR/stdout.log.cut ]; do sleep 0.05; done; echo last";
    let limits = UseLimits { log_bytes: Some(MIB), ..UseLimits::default() };
    let (trial, record) = Trial::script(script).with(|spec| spec.limits = limits).run();
    assert_eq!((&record["why"], &record["code"]), (&json!("exited"), &json!(0)), "{record}");
    let log = trial.path("stdout.log");
    let cut = Cut::of(&log).unwrap();
    let metadata = fs::metadata(&log).unwrap();
    assert!(metadata.blocks() * 512 < MIB, "{} bytes are left", metadata.blocks() * 512);
    let text = fs::read(&log).unwrap();
    assert!(text.starts_with(b"first\n1\n2\n") && text.ends_with(b"\n400000\nlast\n"));
    let line_ends = |part: &[u8]| part.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(line_ends(&text) + cut.lines, 400_002);
}

#[test]
fn open_files_are_limited() {
    let script = "ulimit -n; ulimit -Hn";
    let limits = UseLimits { open_files: Some(64), ..UseLimits::default() };
    let (trial, _) = Trial::script(script).with(|spec| spec.limits = limits).run();
    assert!(trial.text("stdout.log").starts_with("64\n"), "{}", trial.text("stdout.log"));
}
