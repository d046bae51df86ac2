//! The best front that a local search of the functions themselves finds.
//!
//! An archive of points that nothing beats is filled from uniform draws; then one of them is moved in a few
//! coordinates, again and again, and what nothing beats enters. Moves are of all sizes.

use super::super::build::{Draws, random_row};
use super::Values;
use automl_core::{Encoding, Params, SearchSpace};

const DRAWS: usize = 2000;
const MOVES: usize = 12_000;
/// Points at most: of a larger archive every second one, in the order of the first objective, stays.
const POINTS_MAX: usize = 500;
/// Powers of ten between which a move of a number lies.
const EXPONENTS: (f64, f64) = (-3.5, -0.3);

struct Member {
    row: Vec<f64>,
    values: Vec<f64>,
}

/// Returns points that no other known configuration beats.
pub(super) fn search(
    space: &SearchSpace,
    values: &Values,
    is_allowed: &dyn Fn(&Params) -> bool,
    key: u64,
) -> Vec<Vec<f64>> {
    let mut draws = Draws::new(key);
    let encodings = space.encodings();
    let mut archive: Vec<Member> = Vec::new();
    for _ in 0..DRAWS {
        let row = random_row(space, || draws.uniform());
        enter(&mut archive, space, values, is_allowed, row);
    }
    for _ in 0..MOVES {
        if archive.is_empty() {
            break;
        }
        let mut row = archive[draws.index(archive.len())].row.clone();
        let moves = 1 + draws.index(3);
        for _ in 0..moves {
            let column = draws.index(row.len());
            row[column] = match encodings[column] {
                Encoding::Categorical { choices } => draws.index(choices as usize) as f64,
                Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => {
                    let size = 10_f64.powf(draws.between(EXPONENTS.0, EXPONENTS.1));
                    (row[column] + size * draws.normal()).clamp(0.0, 1.0)
                }
            };
        }
        enter(&mut archive, space, values, is_allowed, row);
    }
    archive.into_iter().map(|member| member.values).collect()
}

/// Adds a row, if it is allowed and no member is as good; members that it beats leave.
fn enter(
    archive: &mut Vec<Member>,
    space: &SearchSpace,
    values: &Values,
    is_allowed: &dyn Fn(&Params) -> bool,
    row: Vec<f64>,
) {
    let params = space.decode(&row);
    if !is_allowed(&params) {
        return;
    }
    let values = values(&params);
    let as_good = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
    if archive.iter().any(|member| as_good(&member.values, &values)) {
        return;
    }
    archive.retain(|member| !as_good(&values, &member.values));
    archive.push(Member { row, values });
    if archive.len() > POINTS_MAX {
        archive.sort_by(|a, b| a.values[0].total_cmp(&b.values[0]));
        let mut index = 0;
        // The ends stay.
        archive.retain(|_| {
            index += 1;
            index % 2 == 1
        });
    }
}
