//! Which rows stand for all of them when there are too many.
//!
//! A few hundred rows fix the hyperparameters, which change slowly with the data, and tell roughly where a
//! prediction is certain: the best rows, where accuracy matters, the most recent ones, and a cover of the cube.

use crate::kernel::Kernel;
use crate::training::TrainingSet;

/// Returns rows that stand for all, ascending: all of them up to `limit`.
pub(crate) fn representatives(data: &TrainingSet, limit: usize) -> Vec<usize> {
    let n = data.len();
    if n <= limit {
        return (0..n).collect();
    }
    let share = limit / 3;
    let mut by_target: Vec<usize> = (0..n).collect();
    by_target.sort_by(|&a, &b| data.targets()[b].total_cmp(&data.targets()[a]).then(a.cmp(&b)));
    let mut chosen = vec![false; n];
    by_target[..share].iter().for_each(|&i| chosen[i] = true);
    let latest: Vec<usize> = (0..n).rev().filter(|&i| !chosen[i]).take(share).collect();
    latest.iter().for_each(|&i| chosen[i] = true);
    cover(data, &mut chosen, limit);
    (0..n).filter(|&i| chosen[i]).collect()
}

/// Returns the `count` rows nearest to `centre` in the distance of `kernel`, ascending.
pub(crate) fn neighbours(data: &TrainingSet, kernel: &Kernel, centre: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> =
        (0..data.len()).map(|i| (kernel.squared_distance(centre, data.row(i)), i)).collect();
    if order.len() > count {
        order.select_nth_unstable_by(count, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.truncate(count);
    }
    let mut nearest: Vec<usize> = order.into_iter().map(|(_, i)| i).collect();
    nearest.sort_unstable();
    nearest
}

/// Adds the row farthest from all chosen ones until there are `limit`.
fn cover(data: &TrainingSet, chosen: &mut [bool], limit: usize) {
    let mut distances = vec![f64::INFINITY; data.len()];
    let mut count = 0;
    for i in (0..data.len()).filter(|&i| chosen[i]) {
        approach(data, &mut distances, i);
        count += 1;
    }
    while count < limit {
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
    use crate::kernel::Hyperparameters;

    #[test]
    fn best_and_latest_rows_are_in_the_fit() {
        let rows: Vec<Vec<f64>> = (0..500).map(|i| vec![f64::from(i) / 500.0]).collect();
        let targets: Vec<f64> = (0..500).map(|i| -f64::from((i - 120_i32).abs())).collect();
        let data = TrainingSet::new(&[Column::Continuous], &rows, &targets);
        let chosen = representatives(&data, 300);
        assert_eq!(chosen.len(), 300);
        assert!(chosen.contains(&120) && chosen.contains(&100) && chosen.contains(&499));
        assert!(chosen.contains(&0), "the cover reaches the edge");
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn neighbours_are_the_nearest_rows() {
        let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i * 17 % 50) / 50.0]).collect();
        let columns = [Column::Continuous];
        let data = TrainingSet::new(&columns, &rows, &[0.0; 50]);
        let kernel = Kernel::new(&columns, &Hyperparameters::with_unknown_mean(vec![0.5], 1.0, 0.1));
        let found = neighbours(&data, &kernel, &[0.5], 5);
        assert!(found.iter().all(|&i| (rows[i][0] - 0.5).abs() < 0.05) && found.len() == 5, "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(neighbours(&data, &kernel, &[0.5], 80).len(), 50);
    }

    #[test]
    fn small_data_is_used_whole() {
        let rows: Vec<Vec<f64>> = (0..30).map(|i| vec![f64::from(i)]).collect();
        let data = TrainingSet::new(&[Column::Continuous], &rows, &[0.0; 30]);
        assert_eq!(representatives(&data, 300), (0..30).collect::<Vec<_>>());
    }
}
