//! The packaged networks `sleap_nn` and `dreem`: branches, conditions, rules, comparable metrics, and the spec
//! that the programs read.

use automl_config::{
    AttemptContext, Catalog, Datasets, NetworkRequest, RecipeError, SpecSchema, StudyRecipe, check_paths,
    resolve_job, resolve_network,
};
use automl_core::{ParamValue, Params, rng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const LR: &str = "trainer_config.optimizer.lr";
const BACKBONE: &str = "model_config.backbone_config";
const HEAD: &str = "model_config.head_configs";
const SCHEDULER: &str = "trainer_config.lr_scheduler";
const NOISE: &str = "data_config.augmentation_config.intensity.gaussian_noise";

/// Folders with files of the names that the networks look for.
struct Data {
    root: TempDir,
}

impl Data {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for split in ["train", "val"] {
            fs::create_dir_all(root.path().join(split)).unwrap();
            for file in ["labels.pkg.slp", "film.slp", "film.mp4"] {
                fs::write(root.path().join(split).join(file), "x").unwrap();
            }
        }
        Data { root }
    }

    fn request(&self, network: &str, params: &[&str], set: &[&str]) -> NetworkRequest {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_string()).collect::<Vec<_>>();
        let datasets = Datasets {
            train: vec![self.root.path().join("train")],
            eval: Some(self.root.path().join("val")),
            ..Datasets::default()
        };
        let params = (!params.is_empty()).then(|| texts(params));
        NetworkRequest { datasets, params, set: texts(set), ..NetworkRequest::new(network) }
    }

    fn recipe(&self, network: &str, params: &[&str], set: &[&str]) -> StudyRecipe {
        let request = self.request(network, params, set);
        resolve_network(&Catalog::embedded(), &request).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn problems(&self, network: &str, params: &[&str], set: &[&str]) -> Vec<String> {
        let found = resolve_network(&Catalog::embedded(), &self.request(network, params, set));
        found.unwrap_err().0.iter().map(ToString::to_string).collect()
    }
}

fn context(params: &Params) -> AttemptContext<'_> {
    AttemptContext {
        study: "s",
        trial: 1,
        attempt: 2,
        params,
        trial_dir: Path::new("/t"),
        results_dir: Path::new("/t/results"),
        downloads_dir: Path::new("/d"),
        until: 3,
        max_fidelity: 9,
        resume_from: Some(Path::new("/t/results/attempt-1/last.ckpt")),
        seed: 7,
        gpus: &[],
    }
}

fn spec(recipe: &StudyRecipe, params: &Params) -> Value {
    recipe.trial.explain(&context(params)).unwrap().unwrap().0
}

fn at<'v>(spec: &'v Value, path: &str) -> &'v Value {
    spec.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null)
}

/// Configurations all over a space.
fn proposals(recipe: &StudyRecipe, count: u64) -> Vec<Params> {
    let parameters = recipe.space.parameters().len();
    let unit = |n: u64, i: usize| rng::uniform(&[1, n, i as u64]);
    (0..count)
        .map(|n| {
            let row: Vec<f64> = recipe
                .space
                .encodings()
                .iter()
                .zip(0..parameters)
                .map(|(encoding, i)| match encoding {
                    automl_core::Encoding::Categorical { choices } => {
                        (unit(n, i) * f64::from(*choices)).floor()
                    }
                    _ => unit(n, i),
                })
                .collect();
            recipe.space.decode(&row)
        })
        .collect()
}

#[test]
fn specs_have_the_programs_own_shape() {
    let recipe = Data::new().recipe("sleap_nn", &[LR], &["trainer_config.max_epochs=9"]);
    let params: Params = [(LR.to_string(), ParamValue::Float(0.01))].into_iter().collect();
    let spec = spec(&recipe, &params);
    assert_eq!(at(&spec, LR), &0.01);
    for (key, expected) in [
        ("model_config.backbone_config.convnext", Value::Null),
        ("model_config.backbone_config.unet.output_stride", 1.into()),
        ("model_config.head_configs.bottomup", Value::Null),
        ("trainer_config.lr_scheduler.step_lr", Value::Null),
        ("trainer_config.lr_scheduler.reduce_lr_on_plateau.factor", 0.1.into()),
        ("trainer_config.max_epochs", 3.into()),
        ("trainer_config.run_name", "attempt-2".into()),
        ("trainer_config.ckpt_dir", "/t/results".into()),
        ("trainer_config.resume_ckpt_path", "/t/results/attempt-1/last.ckpt".into()),
        ("trainer_config.save_ckpt", true.into()),
        ("trainer_config.seed", 7.into()),
    ] {
        assert_eq!(at(&spec, key), &expected, "{key}");
    }
    assert_eq!((recipe.full_fidelity, recipe.resumable), (9, true));
    assert_eq!(recipe.silence_limit_ms, Some(1_200_000));
}

#[test]
fn a_searched_branch_brings_its_own_parameters() {
    let unet = format!("{BACKBONE}.unet.filters");
    let convnext = format!("{BACKBONE}.convnext.model_type");
    let recipe = Data::new().recipe("sleap_nn", &[BACKBONE, &unet, &convnext], &[]);
    let mut seen = BTreeMap::new();
    for params in proposals(&recipe, 60) {
        let taken = params.get(BACKBONE).unwrap().to_string();
        let spec = spec(&recipe, &params);
        let there: Vec<&str> = ["unet", "convnext", "swint"]
            .into_iter()
            .filter(|branch| !at(&spec, &format!("{BACKBONE}.{branch}")).is_null())
            .collect();
        assert_eq!(there, [taken.as_str()]);
        assert_eq!(params.get(&unet).is_some(), taken == "unet");
        assert_eq!(params.get(&convnext).is_some(), taken == "convnext");
        *seen.entry(taken).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn schedules_last_for_the_whole_training() {
    let set = [format!("{SCHEDULER}=cosine_annealing_warmup"), "trainer_config.max_epochs=9".into()];
    let recipe = Data::new().recipe("sleap_nn", &[LR], &[&set[0], &set[1]]);
    let params: Params = [(LR.to_string(), ParamValue::Float(0.01))].into_iter().collect();
    let spec = spec(&recipe, &params);
    assert_eq!(at(&spec, "trainer_config.lr_scheduler.cosine_annealing_warmup.max_epochs"), &9);
    assert_eq!(at(&spec, "trainer_config.lr_scheduler.reduce_lr_on_plateau"), &Value::Null);
    let none = Data::new().recipe("sleap_nn", &[LR], &[&format!("{SCHEDULER}=none")]);
    let explained = none.trial.explain(&context(&params)).unwrap().unwrap().0;
    let schedules = at(&explained, SCHEDULER).as_object().unwrap();
    assert!(schedules.len() == 4 && schedules.values().all(Value::is_null), "{schedules:?}");
}

#[test]
fn probabilities_above_zero_activate_their_ranges() {
    let (p, std) = (format!("{NOISE}_p"), format!("{NOISE}_std"));
    let augment = "data_config.use_augmentations_train";
    let recipe = Data::new().recipe("sleap_nn", &[augment, &p, &std], &[]);
    let mut kinds = [0; 3];
    for params in proposals(&recipe, 80) {
        let on = params.get(augment) == Some(&ParamValue::Bool(true));
        let probability = params.get(&p).and_then(ParamValue::as_f64);
        assert_eq!(probability.is_some(), on);
        assert_eq!(params.get(&std).is_some(), probability.is_some_and(|p| p > 0.0), "{params}");
        kinds[usize::from(on) + usize::from(params.get(&std).is_some())] += 1;
    }
    assert!(kinds.iter().all(|n| *n > 0), "{kinds:?}");
}

#[test]
fn parameters_that_could_have_no_effect_are_refused() {
    let data = Data::new();
    let found = data.problems("sleap_nn", &[&format!("{BACKBONE}.swint.model_type")], &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("--set model_config.backbone_config=swint, or search"), "{found:?}");
    let found = data.problems("dreem", &["optimizer.momentum"], &[]);
    assert!(found[0].contains("counts only where optimizer.name is \"SGD\""), "{found:?}");
    data.recipe("dreem", &["optimizer.momentum"], &["optimizer.name=SGD"]);
}

#[test]
fn default_lists_leave_out_what_is_in_other_branches() {
    let recipe = Data::new().recipe("sleap_nn", &[], &[&format!("{BACKBONE}=convnext")]);
    let names: Vec<&str> = recipe.space.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, [LR, "trainer_config.train_data_loader.batch_size"]);
    assert!(recipe.notes.iter().any(|note| note.contains("unet.filters` would have no effect")));
}

#[test]
fn broken_rules_name_the_rule_and_the_keys() {
    let data = Data::new();
    for (network, set, expected) in [
        (
            "sleap_nn",
            "trainer_config.train_data_loader.num_workers=2",
            "trainer_config.train_data_loader.num_workers: is 2, but must be 0: with torch_dataset num_workers is 0",
        ),
        (
            "sleap_nn",
            "model_config.head_configs.single_instance.confmaps.output_stride=32",
            "no head is coarser than the backbone's deepest block",
        ),
        ("sleap_nn", "trainer_config.model_ckpt.save_top_k=3", "one checkpoint is kept"),
        (
            "sleap_nn",
            "data_config.augmentation_config.geometric.rotation_min=20",
            "rotation_min is at most rotation_max",
        ),
        ("sleap_nn", "trainer_config.lr_scheduler=linear_warmup_linear_decay", ""),
        ("dreem", "model.nhead=3", "d_model is a multiple of nhead"),
        ("dreem", "model.embedding_meta.pos.n_points=3", "more than one point needs an mlp_cfg"),
        ("dreem", "dataloader.train_dataloader.num_workers=2", "num_workers is 0, because video readers"),
        ("dreem", "dataset.train_dataset.crop_size=[64]", ""),
        ("dreem", "early_stopping.monitor=val_los", "a metric that decides must be one that is reported"),
        ("dreem", "model.activation=glu", "is not an option"),
        ("dreem", "model.embedding_meta.pos.over_boxes=false", "the corners of boxes only"),
        ("dreem", "model.embedding_meta.temp.mode=null", "no embedding is called off"),
        ("dreem", "trainer.check_val_every_n_epoch=2", "every epoch is validated and leaves a checkpoint"),
        ("dreem", "dataset.train_dataset.slp_files=[/a.slp]", "the program takes its data from dir alone"),
        ("dreem", "dataset.train_dataset.anchors=[head, tail]", "each anchor takes 3 channels"),
        ("dreem", "dataset.val_dataset.anchors=2", "each anchor is a point to embed"),
        ("dreem", "model.encoder_cfg.in_chans=6", "each anchor takes 3 channels"),
        ("dreem", "dataset.train_dataset.anchors=[head]", ""),
    ] {
        let params: &[&str] = if network == "dreem" { &["model.dropout"] } else { &[LR] };
        if expected.is_empty() {
            data.recipe(network, params, &[set]);
            continue;
        }
        let found = data.problems(network, params, &[set]);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{set}: {found:?}");
    }
}

#[test]
fn a_spec_of_ones_own_brings_its_branches_defaults_and_paths() {
    let data = Data::new();
    let file = data.root.path().join("own.yaml");
    let text = "data_config:\n  train_labels_path: [/old/labels.slp]\n  val_labels_path: null\n\
        model_config:\n  backbone_config: {unet: null, convnext: {model_type: small}, swint: null}\n  \
        head_configs: {single_instance: null, centroid: {confmaps: {sigma: 3}}}\n\
        trainer_config:\n  optimizer: {lr: 0.004}\n  lr_scheduler: null\n  max_epochs: 30\n  seed: 5\n";
    fs::write(&file, text).unwrap();
    let own = |set: &[&str]| {
        let request = data.request("sleap_nn", &[LR], set);
        let request = NetworkRequest { spec: Some(file.clone()), ..request };
        resolve_network(&Catalog::embedded(), &request).unwrap_or_else(|problems| panic!("{problems}"))
    };
    let recipe = own(&[]);
    let params = recipe.space.defaults().unwrap();
    assert_eq!(params.get(LR), Some(&ParamValue::Float(0.004)), "the search begins with it");
    assert_eq!(recipe.full_fidelity, 30);
    let spec = spec(&recipe, &params);
    for (key, expected) in [
        ("model_config.backbone_config.unet", Value::Null),
        ("model_config.backbone_config.convnext.model_type", "small".into()),
        ("model_config.backbone_config.convnext.kernel_size", 3.into()),
        ("model_config.head_configs.centroid.confmaps.sigma", 3.0.into()),
        ("model_config.head_configs.single_instance", Value::Null),
        ("trainer_config.lr_scheduler.reduce_lr_on_plateau", Value::Null),
        ("trainer_config.seed", 7.into()),
    ] {
        assert_eq!(at(&spec, key), &expected, "{key}");
    }
    let labels = at(&spec, "data_config.train_labels_path").to_string();
    assert!(labels.contains("train/labels.pkg.slp"), "--train-dataset wins: {labels}");
    let recipe = own(&["model_config.backbone_config=unet", "trainer_config.max_epochs=4"]);
    let changed = recipe.trial.explain(&context(&params)).unwrap().unwrap().0;
    assert_eq!(at(&changed, "model_config.backbone_config.unet.filters"), &32, "--set wins");
    assert_eq!(recipe.full_fidelity, 4);
}

#[test]
fn a_spec_of_ones_own_is_checked_line_by_line() {
    let data = Data::new();
    let file = data.root.path().join("own.yaml");
    let text = "data_config:\n  preprocessing: {crop_hw: null}\ntrainer_config:\n  \
        train_data_loader: {num_workers: 2}\n";
    fs::write(&file, text).unwrap();
    let request = NetworkRequest { spec: Some(file), ..data.request("sleap_nn", &[LR], &[]) };
    let found = resolve_network(&Catalog::embedded(), &request).unwrap_err().to_string();
    assert!(found.contains("own.yaml:2:19: error: data_config.preprocessing.crop_hw"), "{found}");
    assert!(found.contains("renamed to `data_config.preprocessing.crop_size`"), "{found}");
    fs::write(request.spec.as_ref().unwrap(), "trainer_config: {train_data_loader: {num_workers: 2}}\n")
        .unwrap();
    let found = resolve_network(&Catalog::embedded(), &request).unwrap_err().to_string();
    assert!(found.contains("num_workers is 0, because video readers"), "{found}");
}

#[test]
fn options_are_suggestions_where_the_program_takes_more() {
    let data = Data::new();
    data.recipe("sleap_nn", &[LR], &["trainer_config.train_data_loader.batch_size=6"]);
    let found = data.problems("sleap_nn", &[LR], &["trainer_config.train_data_loader.batch_size=many"]);
    assert!(found[0].contains("`many` is not an option"), "{found:?}");
    let flip = "dataset.train_dataset.augmentations.HorizontalFlip";
    let recipe = data.recipe(
        "dreem",
        &["model.dropout"],
        &[
            "model.encoder_cfg.model_name=test_resnet",
            &format!("{flip}={{p: 0.5}}"),
            "optimizer.name=RMSprop",
        ],
    );
    let spec = spec(&recipe, &recipe.space.defaults().unwrap());
    assert_eq!(at(&spec, flip), &serde_json::json!({"p": 0.5}));
    let optimizer: Vec<&String> = at(&spec, "optimizer").as_object().unwrap().keys().collect();
    assert_eq!(optimizer, ["name", "lr", "weight_decay"]);
}

#[test]
fn several_anchors_take_channels_points_and_a_network() {
    const POS: &str = "model.embedding_meta.pos";
    let set = [
        "dataset.train_dataset.anchors=[head, tail]".into(),
        "dataset.val_dataset.anchors=[head, tail]".into(),
        "model.encoder_cfg.in_chans=6".into(),
        format!("{POS}.n_points=2"),
        format!("{POS}.mlp_cfg.hidden_dim=64"),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let data = Data::new();
    let depth = format!("{POS}.mlp_cfg.num_layers");
    let recipe = data.recipe("dreem", &[&depth], &set);
    let params = recipe.space.defaults().unwrap();
    let found = at(&spec(&recipe, &params), &format!("{POS}.mlp_cfg")).clone();
    assert_eq!(found, serde_json::json!({"hidden_dim": 64, "num_layers": 1, "dropout": 0.0}));
    let found = data.problems("dreem", &["model.dropout"], &set[..4]);
    assert!(found[0].contains("more than one point needs an mlp_cfg"), "{found:?}");
    let found = data.problems("dreem", &[&depth], &[]);
    assert!(found[0].contains("mlp_cfg.hidden_dim is > 0"), "{found:?}");
    let recipe = data.recipe("dreem", &["model.dropout"], &[]);
    let spec = spec(&recipe, &recipe.space.defaults().unwrap());
    assert_eq!(at(&spec, &format!("{POS}.mlp_cfg")), &Value::Null);
    assert_eq!(at(&spec, "model.embedding_meta.pos.n_points"), &1);
}

#[test]
fn an_architecture_of_ones_own_takes_the_place_of_a_model_type() {
    let arch = format!("{BACKBONE}.convnext.arch");
    let set = [
        format!("{BACKBONE}=convnext"),
        format!("{arch}.depths=[1, 1, 2, 1]"),
        format!("{arch}.channels=[32, 64, 96, 128]"),
    ];
    let data = Data::new();
    let recipe = data.recipe("sleap_nn", &[LR], &[&set[0], &set[1], &set[2]]);
    let own = spec(&recipe, &recipe.space.defaults().unwrap());
    let expected = serde_json::json!({"depths": [1, 1, 2, 1], "channels": [32, 64, 96, 128]});
    assert_eq!(at(&own, &arch), &expected);
    assert_eq!(at(&own, &format!("{BACKBONE}.convnext.model_type")), "see arch");
    let recipe =
        data.recipe("sleap_nn", &[LR], &[&set[0], &format!("{BACKBONE}.convnext.stem_patch_stride=4")]);
    let plain = spec(&recipe, &recipe.space.defaults().unwrap());
    assert_eq!(at(&plain, &arch), &Value::Null);
    assert_eq!(at(&plain, &format!("{BACKBONE}.convnext.max_stride")), &64);
    let recipe = data.recipe("sleap_nn", &[&format!("{arch}.depths")], &[&set[0], &set[1], &set[2]]);
    assert_eq!(recipe.space.parameters().len(), 4, "each stage is a parameter");
    let found = data.problems("sleap_nn", &[LR], &[&set[0], &set[1]]);
    assert!(found[0].contains("an architecture has depths and channels of four stages"), "{found:?}");
}

#[test]
fn loggers_get_their_own_keys_only() {
    let data = Data::new();
    let logging = |set: &[&str]| {
        let recipe = data.recipe("dreem", &["model.dropout"], set);
        let spec = spec(&recipe, &recipe.space.defaults().unwrap());
        let keys = at(&spec, "logging").as_object().unwrap().keys().cloned();
        keys.collect::<Vec<String>>()
    };
    assert_eq!(logging(&[]), ["logger_type", "name", "save_dir"]);
    let wandb = logging(&["logging.logger_type=WandbLogger", "logging.project=flies"]);
    assert!(wandb.contains(&"project".into()) && wandb.contains(&"log_model".into()), "{wandb:?}");
}

#[test]
fn rules_of_a_branch_hold_where_it_is_taken() {
    let pool = "model_config.head_configs.multi_class_topdown.class_vectors.global_pool=false";
    let data = Data::new();
    data.recipe("sleap_nn", &[LR], &[pool]);
    let found = data.problems("sleap_nn", &[LR], &[&format!("{HEAD}=multi_class_topdown"), pool]);
    assert!(found[0].contains("from pooled features only"), "{found:?}");
}

#[test]
fn lists_have_as_many_items_as_folders() {
    let set = "dataset.train_dataset.crop_size=[64, 64]";
    let found = Data::new().problems("dreem", &["model.dropout"], &[set]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("crop_size.length: is 2, but must be =="), "{found:?}");
}

#[test]
fn what_a_search_could_propose_keeps_to_the_rules() {
    let data = Data::new();
    let crop = "data_config.preprocessing.crop_size";
    let stride = format!("{BACKBONE}.unet.max_stride");
    let mut request = data.request(
        "sleap_nn",
        &[crop, &stride],
        &[&format!("{HEAD}=centered_instance"), "trainer_config.eval.enabled=true"],
    );
    request.metric = Some("eval/val/mOKS".into());
    let found = resolve_network(&Catalog::embedded(), &request).unwrap_err();
    assert_eq!(found.0.len(), 1, "{found}");
    let text = found.to_string();
    assert!(
        text.contains("crop_size: is 32, but must be >= `model_config.backbone_config.*.max_stride`"),
        "{text}"
    );
    assert!(text.contains("found with data_config.preprocessing.crop_size=32"), "{text}");
    request.bounds = vec![format!("{crop}=64..256")];
    resolve_network(&Catalog::embedded(), &request).unwrap();
}

/// Searches one parameter after the other, those of one part of several, and returns how many could be.
fn each_alone_is_lawful(network: &str, part: usize, parts: usize) -> usize {
    let data = Data::new();
    let table = Catalog::embedded().parameters(network, "train").unwrap();
    let rows = table.parameters.iter().filter(|row| row.automl != Some(false));
    let mut searched = 0;
    for row in rows.skip(part).step_by(parts) {
        let mut request = data.request(network, &[&row.name], &[]);
        request.metric = (network == "sleap_nn").then(|| "eval/val/distance/avg".into());
        // What needs another branch or switch, and what has no values, is refused with words of its own.
        let Ok(recipe) = resolve_network(&Catalog::embedded(), &request) else { continue };
        for params in proposals(&recipe, 3) {
            match recipe.trial.realise(&context(&params)) {
                Ok(_) => {}
                Err(error @ RecipeError::Rule { .. }) => panic!("{}: {error}", row.name),
                Err(error) => panic!("{error}"),
            }
        }
        searched += 1;
    }
    searched
}

#[test]
fn each_parameter_of_dreem_alone_gives_lawful_specs() {
    let searched = each_alone_is_lawful("dreem", 0, 1);
    assert!(searched >= 20, "{searched}");
}

#[test]
fn each_parameter_of_sleap_nn_alone_gives_lawful_specs() {
    let searched = each_alone_is_lawful("sleap_nn", 0, 2);
    assert!(searched >= 5, "{searched}");
}

#[test]
fn the_other_parameters_of_sleap_nn_give_lawful_specs() {
    let searched = each_alone_is_lawful("sleap_nn", 1, 2);
    assert!(searched >= 5, "{searched}");
}

#[test]
fn metrics_that_a_parameter_rescales_are_no_objective() {
    let data = Data::new();
    let sigma = format!("{HEAD}.single_instance.confmaps.sigma");
    let found = data.problems("sleap_nn", &[LR, &sigma], &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`val/loss` cannot be compared between values of"), "{found:?}");
    assert!(found[0].contains("use --metric eval/val/distance/avg or --metric"), "{found:?}");
    let mut request = data.request("sleap_nn", &[LR, &sigma], &[]);
    request.metric = Some("eval/val/distance/avg".into());
    let recipe = resolve_network(&Catalog::embedded(), &request).unwrap();
    assert_eq!(recipe.objective.direction, automl_core::Direction::Minimize);
    assert!(recipe.notes.iter().any(|n| n.starts_with("trainer_config.eval.enabled: true, without which")));
    let params = recipe.space.defaults().unwrap();
    assert_eq!(at(&spec(&recipe, &params), "trainer_config.eval.enabled"), &true);
    let mut second = data.request("sleap_nn", &[LR, &sigma], &[]);
    second.metric = Some("eval/val/mOKS".into());
    second.further_metrics = vec!["val/loss".into()];
    let found = resolve_network(&Catalog::embedded(), &second).unwrap_err().to_string();
    assert!(found.contains("`val/loss` cannot be compared"), "{found}");
    second.further_metrics = vec!["eval/val/PCK_5:max".into()];
    let further = resolve_network(&Catalog::embedded(), &second).unwrap().further_objectives;
    assert_eq!(further[0].metric, "eval/val/PCK_5");
    request.set = vec!["trainer_config.eval.enabled=false".into()];
    let found = resolve_network(&Catalog::embedded(), &request).unwrap_err().to_string();
    assert!(found.contains("is only reported where trainer_config.eval.enabled is true"), "{found}");
    let found = data.problems("dreem", &["loss.asso_weight"], &[]);
    assert!(found[0].contains("leave `loss.asso_weight` out of the search"), "{found:?}");
}

#[test]
fn keys_of_other_versions_are_translated() {
    let data = Data::new();
    let found = data.problems("sleap_nn", &[LR], &["data_config.preprocessing.crop_hw=[64, 64]"]);
    assert!(found[0].contains("renamed to `data_config.preprocessing.crop_size`"), "{found:?}");
    let found = data.problems("sleap_nn", &[LR], &["trainer_config.save_ckpt_path=x"]);
    assert!(found[0].contains("now ckpt_dir and run_name"), "{found:?}");
}

#[test]
fn specs_of_users_are_held_against_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.yaml");
    let text = "model_config:\n  backbone_config:\n    unet: {max_stride: 8, output_stride: 1}\n    convnext: {model_type: tiny}\n    swint: null\n  \
        head_configs:\n    single_instance: {confmaps: {sigma: 2.5, output_stride: 16}}\n    centroid: null\n\
        trainer_config:\n  lr_scheduler: {step_lr: null, reduce_lr_on_plateau: null}\n  save_ckpt_path: x\n";
    fs::write(&path, text).unwrap();
    let schema = SpecSchema::of_network(&Catalog::embedded(), "sleap_nn", "train").unwrap();
    let problems = check_paths(&[path], Some(&schema)).problems;
    let errors: Vec<String> = problems
        .iter()
        .filter(|p| p.severity == automl_config::Severity::Error)
        .map(|p| format!("{}: {}: {} {}", p.line.unwrap(), p.path, p.message, p.hint))
        .collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[0].contains(
            "model_config.backbone_config: unet and convnext set; exactly one of its branches must be"
        ),
        "{errors:?}"
    );
    assert!(errors[1].contains("output_stride: is 16, but must be <="), "{errors:?}");
    assert!(errors[1].contains("no head is coarser"), "{errors:?}");
    assert!(
        errors[2].contains("save_ckpt_path") && errors[2].contains("now ckpt_dir and run_name"),
        "{errors:?}"
    );
}

#[test]
fn dreem_is_trained_by_the_script_that_comes_along() {
    let recipe =
        Data::new().recipe("dreem", &["optimizer.lr"], &["optimizer.name=SGD", "scheduler.name=none"]);
    let params: Params = [("optimizer.lr".to_string(), ParamValue::Float(0.001))].into_iter().collect();
    let files = recipe.trial.realise(&context(&params)).unwrap();
    assert_eq!(files.argv[..2], ["python3", "/t/dreem_trial.py"]);
    let (name, text) = files.adapter.unwrap();
    assert_eq!(name, "dreem_trial.py");
    assert!(text.contains("resume_point"));
    let spec = spec(&recipe, &params);
    let optimizer: Vec<&String> = at(&spec, "optimizer").as_object().unwrap().keys().collect();
    assert_eq!(optimizer, ["name", "lr", "weight_decay", "momentum", "nesterov"]);
    assert_eq!(at(&spec, "scheduler"), &Value::Null);
    assert_eq!(recipe.trial.package().unwrap().program, "dreem");
    let text = serde_json::to_string(&recipe.trial).unwrap();
    let stored: automl_config::TrialRecipe = serde_json::from_str(&text).unwrap();
    assert_eq!(
        stored.realise(&context(&params)).unwrap().spec,
        files.spec,
        "a stored recipe builds the same"
    );
}

#[test]
fn plain_jobs_keep_to_the_rules_too() {
    let data = Data::new();
    let request = data.request("sleap_nn", &[], &["trainer_config.optimizer.lr=0"]);
    let text = resolve_job(&Catalog::embedded(), &request).unwrap_err().to_string();
    assert!(text.contains("trainer_config.optimizer.lr: is 0.0, but must be > 0"), "{text}");
}
