//! Known traps of sequential search.

use std::collections::BTreeSet;

use crate::common::{choice, float, loss, number, run};
use automl_core::{Params, Scale, SearchSpace};
use automl_sampler::{Bayesian, Quasi};

/// What is far from all results is uncertain, and most of a cube is close to its faces.
#[test]
fn few_trials_go_to_corners() {
    let names: Vec<String> = (0..6).map(|i| format!("x{i}")).collect();
    let space =
        SearchSpace::new(names.iter().map(|name| float(name, 0.0, 1.0, Scale::Linear)).collect()).unwrap();
    for seed in 0..3 {
        let bowl = |params: &Params| {
            let square = |name: &String| (number(params, name) - 0.45).powi(2);
            Some(loss(names.iter().map(square).sum()))
        };
        let found = run(&Bayesian, &space, 40, seed, bowl).unwrap();
        let at_faces = |params: &Params| {
            let is_at_face = |name: &&String| !(1e-6..=1.0 - 1e-6).contains(&number(params, name));
            names.iter().filter(is_at_face).count()
        };
        let corners = found.iter().filter(|suggestion| at_faces(&suggestion.params) >= 3).count();
        assert!(corners <= 4, "seed {seed}: {corners} of 40 trials");
    }
}

/// Seven points of the sequence leave none of eight equal shares but one empty.
#[test]
fn first_points_meet_every_one_of_a_few_options() {
    let names = ["a", "b", "c", "d"];
    for count in 2..=4 {
        let parameters = vec![choice("c", &names[..count]), float("x", 0.0, 1.0, Scale::Linear)];
        let space = SearchSpace::new(parameters).unwrap();
        for seed in 0..20 {
            let found = run(&Quasi, &space, 7, seed, |_| Some(loss(0.0))).unwrap();
            let met: BTreeSet<String> =
                found.iter().map(|suggestion| format!("{:?}", suggestion.params.get("c"))).collect();
            assert_eq!(met.len(), count, "seed {seed}: {met:?}");
        }
    }
}
