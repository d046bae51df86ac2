//! Any program: from `--param` and `--metric` to the arguments of an attempt.

use automl_config::{AttemptContext, AttemptFiles, CommandRequest, StudyRecipe, resolve_command};
use automl_core::{ParamValue, Params};
use std::fs;
use std::path::Path;

fn request(params: &[&str], argv: &[&str]) -> CommandRequest {
    let text = |list: &[&str]| list.iter().map(|s| (*s).to_string()).collect();
    CommandRequest { params: text(params), ..CommandRequest::new("val_loss:min", text(argv)) }
}

fn resolve(request: &CommandRequest) -> StudyRecipe {
    resolve_command(request).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(request: &CommandRequest) -> Vec<String> {
    resolve_command(request).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn realise(recipe: &StudyRecipe, params: &[(&str, ParamValue)], resume_from: Option<&Path>) -> AttemptFiles {
    let params: Params = params.iter().map(|(n, v)| ((*n).to_string(), v.clone())).collect();
    let context = AttemptContext {
        study: "s",
        trial: 3,
        attempt: 2,
        params: &params,
        trial_dir: Path::new("/r/s/trials/00003"),
        results_dir: Path::new("/r/s/trials/00003/results"),
        downloads_dir: Path::new("/studies/s/downloads"),
        until: 4,
        max_fidelity: 8,
        resume_from,
        seed: u64::MAX,
        gpus: &[2],
    };
    recipe.trial.realise(&context).unwrap()
}

#[test]
fn a_mistaken_parameter_is_blamed_once() {
    let problems = resolve_command(&request(&["lr=1e-5..x"], &["train", "{lr}"])).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
}

#[test]
fn placeholders_fill_single_arguments() {
    let argv = [
        "python",
        "train.py",
        "--lr={lr}",
        "{act}",
        "{{x}}",
        "{trial}/{attempt}",
        "{config}",
        "{results_dir}",
        "{resume}",
        "{fidelity}",
        "{seed}",
        "{gpus}",
    ];
    let recipe = resolve(&request(&["lr=1e-5..1e-1:log", "act=relu|gelu"], &argv));
    let files = realise(
        &recipe,
        &[("lr", ParamValue::Float(1e-5)), ("act", ParamValue::Text("a b; rm -rf '$x'".into()))],
        None,
    );
    assert_eq!(
        files.argv,
        [
            "python",
            "train.py",
            "--lr=1e-5",
            "a b; rm -rf '$x'",
            "{x}",
            "3/2",
            "/r/s/trials/00003/params.json",
            "/r/s/trials/00003/results",
            "",
            "4",
            "2147483647",
            "2"
        ]
    );
    assert_eq!(files.spec, None);
}

#[test]
fn parameters_come_as_yaml_to_programs_that_want_it() {
    let recipe = resolve(&request(&["lr=1e-5..1e-1:log", "act=on|off"], &["./train.sh", "{config_yaml}"]));
    assert_eq!(recipe.notes, [""; 0]);
    let act = ParamValue::Text("on".into());
    let files = realise(&recipe, &[("lr", ParamValue::Float(1e-5)), ("act", act)], None);
    assert_eq!(files.argv[1], "/r/s/trials/00003/params.yaml");
    // As PyYAML reads it: `1e-05` would be a text, and `on` a truth value.
    let yaml = ("params.yaml".to_string(), "act: \"on\"\nlr: 0.00001\n".to_string());
    assert_eq!(files.params_files[1], yaml);
}

#[test]
fn parameters_also_come_as_variables_and_json() {
    let recipe = resolve(&request(&["opt.lr=1e-5..1e-1:log", "layers=1..8"], &["./train.sh"]));
    let files = realise(&recipe, &[("opt.lr", ParamValue::Float(0.5)), ("layers", ParamValue::Int(3))], None);
    for (name, value) in [
        ("AUTOML_PARAM_OPT_LR", "0.5"),
        ("AUTOML_PARAM_LAYERS", "3"),
        ("AUTOML_TRIAL", "3"),
        ("AUTOML_RESULTS_DIR", "/r/s/trials/00003/results"),
        ("AUTOML_SEED", "2147483647"),
        ("AUTOML_FIDELITY", "4"),
        ("AUTOML_CONFIG", "/r/s/trials/00003/params.json"),
    ] {
        assert_eq!(files.env.get(name).map(String::as_str), Some(value), "{name}");
    }
    let json = "{\n  \"layers\": 3,\n  \"opt.lr\": 0.5\n}\n";
    assert_eq!(files.params_files, [("params.json".into(), json.into())]);
    assert_eq!(
        recipe.notes,
        [
            "opt.lr: no argument uses it; the program must read AUTOML_PARAM_OPT_LR or the file AUTOML_CONFIG",
            "layers: no argument uses it; the program must read AUTOML_PARAM_LAYERS or the file AUTOML_CONFIG",
        ]
    );
}

#[test]
fn resumable_programs_take_their_checkpoint() {
    let mut request = request(&["lr=0.1..0.2"], &["p", "{lr}", "--resume", "{resume}"]);
    request.checkpoints = Some(r"epoch-(?P<epoch>\d+)\.pt$".into());
    request.max_fidelity = Some(8);
    let recipe = resolve(&request);
    assert!(recipe.resumable);
    assert_eq!((recipe.full_fidelity, recipe.fidelity_unit.as_str()), (8, "epoch"));
    let listing = ["epoch-2.pt", "epoch-4.pt", "epoch-6.pt"];
    assert_eq!(recipe.trial.checkpoints().unwrap().choose(listing, 5), Some("epoch-4.pt"));
    let files = realise(&recipe, &[("lr", ParamValue::Float(0.1))], Some(Path::new("/r/epoch-4.pt")));
    assert_eq!(files.argv, ["p", "0.1", "--resume", "/r/epoch-4.pt"]);
    assert_eq!(
        recipe.notes,
        ["no argument uses {fidelity}; the program must read AUTOML_FIDELITY to know when to stop"]
    );
}

#[test]
fn plain_programs_run_all_or_nothing() {
    let recipe = resolve(&request(&["lr=0.1..0.2"], &["p", "{lr}"]));
    assert_eq!((recipe.full_fidelity, recipe.fidelity_unit.as_str(), recipe.resumable), (1, "run", false));
}

#[test]
fn direction_is_guessed_from_the_name() {
    let mut request = request(&["lr=0.1..0.2"], &["p", "{lr}"]);
    request.metric = "val_loss".into();
    assert_eq!(
        resolve(&request).notes,
        [
            "metric val_loss: minimize, because of `loss` in `val_loss`, smaller is better; val_loss:max for the other"
        ]
    );
}

#[test]
fn mistakes_are_reported_together() {
    let mut request = request(
        &["lr=1e-1..1e-5", "x=1..2@7", "bad", "a.b=1..2", "a_b=1..2", "n=1..4", "n=1..5"],
        &["p", "--lr={rl}", "{x"],
    );
    request.metric = ":max".into();
    request.max_fidelity = Some(0);
    insta::assert_snapshot!("command_mistakes", problems(&request).join("\n"));
}

#[test]
fn nothing_to_search_is_an_error() {
    assert_eq!(
        problems(&request(&[], &[])),
        [
            "--param: error: there is nothing to search (declare a parameter, for example --param 'lr=1e-5..1e-1:log')",
            "command: error: there is no program to run (give it after `--`)",
        ]
    );
}

#[test]
fn space_files_hold_parameters_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let short = "lr: 1e-5..1e-1:log@1e-3\nact: relu|gelu\nlayers: 1..8\nfixed: 7\n";
    let long = r#"parameters:
  - lr=1e-5..1e-1:log@1e-3
  - {name: act, type: categorical, choices: [relu, gelu]}
  - name: layers
    distribution: {type: int, low: 1, high: 8}
  - {name: fixed, type: categorical, choices: [7]}
"#;
    let toml = "lr = \"1e-5..1e-1:log@1e-3\"\nact = { type = \"categorical\", choices = [\"relu\", \"gelu\"] }\nlayers = { type = \"int\", low = 1, high = 8 }\nfixed = 7\n";
    let mut spaces = Vec::new();
    for (name, text) in [("a.yaml", short), ("b.yaml", long), ("c.toml", toml)] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let request = CommandRequest { space: Some(path), ..request(&[], &["p", "{config}"]) };
        spaces.push(resolve(&request).space);
    }
    assert_eq!(spaces[0], spaces[1]);
    assert_eq!(spaces[0], spaces[2]);
    insta::assert_json_snapshot!("space_file", spaces[0]);
}

#[test]
fn core_json_form_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = folder.path().join("a.yaml");
    fs::write(
        &yaml,
        "- {name: model, type: categorical, choices: [tree, line], weights: [1, 3]}\n\
         - {name: depth, type: int, low: 1, high: 9, condition: {parent: model, in: [tree]}}\n\
         - {name: rate, type: float, low: 0.0, high: 1.0, step: 0.25, default: 1}\n",
    )
    .unwrap();
    let first = resolve(&CommandRequest { space: Some(yaml), ..request(&[], &["p", "{config}"]) }).space;
    let json = folder.path().join("b.json");
    fs::write(&json, serde_json::to_string(&first).unwrap()).unwrap();
    let second = resolve(&CommandRequest { space: Some(json), ..request(&[], &["p", "{config}"]) }).space;
    assert_eq!(first, second);
}

#[test]
fn flags_win_over_the_space_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, "lr: 1e-5..1e-1:log\nn: 1..4\n").unwrap();
    let recipe = resolve(&CommandRequest { space: Some(path), ..request(&["n=1..2"], &["p", "{config}"]) });
    assert_eq!(recipe.space.size(), None);
    assert_eq!(recipe.space.get("n").unwrap().distribution.cardinality(), Some(2));
    assert_eq!(recipe.space.parameters().len(), 2);
}
