//! Population-based training: values change while models train.
//!
//! A population of trials trains for a *generation*, pauses, and is compared. Each of the worst fifth is then given up
//! for a copy of one of the best fifth, which carries on from that one's checkpoint with changed values; so is one
//! that failed. All others go on as they are. In this engine a changed configuration is a new trial: the copy is a
//! trial of its own that begins from the other's checkpoint.
//!
//! A generation is as long as the smallest fidelity; where that is 1, a twentieth of the largest one. Nobody goes on before
//! all of the generation have got there or failed, so that the answer does not depend on who was faster, and copies start
//! before those they were copied from go on, so that a checkpoint is copied before its program writes the next one.
//!
//! How large the population is follows from the budget of trials: as large as leaves enough for every copy of every
//! generation. When the budget is spent before its time, because trials failed, the worst go on as well.
//!
//! Jaderberg et al., *Population Based Training of Neural Networks*, 2017, in its synchronous form.

use crate::{Ancestry, Breed, Decision, Scheduler, end_if_settled};
use automl_core::{
    EndReason, Fidelity, FidelityPlan, Rank, RungResults, Study, StudySettings, Trial, TrialId, TrialState,
    rng,
};

/// One in so many is given up, and one in so many is copied.
const REPLACED: u64 = 5;
/// Size of a population that nothing is said about.
const POPULATION: u64 = 10;
/// Number of generations where nothing is said about their length.
const GENERATIONS: u64 = 20;
/// Keeps the draws of parents apart from others of the study.
const PARENT_STREAM: u64 = 41;
/// Bracket of the trials that the population begins with; that of copies is the number of their generation.
const FOUNDERS: u32 = 0;

/// A population that trains on together; the worst are replaced by changed copies of the best.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pbt;

impl Scheduler for Pbt {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        let levels = generations(&study.settings.fidelity);
        let queued = study.in_state(TrialState::Queued).take(free);
        let run = |trial: &Trial| Decision::Run { trial: trial.id, until: target(trial, &levels) };
        let mut decisions: Vec<Decision> = queued.map(run).collect();
        let left = study.settings.trials.saturating_sub(study.started());
        let founders = study.index().in_bracket(FOUNDERS).len() as u64;
        let missing = population(&study.settings).saturating_sub(founders).min(left);
        let start = Decision::Start { bracket: Some(FOUNDERS), until: levels[0] };
        decisions.extend((0..missing).map(|_| start.clone()).take(free - decisions.len()));
        if missing == 0 && decisions.len() < free {
            decisions.extend(next_generation(study, &levels, left, free - decisions.len()));
        }
        if decisions.is_empty() && free > 0 { end(study) } else { decisions }
    }
}

/// Returns the fidelities at which generations end, the largest one last.
///
/// Where the largest fidelity was raised, the generations of the first one stay, because trials wait there.
#[must_use]
pub fn generations(plan: &FidelityPlan) -> Vec<Fidelity> {
    let first = plan.base.unwrap_or(plan.max).0;
    let length = if plan.min.0 > 1 { plan.min.0 } else { first.div_ceil(GENERATIONS).max(1) };
    let whole = (1..).map(|n| n * length).take_while(|level| *level < plan.max.0);
    let mut levels: Vec<u64> = whole.chain(plan.base.map(|base| base.0)).chain([plan.max.0]).collect();
    levels.sort_unstable();
    levels.dedup();
    levels.into_iter().map(Fidelity).collect()
}

/// Returns how many trials a population needs for so many generations.
#[must_use]
pub fn population_trials(population: u64, generations: u64) -> u64 {
    population.saturating_add(generations.saturating_sub(1).saturating_mul(replaced(population)))
}

pub(crate) fn default_trials(plan: &FidelityPlan) -> u64 {
    population_trials(POPULATION, generations(plan).len() as u64)
}

/// Number of trials that are given up of so many.
fn replaced(trials: u64) -> u64 {
    if trials < 2 { 0 } else { (trials / REPLACED).max(1) }
}

/// The largest population that the budget of trials is enough for.
fn population(settings: &StudySettings) -> u64 {
    let Some(budget) = settings.budget() else { return POPULATION };
    let generations = generations(&settings.fidelity).len() as u64;
    let (mut enough, mut too_many) = (1, budget + 1);
    while enough + 1 < too_many {
        let middle = enough + (too_many - enough) / 2;
        match population_trials(middle, generations) <= budget {
            true => enough = middle,
            false => too_many = middle,
        }
    }
    enough
}

/// Where a queued trial is going: where it was going before, or to the end of the generation that it was made for,
/// whether what it was to carry on from is still there or not.
fn target(trial: &Trial, levels: &[Fidelity]) -> Fidelity {
    let generation = (trial.bracket.unwrap_or(FOUNDERS) as usize).min(levels.len() - 1);
    trial.attempts.last().map_or(levels[generation], |attempt| attempt.until)
}

/// What happens to a generation that is complete: a copy that is still to be made, or else that all others go on, as
/// many as there are free slots.
fn next_generation(study: &Study, levels: &[Fidelity], left: u64, free: usize) -> Vec<Decision> {
    let waits = |level: &Fidelity| study.index().rung(*level).is_some_and(|rung| !rung.paused.is_empty());
    let mut steps = levels.windows(2).enumerate();
    let Some((generation, step)) = steps.find(|(_, step)| waits(&step[0])) else {
        return Vec::new();
    };
    let (at, until) = (step[0], step[1]);
    let queued = study.in_state(TrialState::Queued).any(|trial| target(trial, levels) <= at);
    if study.index().is_under_way(at) || queued {
        return Vec::new();
    }
    let rung = study.index().rung(at).expect("somebody waits there");
    let generation = generation as u32 + 1;
    let made = study.index().in_bracket(generation).len();
    let copy = (left > 0).then(|| copy(study, rung, at, made)).flatten();
    if let Some(ancestry) = copy {
        return vec![Decision::Breed(Breed { bracket: Some(generation), until, ancestry })];
    }
    let paused = rung.paused.iter().take(free);
    paused.map(|rank| Decision::Run { trial: rank.trial(), until }).collect()
}

/// The next copy of a generation, after so many; `None` where all were made or nobody can be copied.
fn copy(study: &Study, rung: &RungResults, at: Fidelity, made: usize) -> Option<Ancestry> {
    let worst = replaced(rung.results.len() as u64) as usize;
    let given_up = rung.results.iter().rev().take(worst).map(|rank| rank.trial());
    let mut given_up = rung.failed.iter().copied().chain(given_up);
    let instead_of = given_up.nth(made)?;
    // The best first, as those to be given up are the last ones.
    let stays = |rank: &&Rank| rung.results.place(rank) < rung.results.len() - worst;
    let paused = || rung.paused.iter().take_while(stays).map(|rank| rank.trial());
    let trained = |id: &TrialId| study.trials.get(id).is_some_and(|trial| trial.checkpoint.is_some());
    // Who kept no checkpoint has nothing to hand on; where nobody does, copies are of values only.
    let with_checkpoint: Vec<TrialId> = paused().filter(trained).take(worst.max(1)).collect();
    let best = match with_checkpoint.is_empty() {
        true => paused().take(worst.max(1)).collect(),
        false => with_checkpoint,
    };
    let draw = rng::uniform(&[study.settings.seed, PARENT_STREAM, at.0, made as u64]);
    let parent = *best.get((draw * best.len() as f64) as usize)?;
    Some(Ancestry::Copy { parent, at, instead_of })
}

/// The end of a population that has been trained fully, whatever is left of the budget.
fn end(study: &Study) -> Vec<Decision> {
    let index = study.index();
    let open = [TrialState::Queued, TrialState::Running, TrialState::Paused].map(|state| index.count(state));
    let begun = index.in_bracket(FOUNDERS).len() > 0;
    if begun && open == [0; 3] { vec![Decision::End(EndReason::Budget)] } else { end_if_settled(study) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Event, FailureKind, Origin, Params};
    use automl_testkit::{Log, settings};

    /// Five trials, generations at 3, 6 and 9 epochs.
    fn begun() -> Log {
        let mut settings = settings(Algorithm::Pbt);
        settings.fidelity.min = Fidelity(3);
        settings.trials = population_trials(5, 3);
        Log::new(settings)
    }

    fn suggest(log: Log, trial: u64, bracket: u32) -> Log {
        let (trial, params, origin) = (TrialId(trial), Params::default(), Origin::default());
        log.with(Event::TrialSuggested { trial, params, bracket: Some(bracket), origin })
    }

    fn first_generation(values: [f64; 5]) -> Log {
        let mut log = begun();
        for (trial, value) in (1..).zip(values) {
            log = suggest(log, trial, 0).start(trial, 1, 3).reach(trial, 1, 3, value);
        }
        log
    }

    fn decide(log: &Log) -> Vec<Decision> {
        Pbt.decide(&log.study().unwrap(), 8)
    }

    #[test]
    fn population_follows_from_the_budget() {
        assert_eq!(population_trials(10, 20), 10 + 19 * 2);
        for population_size in [1, 2, 5, 9, 10, 31] {
            let mut settings = begun().study().unwrap().settings;
            settings.trials = population_trials(population_size, 3);
            assert_eq!(population(&settings), population_size);
            let starts = Pbt.decide(&Log::new(settings).study().unwrap(), 1000);
            assert_eq!(starts.len() as u64, population_size);
        }
    }

    #[test]
    fn generations_have_a_length_and_end_at_the_largest_fidelity() {
        let mut plan = begun().study().unwrap().settings.fidelity;
        let ends = |plan: &FidelityPlan| generations(plan).iter().map(|level| level.0).collect::<Vec<_>>();
        assert_eq!(ends(&plan), [3, 6, 9]);
        (plan.min, plan.max) = (Fidelity(4), Fidelity(10));
        assert_eq!(ends(&plan), [4, 8, 10]);
        (plan.min, plan.max) = (Fidelity(1), Fidelity(200));
        assert_eq!((ends(&plan).len(), ends(&plan)[0]), (20, 10));
        (plan.min, plan.max, plan.base) = (Fidelity(3), Fidelity(13), Some(Fidelity(10)));
        assert_eq!(ends(&plan), [3, 6, 9, 10, 12, 13]);
    }

    #[test]
    fn worst_is_given_up_for_a_copy_of_the_best_before_anybody_goes_on() {
        let log = first_generation([0.3, 0.5, 0.1, 0.4, 0.2]);
        let copy = Ancestry::Copy { parent: TrialId(2), at: Fidelity(3), instead_of: TrialId(3) };
        let breed = Breed { bracket: Some(1), until: Fidelity(6), ancestry: copy };
        assert_eq!(decide(&log), [Decision::Breed(breed)]);
        let log = log.with(Event::TrialStopped { trial: TrialId(3), reason: "r".into() });
        let log = suggest(log, 6, 1).start(6, 1, 6);
        let go_on = |id| Decision::Run { trial: TrialId(id), until: Fidelity(6) };
        assert_eq!(decide(&log), [2, 4, 1, 5].map(go_on));
        let log = log.start(2, 2, 6).start(4, 2, 6).start(1, 2, 6).start(5, 2, 6).reach(2, 2, 6, 0.9);
        assert_eq!(decide(&log), [], "the generation is not complete");
    }

    #[test]
    fn stragglers_and_the_queued_are_waited_for() {
        let mut log = begun();
        for trial in 1..=5 {
            log = suggest(log, trial, 0).start(trial, 1, 3);
        }
        for trial in 1..=4 {
            log = log.reach(trial, 1, 3, 0.1);
        }
        assert_eq!(decide(&log), []);
        let again = log.fail(5, 1, FailureKind::Exit);
        assert_eq!(decide(&again), [Decision::Run { trial: TrialId(5), until: Fidelity(3) }]);
    }

    #[test]
    fn failed_members_are_replaced_first_and_without_a_budget_nobody_is() {
        let mut log = begun();
        for trial in 1..=5 {
            log = suggest(log, trial, 0).start(trial, 1, 3);
        }
        log = log.fail(1, 1, FailureKind::NotFinite);
        for trial in 2..=5 {
            log = log.reach(trial, 1, 3, 0.1 * trial as f64);
        }
        let Decision::Breed(Breed { ancestry, .. }) = &decide(&log)[0] else { panic!("no copy") };
        assert_eq!(*ancestry, Ancestry::Copy { parent: TrialId(5), at: Fidelity(3), instead_of: TrialId(1) });
        let mut study = log.study().unwrap();
        study.settings.trials = 5;
        // Five trials would be a population of three, and all that are there go on.
        assert_eq!(Pbt.decide(&study, 8).len(), 4);
    }

    #[test]
    fn copy_that_has_lost_its_checkpoint_joins_its_generation_all_the_same() {
        let log = first_generation([0.3, 0.5, 0.1, 0.4, 0.2]);
        let log = log.with(Event::TrialStopped { trial: TrialId(3), reason: "r".into() });
        let (trial, from, path) = (TrialId(6), TrialId(2), String::from("2@3"));
        let copied = Event::CheckpointInherited {
            trial,
            from,
            fidelity: Fidelity(3),
            source: Some(path.clone()),
            copy: Some("6@3".into()),
        };
        let log = suggest(log, 6, 1).with(copied);
        let run = Decision::Run { trial, until: Fidelity(6) };
        assert_eq!(decide(&log)[0], run);
        let log = log.with(Event::CheckpointLost { trial, path, reason: "it is empty".into() });
        assert_eq!(decide(&log)[0], run);
    }

    #[test]
    fn trained_population_ends_the_search() {
        let mut settings = begun().study().unwrap().settings;
        settings.fidelity.max = Fidelity(3);
        settings.trials = 2;
        let mut log = Log::new(settings);
        for trial in 1..=2 {
            log = suggest(log, trial, 0).start(trial, 1, 3).reach(trial, 1, 3, 0.5);
        }
        assert_eq!(decide(&log), [Decision::End(EndReason::Budget)]);
    }
}
