//! What a search would do, before anything runs: the very scheduler, with trials on paper.
//!
//! Settings in, totals out. Every attempt takes as long as the fidelity it adds, no trial fails or is
//! stopped early, and which trial is better is drawn by lot but never changes from rung to rung. Under a
//! synchronous scheduler the numbers do not depend on the lot, so they are those of the search itself;
//! under an asynchronous one they are what is to be expected.

use crate::asha::promotable;
use crate::bracket::{Bracket, Rung};
use crate::{Ancestry, Breed, Choice, Decision, Scheduler, scheduler_for};
use automl_core::{
    AttemptEnd, EVENT_FORMAT, Event, Fidelity, FoldError, Further, Origin, Outcome, Params, Record, Study,
    StudySettings, Trial, TrialId, TrialState, rng,
};
use std::collections::{BTreeMap, BTreeSet};

/// Most trials that a search is rehearsed with: beyond it takes longer than anybody waits.
pub const REHEARSED_TRIALS_MAX: u64 = 10_000;
/// Purpose of the random numbers by which trials are better or worse.
const PURPOSE: u64 = 0x7265_6865_6172_7365;

/// What a search would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Rungs with the number of trials that reach them, by bracket; one bracket where the algorithm has
    /// none.
    pub brackets: Vec<Bracket>,
    /// Trials.
    pub trials: u64,
    /// Runs of the program: first ones and promotions.
    pub attempts: u64,
    /// Fidelity units trained in all, repeated ones included.
    pub units: u64,
    /// Units trained again because a promoted trial begins anew.
    pub repeated: u64,
    /// Units trained one after another until the last slot is done.
    pub span: u64,
    /// Most trials at any time whose checkpoint may still be needed: by a promotion, by a running
    /// trial, or as the result of the search.
    pub checkpoints: u64,
}

/// Runs a search on paper, on `slots` slots.
///
/// # Errors
/// The number of trials, where it is above [`REHEARSED_TRIALS_MAX`].
///
/// # Panics
/// If `slots` is 0.
pub fn rehearse(settings: &StudySettings, slots: usize) -> Result<Rehearsal, u64> {
    assert!(slots > 0, "a search needs a slot");
    if settings.trials > REHEARSED_TRIALS_MAX {
        return Err(settings.trials);
    }
    let mut stage = Stage::new(settings);
    let scheduler = scheduler_for(settings.algorithm);
    while stage.step(&*scheduler, slots) {}
    Ok(stage.result())
}

/// A search on paper under way.
struct Stage {
    study: Study,
    /// Ends of running attempts, the first one first.
    ends: BTreeSet<(u64, TrialId)>,
    now: u64,
    attempts: u64,
    units: u64,
    repeated: u64,
    checkpoints: u64,
}

impl Stage {
    fn new(settings: &StudySettings) -> Self {
        // Constraints and further objectives would need values; no scheduler's plan depends on them.
        let settings =
            StudySettings { constraints: Vec::new(), further_objectives: Vec::new(), ..settings.clone() };
        let event = Event::StudyCreated {
            format: EVENT_FORMAT,
            version: String::new(),
            settings: Box::new(settings),
        };
        let study = Study::create(&Record { at: 0, event }).expect("a study begins with its creation");
        Stage { study, ends: BTreeSet::new(), now: 0, attempts: 0, units: 0, repeated: 0, checkpoints: 0 }
    }

    /// Gives out free slots and goes on to the next end of an attempt; `false` when the search is over.
    fn step(&mut self, scheduler: &dyn Scheduler, slots: usize) -> bool {
        loop {
            let decisions = scheduler.decide(&self.study, slots - self.ends.len());
            if decisions.is_empty() {
                break;
            }
            for decision in decisions {
                if !self.perform(decision) {
                    return false;
                }
            }
        }
        self.checkpoints = self.checkpoints.max(self.needed_checkpoints());
        let Some((end, trial)) = self.ends.pop_first() else { return false };
        self.now = end;
        self.finish(trial);
        true
    }

    /// Carries a decision out; `false` where it ends the search.
    fn perform(&mut self, decision: Decision) -> bool {
        match decision {
            Decision::Start { bracket, until } => {
                let trial = self.suggest(bracket);
                self.start(trial, until);
            }
            Decision::Run { trial, until } => self.start(trial, until),
            Decision::Breed(breed) => self.breed(breed),
            Decision::Choose(choice) => return self.choose(&choice),
            Decision::End(_) => return false,
        }
        true
    }

    /// Stands in for the model by the rule of ASHA: it promotes what that would, and starts a new trial
    /// otherwise.
    fn choose(&mut self, choice: &Choice) -> bool {
        let allowed = promotable(&self.study, &choice.levels).next();
        let start = choice.start.map(|new| Decision::Start { bracket: new.bracket, until: new.until });
        let all_the_way = choice.start.is_some_and(|new| new.all_the_way);
        let first = choice.promotions.first().map(|p| Decision::Run { trial: p.trial, until: p.until });
        let promoted = allowed.filter(|_| !all_the_way);
        promoted.or(start).or(first).is_some_and(|decision| self.perform(decision))
    }

    fn breed(&mut self, breed: Breed) {
        if let Ancestry::Copy { instead_of, .. } = breed.ancestry
            && self.study.trials[&instead_of].state == TrialState::Paused
        {
            self.apply(Event::TrialStopped { trial: instead_of, reason: String::new() });
        }
        let trial = self.suggest(breed.bracket);
        if let Ancestry::Copy { parent, at, .. } = breed.ancestry {
            let (source, copy) = (None, None);
            self.apply(Event::CheckpointInherited { trial, from: parent, fidelity: at, source, copy });
        }
        self.start(trial, breed.until);
    }

    fn suggest(&mut self, bracket: Option<u32>) -> TrialId {
        let trial = self.study.next_trial();
        let (params, origin) = (Params::default(), Origin::default());
        self.apply(Event::TrialSuggested { trial, params, bracket, origin });
        trial
    }

    fn start(&mut self, id: TrialId, until: Fidelity) {
        let trial = &self.study.trials[&id];
        let (attempt, done) = (trial.next_attempt(), trial.trained().map_or(0, |fidelity| fidelity.0));
        let kept = if self.study.settings.fidelity.resumable { done } else { 0 };
        let cost = until.0.saturating_sub(kept);
        self.attempts += 1;
        self.units += cost;
        self.repeated += done - kept;
        self.ends.insert((self.now + cost, id));
        self.apply(Event::AttemptStarted {
            trial: id,
            attempt,
            until,
            resume_from: None,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            asked: None,
        });
    }

    fn finish(&mut self, trial: TrialId) {
        let attempt = self.study.trials[&trial].running_attempt().expect("it was started");
        let (attempt, fidelity) = (attempt.number, attempt.until);
        let value = rng::uniform(&[self.study.settings.seed, PURPOSE, trial.0]);
        let outcome = Outcome::Reached { fidelity, value, checkpoint: None, further: Further::default() };
        let end = AttemptEnd::unmeasured(outcome);
        self.apply(Event::AttemptEnded { trial, attempt, end });
    }

    fn apply(&mut self, event: Event) {
        let applied: Result<(), FoldError> = self.study.apply(&Record { at: self.now, event });
        applied.expect("schedulers decide what is possible");
    }

    /// Trials whose checkpoint a decision may still need, and the best one's.
    fn needed_checkpoints(&self) -> u64 {
        let index = self.study.index();
        let resumable = self.study.settings.fidelity.resumable;
        let paused = if resumable { index.count(TrialState::Paused) } else { 0 };
        let open = index.count(TrialState::Running) + paused;
        open as u64 + u64::from(index.count(TrialState::Complete) > 0)
    }

    fn result(self) -> Rehearsal {
        let mut brackets: BTreeMap<Option<u32>, BTreeMap<Fidelity, u64>> = BTreeMap::new();
        for trial in self.study.trials.values() {
            let rungs = brackets.entry(trial.bracket).or_default();
            reached(trial).for_each(|fidelity| *rungs.entry(fidelity).or_default() += 1);
        }
        let bracket = |rungs: BTreeMap<Fidelity, u64>| Bracket {
            rungs: rungs.into_iter().map(|(fidelity, trials)| Rung { fidelity, trials }).collect(),
        };
        Rehearsal {
            brackets: brackets.into_values().map(bracket).collect(),
            trials: self.study.started(),
            attempts: self.attempts,
            units: self.units,
            repeated: self.repeated,
            span: self.now,
            checkpoints: self.checkpoints,
        }
    }
}

fn reached(trial: &Trial) -> impl Iterator<Item = Fidelity> {
    trial.reached.keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{brackets, default_trials};
    use automl_core::Algorithm;
    use automl_testkit::settings;

    fn study(algorithm: Algorithm, max: u64) -> StudySettings {
        let mut settings = settings(algorithm);
        settings.fidelity.max = Fidelity(max);
        settings.trials = default_trials(algorithm, &settings.fidelity, 20);
        settings
    }

    #[test]
    fn hyperband_is_rehearsed_as_its_table_says() {
        let settings = study(Algorithm::Hyperband, 81);
        let alone = rehearse(&settings, 1).unwrap();
        assert_eq!(alone.brackets, brackets(&settings.fidelity));
        assert_eq!((alone.trials, alone.units, alone.repeated), (143, 1581, 0));
        assert_eq!(alone.span, alone.units, "one slot works without a pause");
        let many = rehearse(&settings, 8).unwrap();
        assert_eq!((&many.brackets, many.units), (&alone.brackets, alone.units));
        assert!(many.span < alone.span / 4 && many.span >= alone.units / 8, "{}", many.span);
    }

    #[test]
    fn beginning_anew_costs_what_was_trained_before() {
        let mut settings = study(Algorithm::Hyperband, 27);
        settings.fidelity.resumable = false;
        let anew = rehearse(&settings, 1).unwrap();
        settings.fidelity.resumable = true;
        let resumed = rehearse(&settings, 1).unwrap();
        assert_eq!((resumed.units, anew.units), (81 + 78 + 90 + 108, 108 + 99 + 108 + 108));
        assert_eq!(anew.repeated, anew.units - resumed.units);
    }

    #[test]
    fn full_trials_form_one_rung() {
        let plan = rehearse(&study(Algorithm::Random, 9), 3).unwrap();
        assert_eq!(plan.brackets, [Bracket { rungs: vec![Rung { fidelity: Fidelity(9), trials: 20 }] }]);
        assert_eq!((plan.attempts, plan.units, plan.span), (20, 180, 63));
        assert_eq!(plan.checkpoints, 4, "three run, and one is the best");
    }

    #[test]
    fn asha_rises_by_its_factor() {
        let mut settings = study(Algorithm::Asha, 9);
        settings.trials = 90;
        let plan = rehearse(&settings, 4).unwrap();
        let [bracket] = &plan.brackets[..] else { panic!("{:?}", plan.brackets) };
        let trials: Vec<u64> = bracket.rungs.iter().map(|rung| rung.trials).collect();
        assert_eq!(trials[0], 90);
        assert!((30..60).contains(&trials[1]) && (10..30).contains(&trials[2]), "{trials:?}");
    }

    #[test]
    fn race_is_rehearsed_by_the_rule_of_asha() {
        let mut settings = study(Algorithm::Race, 9);
        settings.trials = 90;
        let plan = rehearse(&settings, 4).unwrap();
        let trials = |fidelity| {
            plan.brackets.iter().flat_map(|bracket| &bracket.rungs).filter(move |r| r.fidelity == fidelity)
        };
        let sum = |fidelity| trials(Fidelity(fidelity)).map(|rung| rung.trials).sum::<u64>();
        assert_eq!((plan.trials, sum(1)), (90, 90));
        assert!(sum(3) > 20 && sum(9) > 5, "{plan:?}");
    }

    #[test]
    fn populations_of_training_go_on_together() {
        let mut settings = study(Algorithm::Pbt, 9);
        settings.fidelity.min = Fidelity(3);
        settings.trials = default_trials(Algorithm::Pbt, &settings.fidelity, 20);
        let plan = rehearse(&settings, 10).unwrap();
        // Ten founders, and two copies of each of two generations that inherit what was trained.
        assert_eq!((plan.trials, plan.units, plan.repeated, plan.span), (14, 90, 0, 9));
    }

    #[test]
    fn evolution_runs_every_rung_anew() {
        let plan = rehearse(&study(Algorithm::Dehb, 27), 1).unwrap();
        assert_eq!(plan.brackets[..4], brackets(&study(Algorithm::Dehb, 27).fidelity));
        assert_eq!((plan.trials, plan.repeated), (49 + 69, 0));
        assert_eq!(plan.units, (81 + 78 + 90 + 108) + (108 + 99 + 108 + 108));
    }

    #[test]
    fn searches_too_large_for_paper_are_refused() {
        let mut settings = study(Algorithm::Random, 9);
        settings.trials = REHEARSED_TRIALS_MAX + 1;
        assert_eq!(rehearse(&settings, 1), Err(REHEARSED_TRIALS_MAX + 1));
    }
}
