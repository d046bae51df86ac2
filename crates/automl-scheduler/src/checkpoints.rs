//! Whose checkpoints can go: a study in, trials out. No file is known here.
//!
//! A checkpoint is needed while its trial runs or waits to, and while a promotion may carry it on; the
//! scheduler alone knows the latter ([`Scheduler::may_go_on`]). Of the rest, the study's own setting says
//! how many of the best trials keep theirs. A disk budget takes more: everything that is not needed, the
//! worst trial first, down to the best trial's, until what is left fits.

use crate::{Scheduler, scheduler_for};
use automl_core::{KeepCheckpoints, Study, Trial, TrialId, TrialState};
use std::collections::BTreeSet;

/// That checkpoints of a trial can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposal {
    /// The trial.
    pub trial: TrialId,
    /// The one checkpoint that has to stay, if any.
    pub keep: Option<String>,
    /// Why the others can go.
    pub reason: String,
}

impl Disposal {
    /// Returns what of a trial's checkpoints was to go already, and may have been left by a crash.
    #[must_use]
    pub fn again(trial: &Trial) -> Option<Self> {
        let keep = trial.dropped.as_ref()?.keep.clone();
        Some(Disposal { trial: trial.id, keep, reason: "they were to go already".into() })
    }
}

/// Tells whether checkpoints may go like that: by the study's settings, by another number that a user asked to
/// keep, or because they were to go already.
#[must_use]
pub fn may_go(study: &Study, disposal: &Disposal) -> bool {
    let again = study.trials.get(&disposal.trial).and_then(Disposal::again);
    if again.as_ref() == Some(disposal) || disposals(study).contains(disposal) {
        return true;
    }
    let asked = asked_for(&disposal.reason);
    asked.is_some_and(|keep| disposals_keeping(study, keep).contains(disposal))
}

/// Returns how many trials keep theirs, from the reason that others do not.
fn asked_for(reason: &str) -> Option<KeepCheckpoints> {
    let digits = |c: char| c.is_ascii_digit();
    let number = reason.split(|c| !digits(c)).find_map(|part| part.parse().ok());
    let top = number.map(KeepCheckpoints::Top);
    let known = [KeepCheckpoints::Best, KeepCheckpoints::None].into_iter().chain(top);
    known.into_iter().find(|keep| why(*keep) == reason)
}

/// Returns the checkpoints that can go under the study's settings, oldest trial first. Those that have
/// gone already are not named again.
#[must_use]
pub fn disposals(study: &Study) -> Vec<Disposal> {
    let conduct = &study.settings.conduct;
    let mut disposals = disposals_keeping(study, conduct.keep_checkpoints);
    if let Some(budget) = conduct.disk_bytes {
        over_budget(study, budget, &mut disposals);
    }
    disposals
}

/// Returns the checkpoints that can go where so many are to be kept, whatever the study's settings say.
#[must_use]
pub fn disposals_keeping(study: &Study, keep: KeepCheckpoints) -> Vec<Disposal> {
    let Some(count) = keep.best() else { return Vec::new() };
    let best: BTreeSet<TrialId> = ranking(study).take(count).collect();
    let scheduler = scheduler_for(study.settings.algorithm);
    let holders = study.trials.values().filter(|trial| holds(trial) && !best.contains(&trial.id));
    holders.filter_map(|trial| disposal(study, &*scheduler, trial, &why(keep))).collect()
}

fn why(keep: KeepCheckpoints) -> String {
    match keep {
        KeepCheckpoints::All => "every trial keeps its checkpoints".into(),
        KeepCheckpoints::Best => "only the best trial keeps its checkpoints".into(),
        KeepCheckpoints::None => "no trial keeps its checkpoints".into(),
        KeepCheckpoints::Top(n) => format!("only the best {n} keep their checkpoints"),
    }
}

/// Drops what is not needed, the worst trial first, until the rest fits.
fn over_budget(study: &Study, budget: u64, disposals: &mut Vec<Disposal>) {
    let gone: BTreeSet<TrialId> = disposals.iter().map(|disposal| disposal.trial).collect();
    let bytes = |trial: &Trial| trial.checkpoint_bytes.unwrap_or(0);
    let left = study.trials.values().filter(|trial| !gone.contains(&trial.id));
    let mut total: u64 = left.map(bytes).fold(0, u64::saturating_add);
    let scheduler = scheduler_for(study.settings.algorithm);
    let ranked: Vec<TrialId> = ranking(study).collect();
    let unranked = study.trials.values().map(|trial| trial.id).filter(|id| !ranked.contains(id));
    let worst_first = unranked.chain(ranked.iter().skip(1).rev().copied());
    for id in worst_first.filter(|id| !gone.contains(id)) {
        let trial = &study.trials[&id];
        if total <= budget {
            return;
        }
        if !holds(trial) || trial.checkpoint_bytes.is_none() {
            continue;
        }
        if let Some(disposal) = disposal(study, &*scheduler, trial, "the disk budget is used up") {
            total -= bytes(trial);
            disposals.push(disposal);
        }
    }
}

/// What of a trial's checkpoints can go; `None` where all are needed or none is left.
fn disposal(study: &Study, scheduler: &dyn Scheduler, trial: &Trial, reason: &str) -> Option<Disposal> {
    let keep = match trial.state {
        TrialState::Queued | TrialState::Running => return None,
        TrialState::Paused if study.ended.is_none() && scheduler.may_go_on(study, trial) => {
            trial.checkpoint.clone().filter(|_| study.settings.fidelity.resumable)
        }
        TrialState::Paused
        | TrialState::Complete
        | TrialState::Stopped
        | TrialState::Failed
        | TrialState::Infeasible => None,
    };
    let dropped = trial.dropped.as_ref().is_some_and(|dropped| dropped.keep == keep);
    (!dropped).then(|| Disposal { trial: trial.id, keep, reason: reason.into() })
}

/// Whether a trial may have checkpoints here.
fn holds(trial: &Trial) -> bool {
    trial.foreign.is_none() && !trial.attempts.is_empty()
}

/// Trials with results, the best of the highest fidelity first, as the incumbent is chosen.
fn ranking(study: &Study) -> impl Iterator<Item = TrialId> + '_ {
    let mut seen = BTreeSet::new();
    let rungs = study.index().rungs().rev();
    rungs
        .flat_map(|(_, rung)| rung.results.iter().map(|rank| rank.trial()))
        .filter(move |id| seen.insert(*id))
}
