//! Known traps of Gaussian processes, acquisition searches and Parzen estimators.

use automl_surrogate::{
    Acquisition, Axis, Column, Draws, FitOptions, GaussianProcess, Group, Parzen, ParzenOptions,
    SearchProblem, Surface, TrainingSet, fit, maximize, standardise,
};

fn rows(count: u64, dimension: u64) -> Vec<Vec<f64>> {
    let draws = Draws::new(12);
    (0..count).map(|i| (0..dimension).map(|j| draws.uniform(i, j)).collect()).collect()
}

fn process(columns: &[Column], rows: &[Vec<f64>], target: impl Fn(&[f64]) -> f64) -> GaussianProcess {
    let targets = standardise(&rows.iter().map(|row| target(row)).collect::<Vec<_>>());
    fit(TrainingSet::new(columns, rows, &targets), &FitOptions::default()).unwrap()
}

/// The derivative of a distance is none where the distance is 0.
#[test]
fn gradient_at_a_row_of_the_data_is_finite() {
    let (columns, rows) = (vec![Column::Continuous; 3], rows(12, 3));
    let model = process(&columns, &rows, |row| row[0] * row[0] + row[1]);
    let acquisition = Acquisition::LogExpectedImprovement { incumbent: model.incumbent().unwrap() };
    let surface = Surface { model: &model, acquisition, growth: None, requirements: &[], preference: None };
    for row in &rows {
        let found = model.predict_with_gradient(row);
        assert!(found.mean.iter().chain(&found.variance).all(|slope| slope.is_finite()), "{found:?}");
        let mut gradient = [0.0; 3];
        assert!(surface.value_with_gradient(row, &mut gradient).is_finite());
        assert!(gradient.iter().all(|slope| slope.is_finite()), "{gradient:?}");
    }
}

/// Where every row is worth the same, or next to nothing, starts are still taken in order and nothing is drawn by weight.
#[test]
fn surface_of_equal_or_vanishing_values_is_searched() {
    let (columns, rows) = (vec![Column::Continuous; 2], rows(9, 2));
    let model = process(&columns, &rows, |row| row[0]);
    for acquisition in [Acquisition::Indifferent, Acquisition::LogExpectedImprovement { incumbent: 1e6 }] {
        let surface =
            Surface { model: &model, acquisition, growth: None, requirements: &[], preference: None };
        let problem = SearchProblem { columns: &columns, canonicalise: &|_, _| () };
        let found = maximize(&surface, problem, rows.clone(), 3);
        assert!(found.len() > 300 && found.iter().all(|candidate| candidate.value.is_finite()));
        assert!(found.is_sorted_by(|a, b| a.value >= b.value));
        assert_eq!(found, maximize(&surface, problem, rows.clone(), 3));
    }
}

/// From lengthscales of 1 in a hundred dimensions all rows are far apart, and no slope shows the way.
#[test]
fn few_columns_of_a_hundred_are_found() {
    let (columns, rows) = (vec![Column::Continuous; 100], rows(80, 100));
    let model = process(&columns, &rows, |row| (row[3] - 0.4).powi(2) + 2.0 * row[70]);
    let mut order: Vec<usize> = (0..100).collect();
    let lengthscales = &model.hyperparameters().lengthscales;
    order.sort_by(|&a, &b| lengthscales[a].total_cmp(&lengthscales[b]));
    assert!(order[..3].contains(&70), "{lengthscales:?}");
}

#[test]
fn choice_never_tried_is_less_certain() {
    let columns = [Column::Categorical { choices: 4 }, Column::Continuous];
    let mut rows = rows(24, 2);
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = (i % 3) as f64;
    }
    for strength in [0.0, 0.3, 3.0] {
        let model = process(&columns, &rows, |row| (row[1] - 0.3).powi(2) + strength * row[0]);
        let found = model.predict(&[vec![0.0, 0.5], vec![3.0, 0.5]]);
        assert!(found[1].variance > 1.2 * found[0].variance, "{strength}: {found:?}");
    }
}

#[test]
fn no_choice_is_shut_out_by_many_results_of_another() {
    let (choices, groups) = (4_usize, [Group { axes: vec![0], ancestors: Vec::new() }]);
    let axes = [Axis::Categorical { prior: vec![1.0 / choices as f64; choices] }];
    for count in [1, 5, 30, 200] {
        let options = ParzenOptions { prior_weight: 1.0, bandwidth_floor: 0.01 };
        let parzen = Parzen::new(&axes, &groups, &vec![vec![0.0]; count], &vec![1.0; count], options);
        let share = libm::exp(parzen.log_density(&[3.0]));
        let least = 1.0 / (choices * (count + 1)) as f64;
        assert!(share >= least, "{count}: {share} {least}");
    }
}
