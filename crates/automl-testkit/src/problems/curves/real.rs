//! Curves of real models, computed once for every point of a grid: `benches/quality/tables.py`.
//!
//! An instance is a split of the data, of which there are few: other seeds mostly search the same curves anew.

use super::super::table::Table;
use automl_core::{Params, SearchSpace};
use serde_json::Value;

/// Errors after each epoch, scaled so that the best last one is 0 and the middling last one 1.
pub(super) struct RealCurves {
    table: Table,
    least: f64,
    median: f64,
}

impl RealCurves {
    /// Reads a table that lies beside the others.
    ///
    /// # Panics
    /// If there is no table of that name.
    pub(super) fn new(name: &str, seed: u64) -> Self {
        let table = Table::read(text(name), |splits| seed as usize % splits);
        let last = |params: &Params| *curve(table.at(params)).last().expect("curves have epochs");
        let mut ends: Vec<f64> = table.configurations().iter().map(last).collect();
        ends.sort_by(f64::total_cmp);
        let (least, median) = (ends[0], ends[ends.len() / 2] - ends[0]);
        RealCurves { table, least, median }
    }

    pub(super) fn space(&self) -> &SearchSpace {
        &self.table.space
    }

    /// The loss after so many epochs; a model that was better before it overfitted than any is at its end counts as
    /// perfect.
    pub(super) fn loss(&self, params: &Params, epoch: u64) -> f64 {
        ((curve(self.table.at(params))[epoch as usize - 1] - self.least) / self.median).max(0.0)
    }
}

fn text(name: &str) -> &'static str {
    match name {
        "network" => include_str!("../../../tables/network.json"),
        "boosting" => include_str!("../../../tables/boosting.json"),
        "linear" => include_str!("../../../tables/linear.json"),
        "momentum" => include_str!("../../../tables/momentum.json"),
        _ => panic!("no table of curves is called {name}"),
    }
}

fn curve(entry: &Value) -> Vec<f64> {
    let epochs = entry.as_array().expect("a curve").iter();
    epochs.map(|error| error.as_f64().expect("an error for each epoch")).collect()
}
