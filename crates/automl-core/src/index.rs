//! What schedulers ask again and again, kept up to date with every event: trials by state, and the
//! results at each fidelity in order.
//!
//! Nothing here is a fact of its own. It follows from the trials, and a test builds it anew from them
//! after every event. Trials from elsewhere are left out: they cost no budget and never run here.

use crate::front::Excess;
use crate::ids::{Fidelity, TrialId};
use crate::objective::Loss;
use crate::ranking::Ranking;
use crate::settings::StudySettings;
use crate::trial::{Trial, TrialState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a result stands among others: how far it is beyond its bounds (0 is feasible), then its loss,
/// then the age of its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub(crate) excess: Excess,
    pub(crate) loss: Loss,
    pub(crate) trial: TrialId,
}

impl Rank {
    /// Returns the trial.
    #[must_use]
    pub fn trial(&self) -> TrialId {
        self.trial
    }
}

/// The results at one fidelity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RungResults {
    /// Every result, the best first.
    pub results: Ranking,
    /// Those of trials that are paused here, the best first.
    pub paused: BTreeSet<Rank>,
    /// Trials that failed on their way here.
    pub failed: BTreeSet<TrialId>,
}

impl RungResults {
    /// Returns the number of trials that were compared here. One that failed counts as the worst.
    #[must_use]
    pub fn compared(&self) -> usize {
        self.results.len() + self.failed.len()
    }

    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.failed.is_empty()
    }
}

/// Trials by state, and results by fidelity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    by_state: BTreeMap<TrialState, BTreeSet<TrialId>>,
    by_bracket: BTreeMap<u32, BTreeSet<TrialId>>,
    /// Those of a bracket that are paused.
    waiting: BTreeMap<u32, BTreeSet<TrialId>>,
    /// Number of running trials by where they run to.
    under_way: BTreeMap<Fidelity, usize>,
    rungs: BTreeMap<Fidelity, RungResults>,
    attempts: u64,
    awake: Awake,
}

/// Brackets that changed since a scheduler last found that there was nothing to decide in them.
///
/// No fact but a memo: what is to be decided in a bracket follows from its trials and the settings, so a bracket
/// in which there was nothing stays so until one of these changes. It spares a search of hundreds of brackets a
/// look at all of them for every free slot.
#[derive(Debug, Default)]
struct Awake(Mutex<BTreeSet<u32>>);

impl Awake {
    fn brackets(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Awake {
    fn clone(&self) -> Self {
        Awake(Mutex::new(self.brackets().clone()))
    }
}

impl PartialEq for Awake {
    /// What is remembered makes no difference.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Index {
    /// Returns the trials in one state, oldest first.
    pub fn in_state(&self, state: TrialState) -> impl DoubleEndedIterator<Item = TrialId> {
        self.by_state.get(&state).into_iter().flatten().copied()
    }

    /// Returns the number of trials in one state.
    #[must_use]
    pub fn count(&self, state: TrialState) -> usize {
        self.by_state.get(&state).map_or(0, BTreeSet::len)
    }

    /// Returns the number of trials in any state.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.by_state.values().map(|trials| trials.len() as u64).sum()
    }

    /// Returns the trials of a bracket, oldest first.
    pub fn in_bracket(&self, bracket: u32) -> impl ExactSizeIterator<Item = TrialId> + DoubleEndedIterator {
        static NONE: BTreeSet<TrialId> = BTreeSet::new();
        self.by_bracket.get(&bracket).unwrap_or(&NONE).iter().copied()
    }

    /// Returns the trials of a bracket that are paused, oldest first.
    pub fn paused_in_bracket(&self, bracket: u32) -> impl DoubleEndedIterator<Item = TrialId> {
        self.waiting.get(&bracket).into_iter().flatten().copied()
    }

    /// Tells whether a trial is running that ends at a fidelity or below.
    #[must_use]
    pub fn is_under_way(&self, until: Fidelity) -> bool {
        self.under_way.first_key_value().is_some_and(|(first, _)| *first <= until)
    }

    /// Returns the highest number of a bracket that has trials.
    #[must_use]
    pub fn last_bracket(&self) -> Option<u32> {
        self.by_bracket.last_key_value().map(|(bracket, _)| *bracket)
    }

    /// Returns the brackets with trials that are not known to be at rest, the lowest number first.
    #[must_use]
    pub fn awake(&self) -> Vec<u32> {
        self.awake.brackets().iter().copied().collect()
    }

    /// Notes that nothing is to be decided in a bracket before one of its trials or the settings change.
    pub fn rest(&self, bracket: u32) {
        self.awake.brackets().remove(&bracket);
    }

    /// Forgets which brackets are at rest, because the settings have changed.
    pub(crate) fn wake_all(&mut self) {
        let all = self.by_bracket.keys().copied();
        self.awake.brackets().extend(all);
    }

    /// Returns the number of attempts that have been started.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Returns the results at a fidelity; `None` where no trial has got there yet.
    #[must_use]
    pub fn rung(&self, fidelity: Fidelity) -> Option<&RungResults> {
        self.rungs.get(&fidelity)
    }

    /// Returns the results at every fidelity that a trial has got to, the smallest fidelity first.
    pub fn rungs(&self) -> impl DoubleEndedIterator<Item = (Fidelity, &RungResults)> {
        self.rungs.iter().map(|(fidelity, rung)| (*fidelity, rung))
    }

    /// Adds what a trial is now.
    pub(crate) fn learn(&mut self, trial: &Trial, settings: &StudySettings) {
        if trial.foreign.is_some() {
            return;
        }
        self.by_state.entry(trial.state).or_default().insert(trial.id);
        self.attempts += trial.attempts.len() as u64;
        if let Some(bracket) = trial.bracket {
            self.by_bracket.entry(bracket).or_default().insert(trial.id);
            if trial.state == TrialState::Paused {
                self.waiting.entry(bracket).or_default().insert(trial.id);
            }
            self.awake.brackets().insert(bracket);
        }
        if let Some(attempt) = trial.running_attempt() {
            *self.under_way.entry(attempt.until).or_default() += 1;
        }
        for fidelity in trial.reached.keys() {
            if let Some(rank) = rank(trial, *fidelity, settings) {
                let rung = self.rungs.entry(*fidelity).or_default();
                rung.results.insert(rank);
                if is_paused_at(trial, *fidelity) {
                    rung.paused.insert(rank);
                }
            }
        }
        if let Some(fidelity) = failed_at(trial) {
            self.rungs.entry(fidelity).or_default().failed.insert(trial.id);
        }
    }

    /// Takes away what a trial was.
    pub(crate) fn forget(&mut self, trial: &Trial, settings: &StudySettings) {
        self.attempts -= trial.attempts.len() as u64;
        if let Some(trials) = self.by_state.get_mut(&trial.state) {
            trials.remove(&trial.id);
        }
        self.by_state.retain(|_, trials| !trials.is_empty());
        if let Some(bracket) = trial.bracket
            && let Some(waiting) = self.waiting.get_mut(&bracket)
        {
            waiting.remove(&trial.id);
            if waiting.is_empty() {
                self.waiting.remove(&bracket);
            }
        }
        if let Some(number) = trial.running_attempt().and_then(|run| self.under_way.get_mut(&run.until)) {
            *number -= 1;
        }
        self.under_way.retain(|_, number| *number > 0);
        for fidelity in trial.reached.keys() {
            if let (Some(rung), Some(rank)) = (self.rungs.get_mut(fidelity), rank(trial, *fidelity, settings))
            {
                rung.results.remove(&rank);
                rung.paused.remove(&rank);
            }
        }
        if let Some(rung) = failed_at(trial).and_then(|fidelity| self.rungs.get_mut(&fidelity)) {
            rung.failed.remove(&trial.id);
        }
        self.rungs.retain(|_, rung| !rung.is_empty());
    }
}

fn is_paused_at(trial: &Trial, fidelity: Fidelity) -> bool {
    trial.state == TrialState::Paused && trial.fidelity() == Some(fidelity)
}

/// Where a trial that ended without a result was going.
fn failed_at(trial: &Trial) -> Option<Fidelity> {
    let failed = matches!(trial.state, TrialState::Failed | TrialState::Infeasible);
    trial.attempts.last().filter(|_| failed).map(|attempt| attempt.until)
}

/// Where a trial's result at a fidelity stands.
pub(crate) fn rank(trial: &Trial, fidelity: Fidelity, settings: &StudySettings) -> Option<Rank> {
    let loss = settings.objective.loss(*trial.reached.get(&fidelity)?)?;
    let excess = Excess::of(trial, fidelity, settings);
    Some(Rank { excess, loss, trial: trial.id })
}
