//! Chooses the few bytes that a line must hold to be worth reading.
//!
//! Most lines of a log say nothing. For every spelling of every wanted name, every name that a
//! dynamic pattern can match, and every word that moves the step, one short window of letters and
//! digits is taken, in lower case. A vectorised search for these windows runs over whole chunks,
//! in lower case too, and jumps from one candidate line to the next. (Needles in every combination
//! of case are eight times as many, more than the vectorised search takes.) It may only err on the
//! side of reading too much.

use regex_automata::MatchKind;
use regex_automata::util::prefilter::Prefilter;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind};

use crate::names::Names;
use crate::position;

/// Longest window, in bytes; what the vectorised search compares at once.
const WINDOW_BYTES: usize = 4;

/// Text in front of the verdict that some trainers print.
pub(crate) const EXECUTION_STATUS: &[u8] = b"execution status:";

/// Letters and digits from the most to the least frequent in logs.
const COMMON_FIRST: &[u8] = b"eationrslcdpmuhg01f2b53w46y78v9kxzjq";

/// Windows that most lines of some logs hold, as parts of everyday words (`dataloader`, `reloading`). Where a name or
/// pattern has another one, that is taken.
const EVERYDAY: [&[u8]; 8] = [b"data", b"load", b"file", b"imag", b"mage", b"work", b"time", b"info"];

/// Builds the search, for text in lower case; `None` where some name has no usable window.
///
/// A failure pattern without a window is left out: what a program says of its end is looked for among
/// its last lines all the same.
pub(crate) fn prefilter<'a>(
    names: &Names,
    patterns: impl IntoIterator<Item = &'a String>,
    failure_patterns: &[String],
) -> Option<Prefilter> {
    let words = position::WORDS.iter().map(|word| word.as_bytes());
    let mut texts: Vec<Vec<u8>> =
        names.spellings().chain(words).chain([EXECUTION_STATUS]).map(<[u8]>::to_vec).collect();
    for pattern in patterns {
        texts.extend(literals(pattern)?.into_iter().map(|literal| literal.to_ascii_lowercase()));
    }
    let failures = failure_patterns.iter().filter_map(|pattern| literals(pattern)).flatten();
    texts.extend(failures.map(|literal| literal.to_ascii_lowercase()));
    let windows = windows_covering(texts)?;
    Prefilter::new(MatchKind::LeftmostFirst, &windows)
}

/// Returns windows such that each text holds one; few, since one of `loss` serves `val_loss` too.
fn windows_covering(mut texts: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    texts.sort_by_key(Vec::len);
    let mut windows: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        let covered = windows.iter().any(|window| memchr::memmem::find(&text, window).is_some());
        if !covered {
            windows.push(rarest_window(&text)?);
        }
    }
    Some(windows)
}

/// Whether every match of a pattern holds a window.
pub(crate) fn has_window(pattern: &str) -> bool {
    literals(pattern).is_some()
}

/// Returns literals of which every match of `pattern` holds one, up to case.
fn literals(pattern: &str) -> Option<Vec<Vec<u8>>> {
    // The search is in lower case, so case does not matter; with the flag, every literal would fall
    // apart into all ways of writing it.
    let pattern = pattern.strip_prefix("(?i)").unwrap_or(pattern);
    literals_of(&regex_syntax::Parser::new().parse(pattern).ok()?)
}

/// Looks at the beginning and the end of an expression, then at its parts.
fn literals_of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    [ExtractKind::Prefix, ExtractKind::Suffix].into_iter().find_map(|kind| edge(hir, kind)).or_else(|| {
        match hir.kind() {
            HirKind::Concat(parts) => parts.iter().filter_map(literals_of).min_by_key(Vec::len),
            HirKind::Alternation(ways) => {
                let ways: Option<Vec<_>> = ways.iter().map(literals_of).collect();
                ways.map(|ways| ways.concat())
            }
            HirKind::Capture(group) => literals_of(&group.sub),
            HirKind::Repetition(repeated) if repeated.min > 0 => literals_of(&repeated.sub),
            HirKind::Repetition(_)
            | HirKind::Empty
            | HirKind::Literal(_)
            | HirKind::Class(_)
            | HirKind::Look(_) => None,
        }
    })
}

fn edge(hir: &Hir, kind: ExtractKind) -> Option<Vec<Vec<u8>>> {
    let sequence = Extractor::new().kind(kind).extract(hir);
    let literals: Vec<Vec<u8>> =
        sequence.literals()?.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    let usable = !literals.is_empty() && literals.iter().all(|literal| rarest_window(literal).is_some());
    usable.then_some(literals)
}

/// Returns the window of letters and digits that logs hold least often, in lower case.
///
/// `_`, `/` and blanks stand for each other in names, so no window holds them.
fn rarest_window(text: &[u8]) -> Option<Vec<u8>> {
    let runs = text.split(|byte| !byte.is_ascii_alphanumeric());
    let windows = runs.flat_map(|run| run.windows(WINDOW_BYTES.min(run.len().max(1))));
    let rarest = windows.filter(|window| window.len() >= 2).max_by_key(|window| {
        let rarity: usize = window.iter().map(|&byte| rarity(byte)).sum();
        let is_everyday = EVERYDAY.iter().any(|everyday| window.eq_ignore_ascii_case(everyday));
        (window.len(), !is_everyday, rarity)
    })?;
    Some(rarest.to_ascii_lowercase())
}

fn rarity(byte: u8) -> usize {
    let byte = byte.to_ascii_lowercase();
    COMMON_FIRST.iter().position(|&common| common == byte).unwrap_or(COMMON_FIRST.len())
}

#[cfg(test)]
mod tests {
    use regex_automata::Span;

    use super::*;

    fn finds(names: &[&str], patterns: &[&str], line: &str) -> bool {
        let names = Names::new(names.iter().map(|name| (*name).to_owned()).collect());
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let prefilter = prefilter(&names, &patterns, &[]).expect("names are long enough");
        let line = line.to_lowercase();
        prefilter.find(line.as_bytes(), Span { start: 0, end: line.len() }).is_some()
    }

    #[test]
    fn windows_are_rare_and_without_separators() {
        assert_eq!(rarest_window(b"epoch").unwrap(), b"poch");
        assert_eq!(rarest_window(b"a_b_l2").unwrap(), b"l2");
        assert_eq!(rarest_window(b"a/b"), None);
        assert_eq!(
            rarest_window(b"dataset").unwrap(),
            b"atas",
            "and not `data`, which every other line may hold"
        );
        assert_eq!(rarest_window(b"data").unwrap(), b"data", "which has no other");
    }

    #[test]
    fn every_case_of_a_name_is_found() {
        for line in ["MIOU=1", "mIoU: 1", "val/miou 1", "EPOCH 3", "Execution status: PASS", "kpi: 1"] {
            assert!(finds(&["mIoU"], &[], line), "{line}");
        }
        assert!(!finds(&["mIoU"], &[], "loading shard 17 of the data"));
    }

    #[test]
    fn names_of_patterns_are_found() {
        let pattern = "^(AP|AP50|ARmax1)_(bbox|segm)$";
        assert!(finds(&[], &[pattern], "AP50_segm: 0.2"));
        assert!(finds(&[], &[r"^\w+_iou$"], "car_iou: 0.2"));
        assert!(finds(&[], &[r"^\s*\d+ best (?<value>[\d.]+)$"], " 7 BEST 0.5"));
        assert!(finds(&[], &[r"(?i)^\w+ (loss|score)\s*\d"], "Val LOSS 3"));
        assert!(finds(&[], &[r"\d (loss\d|x+score) \d"], "1 xxscore 3"));
        assert!(!finds(&[], &[r"^\s*\d+ best (?<value>[\d.]+)$"], "nothing of the kind"));
    }

    #[test]
    fn failures_are_found_where_they_have_a_window() {
        let patterns = ["(?i)cuda out of memory".to_string(), r"\d+".to_string()];
        let prefilter = prefilter(&Names::new(vec!["loss".into()]), [], &patterns).unwrap();
        let finds = |line: &[u8]| prefilter.find(line, Span { start: 0, end: line.len() }).is_some();
        assert!(finds(b"error: cuda out of memory") && !finds(b"nothing here 17"));
    }

    #[test]
    fn names_without_window_need_every_line() {
        assert!(prefilter(&Names::new(vec!["r".into()]), &[], &[]).is_none());
        assert!(prefilter(&Names::new(vec![]), &["^.+$".into()], &[]).is_none());
    }
}
