//! DEHB: Hyperband whose later trials are evolved.
//!
//! The first iteration is that of Hyperband: its brackets fill a *population* at every rung, by promotion. From then
//! on every trial is new and runs to one rung, in the order of Hyperband's rungs: it is made by differential
//! evolution, takes its place in the population of that rung if it is better than who had it, and never goes on. So
//! good values climb, not trained models.
//!
//! The population of a rung has as many places as the largest bracket has there. Places are taken in turn. The holder of
//! a place is the best of those who were made for it, to begin with the trials of the first iteration by rank. The parents
//! of a trial are the best of the rung below, as many as its bracket has at this rung; at the lowest rung, and where they
//! are fewer than differences need, others follow: the best of this rung, then of all. No slot ever waits: a trial
//! that is still running has not taken its place yet, which is all there is to being asynchronous.
//!
//! Who is a parent is decided here, one trial at a time; what the new values are, in `automl-sampler`.
//!
//! Awad, Mallik and Hutter, *DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient Hyperparameter
//! Optimization*, IJCAI 2021.

use crate::bracket::{Bracket, brackets, levels};
use crate::hyperband::{Iteration, decide_brackets};
use crate::{Ancestry, Breed, Decision, Scheduler};
use automl_core::{Fidelity, FidelityPlan, Study, Trial, TrialId, TrialState};

/// Trials that differential evolution takes differences between.
const PARENTS_MIN: usize = 3;
/// Earlier trials of a place among which its holder is looked for: more than run for it at a time.
const LOOKED_BACK: u64 = 8;

/// Hyperband brackets, then differential evolution of the population at every rung.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dehb;

impl Scheduler for Dehb {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        let plan = &study.settings.fidelity;
        let iteration = iteration(plan);
        let mut decisions = decide_brackets(study, free, &iteration);
        // Whose place the next trial takes depends on the one before it: one at a time.
        let evolved = |decision: &Decision| match decision {
            Decision::Start { bracket: Some(number), until } if *number as usize >= iteration.first.len() => {
                Some((*number, *until))
            }
            _ => None,
        };
        if let Some(at) = decisions.iter().position(|decision| evolved(decision).is_some()) {
            let (number, until) = evolved(&decisions[at]).expect("found by it");
            decisions.truncate(at);
            let ancestry = ancestry(study, &iteration, number, until);
            decisions.push(Decision::Breed(Breed { bracket: Some(number), until, ancestry }));
        }
        decisions
    }

    fn may_go_on(&self, study: &Study, trial: &Trial) -> bool {
        let first = brackets(&study.settings.fidelity).len();
        trial.state == TrialState::Paused && trial.bracket.is_none_or(|bracket| (bracket as usize) < first)
    }
}

/// One iteration of Hyperband, then rung after rung of it.
fn iteration(plan: &FidelityPlan) -> Iteration {
    let first = brackets(plan);
    let rungs = first.iter().flat_map(|bracket| &bracket.rungs);
    let again = rungs.map(|rung| Bracket { rungs: vec![*rung] }).collect();
    Iteration { first, again }
}

/// Trials of the first iteration and one of evolution.
pub(crate) fn default_trials(plan: &FidelityPlan) -> u64 {
    let Iteration { first, again } = iteration(plan);
    first.iter().chain(&again).map(Bracket::trials).sum()
}

fn ancestry(study: &Study, iteration: &Iteration, number: u32, level: Fidelity) -> Ancestry {
    let population = Population::new(iteration, level);
    let position = study.index().in_bracket(number).len() as u64;
    let target = population.ordinal(number, position).and_then(|ordinal| population.holder(study, ordinal));
    let parents = parents(study, iteration, number, level);
    Ancestry::Differential { target, parents }
}

/// The places at one rung, and the brackets of evolved trials that fill them.
struct Population<'a> {
    iteration: &'a Iteration,
    level: Fidelity,
    /// Number of places.
    places: u64,
    /// Trials that an iteration evolves at this rung.
    each: u64,
}

impl<'a> Population<'a> {
    fn new(iteration: &'a Iteration, level: Fidelity) -> Self {
        let here = iteration.again.iter().filter(|bracket| bracket.rungs[0].fidelity == level);
        let sizes = || here.clone().map(Bracket::trials);
        Population { iteration, level, places: sizes().max().unwrap_or(1), each: sizes().sum() }
    }

    /// Brackets of an iteration at this rung: place in the iteration, and how many trials are in those before.
    fn brackets(&self) -> impl Iterator<Item = (usize, u64, u64)> {
        let here = self.iteration.again.iter().enumerate();
        let here = here.filter(|(_, bracket)| bracket.rungs[0].fidelity == self.level);
        here.scan(0, |before, (place, bracket)| {
            let found = (place, *before, bracket.trials());
            *before += bracket.trials();
            Some(found)
        })
    }

    /// Counts the trials evolved at this rung: which one is that at a position of a bracket?
    fn ordinal(&self, number: u32, position: u64) -> Option<u64> {
        let again = self.iteration.again.len();
        let number = (number as usize).checked_sub(self.iteration.first.len())?;
        let (round, place) = (number / again, number % again);
        let (_, before, _) = self.brackets().find(|(at, ..)| *at == place)?;
        Some(round as u64 * self.each + before + position)
    }

    /// The trial that was evolved so manieth at this rung, if it has been made.
    fn trial<'s>(&self, study: &'s Study, ordinal: u64) -> Option<&'s Trial> {
        let (round, rest) = (ordinal / self.each, ordinal % self.each);
        let (place, before, _) =
            self.brackets().find(|(_, before, trials)| (*before..before + trials).contains(&rest))?;
        let number = self.iteration.first.len() + round as usize * self.iteration.again.len() + place;
        let id = study.index().in_bracket(u32::try_from(number).ok()?).nth((rest - before) as usize)?;
        study.trials.get(&id)
    }

    /// The trial that has the place which a trial is made for; `None` while it is empty.
    fn holder(&self, study: &Study, ordinal: u64) -> Option<TrialId> {
        let earlier = (1..=LOOKED_BACK).map_while(|back| ordinal.checked_sub(back * self.places));
        let made = earlier.clone().filter_map(|ordinal| self.trial(study, ordinal));
        let with_parents = made.flat_map(|trial| [Some(trial.id), trial.origin.parent]).flatten();
        let first = earlier.count() < LOOKED_BACK as usize;
        let first = first.then(|| self.first_holder(study, ordinal % self.places)).flatten();
        let ranked =
            with_parents.chain(first).filter_map(|id| study.rank_at(study.trials.get(&id)?, self.level));
        ranked.min().map(|rank| rank.trial())
    }

    /// Who had a place when evolution began.
    fn first_holder(&self, study: &Study, place: u64) -> Option<TrialId> {
        let first = self.iteration.first.len();
        let of_first = |id: &TrialId| {
            study
                .trials
                .get(id)
                .and_then(|trial| trial.bracket)
                .is_some_and(|bracket| (bracket as usize) < first)
        };
        let results = study.index().rung(self.level)?.results.iter().map(|rank| rank.trial());
        results.filter(of_first).nth(place as usize)
    }
}

/// Trials to take differences between, the best first.
fn parents(study: &Study, iteration: &Iteration, number: u32, level: Fidelity) -> Vec<TrialId> {
    let Iteration { first, again } = iteration;
    let levels = levels(&study.settings.fidelity);
    let best = |level: Fidelity| {
        let results = study.index().rung(level).into_iter().flat_map(|rung| rung.results.iter());
        results.map(|rank| rank.trial())
    };
    let size = again[(number as usize - first.len()) % again.len()].trials() as usize;
    let below = levels.iter().rev().find(|below| **below < level);
    let mut parents: Vec<TrialId> = best(*below.unwrap_or(&level)).take(size).collect();
    // As many of each rung as could be needed, this one first, then from the highest down.
    for level in std::iter::once(level).chain(levels.iter().rev().copied()) {
        for id in best(level).take(2 * PARENTS_MIN) {
            if parents.len() >= PARENTS_MIN {
                return parents;
            }
            if !parents.contains(&id) {
                parents.push(id);
            }
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Event, Origin, Params};
    use automl_testkit::{Log, settings};

    /// A study with R = 3: a bracket of 3, 1 trials and one of 2; its places are 3 at one epoch and 2 at three.
    fn begun() -> Log {
        let mut settings = settings(Algorithm::Dehb);
        settings.fidelity.max = Fidelity(3);
        settings.trials = 1000;
        Log::new(settings)
    }

    fn evolve(log: Log, trial: u64, bracket: u32, parent: Option<u64>, until: u64, value: f64) -> Log {
        let origin = Origin { parent: parent.map(TrialId), ..Origin::default() };
        let event = Event::TrialSuggested {
            trial: TrialId(trial),
            params: Params::default(),
            bracket: Some(bracket),
            origin,
        };
        log.with(event).start(trial, 1, until).reach(trial, 1, until, value)
    }

    fn next(log: &Log) -> (u32, u64, Option<u64>, Vec<u64>) {
        let decisions = Dehb.decide(&log.study().unwrap(), 4);
        let [Decision::Breed(breed)] = &decisions[..] else { panic!("{decisions:?}") };
        let Ancestry::Differential { target, parents } = &breed.ancestry else { panic!("{breed:?}") };
        let parents = parents.iter().map(|id| id.0).collect();
        (breed.bracket.unwrap(), breed.until.0, target.map(|id| id.0), parents)
    }

    /// The first iteration: trials 1 to 3, of which the second goes on, then 4 and 5 at full fidelity.
    fn filled() -> Log {
        let mut log = begun();
        for (trial, value) in [(1, 0.1), (2, 0.3), (3, 0.2)] {
            log = evolve(log, trial, 0, None, 1, value);
        }
        log = log.start(2, 2, 3).reach(2, 2, 3, 0.5);
        evolve(evolve(log, 4, 1, None, 3, 0.6), 5, 1, None, 3, 0.4)
    }

    #[test]
    fn first_iteration_is_that_of_hyperband() {
        let decisions = Dehb.decide(&begun().study().unwrap(), 9);
        assert_eq!(decisions.len(), 6, "five of hyperband, and the first that is evolved: {decisions:?}");
        let hyperband = crate::Hyperband.decide(&begun().study().unwrap(), 5);
        assert_eq!(decisions[..5], hyperband[..]);
    }

    #[test]
    fn places_are_taken_in_turn_and_kept_by_the_better_one() {
        let mut log = filled();
        // By rank: 2, 3, 1 hold the places at one epoch.
        assert_eq!(next(&log), (2, 1, Some(2), vec![2, 3, 1]));
        log = evolve(log, 6, 2, Some(2), 1, 0.35);
        assert_eq!(next(&log), (2, 1, Some(3), vec![6, 2, 3]));
        log = evolve(log, 7, 2, Some(3), 1, 0.15);
        assert_eq!(next(&log).2, Some(1));
        log = evolve(log, 8, 2, Some(1), 1, 0.05);
        // At three epochs 4, 2, 5 were there, in this order, for two places; then comes the bracket of two.
        assert_eq!(next(&log), (3, 3, Some(4), vec![6, 4, 2]));
        log = evolve(log, 9, 3, Some(4), 3, 0.7);
        assert_eq!((next(&log).0, next(&log).2), (4, Some(2)));
        log = evolve(log, 10, 4, Some(2), 3, 0.1);
        assert_eq!((next(&log).0, next(&log).2), (4, Some(9)), "9 was better than 4");
        log = evolve(log, 11, 4, Some(9), 3, 0.2);
        // The second iteration: 6 was better than 2, 7 and 8 were no better than 3 and 1.
        assert_eq!((next(&log).0, next(&log).2), (5, Some(6)));
        log = evolve(log, 12, 5, Some(6), 1, 0.0);
        assert_eq!(next(&log).2, Some(3));
        log = evolve(log, 13, 5, Some(3), 1, 0.0);
        assert_eq!(next(&log).2, Some(1));
    }

    #[test]
    fn default_budget_evolves_once() {
        assert_eq!(default_trials(&begun().study().unwrap().settings.fidelity), 5 + 3 + 1 + 2);
    }
}
