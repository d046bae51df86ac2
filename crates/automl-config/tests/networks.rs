//! The parameters of every packaged network, as they were reviewed: a changed schema shows here.

use automl_config::Catalog;
use std::fmt::Write as _;

/// One line for each parameter: its type and range as the schema states them, and how it is searched.
fn describe(network: &str, action: &str) -> String {
    let table = Catalog::embedded().parameters(network, action).unwrap();
    let mut text = String::new();
    for row in &table.parameters {
        let bound = |bound: Option<f64>| bound.map_or("-".to_string(), |bound| bound.to_string());
        let marks = [(row.searched_by_default, " searched"), (row.popular, " popular")];
        let marks: String = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
        let (low, high) = (bound(row.minimum), bound(row.maximum));
        writeln!(text, "{} {} [{low}, {high}] = {}{marks}", row.name, row.kind, row.default).unwrap();
    }
    text
}

#[test]
fn every_searchable_action_is_as_reviewed() {
    for network in Catalog::embedded().networks() {
        for action in &network.searchable {
            let name = format!("{}_{action}", network.name);
            insta::assert_snapshot!(name, describe(&network.name, action));
        }
    }
}
