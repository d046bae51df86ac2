//! Every packaged network config, schema, template and model file, and how they fit together.

use automl_config::{Catalog, check_file};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn every_shipped_file_is_clean() {
    let shipped: Vec<PathBuf> =
        ["network_configs", "search_spaces"].iter().flat_map(|f| files(&root().join(f))).collect();
    assert!(shipped.len() >= 4, "{shipped:?}");
    // Scripts are for their interpreters.
    for file in shipped.iter().filter(|file| file.extension().is_none_or(|ending| ending != "py")) {
        assert_eq!(check_file(file), [], "{}", file.display());
    }
}

#[test]
fn networks_are_listed_with_their_actions() {
    let networks = Catalog::embedded().networks();
    let mal = networks.iter().find(|n| n.name == "mal").unwrap();
    assert_eq!(mal.actions, ["train", "evaluate", "inference"]);
    assert_eq!(
        (mal.searchable.as_slice(), mal.metric.as_deref()),
        (["train".to_string()].as_slice(), Some("mIoU"))
    );
    assert!(!mal.description.is_empty());
}

#[test]
fn config_keys_exist_in_the_schema() {
    for network in Catalog::embedded().networks() {
        let text =
            fs::read_to_string(root().join(format!("network_configs/{}.config.json", network.name))).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        for action in &network.searchable {
            let table = Catalog::embedded().parameters(&network.name, action).unwrap();
            let sections = [
                config["data_sources"].get(action),
                config["spec_params"].get(action),
                config.get("automl_spec_params").filter(|_| action == "train"),
            ];
            let mut keys: Vec<String> =
                sections.iter().flatten().flat_map(|s| s.as_object().unwrap().keys().cloned()).collect();
            let launch = &config["launch"][action];
            let named = [&launch["fidelity"]["key"], &launch["seed_key"], &launch["gpu_ids_key"]];
            keys.extend(named.iter().filter_map(|v| v.as_str()).map(String::from));
            assert!(keys.len() > 3, "{} {action}: {keys:?}", network.name);
            for key in keys {
                assert!(table.parameters.iter().any(|p| p.name == key), "{} {action}: {key}", network.name);
            }
        }
    }
}

/// Every action that can be run by itself has a schema with the keys that its sections name.
#[test]
fn plain_actions_have_their_keys() {
    for network in Catalog::embedded().networks() {
        let text =
            fs::read_to_string(root().join(format!("network_configs/{}.config.json", network.name))).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        for action in config["launch"].as_object().into_iter().flat_map(|launch| launch.keys()) {
            let table = Catalog::embedded().parameters(&network.name, action).unwrap();
            let sections = [config["data_sources"].get(action), config["spec_params"].get(action)];
            let keys = sections.iter().flatten().flat_map(|s| s.as_object().unwrap().keys().cloned());
            let inherited = config["launch"][action]["inherit"].as_array().into_iter().flatten();
            let keys: Vec<String> =
                keys.chain(inherited.map(|key| key.as_str().unwrap().to_string())).collect();
            assert!(keys.len() > 2, "{} {action}: {keys:?}", network.name);
            for key in keys {
                let known = |name: &str| name == key || name.starts_with(&format!("{key}."));
                assert!(table.parameters.iter().any(|p| known(&p.name)), "{} {action}: {key}", network.name);
            }
        }
    }
}

#[test]
fn every_shipped_parameter_is_described() {
    for network in Catalog::embedded().networks() {
        for action in &network.searchable {
            for parameter in Catalog::embedded().parameters(&network.name, action).unwrap().parameters {
                assert!(!parameter.description.is_empty(), "{} {action} {}", network.name, parameter.name);
            }
        }
    }
}

#[test]
fn mal_table_is_as_published() {
    let table = Catalog::embedded().parameters("mal", "train").unwrap();
    assert_eq!(table.parameters.len(), 72);
    let searched: Vec<_> =
        table.parameters.iter().filter(|p| p.searched_by_default).map(|p| p.name.as_str()).collect();
    assert_eq!(searched, ["train.lr", "train.wd"]);
    let lr = serde_json::to_value(table.parameters.iter().find(|p| p.name == "train.lr").unwrap()).unwrap();
    insta::assert_json_snapshot!("train_lr_row", lr);
}

#[test]
fn action_recognition_table_is_as_published() {
    let table = Catalog::embedded().parameters("action_recognition", "train").unwrap();
    assert_eq!(table.parameters.len(), 75);
    let searched: Vec<_> =
        table.parameters.iter().filter(|p| p.searched_by_default).map(|p| p.name.as_str()).collect();
    assert_eq!(searched, ["model.dropout_ratio", "train.optim.lr"]);
}

#[test]
fn templates_hold_the_schemas_defaults() {
    for network in Catalog::embedded().networks() {
        for action in &network.searchable {
            let folder = root().join("search_spaces").join(&network.name);
            let template = folder.join(format!("spec_template_{action}.yaml"));
            let Ok(template) = fs::read_to_string(template) else { continue };
            let template: Value = serde_saphyr::from_str(&template).unwrap();
            for parameter in Catalog::embedded().parameters(&network.name, action).unwrap().parameters {
                let pointer = format!("/{}", parameter.name.replace('.', "/"));
                assert_eq!(template.pointer(&pointer), Some(&parameter.default), "{}", parameter.name);
            }
        }
    }
}

#[test]
fn folder_overrides_the_packaged_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "network_configs/tiny.config.json",
        r#"{"api_params": {"actions": ["train"]}, "launch": {"train": {"command": ["x"]}}}"#,
    );
    write("search_spaces/mal/train.schema.json", r#"{"properties": {"a": {"type": "int", "default": 1}}}"#);
    let catalog = Catalog::with_folder(folder.path().into());
    let names: Vec<String> = catalog.networks().into_iter().map(|n| n.name).collect();
    assert!(names.contains(&"mal".to_string()) && names.contains(&"tiny".to_string()), "{names:?}");
    assert_eq!(catalog.parameters("mal", "train").unwrap().parameters.len(), 1);
}

#[test]
fn missing_catalogue_folder_is_an_error() {
    let catalog = Catalog::with_folder("/nowhere/catalogue".into());
    assert_eq!(
        catalog.parameters("mal", "train").unwrap_err().to_string(),
        "AUTOML_CATALOG: error: catalogue folder /nowhere/catalogue does not exist"
    );
}
