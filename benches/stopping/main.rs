//! What the rules of early stopping save and cost: `cargo bench -p automl --bench stopping`.
//!
//! Random searches of 40 trials of 27 epochs, 4 at a time at speeds of their own, over every family of learning curves and 12
//! seeds. Printed by family and rule: the share of the epochs that was trained; the regret, which is how far the best finished trial is
//! from the best of the 40, 1 being a mediocre configuration; the same less the regret of whole trainings of as many epochs (below 0
//! where the rule is worth it); and how often the best trial of all was stopped.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod training;

use automl_core::{EarlyStop, TrialState};
use automl_testkit::problems::curve_definitions;
use training::{EPOCHS, Lab, Training};

const TRIALS: u64 = 40;
const SEEDS: u64 = 12;

fn main() {
    println!("{TRIALS} trials of {EPOCHS} epochs, {SEEDS} seeds");
    println!("curves                     rule     epochs   regret   against whole   best one stopped");
    let families = curve_definitions().into_iter().map(|definition| (definition.name, Some(definition)));
    for (name, definition) in std::iter::once(("exponential", None)).chain(families) {
        for rule in [EarlyStop::Asha, EarlyStop::Median, EarlyStop::Curve] {
            let lab = |seed| {
                definition.map_or(Lab::Exponential, |family| Lab::Family(Box::new(family.instance(seed))))
            };
            let run = |seed| Training::run(lab(seed), rule, TRIALS, seed);
            let runs: Vec<Training> = (1..=SEEDS).map(run).collect();
            let mean = |of: &dyn Fn(&Training) -> f64| runs.iter().map(of).sum::<f64>() / SEEDS as f64;
            let lost = |run: &&Training| {
                run.regret() > 0.0 && run.study.in_state(TrialState::Stopped).next().is_some()
            };
            println!(
                "{:<26} {:<7}{:>7.0}% {:>8.3} {:>+15.3} {:>11} of {SEEDS}",
                name,
                rule.to_string(),
                100.0 * mean(&Training::share),
                mean(&Training::regret),
                mean(&Training::advantage),
                runs.iter().filter(lost).count()
            );
        }
    }
}
