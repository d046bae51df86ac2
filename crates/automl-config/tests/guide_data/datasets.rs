//! What a dataset is: a folder, an archive or a URI, and what it says of itself.

use crate::harness::Case;
use automl_config::{Catalog, check_dataset};
use std::path::PathBuf;

const SOURCES: &str = r#"{"a": {"source": "train_datasets", "path": "images.tar.gz"},
    "f": {"source": "train_datasets", "value_from_metadata": {"key": "format", "mapping": {"kitti": "K", "coco": "C"}, "default": "?"}}}"#;
const RULES: &str = r#"{"dataset_validation": {"required_files": {"coco": [{"path": "annotations.json"}],
    "kitti": [{"path": "labels", "type": "folder"}]}}}"#;

#[test]
fn uris_are_passed_on_as_they_are() {
    let case = Case::new(&["coco", "kitti"]).sources(SOURCES).with(RULES).datasets(|datasets, _| {
        datasets.train = vec![PathBuf::from("s3://bucket/data/")];
    });
    assert_eq!(case.spec()["a"], "s3://bucket/data/images.tar.gz");
    assert_eq!(case.spec()["f"], "C", "the network's first format is assumed");
    assert!(case.notes().iter().any(|note| note.contains("is not checked")), "{:?}", case.notes());
    let case = Case::new(&["coco"]).sources(SOURCES).files(&["d/images/"]);
    let uri = format!("file://{}", case.path("d").display());
    let case = case.datasets(|datasets, _| datasets.train = vec![PathBuf::from(&uri)]);
    assert_eq!(case.spec()["a"], "ROOT/d/images", "a URI of this machine is a folder");
}

#[test]
fn format_is_the_first_whose_rules_hold() {
    let case = |file: &str| {
        let case = Case::new(&["coco", "kitti"]).sources(SOURCES).with(RULES);
        case.files(&["d/images/", file]).train(&["d"])
    };
    assert_eq!(case("d/labels/").spec()["f"], "K");
    assert_eq!(case("d/annotations.json").spec()["f"], "C");
    assert!(case("d/x").problems()[0].contains("format `coco` needs file `annotations.json`"));
}

#[test]
fn archives_are_unpacked_by_the_caller() {
    let case = Case::new(&["coco"]).sources(SOURCES).with(RULES).files(&["d.tar.gz"]).train(&["d.tar.gz"]);
    assert_eq!(case.archives(), ["ROOT/d.tar.gz"]);
    assert!(case.problems()[0].contains("is an archive that nobody has unpacked"));
    let case =
        case.files(&["cache/1/images.tar.gz", "cache/1/annotations.json"]).datasets(|datasets, path| {
            datasets.unpacked.insert(path("d.tar.gz"), path("cache/1"));
        });
    assert_eq!(case.archives(), ["ROOT/cache/1/images.tar.gz"], "archives within archives come to light");
    let case = case.datasets(|datasets, path| {
        datasets.unpacked.insert(path("cache/1/images.tar.gz"), path("cache/2"));
    });
    assert_eq!(case.spec()["a"], "ROOT/cache/2");
}

#[test]
fn datasets_that_the_network_does_not_take_are_refused() {
    let problems = |facts: &str| {
        let case = Case::new(&["coco", "kitti"]).sources(SOURCES).files(&["d/images/"]).train(&["d"]);
        case.facts("d", facts).problems()
    };
    assert_eq!(
        problems("format: cocoo"),
        [
            "--train-dataset: error: ROOT/d: the network takes no dataset of format `cocoo` (did you mean `coco`?)"
        ]
    );
    assert!(
        problems("intent: trainig")[0].contains("no dataset of intent `trainig` (did you mean `training`?)")
    );
    assert!(problems("format: [")[0].starts_with("ROOT/d/dataset.yaml:1:"));
    assert!(problems("format: 3")[0].contains("format: expected a text"));
    assert!(problems("convert: {id: 1}")[0].contains("convert: key `results` is missing"));
    assert!(problems("convert: {results: x, spec: none.yaml}")[0].contains("none.yaml"));
}

#[test]
fn files_of_other_programs_are_no_obstacle() {
    let case = Case::new(&["coco"]).sources(SOURCES).files(&["d/images/"]).train(&["d"]);
    let case = case.facts("d", "path: ../coco128\ntrain: images/train2017\nnames: {0: person}\n");
    assert_eq!(case.spec()["a"], "ROOT/d/images");
}

#[test]
fn missing_folders_and_plain_files_are_told() {
    let case = Case::new(&["coco"]).sources(SOURCES).files(&["file.txt"]).train(&["none", "file.txt"]);
    assert_eq!(
        case.problems(),
        [
            "--train-dataset: error: folder ROOT/none does not exist",
            "--train-dataset: error: ROOT/file.txt is not a folder",
        ]
    );
    assert_eq!(
        Case::new(&["coco"]).sources(SOURCES).problems(),
        [
            "--train-dataset: error: `a` needs folder `images` (or archive `images.tar.gz`) from --train-dataset, which is not given (add --train-dataset DIR, or --set a=/absolute/path)"
        ]
    );
}

#[test]
fn a_dataset_can_be_checked_by_itself() {
    let case = Case::new(&["coco", "kitti"]).sources(SOURCES).with(RULES).files(&["d/x"]).train(&["d"]);
    drop(case.resolve());
    let check = check_dataset(&Catalog::embedded(), &case.request).unwrap();
    assert_eq!(check.problems.len(), 1, "only the rules count: {:?}", check.problems);
    assert!(check.problems[0].code.is_environment());
}
