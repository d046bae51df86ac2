//! Algorithms whose trials are made from earlier ones: training of populations, and evolution over rungs.

use super::support::TestEnv;
use std::collections::BTreeMap;
use std::fs;

/// Trains epoch after epoch over one checkpoint, which says how far it got and by whom; a ledger says the same of
/// all trials.
const TRAIN: &str = r#"#!/bin/sh
epoch=0
by=
[ -z "$3" ] || read epoch by < "$3"
while [ "$epoch" -lt "$2" ]; do
    epoch=$((epoch + 1))
    echo "$AUTOML_TRIAL $epoch" >> ledger
    echo "$epoch $by,$AUTOML_TRIAL" > "$AUTOML_RESULTS_DIR/checkpoint.new"
    mv "$AUTOML_RESULTS_DIR/checkpoint.new" "$AUTOML_RESULTS_DIR/checkpoint"
    awk -v x="$1" -v n="$epoch" 'BEGIN { printf "epoch %d loss: %.9f\n", n, (x - 0.3) ^ 2 + 1 / n }'
done
"#;

const PROGRAM: &str = "./epochs.sh {x} {fidelity} {resume}";

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.script("epochs.sh", TRAIN);
    env
}

/// Epochs that every trial trained, in order.
fn ledger(env: &TestEnv) -> BTreeMap<u64, Vec<u64>> {
    let mut trained: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for line in fs::read_to_string(env.path("ledger")).unwrap().lines() {
        let (trial, epoch) = line.split_once(' ').unwrap();
        trained.entry(trial.parse().unwrap()).or_default().push(epoch.parse().unwrap());
    }
    trained
}

/// Five trials, three generations of two epochs, one copy for each of the first two.
#[test]
fn worst_of_a_generation_make_room_for_copies_of_the_best() {
    let env = env();
    let options = "--algorithm pbt --min-fidelity 2 --max-fidelity 6 --trials 7 --parallel 3 --keep-checkpoints best --name s";
    let plan =
        env.objects(&format!("plan --param x=0.0..1.0 --metric loss:min {options} --json -- {PROGRAM}"));
    let ran = env.run_over(PROGRAM, options);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let trained = ledger(&env);
    assert_eq!(trained.values().map(Vec::len).sum::<usize>(), 30, "nothing is trained twice: {trained:?}");
    assert_eq!(
        (&plan[0]["total_fidelity"], &plan[0]["trials"], &plan[0]["exact"]),
        (&30.into(), &7.into(), &true.into())
    );
    assert_eq!((trained[&6][0], trained[&7][0]), (3, 5), "copies go on where the copied were");
    let trials = env.objects("trials s --json");
    let states: Vec<&str> = trials.iter().map(|trial| trial["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "stopped").count(), 2, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == "complete").count(), 5, "{states:?}");
    let log = fs::read_to_string(env.root().join("s/events.jsonl")).unwrap();
    assert_eq!(log.matches("checkpoint_inherited").count(), 2);
    assert!(!log.contains("checkpoint_lost"), "what is copied is there, whatever is deleted");
    let explained = env.automl("explain s/6").stdout;
    assert!(
        explained.contains("began from a copy of that of trial") && explained.contains("generation  1"),
        "{explained}"
    );
    assert_eq!(env.automl("replay s").code, 0);
    assert_eq!(env.automl("fsck s").code, 0);
}

/// The checkpoint of a copy says who trained it before.
#[test]
fn copies_are_of_the_checkpoint_as_it_was() {
    let env = env();
    let options = "--algorithm pbt --min-fidelity 1 --max-fidelity 3 --trials 6 --parallel 1 --name s";
    assert_eq!(env.run_over(PROGRAM, options).code, 0);
    for copy in env.objects("trials s --json").iter().filter(|trial| trial["trial"].as_u64() > Some(4)) {
        let number = copy["trial"].as_u64().unwrap();
        let explained = &env.objects(&format!("explain s/{number} --json"))[0];
        let parent = explained["checkpoint"]["inherited_from"].as_u64().unwrap();
        let path = env.root().join(format!("s/trials/{number:05}/results/checkpoint"));
        let text = fs::read_to_string(path).unwrap();
        let by: Vec<u64> = text.split(',').skip(1).map(|trial| trial.trim().parse().unwrap()).collect();
        let at = explained["checkpoint"]["inherited_fidelity"].as_u64().unwrap() as usize;
        assert_eq!((by[at - 1], by[at]), (parent, number), "trained by {by:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said_before_anything_runs() {
    let env = env();
    let cases = [
        ("./epochs.sh {x} {fidelity}", "--max-fidelity 6", "carry on from a checkpoint"),
        (PROGRAM, "--min-fidelity 6 --max-fidelity 6", "two generations"),
        (PROGRAM, "--max-fidelity 6 --early-stop median", "leave out the early stopping"),
    ];
    for (program, options, said) in cases {
        let refused = env.run_over(program, &format!("--algorithm pbt {options} --name s"));
        assert!(
            refused.code == 2 && refused.stderr.contains(said),
            "{options}: {} {}",
            refused.code,
            refused.stderr
        );
    }
    assert!(!env.path("ledger").exists() && !env.root().join("s").exists());
}

#[test]
fn evolution_and_growing_rungs_run_and_replay() {
    let env = env();
    for (algorithm, options) in
        [("dehb", "--max-fidelity 3 --trials 12"), ("pasha", "--max-fidelity 27 --trials 12")]
    {
        let ran = env
            .run_over(PROGRAM, &format!("--algorithm {algorithm} {options} --parallel 3 --name {algorithm}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let replayed = env.automl(&format!("replay {algorithm}"));
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        let models: Vec<String> = (1..=12)
            .map(|trial| {
                env.objects(&format!("explain {algorithm}/{trial} --json"))[0]["origin"]["model"].to_string()
            })
            .collect();
        assert_eq!(models.iter().any(|model| model == "\"de\""), algorithm == "dehb", "{models:?}");
        assert!(
            env.objects(&format!("trials {algorithm} --json"))
                .iter()
                .any(|trial| trial["state"] == "complete")
        );
    }
    let raised = env.automl("resume dehb --max-fidelity 9");
    assert!(raised.code != 0 && raised.stderr.contains("--from"), "{} {}", raised.code, raised.stderr);
}
