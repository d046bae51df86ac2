//! Which running trial is to be stopped because it is not going to win: a study in, a reason out.
//!
//! Every rule looks at a trial when it has just reported, and compares it with those only that had
//! reported as much before it. So the answer does not depend on when the question is asked, a decision
//! stays true however many trials follow, and a replay of the log finds it again. A stopped trial keeps
//! its result at the step that it got to; models learn from it as from any other.
//!
//! Reports without a step say nothing here. Further objectives and constraints are not looked at.

mod curve;

use crate::bracket::levels;
use automl_core::{Arrival, Direction, EarlyStop, Fidelity, Loss, Study, Trial, TrialId};

/// Other trials that the median needs before it means anything.
const MEDIAN_OTHERS_MIN: usize = 5;

/// Returns why a running trial is to be stopped now, by the study's rule; `None` where it goes on.
#[must_use]
pub fn should_stop(study: &Study, trial: TrialId) -> Option<String> {
    let trial = study.trials.get(&trial)?;
    if trial.running_attempt().is_none() || trial.stopping.is_some() {
        return None;
    }
    match study.settings.conduct.early_stop {
        EarlyStop::None => None,
        EarlyStop::Asha => behind_its_rung(study, trial),
        EarlyStop::Median => below_the_median(study, trial),
        EarlyStop::Curve => curve::hopeless(study, trial),
    }
}

/// The stopping form of asynchronous successive halving. At each rung that it gets to, a trial goes on
/// only if it is among the best ⌊n / η⌋ of the n that have got there so far, itself included; while that
/// is none, the best one goes on. Ties go to the older trial, and a value that is no number to nobody.
///
/// Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020, appendix; the rank
/// rule in place of a quantile, so that ties do not let everybody pass.
fn behind_its_rung(study: &Study, trial: &Trial) -> Option<String> {
    let plan = &study.settings.fidelity;
    let eta = usize::try_from(plan.reduction_factor.max(2)).unwrap_or(usize::MAX);
    let rungs = levels(plan).into_iter().filter(|level| *level < plan.max);
    rungs.map_while(|level| Some((level, study.arrival(trial, level)?))).find_map(|(level, own)| {
        let unit = &plan.unit;
        let Some(loss) = study.loss_by(trial, own.step) else {
            return Some(format!("asha: its value at {unit} {} is no number", own.step));
        };
        let before = others(study, trial).filter_map(|other| {
            let arrival = study.arrival(other, level).filter(|arrival| arrival.order < own.order)?;
            Some((study.loss_by(other, arrival.step), other.id))
        });
        let before: Vec<(Option<Loss>, TrialId)> = before.collect();
        let better = before.iter().filter(|(other, id)| other.is_some_and(|o| (o, *id) < (loss, trial.id)));
        let (place, reached) = (better.count() + 1, before.len() + 1);
        let passing = (reached / eta).max(1);
        (place > passing).then(|| {
            format!("asha: place {place} of {reached} at the rung of {level} {unit}s, of which {passing} may go on")
        })
    })
}

/// The median rule: a trial is stopped when its best value so far is worse than the median of what the
/// others averaged up to the same step, given [`MEDIAN_OTHERS_MIN`] of them and the smallest fidelity; but not at a step
/// where the best finished trial was no better.
///
/// Golovin et al., *Google Vizier: A Service for Black-Box Optimization*, KDD 2017, section 3.2.2.
fn below_the_median(study: &Study, trial: &Trial) -> Option<String> {
    let own = latest(study, trial)?;
    let averages = others(study, trial).filter_map(|other| {
        study.arrival(other, Fidelity(own.step)).filter(|arrival| arrival.order < own.order)?;
        average(study, other, own.step)
    });
    let mut averages: Vec<f64> = averages.collect();
    if averages.len() < MEDIAN_OTHERS_MIN {
        return None;
    }
    averages.sort_by(f64::total_cmp);
    let median = averages[averages.len() / 2];
    let best = study.losses_until(trial, own.step).filter_map(|(_, loss)| loss).min();
    let (metric, unit) = (&study.settings.objective.metric, &study.settings.fidelity.unit);
    let below = |best: Option<Loss>| best.is_none_or(|best| best.get() > median);
    // A rule by which the best finished trial would have been stopped here says nothing here.
    let misled = best_finished(study).next().is_some_and(|(finished, _)| {
        below(study.losses_until(finished, own.step).filter_map(|(_, loss)| loss).min())
    });
    (below(best) && !misled).then(|| {
        let best = best.map_or_else(|| "no number".into(), |best| in_metric(study, best.get()).to_string());
        format!(
            "median: its best {metric} up to {unit} {} is {best}, the median of {} others {}",
            own.step,
            averages.len(),
            in_metric(study, median)
        )
    })
}

/// The study's own trials with a result at the largest fidelity, the best first.
fn best_finished(study: &Study) -> impl Iterator<Item = (&Trial, Loss)> {
    let max = study.settings.fidelity.max;
    let results = study.index().rung(max).into_iter().flat_map(|rung| rung.results.iter());
    let trials = results.filter_map(|rank| study.trials.get(&rank.trial()));
    trials.filter_map(move |trial| Some((trial, study.loss_at(trial, max)?)))
}

/// A loss, or a mean of some, in the metric's own terms.
fn in_metric(study: &Study, loss: f64) -> f64 {
    match study.settings.objective.direction {
        Direction::Minimize => loss,
        Direction::Maximize => -loss,
    }
}

/// Mean loss of a trial up to a step, over what are numbers.
fn average(study: &Study, trial: &Trial, step: u64) -> Option<f64> {
    let losses: Vec<f64> =
        study.losses_until(trial, step).filter_map(|(_, loss)| loss).map(Loss::get).collect();
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}

/// The last report of a trial, once it has got to the smallest fidelity and while there is something
/// left to save.
fn latest(study: &Study, trial: &Trial) -> Option<Arrival> {
    let plan = &study.settings.fidelity;
    study.latest(trial).filter(|own| own.step >= plan.min.0 && own.step < plan.max.0)
}

/// The study's other trials.
fn others<'a>(study: &'a Study, trial: &'a Trial) -> impl Iterator<Item = &'a Trial> {
    study.trials.values().filter(|other| other.id != trial.id && other.foreign.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, AttemptNumber, Conduct, Event};
    use automl_testkit::{Log, settings};

    /// A study of running trials, maximising `acc` up to 9 epochs.
    fn log(rule: EarlyStop) -> Log {
        let mut settings = settings(Algorithm::Random);
        settings.conduct = Conduct { early_stop: rule, ..Conduct::default() };
        settings.trials = 100;
        Log::new(settings)
    }

    fn begin(log: Log, trial: u64) -> Log {
        log.suggest(trial).start(trial, 1, 9)
    }

    fn report(log: Log, trial: u64, step: u64, value: f64) -> Log {
        log.with(Event::Measured {
            trial: TrialId(trial),
            attempt: AttemptNumber(1),
            source: 0,
            line: step,
            step: Some(step),
            values: [("acc".to_string(), value)].into(),
        })
    }

    fn answer(log: &Log, trial: u64) -> Option<String> {
        should_stop(&log.study().unwrap(), TrialId(trial))
    }

    #[test]
    fn the_best_third_of_a_rung_goes_on() {
        let mut log = log(EarlyStop::Asha);
        let values = [0.5, 0.4, 0.6, 0.55, 0.7, 0.65];
        let mut told = Vec::new();
        for (trial, value) in (1..).zip(values) {
            log = report(begin(log, trial), trial, 1, value);
            told.push(answer(&log, trial).is_some());
        }
        // Places 1 of 1, 2 of 2, 1 of 3, 2 of 4, 1 of 5, 2 of 6; the first ⌊n / 3⌋, at least one, go on.
        assert_eq!(told, [false, true, false, true, false, false]);
        assert_eq!(
            answer(&log, 4).unwrap(),
            "asha: place 2 of 4 at the rung of 1 epochs, of which 1 may go on"
        );
    }

    #[test]
    fn later_trials_change_nothing_at_a_rung() {
        let mut log = report(begin(log(EarlyStop::Asha), 1), 1, 1, 0.1);
        assert_eq!(answer(&log, 1), None);
        for trial in 2..9 {
            log = report(begin(log, trial), trial, 1, 0.2 + 0.01 * trial as f64);
        }
        assert_eq!(answer(&log, 1), None);
        let log = report(log, 1, 2, 0.1);
        assert_eq!(answer(&log, 1), None, "between the rungs nothing is compared");
    }

    #[test]
    fn ties_go_to_the_older_trial_and_no_number_to_nobody() {
        let log = begin(begin(begin(log(EarlyStop::Asha), 1), 2), 3);
        let log = report(report(log, 1, 1, f64::NAN), 3, 1, 0.5);
        assert!(answer(&log, 1).unwrap().contains("no number"));
        assert_eq!(answer(&log, 3), None, "a value beats none");
        let log = report(log, 2, 1, 0.5);
        assert_eq!(answer(&log, 2), None, "it is the older of two equal ones");
    }

    #[test]
    fn a_rung_without_a_report_of_its_own_is_the_next_report() {
        let mut log = log(EarlyStop::Asha);
        for (trial, value) in [(1, 0.5), (2, 0.4)] {
            log = report(begin(log, trial), trial, 4, value);
        }
        assert_eq!(answer(&log, 1), None);
        assert!(answer(&log, 2).unwrap().contains("place 2 of 2 at the rung of 1 epochs"));
    }

    #[test]
    fn medians_need_others_and_are_of_averages() {
        let mut log = log(EarlyStop::Median);
        for trial in 1..6 {
            log = begin(log, trial);
            log = report(report(log, trial, 1, 0.1 * trial as f64), trial, 2, 0.1 * trial as f64 + 0.2);
        }
        assert_eq!(answer(&log, 5), None, "four others are too few");
        // Averages up to epoch 2: 0.2, 0.3, 0.4, 0.5, 0.6.
        let slow = report(report(begin(log.clone(), 6), 6, 1, 0.1), 6, 2, 0.39);
        assert_eq!(
            answer(&slow, 6).unwrap(),
            "median: its best acc up to epoch 2 is 0.39, the median of 5 others 0.4"
        );
        let fair = report(report(begin(log, 6), 6, 1, 0.1), 6, 2, 0.41);
        assert_eq!(answer(&fair, 6), None);
    }

    #[test]
    fn a_trial_that_is_being_stopped_is_not_stopped_again() {
        let mut log = log(EarlyStop::Asha);
        for trial in 1..3 {
            log = report(begin(log, trial), trial, 1, 1.0 / trial as f64);
        }
        let reason = answer(&log, 2).unwrap();
        let stop = Event::StopDecided { trial: TrialId(2), attempt: AttemptNumber(1), reason };
        assert_eq!(answer(&log.with(stop), 2), None);
    }

    #[test]
    fn results_of_stopped_trials_still_count_at_their_rungs() {
        let mut log = report(begin(log(EarlyStop::Asha), 1), 1, 1, 0.9);
        let stopped = Event::TrialStopped { trial: TrialId(1), reason: "enough".into() };
        log = log.reach(1, 1, 1, 0.9).with(stopped);
        log = report(begin(log, 2), 2, 1, 0.8);
        assert!(answer(&log, 2).unwrap().contains("place 2 of 2"));
        assert_eq!(log.study().unwrap().trials[&TrialId(1)].fidelity(), Some(Fidelity(1)));
    }
}
