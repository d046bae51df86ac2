//! The local executor with real runners.

use std::fs;
use std::path::Path;

use crate::common::{RUNNER, Trial, assert_closed, eventually, executor, exists, heard, is_running, kill};
use automl_exec::{Adoption, AttemptKey, CancelMode, Cause, Executor, LocalExecutor, Submit};
use nix::sys::signal::Signal;
use tokio::sync::mpsc::unbounded_channel;

/// A program that runs until it is ended, and tells its pid.
const HANG: &str = "echo $$; exec sleep 1000";

fn runner_of(trial: &Trial) -> i32 {
    let pid = trial.json("claim/owner.json")["runner"]["pid"].as_i64().unwrap();
    pid.try_into().unwrap()
}

#[test]
fn ends_are_reported_once_each() {
    for (script, cause) in
        [("exit 0", Cause::Exit(0)), ("exit 3", Cause::Exit(3)), ("kill -9 $$", Cause::Signal(9))]
    {
        let trial = Trial::script(script).prepare();
        let (mut executor, mut ended) = executor();
        assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
        let report = heard(&mut ended);
        assert_eq!((&report.key, &report.verdict.cause), (&trial.spec.key, &cause));
        assert!(report.verdict.started_ms.is_some() && report.verdict.max_rss_kib.is_some());
        drop(executor);
        assert_closed(&mut ended);
    }
}

#[test]
fn ended_runner_is_no_zombie() {
    let trial = Trial::script("exit 0").prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    heard(&mut ended);
    assert!(!exists(runner_of(&trial)));
}

#[test]
fn launch_failure_names_the_program() {
    let trial = Trial::program(&["no-such-trainer"]).prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    let Cause::LaunchFailed(text) = heard(&mut ended).verdict.cause else { panic!("nothing to launch") };
    assert!(text.contains("`no-such-trainer`: No such file"), "{text}");
}

#[test]
fn second_submission_starts_nothing() {
    let trial = Trial::script("echo $$; exec sleep 1000").prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    assert_eq!(executor.submit(&trial.spec), Submit::AlreadyThere);
    executor.cancel(&trial.spec.key, CancelMode::Kill);
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Terminated);
    assert_eq!(executor.submit(&trial.spec), Submit::AlreadyThere, "and the end is reported again");
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Terminated);
    assert_eq!(trial.text("refused"), "");
}

#[test]
fn late_duplicate_follows_the_winner() {
    let trial = Trial::script(HANG).prepare();
    let late = format!("while [ ! -s \"$1/claim/owner.json\" ]; do sleep 0.01; done; exec {RUNNER} \"$1\"");
    let (sender, mut late_ended) = unbounded_channel();
    let mut late = LocalExecutor::new(["sh", "-c", &late, "late"].map(str::to_owned).to_vec(), sender);
    assert_eq!(late.submit(&trial.spec), Submit::Accepted);
    let (mut early, mut early_ended) = executor();
    assert_eq!(early.submit(&trial.spec), Submit::Accepted);
    let program = trial.pid("stdout.log");
    assert!(trial.line("refused").ends_with("claimed already"));
    late.cancel(&trial.spec.key, CancelMode::Graceful);
    assert_eq!(heard(&mut early_ended).verdict.cause, Cause::Terminated);
    assert_eq!(heard(&mut late_ended).verdict.cause, Cause::Terminated);
    assert!(!exists(program));
}

#[test]
fn refusals_say_what_is_missing() {
    let trial = Trial::script("true");
    let (mut executor, mut ended) = executor();
    let Submit::Refused { reason } = executor.submit(&trial.spec) else { panic!("no launch.json") };
    assert!(reason.contains("there is no launch.json in"), "{reason}");
    let trial = trial.prepare();
    let (sender, _receiver) = unbounded_channel();
    let mut broken = LocalExecutor::new(vec!["/no/such/runner".into()], sender);
    let Submit::Refused { reason } = broken.submit(&trial.spec) else { panic!("no runner") };
    assert!(reason.contains("cannot start the runner `/no/such/runner`: No such file"), "{reason}");
    assert!(matches!(broken.submit(&trial.spec), Submit::Refused { .. }), "and not taken for started");
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted, "a refusal leaves nothing behind");
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Exit(0));
}

#[test]
fn failing_runner_is_a_launch_failure() {
    let trial = Trial::script("true").prepare();
    fs::write(trial.path("launch.json"), "{").unwrap();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    let Cause::LaunchFailed(text) = heard(&mut ended).verdict.cause else { panic!("no spec") };
    assert!(text.contains("code 1") && text.contains("launch.json is not a launch spec"), "{text}");
}

#[test]
fn fenced_attempt_is_reported_as_such() {
    let trial = Trial::script("true").prepare();
    trial.raise_fence(2);
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Fenced);
}

#[test]
fn cancellation_right_after_submission_is_not_lost() {
    for mode in [CancelMode::Graceful, CancelMode::Kill] {
        let trial = Trial::script("sleep 1000").prepare();
        let (mut executor, mut ended) = executor();
        assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
        executor.cancel(&trial.spec.key, mode);
        assert_eq!(heard(&mut ended).verdict.cause, Cause::Terminated);
    }
}

#[test]
fn graceful_cancellation_lets_the_program_save() {
    let trial =
        Trial::script("trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.01; done").prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    trial.line("stdout.log");
    executor.cancel(&trial.spec.key, CancelMode::Graceful);
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Terminated);
    assert_eq!(trial.text("stdout.log"), "up\nsaved\n");
    executor.cancel(&trial.spec.key, CancelMode::Kill);
}

#[test]
fn kill_shortens_a_running_grace() {
    let trial = Trial::script("trap 'echo asked' TERM; echo up; while :; do sleep 0.01; done");
    let trial = trial.with(|spec| spec.grace_ms = 1_000_000).prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    trial.line("stdout.log");
    executor.cancel(&trial.spec.key, CancelMode::Graceful);
    eventually("the signal", || trial.text("stdout.log").contains("asked"));
    executor.cancel(&trial.spec.key, CancelMode::Kill);
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Terminated);
}

#[test]
fn trial_outlives_its_executor_and_is_adopted() {
    let trial = Trial::script("echo $$; read line < $AUTOML_ATTEMPT_DIR/go; exit 4").prepare();
    nix::unistd::mkfifo(&trial.path("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (mut first, mut first_ended) = executor();
    assert_eq!(first.submit(&trial.spec), Submit::Accepted);
    let program = trial.pid("stdout.log");
    drop(first);
    assert_closed(&mut first_ended);
    assert!(is_running(program));

    let (mut second, mut ended) = executor();
    assert_eq!(second.adopt(&trial.spec.key, trial.dir()), Adoption::Running);
    assert_eq!(second.adopt(&trial.spec.key, trial.dir()), Adoption::Running);
    fs::write(trial.path("go"), "go\n").unwrap();
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Exit(4));
    let Adoption::Ended(verdict) = second.adopt(&trial.spec.key, trial.dir()) else { panic!("it ended") };
    assert_eq!(verdict.cause, Cause::Exit(4));
    drop(second);
    assert_closed(&mut ended);
}

#[test]
fn adopted_trial_can_be_cancelled() {
    let trial = Trial::script(HANG).prepare();
    let (mut first, _) = executor();
    assert_eq!(first.submit(&trial.spec), Submit::Accepted);
    let program = trial.pid("stdout.log");
    first.detach();
    first.cancel(&trial.spec.key, CancelMode::Kill);
    assert!(is_running(program), "a detached executor lets go");
    let (mut second, mut ended) = executor();
    assert_eq!(second.adopt(&trial.spec.key, trial.dir()), Adoption::Running);
    second.cancel(&trial.spec.key, CancelMode::Graceful);
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Terminated);
    assert!(!exists(program));
}

#[test]
fn unclaimed_attempt_was_not_started() {
    let trial = Trial::script("true").prepare();
    let (mut executor, _ended) = executor();
    assert_eq!(executor.adopt(&trial.spec.key, trial.dir()), Adoption::NotStarted);
    assert_eq!(executor.adopt(&trial.spec.key, Path::new("/no/such/folder")), Adoption::NotStarted);
}

/// Starts a group, and a process that left both the group and its parents.
const FAMILY: &str = "(setsid sh -c 'echo $$ > '$AUTOML_ATTEMPT_DIR'/stray; exec sleep 1000' &) ; \
                      sh -c 'echo $$ > '$AUTOML_ATTEMPT_DIR'/member; exec sleep 1000' & echo $$; wait";

fn family(trial: &Trial) -> [i32; 3] {
    [trial.pid("stdout.log"), trial.pid("stray"), trial.pid("member")]
}

#[test]
fn killed_runner_is_a_loss_and_leaves_no_process() {
    let trial = Trial::script(FAMILY).prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    let family = family(&trial);
    kill(runner_of(&trial), Signal::SIGKILL);
    let verdict = heard(&mut ended).verdict;
    assert_eq!((verdict.cause, verdict.started_ms), (Cause::Lost, None));
    assert!(!family.into_iter().any(is_running));
}

#[test]
fn loss_between_two_engines_is_found_by_adoption() {
    let trial = Trial::script(FAMILY).prepare();
    let mut runner = trial.start_runner();
    let mut family = family(&trial);
    // Without its leader the group is known by the marker alone.
    kill(runner.id().cast_signed(), Signal::SIGSTOP);
    kill(family[0], Signal::SIGKILL);
    runner.kill().unwrap();
    runner.wait().unwrap();
    family.sort_unstable();
    let (mut executor, mut ended) = executor();
    let Adoption::Ended(verdict) = executor.adopt(&trial.spec.key, trial.dir()) else { panic!("it is lost") };
    assert_eq!(verdict.cause, Cause::Lost);
    assert!(!family.into_iter().any(is_running));
    drop(executor);
    assert_closed(&mut ended);
}

/// Writes an owner record of this machine that names this process as runner and program.
fn forge_owner(trial: &Trial, pid: i32, start: u64) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    forge_owner_of_boot(trial, pid, start, boot.trim());
}

fn forge_owner_of_boot(trial: &Trial, pid: i32, start: u64, boot: &str) {
    fs::create_dir(trial.path("claim")).unwrap();
    let read = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    let owner = serde_json::json!({
        "key": trial.spec.key,
        "machine": {
            "host": read("/proc/sys/kernel/hostname"),
            "boot_id": boot,
            "pid_namespace": fs::read_link("/proc/self/ns/pid").unwrap(),
        },
        "runner": {"pid": pid, "start": start},
        "child": {"pid": pid, "start": start},
    });
    fs::write(trial.path("claim/owner.json"), owner.to_string()).unwrap();
}

#[test]
fn reused_pid_is_neither_adopted_nor_killed() {
    let trial = Trial::script("true").prepare();
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = bystander.id().cast_signed();
    forge_owner(&trial, pid, 1);
    let (mut executor, _ended) = executor();
    let Adoption::Ended(verdict) = executor.adopt(&trial.spec.key, trial.dir()) else { panic!("it is lost") };
    assert_eq!(verdict.cause, Cause::Lost);
    assert!(is_running(pid));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn attempts_from_before_a_reboot_are_lost_at_once() {
    let trial = Trial::script("true").prepare();
    // The very process that the record names, by pid and start time: but of another boot.
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = bystander.id().cast_signed();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    forge_owner_of_boot(&trial, pid, start, "an-earlier-boot");
    let (mut executor, _ended) = executor();
    let Adoption::Ended(verdict) = executor.adopt(&trial.spec.key, trial.dir()) else { panic!("it is lost") };
    assert_eq!(verdict.cause, Cause::Lost);
    assert!(is_running(pid));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn damaged_records_count_as_absent_and_are_noted() {
    let trial = Trial::script("true").prepare();
    forge_owner(&trial, 1, 1);
    fs::write(trial.path("exit.json"), "{\"why\": \"exi").unwrap();
    let (mut executor, _ended) = executor();
    let Adoption::Ended(verdict) = executor.adopt(&trial.spec.key, trial.dir()) else { panic!("it is lost") };
    assert_eq!(verdict.cause, Cause::Lost);
    assert!(trial.text("runner.log").contains("exit.json is damaged and treated as absent"));
}

#[test]
fn claim_without_owner_becomes_a_loss_and_never_a_second_start() {
    let trial = Trial::script("echo ran").prepare();
    fs::create_dir(trial.path("claim")).unwrap();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::AlreadyThere);
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Lost);
    assert!(!trial.path("stdout.log").exists());
}

#[test]
fn record_of_another_attempt_is_not_believed() {
    let trial = Trial::script("exit 0").prepare();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.submit(&trial.spec), Submit::Accepted);
    heard(&mut ended);
    let other = AttemptKey { trial: 8, ..trial.spec.key.clone() };
    assert_eq!(executor.adopt(&other, trial.dir()), Adoption::Running, "a claim whose owner is not believed");
    assert_eq!(heard(&mut ended).verdict.cause, Cause::Lost);
}

#[test]
fn runner_of_another_machine_is_judged_by_its_heart_alone() {
    let trial = Trial::script("true").prepare();
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = bystander.id().cast_signed();
    forge_owner(&trial, pid, 1);
    let elsewhere =
        trial.text("claim/owner.json").replace("\"pid_namespace\":\"pid:[", "\"pid_namespace\":\"pid:[9");
    fs::write(trial.path("claim/owner.json"), elsewhere).unwrap();
    let (mut executor, mut ended) = executor();
    assert_eq!(executor.adopt(&trial.spec.key, trial.dir()), Adoption::Running);
    executor.cancel(&trial.spec.key, CancelMode::Kill);
    assert!(is_running(pid) && ended.try_recv().is_err());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}
