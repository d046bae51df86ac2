//! Time of one suggestion: fit of the covariance parameters and search of the acquisition function.

use std::hint::black_box;

use automl_surrogate::{
    Acquisition, Column, Draws, FitOptions, GaussianProcess, SearchProblem, Surface, TrainingSet, fit,
    maximize,
};
use criterion::{Criterion, criterion_group, criterion_main};

const DIMENSION: u64 = 10;

fn rows(n: u64, key: u64) -> Vec<Vec<f64>> {
    let draws = Draws::new(key);
    (0..n).map(|i| (0..DIMENSION).map(|j| draws.uniform(i, j)).collect()).collect()
}

fn data(n: u64) -> TrainingSet {
    let rows = rows(n, 1);
    let target = |row: &Vec<f64>| -> f64 {
        row.iter().zip(1..).map(|(x, i)| -(x - 0.3) * (x - 0.3) * 4.0 / f64::from(i)).sum::<f64>()
    };
    let targets: Vec<f64> = rows.iter().map(target).collect();
    TrainingSet::new(
        &[Column::Continuous; DIMENSION as usize],
        &rows,
        &automl_surrogate::standardise(&targets),
    )
}

fn search(model: &GaussianProcess) -> Vec<f64> {
    let acquisition = Acquisition::LogExpectedImprovement { incumbent: model.incumbent().unwrap_or(0.0) };
    let surface = Surface { model, acquisition, growth: None, requirements: &[], preference: None };
    let problem = SearchProblem { columns: model.data().columns(), canonicalise: &|_, _| () };
    maximize(&surface, problem, rows(1024, 2), 3)[0].point.clone()
}

fn suggestion(criterion: &mut Criterion) {
    // At multiples of 25 a warm fit also tries the cold start.
    for n in [51, 101, 201] {
        let earlier = fit(data(n - 1), &FitOptions::default()).expect("the data are well conditioned");
        let options =
            FitOptions { warm_start: Some(earlier.hyperparameters().clone()), ..FitOptions::default() };
        let model = fit(data(n), &options).expect("the data are well conditioned");
        let mut group = criterion.benchmark_group(format!("n={n}, d={DIMENSION}"));
        group.sample_size(20);
        group.bench_function("cold fit", |b| b.iter(|| fit(black_box(data(n)), &FitOptions::default())));
        group.bench_function("warm fit", |b| b.iter(|| fit(black_box(data(n)), &options)));
        group.bench_function("search", |b| b.iter(|| search(black_box(&model))));
        group.finish();
    }
}

criterion_group!(benches, suggestion);
criterion_main!(benches);
