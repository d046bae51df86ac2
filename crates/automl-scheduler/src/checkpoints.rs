//! Whose checkpoints can go: a study in, trials out. No file is known here.
//!
//! A checkpoint is needed while its trial runs or waits to, while a promotion may carry it on, and while another
//! trial may still begin from it; the scheduler alone knows of promotions ([`Scheduler::may_go_on`]). Of the rest, the study's own setting says
//! how many of the best trials keep theirs. A disk budget takes more: everything that is not needed, the
//! worst trial first, down to the best trial's, until what is left fits.

use crate::{Scheduler, scheduler_for};
use automl_core::{EndReason, KeepCheckpoints, Study, Trial, TrialId, TrialState};
use std::collections::{BTreeMap, BTreeSet};

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
/// keep, or because they were to go already. Trials are spared because other actions need their checkpoints; where nobody noted
/// which, others may have gone instead under a disk budget.
#[must_use]
pub fn may_go(study: &Study, disposal: &Disposal, spared: Option<&BTreeSet<TrialId>>) -> bool {
    let again = study.trials.get(&disposal.trial).and_then(Disposal::again);
    if again.as_ref() == Some(disposal) {
        return true;
    }
    let by_settings = |spared: &BTreeSet<TrialId>| disposals(study, spared).contains(disposal);
    let of_settings = match spared {
        Some(spared) => by_settings(spared),
        None => {
            let others = || study.trials.keys().copied().filter(|id| *id != disposal.trial).collect();
            by_settings(&BTreeSet::new())
                || (study.settings.conduct.disk_bytes.is_some() && by_settings(&others()))
        }
    };
    let asked = || asked_for(&disposal.reason);
    of_settings || asked().is_some_and(|keep| disposals_keeping(study, keep).contains(disposal))
}

/// Returns how many trials keep theirs, from the reason that others do not.
fn asked_for(reason: &str) -> Option<KeepCheckpoints> {
    let digits = |c: char| c.is_ascii_digit();
    let number = reason.split(|c| !digits(c)).find_map(|part| part.parse().ok());
    let top = number.map(KeepCheckpoints::Top);
    let known = [KeepCheckpoints::Best, KeepCheckpoints::None].into_iter().chain(top);
    known.into_iter().find(|keep| why(*keep) == reason)
}

/// Returns the checkpoints that can go under the study's settings, oldest trial first, but for those of the trials
/// to be spared. Those that have gone already are not named again. How much of a disk budget the ones that stay of
/// a trial take is known only when they have been counted again: ask once more then.
#[must_use]
pub fn disposals(study: &Study, spared: &BTreeSet<TrialId>) -> Vec<Disposal> {
    let conduct = &study.settings.conduct;
    let mut disposals = disposals_keeping(study, conduct.keep_checkpoints);
    disposals.retain(|disposal| !spared.contains(&disposal.trial));
    if let Some(budget) = conduct.disk_bytes {
        over_budget(study, budget, spared, &mut disposals);
    }
    disposals
}

/// Returns the checkpoints that can go where so many are to be kept, whatever the study's settings say.
#[must_use]
pub fn disposals_keeping(study: &Study, keep: KeepCheckpoints) -> Vec<Disposal> {
    let Some(count) = keep.best() else { return Vec::new() };
    let best: BTreeSet<TrialId> = ranking(study).take(count).collect();
    let needs = Needs::of(study);
    let holders = study.trials.values().filter(|trial| holds(trial) && !best.contains(&trial.id));
    holders.filter_map(|trial| needs.disposal(trial, &why(keep))).collect()
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
fn over_budget(study: &Study, budget: u64, spared: &BTreeSet<TrialId>, disposals: &mut Vec<Disposal>) {
    let gone: BTreeSet<TrialId> = disposals.iter().map(|disposal| disposal.trial).collect();
    let bytes = |trial: &Trial| trial.checkpoint_bytes.unwrap_or(0);
    let left = study.trials.values().filter(|trial| !gone.contains(&trial.id));
    let mut total: u64 = left.map(bytes).fold(0, u64::saturating_add);
    let needs = Needs::of(study);
    let ranked: Vec<TrialId> = ranking(study).collect();
    let with_result: BTreeSet<TrialId> = ranked.iter().copied().collect();
    let unranked = study.trials.values().map(|trial| trial.id).filter(|id| !with_result.contains(id));
    let worst_first = unranked.chain(ranked.iter().skip(1).rev().copied());
    for id in worst_first.filter(|id| !gone.contains(id) && !spared.contains(id)) {
        let trial = &study.trials[&id];
        if total <= budget {
            return;
        }
        if !holds(trial) || trial.checkpoint_bytes.is_none() {
            continue;
        }
        if let Some(disposal) = needs.disposal(trial, "the disk budget is used up") {
            total -= bytes(trial);
            disposals.push(disposal);
        }
    }
}

/// What of checkpoints decisions may still need.
struct Needs<'a> {
    study: &'a Study,
    scheduler: Box<dyn Scheduler>,
    /// Checkpoints that a copy may still have to be made of, by the trial that has them.
    to_hand_on: BTreeMap<TrialId, &'a String>,
}

impl<'a> Needs<'a> {
    fn of(study: &'a Study) -> Self {
        let open =
            [TrialState::Queued, TrialState::Running].into_iter().flat_map(|state| study.in_state(state));
        let sources = open.filter(|trial| trial.reached.is_empty()).filter_map(|trial| {
            let inherited = trial.inherited.as_ref()?;
            Some((inherited.from, inherited.source.as_ref()?))
        });
        Needs { study, scheduler: scheduler_for(study.settings.algorithm), to_hand_on: sources.collect() }
    }

    /// What of a trial's checkpoints can go; `None` where all are needed or none is left.
    fn disposal(&self, trial: &Trial, reason: &str) -> Option<Disposal> {
        let study = self.study;
        let carried_on = match trial.state {
            TrialState::Queued | TrialState::Running => return None,
            TrialState::Paused => goes_on(study) && self.scheduler.may_go_on(study, trial),
            TrialState::Complete | TrialState::Stopped | TrialState::Failed | TrialState::Infeasible => false,
        };
        let needed = trial.checkpoint.as_ref().filter(|checkpoint| {
            let copied = self.to_hand_on.get(&trial.id) == Some(checkpoint);
            copied || (carried_on && study.settings.fidelity.resumable)
        });
        let dropped = trial.dropped.as_ref().is_some_and(|dropped| dropped.keep.as_ref() == needed);
        (!dropped).then(|| Disposal { trial: trial.id, keep: needed.cloned(), reason: reason.into() })
    }
}

/// Whether decisions are still to come: a search that ended for what people can mend is carried on once they have.
fn goes_on(study: &Study) -> bool {
    study.ended.is_none_or(EndReason::can_be_mended)
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

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Event, Fidelity, Further, Outcome};
    use automl_testkit::{Log, settings};

    /// A log of trials that train whole, each with 100 bytes of checkpoints and a value that rises with its number.
    fn finished(trials: u64, keep: KeepCheckpoints, disk_bytes: Option<u64>) -> Log {
        let mut settings = settings(Algorithm::Random);
        (settings.conduct.keep_checkpoints, settings.conduct.disk_bytes) = (keep, disk_bytes);
        let whole = |log: Log, trial| {
            let log = reach(log.suggest(trial).start(trial, 1, 9), trial, 1, 9, 0.1 * trial as f64);
            count(log, trial, 100)
        };
        (1..=trials).fold(Log::new(settings), whole)
    }

    fn reach(log: Log, trial: u64, attempt: u32, fidelity: u64, value: f64) -> Log {
        let (fidelity, further) = (Fidelity(fidelity), Further::default());
        let checkpoint = Some(format!("{trial}@{fidelity}"));
        log.end(trial, attempt, Outcome::Reached { fidelity, value, checkpoint, further })
    }

    fn count(log: Log, trial: u64, bytes: u64) -> Log {
        log.with(Event::CheckpointsCounted { trial: TrialId(trial), bytes })
    }

    fn drop(log: Log, disposal: &Disposal) -> Log {
        let Disposal { trial, keep, reason } = disposal.clone();
        log.with(Event::CheckpointsDropped { trial, keep, reason, spared: None })
    }

    fn found(log: &Log) -> Vec<(u64, Option<String>)> {
        let found = disposals(&log.study().unwrap(), &BTreeSet::new());
        found.into_iter().map(|disposal| (disposal.trial.0, disposal.keep)).collect()
    }

    /// Trials whose checkpoints go as a whole.
    fn gone(log: &Log) -> Vec<u64> {
        found(log).into_iter().filter(|(_, keep)| keep.is_none()).map(|(trial, _)| trial).collect()
    }

    #[test]
    fn so_many_of_the_best_keep_theirs() {
        let cases = [
            (KeepCheckpoints::All, vec![]),
            (KeepCheckpoints::Best, vec![1, 2, 3]),
            (KeepCheckpoints::None, vec![1, 2, 3, 4]),
            (KeepCheckpoints::Top(2), vec![1, 2]),
            (KeepCheckpoints::Top(9), vec![]),
        ];
        for (keep, expected) in cases {
            assert_eq!(gone(&finished(4, keep, None)), expected, "{keep:?}");
        }
    }

    #[test]
    fn what_has_gone_is_not_named_again() {
        let log = finished(2, KeepCheckpoints::Best, None);
        let [disposal] = &disposals(&log.study().unwrap(), &BTreeSet::new())[..] else { panic!("not one") };
        assert_eq!(found(&drop(log, disposal)), []);
    }

    #[test]
    fn over_a_disk_budget_the_worst_go_until_the_rest_fits_and_the_best_never() {
        for (budget, expected) in [(400, vec![]), (399, vec![1]), (200, vec![1, 2]), (0, vec![1, 2, 3])] {
            assert_eq!(gone(&finished(4, KeepCheckpoints::All, Some(budget))), expected, "{budget}");
        }
        let spared = disposals(
            &finished(4, KeepCheckpoints::All, Some(200)).study().unwrap(),
            &BTreeSet::from([TrialId(1)]),
        );
        assert_eq!(spared.iter().map(|disposal| disposal.trial.0).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn promotable_trial_keeps_the_one_that_it_would_carry_on_from() {
        let mut settings = settings(Algorithm::Asha);
        settings.conduct.keep_checkpoints = KeepCheckpoints::None;
        let log = reach(Log::new(settings).suggest(1).start(1, 1, 3), 1, 1, 3, 0.5);
        assert_eq!(found(&log), [(1, Some("1@3".into()))]);
        let disposal = disposals(&log.study().unwrap(), &BTreeSet::new()).remove(0);
        let log = drop(log, &disposal);
        assert_eq!(found(&log), []);
        let mended = log.clone().with(Event::StudyEnded { reason: EndReason::Failures });
        assert_eq!(found(&mended), [], "it goes on once that is mended");
        let log = log.with(Event::StudyEnded { reason: EndReason::Budget });
        assert_eq!(found(&log), [(1, None)], "no decision comes any more");
    }

    /// What is kept of a trial is counted again, and may go when nothing needs it any more.
    #[test]
    fn what_is_kept_counts_towards_the_disk_budget() {
        let mut settings = settings(Algorithm::Asha);
        settings.conduct.disk_bytes = Some(50);
        let mut log = Log::new(settings);
        for trial in [1, 2] {
            log = log.suggest(trial).start(trial, 1, 3);
            log = count(reach(log, trial, 1, 3, 0.1 * trial as f64), trial, 100);
        }
        let [disposal] = &disposals(&log.study().unwrap(), &BTreeSet::new())[..] else { panic!("not one") };
        assert_eq!((disposal.trial, disposal.keep.as_deref()), (TrialId(1), Some("1@3")));
        log = count(drop(log, disposal), 1, 40);
        assert_eq!(found(&log), [], "both are needed");
        log = log.with(Event::StudyEnded { reason: EndReason::Budget });
        assert_eq!(found(&log), [(1, None)]);
    }

    #[test]
    fn given_up_parent_keeps_what_a_copy_is_still_to_be_made_of() {
        let mut settings = settings(Algorithm::Pbt);
        settings.fidelity.min = Fidelity(3);
        settings.conduct.keep_checkpoints = KeepCheckpoints::None;
        let log = reach(Log::new(settings).suggest(1).start(1, 1, 3), 1, 1, 3, 0.5).suggest(2);
        let log = log.with(Event::CheckpointInherited {
            trial: TrialId(2),
            from: TrialId(1),
            fidelity: Fidelity(3),
            source: Some("1@3".into()),
            copy: Some("copy".into()),
        });
        let log = log.with(Event::TrialStopped { trial: TrialId(1), reason: "cancelled".into() });
        assert_eq!(found(&log), [(1, Some("1@3".into()))], "not started");
        let log = log.start(2, 1, 6);
        assert_eq!(found(&log), [(1, Some("1@3".into()))], "nobody knows whether it was copied");
        assert_eq!(found(&reach(log, 2, 1, 6, 0.6)), [(1, None), (2, Some("2@6".into()))]);
    }

    #[test]
    fn restarted_programs_need_none() {
        let mut settings = settings(Algorithm::Asha);
        settings.conduct.keep_checkpoints = KeepCheckpoints::None;
        settings.fidelity.resumable = false;
        let log = reach(Log::new(settings).suggest(1).start(1, 1, 3), 1, 1, 3, 0.5);
        assert_eq!(found(&log), [(1, None)]);
    }

    #[test]
    fn queued_and_running_trials_keep_all() {
        let mut settings = settings(Algorithm::Random);
        settings.conduct.keep_checkpoints = KeepCheckpoints::None;
        let log = Log::new(settings).suggest(1);
        assert_eq!(found(&log.clone().start(1, 1, 9)), []);
        let again = Outcome::Interrupted { reason: "lost".into(), by_request: false };
        assert_eq!(found(&log.start(1, 1, 9).end(1, 1, again)), []);
    }
}
