//! Disks that are full for a while, or can only be read: file systems and mounts in a namespace of their own.

use crate::support::{TestEnv, wait_until};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs a search on a file system of 8 MiB, then looks at the study there.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=8m tmpfs studies || exit 99
"$0" run --gpus none --metric loss:min --param x=0.0..1.0 --trials 5 --parallel 1 --retry 2 --seed 1 --name s \
    -- ./hang.sh '{x}' > run.out 2> run.err
echo $? > run.code
"$0" trials s --json > trials.json
"$0" fsck s > fsck.out 2>&1
echo $? > fsck.code
"#;

fn start(env: &TestEnv) -> Child {
    fs::create_dir(env.root()).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", SCRIPT, env!("CARGO_BIN_EXE_automl")]).current_dir(env.path(""));
    command.env_remove("AUTOML_ROOT").stdin(Stdio::null()).spawn().unwrap()
}

/// Fills the file system that only the child sees, to its last byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

fn mounts_are_allowed() -> bool {
    let probe = ["-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    Command::new("unshare").args(probe).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot be done here says so")]
fn a_full_disk_pauses_the_search_until_there_is_space() {
    if !mounts_are_allowed() {
        eprintln!("skipped: mount namespaces are not allowed here");
        return;
    }
    let env = TestEnv::new();
    let mut child = start(&env);
    env.wait_for_started(1);
    let filler = Path::new("/proc").join(child.id().to_string()).join("root");
    let filler = filler.join(env.root().join("fill").strip_prefix("/").unwrap());
    fill(&filler);
    fs::write(env.path("go"), "").unwrap();
    let said = || fs::read_to_string(env.path("run.err")).unwrap_or_default();
    // The trial ends and its runner cannot say so; it keeps trying.
    let record = filler.with_file_name("s/trials/00001/attempt-1/exit.json.tmp");
    wait_until("the trial's runner to meet the full disk", || record.exists());
    assert!(!env.path("run.code").exists(), "the engine ended: {}", said());

    fs::remove_file(&filler).unwrap();
    assert!(child.wait().unwrap().success(), "{}", said());
    assert_eq!(fs::read_to_string(env.path("run.code")).unwrap(), "0\n", "{}", said());
    let trials = fs::read_to_string(env.path("trials.json")).unwrap();
    let trials: Vec<Value> = trials.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(trials.len(), 5);
    assert!(trials.iter().all(|trial| trial["state"] == "complete"), "{trials:?}");
    assert_eq!(fs::read_to_string(env.path("fsck.code")).unwrap(), "0\n");
}

/// Looks at a study in a folder that cannot be written to, then tries to change it.
const READ_ONLY: &str = r#"
mount --bind studies studies && mount -o remount,ro,bind studies || exit 99
for command in 'status s' 'trials s' 'fsck s' 'replay s' 'export s --to jsonl' 'fsck s --repair'; do
    "$0" $command > said 2>&1 || { echo "$command"; cat said; exit 1; }
done
for command in 'resume s --trials 3' 'set s trials=3'; do
    "$0" $command > said 2>&1
    [ $? = 3 ] && grep -q 'Read-only file system' said || { echo "$command"; cat said; exit 1; }
done
"#;

#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot be done here says so")]
fn a_study_that_cannot_be_written_to_can_be_looked_at() {
    if !mounts_are_allowed() {
        eprintln!("skipped: mount namespaces are not allowed here");
        return;
    }
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    let mut looked = Command::new("unshare");
    looked.args(["-Urm", "sh", "-c", READ_ONLY, env!("CARGO_BIN_EXE_automl")]).current_dir(env.path(""));
    let looked = looked.env_remove("AUTOML_ROOT").stdin(Stdio::null()).output().unwrap();
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stdout));
}
