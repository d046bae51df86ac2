//! Plain jobs: an action run once, after another job, again in its folder, ended, looked at before.

use crate::support::{TestEnv, assert_fields, entries, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;

/// Trains three epochs, the second the best; writes a checkpoint after each and says where it resumed.
const TRAIN: &str = r#"#!/bin/sh
mkdir -p "$2/train"
grep resume "$1" >> "$2/resumed"
echo "training with $(grep lr: "$1")"
n=0
for acc in 0.2 0.9 0.4; do
  : > "$2/train/model_epoch_00${n}_step_0000$n.pth"
  printf '{"epoch": %d, "max_epoch": 3, "kpi": {"acc": %s}, "status": "RUNNING"}\n' $n $acc >> "$2/train/status.json"
  n=$((n+1))
done
printf '{"epoch": 2, "status": "SUCCESS"}\n' >> "$2/train/status.json"
"#;

/// Says which checkpoint and which model it was given.
const EVALUATE: &str = r#"#!/bin/sh
echo "acc: 0.75"
cat "$1" >&2
"#;

const HANG: &str = r#"#!/bin/sh
trap 'echo bye > ended; exit 143' TERM
echo ready > started
while :; do sleep 0.02; done
"#;

const CONFIG: &str = r#"{
    "api_params": {"actions": ["train", "evaluate", "prune"], "formats": ["x"], "image": "TOY"},
    "dynamic_config": {"action_rules": {"evaluate": {"remove": ["model.dropout"]}}},
    "spec_params": {
        "train": {"results_dir": "output_dir", "resume": "resume_model"},
        "evaluate": {"results_dir": "output_dir", "checkpoint": "parent_model"},
        "prune": {"results_dir": "output_dir"}},
    "metrics": {"available_metrics": ["acc"], "monitoring_metric": "acc"},
    "launch": {
        "train": {"command": ["./train.sh", "{spec}", "{results_dir}"],
            "resume": {"pattern": "^train/model_epoch_(?P<epoch>\\d+)_step_(?P<step>\\d+)\\.pth$"},
            "fidelity": {"key": "epochs", "stop_after_env": "EARLY_STOP_EPOCH"},
            "logs": [{"path": "train/status.json", "format": "status_json"}]},
        "evaluate": {"command": ["./evaluate.sh", "{spec}"], "logs": [{"stream": "stdout", "format": "text"}]},
        "prune": {"command": ["./hang.sh"],
            "error_patterns": [{"pattern": "ran dry", "advice": "add water"}]}}}"#;

/// A network `toy` with programs of its own.
fn toy() -> TestEnv {
    let env = TestEnv::new();
    env.script("train.sh", TRAIN);
    env.script("evaluate.sh", EVALUATE);
    env.script("hang.sh", HANG);
    write(&env, "network_configs/toy.config.json", CONFIG);
    let schema = |own: &str| {
        format!(
            r#"{{"properties": {{"results_dir": {{"type": "string", "default": ""}},
                "lr": {{"type": "float", "default": 0.1, "minimum": 0.01, "maximum": 1.0}},
                "model": {{"properties": {{"depth": {{"type": "int", "default": 18}},
                    "dropout": {{"type": "float", "default": 0.5}}}}}}, {own}}}}}"#
        )
    };
    let train = r#""epochs": {"type": "int", "default": 3}, "resume": {"type": "string", "default": ""}"#;
    let evaluate = r#""checkpoint": {"type": "string", "default": ""}"#;
    for (action, own) in [("train", train), ("evaluate", evaluate), ("prune", evaluate)] {
        write(&env, &format!("search_spaces/toy/{action}.schema.json"), &schema(own));
    }
    fs::write(env.path("automl.toml"), "[run]\ncatalog = \".\"\ngpus = \"none\"\n").unwrap();
    env
}

fn write(env: &TestEnv, name: &str, text: &str) {
    fs::create_dir_all(env.path(name).parent().unwrap()).unwrap();
    fs::write(env.path(name), text).unwrap();
}

fn object(env: &TestEnv, arguments: &str) -> Value {
    let ran = env.automl(arguments);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr))
}

#[test]
fn action_runs_once_and_reports() {
    let env = toy();
    let result = object(&env, "action toy train --set lr=0.5 --results out --json");
    assert_fields(
        &result,
        &[
            "network",
            "action",
            "state",
            "exit",
            "reason",
            "metrics",
            "results_dir",
            "spec_path",
            "parent_checkpoint",
            "attempt",
            "duration_s",
        ],
    );
    assert_eq!(
        (&result["state"], &result["exit"], &result["metrics"]),
        (&json!("complete"), &json!(0), &json!({"acc": 0.4}))
    );
    let spec = fs::read_to_string(env.path("out/spec.yaml")).unwrap();
    assert!(spec.contains("lr: 0.5\n") && spec.contains(env.path("out").to_str().unwrap()), "{spec}");
    let record: Value =
        serde_json::from_str(&fs::read_to_string(env.path("out/action.json")).unwrap()).unwrap();
    assert_eq!(record["readings"], json!([[1, 0.2], [2, 0.9], [3, 0.4]]));
    assert_eq!(entries(&env.root()), 0, "a plain job is no study");
}

#[test]
fn output_is_live_and_quiet_hides_it() {
    let env = toy();
    let ran = env.automl("action toy train");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("training with lr: 0.1\n"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("toy train complete after "), "{}", ran.stdout);
    assert!(ran.stdout.contains("results: results/toy-train-1\n"), "{}", ran.stdout);
    let quiet = env.automl("action toy train -q");
    assert_eq!(quiet.stderr, "");
    assert!(env.path("results/toy-train-2").exists());
}

/// The second epoch was the best, so its checkpoint is used unless another one is named.
#[test]
fn parents_give_the_checkpoint_that_is_wanted() {
    let env = toy();
    env.automl("action toy train --set model.depth=34 --results out");
    let checkpoint = |options: &str| {
        let ran = env.automl(&format!("action toy evaluate --parent out {options} --dry-run --json"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let text = serde_json::from_str::<Value>(&ran.stdout).unwrap()["spec"]["text"].to_string();
        assert!(text.contains("depth: 34"), "{text}");
        let at = text.find("model_epoch_").unwrap();
        text[at..at + 15].to_string()
    };
    assert_eq!(checkpoint(""), "model_epoch_001");
    assert_eq!(checkpoint("--checkpoint latest"), "model_epoch_002");
    assert_eq!(checkpoint("--checkpoint epoch:0"), "model_epoch_000");
    assert_eq!(checkpoint("--checkpoint step:2"), "model_epoch_002");
    assert_eq!(checkpoint("--checkpoint train/model_epoch_000_step_00000.pth"), "model_epoch_000");
    let ran = env.automl("action toy evaluate --parent out");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("acc = 0.75"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("dropout"), "a rule removes it: {}", ran.stderr);
}

#[test]
fn studies_and_trials_are_parents() {
    let env = toy();
    let run = env.automl("run --network toy --params lr --trials 2 --parallel 1 --name s");
    assert_eq!(run.code, 0, "{}", run.stderr);
    for (parent, folder) in
        [("s/2", "s/trials/00002"), ("s", "s/trials/0000"), ("studies/s", "s/trials/0000")]
    {
        let dry = object(&env, &format!("action toy evaluate --parent {parent} --dry-run --json"));
        let text = dry["spec"]["text"].to_string();
        assert!(text.contains(folder) && text.contains("model_epoch_001"), "{parent}: {text}");
    }
    for (parent, code, words) in [
        ("s/9", 2, "study s has no trial 9; it has 2"),
        ("t", 2, "no study `t` in studies; there are s"),
        ("s --checkpoint epoch:8", 3, "there is no checkpoint of epoch 8"),
        ("s --checkpoint no.pth", 3, "no.pth does not exist"),
        ("search_spaces", 2, "has no action.json"),
    ] {
        let ran = env.automl(&format!("action toy evaluate --parent {parent}"));
        assert_eq!(ran.code, code, "{parent}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{parent}: {}", ran.stderr);
    }
}

#[test]
fn same_folder_carries_the_job_on() {
    let env = toy();
    env.automl("action toy train --results out");
    let again = env.automl("action toy train --results out");
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stderr.contains("carrying on from"), "{}", again.stderr);
    let resumed = fs::read_to_string(env.path("out/resumed")).unwrap();
    let lines: Vec<&str> = resumed.lines().collect();
    assert!(!lines[0].contains(".pth") && lines[1].contains("out/train/model_epoch_002"), "{resumed}");
    let other = env.automl("action toy evaluate --set checkpoint=/x.pth --results out");
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("holds another job: toy train"), "{}", other.stderr);
    let strange = env.automl("action toy train --results search_spaces");
    assert_eq!(strange.code, 2);
    assert!(strange.stderr.contains("holds files and no job"), "{}", strange.stderr);
}

#[test]
fn interrupt_ends_the_program_gracefully() {
    let env = toy();
    let mut command = env.command("action toy prune --results out");
    let (out, err) = (env.path("a.out"), env.path("a.err"));
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    wait_until("the program to start", || env.path("started").exists());
    let busy = env.automl("action toy prune --results out");
    assert_eq!(busy.code, 7, "{}", busy.stderr);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(fs::read_to_string(env.path("ended")).unwrap(), "bye\n");
    let said = fs::read_to_string(&err).unwrap();
    assert!(said.contains("ending the program; press Ctrl-C again to kill it"), "{said}");
    let record = fs::read_to_string(env.path("out/action.json")).unwrap();
    assert!(record.contains("\"state\": \"stopped\""), "{record}");
}

#[test]
fn failures_have_their_reason_and_advice() {
    let env = toy();
    env.script("hang.sh", "#!/bin/sh\necho 'the well ran dry' >&2\nexit 4\n");
    let config = CONFIG.replace(
        r#""prune": {"command": ["./hang.sh"],"#,
        r#""prune": {"command": ["./hang.sh"], "logs": [{"stream": "stderr", "format": "text"}],"#,
    );
    write(&env, "network_configs/toy.config.json", &config);
    let ran = env.automl("action toy prune");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("toy prune failed after ") && ran.stdout.contains("exit code 4"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("advice: add water"), "{}", ran.stdout);
    fs::remove_file(env.path("hang.sh")).unwrap();
    let missing = env.automl("action toy prune --results none");
    assert_eq!(missing.code, 3, "{}", missing.stderr);
    assert!(missing.stderr.contains("`./hang.sh` was not found"), "{}", missing.stderr);
    assert!(!env.path("none").exists());
}

#[test]
fn dry_run_says_where_each_value_is_from() {
    let env = toy();
    write(
        &env,
        "automl.toml",
        "[run]\ncatalog = \".\"\ngpus = \"none\"\n[network.toy.set]\nmodel.depth = 50\nepochs = 2\n",
    );
    let ran = env.automl("action toy train --set lr=0.2 --results out --dry-run");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = env.filtered(&ran.stdout);
    // The column of the comments depends on how long the folder's name is.
    let line =
        |line: &str| line.split_once("  # ").map_or(line.into(), |(a, b)| format!("{}  # {b}", a.trim_end()));
    let spec = &text[text.find("spec.yaml\n").unwrap()..];
    insta::assert_snapshot!("action_dry_run", spec.lines().map(line).collect::<Vec<String>>().join("\n"));
    assert!(!env.path("out").exists());
    let dry = object(&env, "run --network toy --params lr --dry-run --json");
    let origins = &dry["spec"]["origins"];
    assert_eq!((&origins["lr"], &origins["epochs"]), (&json!("sampler"), &json!("automl.toml")));
    assert_eq!(origins["results_dir"], "spec_params: output_dir");
    assert_eq!(origins["model.dropout"], "schema default");
    // Settings of the file that an action does not have are meant for the others.
    let evaluate = object(&env, "action toy evaluate --set checkpoint=/x.pth --dry-run --json");
    assert!(evaluate["spec"]["text"].to_string().contains("depth: 50"), "{evaluate}");
    assert_eq!(evaluate["spec"]["origins"].get("epochs"), None);
    let search = object(
        &env,
        "run --network toy --action evaluate --params lr --set checkpoint=/x.pth --dry-run --json",
    );
    assert_eq!(
        (&search["spec"]["origins"]["model.depth"], search["spec"]["origins"].get("epochs")),
        (&json!("automl.toml"), None)
    );
    // What no action has is a mistake in the file, and nobody typed it.
    write(&env, "automl.toml", "[run]\ncatalog = \".\"\n[network.toy.set]\nepoch = 2\n");
    let refused = env.automl("run --network toy --params lr --dry-run");
    assert!(refused.stderr.contains("automl.toml 'epoch=2'"), "{}", refused.stderr);
}

#[test]
fn policy_off_is_one_plain_training() {
    let env = toy();
    let result = object(&env, "run --network toy --automl-policy off --set lr=0.3 --name plain --json");
    assert_eq!((&result["action"], &result["state"]), (&json!("train"), &json!("complete")));
    assert!(env.root().join("plain/action.json").exists());
    write(&env, "settings.json", r#"{"automl_enabled": false, "automl_max_recommendations": 3}"#);
    let ran = env.automl("run --network toy --settings settings.json");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("toy train complete"), "{}", ran.stdout);
    let refused = env.automl("run --network toy --automl-policy off --max-fidelity 3");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("as long as its spec says"), "{}", refused.stderr);
}

#[test]
fn foreign_settings_lie_under_flags() {
    let env = toy();
    write(
        &env,
        "settings.json",
        r#"{"automl_settings": {"automl_algorithm": "random", "automl_max_recommendations": 3, "metric": "kpi",
            "automl_hyperparameters": "['lr']", "direction": "minimize", "automl_kde_samples": 64,
            "automl_range_override": [{"parameter": "lr", "valid_min": 0.2, "valid_max": 0.3}]}}"#,
    );
    let shown = env.objects("run --network toy --settings settings.json --trials 5 --print-config --json");
    let of = |name: &str| {
        let choice = shown.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("{name}: {shown:?}"));
        (choice["value"].as_str().unwrap().to_string(), choice["source"].as_str().unwrap().to_string())
    };
    let pair = |value: &str, source: &str| (value.to_string(), source.to_string());
    assert_eq!(of("algorithm"), pair("random", "settings.json"));
    assert_eq!(of("trials"), pair("5", "--trials"));
    assert_eq!(of("metric"), pair("acc (minimize)", "settings.json"));
    let ran = env.automl("run --network toy --settings settings.json --parallel 1");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("automl_kde_samples: has no counterpart here"), "{}", ran.stderr);
    let trials = env.objects("trials --json");
    assert_eq!(trials.len(), 3);
    for trial in trials {
        let lr = trial["params"]["lr"].as_f64().unwrap();
        assert!((0.2..=0.3).contains(&lr), "{trial}");
    }
    write(&env, "settings.json", "{\n  \"automl_max_recomendations\": 3}");
    let wrong = env.automl("run --network toy --settings settings.json");
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("settings.json:2:3")
            && wrong.stderr.contains("did you mean `automl_max_recommendations`"),
        "{}",
        wrong.stderr
    );
}

/// A `docker` that says what it was asked for, in place of the real one.
#[test]
fn container_gets_the_command_and_the_folders() {
    let env = toy();
    fs::create_dir(env.path("bin")).unwrap();
    env.script("bin/docker", "#!/bin/sh\ncase $1 in version) echo 1 ;; *) echo \"$@\" > asked ;; esac\n");
    let path = format!("{}:{}", env.path("bin").display(), std::env::var("PATH").unwrap());
    let run = |arguments: &str, image: &str| {
        let output =
            env.command(arguments).env("PATH", &path).env("AUTOML_IMAGE_TOY", image).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run("action toy train --container docker --results out", "reg/toy:1");
    assert_eq!(code, Some(0), "{said}");
    let asked = env.filtered(&fs::read_to_string(env.path("asked")).unwrap());
    for words in [
        "run --rm --init",
        "--mount type=bind,source=[DIR]/out,target=[DIR]/out ",
        "--env EARLY_STOP_EPOCH",
        "reg/toy:1 toy train -e [DIR]/out/spec.yaml",
    ] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    env.script("bin/docker", "#!/bin/sh\necho 'no daemon' >&2; exit 1\n");
    let (code, said) = run("action toy train --container docker", "reg/toy:1");
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("docker does not work here: no daemon") && said.contains("--container none"),
        "{said}"
    );
}

#[test]
fn images_must_be_known_for_a_container() {
    let env = toy();
    env.script("docker", "#!/bin/sh\n");
    let path = format!("{}:{}", env.path("").display(), std::env::var("PATH").unwrap());
    let output = env.command("action toy train --container docker").env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("set AUTOML_IMAGE_TOY=REGISTRY/IMAGE:TAG"), "{said}");
}
