//! A configuration as people give it, made whole: values in the type of their parameter, defaults for
//! what was left out.

use super::{Distribution, ParamProblem, SearchSpace};
use crate::value::{ParamValue, Params};

/// Whole numbers up to this size are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl SearchSpace {
    /// Completes a configuration that a user gave: whole numbers become real ones where the parameter is
    /// real (and the other way round), options take the type they were declared with, and every active
    /// parameter that was left out gets its default.
    ///
    /// # Errors
    /// Every unknown, inactive-yet-given and out-of-domain parameter, and those left out that have no
    /// default.
    pub fn complete(&self, given: &Params) -> Result<Params, Vec<ParamProblem>> {
        let mut params = self.canonical(given);
        for &i in &self.top_down {
            let parameter = &self.parameters[i];
            if params.get(&parameter.name).is_none()
                && parameter.is_active(&params)
                && let Some(default) = &parameter.default
            {
                params.insert(parameter.name.clone(), default.clone());
            }
        }
        self.check(&params).map(|()| params)
    }

    /// Returns the same values in the types of their parameters; what fits no parameter stays as it is.
    #[must_use]
    pub fn canonical(&self, given: &Params) -> Params {
        let typed = |(name, value): (&str, &ParamValue)| {
            let value = self.get(name).map_or_else(|| value.clone(), |p| typed(&p.distribution, value));
            (name.to_string(), value)
        };
        given.iter().map(typed).collect()
    }
}

fn typed(distribution: &Distribution, value: &ParamValue) -> ParamValue {
    match (distribution, value) {
        (Distribution::Float { .. }, ParamValue::Int(v)) => ParamValue::Float(*v as f64),
        (Distribution::Int { .. }, ParamValue::Float(v)) if v.fract() == 0.0 && v.abs() <= EXACT => {
            ParamValue::Int(*v as i64)
        }
        (Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. }, value) => {
            let same = choices.iter().find(|choice| choice.same_as(value));
            let written = || choices.iter().find(|choice| choice.to_string() == value.to_string());
            same.or_else(written).unwrap_or(value).clone()
        }
        (Distribution::Float { .. } | Distribution::Int { .. }, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Condition, Parameter, Scale};

    fn space() -> SearchSpace {
        let float = Distribution::Float { low: 0.0, high: 2.0, scale: Scale::Linear, step: None };
        let int = Distribution::Int { low: 1, high: 8, step: 1, scale: Scale::Linear };
        let text = |c: &str| ParamValue::Text(c.into());
        let choices = vec![text("tree"), text("1"), ParamValue::Bool(true)];
        let mut x = Parameter::new("x", float);
        x.default = Some(ParamValue::Float(0.5));
        let mut depth = Parameter::new("depth", int);
        depth.conditions = vec![Condition { parent: "model".into(), values: vec![text("tree")] }];
        depth.default = Some(ParamValue::Int(3));
        let model = Parameter::new("model", Distribution::Categorical { choices, weights: None });
        SearchSpace::new(vec![x, depth, model]).unwrap()
    }

    fn params(pairs: &[(&str, ParamValue)]) -> Params {
        pairs.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect()
    }

    #[test]
    fn defaults_fill_in_what_is_active() {
        let tree = params(&[("model", ParamValue::Text("tree".into()))]);
        assert_eq!(space().complete(&tree).unwrap().to_string(), "depth=3 model=tree x=0.5");
        let other = params(&[("model", ParamValue::Int(1)), ("x", ParamValue::Int(1))]);
        let whole = space().complete(&other).unwrap();
        assert_eq!(whole.get("x"), Some(&ParamValue::Float(1.0)));
        assert_eq!(whole.get("model"), Some(&ParamValue::Text("1".into())));
        assert_eq!(whole.get("depth"), None);
    }

    #[test]
    fn what_cannot_be_completed_is_named() {
        let problems = space().complete(&params(&[("y", ParamValue::Int(1)), ("x", ParamValue::Int(9))]));
        let texts: Vec<String> = problems.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[2].contains("`model` has no value"), "{texts:?}");
    }
}
