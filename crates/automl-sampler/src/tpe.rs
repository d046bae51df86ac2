//! Tree-structured Parzen estimator: values that are frequent among the good trials and rare among the
//! others.
//!
//! Bergstra et al., *Algorithms for Hyper-Parameter Optimization* (NeurIPS 2011), in its multivariate
//! form with the settings that Watanabe (arXiv:2304.11127) recommends. Conditional parameters are drawn
//! top down from one joint model: the values of a branch with regard to those that led into it. Several objectives
//! are weighted anew at every suggestion.

use automl_core::rng::derive;
use automl_core::{Origin, SearchSpace, TrialId};
use automl_surrogate::{Draws, Parzen, ParzenOptions};

use crate::axes::Axes;
use crate::quasi::suggest_point;
use crate::split::Split;
use crate::startup::{long_startup_trials, opening};
use crate::{History, Sampler, SuggestError, Suggestion, fresh, stream};

/// Draws from the good group's density, of which the one of the largest ratio is proposed. More of them
/// cost time and were no better in `benches/quality`: the ratio is a rough guide.
const CANDIDATES: u64 = 24;
const OPTIONS: ParzenOptions = ParzenOptions { prior_weight: 1.0, bandwidth_floor: 0.03 };

/// Tree-structured Parzen estimator.
///
/// Its time grows with the number of trials only where they are sorted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tpe;

impl Sampler for Tpe {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        let history = &*history.within(space);
        let axes = Axes::new(space);
        if let Some(first) =
            opening(space, history, trial, seed, long_startup_trials(axes.axes().len(), history.budget))
        {
            return first;
        }
        propose(&axes, space, history, trial, seed).unwrap_or_else(|| {
            suggest_point(space, history, trial, seed, "too few results are known, or all are equal")
        })
    }
}

/// Returns the model's suggestion, or `None` where the history has nothing to learn from.
fn propose(
    axes: &Axes,
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
) -> Option<Result<Suggestion, SuggestError>> {
    let split = Split::new(axes, history, derive(&[seed, stream::WEIGHTS, trial.0]))?;
    let equal = vec![1.0; split.good.len()];
    let good = Parzen::new(axes.axes(), axes.groups(), &split.good, &equal, OPTIONS);
    let others = Parzen::new(axes.axes(), axes.groups(), &split.others, &split.weights, OPTIONS);
    let draws = Draws::new(derive(&[seed, stream::PARZEN, trial.0]));
    let candidate = |i| {
        let row = axes.draw(&good, |k| draws.uniform(i, k));
        (good.log_density(&row) - others.log_density(&row), row)
    };
    let mut ranked: Vec<(f64, Vec<f64>)> = (0..CANDIDATES).map(candidate).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let untried = |(ratio, row): (f64, Vec<f64>)| {
        let params = axes.params(&row);
        (!history.contains(&params)).then_some((ratio, params))
    };
    let Some((ratio, params)) = ranked.into_iter().find_map(untried) else {
        let reason = "a random configuration, because all that the model proposed have been tried";
        let drawn = fresh::draw(space, history, trial, seed);
        return Some(drawn.map(|params| Suggestion::plain(params, "random", reason.into())));
    };
    let origin = Origin {
        model: "tpe".into(),
        reason: format!(
            "frequent among the best {} of {} results at fidelity {}, rare among the other {} trials",
            split.good.len(),
            split.observations,
            split.fidelity,
            split.others.len()
        ),
        observations: split.observations as u64,
        acquisition: Some(ratio),
        ..Origin::default()
    };
    Some(Ok(Suggestion { params, origin }))
}
