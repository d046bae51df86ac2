//! How trials compare on their way: who got to a step, in which order, and with what value.
//!
//! Order is that of the log. A trial that got somewhere first is compared with nobody who came later, so
//! what is decided about it there stays true however many follow.

use crate::conduct::Reading;
use crate::ids::Fidelity;
use crate::objective::Loss;
use crate::study::Study;
use crate::trial::{Attempt, Trial};

/// A trial's first report at or beyond some step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its step.
    pub step: u64,
    /// Its place among all reports of the study.
    pub order: u64,
}

impl Study {
    /// Returns when a trial reported its objective first at or beyond a level.
    #[must_use]
    pub fn arrival(&self, trial: &Trial, level: Fidelity) -> Option<Arrival> {
        let mut arrivals = trial.counting_attempts().flat_map(|attempt| attempt.series.arrivals());
        arrivals.find(|arrival| arrival.step >= level.0)
    }

    /// Returns a trial's last step at which the objective was reported.
    #[must_use]
    pub fn latest(&self, trial: &Trial) -> Option<Arrival> {
        let arrivals = trial.counting_attempts().flat_map(|attempt| attempt.series.arrivals());
        arrivals.max_by_key(|arrival| arrival.step)
    }

    /// Returns the losses that a trial reported up to a step, with their steps, in order; `None` stands
    /// for NaN and infinities. Reports without a step are left out.
    pub fn losses_until<'a>(
        &'a self,
        trial: &'a Trial,
        step: u64,
    ) -> impl Iterator<Item = (u64, Option<Loss>)> + 'a {
        let objective = &self.settings.objective;
        let readings = trial.counting_attempts().flat_map(|a| a.series.readings(&objective.metric));
        let stepped = readings.filter_map(|(at, value)| Some(((*at)?, objective.loss(*value))));
        stepped.filter(move |(at, _)| *at <= step)
    }

    /// Returns the value that counts for a trial at a step, by the study's [`Reading`]; `None` where it
    /// has none, or none that is a number.
    #[must_use]
    pub fn loss_by(&self, trial: &Trial, step: u64) -> Option<Loss> {
        let losses = self.losses_until(trial, step);
        match self.settings.conduct.reading {
            Reading::Last => losses.last()?.1,
            Reading::Best => losses.filter_map(|(_, loss)| loss).min(),
        }
    }
}

impl Study {
    /// Returns the best value among all readings of a trial, where the best one counts; `None` where the
    /// last one does, or none is a number.
    #[must_use]
    pub fn best_reading(&self, trial: &Trial) -> Option<f64> {
        let objective = &self.settings.objective;
        let losses = trial.curve(&objective.metric).into_iter().filter_map(|(_, v)| objective.loss(v));
        let best = losses.min().map(|loss| objective.value(loss));
        best.filter(|_| self.settings.conduct.reading == Reading::Best)
    }
}

impl Trial {
    /// Attempts whose readings count: those that came to a result, and the one that runs.
    pub(crate) fn counting_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| match &attempt.end {
            None => true,
            Some(end) => matches!(end.outcome, crate::event::Outcome::Reached { .. }),
        })
    }
}
