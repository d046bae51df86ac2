//! Which rows take part in a fit when there are too many.
//!
//! Hyperparameters change slowly with the data, so that a few hundred rows fix them: the best ones,
//! where accuracy matters, the most recent ones, and a cover of the cube.

use crate::training::TrainingSet;

/// Largest number of rows in a fit; a factorisation costs the cube of it.
pub(crate) const FIT_ROWS_MAX: usize = 300;

/// Rows taken for their target, and as many for their age.
const SHARE: usize = FIT_ROWS_MAX / 3;

/// Returns the rows to fit on, in ascending order: all of them up to [`FIT_ROWS_MAX`].
pub(crate) fn fit_rows(data: &TrainingSet) -> Vec<usize> {
    let n = data.len();
    if n <= FIT_ROWS_MAX {
        return (0..n).collect();
    }
    let mut by_target: Vec<usize> = (0..n).collect();
    by_target.sort_by(|&a, &b| data.targets()[b].total_cmp(&data.targets()[a]).then(a.cmp(&b)));
    let mut chosen = vec![false; n];
    by_target[..SHARE].iter().for_each(|&i| chosen[i] = true);
    let latest: Vec<usize> = (0..n).rev().filter(|&i| !chosen[i]).take(SHARE).collect();
    latest.iter().for_each(|&i| chosen[i] = true);
    cover(data, &mut chosen);
    (0..n).filter(|&i| chosen[i]).collect()
}

/// Adds the row farthest from all chosen ones until the limit is reached.
fn cover(data: &TrainingSet, chosen: &mut [bool]) {
    let mut distances = vec![f64::INFINITY; data.len()];
    let mut count = 0;
    for i in (0..data.len()).filter(|&i| chosen[i]) {
        approach(data, &mut distances, i);
        count += 1;
    }
    while count < FIT_ROWS_MAX {
        let open = (0..data.len()).filter(|&i| !chosen[i]);
        let farthest = open
            .reduce(|best, i| if distances[i] > distances[best] { i } else { best })
            .expect("fewer rows are chosen than there are");
        chosen[farthest] = true;
        approach(data, &mut distances, farthest);
        count += 1;
    }
}

/// Lowers every row's distance to the chosen set by its distance to row `centre`.
fn approach(data: &TrainingSet, distances: &mut [f64], centre: usize) {
    for (i, distance) in distances.iter_mut().enumerate() {
        *distance = distance.min(unit_distance(data, i, centre));
    }
}

fn unit_distance(data: &TrainingSet, a: usize, b: usize) -> f64 {
    let pairs = data.columns().iter().zip(data.row(a).iter().zip(data.row(b)));
    pairs.map(|(column, (&a, &b))| crate::kernel::separation(column.is_categorical(), a, b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;

    #[test]
    fn best_and_latest_rows_are_in_the_fit() {
        let rows: Vec<Vec<f64>> = (0..500).map(|i| vec![f64::from(i) / 500.0]).collect();
        let targets: Vec<f64> = (0..500).map(|i| -f64::from((i - 120_i32).abs())).collect();
        let data = TrainingSet::new(&[Column::Continuous], &rows, &targets);
        let chosen = fit_rows(&data);
        assert_eq!(chosen.len(), FIT_ROWS_MAX);
        assert!(chosen.contains(&120) && chosen.contains(&100) && chosen.contains(&499));
        assert!(chosen.contains(&0), "the cover reaches the edge");
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn small_data_is_used_whole() {
        let rows: Vec<Vec<f64>> = (0..30).map(|i| vec![f64::from(i)]).collect();
        let data = TrainingSet::new(&[Column::Continuous], &rows, &[0.0; 30]);
        assert_eq!(fit_rows(&data), (0..30).collect::<Vec<_>>());
    }
}
