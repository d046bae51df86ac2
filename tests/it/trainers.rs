//! The packaged networks `sleap_nn` and `dreem`, with stand-ins that write what the real programs write.
//! `make test-external` runs the same networks with the programs themselves.

use crate::support::{Ran, TestEnv};
use serde_json::Value;
use std::fs;
use std::process::Command;

const SLEAP_NN: &str = include_str!("fixtures/trainers/sleap_nn.py");
const PYTHON_OF_DREEM: &str = include_str!("fixtures/trainers/python_of_dreem.py");
const SLEAP_RUN: &str = "run --network sleap_nn --train-dataset data --eval-dataset data --gpus none --parallel 2 \
    --params trainer_config.optimizer.lr --bound trainer_config.optimizer.lr=1e-4..0.04:log --name s";
const DREEM_RUN: &str = "run --network dreem --train-dataset data --eval-dataset data --gpus none --parallel 2 \
    --params optimizer.lr --set early_stopping=null --name d";

/// An environment like a Python one: programs in `bin`, and packages of these versions beside their interpreter.
fn env() -> TestEnv {
    let env = TestEnv::new();
    for folder in ["bin", "data"] {
        fs::create_dir_all(env.path(folder)).unwrap();
    }
    for file in ["labels.pkg.slp", "film.slp", "film.mp4"] {
        fs::write(env.path("data").join(file), "x").unwrap();
    }
    env.script("bin/sleap-nn", SLEAP_NN);
    env.script("bin/python-of-dreem", PYTHON_OF_DREEM);
    env.script("bin/dreem", &format!("#!{}\n", env.path("bin/python-of-dreem").display()));
    fs::create_dir_all(env.path("lib/python3.12/site-packages/dreem_track-0.5.1.dist-info")).unwrap();
    env
}

fn command(env: &TestEnv, arguments: &str) -> Command {
    let path = format!("{}:{}", env.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = env.command(arguments);
    command.env("PATH", path);
    command
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn epochs(env: &TestEnv, trial: &str, attempt: u32) -> Vec<u64> {
    let table = env.root().join(format!("s/trials/{trial}/results/attempt-{attempt}/training_log.csv"));
    let text = fs::read_to_string(table).unwrap();
    text.lines().skip(1).map(|row| row.split(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn sleap_nn_is_searched_by_its_own_table() {
    let env = env();
    let diverging = "--enqueue trainer_config.optimizer.lr=0.04 --set trainer_config.max_epochs=3 --trials 5 --algorithm bayesian";
    let run = ran(command(&env, &format!("{SLEAP_RUN} {diverging}")));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 5);
    for trial in &trials {
        let rate = trial["params"]["trainer_config.optimizer.lr"].as_f64().unwrap();
        let expected = (0.02 + (rate.log10() + 2.0).abs()) / 3.0;
        let value = trial["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "the table counts, not the progress bar: {trial}");
    }
    assert_eq!(epochs(&env, "00001", 1), [0, 1, 2]);
    let best = fs::read_to_string(env.root().join("s/best_spec.yaml")).unwrap();
    assert!(best.contains("convnext: null") && best.contains("single_instance:"), "{best}");
}

#[test]
fn the_best_spec_begins_another_search() {
    let env = env();
    let first = ran(command(&env, &format!("{SLEAP_RUN} --trials 2 --set trainer_config.max_epochs=3")));
    assert_eq!(first.code, 0, "{}", first.stderr);
    let best = env.objects("best s --json")[0]["params"]["trainer_config.optimizer.lr"].clone();
    fs::write(env.path("best.yaml"), env.automl("best s --spec").stdout).unwrap();
    let again = SLEAP_RUN.replace("--name s", "--spec best.yaml --name again --trials 1");
    let run = ran(command(&env, &again));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let trial = &env.objects("trials again --json")[0];
    assert_eq!(trial["params"]["trainer_config.optimizer.lr"], best, "it begins with the best of the first");
    assert_eq!(trial["fidelity"], 3, "and is as long");
    let config = ran(command(&env, &format!("{again} --print-config"))).stdout;
    assert!(config.lines().any(|line| line.contains("best.yaml") && line.contains("--spec")), "{config}");
    let action =
        "action sleap_nn train --spec best.yaml --train-dataset data --eval-dataset data --results job";
    let job = ran(command(&env, &format!("{action} --gpus none")));
    assert_eq!(job.code, 0, "{}", job.stderr);
}

#[test]
fn exit_code_zero_is_not_enough() {
    let env = env();
    let mut cut =
        command(&env, &format!("{SLEAP_RUN} --trials 1 --retry 0 --set trainer_config.max_epochs=3"));
    cut.env("STAND_IN", "cut");
    assert_eq!(ran(cut).code, 1);
    let reason = env.objects("trials s --json")[0]["reason"].as_str().unwrap().to_string();
    assert!(reason.contains("never printed `Finished training at:`"), "{reason}");
    let wild = SLEAP_RUN.replace("1e-4..0.04:log", "0.06..0.1").replace("--name s", "--name nan");
    let run = ran(command(&env, &format!("{wild} --trials 1 --retry 0 --set trainer_config.max_epochs=3")));
    assert_eq!(run.code, 1, "{}", run.stderr);
    let reason = env.objects("trials nan --json")[0]["reason"].as_str().unwrap().to_string();
    assert!(reason.contains("val/loss"), "{reason}");
}

#[test]
fn hanging_programs_are_ended_by_the_silence_limit() {
    let env = env();
    let arguments = format!("{SLEAP_RUN} --trials 1 --retry 0 --silence-timeout 1s --grace 1s");
    let mut hang = command(&env, &arguments);
    hang.env("STAND_IN", "hang");
    assert_eq!(ran(hang).code, 1);
    let reason = env.objects("trials s --json")[0]["reason"].as_str().unwrap().to_string();
    assert!(reason.contains("printed nothing for too long"), "{reason}");
    let config = ran(command(&env, &format!("{SLEAP_RUN} --print-config")));
    assert!(config.stdout.contains("silence-timeout"), "{}", config.stdout);
}

#[test]
fn promoted_trials_carry_on_from_the_programs_own_checkpoint() {
    let env = env();
    let run =
        ran(command(&env, &format!("{SLEAP_RUN} --algorithm hyperband --set trainer_config.max_epochs=9")));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let trials = env.objects("trials s --json");
    let promoted: Vec<&Value> = trials.iter().filter(|t| t["attempts"].as_u64() > Some(1)).collect();
    assert!(!promoted.is_empty());
    for trial in promoted {
        let folder = format!("{:05}", trial["trial"].as_u64().unwrap());
        let attempts = trial["attempts"].as_u64().unwrap() as u32;
        let all: Vec<u64> = (1..=attempts).flat_map(|attempt| epochs(&env, &folder, attempt)).collect();
        let fidelity = trial["fidelity"].as_u64().unwrap();
        assert_eq!(all, (0..fidelity).collect::<Vec<u64>>(), "no epoch is trained twice: {trial}");
    }
}

#[test]
fn dreem_is_searched_through_the_packaged_script() {
    let env = env();
    let run = ran(command(&env, &format!("{DREEM_RUN} --algorithm hyperband --set trainer.max_epochs=9")));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let trials = env.objects("trials d --json");
    for trial in &trials {
        let rate = trial["params"]["optimizer.lr"].as_f64().unwrap();
        let expected = (0.02 + (rate.log10() + 3.0).abs()) / trial["fidelity"].as_f64().unwrap();
        assert!((trial["value"].as_f64().unwrap() - expected).abs() < 1e-9, "{trial}");
    }
    let promoted = trials.iter().find(|t| t["attempts"].as_u64() > Some(1)).unwrap();
    let folder = format!("d/trials/{:05}", promoted["trial"].as_u64().unwrap());
    let second = fs::read_to_string(env.root().join(folder).join("attempt-2/stdout.log")).unwrap();
    assert!(!second.contains(r#""epoch": 0"#), "carried on: {second}");
}

#[test]
fn missing_programs_are_told_before_the_first_trial() {
    let env = env();
    fs::remove_file(env.path("bin/sleap-nn")).unwrap();
    let mut command = env.command(&format!("{SLEAP_RUN} --trials 1"));
    command.env("PATH", "/usr/bin:/bin");
    let run = ran(command);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("program `sleap-nn` was not found"), "{}", run.stderr);
    assert!(!env.root().join("s").exists());
    let mut doctor = env.command("doctor --json");
    doctor.env("PATH", format!("{}:/usr/bin:/bin", env.path("bin").display()));
    let found = ran(doctor).stdout;
    let lines: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |network: &str| {
        lines.iter().find(|line| line["message"].as_str().unwrap().contains(network)).unwrap().clone()
    };
    assert_eq!(line("network sleap_nn")["status"], "warn");
    assert!(line("network sleap_nn")["fix"].as_str().unwrap().contains("pip install sleap-nn==0.3.5"));
    assert_eq!(line("network dreem")["status"], "ok");
}

#[test]
fn unknown_versions_are_remarked_upon() {
    let env = env();
    fs::create_dir_all(env.path("venv/bin")).unwrap();
    let site = env.path("venv/lib/python3.12/site-packages/sleap_nn-0.2.0.dist-info");
    fs::create_dir_all(site).unwrap();
    let shebang = format!("#!{}\n", env.path("venv/bin/python").display());
    env.script("venv/bin/python", "#!/bin/sh\nexec python3 \"$@\"\n");
    env.script("bin/sleap-nn", &SLEAP_NN.replacen("#!/usr/bin/env python3\n", &shebang, 1));
    let run = ran(command(&env, &format!("{SLEAP_RUN} --trials 1 --set trainer_config.max_epochs=1")));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains("sleap-nn 0.2.0 is installed; the network is known to work with 0.3.5"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("crop_hw -> data_config.preprocessing.crop_size"), "{}", run.stderr);
}

#[test]
fn searches_that_would_compare_scales_are_refused() {
    let env = env();
    let sigma = "model_config.head_configs.single_instance.confmaps.sigma";
    let run = ran(command(&env, &SLEAP_RUN.replace("--params ", &format!("--params {sigma},"))));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("use --metric eval/val/distance/avg"), "{}", run.stderr);
}
