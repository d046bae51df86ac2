//! Which files are checkpoints, and which of them an attempt carries on from.

use crate::pattern::Pattern;
use serde::{Deserialize, Serialize};

/// Name of the pattern's group that holds the epoch's number.
const EPOCH_GROUP: &str = "epoch";

/// A pattern of checkpoint paths, relative to the results folder and with `/` between folders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointRule {
    pattern: Pattern,
    /// Number that the first epoch has in file names: 0 means that epoch 4 is the fifth.
    first_epoch: u64,
}

impl CheckpointRule {
    /// Returns the rule of a pattern, whose group `epoch` (where it has one) is the number of the
    /// last epoch that is in the checkpoint.
    #[must_use]
    pub fn new(pattern: Pattern, first_epoch: u64) -> Self {
        CheckpointRule { pattern, first_epoch }
    }

    /// Tells whether a path is a checkpoint.
    #[must_use]
    pub fn is_checkpoint(&self, path: &str) -> bool {
        self.pattern.matches(path)
    }

    /// Returns the number in a group of the pattern (`epoch`, `step`), as it stands in the name.
    pub(crate) fn number(&self, path: &str, group: &str) -> Option<u64> {
        self.pattern.group(path, group)?.parse().ok()
    }

    /// Returns how many epochs were complete when the checkpoint was written; `None` where the path
    /// is no checkpoint or does not say.
    #[must_use]
    pub fn completed(&self, path: &str) -> Option<u64> {
        let epoch = self.number(path, EPOCH_GROUP)?;
        (epoch + 1).checked_sub(self.first_epoch)
    }

    /// Returns the path to carry on from when `fidelity` epochs are known to be complete: the
    /// furthest checkpoint that is not beyond them, and of several such the last by name (the later
    /// step). Without epochs in names it is the last checkpoint by name. What its name says to be half
    /// written is taken only where there is nothing else.
    #[must_use]
    pub fn choose<'p>(&self, listing: impl IntoIterator<Item = &'p str>, fidelity: u64) -> Option<&'p str> {
        let checkpoints = listing.into_iter().filter(|path| self.is_checkpoint(path));
        let reached = checkpoints.filter_map(|path| match self.pattern.has_group(EPOCH_GROUP) {
            false => Some((0, path)),
            true => {
                self.completed(path).map(|epochs| (epochs, path)).filter(|(epochs, _)| *epochs <= fidelity)
            }
        });
        reached.max_by_key(|(epochs, path)| (!is_half_written(path), *epochs, *path)).map(|(_, path)| path)
    }
}

/// Endings that programs give to a file until all of it is there.
const HALF_WRITTEN: [&str; 6] = [".tmp", ".temp", ".new", ".part", ".partial", "~"];

fn is_half_written(path: &str) -> bool {
    HALF_WRITTEN.iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(first_epoch: u64) -> CheckpointRule {
        let pattern =
            Pattern::new(r"^train/model_epoch_(?P<epoch>\d+)_step_\d+\.(safetensors|pth)$").unwrap();
        CheckpointRule::new(pattern, first_epoch)
    }

    const LISTING: [&str; 6] = [
        "train/model_epoch_000_step_00004.safetensors",
        "train/model_epoch_002_step_00012.safetensors",
        "train/model_epoch_001_step_00008.safetensors",
        "train/mal_model_latest.safetensors",
        "train/status.json",
        "train/model_epoch_003_step_00016.safetensors.tmp",
    ];

    #[test]
    fn furthest_checkpoint_within_reach_is_chosen() {
        let rule = rule(0);
        assert_eq!(rule.completed(LISTING[0]), Some(1));
        assert_eq!(rule.choose(LISTING, 3), Some(LISTING[1]));
        assert_eq!(rule.choose(LISTING, 9), Some(LISTING[1]));
        assert_eq!(rule.choose(LISTING, 2), Some(LISTING[2]));
        assert_eq!(rule.choose(LISTING, 0), None);
        assert_eq!(rule.choose([], 5), None);
    }

    #[test]
    fn file_names_may_count_from_one() {
        let rule = rule(1);
        assert_eq!(rule.completed(LISTING[1]), Some(2));
        assert_eq!(rule.completed(LISTING[0]), Some(0));
    }

    #[test]
    fn later_step_of_an_epoch_wins() {
        let names = ["train/model_epoch_001_step_00009.pth", "train/model_epoch_001_step_00010.pth"];
        assert_eq!(rule(0).choose(names, 2), Some(names[1]));
    }

    #[test]
    fn half_written_files_are_taken_only_where_there_is_nothing_else() {
        let usual = CheckpointRule::new(Pattern::new("checkpoint").unwrap(), 1);
        for other in ["checkpoint.tmp", "checkpoint.new", "checkpoint.pt.part", "checkpoint~"] {
            assert_eq!(usual.choose(["checkpoint", other], 1), Some("checkpoint"), "{other}");
            assert_eq!(usual.choose([other], 1), Some(other));
        }
        let by_epoch = CheckpointRule::new(Pattern::new(r"ckpt_(?P<epoch>\d+)").unwrap(), 1);
        assert_eq!(by_epoch.choose(["ckpt_3", "ckpt_4.tmp"], 4), Some("ckpt_3"));
    }

    #[test]
    fn rule_survives_json() {
        let text = serde_json::to_string(&rule(1)).unwrap();
        assert_eq!(serde_json::from_str::<CheckpointRule>(&text).unwrap(), rule(1));
    }
}
