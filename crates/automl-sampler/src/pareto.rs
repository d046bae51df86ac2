//! Several objectives at once: which points nobody beats, and how much of the space they beat.
//!
//! Points are slices with one loss per objective, smaller is better in each. A point *dominates* another
//! one if it is nowhere worse and somewhere better. The *front* is what no point dominates; the
//! *hypervolume* is the volume between the front and a reference point, the usual measure of progress.
//! Nothing here knows trials or models.

use std::cmp::Ordering;

/// Whether `a` is nowhere worse and somewhere better than `b`.
///
/// # Panics
/// Panics unless both have the same number of objectives.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    assert_eq!(a.len(), b.len(), "points of one problem have equally many objectives");
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// Returns the indices of the points that no other point dominates, ascending; equal points all stay.
///
/// # Panics
/// Panics unless all points have the same number of objectives.
pub fn pareto_front(points: &[Vec<f64>]) -> Vec<usize> {
    let ranks = domination_ranks(points);
    (0..points.len()).filter(|&i| ranks[i] == 0).collect()
}

/// Returns the rank of every point: 0 on the front, 1 on the front of the rest, and so on.
///
/// In lexicographic order a point can only be dominated by an earlier one, and fronts are compared in turn
/// (Zhang et al., IEEE Trans. Evol. Comput. 19 (2015), efficient non-dominated sorting).
///
/// # Panics
/// Panics unless all points have the same number of objectives.
pub fn domination_ranks(points: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| lexicographic(&points[a], &points[b]).then(a.cmp(&b)));
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    let mut ranks = vec![0; points.len()];
    for i in order {
        let beaten = |front: &&Vec<usize>| front.iter().any(|&j| dominates(&points[j], &points[i]));
        let rank = fronts.iter().take_while(beaten).count();
        if rank == fronts.len() {
            fronts.push(Vec::new());
        }
        fronts[rank].push(i);
        ranks[i] = rank;
    }
    ranks
}

fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    let mut pairs = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Returns the volume that `points` dominate below `reference`.
///
/// Points that are not better than the reference in every objective add nothing. Two objectives take
/// O(n log n); more are sliced along the last objective, which suits fronts of some hundred points in up to
/// about five objectives (While et al., IEEE Trans. Evol. Comput. 10 (2006), slicing objectives).
///
/// # Panics
/// Panics unless every point has as many objectives as the reference, and there is at least one.
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    assert!(!reference.is_empty(), "a volume needs at least one objective");
    assert!(points.iter().all(|point| point.len() == reference.len()), "one loss per objective");
    let inside = |point: &&Vec<f64>| point.iter().zip(reference).all(|(value, limit)| value < limit);
    let inside: Vec<&[f64]> = points.iter().filter(inside).map(Vec::as_slice).collect();
    volume(inside, reference)
}

/// Volume dominated by points that are all better than `reference`.
fn volume(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    let last = reference.len() - 1;
    points.sort_by(|a, b| a[last].total_cmp(&b[last]).then_with(|| lexicographic(a, b)));
    if last == 0 {
        return points.first().map_or(0.0, |best| reference[0] - best[0]);
    }
    if last == 1 {
        return area(&points, reference);
    }
    let depths = (0..points.len()).map(|i| {
        let end = points.get(i + 1).map_or(reference[last], |next| next[last]);
        end - points[i][last]
    });
    let mut total = 0.0;
    for (i, depth) in depths.enumerate().filter(|(_, depth)| *depth > 0.0) {
        let slice = points[..=i].iter().map(|point| &point[..last]).collect();
        total += depth * volume(slice, &reference[..last]);
    }
    total
}

/// The case of two objectives, with points in ascending order of the second.
fn area(points: &[&[f64]], reference: &[f64]) -> f64 {
    let (mut total, mut reached) = (0.0, reference[0]);
    for point in points.iter() {
        if point[0] < reached {
            total += (reached - point[0]) * (reference[1] - point[1]);
            reached = point[0];
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_points_do_not_dominate_each_other() {
        assert!(!dominates(&[1.0, 2.0], &[1.0, 2.0]));
        assert!(dominates(&[1.0, 2.0], &[1.0, 3.0]) && !dominates(&[1.0, 3.0], &[2.0, 1.0]));
        assert_eq!(pareto_front(&[vec![1.0, 2.0], vec![1.0, 2.0], vec![2.0, 2.0]]), [0, 1]);
        assert_eq!(pareto_front(&[]), [0; 0]);
    }

    #[test]
    fn one_objective_is_the_plain_order() {
        let points = [3.0, 1.0, 2.0, 1.0].map(|x| vec![x]);
        assert_eq!(domination_ranks(&points), [2, 0, 1, 0]);
        assert_eq!(hypervolume(&points, &[5.0]), 4.0);
    }

    #[test]
    fn points_beyond_the_reference_add_no_volume() {
        let inside = vec![vec![1.0, 1.0]];
        let both = vec![vec![1.0, 1.0], vec![0.0, 3.0], vec![2.0, 0.5]];
        assert_eq!(hypervolume(&inside, &[2.0, 2.0]), hypervolume(&both, &[2.0, 2.0]));
        assert_eq!(hypervolume(&[], &[2.0, 2.0]), 0.0);
    }

    #[test]
    fn slices_of_four_objectives_add_up() {
        // Two boxes of volume 2·1·1·1 and 1·1·1·2 that share the unit box.
        let points = vec![vec![1.0, 2.0, 2.0, 2.0], vec![2.0, 2.0, 2.0, 1.0]];
        assert_eq!(hypervolume(&points, &[3.0; 4]), 3.0);
    }
}
