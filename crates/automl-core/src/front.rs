//! Which results are good: feasibility, the incumbent, the Pareto front.
//!
//! Results of one fidelity are compared: the highest that any trial reached. A value at a low fidelity
//! never beats one at a higher fidelity. Feasible beats infeasible, whatever the objectives say.

use crate::ids::Fidelity;
use crate::objective::Loss;
use crate::settings::StudySettings;
use crate::study::Study;
use crate::trial::Trial;

impl Study {
    /// Returns the first objective's loss of a trial at a fidelity it reached.
    #[must_use]
    pub fn loss_at(&self, trial: &Trial, fidelity: Fidelity) -> Option<Loss> {
        trial.reached.get(&fidelity).and_then(|value| self.settings.objective.loss(*value))
    }

    /// Returns the losses of the further objectives of a trial at a fidelity it reached; empty where the
    /// study has one objective, or the result lacks them.
    #[must_use]
    pub fn further_losses_at(&self, trial: &Trial, fidelity: Fidelity) -> Vec<Loss> {
        let values = trial.further.get(&fidelity).map_or(&[][..], |further| &further.objectives);
        let objectives = &self.settings.further_objectives;
        let losses = objectives.iter().zip(values).map(|(objective, value)| objective.loss(*value));
        losses.collect::<Option<_>>().unwrap_or_default()
    }

    /// Returns how far a trial's result is beyond each constraint's bound (at most 0 is feasible); empty
    /// where there are no constraints.
    #[must_use]
    pub fn violations_at(&self, trial: &Trial, fidelity: Fidelity) -> Vec<f64> {
        let values = trial.further.get(&fidelity).map_or(&[][..], |further| &further.constraints);
        self.settings.constraints.iter().zip(values).map(|(c, value)| c.violation(*value)).collect()
    }

    /// Returns the incumbent: the best trial among those that went furthest. Feasible trials come first;
    /// without any, the one that is least beyond its bounds. Of several objectives the first one counts.
    /// Ties go to the older trial.
    #[must_use]
    pub fn incumbent(&self) -> Option<&Trial> {
        let furthest = self.furthest()?;
        let ranked = self.results_at(furthest).map(|(trial, loss)| {
            let excess = Excess::of(trial, furthest, &self.settings);
            ((excess, loss, trial.id), trial)
        });
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, trial)| trial)
    }

    /// Tells whether a trial's furthest result keeps to all constraints.
    #[must_use]
    pub fn is_feasible(&self, trial: &Trial) -> bool {
        trial.fidelity().is_none_or(|fidelity| Excess::of(trial, fidelity, &self.settings).0 <= 0.0)
    }

    /// Returns the feasible trials that no other one beats in every objective at once, oldest first. For
    /// one objective that is the incumbent and those equal to it.
    #[must_use]
    pub fn pareto_front(&self) -> Vec<&Trial> {
        let Some(furthest) = self.furthest() else { return Vec::new() };
        let feasible = self
            .results_at(furthest)
            .filter(|(trial, _)| Excess::of(trial, furthest, &self.settings).0 <= 0.0);
        let points: Vec<(&Trial, Vec<Loss>)> = feasible
            .map(|(trial, loss)| {
                let further = self.further_losses_at(trial, furthest);
                (trial, std::iter::once(loss).chain(further).collect())
            })
            .filter(|(_, losses): &(_, Vec<Loss>)| losses.len() == 1 + self.settings.further_objectives.len())
            .collect();
        let dominated = |losses: &[Loss]| points.iter().any(|(_, other)| dominates(other, losses));
        points.iter().filter(|(_, losses)| !dominated(losses)).map(|(trial, _)| *trial).collect()
    }

    /// The highest fidelity with a result that is comparable with the study's own.
    fn furthest(&self) -> Option<Fidelity> {
        self.trials.values().filter(|t| t.is_comparable()).filter_map(Trial::fidelity).max()
    }

    fn results_at(&self, fidelity: Fidelity) -> impl Iterator<Item = (&Trial, Loss)> {
        let comparable = self.trials.values().filter(|t| t.is_comparable());
        comparable.filter_map(move |trial| Some((trial, self.loss_at(trial, fidelity)?)))
    }
}

/// Tells whether one point is nowhere worse than another and somewhere better.
fn dominates(one: &[Loss], other: &[Loss]) -> bool {
    one.iter().zip(other).all(|(a, b)| a <= b) && one.iter().zip(other).any(|(a, b)| a < b)
}

/// How far a result is beyond all bounds together; 0 for a feasible one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Excess(f64);

impl Excess {
    /// That of a result within all of its bounds.
    #[cfg(test)]
    pub(crate) const NONE: Excess = Excess(0.0);

    /// Returns the excess of a trial's result at a fidelity.
    pub(crate) fn of(trial: &Trial, fidelity: Fidelity, settings: &StudySettings) -> Self {
        let values = trial.further.get(&fidelity).map_or(&[][..], |further| &further.constraints);
        let constraints = settings.constraints.iter().zip(values);
        Excess(constraints.map(|(constraint, value)| constraint.violation(*value).max(0.0)).sum())
    }
}

impl Eq for Excess {}

impl PartialOrd for Excess {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Excess {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
