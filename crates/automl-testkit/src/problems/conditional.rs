//! Parameters that exist only under some choices: algorithm choice, nesting, pipelines.

use super::build::{Draws, choice, float, int, log_float, log_int, space, switch, under};
use super::landscape::{PLAIN, Style, landscape};
use super::{Definition, Family, Shape};
use automl_core::{Condition, ParamValue, Parameter};

pub(super) const DEFINITIONS: [Definition; 5] = [
    conditional("learners-15", learners),
    conditional("nested-16", nested),
    conditional("pipeline-27", pipeline),
    conditional("schedule-9", schedule),
    conditional("deep-7", deep),
];

const fn conditional(name: &'static str, shape: fn(&mut Draws) -> Shape) -> Definition {
    Definition { name, family: Family::Conditional, shape }
}

/// A choice of algorithm, each with parameters of its own, and two common ones.
pub(super) fn learners(draws: &mut Draws) -> Shape {
    let own = |parameter: Parameter, learner: &str| under(parameter, "learner", &[learner]);
    let space = space(vec![
        choice("learner", &["svm", "forest", "boosting", "neighbours", "network"]),
        choice("scaling", &["none", "standard", "quantile"]),
        float("features", 0.1, 1.0),
        own(log_float("svm.c", 1e-3, 1e3), "svm"),
        own(log_float("svm.gamma", 1e-4, 1e1), "svm"),
        own(choice("svm.kernel", &["rbf", "poly", "sigmoid"]), "svm"),
        own(log_int("forest.trees", 10, 500), "forest"),
        own(int("forest.depth", 2, 30), "forest"),
        own(log_float("boosting.lr", 1e-3, 1.0), "boosting"),
        own(int("boosting.depth", 2, 10), "boosting"),
        own(log_int("boosting.rounds", 20, 1000), "boosting"),
        own(float("boosting.subsample", 0.3, 1.0), "boosting"),
        own(log_int("neighbours.k", 1, 100), "neighbours"),
        own(log_float("network.lr", 1e-5, 1e-1), "network"),
        own(log_int("network.width", 8, 512), "network"),
    ]);
    landscape(draws, space, Style { interactions: 0.25, category_cost: 0.6, ripple: 0.0 })
}

/// Conditions below conditions.
fn nested(draws: &mut Draws) -> Shape {
    let layer = |name: &str, layers: &[&str]| {
        under(under(log_int(name, 8, 512), "model", &["mlp"]), "layers", layers)
    };
    let space = space(vec![
        choice("model", &["linear", "tree", "mlp"]),
        under(log_float("penalty", 1e-6, 1e2), "model", &["linear"]),
        under(int("depth", 1, 20), "model", &["tree"]),
        under(float("leaf_share", 0.001, 0.2), "model", &["tree"]),
        under(choice("layers", &["one", "two", "three"]), "model", &["mlp"]),
        layer("units1", &["one", "two", "three"]),
        layer("units2", &["two", "three"]),
        layer("units3", &["three"]),
        under(choice("optimizer", &["sgd", "adam"]), "model", &["mlp"]),
        under(log_float("lr", 1e-5, 1.0), "model", &["mlp"]),
        under(float("momentum", 0.0, 0.99), "optimizer", &["sgd"]),
        flag_under("nesterov", "optimizer", "sgd"),
        under(float("beta2", 0.9, 0.9999), "optimizer", &["adam"]),
        choice("encoding", &["onehot", "target", "hash"]),
        under(log_int("buckets", 16, 4096), "encoding", &["hash"]),
        under(float("smoothing", 0.0, 1.0), "encoding", &["target"]),
    ]);
    landscape(draws, space, PLAIN)
}

/// Three stages of four options, each option with two parameters.
fn pipeline(draws: &mut Draws) -> Shape {
    let mut parameters = Vec::new();
    for stage in ["clean", "reduce", "learn"] {
        let options = ["a", "b", "c", "d"];
        parameters.push(choice(stage, &options));
        for option in options {
            parameters.push(under(float(&format!("{stage}.{option}.x"), 0.0, 1.0), stage, &[option]));
            parameters.push(under(log_float(&format!("{stage}.{option}.y"), 1e-4, 1.0), stage, &[option]));
        }
    }
    landscape(draws, space(parameters), Style { interactions: 0.3, category_cost: 0.5, ripple: 0.0 })
}

/// Mostly common parameters; one choice opens one or two more.
pub(super) fn schedule(draws: &mut Draws) -> Shape {
    let space = space(vec![
        log_float("lr", 1e-5, 1.0),
        log_float("weight_decay", 1e-7, 1e-1),
        float("dropout", 0.0, 0.7),
        int("layers", 1, 6),
        choice("schedule", &["constant", "step", "cosine"]),
        under(log_float("step.gamma", 0.01, 0.9), "schedule", &["step"]),
        under(int("step.size", 1, 30), "schedule", &["step"]),
        under(float("cosine.floor", 0.0, 0.2), "schedule", &["cosine"]),
        choice("activation", &["relu", "gelu", "silu"]),
    ]);
    landscape(draws, space, PLAIN)
}

/// A chain of choices: each level exists only if the one above says so.
fn deep(draws: &mut Draws) -> Shape {
    let options = ["stop", "left", "right"];
    let space = space(vec![
        choice("first", &options),
        under(choice("second", &options), "first", &["left", "right"]),
        under(choice("third", &options), "second", &["left", "right"]),
        float("x0", 0.0, 1.0),
        under(float("x1", 0.0, 1.0), "first", &["left", "right"]),
        under(float("x2", 0.0, 1.0), "second", &["left", "right"]),
        under(float("x3", 0.0, 1.0), "third", &["left", "right"]),
    ]);
    landscape(draws, space, Style { interactions: 0.6, category_cost: 0.7, ripple: 0.01 })
}

fn flag_under(name: &str, parent: &str, value: &str) -> Parameter {
    let mut parameter = switch(name);
    parameter
        .conditions
        .push(Condition { parent: parent.into(), values: vec![ParamValue::Text(value.into())] });
    parameter
}
