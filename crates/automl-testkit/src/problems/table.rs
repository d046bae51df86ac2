//! Validation errors of real models on real data, computed once for every point of a grid.
//!
//! An instance is one split of the data. What was computed, and how: `benches/quality/tables.py`.

use super::build::Draws;
use super::{Definition, Family, Gap, Shape};
use automl_core::{Distribution, Params, SearchSpace};
use serde_json::Value;

pub(super) const DEFINITIONS: [Definition; 3] = [
    table("svm-4", |draws| errors(draws, include_str!("../../tables/svm.json"))),
    table("tree-5", |draws| errors(draws, include_str!("../../tables/tree.json"))),
    table("perceptron-5", |draws| errors(draws, include_str!("../../tables/network.json"))),
];

const fn table(name: &'static str, shape: fn(&mut Draws) -> Shape) -> Definition {
    Definition { name, family: Family::Table, shape }
}

/// One split of a table: a space, and an entry for every point of its grid in row-major order.
pub(crate) struct Table {
    pub(crate) space: SearchSpace,
    entries: Vec<Value>,
}

impl Table {
    /// Reads a split that `choose` names, given their number.
    pub(crate) fn read(text: &str, choose: impl FnOnce(usize) -> usize) -> Self {
        let mut json: Value = serde_json::from_str(text).expect("tables are JSON");
        let space = serde_json::from_value(json["parameters"].take()).expect("a table begins with its space");
        let splits = json["errors"].as_array_mut().expect("a list of splits");
        let split = splits.swap_remove(choose(splits.len()));
        let Value::Array(entries) = split else { panic!("a split is a list") };
        Table { space, entries }
    }

    /// Returns a configuration's entry. Inactive parameters count as their first option.
    pub(crate) fn at(&self, params: &Params) -> &Value {
        let index = self.space.parameters().iter().fold(0, |index, parameter| {
            let choices = choices(&parameter.distribution);
            let value = params.get(&parameter.name);
            let position = value.map_or(Some(0), |value| choices.iter().position(|c| c.same_as(value)));
            index * choices.len() + position.expect("a value of the grid")
        });
        &self.entries[index]
    }

    /// Returns all configurations.
    pub(crate) fn configurations(&self) -> Vec<Params> {
        let sizes: Vec<usize> =
            self.space.parameters().iter().map(|p| choices(&p.distribution).len()).collect();
        let configuration = |index: usize| {
            let mut rest = index;
            let mut row = vec![0.0; sizes.len()];
            for (column, parameter) in self.space.parameters().iter().enumerate().rev() {
                let value = &choices(&parameter.distribution)[rest % sizes[column]];
                row[column] = parameter.distribution.to_unit(value).expect("one of its options");
                rest /= sizes[column];
            }
            self.space.decode(&row)
        };
        (0..self.entries.len()).filter(|index| !self.entries[*index].is_null()).map(configuration).collect()
    }
}

fn choices(distribution: &Distribution) -> &[automl_core::ParamValue] {
    match distribution {
        Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => choices,
        Distribution::Float { .. } | Distribution::Int { .. } => panic!("a table's grid lists its points"),
    }
}

/// The last number of an entry: the error, or that after the last epoch.
fn error(entry: &Value) -> f64 {
    let last = entry.as_array().map_or(Some(entry), |curve| curve.last());
    last.and_then(Value::as_f64).expect("an error for every active point")
}

fn errors(draws: &mut Draws, text: &str) -> Shape {
    let table = Table::read(text, |splits| draws.index(splits));
    let best = table.configurations().into_iter().min_by(|a, b| {
        let (a, b) = (error(table.at(a)), error(table.at(b)));
        a.total_cmp(&b)
    });
    let optimum = best.expect("a table has points");
    let least = error(table.at(&optimum));
    let space = table.space.clone();
    let gap: Gap = Box::new(move |params| Some(error(table.at(params)) - least));
    Shape { space, optimum, gap, noise: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_in_row_major_order() {
        let text = r#"{
            "parameters": [
                {"name": "a", "distribution": {"type": "categorical", "choices": ["x", "y"]}},
                {"name": "b", "distribution": {"type": "ordinal", "choices": [1, 2, 3]},
                 "conditions": [{"parent": "a", "in": ["y"]}]}
            ],
            "errors": [[0, 0, 0, 0, 0, 0], [0.5, null, null, 0.4, 0.3, 0.2]]
        }"#;
        let table = Table::read(text, |splits| splits - 1);
        let configurations = table.configurations();
        let found: Vec<(String, f64)> =
            configurations.iter().map(|params| (params.to_string(), error(table.at(params)))).collect();
        let expected = [("a=x", 0.5), ("a=y b=1", 0.4), ("a=y b=2", 0.3), ("a=y b=3", 0.2)];
        assert_eq!(found, expected.map(|(text, error)| (text.to_string(), error)));
    }

    #[test]
    fn tables_have_an_entry_for_every_configuration() {
        for text in [
            include_str!("../../tables/svm.json"),
            include_str!("../../tables/tree.json"),
            include_str!("../../tables/network.json"),
            include_str!("../../tables/boosting.json"),
            include_str!("../../tables/linear.json"),
            include_str!("../../tables/momentum.json"),
        ] {
            let table = Table::read(text, |_| 0);
            let configurations = table.configurations();
            assert!(configurations.len() > 100);
            for params in configurations {
                table.space.check(&params).unwrap();
                assert!((0.0..3.0).contains(&error(table.at(&params))), "{params}");
            }
        }
    }
}
