//! Values against tables computed by independent implementations, kept in `tests/golden`.

use automl_surrogate::{
    Acquisition, Cholesky, Column, GaussianProcess, Hyperparameters, InputWarp, Likelihood, Prediction,
    TrainingSet, derive, half_rank, impute_infeasible, log_h, log_h_derivative, log_prior, log_stretch,
    unit_interval,
};
use serde_json::Value;

fn table(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn gp_table() -> Value {
    table(include_str!("golden/gp_matern52.json"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let allowed = tolerance * expected.abs().max(1.0);
    assert!((found - expected).abs() <= allowed, "{what}: found {found}, expected {expected}");
}

fn assert_all_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert_close(*found, *expected, tolerance, what);
    }
}

/// One of the two data sets of the table: numeric columns, with or without the categorical one.
struct Case {
    columns: Vec<Column>,
    queries: Vec<Vec<f64>>,
    hyperparameters: Hyperparameters,
    expected: Value,
    data: TrainingSet,
}

fn case(name: &str) -> Case {
    let table = gp_table();
    let categorical = name == "mixed";
    let with_category = |rows: &Value, categories: &Value| {
        let mut rows = matrix(rows);
        if categorical {
            rows.iter_mut().zip(numbers(categories)).for_each(|(row, category)| row.push(category));
        }
        rows
    };
    let mut columns = vec![Column::Continuous; 2];
    if categorical {
        columns.push(Column::Categorical { choices: 3 });
    }
    let rows = with_category(&table["X"], &table["cat"]);
    let expected = table[name].clone();
    let hyperparameters = Hyperparameters {
        lengthscales: numbers(&expected["lengthscales"]),
        signal_variance: number(&expected["signal_var"]),
        noise_variance: number(&expected["noise_var"]),
        mean_variance: 0.0,
        warps: Vec::new(),
    };
    let data = TrainingSet::new(&columns, &rows, &numbers(&table["y"]));
    Case {
        queries: with_category(&table["queries"], &table["query_cat"]),
        columns,
        hyperparameters,
        expected,
        data,
    }
}

fn condition(case: &Case) -> GaussianProcess {
    GaussianProcess::condition(case.data.clone(), case.hyperparameters.clone()).unwrap()
}

fn lower(factor: &Cholesky) -> Vec<Vec<f64>> {
    (0..factor.size()).map(|i| factor.lower().row(i).iter().copied().collect()).collect()
}

#[test]
fn covariance_factor_and_weights_match() {
    for name in ["continuous", "mixed"] {
        let case = case(name);
        let process = condition(&case);
        let data = process.data();
        for (i, expected) in matrix(&case.expected["K"]).iter().enumerate() {
            let found: Vec<f64> =
                (0..data.len()).map(|j| process.kernel().covariance(data.row(i), data.row(j))).collect();
            assert_all_close(&found, expected, 1e-12, "covariance");
        }
        for (found, expected) in lower(process.factor()).iter().zip(matrix(&case.expected["cholesky_lower"]))
        {
            assert_all_close(found, &expected, 1e-9, "factor");
        }
        assert_all_close(process.weights(), &numbers(&case.expected["alpha"]), 1e-9, "weights");
    }
}

#[test]
fn likelihood_and_gradient_match() {
    for name in ["continuous", "mixed"] {
        let case = case(name);
        let found = Likelihood::new(&case.data).evaluate(&case.hyperparameters).unwrap();
        assert_close(found.value, number(&case.expected["log_marginal_likelihood"]), 1e-9, "likelihood");
        let by_lengthscale = numbers(&case.expected["grad_log_lengthscales"]);
        assert_all_close(&found.lengthscales, &by_lengthscale, 1e-7, "by lengthscale");
        assert_close(found.signal_variance, number(&case.expected["grad_log_signal_var"]), 1e-7, "by signal");
        assert_close(found.noise_variance, number(&case.expected["grad_log_noise_var"]), 1e-7, "by noise");
    }
}

#[test]
fn posterior_and_log_expected_improvement_match() {
    for name in ["continuous", "mixed"] {
        let case = case(name);
        let predictions = condition(&case).predict(&case.queries);
        let column = |pick: fn(&Prediction) -> f64| predictions.iter().map(pick).collect::<Vec<f64>>();
        assert_all_close(&column(|p| p.mean), &numbers(&case.expected["post_mean"]), 1e-9, "mean");
        assert_all_close(
            &column(|p| p.variance),
            &numbers(&case.expected["post_var_latent"]),
            1e-9,
            "variance",
        );
        let found = column(|p| Acquisition::LogExpectedImprovement { incumbent: 1.4 }.value(*p));
        assert_all_close(&found, &numbers(&case.expected["logei_max_best_1.4"]), 1e-9, "acquisition");
    }
}

#[test]
fn query_gradients_match() {
    let process = condition(&case("continuous"));
    let acquisition = Acquisition::LogExpectedImprovement { incumbent: 1.4 };
    for row in gp_table()["query_gradients_continuous"].as_array().unwrap() {
        let found = process.predict_with_gradient(&numbers(&row["q"]));
        assert_all_close(&found.mean, &numbers(&row["dmean"]), 1e-7, "mean");
        assert_all_close(&found.variance, &numbers(&row["dvar"]), 1e-7, "variance");
        let slopes = acquisition.slopes(found.prediction);
        let gradient: Vec<f64> =
            (0..2).map(|i| slopes.mean * found.mean[i] + slopes.variance * found.variance[i]).collect();
        assert_all_close(&gradient, &numbers(&row["dlogei"]), 1e-7, "acquisition");
    }
}

#[test]
fn appended_row_matches() {
    let mut process = condition(&case("continuous"));
    let table = gp_table();
    process.append(&numbers(&table["append_point"]["x"]), 0.1);
    for (found, expected) in
        lower(process.factor()).iter().zip(matrix(&table["append_point"]["cholesky_lower"]))
    {
        assert_all_close(found, &expected, 1e-9, "factor");
    }
}

#[test]
fn prior_matches() {
    let case = case("mixed");
    assert_eq!(case.columns.len(), 3);
    let expected = &gp_table()["priors_at_mixed_lengthscales"]["optuna_default_unnormalised"]["total"];
    assert_close(log_prior(&case.hyperparameters).value, number(expected), 1e-12, "prior");
}

/// Ours is the density of the logarithm, without its constant.
#[test]
fn prior_of_warps_matches() {
    let table = table(include_str!("golden/kumaraswamy.json"));
    let densities = table["lognormal_prior_0_075_logpdf"].as_object().unwrap();
    let at = |a: f64| {
        let plain = Hyperparameters::with_unknown_mean(vec![1.0], 1.0, 1e-2);
        log_prior(&Hyperparameters { warps: vec![InputWarp { a, b: 1.0 }], ..plain }).value
    };
    for (a, expected) in densities {
        let a: f64 = a.parse().unwrap();
        let expected = number(expected) + a.ln() - number(&densities["1.0"]);
        assert_close(at(a) - at(1.0), expected, 1e-12, "prior of a warp");
    }
}

#[test]
fn log_h_and_derivative_match() {
    let table = table(include_str!("golden/logei_h.json"));
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 39);
    for row in rows {
        let z = number(&row["z"]);
        let (value, slope) = (number(&row["log_h"]), number(&row["dlog_h_dz"]));
        assert!((log_h(z) - value).abs() <= 1e-12 * value.abs().max(1e-3), "ln h({z}) = {}", log_h(z));
        let found = log_h_derivative(z);
        assert!((found - slope).abs() <= 2e-12 * slope.abs(), "(ln h)'({z}) = {found}");
    }
}

#[test]
fn output_warp_matches_step_by_step() {
    let table = table(include_str!("golden/output_transforms.json"));
    let labels = |name: &str| -> Vec<Option<f64>> {
        table["vizier"][name].as_array().unwrap().iter().map(Value::as_f64).collect()
    };
    let present = |name: &str| -> Vec<f64> { labels(name).into_iter().flatten().collect() };
    let ranked = half_rank(&present("labels_max"));
    assert_all_close(&ranked, &present("half_rank"), 1e-8, "half rank");
    assert_all_close(&log_stretch(&ranked), &present("log_warp"), 1e-8, "stretch");
    let imputed = impute_infeasible(&labels("log_warp"));
    assert_all_close(&imputed, &present("infeasible"), 1e-8, "infeasible");
}

#[test]
fn derived_keys_match() {
    let table = table(include_str!("golden/rng.json"));
    let words = |key: &str| -> Vec<u64> {
        key.trim_matches(['(', ')']).split(',').filter_map(|word| word.trim().parse().ok()).collect()
    };
    for (key, expected) in table["derive"].as_object().unwrap() {
        assert_eq!(format!("{:#018x}", derive(&words(key))), expected.as_str().unwrap(), "{key}");
    }
    for (key, expected) in table["uniform"].as_object().unwrap() {
        assert_eq!(unit_interval(derive(&words(key))), number(expected), "{key}");
    }
}

#[test]
fn input_warp_matches() {
    let table = table(include_str!("golden/kumaraswamy.json"));
    for row in table["rows"].as_array().unwrap() {
        let warp = InputWarp { a: number(&row["a"]), b: number(&row["b"]) };
        let found: Vec<f64> = numbers(&table["x"]).into_iter().map(|x| warp.place(x)).collect();
        assert_all_close(&found, &numbers(&row["w"]), 1e-12, "warp");
    }
}
