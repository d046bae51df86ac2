//! Jobs whose results another job uses, and which of their checkpoints it takes.
//!
//! Pure: whoever calls knows the folders and lists the files; here is what the names mean.

use crate::pattern::Pattern;
use crate::recipe::CheckpointRule;
use automl_core::Objective;
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// A job that has run, as another one sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentJob {
    /// Name, as `{parent_id}` in rules stands for it.
    pub id: String,
    /// Its network, where that is known.
    pub network: Option<String>,
    /// Its action.
    pub action: String,
    /// Its spec; null where it has none.
    pub spec: Value,
    /// Folder of its results, absolute.
    pub results_dir: PathBuf,
    /// The checkpoint (or exported model) to use, absolute; `None` where it left none.
    pub checkpoint: Option<PathBuf>,
}

/// Which checkpoint of a parent is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// That of the epoch with the best reading of the metric.
    #[default]
    Best,
    /// The furthest one.
    Latest,
    /// That of an epoch, by the number in its file's name.
    Epoch(u64),
    /// That of a step, by the number in its file's name.
    Step(u64),
    /// A file.
    Path(PathBuf),
}

/// What is known of a parent's checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints<'a> {
    /// Which files are checkpoints.
    pub rule: &'a CheckpointRule,
    /// Paths relative to the results folder, with `/` between folders.
    pub listing: &'a [String],
    /// Epoch and value of each reading of the metric. Readers say how many epochs are complete where they
    /// know, else what the program printed; readings that begin with 0 are taken for the latter.
    pub readings: &'a [(u64, f64)],
    /// The metric's direction, where there is a metric.
    pub objective: Option<&'a Objective>,
}

/// Why the checkpoint that is wanted cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// There is none at all.
    #[error("there is no checkpoint")]
    None,
    /// None has that number.
    #[error("there is no checkpoint of {what} {number}; there are {known}")]
    NoNumber {
        /// `epoch` or `step`.
        what: &'static str,
        /// The number asked for.
        number: u64,
        /// Those that are there.
        known: String,
    },
}

/// Longest list of checkpoints in a message.
const LISTED: usize = 8;

impl FromStr for CheckpointChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |kind: &str, digits: &str| {
            digits.parse().map_err(|_| format!("`{digits}` is no number; write {kind}:5"))
        };
        match (text, text.split_once(':')) {
            ("best", _) => Ok(CheckpointChoice::Best),
            ("latest", _) => Ok(CheckpointChoice::Latest),
            ("", _) => Err("write best, latest, epoch:N, step:N or a path".into()),
            (_, Some(("epoch", digits))) => number("epoch", digits).map(CheckpointChoice::Epoch),
            (_, Some(("step", digits))) => number("step", digits).map(CheckpointChoice::Step),
            (path, _) => Ok(CheckpointChoice::Path(path.into())),
        }
    }
}

impl fmt::Display for CheckpointChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointChoice::Best => f.write_str("best"),
            CheckpointChoice::Latest => f.write_str("latest"),
            CheckpointChoice::Epoch(n) => write!(f, "epoch:{n}"),
            CheckpointChoice::Step(n) => write!(f, "step:{n}"),
            CheckpointChoice::Path(path) => path.display().fmt(f),
        }
    }
}

/// Returns what an action without a rule of its own leaves for others: exported models, engines, or
/// checkpoints as the usual trainers name them.
#[must_use]
pub fn usual_results(action: &str) -> CheckpointRule {
    let pattern = match action {
        "export" => r"\.onnx$",
        "gen_trt_engine" => r"\.engine$",
        _ => {
            r"^(?:.*/)?(?:[^/]*?epoch[_=-](?P<epoch>\d+)(?:[^/]*?step[_=-](?P<step>\d+))?)?[^/]*\.(?:pth|tlt|hdf5|safetensors)$"
        }
    };
    CheckpointRule::new(Pattern::new(pattern).expect("the patterns are sound"), 0)
}

impl<'a> Checkpoints<'a> {
    /// Returns the checkpoint that is wanted, relative to the results folder, and a remark where it is
    /// not quite that. A path is returned as it is.
    ///
    /// # Errors
    /// If there is no such checkpoint.
    pub fn choose(&self, choice: &CheckpointChoice) -> Result<(PathBuf, Option<String>), CheckpointError> {
        let known = self.known();
        let last = known.last().ok_or(CheckpointError::None);
        let plain = |path: &str| (PathBuf::from(path), None);
        match choice {
            CheckpointChoice::Path(path) => Ok((path.clone(), None)),
            CheckpointChoice::Latest => Ok(plain(last?.path)),
            CheckpointChoice::Epoch(n) => self.numbered(&known, "epoch", *n, |c| c.epoch).map(plain),
            CheckpointChoice::Step(n) => self.numbered(&known, "step", *n, |c| c.step).map(plain),
            CheckpointChoice::Best => {
                let last = last?;
                match self.best(&known) {
                    Some(best) => Ok(plain(best.path)),
                    None if known.len() == 1 => Ok(plain(last.path)),
                    None => {
                        let note = format!(
                            "no reading tells which checkpoint is the best; the furthest is used: {}",
                            last.path
                        );
                        Ok((last.path.into(), Some(note)))
                    }
                }
            }
        }
    }

    /// Returns the checkpoints, the furthest last.
    fn known(&self) -> Vec<Known<'a>> {
        let paths = self.listing.iter().filter(|path| !path.contains("lightning_logs"));
        let checkpoints = paths.filter(|path| self.rule.is_checkpoint(path));
        let mut known: Vec<Known<'a>> = checkpoints
            .map(|path| Known {
                epoch: self.rule.number(path, "epoch"),
                step: self.rule.number(path, "step"),
                path,
            })
            .collect();
        known.sort();
        known
    }

    /// Returns the checkpoint of the best finite reading; of equal ones the later.
    fn best(&self, known: &[Known<'a>]) -> Option<Known<'a>> {
        let objective = self.objective?;
        let as_printed = self.readings.iter().any(|(epoch, _)| *epoch == 0);
        let loss = |checkpoint: &Known<'a>| {
            let number = if as_printed { checkpoint.epoch } else { self.rule.completed(checkpoint.path) };
            let of_epoch = |(epoch, _): &&(u64, f64)| Some(*epoch) == number;
            let (_, value) = self.readings.iter().rev().find(of_epoch)?;
            objective.loss(*value).map(|loss| loss.get())
        };
        let measured = known.iter().filter_map(|checkpoint| loss(checkpoint).map(|loss| (loss, checkpoint)));
        measured.min_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, checkpoint)| *checkpoint)
    }

    fn numbered(
        &self,
        known: &[Known<'a>],
        what: &'static str,
        number: u64,
        of: impl Fn(&Known<'a>) -> Option<u64>,
    ) -> Result<&'a str, CheckpointError> {
        if known.is_empty() {
            return Err(CheckpointError::None);
        }
        let found = known.iter().rev().find(|checkpoint| of(checkpoint) == Some(number));
        found.map(|checkpoint| checkpoint.path).ok_or_else(|| {
            let paths: Vec<&str> =
                known.iter().rev().take(LISTED).map(|checkpoint| checkpoint.path).collect();
            CheckpointError::NoNumber { what, number, known: paths.join(", ") }
        })
    }
}

/// A checkpoint by the numbers in its name; ordered by how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Known<'a> {
    epoch: Option<u64>,
    step: Option<u64>,
    path: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::Direction;

    fn listing() -> Vec<String> {
        [
            "lightning_logs/model_epoch_009_step_00050.pth",
            "train/mal_model_latest.pth",
            "train/model_epoch_000_step_00005.pth",
            "train/model_epoch_001_step_00010.pth",
            "train/model_epoch_002_step_00015.pth",
            "train/status.json",
        ]
        .map(String::from)
        .into()
    }

    fn choose(choice: &str, readings: &[(u64, f64)], listing: &[String]) -> Result<String, String> {
        let objective = Objective { metric: "acc".into(), direction: Direction::Maximize };
        let rule = usual_results("train");
        let checkpoints = Checkpoints { rule: &rule, listing, readings, objective: Some(&objective) };
        let chosen = checkpoints.choose(&choice.parse().unwrap()).map_err(|e| e.to_string())?;
        Ok(format!("{}{}", chosen.0.display(), chosen.1.map_or("", |_| " (note)")))
    }

    #[test]
    fn best_is_the_epoch_with_the_best_reading() {
        let path = |epoch: u64| Ok(format!("train/model_epoch_{epoch:03}_step_{:05}.pth", 5 * (epoch + 1)));
        assert_eq!(choose("best", &[(0, 0.2), (1, 0.9), (2, 0.4)], &listing()), path(1));
        assert_eq!(choose("best", &[(0, 0.9), (1, f64::NAN), (2, 0.9)], &listing()), path(2));
        // Two epochs are complete when the program writes `epoch_001`.
        assert_eq!(choose("best", &[(1, 0.2), (2, 0.9), (3, 0.4)], &listing()), path(1));
        assert_eq!(choose("latest", &[(0, 0.9)], &listing()), path(2));
        assert_eq!(choose("epoch:0", &[], &listing()), path(0));
        assert_eq!(choose("step:10", &[], &listing()), path(1));
        assert_eq!(choose("best", &[], &listing()), path(2).map(|p| p + " (note)"));
    }

    #[test]
    fn missing_checkpoints_are_told_with_those_there() {
        let error = choose("epoch:7", &[], &listing()).unwrap_err();
        assert!(
            error.starts_with("there is no checkpoint of epoch 7; there are train/model_epoch_002"),
            "{error}"
        );
        assert_eq!(choose("best", &[], &[]), Err("there is no checkpoint".into()));
        assert_eq!(choose("/own.pth", &[], &[]), Ok("/own.pth".into()));
        assert!("epoch:x".parse::<CheckpointChoice>().unwrap_err().contains("write epoch:5"));
    }

    #[test]
    fn exported_models_are_results_as_well() {
        assert!(usual_results("export").is_checkpoint("export/model.onnx"));
        assert!(!usual_results("export").is_checkpoint("train/model.pth"));
    }
}
