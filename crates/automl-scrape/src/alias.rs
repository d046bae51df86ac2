//! Other spellings under which trainers print the metric that a config names.
//!
//! The list is short on purpose: a wrong guess is worse than a missing metric. Spellings that
//! differ only in case, in `/` against `_`, or in the kind of blank are no aliases; `names.rs`
//! treats them as the same name.

use automl_core::{Direction, direction_by_name};

/// How far a spelling is from the name asked for; smaller is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distance {
    /// Means the same: `val_acc` and `val_accuracy`.
    Same,
    /// Likely the same, often coarser or noisier: `train_loss` and `train_loss_step`.
    Likely,
}

/// Prefixes that mean "on the validation set".
const VALIDATION: [&str; 4] = ["val", "validation", "valid", "eval"];
const TRAINING: [&str; 2] = ["train", "training"];
const TEST: [&str; 2] = ["test", "testing"];
const LATENCY: [&str; 4] = ["latency", "inference_latency", "avg_latency", "average_latency"];

/// Returns the spellings, other than `name` itself, that are read as the metric `name`.
///
/// The list is ordered: spellings that mean the same come first, likely ones last. All are lower
/// case, since case does not matter.
///
/// ```
/// let aliases = automl_scrape::aliases("val_loss");
/// assert!(aliases.contains(&"validation loss".to_owned()));
/// ```
pub fn aliases(name: &str) -> Vec<String> {
    let mut spellings = with_distance(name);
    spellings.sort_by_key(|(_, distance)| *distance);
    spellings.into_iter().map(|(spelling, _)| spelling).collect()
}

/// Returns [`aliases`] with how far each is from `name`.
pub(crate) fn with_distance(name: &str) -> Vec<(String, Distance)> {
    let name = name.to_lowercase().replace('/', "_");
    let mut spellings = Vec::new();
    for stem in same(&name) {
        spellings.push((format!("{stem}_epoch"), Distance::Same));
        spellings.push((format!("{stem}_step"), Distance::Likely));
        if stem.contains('_') {
            spellings.push((stem.replace('_', " "), Distance::Same));
        }
        spellings.push((stem, Distance::Same));
    }
    spellings.extend(likely(&name).into_iter().map(|spelling| (spelling, Distance::Likely)));
    let mut unique: Vec<(String, Distance)> = Vec::new();
    for (spelling, distance) in spellings {
        if spelling != name && unique.iter().all(|(known, _)| *known != spelling) {
            unique.push((spelling, distance));
        }
    }
    unique
}

/// Returns `name` and the names that mean the same.
fn same(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (prefixes, stem) = split_prefix(name);
    for word in same_word(stem) {
        names.push(word.clone());
        names.extend(prefixes.iter().map(|prefix| format!("{prefix}_{word}")));
    }
    if !prefixes.is_empty() {
        names.retain(|found| split_prefix(found).0 == prefixes);
    }
    match name {
        "avg_loss" => names.push("val_avg_loss".into()),
        "val_avg_loss" => names.push("avg_loss".into()),
        "map" | "val_map" => names.push("img_bbox_nuscenes_map".into()),
        _ if LATENCY.contains(&name.trim_end_matches("_ms")) => {
            names.extend(LATENCY.iter().flat_map(|word| [(*word).to_owned(), format!("{word}_ms")]));
        }
        _ => {}
    }
    names
}

/// Splits `val_loss` into the spellings of its prefix and the stem `loss`.
fn split_prefix(name: &str) -> (&'static [&'static str], &str) {
    let families: [&'static [&'static str]; 3] = [&VALIDATION, &TRAINING, &TEST];
    for family in families {
        for prefix in family {
            if let Some(stem) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) {
                return (family, stem);
            }
        }
    }
    (&[], name)
}

fn same_word(stem: &str) -> Vec<String> {
    let mut words = vec![stem.to_owned()];
    match stem {
        "acc" => words.push("accuracy".into()),
        "accuracy" => words.push("acc".into()),
        _ => {}
    }
    words
}

/// Returns names that are likely meant where `name` itself is never printed.
fn likely(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(stem) = name.strip_suffix("_epoch") {
        names.push(stem.to_owned());
    }
    // A score without prefix is a validation score. A loss without prefix is as often the
    // training loss, so it is not guessed.
    let is_score = direction_by_name(name).0 == Direction::Maximize;
    if is_score && split_prefix(name).0.is_empty() {
        names.extend(VALIDATION.iter().map(|prefix| format!("{prefix}_{name}")));
    }
    if name == "map" || name == "val_map" {
        names.push("map".into());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, present: &[&str], absent: &[&str]) {
        let found = aliases(name);
        for spelling in present {
            assert!(found.iter().any(|alias| alias == spelling), "{name} lacks {spelling}: {found:?}");
        }
        for spelling in absent {
            assert!(found.iter().all(|alias| alias != spelling), "{name} has {spelling}: {found:?}");
        }
    }

    #[test]
    fn validation_is_spelt_several_ways() {
        check(
            "val/loss",
            &["validation loss", "eval_loss", "val loss", "val_loss_epoch"],
            &["loss", "train_loss", "val_loss"],
        );
        check("val_acc", &["val_accuracy", "validation accuracy"], &["accuracy", "acc"]);
    }

    #[test]
    fn training_never_stands_for_validation() {
        check("train_loss", &["training loss", "train_loss_epoch", "train_loss_step"], &["loss", "val_loss"]);
    }

    #[test]
    fn bare_scores_are_validation_scores() {
        check("mIoU", &["val_miou"], &["train_miou"]);
        check("loss", &["loss_epoch"], &["val_loss", "train_loss"]);
    }

    #[test]
    fn likely_spellings_come_last() {
        let found = aliases("train_loss");
        let position = |name: &str| found.iter().position(|alias| alias == name).unwrap();
        assert!(position("train_loss_epoch") < position("train_loss_step"));
    }

    #[test]
    fn latencies_are_one_family() {
        check("latency", &["latency_ms", "avg latency", "inference_latency_ms"], &["runtime"]);
    }
}
