//! Densities and divergences against a table computed by an independent implementation.

use automl_surrogate::{choice_density, grid_density, pearson_divergence};
use serde_json::Value;

const POINTS: usize = 50;

fn counts(indices: impl Iterator<Item = usize>, points: usize) -> Vec<u32> {
    let mut counts = vec![0; points];
    indices.for_each(|i| counts[i] += 1);
    counts
}

#[test]
fn divergences_agree_with_the_reference() {
    let table: Value = serde_json::from_str(include_str!("golden/importance.json")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let mut rows: Vec<[f64; 4]> = Vec::new();
    for row in table["rows_x_y_c_value"].as_array().unwrap() {
        rows.push([0, 1, 2, 3].map(|k| number(&row[k])));
    }
    rows.sort_by(|a, b| a[3].total_cmp(&b[3]));
    let top = rows.len().div_ceil(10);
    // The reference scales divergences by the square of the share of top rows.
    let share = top as f64 / rows.len() as f64;
    // Values of [-5, 5] on 50 points, midpoints to the lower one.
    let point = |value: f64| ((value + 5.0) / 10.0 * 49.0 - 0.5).ceil().max(0.0) as usize;
    for (column, name) in ["x", "y", "c"].into_iter().enumerate() {
        let density = |rows: &[[f64; 4]]| match name {
            "c" => choice_density(&counts(rows.iter().map(|row| row[column] as usize), 3)),
            _ => grid_density(&counts(rows.iter().map(|row| point(row[column])), POINTS)),
        };
        let (best, all) = (density(&rows[..top]), density(&rows));
        let uniform = vec![1.0 / all.len() as f64; all.len()];
        for (reference, mode) in
            [(all, "ped_anova_local_unnormalised"), (uniform, "ped_anova_global_unnormalised")]
        {
            let found = share * share * pearson_divergence(&best, &reference);
            let expected = number(&table[mode][name]);
            assert!((found - expected).abs() < 1e-9, "{mode} {name}: {found} {expected}");
        }
    }
}
