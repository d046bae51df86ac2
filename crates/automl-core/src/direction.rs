//! Guesses from a metric's name whether small or large values are good.
//!
//! Used only where a config does not say. The name is cut into words (at anything that is no
//! letter or digit, and at a capital behind a small letter), whatever follows a word's first digit is
//! ignored, and whole words are looked up; a loss or an error may also be glued on (`valloss`). So `val_acc_certainty` holds `acc` and `certainty`, and
//! no `cer`. If words disagree, the last one names the quantity: `num_params_acc` is an accuracy.
//! A `neg` in front turns the meaning round, as in scikit-learn's `neg_mean_squared_error`.

use crate::objective::Direction;

/// Shortest word that is also recognised at the end of a longer one, as in `valloss`.
const GLUED_MIN: usize = 4;

/// Words that name a quantity whose small values are good, parted by blanks.
const SMALL_IS_GOOD: &str = "absrel ade bce bpb bpc bpd brier cd cer chamfer cost crossentropy der deviance distance \
    divergence duration ece eer energy entropy epe err error errors fde fid flops fnr fpr frr \
    hausdorff hd inconsistency kid kl l1 l2 latency logloss loss losses lpips maae mace mae maoe \
    mape mase mate mave medae memory minade minfde mpjpe mse msle nll params penalty per perplexity \
    pinball ppl regret residual rmse rmsle rmspe rpe runtime silog smape sqrel ter time variance wer";

/// Words that name a quantity whose large values are good, parted by blanks.
const LARGE_IS_GOOD: &str = "acc accuracy ap ar auc aucpr aupr auprc auroc bleu cider correct correlation dice elbo evidence \
    f1 fps fscore gain hota iou jaccard kappa likelihood map mar mcc meteor miou mota mrr ndcg nds \
    pck pearson precision psnr r2 recall reward rouge score spearman ssim throughput tpr";

/// Returns the direction that the name of a metric suggests, and why.
///
/// A name without a telling word is taken as a score, to be maximised. The reason is a fragment
/// fit for a log line.
///
/// ```
/// use automl_core::{Direction, direction_by_name};
/// assert_eq!(direction_by_name("val/avg_loss").0, Direction::Minimize);
/// assert_eq!(direction_by_name("[bbox] val_mAP@50").0, Direction::Maximize);
/// ```
#[must_use]
pub fn direction_by_name(metric: &str) -> (Direction, String) {
    let words = words(metric);
    let telling = words.iter().rev().find_map(|word| Some((word, direction_of_word(word)?)));
    let Some((word, direction)) = telling else {
        return (Direction::Maximize, format!("no word of `{metric}` names a loss or an error"));
    };
    let negated = words.iter().any(|word| matches!(word.as_str(), "neg" | "negative" | "negated"));
    let quality = match direction {
        Direction::Minimize => "smaller is better",
        Direction::Maximize => "larger is better",
    };
    let reason = format!("of `{word}` in `{metric}`, {quality}");
    match negated {
        true => (reversed(direction), format!("{reason}, but it is negated")),
        false => (direction, reason),
    }
}

fn reversed(direction: Direction) -> Direction {
    match direction {
        Direction::Minimize => Direction::Maximize,
        Direction::Maximize => Direction::Minimize,
    }
}

fn direction_of_word(word: &str) -> Option<Direction> {
    let without_digits = word.split(|letter: char| letter.is_ascii_digit()).next().unwrap_or(word);
    let whole = [word, without_digits].into_iter().find_map(|word| {
        if holds(SMALL_IS_GOOD, word) {
            Some(Direction::Minimize)
        } else if holds(LARGE_IS_GOOD, word) {
            Some(Direction::Maximize)
        } else {
            None
        }
    });
    let is_glued = |known: &str| known.len() >= GLUED_MIN && without_digits.ends_with(known);
    whole.or_else(|| ["loss", "error"].into_iter().any(is_glued).then_some(Direction::Minimize))
}

fn holds(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// Cuts a name into lower-case words; a mixed-case word such as `valLoss` also gives its parts.
fn words(name: &str) -> Vec<String> {
    let segments = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut words = Vec::new();
    for segment in segments.filter(|segment| !segment.is_empty()) {
        words.extend(camel_parts(segment).map(str::to_ascii_lowercase));
        words.push(segment.to_ascii_lowercase());
    }
    words
}

/// Cuts `valLoss` into `val` and `Loss`; gives nothing for a word in one piece.
fn camel_parts(segment: &str) -> impl Iterator<Item = &str> {
    let bytes = segment.as_bytes();
    let is_cut = |at: usize| bytes[at - 1].is_ascii_lowercase() && bytes[at].is_ascii_uppercase();
    let mut cuts: Vec<usize> = (1..bytes.len()).filter(|&at| is_cut(at)).collect();
    if !cuts.is_empty() {
        cuts.insert(0, 0);
        cuts.push(bytes.len());
    }
    let parts: Vec<&str> = cuts.windows(2).map(|pair| &segment[pair[0]..pair[1]]).collect();
    parts.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(direction: Direction, names: &[&str]) {
        for name in names {
            let (found, reason) = direction_by_name(name);
            assert_eq!(found, direction, "{name}: {reason}");
        }
    }

    #[test]
    fn losses_and_errors_are_minimized() {
        check(
            Direction::Minimize,
            &[
                "loss",
                "val_loss",
                "val/avg_loss",
                "valLoss",
                "loss1",
                "WER",
                "test_cer",
                "perplexity",
                "RMSE",
                "valid-rmse",
                "valid_0's l2",
                "latency_ms",
                "mATE",
                "accuracy_error",
                "neg_log_likelihood",
                "logloss",
                "time_per_epoch",
                "minADE@6",
                "Validation Loss",
                "min_fde",
                "word error",
                "valloss",
                "fid50k_full",
                "evaluation_cost",
            ],
        );
    }

    #[test]
    fn scores_are_maximized() {
        check(
            Direction::Maximize,
            &[
                "val_acc_certainty",
                "num_params_acc",
                "mIoU",
                "mIoU_small",
                "[bbox] val_mAP@50",
                "val_acc",
                "AP50_bbox",
                "ARmax100_segm",
                "val Precision at Rank 1",
                "glossiness",
                "neg_mean_squared_error",
                "log_likelihood",
                "f1",
                "r2",
                "top1",
                "val_cluster_score",
                "timely",
                "NDS",
                "",
            ],
        );
    }

    #[test]
    fn reason_names_the_word() {
        assert_eq!(direction_by_name("val_loss").1, "of `loss` in `val_loss`, smaller is better");
        assert_eq!(direction_by_name("x").1, "no word of `x` names a loss or an error");
    }

    #[test]
    fn no_word_is_on_both_lists() {
        assert!(SMALL_IS_GOOD.split(' ').all(|word| !word.is_empty() && !holds(LARGE_IS_GOOD, word)));
    }
}
