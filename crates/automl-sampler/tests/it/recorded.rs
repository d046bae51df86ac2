//! Twenty suggestions on a quadratic, compared bit for bit with a recorded run.
//!
//! A difference means that replaying an old study gives other suggestions. If that is intended, the
//! record is replaced by what the failing test prints.

use std::fmt::Write;

use crate::common::{float, loss, number, run};
use automl_core::{Params, Scale, SearchSpace};
use automl_sampler::Bayesian;

#[test]
fn quadratic_run_has_the_recorded_bits() {
    let space =
        SearchSpace::new(vec![float("x", -1.0, 2.0, Scale::Linear), float("lr", 1e-4, 1.0, Scale::Log)])
            .unwrap();
    let evaluate = |params: &Params| {
        let (x, lr) = (number(params, "x") - 0.5, libm::log10(number(params, "lr")) + 2.0);
        Some(loss(x * x + 0.5 * lr * lr))
    };
    let mut trace = String::new();
    for suggestion in run(&Bayesian, &space, 20, 42, evaluate).unwrap() {
        let [x, lr] = ["x", "lr"].map(|name| number(&suggestion.params, name));
        writeln!(
            trace,
            "{:016x} {:016x} {} {x:.4} {lr:.2e}",
            x.to_bits(),
            lr.to_bits(),
            suggestion.origin.model
        )
        .unwrap();
    }
    assert!(trace == include_str!("golden/quadratic.txt"), "the run is now\n{trace}");
}
