//! How a result compares with the others of its study, in a word. Pure.
//!
//! "Best" is one word for several things: a study of several objectives has a front and no best trial,
//! and where no trial keeps to the constraints the incumbent is only the one that breaks them least.

use automl_core::{Study, Trial, TrialId};
use std::collections::BTreeSet;

/// The comparison of every trial of a study.
pub(crate) struct Standings {
    incumbent: Option<TrialId>,
    front: BTreeSet<TrialId>,
}

impl Standings {
    /// Compares the results of a study.
    pub(crate) fn of(study: &Study) -> Self {
        let several = !study.settings.further_objectives.is_empty();
        let front = several.then(|| study.pareto_front().into_iter().map(|trial| trial.id).collect());
        Standings { incumbent: study.incumbent().map(|trial| trial.id), front: front.unwrap_or_default() }
    }

    /// Returns the word for a trial; `None` for one that is behind others, or has no result.
    pub(crate) fn word(&self, study: &Study, trial: &Trial) -> Option<&'static str> {
        trial.value()?;
        let incumbent = self.incumbent == Some(trial.id);
        match (study.is_feasible(trial), incumbent) {
            (false, true) => Some("infeasible, least so"),
            (false, false) => Some("infeasible"),
            (true, _) if !study.settings.further_objectives.is_empty() => {
                self.front.contains(&trial.id).then_some("on the front")
            }
            (true, true) => Some("best"),
            (true, false) => None,
        }
    }
}

/// Returns every metric that counts, the first objective first, each once: a constraint may be on an objective.
pub(crate) fn metrics(study: &Study) -> Vec<&str> {
    let mut names = Vec::new();
    for name in study.settings.metrics() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Returns every value of a trial's furthest result beside the first objective, by metric, each metric once.
pub(crate) fn further_values<'a>(study: &'a Study, trial: &'a Trial) -> impl Iterator<Item = (&'a str, f64)> {
    let further = trial.fidelity().and_then(|fidelity| trial.further.get(&fidelity));
    let values = further.into_iter().flat_map(|further| further.values());
    let named = study.settings.metrics().skip(1).zip(values);
    let mut told = vec![study.settings.objective.metric.as_str()];
    named.filter(move |(name, _)| {
        let is_news = !told.contains(name);
        told.push(name);
        is_news
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::{Constraint, Direction, Fidelity, Further, Objective};

    fn word(study: &Study, trial: u64) -> Option<&'static str> {
        Standings::of(study).word(study, &study.trials[&TrialId(trial)])
    }

    fn told(study: &mut Study, trial: u64, further: Further) {
        study.trials.get_mut(&TrialId(trial)).unwrap().further.insert(Fidelity(3), further);
    }

    #[test]
    fn a_constraint_on_an_objective_is_no_further_metric() {
        let mut study = fixture::study();
        study.settings.constraints =
            ["loss<=1", "size<=5", "size>=1"].map(|text| Constraint::parse(text).unwrap()).into();
        told(&mut study, 2, Further { objectives: vec![], constraints: vec![0.25, 3.0, 3.0] });
        assert_eq!(metrics(&study), ["loss", "size"]);
        let values: Vec<_> = further_values(&study, &study.trials[&TrialId(2)]).collect();
        assert_eq!(values, [("size", 3.0)]);
    }

    #[test]
    fn one_objective_has_a_best_trial() {
        let study = fixture::study();
        assert_eq!([1, 2, 3, 4].map(|n| word(&study, n)), [None, Some("best"), None, None]);
    }

    #[test]
    fn infeasible_trials_are_never_called_best() {
        let mut study = fixture::study();
        study.settings.constraints = vec![Constraint::parse("latency<=5").unwrap()];
        for (trial, latency) in [(1, 7.0), (2, 9.0)] {
            told(&mut study, trial, Further { objectives: vec![], constraints: vec![latency] });
        }
        assert_eq!([1, 2].map(|n| word(&study, n)), [Some("infeasible, least so"), Some("infeasible")]);
        let values: Vec<_> = further_values(&study, &study.trials[&TrialId(2)]).collect();
        assert_eq!(values, [("latency", 9.0)]);
    }

    #[test]
    fn several_objectives_have_a_front() {
        let mut study = fixture::study();
        let size = Objective { metric: "size".into(), direction: Direction::Minimize };
        study.settings.further_objectives = vec![size];
        for (trial, size) in [(1, 7.0), (2, 9.0)] {
            told(&mut study, trial, Further { objectives: vec![size], constraints: vec![] });
        }
        assert_eq!([1, 2, 3].map(|n| word(&study, n)), [Some("on the front"), Some("on the front"), None]);
    }
}
