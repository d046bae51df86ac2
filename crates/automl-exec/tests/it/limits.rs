//! What an attempt may use of the machine, with real programs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::common::{RUNNER, Trial};
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
    assert!(record["memory_peak_kib"].as_u64().unwrap() > 60 * 1024, "{record}");
}

#[test]
fn memory_below_the_limit_is_nobodys_business() {
    let limits = UseLimits { memory_bytes: Some(500 * MIB), ..UseLimits::default() };
    let script = "x=$(head -c 3000000 /dev/zero | tr '\\0' x); sleep 1.2; :";
    let (_, record) = Trial::script(script).with(|spec| spec.limits = limits).run();
    assert_eq!((&record["why"], &record["code"]), (&json!("exited"), &json!(0)), "{record}");
}

#[test]
fn memory_is_left_to_the_kernel_where_there_are_control_groups() {
    // A folder plays the kernel's tree, and the program plays the kernel that kills it.
    let script = "cd $PLACE/am-0000beef-t7-a1-*; echo $(cat memory.max); env | grep -c AUTOML_CGROUP; \
                  echo 50331648 > memory.peak; printf 'oom 1\noom_kill 2\n' > memory.events; kill -9 $$";
    let limits = UseLimits { memory_bytes: Some(60 * MIB), ..UseLimits::default() };
    let trial = Trial::script(script).with(|spec| spec.limits = limits);
    let place = trial.root().join("groups");
    fs::create_dir_all(place.join("automl-home")).unwrap();
    let trial =
        trial.with(|spec| drop(spec.env.insert("PLACE".into(), place.display().to_string()))).prepare();
    let status = Command::new(RUNNER).arg(trial.dir()).env("AUTOML_CGROUP", &place).status().unwrap();
    assert!(status.success());
    let record = trial.json("exit.json");
    assert_eq!((&record["why"], &record["signal"]), (&json!("memory_limit"), &json!(9)), "{record}");
    assert_eq!(record["memory_peak_kib"], 48 * 1024, "{record}");
    assert!(record["owner"]["group"].as_str().unwrap().starts_with(place.to_str().unwrap()), "{record}");
    assert_eq!(trial.text("stdout.log"), "62914560\n0\n", "the limit, and nothing of it in the environment");
}

#[test]
fn attempts_run_without_a_control_group_where_none_can_be_made() {
    let trial = Trial::script("exit 3").prepare();
    let status =
        Command::new(RUNNER).arg(trial.dir()).env("AUTOML_CGROUP", "/no/such/group").status().unwrap();
    assert!(status.success());
    assert_eq!(trial.json("exit.json")["code"], 3);
    let log = trial.text("runner.log");
    assert!(log.contains("without a control group of its own"), "{log}");
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
