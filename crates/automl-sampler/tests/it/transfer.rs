//! Earlier results of another task: a help where they agree with the new one, no lasting harm where they do not.
//!
//! The engine places such results on the scale of the study's own by their ranks, until the study has ten of its own; so
//! does this test. If they stayed, reversed ones would keep the search from getting anywhere, and even good ones would
//! stop it at a hundredth, where ranks blur the optimum.

use crate::common::{float, loss, number, record};
use automl_core::{Fidelity, Params, Scale, SearchSpace, TrialId};
use automl_sampler::{Bayesian, History, Observation, Random, Sampler};

const EARLIER: u64 = 40;
const OWN_ENOUGH: usize = 10;
const TRIALS: u64 = 30;
const SEEDS: u64 = 2;

fn space() -> SearchSpace {
    SearchSpace::new(["a", "b", "c"].map(|name| float(name, 0.0, 1.0, Scale::Linear)).to_vec()).unwrap()
}

fn regret(params: &Params) -> f64 {
    let square = |(name, at, weight): (&str, f64, f64)| weight * (number(params, name) - at).powi(2);
    [("a", 0.2, 1.0), ("b", 0.7, 3.0), ("c", 0.4, 0.5)].map(square).iter().sum()
}

/// Mean over seeds of the decimal logarithm of the best regret after `TRIALS` trials that follow earlier ones, whose
/// results `earlier` ranks.
fn after(earlier: fn(&Params) -> f64) -> f64 {
    let one = |seed| {
        let space = space();
        let random =
            |trial| Random.suggest(&space, &History::default(), TrialId(trial), seed + 50).unwrap().params;
        let source: Vec<Params> = (1..=EARLIER).map(random).collect();
        let mut order: Vec<usize> = (0..source.len()).collect();
        order.sort_by(|&x, &y| earlier(&source[x]).total_cmp(&earlier(&source[y])));
        let mut history = History { budget: Some(TRIALS), ..History::default() };
        let mut best = f64::INFINITY;
        for trial in (EARLIER + 1..=EARLIER + TRIALS).map(TrialId) {
            let own: Vec<Observation> =
                history.observations.iter().filter(|o| o.trial.0 > EARLIER).cloned().collect();
            history.observations.clone_from(&own);
            if own.len() < OWN_ENOUGH {
                let (mean, deviation) = scale(&own);
                for (rank, &index) in order.iter().enumerate() {
                    let share = (rank as f64 + 0.5) / EARLIER as f64;
                    let placed = loss(mean + deviation * 3.0_f64.sqrt() * (2.0 * share - 1.0));
                    let id = TrialId(index as u64 + 1);
                    let observation = Observation::single(id, source[index].clone(), placed, Fidelity(1));
                    history.observations.push(observation);
                }
            }
            let suggestion = Bayesian.suggest(&space, &history, trial, seed).unwrap();
            let found = regret(&suggestion.params);
            best = best.min(found);
            record(&mut history, trial, &suggestion, Some(loss(found)));
        }
        best.max(1e-6).log10()
    };
    (0..SEEDS).map(one).sum::<f64>() / SEEDS as f64
}

fn scale(own: &[Observation]) -> (f64, f64) {
    if own.is_empty() {
        return (0.0, 1.0);
    }
    let count = own.len() as f64;
    let mean = own.iter().map(|o| o.loss.get()).sum::<f64>() / count;
    let variance = own.iter().map(|o| (o.loss.get() - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 0.1 })
}

#[test]
fn earlier_results_of_any_kind_leave_the_search_able_to_converge() {
    let kin = after(|params| regret(params).sqrt());
    let reversed = after(|params| -regret(params));
    let unrelated = after(|params| (number(params, "a") * 7.0).sin() + number(params, "c"));
    assert!(kin < -3.5 && reversed < -1.5 && unrelated < -3.0, "{kin:.2} {reversed:.2} {unrelated:.2}");
}
