//! The packaged network `mal`, from the request to the files of an attempt.

use automl_config::{
    AttemptContext, Catalog, Datasets, NetworkRequest, StudyRecipe, TrialRecipe, resolve_network,
};
use automl_core::{ParamValue, Params};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Two dataset folders as `mal` wants them.
struct Data {
    root: TempDir,
}

impl Data {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for split in ["train", "val"] {
            fs::create_dir_all(root.path().join(split).join("images")).unwrap();
            fs::write(root.path().join(split).join("annotations.json"), "{}").unwrap();
        }
        Data { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn request(&self) -> NetworkRequest {
        let datasets =
            Datasets { train: vec![self.path("train")], eval: Some(self.path("val")), ..Datasets::default() };
        NetworkRequest { datasets, ..NetworkRequest::new("mal") }
    }

    /// A text with the temporary folder's name taken out.
    fn masked(&self, text: &str) -> String {
        text.replace(self.root.path().to_str().unwrap(), "DATA")
    }

    fn problems(&self, request: &NetworkRequest) -> Vec<String> {
        let problems = resolve_network(&Catalog::embedded(), request).unwrap_err();
        problems.0.iter().map(|p| self.masked(&p.to_string())).collect()
    }
}

fn resolve(request: &NetworkRequest) -> StudyRecipe {
    resolve_network(&Catalog::embedded(), request).unwrap_or_else(|problems| panic!("{problems}"))
}

fn params() -> Params {
    [("train.lr", 2.5e-7), ("train.wd", 0.001)]
        .map(|(n, v)| (n.to_string(), ParamValue::Float(v)))
        .into_iter()
        .collect()
}

fn context(params: &Params) -> AttemptContext<'_> {
    AttemptContext {
        study: "s1",
        trial: 7,
        attempt: 1,
        params,
        trial_dir: Path::new("/studies/s1/trials/00007"),
        results_dir: Path::new("/studies/s1/trials/00007/results"),
        downloads_dir: Path::new("/studies/s/downloads"),
        until: 3,
        max_fidelity: 9,
        resume_from: None,
        seed: 42,
        gpus: &[],
    }
}

fn spec_of(trial: &TrialRecipe, context: &AttemptContext<'_>) -> String {
    trial.realise(context).unwrap().spec.unwrap().1
}

#[test]
fn defaults_give_the_packaged_space() {
    let recipe = resolve(&Data::new().request());
    insta::assert_json_snapshot!("mal_space", recipe.space);
    assert_eq!((recipe.full_fidelity, recipe.fidelity_unit.as_str(), recipe.resumable), (10, "epoch", true));
    assert_eq!(
        serde_json::to_string(&recipe.objective).unwrap(),
        r#"{"metric":"mIoU","direction":"maximize"}"#
    );
    insta::assert_json_snapshot!("mal_notes", recipe.notes);
}

#[test]
fn attempt_files_are_complete() {
    let data = Data::new();
    let recipe = resolve(&data.request());
    let params = params();
    let files = recipe.trial.realise(&context(&params)).unwrap();
    let (name, spec) = files.spec.unwrap();
    assert_eq!(name, "spec.yaml");
    insta::assert_snapshot!("mal_spec", data.masked(&spec));
    assert_eq!(files.argv, ["automl-torch", "mal", "train", "-e", "/studies/s1/trials/00007/spec.yaml"]);
    insta::assert_json_snapshot!("mal_env", files.env);
    assert_eq!(files.params_files[0].1, "{\n  \"train.lr\": 2.5e-7,\n  \"train.wd\": 0.001\n}\n");
}

#[test]
fn stored_recipe_gives_the_same_files() {
    let recipe = resolve(&Data::new().request());
    let mut json = serde_json::to_value(&recipe.trial).unwrap();
    let stored: TrialRecipe = serde_json::from_value(json.clone()).unwrap();
    let params = params();
    assert_eq!(stored.realise(&context(&params)).unwrap(), recipe.trial.realise(&context(&params)).unwrap());
    // Studies on disk hold this form: what is renamed here cannot be resumed any more.
    json["spec"]["base"] = "…".into();
    insta::assert_json_snapshot!("mal_stored", json);
}

#[test]
fn resumed_attempt_skips_pretrained_weights() {
    let data = Data::new();
    let request = NetworkRequest { pretrained: Some("/models/mae.pth".into()), ..data.request() };
    let trial = resolve(&request).trial;
    let params = params();
    let first = spec_of(&trial, &context(&params));
    assert!(first.contains("pretrained_model_path: /models/mae.pth\n"), "{first}");
    let checkpoint =
        Path::new("/studies/s1/trials/00007/results/train/model_epoch_002_step_00012.safetensors");
    let second =
        spec_of(&trial, &AttemptContext { resume_from: Some(checkpoint), until: 9, ..context(&params) });
    assert!(second.contains("pretrained_model_path: \"\"\n"), "{second}");
    let line = "resume_training_checkpoint_path: /studies/s1/trials/00007/results/train/model_epoch_002_step_00012.safetensors\n";
    assert!(second.contains(line), "{second}");
}

#[test]
fn intervals_leave_a_checkpoint_at_the_end() {
    let data = Data::new();
    let params = params();
    for (own, until, expected) in [(1, 3, 1), (10, 3, 3), (2, 3, 1), (2, 4, 2), (4, 6, 2)] {
        let set = vec![format!("train.checkpoint_interval={own}"), "train.validation_interval=7".into()];
        let trial = resolve(&NetworkRequest { set, ..data.request() }).trial;
        let spec = spec_of(&trial, &AttemptContext { until, ..context(&params) });
        for key in ["checkpoint_interval", "validation_interval"] {
            assert!(spec.contains(&format!("{key}: {expected}\n")), "{own} {until}: {spec}");
        }
    }
}

#[test]
fn reserved_gpus_reach_the_spec() {
    let trial = resolve(&Data::new().request()).trial;
    let params = params();
    let spec = spec_of(&trial, &AttemptContext { gpus: &[5, 7], ..context(&params) });
    assert!(spec.contains("num_gpus: 2\n"), "{spec}");
    assert!(
        spec.contains("gpu_ids:\n  - 0\n  - 1\n") || spec.contains("gpu_ids:\n    - 0\n    - 1\n"),
        "{spec}"
    );
}

#[test]
fn settings_override_the_template() {
    let data = Data::new();
    let set =
        ["train.num_epochs=4", "model.arch=vit-test/16", "train.seed=5", "dataset.val_img_dir=/own/images"];
    let recipe = resolve(&NetworkRequest { set: set.map(String::from).into(), ..data.request() });
    assert_eq!(recipe.full_fidelity, 4);
    let params = params();
    let spec = spec_of(&recipe.trial, &context(&params));
    for line in ["arch: vit-test/16\n", "seed: 5\n", "val_img_dir: /own/images\n", "num_epochs: 9\n"] {
        assert!(spec.contains(line), "{line}: {spec}");
    }
}

#[test]
fn bounds_and_parameters_are_the_users() {
    let data = Data::new();
    let request = NetworkRequest {
        params: Some(vec!["model.arch".into(), "train.lr".into(), "train.warmup_epochs".into()]),
        bounds: vec!["train.lr=1e-6..1e-4:linear".into(), "model.arch=vit-test/8|vit-test/16".into()],
        ..data.request()
    };
    let recipe = resolve(&request);
    insta::assert_json_snapshot!("mal_bounds", (&recipe.space, &recipe.notes));
}

#[test]
fn secrets_stay_out_of_the_stored_recipe() {
    let data = Data::new();
    let trial =
        resolve(&NetworkRequest { set: vec!["encryption_key=swordfish".into()], ..data.request() }).trial;
    let params = params();
    assert!(spec_of(&trial, &context(&params)).contains("encryption_key: swordfish\n"));
    let stored = serde_json::to_string(&trial).unwrap();
    assert!(!stored.contains("swordfish"), "{stored}");
    assert!(!format!("{trial:?}").contains("swordfish"));
    let mut later: TrialRecipe = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        later.realise(&context(&params)).unwrap_err().to_string(),
        "the value of `encryption_key` is a secret and was not kept; set the environment variable \
         AUTOML_SECRET_ENCRYPTION_KEY"
    );
    later.keep_secrets_of(&trial);
    assert_eq!(later.realise(&context(&params)), trial.realise(&context(&params)));
}

#[test]
fn missing_data_is_named_with_its_flag() {
    let data = Data::new();
    assert_eq!(
        data.problems(&NetworkRequest::new("mal")),
        [
            "--train-dataset: error: `dataset.train_img_dir` needs folder `images` (or archive `images.tar.gz`) from --train-dataset, which is not given (add --train-dataset DIR, or --set dataset.train_img_dir=/absolute/path)",
            "--train-dataset: error: `dataset.train_ann_path` needs file `annotations.json` from --train-dataset, which is not given (add --train-dataset DIR, or --set dataset.train_ann_path=/absolute/path)",
            "--eval-dataset: error: `dataset.val_img_dir` needs folder `images` (or archive `images.tar.gz`) from --eval-dataset, which is not given (add --eval-dataset DIR, or --set dataset.val_img_dir=/absolute/path)",
            "--eval-dataset: error: `dataset.val_ann_path` needs file `annotations.json` from --eval-dataset, which is not given (add --eval-dataset DIR, or --set dataset.val_ann_path=/absolute/path)",
        ]
    );
    fs::remove_file(data.path("train/annotations.json")).unwrap();
    fs::remove_dir_all(data.path("val")).unwrap();
    assert_eq!(
        data.problems(&data.request()),
        [
            "DATA/train: error: dataset_validation.required_files.default[1]: format `default` needs file `annotations.json`; there are images/",
            "--eval-dataset: error: folder DATA/val does not exist",
        ]
    );
}

#[test]
fn unpacked_folders_win_over_archives() {
    let data = Data::new();
    fs::remove_dir(data.path("train/images")).unwrap();
    fs::write(data.path("train/images.tar.gz"), "").unwrap();
    fs::write(data.path("val/images.tar.gz"), "").unwrap();
    let recipe = resolve(&data.request());
    let params = params();
    let spec = data.masked(&spec_of(&recipe.trial, &context(&params)));
    assert!(spec.contains("train_img_dir: DATA/train/images.tar.gz\n"), "{spec}");
    assert!(spec.contains("val_img_dir: DATA/val/images\n"), "{spec}");
    assert!(
        recipe.notes.iter().any(|n| n.contains("is an archive; unpack it beside itself")),
        "{:?}",
        recipe.notes
    );
}

#[test]
fn mistakes_are_reported_together() {
    let data = Data::new();
    let request = NetworkRequest {
        params: Some(
            ["train.rl", "train.lr", "train.num_epochs", "results_dir", "train.optim_betas"]
                .map(String::from)
                .into(),
        ),
        bounds: ["train.lr=1e-5..1e-7", "train.wd=0..1", "train.lr=1e-5"].map(String::from).into(),
        set: ["train.num_epochs=many", "train.batchsize=2", "model.arch=vit", "nonsense", "train.lr={"]
            .map(String::from)
            .into(),
        metric: Some("mIou:max".into()),
        ..data.request()
    };
    insta::assert_snapshot!("mal_mistakes", data.problems(&request).join("\n"));
}

#[test]
fn unknown_networks_and_actions_get_suggestions() {
    let data = Data::new();
    let named = |network: &str| NetworkRequest { network: network.into(), ..data.request() };
    assert_eq!(data.problems(&named("mall")), ["--network: error: no network `mall` (did you mean `mal`?)"]);
    let action = NetworkRequest { action: "trian".into(), ..data.request() };
    assert_eq!(
        data.problems(&action),
        ["--action: error: network `mal` has no parameter schema for action `trian` (did you mean `train`?)"]
    );
}

#[test]
fn own_files_make_a_network() {
    let data = Data::new();
    let (config, schema) = (data.path("own.config.json"), data.path("own.schema.json"));
    fs::write(
        &config,
        r#"{"api_params": {"actions": ["train"], "spec_backend": "json"},
            "automl_spec_params": {"out": "automl_output_dir", "mode": "fast"},
            "metrics": {"monitoring_metric": ["val/loss", "loss"]},
            "launch": {"train": {
                "command": ["./run", "--spec={spec}", "{max_fidelity}"],
                "environment": {"WHERE": "{results_dir}/x", "DEVICES": "{gpus}"},
                "fidelity": {"key": "steps", "unit": "step"}}}}"#,
    )
    .unwrap();
    fs::write(
        &schema,
        r#"{"properties": {"out": {"type": "string", "default": ""}, "mode": {"type": "string", "default": ""},
            "steps": {"type": "int", "default": 100, "minimum": 1}, "x": {"type": "float", "default": 1.0}},
            "automl_default_parameters": ["x"]}"#,
    )
    .unwrap();
    let request =
        NetworkRequest { network_config: Some(config), schema: Some(schema), ..NetworkRequest::new("own") };
    let recipe = resolve(&request);
    assert_eq!((recipe.full_fidelity, recipe.fidelity_unit.as_str(), recipe.resumable), (100, "step", false));
    assert_eq!(
        recipe.notes,
        [
            "x: the schema bounds are open; searching 0.1..10.0 around the default",
            "x: log scale, because 0.1..10.0 spans decades; --bound can say :linear",
            "metric val/loss: minimize, because of `loss` in `val/loss`, smaller is better; val/loss:max for the other",
            "automl_spec_params.mode: `fast` names no function and is taken as the value itself",
        ]
    );
    let params: Params = [("x".to_string(), ParamValue::Float(0.5))].into_iter().collect();
    let files = recipe.trial.realise(&AttemptContext { gpus: &[3, 4], ..context(&params) }).unwrap();
    assert_eq!(files.argv, ["./run", "--spec=/studies/s1/trials/00007/spec.json", "9"]);
    assert_eq!(
        (files.env["WHERE"].as_str(), files.env["DEVICES"].as_str()),
        ("/studies/s1/trials/00007/results/x", "3,4")
    );
    // Without a variable that stops the program, its length is the attempt's.
    let spec: serde_json::Value = serde_json::from_str(&files.spec.unwrap().1).unwrap();
    let expected =
        serde_json::json!({"out": "/studies/s1/trials/00007/results", "mode": "fast", "steps": 3, "x": 0.5});
    assert_eq!(spec, expected);
}
