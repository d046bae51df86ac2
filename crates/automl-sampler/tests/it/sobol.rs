//! The Sobol sequence against the points of an independent generator.

use automl_sampler::Sobol;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn point(dimension: usize, index: u64) -> Vec<f64> {
    let integers = Sobol::new(dimension, 0).integers(index);
    integers.into_iter().map(|x| f64::from(x) / f64::from(2_u32.pow(16)) / f64::from(2_u32.pow(16))).collect()
}

#[test]
fn unscrambled_points_match_exactly() {
    let table: Value = serde_json::from_str(include_str!("golden/sobol.json")).unwrap();
    for (dimension, points) in table["points"].as_object().unwrap() {
        for (index, expected) in (0..).zip(points.as_array().unwrap()) {
            assert_eq!(point(dimension.parse().unwrap(), index), numbers(expected), "{dimension}, {index}");
        }
    }
    assert_eq!(point(10, 37), numbers(&table["check_point_37_dim10"]));
    assert_eq!(point(10, 1000), numbers(&table["check_point_1000_dim10"]));
}

#[test]
fn direction_integers_match_exactly() {
    let table: Value = serde_json::from_str(include_str!("golden/sobol.json")).unwrap();
    for (dimension, integers) in table["direction_integers_32bit"].as_object().unwrap() {
        let dimension: usize = dimension.parse().unwrap();
        for (k, expected) in integers.as_array().unwrap().iter().enumerate() {
            // The Gray code of 2^(k+1) - 1 is 2^k, so that this point is one direction integer.
            let found = Sobol::new(dimension + 1, 0).integers((1 << (k + 1)) - 1)[dimension];
            assert_eq!(u64::from(found), expected.as_u64().unwrap(), "dimension {dimension}, bit {k}");
        }
    }
}

#[test]
fn all_sixty_four_dimensions_are_balanced() {
    let sobol = Sobol::new(64, 0);
    for dimension in 0..64 {
        let mut cells = [0; 64];
        for index in 0..64 {
            cells[(sobol.integers(index)[dimension] >> 26) as usize] += 1;
        }
        assert_eq!(cells, [1; 64], "dimension {dimension}");
    }
}
