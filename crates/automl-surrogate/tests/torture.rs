//! Data that break careless numerics: each must still end in finite candidates.

use automl_surrogate::{
    Acquisition, Candidate, Column, Draws, FitOptions, SearchProblem, Surface, TrainingSet, fit, maximize,
    warp_targets,
};

fn suggest(columns: &[Column], rows: &[Vec<f64>], targets: &[f64]) -> Vec<Candidate> {
    let raw: Vec<Option<f64>> = targets.iter().copied().map(Some).collect();
    let data = TrainingSet::new(columns, rows, &warp_targets(&raw));
    let model = fit(data, &FitOptions::default()).unwrap();
    let incumbent = model.incumbent().unwrap();
    let acquisition = Acquisition::LogExpectedImprovement { incumbent };
    let surface = Surface { model: &model, acquisition, growth: None, requirements: &[], preference: None };
    let found = maximize(&surface, unconditional(columns), cover(columns, 256), 5);
    assert!(found.iter().all(|candidate| candidate.value.is_finite()));
    assert!(found.iter().all(|candidate| is_valid(columns, &candidate.point)));
    assert!(found.windows(2).all(|pair| pair[0].value >= pair[1].value));
    found
}

fn unconditional(columns: &[Column]) -> SearchProblem<'_> {
    SearchProblem { columns, canonicalise: &|_, _| () }
}

fn cover(columns: &[Column], n: u64) -> Vec<Vec<f64>> {
    let draws = Draws::new(9);
    let row = |i| (0..).zip(columns).map(move |(j, column)| column.from_unit(draws.uniform(i, j))).collect();
    (0..n).map(row).collect()
}

fn is_valid(columns: &[Column], row: &[f64]) -> bool {
    columns.iter().zip(row).all(|(column, &value)| match column {
        Column::Continuous => (0.0..=1.0).contains(&value),
        Column::Grid { .. } | Column::Categorical { .. } => column.snap(value) == value && value >= 0.0,
    })
}

#[test]
fn identical_points() {
    let rows = vec![vec![0.3, 0.7]; 500];
    let targets: Vec<f64> = (0..500).map(|i| f64::from(i % 7)).collect();
    suggest(&[Column::Continuous; 2], &rows, &targets);
}

#[test]
fn nearly_identical_points() {
    let rows: Vec<Vec<f64>> = (0..60).map(|i| vec![0.3 + 1e-14 * f64::from(i), 0.7]).collect();
    let targets: Vec<f64> = (0..60).map(|i| f64::from(i % 7)).collect();
    suggest(&[Column::Continuous; 2], &rows, &targets);
}

#[test]
fn points_on_a_line() {
    let rows: Vec<Vec<f64>> = (0..120).map(|i| vec![f64::from(i) / 120.0; 3]).collect();
    let targets: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    suggest(&[Column::Continuous; 3], &rows, &targets);
}

#[test]
fn huge_tiny_and_constant_targets() {
    let columns = [Column::Continuous; 2];
    let rows = cover(&columns, 12);
    for scale in [1e300, 1e-300, 0.0] {
        let targets: Vec<f64> = rows.iter().map(|row| scale * (row[0] - 0.5)).collect();
        suggest(&columns, &rows, &targets);
    }
}

#[test]
fn outlier_does_not_hide_the_optimum() {
    let rows: Vec<Vec<f64>> = (0..20).map(|i| vec![(f64::from(i) + 0.5) / 20.0]).collect();
    let mut targets: Vec<f64> = rows.iter().map(|row| -(row[0] - 0.6) * (row[0] - 0.6)).collect();
    targets[2] = -1e12;
    let found = suggest(&[Column::Continuous], &rows, &targets);
    assert!((found[0].point[0] - 0.6).abs() < 0.1, "{:?}", found[0]);
}

#[test]
fn categories_only() {
    let columns = [Column::Categorical { choices: 3 }, Column::Categorical { choices: 4 }];
    let rows: Vec<Vec<f64>> = (0..6).map(|i| vec![f64::from(i % 3), f64::from(i % 2)]).collect();
    let found = suggest(&columns, &rows, &[0.0, 1.0, 2.0, 0.5, 1.5, 2.5]);
    assert_eq!(found[0].point[0], 2.0, "the best first choice is 2 whatever the second: {:?}", found[0]);
}

#[test]
fn candidates_reach_the_best_level_of_a_long_grid() {
    let columns = [Column::Grid { levels: 1000 }, Column::Grid { levels: 5 }];
    let rows = cover(&columns, 40);
    let targets: Vec<f64> =
        rows.iter().map(|row| -(row[0] - 0.7315).abs() - 0.3 * (row[1] - 0.5).abs()).collect();
    let found = suggest(&columns, &rows, &targets);
    assert!((found[0].point[0] - 0.73).abs() < 0.04 && found[0].point[1] == 0.5, "{:?}", found[0]);
}

#[test]
fn inactive_coordinates_stay_fixed() {
    let columns =
        [Column::Categorical { choices: 2 }, Column::Continuous, Column::Categorical { choices: 3 }];
    let canonicalise = |row: &mut [f64], active: &mut [bool]| {
        let on = row[0] == 1.0;
        active[1..].fill(on);
        if on {
            row[2] = row[2].max(0.0);
        } else {
            (row[1], row[2]) = (0.5, -1.0);
        }
    };
    let mut rows = cover(&columns, 20);
    rows.iter_mut().for_each(|row| canonicalise(row, &mut [true; 3]));
    let targets: Vec<f64> =
        rows.iter().map(|row| row[0] * (1.0 - (row[1] - 0.2).abs()) + 0.1 * row[2]).collect();
    let model = fit(TrainingSet::new(&columns, &rows, &targets), &FitOptions::default()).unwrap();
    let acquisition = Acquisition::LogExpectedImprovement { incumbent: model.incumbent().unwrap() };
    let surface = Surface { model: &model, acquisition, growth: None, requirements: &[], preference: None };
    let problem = SearchProblem { columns: &columns, canonicalise: &canonicalise };
    let found = maximize(&surface, problem, cover(&columns, 256), 5);
    assert!(found.iter().all(|c| c.point[0] == 1.0 || (c.point[1] == 0.5 && c.point[2] == -1.0)));
    assert_eq!((found[0].point[0], found[0].point[2]), (1.0, 2.0), "{:?}", found[0]);
}

#[test]
fn equal_arguments_give_equal_bits() {
    let columns = [Column::Continuous, Column::Grid { levels: 40 }, Column::Categorical { choices: 3 }];
    let rows = cover(&columns, 30);
    let targets: Vec<f64> = rows.iter().map(|row| libm::sin(6.0 * row[0]) + row[1]).collect();
    assert_eq!(suggest(&columns, &rows, &targets), suggest(&columns, &rows, &targets));
}

#[test]
fn polish_beats_the_candidates() {
    let columns = [Column::Continuous; 4];
    let rows = cover(&columns, 30);
    let targets: Vec<f64> =
        rows.iter().map(|row| -row.iter().map(|x| (x - 0.37) * (x - 0.37)).sum::<f64>()).collect();
    let raw: Vec<Option<f64>> = targets.iter().copied().map(Some).collect();
    let model = fit(TrainingSet::new(&columns, &rows, &warp_targets(&raw)), &FitOptions::default()).unwrap();
    let acquisition = Acquisition::LogExpectedImprovement { incumbent: model.incumbent().unwrap() };
    let surface = Surface { model: &model, acquisition, growth: None, requirements: &[], preference: None };
    let best_of_cover = surface.values(&cover(&columns, 4096)).into_iter().max_by(f64::total_cmp).unwrap();
    let found = maximize(&surface, unconditional(&columns), cover(&columns, 256), 5);
    assert!(found[0].value > best_of_cover, "{} {best_of_cover}", found[0].value);
    let mut gradient = [0.0; 4];
    surface.value_with_gradient(&found[0].point, &mut gradient);
    let lengthscales = &model.hyperparameters().lengthscales;
    for (i, (slope, lengthscale)) in gradient.iter().zip(lengthscales).enumerate() {
        let at_bound = found[0].point[i] == 0.0 || found[0].point[i] == 1.0;
        assert!(at_bound || (slope * lengthscale).abs() < 1e-2, "{gradient:?} at {:?}", found[0].point);
    }
}

#[test]
fn more_rows_than_a_fit_takes_are_all_used() {
    let columns = [Column::Continuous; 2];
    let rows = cover(&columns, 330);
    let targets: Vec<f64> = rows.iter().map(|row| libm::sin(9.0 * row[0]) + row[1] * row[1]).collect();
    let data = TrainingSet::new(&columns, &rows, &automl_surrogate::standardise(&targets));
    let model = fit(data, &FitOptions::default()).unwrap();
    assert_eq!(model.data().len(), 330);
    let standard = automl_surrogate::standardise(&targets);
    let errors = model.predict(&rows).into_iter().zip(&standard).map(|(p, z)| (p.mean - z).abs());
    assert!(errors.fold(0.0, f64::max) < 0.02);
}

#[test]
fn optimum_far_outside_the_bounds_ends_on_them() {
    // Nothing depends on the second column: its lengthscale wants to be infinite.
    let rows: Vec<Vec<f64>> =
        (0..40).map(|i| vec![f64::from(i) / 40.0, f64::from(i * 7 % 40) / 40.0]).collect();
    let targets: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
    let data = TrainingSet::new(&[Column::Continuous; 2], &rows, &automl_surrogate::standardise(&targets));
    let found = fit(data, &FitOptions::default()).unwrap();
    let hyperparameters = found.hyperparameters();
    assert!(hyperparameters.lengthscales.iter().all(|l| (0.02..=200.0).contains(l)), "{hyperparameters:?}");
    assert!((1e-6..=2.000_002).contains(&hyperparameters.noise_variance), "{hyperparameters:?}");
}
