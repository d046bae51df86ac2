//! Ranks and volumes against an independent implementation.

use automl_sampler::{domination_ranks, hypervolume, pareto_front};
use serde_json::Value;

fn points(value: &Value) -> Vec<Vec<f64>> {
    let point = |row: &Value| row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    value.as_array().unwrap().iter().map(point).collect()
}

#[test]
fn ranks_and_volumes_match_exactly() {
    let table: Value = serde_json::from_str(include_str!("golden/multi_objective.json")).unwrap();
    let two = points(&table["points_min"]);
    let ranks: Vec<u64> =
        table["nondomination_rank"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert_eq!(domination_ranks(&two).iter().map(|&rank| rank as u64).collect::<Vec<_>>(), ranks);
    let mut front: Vec<Vec<f64>> = pareto_front(&two).into_iter().map(|i| two[i].clone()).collect();
    front.sort_by(|a, b| a[0].total_cmp(&b[0]));
    front.dedup();
    assert_eq!(front, points(&table["front_unique"]));
    assert_eq!(hypervolume(&two, &[10.0, 10.0]), table["hypervolume_ref_10_10"].as_f64().unwrap());
    let three = points(&table["points3"]);
    assert_eq!(hypervolume(&three, &[7.0; 3]), table["hypervolume3_ref_7"].as_f64().unwrap());
}
