//! New bounds for parameters of a search that has begun.
//!
//! A bound is written as for `--bound`. What it does not say stays: scale, step, type. A network's schema binds
//! as it did in the beginning; a parameter of which nobody kept what the schema says can only be narrowed from
//! what the search began with. Conditions are those of the beginning, as far as their values are still there,
//! so that an option that comes back brings its children back.

use super::probe;
use crate::grammar::{Domain, Range, ShortForm};
use crate::nearest::did_you_mean;
use crate::problem::{Code, Position, Problem, Problems, Report};
use crate::recipe::TrialRecipe;
use crate::schema::{Leaf, apply_bound, restricted};
use automl_core::{Distribution, ParamValue, Parameter, Scale, SearchSpace};

/// A space with new bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebound {
    /// The space.
    pub space: SearchSpace,
    /// Decisions taken for the user, to be shown.
    pub notes: Vec<String>,
}

/// Lays bounds (`name=low..high`, `name=a|b`, `name=value`) over the space of a search.
///
/// `first` is the space that the search began with, `now` the one that holds, `length` that of a full training.
///
/// # Errors
/// Every bound that is wrong, and everything that it leaves impossible.
pub fn rebound(
    trial: &TrialRecipe,
    first: &SearchSpace,
    now: &SearchSpace,
    texts: &[String],
    length: u64,
) -> Result<Rebound, Problems> {
    let mut parameters = now.parameters().to_vec();
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    for text in texts {
        let mut report = Report::new(format!("bound '{text}'"));
        if let Some(short) = read(text, now, &mut report) {
            let begun = first.get(&short.name).expect("the parameters of a search stay the same");
            let known = Known { begun, leaf: trial.leaf(&short.name), is_network: trial.spec.is_some() };
            let parameter = parameters.iter_mut().find(|parameter| parameter.name == short.name);
            let parameter = parameter.expect("only names that are known are read");
            known.apply(parameter, &short, &mut notes, &mut report);
        }
        problems.extend(report.into_problems());
    }
    if problems.is_empty() {
        keep_conditions(&mut parameters, first, &mut problems);
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let space = SearchSpace::new(parameters).map_err(|found| {
        let plain = |problem: &automl_core::SpaceProblem| {
            Problem::plain("bound", "", Code::BadBounds, problem.to_string())
        };
        Problems(found.iter().map(plain).collect())
    })?;
    probe::check_search(trial, &space, length)?;
    Ok(Rebound { space, notes })
}

fn read(text: &str, space: &SearchSpace, report: &mut Report) -> Option<ShortForm> {
    let short = match ShortForm::parse(text) {
        Ok(short) => short,
        Err(error) => {
            let at = Position::in_flag(error.column);
            report.error(at, "", Code::Syntax, error.message).hint(error.hint);
            return None;
        }
    };
    if space.get(&short.name).is_none() {
        let names = || space.parameters().iter().map(|parameter| parameter.name.as_str());
        let mut hint = did_you_mean(&short.name, names());
        if hint.is_empty() {
            hint = format!("it has {}", names().collect::<Vec<_>>().join(", "));
        }
        let message = format!("`{}` is not a parameter of the search", short.name);
        report.error(Position::in_flag(1), "", Code::UnknownName, message).hint(hint);
        return None;
    }
    if !short.relations().is_empty() {
        let message = format!("relations of `{}` to other parameters stay as they are", short.name);
        report.error(Position::in_flag(short.domain_at), "", Code::BadBounds, message);
        return None;
    }
    Some(short)
}

/// What limits the bounds of one parameter.
struct Known<'a> {
    begun: &'a Parameter,
    leaf: Option<&'a Leaf>,
    is_network: bool,
}

impl Known<'_> {
    fn apply(
        &self,
        parameter: &mut Parameter,
        short: &ShortForm,
        notes: &mut Vec<String>,
        report: &mut Report,
    ) {
        let at = Position::in_flag(short.domain_at);
        let Some(distribution) = self.distribution(&parameter.distribution, short, notes, report) else {
            return;
        };
        if let Err(error) = distribution.validate() {
            report.error(at, &short.name, Code::BadBounds, error.to_string());
            return;
        }
        if self.is_network && self.leaf.is_none() && !within(&distribution, &self.begun.distribution) {
            let message =
                "can only be narrowed: what the network allows beyond the first bounds is not recorded";
            report.error(at, &short.name, Code::BadBounds, message);
            return;
        }
        let stated = short.default.clone().map(|value| typed(&self.begun.distribution, value));
        if let Some(default) = stated.as_ref().filter(|value| !distribution.contains(value)) {
            let message = format!("default {default} is not an allowed value");
            report.error(Position::in_flag(short.default_at), &short.name, Code::BadValue, message);
            return;
        }
        let earlier = [stated, parameter.default.take(), self.begun.default.clone()].into_iter().flatten();
        parameter.default = earlier.into_iter().find(|value| distribution.contains(value));
        parameter.distribution = distribution;
    }

    fn distribution(
        &self,
        now: &Distribution,
        short: &ShortForm,
        notes: &mut Vec<String>,
        report: &mut Report,
    ) -> Option<Distribution> {
        // A parameter that was held at one value has no scale and no grid of its own.
        let model = if now.cardinality() == Some(1) { &self.begun.distribution } else { now };
        let mut short = short.clone();
        let mut gridded = None;
        if let Domain::Range(range) = &mut short.domain {
            let grid = grid_of(model);
            if range.step.is_none() && range.scale != Some(Scale::Log) && grid.is_some() {
                gridded = on_grid_of(model, range);
                range.step = grid.filter(|_| self.leaf.is_none());
            }
            range.scale = range.scale.or(scale_of(model)).or(scale_of(&self.begun.distribution));
        }
        let Some(leaf) = self.leaf else {
            return gridded.or_else(|| self.plain(model, &short, report));
        };
        let (distribution, remarks) = apply_bound(leaf, &short, report)?;
        notes.extend(remarks);
        let gridded = gridded.filter(|_| grid_of(&distribution).is_none());
        Some(gridded.and_then(|gridded| restricted(leaf, gridded).ok()).unwrap_or(distribution))
    }

    /// The bound of a parameter that no schema describes.
    fn plain(&self, model: &Distribution, short: &ShortForm, report: &mut Report) -> Option<Distribution> {
        let begun = &self.begun.distribution;
        let at = Position::in_flag(short.domain_at);
        match (&short.domain, begun) {
            (Domain::Range(range), Distribution::Int { .. }) => {
                let all = [Some(range.low), Some(range.high), range.step];
                if let Some(odd) = all.into_iter().flatten().find(|v| v.fract() != 0.0) {
                    let message = format!("{} takes whole numbers; {odd} is none", short.name);
                    report.error(at, "", Code::WrongType, message).hint("round it");
                    return None;
                }
                let (low, high) = (range.low as i64, range.high as i64);
                let (step, scale) = (range.step.map_or(1, |step| step as i64), scale_or_linear(range));
                Some(Distribution::Int { low, high, step, scale })
            }
            (Domain::Range(range), Distribution::Float { .. }) => {
                let Range { low, high, step, .. } = *range;
                Some(Distribution::Float { low, high, step, scale: scale_or_linear(range) })
            }
            (Domain::Range(range), Distribution::Ordinal { .. } | Distribution::Categorical { .. }) => {
                // Options may have come and gone: the larger choice is what the range means.
                let within = [model, begun].map(|all| all.narrowed(range.low, range.high));
                let left = within.into_iter().flatten().max_by_key(Distribution::cardinality);
                if left.is_none() {
                    let message = format!("none of the options of {} lies in a range", short.name);
                    report.error(at, "", Code::WrongType, message).hint("list the options: a|b|c");
                }
                left
            }
            (Domain::Options(options), _) => self.options(options, at, report),
            (Domain::Fixed(value), _) => self.options(std::slice::from_ref(value), at, report),
        }
    }

    fn options(&self, given: &[ParamValue], at: Position, report: &mut Report) -> Option<Distribution> {
        let begun = &self.begun.distribution;
        let mut choices: Vec<ParamValue> = given.iter().map(|value| typed(begun, value.clone())).collect();
        let fits = |value: &&ParamValue| match begun {
            Distribution::Float { .. } => value.as_f64().is_some(),
            Distribution::Int { .. } => matches!(value, ParamValue::Int(_)),
            Distribution::Categorical { .. } | Distribution::Ordinal { .. } => true,
        };
        if let Some(odd) = choices.iter().find(|value| !fits(value)) {
            let kind = if matches!(begun, Distribution::Int { .. }) { "a whole number" } else { "a number" };
            let message = format!("expected {kind}, found `{odd}`");
            report.error(at, &self.begun.name, Code::WrongType, message);
            return None;
        }
        Some(match begun {
            Distribution::Categorical { choices: known, weights } => Distribution::Categorical {
                weights: weights_of(&choices, known, weights.as_deref()),
                choices,
            },
            Distribution::Ordinal { choices: known, weights } => {
                let place = |choice: &ParamValue| known.iter().position(|option| option.same_as(choice));
                if choices.iter().all(|choice| place(choice).is_some()) {
                    choices.sort_by_key(place);
                }
                Distribution::Ordinal { weights: weights_of(&choices, known, weights.as_deref()), choices }
            }
            Distribution::Int { .. } | Distribution::Float { .. } => {
                let number = |choice: &ParamValue| choice.as_f64().unwrap_or(f64::NAN);
                choices.sort_by(|a, b| number(a).total_cmp(&number(b)));
                Distribution::Ordinal { choices, weights: None }
            }
        })
    }
}

/// Returns a value in the type of the parameter that it is meant for.
fn typed(begun: &Distribution, value: ParamValue) -> ParamValue {
    match (begun, value) {
        (Distribution::Float { .. }, ParamValue::Int(v)) => ParamValue::Float(v as f64),
        (Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. }, value) => {
            let text = value.to_string();
            let known = choices.iter().find(|choice| choice.same_as(&value) || choice.to_string() == text);
            let all_text = choices.iter().all(|choice| matches!(choice, ParamValue::Text(_)));
            match known {
                Some(known) => known.clone(),
                None if all_text => ParamValue::Text(text),
                None => value,
            }
        }
        (_, value) => value,
    }
}

/// Options keep their weights, unless new ones have joined, of which nobody knows any.
fn weights_of(choices: &[ParamValue], known: &[ParamValue], weights: Option<&[f64]>) -> Option<Vec<f64>> {
    let weight =
        |choice: &ParamValue| Some(weights?[known.iter().position(|option| option.same_as(choice))?]);
    let left: Vec<f64> = choices.iter().map(weight).collect::<Option<_>>()?;
    left.iter().any(|weight| *weight > 0.0).then_some(left)
}

fn scale_of(distribution: &Distribution) -> Option<Scale> {
    match distribution {
        Distribution::Float { scale, .. } | Distribution::Int { scale, .. } => Some(*scale),
        Distribution::Categorical { .. } | Distribution::Ordinal { .. } => None,
    }
}

fn scale_or_linear(range: &Range) -> Scale {
    range.scale.unwrap_or_default()
}

/// Returns the width of a grid of numbers that is wider than the numbers themselves.
fn grid_of(distribution: &Distribution) -> Option<f64> {
    match distribution {
        Distribution::Float { step, .. } => *step,
        Distribution::Int { step, .. } => Some(*step as f64).filter(|step| *step != 1.0),
        Distribution::Categorical { .. } | Distribution::Ordinal { .. } => None,
    }
}

/// Returns the places of a grid, continued in both directions, that lie within a range: trials that are inside
/// stay on the grid. `None` where the range is unsound or has none.
fn on_grid_of(model: &Distribution, range: &Range) -> Option<Distribution> {
    let below = |least: f64, step: f64| ((least - range.low) / step).ceil().max(0.0);
    match *model {
        Distribution::Float { low, high, scale, step: Some(step) } => {
            let (low, high) = (low - below(low, step) * step, high.max(range.high));
            Distribution::Float { low, high, scale, step: Some(step) }.narrowed(range.low, range.high)
        }
        Distribution::Int { low, high, scale, step } => {
            let steps = below(low as f64, step as f64) as i64;
            let low = low.checked_sub(steps.checked_mul(step)?)?;
            let high = high.max(range.high as i64);
            Distribution::Int { low, high, scale, step }.narrowed(range.low, range.high)
        }
        Distribution::Float { step: None, .. }
        | Distribution::Categorical { .. }
        | Distribution::Ordinal { .. } => None,
    }
}

/// Tells whether every value of one distribution belongs to another.
fn within(inner: &Distribution, outer: &Distribution) -> bool {
    match inner {
        Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
            choices.iter().all(|choice| outer.contains(choice))
        }
        Distribution::Float { .. } | Distribution::Int { .. } => {
            inner.bounds().zip(outer.bounds()).is_some_and(|(i, o)| i.0 >= o.0 && i.1 <= o.1)
        }
    }
}

/// Gives parameters the conditions of the beginning, without values that their parents can no longer have.
fn keep_conditions(parameters: &mut [Parameter], first: &SearchSpace, problems: &mut Vec<Problem>) {
    let now: Vec<(String, Distribution)> =
        parameters.iter().map(|parameter| (parameter.name.clone(), parameter.distribution.clone())).collect();
    for (parameter, begun) in parameters.iter_mut().zip(first.parameters()) {
        parameter.conditions.clone_from(&begun.conditions);
        for condition in &mut parameter.conditions {
            let parent = now.iter().find(|(name, _)| *name == condition.parent);
            let all: Vec<String> = condition.values.iter().map(ToString::to_string).collect();
            condition.values.retain(|value| parent.is_some_and(|(_, parent)| parent.contains(value)));
            if condition.values.is_empty() {
                let message = format!(
                    "`{}` would never be used: it needs `{}` to be {}",
                    parameter.name,
                    condition.parent,
                    all.join(" or ")
                );
                let problem = Problem::plain("bound", &condition.parent, Code::BadBounds, message);
                problems.push(problem.with_hint("leave one of these"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
