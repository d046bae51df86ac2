//! Whose checkpoints stay, which go, and what happens where one is missing.

use super::support::TestEnv;
use std::fs;
use std::path::PathBuf;

fn checkpoints(env: &TestEnv, trial: u64) -> Vec<PathBuf> {
    let folder = env.root().join(format!("s/trials/{trial:05}/results/train"));
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.retain(|path| path.file_name().is_some_and(|name| name != "status.json"));
    paths.sort();
    paths
}

/// Epochs that a trial trained, in order.
fn trained(env: &TestEnv, trial: u64) -> Vec<u64> {
    let ledger = fs::read_to_string(env.path("ledger")).unwrap();
    let of_trial = ledger.lines().filter_map(|line| line.strip_prefix(&format!("{trial} ")));
    of_trial.map(|epoch| epoch.parse().unwrap()).collect()
}

fn best(env: &TestEnv) -> u64 {
    env.objects("best s --json")[0]["trial"].as_u64().unwrap()
}

fn log(env: &TestEnv) -> String {
    fs::read_to_string(env.root().join("s/events.jsonl")).unwrap()
}

#[test]
fn only_the_best_keeps_its_checkpoints_and_no_promotion_misses_one() {
    let env = TestEnv::new();
    let options =
        format!("{} --algorithm hyperband --parallel 2 --keep-checkpoints best --name s", env.toy());
    let ran = env.automl(&format!("run {options}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!log(&env).contains("checkpoint_lost"));
    let best = best(&env);
    for trial in 1..=17 {
        assert_eq!(checkpoints(&env, trial).is_empty(), trial != best, "trial {trial}, best {best}");
        let epochs = trained(&env, trial);
        assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "trial {trial} went on: {epochs:?}");
    }
    let deletions = log(&env).matches("checkpoints_dropped").count();
    let replayed = env.automl("replay s");
    assert_eq!(replayed.code, 0, "{}", replayed.stdout);
    assert!(replayed.stdout.contains(&format!("{deletions} deletions")), "{}", replayed.stdout);
}

/// A crash between the decision and the deletion leaves files; the next engine deletes them.
#[test]
fn what_was_decided_to_go_goes_after_a_crash() {
    let env = TestEnv::new();
    let options =
        format!("{} --algorithm random --set train.num_epochs=2 --keep-checkpoints best", env.toy());
    assert_eq!(env.automl(&format!("run {options} --trials 3 --parallel 1 --name s")).code, 0);
    let loser = (1..=3).find(|trial| *trial != best(&env)).unwrap();
    let left = env.root().join(format!("s/trials/{loser:05}/results/train/model_epoch_001.json"));
    fs::write(&left, "{}").unwrap();
    let shown = &env.objects("gc s --json")[0];
    assert_eq!(shown["trials"][0]["trial"].as_u64(), Some(loser));
    assert!(left.exists(), "showing deletes nothing");
    assert_eq!(env.automl("resume s --trials 4").code, 0);
    assert!(!left.exists());
}

#[test]
fn gc_deletes_what_nothing_needs_and_says_so_first() {
    let env = TestEnv::new();
    let options = format!("{} --algorithm random --set train.num_epochs=2", env.toy());
    assert_eq!(env.automl(&format!("run {options} --trials 3 --parallel 1 --name s")).code, 0);
    assert!((1..=3).all(|trial| checkpoints(&env, trial).len() == 2));
    let best = best(&env);
    let (loser, user) = match best {
        1 => (2, 3),
        2 => (1, 3),
        _ => (1, 2),
    };
    // Another study was started from the model of a trial that lost.
    let parent = checkpoints(&env, user)[1].display().to_string();
    let action = format!(
        r#"{{"format":1,"network":"toy","action":"train","state":"complete","attempt":1,"tag":"0","started":0,"parent_checkpoint":"{parent}"}}"#
    );
    fs::create_dir_all(env.path("results/toy-train-1")).unwrap();
    fs::write(env.path("results/toy-train-1/action.json"), action).unwrap();

    let ran = env.automl("gc s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("2 checkpoints, ") && ran.stderr.contains("automl gc s --yes"),
        "{}",
        ran.stderr
    );
    assert_eq!(checkpoints(&env, loser).len(), 2);
    let ran = env.automl("gc s --yes");
    assert!(ran.stderr.contains("deleted 2 checkpoints"), "{}", ran.stderr);
    assert!(checkpoints(&env, loser).is_empty());
    assert_eq!((checkpoints(&env, best).len(), checkpoints(&env, user).len()), (2, 2));
    assert!(log(&env).contains("checkpoints_dropped"));
    assert!(env.automl("gc s").stderr.contains("no checkpoint that can go"));
    assert_eq!(env.automl("gc s --keep all").code, 2);
}

#[test]
fn a_disk_budget_keeps_the_best_and_lets_the_worst_go() {
    let env = TestEnv::new();
    let options = format!("{} --algorithm random --set train.num_epochs=2 --disk 1B", env.toy());
    assert_eq!(env.automl(&format!("run {options} --trials 3 --parallel 1 --name s")).code, 0);
    let best = best(&env);
    for trial in 1..=3 {
        assert_eq!(checkpoints(&env, trial).is_empty(), trial != best, "trial {trial}");
    }
    assert!(log(&env).contains("the disk budget is used up"));
}

#[test]
fn so_many_of_the_best_keep_their_checkpoints() {
    for (keep, kept) in [("none", 0), ("top:2", 2), ("all", 4)] {
        let env = TestEnv::new();
        let options = format!("{} --algorithm random --set train.num_epochs=2", env.toy());
        let run = format!("run {options} --trials 4 --parallel 2 --keep-checkpoints {keep} --name s");
        assert_eq!(env.automl(&run).code, 0);
        let mut trials = env.objects("trials s --json");
        trials.sort_by(|a, b| a["value"].as_f64().unwrap().total_cmp(&b["value"].as_f64().unwrap()));
        for (place, trial) in trials.iter().enumerate() {
            let trial = trial["trial"].as_u64().unwrap();
            assert_eq!(checkpoints(&env, trial).is_empty(), place >= kept, "{keep}: trial {trial}");
        }
    }
}

/// Whatever the program left at its first rung is empty: the one that is promoted begins anew, and the log says why.
#[test]
fn damaged_checkpoint_at_a_promotion_begins_the_trial_anew() {
    let env = TestEnv::new();
    env.script(
        "damaging.sh",
        r#"#!/bin/sh
for epoch in $(seq 1 "$2"); do
    echo "$AUTOML_TRIAL $((epoch - 1))" >> ledger
    awk -v x="$1" -v n="$epoch" 'BEGIN { printf "epoch %d loss: %.9f\n", n, (x - 0.3) ^ 2 + 1 / n }'
done
: > "$AUTOML_RESULTS_DIR/checkpoint"
"#,
    );
    let options = "--algorithm successive-halving --max-fidelity 3 --trials 3 --parallel 1 --name s";
    let ran = env.run_over("./damaging.sh {x} {fidelity} {resume}", options);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let best = best(&env);
    assert_eq!(trained(&env, best), [0, 0, 1, 2]);
    assert_eq!(log(&env).matches("checkpoint_lost").count(), 1);
    let explained = env.automl(&format!("explain s/{best}")).stdout;
    assert!(explained.contains("it is empty"), "{explained}");
    assert_eq!(env.automl("replay s").code, 0);
}

/// To begin anew because the program fails on a checkpoint is no retry: it happens where none is allowed, too.
#[test]
fn trial_whose_program_fails_on_its_checkpoint_begins_anew_without_a_retry() {
    let env = TestEnv::new();
    env.script(
        "failing.sh",
        r#"#!/bin/sh
test -z "$3" || { echo "cannot read $3" >&2; exit 3; }
for epoch in $(seq 1 "$2"); do
    echo "$AUTOML_TRIAL $((epoch - 1))" >> ledger
    awk -v x="$1" -v n="$epoch" 'BEGIN { printf "epoch %d loss: %.9f\n", n, (x - 0.3) ^ 2 + 1 / n }'
done
echo weights > "$AUTOML_RESULTS_DIR/checkpoint"
"#,
    );
    let options =
        "--algorithm successive-halving --max-fidelity 3 --trials 3 --parallel 1 --retry 0 --name s";
    let ran = env.run_over("./failing.sh {x} {fidelity} {resume}", options);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let best = best(&env);
    assert_eq!(trained(&env, best), [0, 0, 1, 2]);
    let told = &env.objects("trials s --json")[best as usize - 1];
    assert_eq!((told["state"].as_str(), told["attempts"].as_u64()), (Some("complete"), Some(3)), "{told}");
    let log = log(&env);
    assert_eq!(log.matches("checkpoint_lost").count(), 1);
    assert!(log.contains("failed on its checkpoint, and begins anew: exit code 3"), "{log}");
    assert_eq!(env.automl("replay s").code, 0);
}

/// Raising the largest fidelity carries every finished trial on; where its checkpoint is gone, anew.
#[test]
fn raised_fidelity_goes_on_from_checkpoints_or_anew_where_one_is_lost() {
    let env = TestEnv::new();
    let options = format!("{} --algorithm random --max-fidelity 2", env.toy());
    assert_eq!(env.automl(&format!("run {options} --trials 2 --parallel 1 --name s")).code, 0);
    for path in checkpoints(&env, 1) {
        fs::write(path, "").unwrap();
    }
    let ran = env.automl("resume s --max-fidelity 1");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("can only be raised"), "{}", ran.stderr);
    assert_eq!(env.automl("set s max-fidelity=4").code, 0);
    let ran = env.automl("resume s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(trained(&env, 1), [0, 1, 0, 1, 2, 3]);
    assert_eq!(trained(&env, 2), [0, 1, 2, 3]);
    let log = log(&env);
    assert_eq!((log.matches("checkpoint_lost").count(), log.matches("it is empty").count()), (1, 1));
    let fidelities: Vec<u64> =
        env.objects("trials s --json").iter().map(|trial| trial["fidelity"].as_u64().unwrap()).collect();
    assert_eq!(fidelities, [4, 4]);
}
