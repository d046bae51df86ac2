//! A study without an engine: asks a sampler, evaluates a function, remembers.

use automl_core::{
    Direction, Distribution, Fidelity, Loss, Objective, ParamValue, Parameter, Params, Scale, SearchSpace,
    TrialId,
};
use automl_sampler::{History, Observation, Sampler, SuggestError, Suggestion};

pub(crate) fn float(name: &str, low: f64, high: f64, scale: Scale) -> Parameter {
    Parameter::new(name, Distribution::Float { low, high, scale, step: None })
}

pub(crate) fn int(name: &str, low: i64, high: i64) -> Parameter {
    Parameter::new(name, Distribution::Int { low, high, step: 1, scale: Scale::Linear })
}

pub(crate) fn choice(name: &str, choices: &[&str]) -> Parameter {
    let choices = choices.iter().map(|choice| ParamValue::Text((*choice).into())).collect();
    Parameter::new(name, Distribution::Categorical { choices, weights: None })
}

pub(crate) fn number(params: &Params, name: &str) -> f64 {
    params.get(name).and_then(ParamValue::as_f64).unwrap_or_else(|| panic!("{name} in {params}"))
}

pub(crate) fn loss(value: f64) -> Loss {
    Objective { metric: "loss".into(), direction: Direction::Minimize }.loss(value).unwrap()
}

/// Runs `trials` trials one after another; `None` from `evaluate` is a failed trial.
pub(crate) fn run(
    sampler: &dyn Sampler,
    space: &SearchSpace,
    trials: u64,
    seed: u64,
    evaluate: impl Fn(&Params) -> Option<Loss>,
) -> Result<Vec<Suggestion>, SuggestError> {
    let mut history = History { budget: Some(trials), ..History::default() };
    let mut suggestions = Vec::new();
    for trial in (1..=trials).map(TrialId) {
        let suggestion = sampler.suggest(space, &history, trial, seed)?;
        space.check(&suggestion.params).unwrap_or_else(|problems| panic!("{problems:?}"));
        record(&mut history, trial, &suggestion, evaluate(&suggestion.params));
        suggestions.push(suggestion);
    }
    Ok(suggestions)
}

pub(crate) fn record(history: &mut History, trial: TrialId, suggestion: &Suggestion, loss: Option<Loss>) {
    let params = suggestion.params.clone();
    match loss {
        Some(loss) => history.observations.push(Observation::single(trial, params, loss, Fidelity(1))),
        None => history.failed.push((trial, params)),
    }
    if !suggestion.origin.theta.is_empty() {
        history.theta.clone_from(&suggestion.origin.theta);
    }
}
