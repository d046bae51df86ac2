//! Parzen estimators against a table computed by an independent implementation.

use automl_surrogate::{Axis, Group, Parzen, ParzenOptions, log_normal_mass, truncated_normal_quantile};
use serde_json::Value;

fn table() -> Value {
    serde_json::from_str(include_str!("golden/tpe.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {found} {expected}");
}

/// `ln v` on the interval between `ln low` and `ln high`.
fn log_unit(value: f64, low: f64, high: f64) -> f64 {
    libm::log(value / low) / libm::log(high / low)
}

const UNITS: (u32, u32) = (16, 256);

fn axes() -> Vec<Axis> {
    let (low, high) = UNITS;
    let edge = |k: u32| log_unit(f64::from(k) - 0.5, f64::from(low) - 0.5, f64::from(high) + 0.5);
    let mut edges: Vec<f64> = (low..=high + 1).map(edge).collect();
    *edges.last_mut().unwrap() = 1.0;
    vec![
        Axis::Continuous,
        Axis::Continuous,
        Axis::grid(8),
        Axis::Cells { edges },
        Axis::Categorical { prior: vec![1.0 / 3.0; 3] },
    ]
}

fn rows(columns: &Value) -> Vec<Vec<f64>> {
    let [lr, mom, layers, units, opt] =
        ["lr", "mom", "layers", "units", "opt"].map(|name| numbers(&columns[name]));
    let row = |i: usize| {
        vec![
            log_unit(lr[i], 1e-5, 1e-1),
            mom[i],
            (layers[i] - 0.5) / 8.0,
            log_unit(units[i], 15.5, 256.5),
            opt[i],
        ]
    };
    (0..lr.len()).map(row).collect()
}

#[test]
fn densities_agree_with_the_reference() {
    let table = table();
    let (axes, groups) = (axes(), [Group { axes: (0..5).collect(), ancestors: vec![] }]);
    let options = ParzenOptions { prior_weight: 1.0, bandwidth_floor: 0.01 };
    let candidates = rows(&table["candidates"]);
    // The table's learning rate has a density per unit of its logarithm.
    let per_logarithm = libm::log(libm::log(1e4));
    for name in ["below", "above"] {
        let rows = rows(&table[name]);
        let mixture = Parzen::new(&axes, &groups, &rows, &vec![1.0; rows.len()], options);
        let expected = numbers(&table[format!("{name}_estimator")]["log_pdf"]);
        for (candidate, expected) in candidates.iter().zip(expected) {
            assert_close(mixture.log_density(candidate) - per_logarithm, expected, 1e-9, name);
        }
    }
}

#[test]
fn truncated_normals_agree_with_the_reference() {
    for case in table()["truncnorm"].as_array().unwrap() {
        let [a, b, q, mass, quantile] =
            ["a", "b", "q", "log_mass", "ppf"].map(|name| case[name].as_f64().unwrap());
        assert_close(log_normal_mass(a, b), mass, 1e-9, "mass");
        assert_close(truncated_normal_quantile(q, a, b), quantile, 1e-8, "quantile");
    }
}
