//! The best front that a local search of the functions themselves finds.
//!
//! An archive of points that nothing beats is filled from configurations that are known to be good and from uniform
//! draws; then one of them is moved in a few coordinates, or along the line through another one, again and again, and what
//! nothing beats enters. Moves are of all sizes.

use super::super::build::{Draws, random_row};
use super::Values;
use automl_core::{Encoding, Params, SearchSpace};

const SEARCHES: usize = 5;
const DRAWS: usize = 1000;
const MOVES: usize = 6000;
const MOVES_JOINED: usize = 12_000;
/// Share of moves that lead through another member.
const ALONG: f64 = 0.3;
/// Points at most, for each objective beyond the first: of a larger archive every second one, in the order of the first objective, stays.
const POINTS_MAX: usize = 600;
/// Powers of ten between which a move of a number lies.
const EXPONENTS: (f64, f64) = (-3.5, -0.3);

struct Member {
    row: Vec<f64>,
    values: Vec<f64>,
}

/// What is searched.
pub(super) struct Task<'a> {
    pub(super) space: &'a SearchSpace,
    pub(super) values: &'a Values,
    pub(super) is_allowed: &'a dyn Fn(&Params) -> bool,
    /// Configurations that are good in some objective.
    pub(super) known: &'a [Params],
}

/// Returns points that no other known configuration beats. Searches from several beginnings are joined at the end, for
/// one alone may stay where its first good options are.
pub(super) fn search(task: &Task, key: u64) -> Vec<Vec<f64>> {
    let mut draws = Draws::new(key);
    let mut all: Vec<Vec<f64>> = task.known.iter().map(|params| task.space.encode(params)).collect();
    for _ in 0..SEARCHES {
        let drawn = (0..DRAWS).map(|_| random_row(task.space, || draws.uniform())).collect();
        let found = improved(task, drawn, MOVES, &mut draws);
        all.extend(found.into_iter().map(|member| member.row));
    }
    let joined = improved(task, all, MOVES_JOINED, &mut draws);
    joined.into_iter().map(|member| member.values).collect()
}

/// An archive of these rows, and of what so many moves of its members find.
fn improved(task: &Task, rows: Vec<Vec<f64>>, moves: usize, draws: &mut Draws) -> Vec<Member> {
    let encodings = task.space.encodings();
    let mut archive: Vec<Member> = Vec::new();
    rows.into_iter().for_each(|row| task.enter(&mut archive, row));
    for _ in 0..moves {
        if archive.is_empty() {
            break;
        }
        let mut row = archive[draws.index(archive.len())].row.clone();
        if draws.uniform() < ALONG {
            let (other, share) = (draws.index(archive.len()), draws.between(-0.5, 1.5));
            let columns = row.iter_mut().zip(&archive[other].row).zip(&encodings);
            for ((at, other), _) in columns.filter(|(_, encoding)| is_number(encoding)) {
                *at = (*at + share * (other - *at)).clamp(0.0, 1.0);
            }
        } else {
            for _ in 0..=draws.index(3) {
                let column = draws.index(row.len());
                row[column] = match encodings[column] {
                    Encoding::Categorical { choices } => draws.index(choices as usize) as f64,
                    Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => {
                        let size = 10_f64.powf(draws.between(EXPONENTS.0, EXPONENTS.1));
                        (row[column] + size * draws.normal()).clamp(0.0, 1.0)
                    }
                };
            }
        }
        task.enter(&mut archive, row);
    }
    archive
}

fn is_number(encoding: &Encoding) -> bool {
    !matches!(encoding, Encoding::Categorical { .. })
}

impl Task<'_> {
    /// Adds a row, if it is allowed and no member is as good; members that it beats leave.
    fn enter(&self, archive: &mut Vec<Member>, row: Vec<f64>) {
        let params = self.space.decode(&row);
        if !(self.is_allowed)(&params) {
            return;
        }
        let values = (self.values)(&params);
        // As a loop: nothing is called more often.
        let as_good = |a: &[f64], b: &[f64]| {
            for j in 0..b.len() {
                if a[j] > b[j] {
                    return false;
                }
            }
            true
        };
        if archive.iter().any(|member| as_good(&member.values, &values)) {
            return;
        }
        archive.retain(|member| !as_good(&values, &member.values));
        archive.push(Member { row, values });
        if archive.len() > POINTS_MAX * (archive[0].values.len() - 1) {
            archive.sort_by(|a, b| a.values[0].total_cmp(&b.values[0]));
            let mut index = 0;
            // The best of the first objective stays.
            archive.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }
}
