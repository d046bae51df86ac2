//! One search in simulated time, its invariants, and a slow scheduler to compare with.

use automl_core::{
    Algorithm, AttemptEnd, EndReason, Event, FailureKind, Fidelity, Further, Origin, Outcome, Params, Study,
    StudySettings, Trial, TrialId, TrialState, rng,
};
use automl_scheduler::{Ancestry, Breed, Choice, Decision, Scheduler, brackets, levels, scheduler_for};
use automl_testkit::{Log, curve, settings};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};
use std::collections::BTreeMap;

/// One simulated search; everything random comes from `seed`.
pub(crate) struct Simulation {
    pub(crate) log: Log,
    pub(crate) study: Study,
    pub(crate) seed: u64,
    draws: u64,
    failing: f64,
    /// When each running trial will end, in simulated time.
    ends: BTreeMap<TrialId, f64>,
    now: f64,
}

impl Simulation {
    pub(crate) fn new(settings: StudySettings, seed: u64, failing: f64) -> Self {
        let log = Log::new(settings);
        let study = log.study().unwrap();
        Simulation { log, study, seed, draws: 0, failing, ends: BTreeMap::new(), now: 0.0 }
    }

    fn draw(&mut self) -> f64 {
        self.draws += 1;
        rng::uniform(&[self.seed, self.draws])
    }

    /// How long an attempt takes: log-normal, so that a few are stragglers.
    fn duration(&mut self, epochs: u64) -> f64 {
        self.draws += 1;
        let mut generator = ChaCha8Rng::seed_from_u64(rng::derive(&[self.seed, self.draws]));
        epochs as f64 * LogNormal::new(0.0, 1.0).expect("a sound spread").sample(&mut generator)
    }

    pub(crate) fn apply(&mut self, event: Event) {
        self.log.push(event);
        self.study.apply(self.log.records.last().unwrap()).unwrap();
    }

    /// Stands in for the model: any of the things on offer, at random.
    fn choose(&mut self, choice: &Choice) -> Decision {
        assert_eq!(choice.levels.last(), Some(&self.study.settings.fidelity.max), "seed {}", self.seed);
        let starts = choice.start.map(|new| Decision::Start { bracket: new.bracket, until: new.until });
        let promotions = choice.promotions.iter().map(|promotion| {
            let known = &self.study.trials[&promotion.trial];
            assert_eq!((known.state, known.fidelity()), (TrialState::Paused, Some(promotion.from)));
            assert!(known.checkpoint.is_some() && promotion.from < promotion.until);
            Decision::Run { trial: promotion.trial, until: promotion.until }
        });
        let mut offers: Vec<Decision> = starts.into_iter().chain(promotions).collect();
        let chosen = (self.draw() * offers.len() as f64) as usize;
        offers.swap_remove(chosen)
    }

    fn suggest(&mut self, bracket: Option<u32>, parent: Option<TrialId>) -> TrialId {
        let trial = self.study.next_trial();
        let origin = Origin { parent, ..Origin::default() };
        self.apply(Event::TrialSuggested { trial, params: Params::default(), bracket, origin });
        trial
    }

    fn breed(&mut self, breed: Breed) -> TrialId {
        match breed.ancestry {
            Ancestry::Differential { target, parents } => {
                let at_rung = |id: &TrialId| self.study.trials[id].reached.contains_key(&breed.until);
                assert!(target.iter().all(at_rung), "seed {}: a place of another rung", self.seed);
                let known = parents.iter().all(|id| !self.study.trials[id].reached.is_empty());
                assert!(known, "seed {}: parents without results", self.seed);
                self.suggest(breed.bracket, target)
            }
            Ancestry::Copy { parent, at, instead_of } => {
                let (copied, given_up) = (&self.study.trials[&parent], &self.study.trials[&instead_of]);
                assert_eq!((copied.state, copied.trained()), (TrialState::Paused, Some(at)));
                assert!(parent != instead_of && breed.until > at, "seed {}", self.seed);
                let source = copied.checkpoint.clone();
                if given_up.state == TrialState::Paused {
                    let better = self.study.rank_at(copied, at) < self.study.rank_at(given_up, at);
                    assert!(better, "seed {}: a worse trial was copied", self.seed);
                    self.apply(Event::TrialStopped { trial: instead_of, reason: "replaced".into() });
                }
                let trial = self.suggest(breed.bracket, Some(parent));
                let copy = source.clone();
                self.apply(Event::CheckpointInherited { trial, from: parent, fidelity: at, source, copy });
                trial
            }
        }
    }

    fn perform(&mut self, decision: Decision) {
        let (trial, until) = match decision {
            Decision::Choose(choice) => {
                let chosen = self.choose(&choice);
                return self.perform(chosen);
            }
            Decision::Start { bracket, until } => (self.suggest(bracket, None), until),
            Decision::Breed(breed) => {
                let until = breed.until;
                (self.breed(breed), until)
            }
            Decision::Run { trial, until } => (trial, until),
            Decision::End(reason) => return self.apply(Event::StudyEnded { reason }),
        };
        let lost = self.failing > 0.0 && self.draw() < 0.02;
        if let (true, Some(path)) = (lost, self.study.trials[&trial].checkpoint.clone()) {
            self.apply(Event::CheckpointLost { trial, path, reason: "damaged".into() });
        }
        let known = &self.study.trials[&trial];
        assert!(known.trained().is_none_or(|trained| trained < until), "seed {}: nothing to do", self.seed);
        let (attempt, resume_from) = (known.next_attempt(), known.checkpoint.clone());
        let epochs = until.0 - known.trained().filter(|_| resume_from.is_some()).map_or(0, |f| f.0);
        self.apply(Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            asked: None,
        });
        let end = self.now + self.duration(epochs);
        self.ends.insert(trial, end);
    }

    /// Ends the running trial whose time has come first.
    fn finish_one(&mut self) {
        let first = self.ends.iter().min_by(|a, b| a.1.total_cmp(b.1)).map(|(trial, end)| (*trial, *end));
        let (trial, end) = first.unwrap_or_else(|| {
            panic!(
                "seed {}: nothing runs, and the search goes on: {:?}",
                self.seed,
                self.log.records.last_chunk::<12>()
            )
        });
        self.ends.remove(&trial);
        self.now = end;
        let attempt = self.study.trials[&trial].running_attempt().unwrap();
        let (attempt, fidelity) = (attempt.number, attempt.until);
        let value = -curve(trial.0 + 1000 * self.seed, fidelity.0);
        let draw = self.draw();
        let outcome = if draw < self.failing / 2.0 {
            Outcome::Failed { kind: FailureKind::NotFinite, reason: "nan".into() }
        } else if draw < self.failing {
            Outcome::Interrupted { reason: "lost".into(), by_request: false }
        } else {
            Outcome::Reached {
                fidelity,
                value,
                checkpoint: Some(format!("{trial}@{fidelity}")),
                further: Further::default(),
            }
        };
        self.apply(Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(outcome) });
    }

    pub(crate) fn run(self, workers: usize) -> Self {
        self.run_observed(workers, |_| {})
    }

    /// Runs to the end of the search; `observe` sees the study whenever decisions have been performed.
    pub(crate) fn run_observed(mut self, workers: usize, mut observe: impl FnMut(&Study)) -> Self {
        let scheduler = scheduler_for(self.study.settings.algorithm);
        for _ in 0..100_000 {
            while self.decide(&*scheduler, workers) && self.study.ended.is_none() {}
            check_index(&self.study);
            observe(&self.study);
            if self.study.ended.is_some() {
                return self;
            }
            self.finish_one();
        }
        panic!("seed {}: the search never ended", self.seed);
    }

    /// Performs what the scheduler decides for the free workers; tells whether that was anything.
    fn decide(&mut self, scheduler: &dyn Scheduler, workers: usize) -> bool {
        let free = workers - self.study.in_state(TrialState::Running).count();
        let decisions = scheduler.decide(&self.study, free);
        assert!(decisions.len() <= free.max(1), "seed {}: more decisions than slots", self.seed);
        let raised = self.study.settings.fidelity.base.is_some();
        if self.study.settings.algorithm == Algorithm::Hyperband && !raised {
            assert_eq!(decisions, scanned(&self.study, free), "seed {}: the slow way", self.seed);
        }
        if self.draws.is_multiple_of(5) {
            let restarted = Study::replay(&self.log.records).unwrap();
            assert_eq!(scheduler.decide(&restarted, free), decisions, "restart");
        }
        let any = !decisions.is_empty();
        decisions.into_iter().for_each(|decision| self.perform(decision));
        any
    }

    /// Number of trials that reached each fidelity, by bracket.
    pub(crate) fn rungs(&self) -> BTreeMap<u32, BTreeMap<Fidelity, u64>> {
        let mut rungs: BTreeMap<u32, BTreeMap<Fidelity, u64>> = BTreeMap::new();
        for trial in self.study.trials.values() {
            for fidelity in trial.reached.keys() {
                *rungs.entry(trial.bracket.unwrap()).or_default().entry(*fidelity).or_default() += 1;
            }
        }
        rungs
    }
}

/// Hyperband's decisions from a look at every bracket and every trial.
fn scanned(study: &Study, free: usize) -> Vec<Decision> {
    let table = brackets(&study.settings.fidelity);
    let (mut decisions, mut left) = (Vec::new(), study.settings.trials);
    for number in 0.. {
        if left == 0 {
            break;
        }
        let bracket =
            table[number as usize % table.len()].truncated(left, study.settings.fidelity.reduction_factor);
        left -= bracket.trials();
        let mut members: Vec<_> =
            study.trials.values().filter(|trial| trial.bracket == Some(number)).collect();
        let missing = bracket.trials() as usize - members.len();
        for (i, rung) in bracket.rungs.iter().enumerate() {
            let here = |trial: &Trial| trial.reached.contains_key(&rung.fidelity);
            let waits = |trial: &Trial| matches!(trial.state, TrialState::Queued | TrialState::Paused);
            let runs = members.iter().filter(|trial| waits(trial) && !here(trial));
            decisions.extend(runs.map(|trial| Decision::Run { trial: trial.id, until: rung.fidelity }));
            if i == 0 {
                let start = Decision::Start { bracket: Some(number), until: rung.fidelity };
                decisions.extend(std::iter::repeat_n(start, missing));
            }
            if missing > 0 || !members.iter().all(|trial| here(trial) || trial.state.is_final()) {
                break;
            }
            members.retain(|trial| here(trial));
            members.sort_by_key(|trial| (study.loss_at(trial, rung.fidelity), trial.id));
            members.truncate(bracket.rungs.get(i + 1).map_or(0, |next| next.trials as usize));
        }
    }
    decisions.truncate(free);
    let queued =
        study.trials.values().filter(|trial| trial.state == TrialState::Queued && decisions.is_empty());
    let again =
        |trial: &Trial| Decision::Run { trial: trial.id, until: trial.attempts.last().unwrap().until };
    decisions = queued.take(free).map(again).chain(decisions.clone()).collect();
    let settled =
        study.in_state(TrialState::Running).chain(study.in_state(TrialState::Queued)).next().is_none();
    if decisions.is_empty() && free > 0 && settled && study.started() >= study.settings.trials {
        let finished =
            study.trials.values().any(|trial| trial.fidelity() == Some(study.settings.fidelity.max));
        let paused = study.trials.values().filter(|trial| trial.state == TrialState::Paused && !finished);
        let best = paused.min_by_key(|trial| {
            let fidelity = trial.fidelity().unwrap();
            (std::cmp::Reverse(fidelity), study.loss_at(trial, fidelity), trial.id)
        });
        let levels = levels(&study.settings.fidelity);
        let next = |from| *levels.iter().find(|level| Some(**level) > from).unwrap();
        return vec![best.map_or(Decision::End(EndReason::Budget), |trial| Decision::Run {
            trial: trial.id,
            until: next(trial.fidelity()),
        })];
    }
    decisions
}

/// The index tells what the trials tell.
pub(crate) fn check_index(study: &Study) {
    for state in TrialState::ALL {
        let told: Vec<TrialId> = study.in_state(state).map(|trial| trial.id).collect();
        let found = study.trials.values().filter(|trial| trial.state == state).map(|trial| trial.id);
        assert_eq!(told, found.collect::<Vec<_>>(), "{state}");
    }
    for level in levels(&study.settings.fidelity) {
        let told: Vec<TrialId> = study
            .index()
            .rung(level)
            .into_iter()
            .flat_map(|rung| rung.results.iter())
            .map(|rank| rank.trial())
            .collect();
        let mut found: Vec<_> = study
            .trials
            .values()
            .filter_map(|trial| Some((study.loss_at(trial, level)?, trial.id)))
            .collect();
        found.sort();
        assert_eq!(told, found.into_iter().map(|(_, trial)| trial).collect::<Vec<_>>(), "rung {level}");
    }
}

pub(crate) fn halving(algorithm: Algorithm, trials: u64, max: u64) -> StudySettings {
    let mut settings = hyperband(trials, max);
    settings.algorithm = algorithm;
    settings
}

pub(crate) fn hyperband(trials: u64, max: u64) -> StudySettings {
    let mut settings = settings(Algorithm::Hyperband);
    settings.trials = trials;
    settings.fidelity.max = Fidelity(max);
    settings
}
