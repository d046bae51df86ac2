//! "Did you mean": the known names closest to a misspelt one.

/// Names farther away than this share of the longer name's length are no suggestion.
const MAX_DISTANCE_SHARE: f64 = 0.4;
/// More suggestions than this confuse more than they help.
const MAX_SUGGESTIONS: usize = 3;
/// Longer lists of known names are not shown whole.
const MAX_LISTED: usize = 8;

/// Returns up to three known names that are about equally near, nearest first; those whose last dotted segment is the unknown
/// name come before mere misspellings.
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let unknown = unknown.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| rank(&unknown, &name.to_lowercase()).map(|distance| (distance, name)))
        .collect();
    ranked.sort();
    let best = ranked.first().map_or(0, |(distance, _)| *distance);
    let close = ranked.into_iter().take_while(|(distance, _)| *distance <= best + 1);
    close.map(|(_, name)| name).take(MAX_SUGGESTIONS).collect()
}

/// Returns the advice line for an unknown name: suggestions, else the whole (short) list.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = nearest(unknown, known.iter().copied());
    match (near.is_empty(), known.len()) {
        (false, _) => format!("did you mean {}?", quoted(&near, " or ")),
        (true, 0) => String::new(),
        (true, 1..=MAX_LISTED) => format!("known: {}", quoted(&known, ", ")),
        (true, _) => String::new(),
    }
}

/// Returns names in back quotes, joined.
pub(crate) fn quoted(names: &[&str], separator: &str) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(separator)
}

fn rank(unknown: &str, name: &str) -> Option<usize> {
    if name.rsplit('.').next() == Some(unknown) {
        return Some(0);
    }
    let (unknown, name) = without_common_groups(unknown, name);
    let distance = edit_distance(unknown, name);
    let longer = unknown.chars().count().max(name.chars().count());
    (distance as f64 <= (longer as f64 * MAX_DISTANCE_SHARE).max(1.0)).then_some(distance + 1)
}

/// Cuts off leading dotted segments that both share: `train.rl` is as far from `train.wd` as `rl` from
/// `wd`.
fn without_common_groups<'a>(mut a: &'a str, mut b: &'a str) -> (&'a str, &'a str) {
    while let (Some((group_a, rest_a)), Some((group_b, rest_b))) = (a.split_once('.'), b.split_once('.')) {
        if group_a != group_b {
            break;
        }
        (a, b) = (rest_a, rest_b);
    }
    (a, b)
}

/// Damerau-Levenshtein distance in the restricted form: insert, delete, replace, swap neighbours.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_found() {
        let known = ["train.lr", "train.wd", "model.arch", "dataset.crop_size"];
        assert_eq!(nearest("train.rl", known), ["train.lr"]);
        assert_eq!(nearest("trian.lr", known), ["train.lr"]);
        assert_eq!(nearest("lr", known), ["train.lr"]);
        assert_eq!(nearest("crop_size", known), ["dataset.crop_size"]);
        assert!(nearest("banana", known).is_empty());
    }

    #[test]
    fn distance_counts_swaps_once() {
        for (a, b, distance) in
            [("ab", "ba", 1), ("kitten", "sitting", 3), ("", "abc", 3), ("same", "same", 0)]
        {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn short_lists_are_shown_whole() {
        assert_eq!(did_you_mean("zzz", ["a", "b"]), "known: `a`, `b`");
        assert_eq!(did_you_mean("mIou", ["mIoU"]), "did you mean `mIoU`?");
    }
}
