//! Finds the wanted names in front of a value.
//!
//! Log text has no grammar, and wanted names hold blanks, slashes and brackets (`val Precision at
//! Rank 1`, `[bbox] val_mAP@50`). So a line is not cut into names: the value is found first, and
//! the text before it is compared, from its end, with every spelling of every wanted name. The
//! longest spelling wins, then the closest ([`Rank`]).

use crate::alias::{self, Distance};
use crate::suffixes::Suffixes;

/// How well a printed name fits a wanted one; smaller is better.
///
/// Sums a base (exact, same but for case and `/`, alias, likely alias) and penalties for looser
/// surroundings, so that the best reading of a line, and of a source, can be preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u8);

impl Rank {
    pub(crate) const EXACT: Self = Self(0);
    pub(crate) const FOLDED: Self = Self(1);
    pub(crate) const SAME: Self = Self(2);
    pub(crate) const LIKELY: Self = Self(3);

    /// The name stands behind a word such as `average` or `best`.
    pub(crate) fn qualified(self) -> Self {
        Self(self.0 + 4)
    }

    /// Only a blank parts the name from its value.
    pub(crate) fn bare(self) -> Self {
        Self(self.0 + 8)
    }
}

/// Words that, in front of a name, say that another quantity is meant.
const QUALIFIERS: [&str; 19] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
    "eval",
    "dev",
    "best",
    "avg",
    "average",
    "mean",
    "running",
    "total",
    "smoothed",
    "ema",
    "min",
    "max",
];

/// A wanted name that a text ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameMatch {
    /// Which wanted name.
    pub(crate) wanted: usize,
    pub(crate) rank: Rank,
    /// Where the name starts in the text.
    pub(crate) start: usize,
}

/// All wanted names with their spellings.
#[derive(Debug)]
pub(crate) struct Names {
    wanted: Vec<String>,
    spellings: Vec<Spelling>,
    /// The spellings, for texts that end with them.
    suffixes: Suffixes,
}

#[derive(Debug)]
struct Spelling {
    folded: Vec<u8>,
    wanted: usize,
    rank: Rank,
}

impl Names {
    /// Indexes `wanted`, which holds no empty name; the first may also be printed as `kpi`.
    pub(crate) fn new(wanted: Vec<String>) -> Self {
        let mut names = Self { wanted: Vec::new(), spellings: Vec::new(), suffixes: Suffixes::default() };
        for (index, name) in wanted.iter().enumerate() {
            names.add(name, index, Rank::FOLDED);
            for (spelling, distance) in alias::with_distance(name) {
                let rank = match distance {
                    Distance::Same => Rank::SAME,
                    Distance::Likely => Rank::LIKELY,
                };
                names.add(&spelling, index, rank);
            }
        }
        if !wanted.is_empty() {
            names.add("kpi", 0, Rank::LIKELY);
        }
        names.wanted = wanted;
        names
    }

    fn add(&mut self, spelling: &str, wanted: usize, rank: Rank) {
        let mut folded: Vec<u8> = spelling.bytes().map(fold).collect();
        folded.dedup_by(|b, a| *a == b' ' && *b == b' ');
        if !folded.is_empty() {
            self.suffixes.add(&folded, self.spellings.len());
            self.spellings.push(Spelling { folded, wanted, rank });
        }
    }

    /// The wanted names, in the order they were given.
    pub(crate) fn wanted(&self) -> &[String] {
        &self.wanted
    }

    /// Every spelling that is looked for, folded to lower case, `_` and plain blanks.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = &[u8]> {
        self.spellings.iter().map(|spelling| spelling.folded.as_slice())
    }

    /// Finds the wanted name that is `name`, as a whole.
    pub(crate) fn whole(&self, name: &[u8]) -> Option<NameMatch> {
        self.best(name, |start| start == 0)
    }

    /// Finds the wanted name that `text` ends with, at a word boundary.
    pub(crate) fn at_end(&self, text: &[u8]) -> Option<NameMatch> {
        let found = self.best(text, |start| start == 0 || !is_name_byte(text[start - 1]))?;
        let rank = if is_qualified(&text[..found.start]) { found.rank.qualified() } else { found.rank };
        Some(NameMatch { rank, ..found })
    }

    /// Returns the longest spelling that the text ends with, of equal ones the closest.
    fn best(&self, text: &[u8], starts_well: impl Fn(usize) -> bool) -> Option<NameMatch> {
        let mut best = None;
        self.suffixes.ends_of(text, fold, |start, spellings| {
            if starts_well(start) {
                let found = spellings.iter().map(|&index| self.matched(&self.spellings[index], text, start));
                best = found.min_by_key(|found| found.rank);
            }
        });
        best
    }

    fn matched(&self, spelling: &Spelling, text: &[u8], start: usize) -> NameMatch {
        let exact =
            spelling.rank == Rank::FOLDED && text[start..] == *self.wanted[spelling.wanted].as_bytes();
        let rank = if exact { Rank::EXACT } else { spelling.rank };
        NameMatch { wanted: spelling.wanted, rank, start }
    }
}

/// Whether a byte in front of a name makes it part of a longer name.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'-')
}

/// Maps bytes that count as equal in names to one of them.
fn fold(byte: u8) -> u8 {
    match byte {
        b'/' => b'_',
        b'\t' => b' ',
        _ => byte.to_ascii_lowercase(),
    }
}

fn is_qualified(before: &[u8]) -> bool {
    let Some((b' ' | b'\t', _)) = before.split_last() else {
        return false;
    };
    let before = before.trim_ascii_end();
    let length = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = &before[before.len() - length..];
    QUALIFIERS.iter().any(|qualifier| word.eq_ignore_ascii_case(qualifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> Names {
        Names::new(wanted.iter().map(|name| (*name).to_owned()).collect())
    }

    #[track_caller]
    fn check(wanted: &[&str], text: &str, expected: Option<(&str, Rank)>) {
        let names = names(wanted);
        let found = names.at_end(text.as_bytes());
        assert_eq!(
            found.map(|found| (names.wanted()[found.wanted].as_str(), found.rank)),
            expected,
            "{text}"
        );
    }

    #[test]
    fn names_end_at_word_boundaries() {
        check(&["loss"], "epoch 3 loss", Some(("loss", Rank::EXACT)));
        check(&["loss"], "(loss", Some(("loss", Rank::EXACT)));
        for text in ["val_loss", "val/loss", "my-loss", "glass", "xloss", ""] {
            check(&["loss"], text, None);
        }
    }

    #[test]
    fn case_and_slash_do_not_matter() {
        check(&["val/mIoU"], "VAL_miou", Some(("val/mIoU", Rank::FOLDED)));
        check(&["val_loss"], "val/loss", Some(("val_loss", Rank::FOLDED)));
    }

    #[test]
    fn exact_spelling_beats_folded_one() {
        check(&["val_loss", "val/loss"], "val/loss", Some(("val/loss", Rank::EXACT)));
        check(&["AP", "ap"], "ap", Some(("ap", Rank::EXACT)));
    }

    #[test]
    fn longest_name_wins() {
        check(&["loss", "val_loss"], "validation  loss", Some(("val_loss", Rank::SAME)));
    }

    #[test]
    fn blanks_and_brackets_belong_to_names() {
        check(
            &["val Precision at Rank 1"],
            "x val Precision\tat  Rank 1",
            Some(("val Precision at Rank 1", Rank::FOLDED)),
        );
        check(&["[bbox] val_mAP@50"], "info [bbox] val_mAP@50", Some(("[bbox] val_mAP@50", Rank::EXACT)));
    }

    #[test]
    fn qualified_names_rank_lower() {
        check(&["loss"], "Average loss", Some(("loss", Rank::EXACT.qualified())));
        check(&["loss"], "the loss", Some(("loss", Rank::EXACT)));
    }

    #[test]
    fn primary_metric_may_be_called_kpi() {
        check(&["mIoU", "val_loss"], "kpi", Some(("mIoU", Rank::LIKELY)));
    }

    #[test]
    fn whole_names_must_match_from_the_start() {
        let names = names(&["loss"]);
        assert!(names.whole(b"Loss").is_some());
        assert!(names.whole(b"my loss").is_none());
    }
}
