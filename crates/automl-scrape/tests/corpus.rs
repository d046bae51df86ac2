//! Logs in the shapes of well-known trainers give the measurements written beside them.
//!
//! `corpus/NAME.log` is a sample, `corpus/NAME.expected` what must be read from it: a line for each
//! measurement, `line LINE step STEP name=value ...`.

#![expect(clippy::disallowed_methods, reason = "tests read their corpus")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use automl_scrape::{Measurement, MetricRules, Metrics, Notes, Scraper, SourceKind};

fn rules(monitoring: &str, available: &[&str], dynamic_patterns: &[&str]) -> MetricRules {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    MetricRules {
        monitoring: vec![monitoring.to_owned()],
        available: owned(available),
        dynamic_patterns: owned(dynamic_patterns),
        line_patterns: Vec::new(),
        failure_patterns: Vec::new(),
    }
}

#[track_caller]
fn check(name: &str, kind: SourceKind, rules: &MetricRules) -> Notes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let log = std::fs::read(folder.join(format!("{name}.log"))).unwrap();
    let expected = std::fs::read_to_string(folder.join(format!("{name}.expected"))).unwrap();
    let metrics = Arc::new(Metrics::compile(rules).unwrap());
    let (mut scraper, mut found) = (Scraper::new(&metrics, kind), Vec::new());
    log.chunks(100).for_each(|chunk| scraper.push(chunk, &mut found));
    scraper.finish(&mut found);
    let found: Vec<String> = found.iter().map(printed).collect();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(found, expected, "{name}:\n{}\n", found.join("\n"));
    scraper.notes().clone()
}

fn printed(measurement: &Measurement) -> String {
    let step = measurement.step.map_or("-".to_owned(), |step| step.to_string());
    let mut text = format!("line {} step {step}", measurement.line);
    for (name, value) in &measurement.values {
        write!(text, " {name}={value}").unwrap();
    }
    text
}

fn check_text(name: &str, monitoring: &str, available: &[&str]) -> Notes {
    check(name, SourceKind::Text, &rules(monitoring, available, &[]))
}

#[test]
fn lightning_bars_report_each_epoch_once() {
    check_text("lightning", "val_loss", &["val_acc", "train_loss_epoch"]);
}

#[test]
fn keras_bars_are_read() {
    let notes = check_text("keras", "val_loss", &["loss", "val_accuracy"]);
    assert_eq!(notes.max_epoch, Some(2));
}

#[test]
fn pytorch_examples_are_read() {
    check_text("pytorch_mnist", "accuracy", &["average loss"]);
    check_text("pytorch_imagenet", "Acc@1", &["Acc@5", "loss"]);
}

#[test]
fn hf_trainer_dicts_are_read() {
    check_text("hf_trainer", "eval_loss", &["eval_accuracy", "loss"]);
}

#[test]
fn boosting_rounds_are_steps() {
    check_text("xgboost", "valid-rmse", &["train-rmse"]);
    check_text("lightgbm", "valid_0's l2", &[]);
}

#[test]
fn sklearn_prints_are_read() {
    check_text("sklearn", "accuracy", &["score", "mean squared error", "R2 score"]);
}

#[test]
fn yolo_bars_are_read() {
    let notes = check_text("tqdm_yolo", "mAP50", &["box_loss", "mAP50-95"]);
    assert_eq!(notes.tail.len(), 5, "bars are drawn over: {:?}", notes.tail);
}

#[test]
fn mmengine_lines_are_read() {
    check_text("mmengine", "coco/bbox_mAP", &["loss"]);
}

#[test]
fn nanogpt_lines_are_read() {
    check_text("nanogpt", "val_loss", &["train_loss"]);
}

#[test]
fn tao_output_is_read() {
    let rules = rules("mIoU", &["loss"], &["^mIoU_(small|medium|large)$", "^(AP|AP50|AP75)_(bbox|segm)$"]);
    let notes = check("tao_stdout", SourceKind::Text, &rules);
    assert_eq!(notes.execution_status, Some(true));
}

#[test]
fn tao_status_repeats_are_no_news() {
    let rules = rules("mIoU", &["train_loss"], &["^mIoU_(small|medium|large)$"]);
    let notes = check("tao_status", SourceKind::StatusJson, &rules);
    assert_eq!(notes.last_status.as_deref(), Some("SUCCESS"));
    assert_eq!((notes.epoch, notes.max_epoch), (Some(1), Some(1)));
}

#[test]
fn json_lines_are_read() {
    let notes =
        check("metrics_jsonl", SourceKind::JsonLines, &rules("val_loss", &["val/acc", "train_loss"], &[]));
    assert_eq!(notes.seen_names.keys().collect::<Vec<_>>(), ["lr"]);
}

#[test]
fn tables_are_read_by_their_columns() {
    check("lightning_csv", SourceKind::Csv, &rules("val/loss", &["val_acc"], &[]));
    check("ultralytics_csv", SourceKind::Csv, &rules("metrics/mAP50-95(B)", &["val/box_loss"], &[]));
}

#[test]
fn scalars_of_an_event_file_are_read() {
    let notes = check("tensorboard", SourceKind::TensorBoard, &rules("val/loss", &["train/loss"], &[]));
    assert!(notes.seen_names.is_empty(), "{:?}", notes.seen_names);
}
