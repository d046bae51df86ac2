//! PASHA: asynchronous successive halving that finds out by itself how far trials have to be trained.
//!
//! Promotions go to the second rung at first. The highest rung rises by one whenever the best trials of the two
//! highest rungs are ranked differently there: then training further still changes who wins. As long as it does
//! not, nothing is trained further, however large the largest fidelity is. When the budget of trials is spent, the best
//! trial alone is trained to the end.
//!
//! Two trials are ranked differently only if the lower rung turns their order by more than ε. That is the noise
//! of the curves: for every two trials whose order changed and changed back on the way to the higher rung, how far
//! apart they were there; of these, the ninth tenth. Where readings tell nothing, ε is 0 and any change counts.
//!
//! The highest rung follows from the trials: it is the highest one that two of them have got to, or one above.
//!
//! Bohdal, Balles, Wistuba, Ermis, Archambeau and Zappella, *PASHA: Efficient HPO and NAS with Progressive Resource
//! Allocation*, ICLR 2023. The best trials of a rung stand for all of them, so that a decision takes bounded time.

use crate::bracket::levels;
use crate::{Decision, Scheduler, asha};
use automl_core::{Fidelity, Loss, Study, Trial};

/// Best trials of the highest rung whose order is compared.
const COMPARED: usize = 12;
/// Last steps of two curves that are looked at for a change of order.
const STEPS: usize = 32;
/// Share of the differences that are noise below ε.
const QUANTILE: f64 = 0.9;

/// Asynchronous successive halving with a highest rung that rises as far as it must.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pasha;

impl Scheduler for Pasha {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        let levels = levels(&study.settings.fidelity);
        asha::decide(study, free, &levels, open_rungs(study, &levels))
    }
}

/// Number of rungs that trials may be promoted among.
fn open_rungs(study: &Study, levels: &[Fidelity]) -> usize {
    let results = |level: &Fidelity| study.index().rung(*level).map_or(0, |rung| rung.results.len());
    let highest = levels.iter().rposition(|level| results(level) >= 2).unwrap_or(0).max(1);
    match levels.get(highest) {
        Some(top) if highest + 1 < levels.len() && differ(study, levels[highest - 1], *top) => highest + 2,
        _ => levels.len().min(highest + 1),
    }
}

/// Tells whether the best trials of a rung were ranked differently at the rung below.
fn differ(study: &Study, below: Fidelity, top: Fidelity) -> bool {
    let Some(rung) = study.index().rung(top) else { return false };
    let best = rung.results.iter().take(COMPARED).filter_map(|rank| study.trials.get(&rank.trial()));
    let at = |trial: &Trial| Some((study.loss_at(trial, below)?.get(), study.loss_at(trial, top)?.get()));
    let best: Vec<(&Trial, (f64, f64))> = best.filter_map(|trial| Some((trial, at(trial)?))).collect();
    // Best first: what is turned round is a later one that was ahead.
    let ahead = pairs(&best).filter(|((_, (_, a)), (_, (_, b)))| a < b);
    let turned = ahead.map(|((_, (a, _)), (_, (b, _)))| a - b).fold(0.0, f64::max);
    turned > 0.0 && turned > noise(study, &best, top)
}

/// ε: how far apart trials are that took turns in being the better one.
fn noise(study: &Study, best: &[(&Trial, (f64, f64))], top: Fidelity) -> f64 {
    let curves: Vec<Vec<(u64, Loss)>> = best.iter().map(|(trial, _)| curve(study, trial, top)).collect();
    let apart = best.iter().map(|(_, (_, loss))| *loss);
    let both: Vec<(&Vec<(u64, Loss)>, f64)> = curves.iter().zip(apart).collect();
    let taking_turns = pairs(&both).filter(|((a, _), (b, _))| turns(a, b) >= 2);
    let mut apart: Vec<f64> = taking_turns.map(|((_, a), (_, b))| (a - b).abs()).collect();
    apart.sort_by(f64::total_cmp);
    let place = (apart.len() as f64 * QUANTILE).ceil() as usize;
    place.checked_sub(1).map_or(0.0, |place| apart[place])
}

/// The last readings of a trial up to a rung, by step.
fn curve(study: &Study, trial: &Trial, until: Fidelity) -> Vec<(u64, Loss)> {
    let mut curve: Vec<(u64, Loss)> =
        study.losses_until(trial, until.0).filter_map(|(step, loss)| Some((step, loss?))).collect();
    curve.sort_by_key(|(step, _)| *step);
    curve.dedup_by_key(|(step, _)| *step);
    curve.split_off(curve.len().saturating_sub(STEPS))
}

/// How often two curves changed their order, over the steps that both have.
fn turns(a: &[(u64, Loss)], b: &[(u64, Loss)]) -> usize {
    let order = |(step, loss): &(u64, Loss)| {
        let at = b.binary_search_by_key(step, |(step, _)| *step).ok()?;
        Some(loss.cmp(&b[at].1)).filter(|order| order.is_ne())
    };
    let orders: Vec<std::cmp::Ordering> = a.iter().filter_map(order).collect();
    orders.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Every two of some things, in their order.
fn pairs<T>(things: &[T]) -> impl Iterator<Item = (&T, &T)> {
    things.iter().enumerate().flat_map(|(i, a)| things[i + 1..].iter().map(move |b| (a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, AttemptNumber, Event, TrialId};
    use automl_testkit::{Log, settings};

    /// Nine trials at the first rung; three of them, the first the best, at the second one with these values.
    fn log(second: [f64; 3]) -> Log {
        let mut settings = settings(Algorithm::Pasha);
        (settings.trials, settings.fidelity.max) = (1000, Fidelity(81));
        let mut log = Log::new(settings);
        for trial in 1..=9 {
            log = log.suggest(trial).start(trial, 1, 1).reach(trial, 1, 1, 1.0 - 0.1 * trial as f64);
        }
        for (trial, value) in (1..).zip(second) {
            log = log.start(trial, 2, 3).reach(trial, 2, 3, value);
        }
        log
    }

    fn open(log: &Log) -> usize {
        let study = log.study().unwrap();
        open_rungs(&study, &levels(&study.settings.fidelity))
    }

    #[test]
    fn rankings_that_stay_keep_the_rungs_low() {
        let log = log([0.95, 0.9, 0.85]);
        assert_eq!(open(&log), 2);
        let decisions = Pasha.decide(&log.study().unwrap(), 1);
        assert!(matches!(decisions[..], [Decision::Start { .. }]), "{decisions:?}");
    }

    #[test]
    fn rankings_that_change_open_the_next_rung() {
        let log = log([0.85, 0.9, 0.95]);
        assert_eq!(open(&log), 3);
        let decisions = Pasha.decide(&log.study().unwrap(), 1);
        assert_eq!(decisions, [Decision::Run { trial: TrialId(3), until: Fidelity(9) }]);
    }

    #[test]
    fn changes_within_the_noise_of_the_curves_open_nothing() {
        let settings = log([0.0; 3]).study().unwrap().settings;
        // The first two take turns, and end 0.12 apart; the third was ahead by less than that.
        let values = |trial: u64| match trial {
            1 => [0.80, 0.70, 0.82],
            2 => [0.78, 0.79, 0.70],
            3 => [0.85, 0.50, 0.60],
            _ => [0.50; 3],
        };
        for (readings, expected) in [(true, 2), (false, 3)] {
            let mut log = Log::new(settings.clone());
            for trial in 1..=9 {
                let at = |step: u64| values(trial)[step as usize - 1];
                let attempts = [(1, 1, 1..=1), (2, 3, 2..=3)];
                log = log.suggest(trial);
                for (attempt, until, steps) in attempts.into_iter().take(if trial <= 3 { 2 } else { 1 }) {
                    log = log.start(trial, attempt, until);
                    for step in steps.filter(|_| readings) {
                        log = read(log, trial, attempt, step, at(step));
                    }
                    log = log.reach(trial, attempt, until, at(until));
                }
            }
            assert_eq!(open(&log), expected, "with readings: {readings}");
        }
    }

    fn read(log: Log, trial: u64, attempt: u32, step: u64, value: f64) -> Log {
        log.with(Event::Measured {
            trial: TrialId(trial),
            attempt: AttemptNumber(attempt),
            source: 0,
            line: step,
            step: Some(step),
            values: [("acc".to_string(), value)].into(),
        })
    }
}
