//! Wrong input and missing surroundings: what is said, where it points, and the exit code.

use crate::support::{TestEnv, entries};
use std::fs;

fn assert_refused(env: &TestEnv, arguments: &str, code: i32, words: &[&str]) {
    let ran = env.automl(arguments);
    assert_eq!(ran.code, code, "{arguments}: {}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{arguments}: no `{word}` in {}", ran.stderr);
    }
    assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    assert_eq!(entries(&env.root()), 0, "{arguments} left something behind");
}

#[test]
fn wrong_usage_is_answered_with_the_right_one() {
    let env = TestEnv::new();
    for (arguments, words) in [
        ("run --trails 3 -- ./train.sh", &["'--trails'", "'--trials'"][..]),
        ("rum", &["'run'"]),
        ("run", &["nothing to tune", "--network mal"]),
        ("run --param x=0..1 -- ./train.sh {x}", &["--metric loss:min"]),
        ("run --network mal -- ./train.sh", &["exclude each other"]),
        ("run --metric loss --param x=1..0 -- ./train.sh {x}", &["lower bound 1 is above upper bound 0"]),
        (
            "run --metric loss --param x=0..1 --name ../x -- ./train.sh {x}",
            &["`../x` cannot be a study's name"],
        ),
        ("run --metric loss --param x=0..1 --eta 1 -- ./train.sh {x}", &["--eta 1"]),
        ("run --metric loss --param x=0..1 --gpus x -- ./train.sh {x}", &["`x` is no GPU list"]),
        (
            "run --metric loss --param x=0..1 --algorithm hyperband -- ./train.sh {x}",
            &["--algorithm bayesian"],
        ),
        (
            "run --metric loss --param x=0..1 --train-dataset d -- ./train.sh {x}",
            &["`--train-dataset` needs `--network`"],
        ),
        (
            "run --metric v:minn --param x=0.0..1.0 -- ./train.sh {x}",
            &["unknown direction `minn`", "`:min`?"],
        ),
        ("run --metric v --param api_key=1 -- ./train.sh {api_key}", &["`api_key` sounds like a secret"]),
        ("run --network mall", &["no network `mall`", "did you mean `mal`?"]),
        ("networks mall", &["no network `mall`", "did you mean `mal`?"]),
        ("networks mal trian", &["did you mean `train`?"]),
        ("status nothing", &["no study `nothing`: there is none at all in studies"]),
        ("logs 1", &["there is no study in studies"]),
    ] {
        assert_refused(&env, arguments, 2, words);
    }
}

#[test]
fn missing_surroundings_have_their_own_code() {
    let env = TestEnv::new();
    fs::write(env.path("file"), "").unwrap();
    fs::write(env.path("plain.txt"), "").unwrap();
    for (arguments, words) in [
        (
            "run --metric loss --param x=0..1 -- ./no-such-program {x}",
            &["program `./no-such-program` was not found"][..],
        ),
        ("run --metric loss --param x=0..1 -- ./plain.txt {x}", &["not an executable file", "chmod +x"]),
        ("run --metric loss --param x=0..1 --root file -- ./train.sh {x}", &["cannot write", "--root"]),
        (
            "run --metric loss --param x=0..1 --root /proc/nowhere -- ./train.sh {x}",
            &["cannot write /proc/nowhere/"],
        ),
        ("run --network mal --params train.lr", &["--train-dataset", "annotations.json"]),
    ] {
        assert_refused(&env, arguments, 3, words);
    }
}

#[test]
fn broken_settings_file_is_located() {
    let env = TestEnv::new();
    fs::write(env.path("automl.toml"), "[run]\ntrails = 3\n").unwrap();
    assert_refused(&env, "list", 2, &["automl.toml:2:1", "did you mean `trials`?"]);
    fs::write(env.path("automl.toml"), "[run]\ntimeout = \"90\"\n").unwrap();
    let run = "run --metric loss --param x=0..1 -- ./train.sh {x}";
    assert_refused(&env, run, 2, &["automl.toml: run.timeout: `90` is no duration"]);
}

#[test]
fn unknown_trials_and_studies_name_those_there() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    for (arguments, words) in [
        ("status t", "no study `t` in studies; there are s"),
        ("logs 9", "study s has no trial 9; it has 1"),
        ("logs 1 --attempt 2", "trial 1 has no attempt 2; it has 1"),
    ] {
        let ran = env.automl(arguments);
        assert_eq!(ran.code, 2, "{arguments}");
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn files_are_checked_with_places() {
    let env = TestEnv::new();
    fs::write(env.path("space.yaml"), "- lr=1e-5..1e-1:log\n- n=8..1\n").unwrap();
    let ran = env.automl("check space.yaml");
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("error: space.yaml:2:"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 file checked: 1 error, 0 warnings"), "{}", ran.stderr);
    fs::write(env.path("space.yaml"), "- lr=1e-5..1e-1:log\n- n=1..8\n").unwrap();
    let ran = env.automl("check space.yaml");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert_eq!(env.automl("check no-such-file.json").code, 2);
}

#[test]
fn damaged_log_has_its_own_code_and_is_mended() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    let journal = env.root().join("s/events.jsonl");
    fs::write(&journal, b"garbage\n").unwrap();
    let ran = env.automl("status s");
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("`automl resume s` repairs"), "{}", ran.stderr);
    let mended = env.automl("resume s --trials 2");
    assert_eq!(mended.code, 0, "{}", mended.stderr);
    assert_eq!(env.objects("trials s --json").len(), 2);
}
