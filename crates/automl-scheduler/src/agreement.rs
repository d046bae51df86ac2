//! Which rungs are worth comparing trials at: how well their rankings agree with that at full fidelity.
//!
//! Trials that reached the largest fidelity have results at the rungs on their way, too. Over every two of
//! them the agreement of a rung is the share of pairs it ranks as full fidelity does, less the share it ranks
//! the other way round (Kendall's rank correlation), each pair weighted by how much the two differ at full
//! fidelity: which of two equally good trials was ahead early on says nothing. Differences within the worst quarter
//! are cut off, so that one diverged trial does not outweigh all others.
//!
//! A rung without enough such trials is taken for useful. One is skipped, so that nothing is compared there,
//!
//! - whose agreement is low: early losses are then noise, or favour what learns fast and ends badly. Of few trials noise makes
//!   an agreement as easily as not, and a useless rung that is kept costs whole trainings, while one that is skipped costs
//!   little before more is known. So the agreement must not be low by a wide margin;
//! - where training has hardly begun to tell trials apart: their losses are nearer together than what training still
//!   improves by far, as where a detector finds nothing at all during its first epochs;
//! - beside a skipped one, until enough trials speak for it: where some early results mislead, others may, too.
//!
//! Trials that go all the way stop at skipped rungs, too, until enough is known of them ([`visited_levels`]).

use crate::bracket::levels;
use automl_core::{Fidelity, Loss, Study, Trial, TrialState};

/// Trials at full fidelity without which nothing is said about a rung's ranking.
const TRIALS_MIN: usize = 2;
/// The first and the last so many trials at full fidelity are compared. So many tell enough about a rung.
const TRIALS_EACH: usize = 16;
/// Agreement below which a rung is skipped.
const AGREEMENT_MIN: f64 = 0.4;
/// First results at a rung whose differences tell whether training has begun there: as many as are spread evenly, before a
/// model makes them alike.
const FIRST_RESULTS: usize = 5;
/// They are among the first so many trials.
const FIRST_TRIALS: usize = 64;
/// Training has not begun where the middle one of these is not behind the best by this share of what training still improves.
const SPREAD_MIN: f64 = 0.05;
/// It has begun, however near together they are, where the ranking agrees as well as this over so many trials.
const AGREEMENT_SURE: (f64, usize) = (0.8, 6);

/// What is done at a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Trials are compared there: its ranking agrees with that at the largest fidelity, or too little is known.
    Useful,
    /// It is skipped, because its ranking says little about that at the largest fidelity.
    Misleading,
    /// It is skipped, because trials hardly differ there yet.
    Flat,
    /// It is skipped, because another one is and too few trials speak for it.
    Unproven,
}

/// How well the ranking at a rung agrees with that at the largest fidelity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The rung's fidelity; below the largest one.
    pub fidelity: Fidelity,
    /// Number of trials it was estimated from.
    pub trials: usize,
    /// Between -1 (turned round) and 1 (equal); `None` while too few trials say anything.
    pub value: Option<f64>,
    /// What follows from it.
    pub verdict: Verdict,
}

impl Agreement {
    /// Tells whether trials are worth comparing at this rung.
    #[must_use]
    pub fn is_useful(&self) -> bool {
        self.verdict == Verdict::Useful
    }
}

/// Returns the agreement of every rung below the largest fidelity, the lowest first.
#[must_use]
pub fn agreements(study: &Study) -> Vec<Agreement> {
    let mut levels = levels(&study.settings.fidelity);
    let full = levels.pop().expect("there is always the largest fidelity");
    let finished = finished(study);
    let mut rungs: Vec<Agreement> =
        levels.into_iter().map(|level| agreement(study, &finished, level, full)).collect();
    if !rungs.iter().all(Agreement::is_useful) {
        let unproven = rungs.iter_mut().filter(|rung| rung.is_useful() && rung.trials < TRIALS_EACH);
        unproven.for_each(|rung| rung.verdict = Verdict::Unproven);
    }
    rungs
}

/// Returns the fidelities at which trials are worth comparing, the largest one last.
pub(crate) fn useful_levels(rungs: &[Agreement], max: Fidelity) -> Vec<Fidelity> {
    let useful = rungs.iter().filter(|rung| rung.is_useful()).map(|rung| rung.fidelity);
    useful.chain([max]).collect()
}

/// Returns the fidelities at which trials that go all the way stop, the largest one last: those worth comparing at, and
/// those of which too little is known.
pub(crate) fn visited_levels(rungs: &[Agreement], max: Fidelity) -> Vec<Fidelity> {
    let visited = rungs.iter().filter(|rung| rung.is_useful() || rung.trials < TRIALS_EACH);
    visited.map(|rung| rung.fidelity).chain([max]).collect()
}

/// Some trials that reached the largest fidelity.
fn finished(study: &Study) -> Vec<&Trial> {
    let first: Vec<&Trial> = study.in_state(TrialState::Complete).take(TRIALS_EACH).collect();
    let newest = first.last().map(|trial| trial.id);
    let last = study.in_state(TrialState::Complete).rev().take(TRIALS_EACH);
    let last: Vec<&Trial> = last.take_while(|trial| Some(trial.id) > newest).collect();
    first.into_iter().chain(last).collect()
}

fn agreement(study: &Study, finished: &[&Trial], level: Fidelity, full: Fidelity) -> Agreement {
    let both = |trial: &&Trial| Some((study.loss_at(trial, level)?, study.loss_at(trial, full)?));
    let pairs: Vec<(Loss, Loss)> = finished.iter().filter_map(both).collect();
    let value = (pairs.len() >= TRIALS_MIN).then(|| weighted_tau(&pairs)).flatten();
    let is_sure = pairs.len() >= AGREEMENT_SURE.1 && value.is_some_and(|value| value >= AGREEMENT_SURE.0);
    let verdict = if pairs.len() < TRIALS_EACH && !is_sure && is_flat(study, &pairs, level) {
        Verdict::Flat
    } else if value.is_some_and(|value| value < AGREEMENT_MIN) {
        Verdict::Misleading
    } else {
        Verdict::Useful
    };
    Agreement { fidelity: level, trials: pairs.len(), value, verdict }
}

/// Tells whether the first results at a rung are nearer together than what training still improves by far. `losses` are
/// those at the rung and at the largest fidelity, of trials that have got there.
fn is_flat(study: &Study, losses: &[(Loss, Loss)], level: Fidelity) -> bool {
    if losses.is_empty() {
        return false;
    }
    // Few are looked at: the first trials tell what training does without the bias of having been chosen for it, and a
    // decision must not take longer with the number of trials.
    let comparable = study.trials.values().take(FIRST_TRIALS).filter(|trial| trial.is_comparable());
    let results = comparable.filter_map(|trial| study.loss_at(trial, level)).map(Loss::get);
    let mut first: Vec<f64> = results.take(FIRST_RESULTS).collect();
    if first.len() < FIRST_RESULTS {
        return false;
    }
    let spread = lower_median(&mut first) - first[0];
    let mut improvements: Vec<f64> = losses.iter().map(|(early, late)| early.get() - late.get()).collect();
    spread < SPREAD_MIN * lower_median(&mut improvements)
}

/// Returns the middle value, of two the smaller one; sorts them.
fn lower_median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// Kendall's correlation of early and late losses, pairs weighted by their late difference; `None` where all
/// late losses are equal.
fn weighted_tau(losses: &[(Loss, Loss)]) -> Option<f64> {
    let mut late: Vec<f64> = losses.iter().map(|(_, late)| late.get()).collect();
    late.sort_by(f64::total_cmp);
    let (quartile, worst) = (late[late.len() * 3 / 4], late[late.len() - 1]);
    let cut = if quartile > late[0] { quartile } else { worst };
    let (mut agreeing, mut all) = (0.0, 0.0);
    for (i, (early, late)) in losses.iter().enumerate() {
        for (other_early, other_late) in &losses[..i] {
            let weight = late.get().min(cut) - other_late.get().min(cut);
            all += weight.abs();
            agreeing += match early.cmp(other_early) {
                std::cmp::Ordering::Less => -weight,
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Greater => weight,
            };
        }
    }
    let value = agreeing / all;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Direction};
    use automl_testkit::{Log, settings};

    /// Trials with these losses after 1, 3 and 9 epochs.
    fn study(losses: &[[f64; 3]]) -> Study {
        let mut settings = settings(Algorithm::Race);
        settings.objective.direction = Direction::Minimize;
        settings.trials = 100;
        let mut log = Log::new(settings);
        for (trial, curve) in (1..).zip(losses) {
            log = log.suggest(trial);
            for (attempt, (fidelity, loss)) in (1..).zip([1, 3, 9].into_iter().zip(curve)) {
                log = log.start(trial, attempt, fidelity).reach(trial, attempt, fidelity, *loss);
            }
        }
        log.study().unwrap()
    }

    #[test]
    fn nothing_is_said_of_few_trials() {
        let study = study(&[[3.0, 2.0, 1.0]]);
        assert!(agreements(&study).iter().all(|rung| rung.value.is_none() && rung.trials == 1));
        assert_eq!(useful_levels(&agreements(&study), Fidelity(9)), [1, 3, 9].map(Fidelity));
        let two = self::study(&[[3.0, 2.0, 1.0], [1.0, 3.0, 2.0]]);
        let values: Vec<Option<f64>> = agreements(&two).iter().map(|rung| rung.value).collect();
        assert_eq!(values, [-1.0, 1.0].map(Some), "two are a ranking");
    }

    #[test]
    fn inverting_rung_is_skipped() {
        let curves = [[9.0, 1.0, 1.0], [7.0, 3.0, 2.0], [5.0, 4.0, 3.0], [2.0, 6.0, 5.0], [1.0, 7.0, 6.0]];
        let study = study(&curves);
        let values: Vec<f64> = agreements(&study).iter().map(|rung| rung.value.unwrap()).collect();
        assert_eq!(values, [-1.0, 1.0]);
        assert_eq!(
            useful_levels(&agreements(&study), Fidelity(9)),
            [Fidelity(9)],
            "five do not prove the second"
        );
        assert_eq!(
            visited_levels(&agreements(&study), Fidelity(9)),
            [1, 3, 9].map(Fidelity),
            "five trials do not tell enough"
        );
    }

    #[test]
    fn rung_known_to_be_useless_is_not_visited() {
        let curves: Vec<[f64; 3]> = (0..16).map(f64::from).map(|x| [-x, x, x]).collect();
        assert_eq!(visited_levels(&agreements(&study(&curves)), Fidelity(9)), [3, 9].map(Fidelity));
    }

    #[test]
    fn rung_beside_a_skipped_one_needs_proof() {
        let curves: Vec<[f64; 3]> = (0..16).map(f64::from).map(|x| [-x, x, x]).collect();
        let verdicts =
            |trials| agreements(&study(&curves[..trials])).iter().map(|r| r.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(15), [Verdict::Misleading, Verdict::Unproven]);
        assert_eq!(verdicts(16), [Verdict::Misleading, Verdict::Useful]);
        let turned: Vec<[f64; 3]> = (0..15).map(f64::from).map(|x| [x, -x, x]).collect();
        let verdicts: Vec<Verdict> = agreements(&study(&turned)).iter().map(|r| r.verdict).collect();
        assert_eq!(verdicts, [Verdict::Unproven, Verdict::Misleading], "a lower one, too");
    }

    /// Trials of which the first went all the way, from 1.0 at its first rung to `full`.
    fn begun(trials: u64, spread: f64, full: f64) -> Study {
        let mut settings = settings(Algorithm::Race);
        settings.objective.direction = Direction::Minimize;
        settings.trials = 100;
        let mut log = Log::new(settings);
        for trial in 1..=trials {
            // Of five the middle one is `spread` behind the best; the worst have diverged.
            let loss = if trial < 4 { 1.0 + spread * (trial - 1) as f64 / 2.0 } else { 50.0 };
            log = log.suggest(trial).start(trial, 1, 1).reach(trial, 1, 1, loss);
        }
        log.start(1, 2, 3).reach(1, 2, 3, 0.9).start(1, 3, 9).reach(1, 3, 9, full).study().unwrap()
    }

    #[test]
    fn rung_before_training_has_begun_is_skipped() {
        let verdict = |study: &Study| agreements(study)[0].verdict;
        assert_eq!(verdict(&begun(5, 0.039, 0.2)), Verdict::Flat);
        let few = [4, 5].map(|trials| verdict(&begun(trials, 0.039, 0.2)));
        assert_eq!(few, [Verdict::Useful, Verdict::Flat]);
        assert_eq!(verdict(&begun(5, 0.041, 0.2)), Verdict::Useful, "a twentieth of what is to come");
        assert_eq!(verdict(&begun(5, 0.039, 1.1)), Verdict::Useful, "what is to come is no improvement");
        assert_eq!(verdict(&begun(5, 0.0, 0.2)), Verdict::Flat, "equal results, such as no detection at all");
        assert_eq!(agreements(&begun(5, 0.039, 0.2))[1].verdict, Verdict::Unproven);
    }

    #[test]
    fn rung_that_ranks_well_has_begun_however_near_together_results_are() {
        let curve = |x: f64| [1.0 + x / 1000.0, 0.9 + x / 10.0, x / 10.0];
        let curves: Vec<[f64; 3]> = (0..6).map(f64::from).map(curve).collect();
        let verdict = |trials| agreements(&study(&curves[..trials]))[0].verdict;
        assert_eq!((verdict(5), verdict(6)), (Verdict::Flat, Verdict::Useful));
    }

    #[test]
    fn doubtful_rung_is_skipped() {
        // Two of three pairs agree, as they do by chance in every third such sample.
        let study = study(&[[1.0, 1.0, 1.0], [3.0, 2.0, 2.0], [2.0, 3.0, 3.0]]);
        let useful: Vec<bool> = agreements(&study).iter().map(Agreement::is_useful).collect();
        assert_eq!(useful, [true, true], "those that are far apart agree");
        let turned = [[2.0, 1.0, 1.0], [1.0, 2.0, 2.0], [3.0, 2.5, 2.5]];
        assert!(!agreements(&self::study(&turned))[0].is_useful());
    }

    #[test]
    fn close_results_and_diverged_ones_count_little() {
        // The early ranking of the three best is wrong, and says little about them.
        let close = [[3.0, 1.0, 1.00], [2.0, 1.0, 1.01], [1.0, 1.0, 1.02], [5.0, 2.0, 2.0], [6.0, 3.0, 3.0]];
        assert!(agreements(&study(&close))[0].value.unwrap() > 0.8);
        let diverged = [[1.0, 1.0, 4.0], [2.0, 2.0, 3.0], [3.0, 3.0, 2.0], [4.0, 4.0, 1.0], [9.0, 9.0, 1e9]];
        assert!(agreements(&study(&diverged))[0].value.unwrap() < 0.2);
    }

    #[test]
    fn equal_results_say_nothing() {
        let study = study(&[[1.0, 1.0, 1.0]; 5]);
        assert_eq!(agreements(&study)[0].value, None);
    }
}
