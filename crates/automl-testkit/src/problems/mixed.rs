//! Whole numbers, ordinals and categories that interact with each other and with real parameters.

use super::build::{Draws, choice, float, int, log_float, log_int, ordinal, space, switch};
use super::landscape::{PLAIN, Style, landscape};
use super::{Definition, Family, Shape};

pub(super) const DEFINITIONS: [Definition; 6] = [
    mixed("network-8", network),
    mixed("categories-8", categories),
    mixed("lattice-10", lattice),
    mixed("regimes-5", regimes),
    mixed("recipe-12", recipe),
    mixed("rough-6", rough),
];

const fn mixed(name: &'static str, shape: fn(&mut Draws) -> Shape) -> Definition {
    Definition { name, family: Family::Mixed, shape }
}

/// What one tunes of a network.
pub(super) fn network(draws: &mut Draws) -> Shape {
    let space = space(vec![
        log_float("lr", 1e-5, 1.0),
        ordinal("batch_size", &[16, 32, 64, 128, 256, 512]),
        int("layers", 1, 8),
        log_int("width", 16, 1024),
        float("dropout", 0.0, 0.6),
        choice("activation", &["relu", "gelu", "tanh"]),
        choice("optimizer", &["sgd", "adam", "adamw", "rmsprop"]),
        switch("augment"),
    ]);
    landscape(draws, space, PLAIN)
}

/// Categories only, half of all pairs interact.
fn categories(draws: &mut Draws) -> Shape {
    let names = ["a", "b", "c", "d", "e", "f"];
    let sizes = [2, 3, 3, 4, 4, 5, 6, 6];
    let parameters = sizes.iter().enumerate().map(|(i, n)| choice(&format!("option{i}"), &names[..*n]));
    landscape(draws, space(parameters.collect()), Style { interactions: 0.5, ..PLAIN })
}

/// Whole numbers only, from switches to hundreds.
fn lattice(draws: &mut Draws) -> Shape {
    let highs = [1, 2, 3, 5, 8, 12, 20, 40, 100, 300];
    let parameters = highs.iter().enumerate().map(|(i, high)| int(&format!("n{i}"), 0, *high));
    landscape(draws, space(parameters.collect()), PLAIN)
}

/// One category decides where the four numbers are best.
fn regimes(draws: &mut Draws) -> Shape {
    let space = space(vec![
        choice("regime", &["north", "east", "south", "west", "centre"]),
        float("x0", 0.0, 1.0),
        float("x1", -5.0, 5.0),
        log_float("x2", 1e-4, 1e2),
        float("x3", 0.0, 10.0),
    ]);
    landscape(draws, space, Style { interactions: 1.0, category_cost: 0.5, ripple: 0.0 })
}

/// A bit of everything.
pub(super) fn recipe(draws: &mut Draws) -> Shape {
    let space = space(vec![
        log_float("lr", 1e-5, 1e-1),
        log_float("weight_decay", 1e-7, 1e-1),
        float("mixup", 0.0, 1.0),
        float("label_smoothing", 0.0, 0.3),
        int("warmup_epochs", 0, 20),
        log_int("rank", 4, 256),
        ordinal("image_size", &[96, 128, 160, 192, 224, 256]),
        ordinal("patience", &[1, 2, 5, 10]),
        choice("schedule", &["cosine", "linear", "step", "constant"]),
        choice("augmentation", &["none", "flip", "rand", "trivial", "auto"]),
        choice("normalisation", &["batch", "layer", "group"]),
        switch("ema"),
    ]);
    landscape(draws, space, Style { interactions: 0.2, ..PLAIN })
}

/// Few parameters, many local optima along the numbers.
pub(super) fn rough(draws: &mut Draws) -> Shape {
    let space = space(vec![
        float("x0", 0.0, 1.0),
        float("x1", -1.0, 1.0),
        int("n0", 0, 30),
        choice("kind", &["a", "b", "c", "d"]),
        choice("form", &["p", "q", "r"]),
        switch("flag"),
    ]);
    landscape(draws, space, Style { interactions: 0.4, category_cost: 1.0, ripple: 0.03 })
}
