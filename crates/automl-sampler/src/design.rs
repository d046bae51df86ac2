//! The search space as a model sees it: rows over the parameters that vary.
//!
//! Parameters with a single value carry no information and get no column, so that adding one changes
//! nothing. Everything else follows the encodings of the space; values are only ever made and read by
//! the space itself.

use automl_core::{Distribution, Encoding, ParamValue, Parameter, Params, Scale, SearchSpace};
use automl_surrogate::{Belief, Column};

/// How far from its default, in units of the cube, a number is expected to be best.
const DEFAULT_DEVIATION: f64 = 0.25;

/// Rows over the varying parameters of a space.
pub(crate) struct Design<'a> {
    space: &'a SearchSpace,
    /// Index of the parameter behind every column.
    parameters: Vec<usize>,
    columns: Vec<Column>,
    /// Whether a row may differ from the row of its own values.
    needs_canonicalising: bool,
}

impl<'a> Design<'a> {
    pub(crate) fn new(space: &'a SearchSpace) -> Self {
        let encodings = space.encodings();
        let columns = encodings.iter().enumerate().filter_map(|(i, &encoding)| Some((i, column(encoding)?)));
        let (parameters, columns) = columns.unzip();
        let rounds = |(parameter, encoding): (&Parameter, &Encoding)| {
            *encoding == Encoding::Continuous && parameter.distribution.cardinality().is_some()
        };
        let conditional = space.parameters().iter().any(|p| !p.conditions.is_empty());
        let needs_canonicalising = conditional || space.parameters().iter().zip(&encodings).any(rounds);
        Self { space, parameters, columns, needs_canonicalising }
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns what the user's weights and defaults say about each column; `None` if they say nothing.
    ///
    /// A default says something about a number that is always active; an inactive number has no place of its
    /// own. Defaults of categories only make the first trial.
    pub(crate) fn beliefs(&self) -> Option<Vec<Belief>> {
        let belief = |&i: &usize| {
            let parameter = &self.space.parameters()[i];
            match &parameter.distribution {
                Distribution::Categorical { weights: Some(weights), .. } => Belief::Weights(weights.clone()),
                Distribution::Categorical { weights: None, .. } => Belief::Flat,
                Distribution::Float { .. } | Distribution::Int { .. } | Distribution::Ordinal { .. } => {
                    let default = parameter.default.as_ref().filter(|_| parameter.conditions.is_empty());
                    let centre = default.and_then(|value| parameter.distribution.to_unit(value));
                    let near = |centre| Belief::Near { centre, deviation: DEFAULT_DEVIATION };
                    centre.map_or(Belief::Flat, near)
                }
            }
        };
        let beliefs: Vec<Belief> = self.parameters.iter().map(belief).collect();
        beliefs.iter().any(|belief| *belief != Belief::Flat).then_some(beliefs)
    }

    /// Turns one uniform number a column into a row; options follow their prior weights.
    pub(crate) fn row_from_units(&self, units: &[f64]) -> Vec<f64> {
        let places = self.parameters.iter().zip(&self.columns).zip(units);
        let value = |((&i, column), &unit): ((&usize, &Column), &f64)| match &self.space.parameters()[i]
            .distribution
        {
            Distribution::Categorical { weights: Some(weights), .. } => weighted(weights, unit),
            Distribution::Ordinal { weights: Some(weights), .. } => {
                (weighted(weights, unit) + 0.5) / weights.len() as f64
            }
            Distribution::Categorical { weights: None, .. }
            | Distribution::Ordinal { weights: None, .. }
            | Distribution::Float { .. }
            | Distribution::Int { .. } => column.from_unit(unit),
        };
        places.map(value).collect()
    }

    /// Returns the values that a row stands for.
    pub(crate) fn params(&self, row: &[f64]) -> Params {
        let mut whole: Vec<f64> =
            self.space.parameters().iter().map(|p| p.distribution.inactive_code()).collect();
        for (&i, &value) in self.parameters.iter().zip(row) {
            whole[i] = value;
        }
        self.space.decode(&whole)
    }

    /// Returns the row of some values.
    pub(crate) fn row(&self, params: &Params) -> Vec<f64> {
        let whole = self.space.encode(params);
        self.parameters.iter().map(|&i| whole[i]).collect()
    }

    /// Tells whether some values have one for a column.
    pub(crate) fn is_given(&self, column: usize, params: &Params) -> bool {
        params.get(&self.space.parameters()[self.parameters[column]].name).is_some()
    }

    /// Replaces a row by the row of its values, and clears the flags of inactive columns.
    pub(crate) fn canonicalise(&self, row: &mut [f64], active: &mut [bool]) {
        if !self.needs_canonicalising {
            return;
        }
        let params = self.params(row);
        row.copy_from_slice(&self.row(&params));
        for (flag, &i) in active.iter_mut().zip(&self.parameters) {
            *flag = params.get(&self.space.parameters()[i].name).is_some();
        }
    }

    /// Returns the row of configuration `index` of a finite space, for `index` below its size. Where
    /// parameters restrict each other, several indices may give one configuration, and none is left out.
    pub(crate) fn row_at(&self, index: u64) -> Vec<f64> {
        let mut rest = index;
        let level = |&i: &usize| {
            let parameter = &self.space.parameters()[i];
            let count =
                parameter.distribution.cardinality().expect("every parameter of a finite space is finite");
            let k = rest % count;
            rest /= count;
            (parameter.name.clone(), value_of_level(&parameter.distribution, k, count))
        };
        let mut params: Params = self.parameters.iter().map(level).collect();
        // What has no column has one value, or one that the others dictate: any will do.
        for parameter in self.space.parameters() {
            if params.get(&parameter.name).is_none() {
                params.insert(parameter.name.clone(), parameter.distribution.from_unit(0.0));
            }
        }
        self.row(&params)
    }
}

fn column(encoding: Encoding) -> Option<Column> {
    match encoding {
        Encoding::Constant => None,
        Encoding::Continuous => Some(Column::Continuous),
        // More levels than 32 bits can count are as good as a continuum.
        Encoding::Grid { levels } => {
            Some(u32::try_from(levels).map_or(Column::Continuous, |levels| Column::Grid { levels }))
        }
        Encoding::Categorical { choices } => Some(Column::Categorical { choices }),
    }
}

/// Index at which the prefix sum of the weights exceeds `unit` times their total.
fn weighted(weights: &[f64], unit: f64) -> f64 {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let beyond = weights.iter().position(|weight| {
        sum += weight;
        sum > unit * total
    });
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    beyond.unwrap_or(last) as f64
}

fn value_of_level(distribution: &Distribution, k: u64, count: u64) -> ParamValue {
    match distribution {
        Distribution::Int { low, scale: Scale::Log, .. } => ParamValue::Int(low.wrapping_add_unsigned(k)),
        Distribution::Categorical { choices, .. } => choices[k as usize].clone(),
        Distribution::Int { scale: Scale::Linear, .. }
        | Distribution::Float { .. }
        | Distribution::Ordinal { .. } => distribution.from_unit((k as f64 + 0.5) / count as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_index_is_another_configuration() {
        let int = |low, high, scale| Distribution::Int { low, high, step: 1, scale };
        let space = SearchSpace::new(vec![
            Parameter::new("a", int(3, 7, Scale::Log)),
            Parameter::new("b", Distribution::bool()),
            Parameter::new("c", int(5, 5, Scale::Linear)),
            Parameter::new("d", int(-1, 4, Scale::Linear)),
        ])
        .unwrap();
        let design = Design::new(&space);
        let keys: BTreeSet<String> = (0..60).map(|k| design.params(&design.row_at(k)).key()).collect();
        assert_eq!((space.size(), keys.len(), design.columns().len()), (Some(60), 60, 3));
    }

    #[test]
    fn enumeration_leaves_no_lawful_configuration_out() {
        let int = |name: &str, high, scale| {
            Parameter::new(name, Distribution::Int { low: 1, high, step: 1, scale })
        };
        let below = |name: &str, relation: &str, scale| Parameter {
            relations: vec![relation.parse().unwrap()],
            ..int(name, 6, scale)
        };
        let space = SearchSpace::new(vec![
            below("b", "<= a", Scale::Log),
            int("a", 6, Scale::Linear),
            below("c", "== a", Scale::Linear),
        ])
        .unwrap();
        let design = Design::new(&space);
        let all: Vec<Params> = (0..36).map(|k| design.params(&design.row_at(k))).collect();
        assert!(all.iter().all(|params| space.check(params).is_ok()));
        let keys: BTreeSet<String> = all.iter().map(Params::key).collect();
        assert_eq!((keys.len(), design.columns().len()), (21, 2));
    }

    #[test]
    fn ordered_options_follow_their_weights() {
        let choices = [1, 2, 4].map(ParamValue::Int).to_vec();
        let weights = Some(vec![1.0, 0.0, 3.0]);
        let space =
            SearchSpace::new(vec![Parameter::new("a", Distribution::Ordinal { choices, weights })]).unwrap();
        let design = Design::new(&space);
        let drawn = [0.1, 0.24, 0.26, 0.9].map(|u| design.params(&design.row_from_units(&[u])).to_string());
        assert_eq!(drawn, ["a=1", "a=1", "a=4", "a=4"]);
    }

    #[test]
    fn weights_share_the_unit_interval() {
        let weights = [0.0, 1.0, 3.0, 0.0];
        assert_eq!([0.0, 0.24, 0.26, 0.999, 1.0].map(|u| weighted(&weights, u)), [1.0, 1.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn rows_survive_the_way_to_values_and_back() {
        let float = |low, high, scale| Distribution::Float { low, high, scale, step: None };
        let space = SearchSpace::new(vec![
            Parameter::new("lr", float(1e-5, 1e-1, Scale::Log)),
            Parameter::new("units", Distribution::Int { low: 1, high: 64, step: 1, scale: Scale::Log }),
            Parameter::new("flag", Distribution::bool()),
        ])
        .unwrap();
        let design = Design::new(&space);
        let mut row = design.row_from_units(&[0.3, 0.6, 0.7]);
        design.canonicalise(&mut row, &mut [true; 3]);
        let again = design.row(&design.params(&row));
        assert!(row.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-14), "{row:?} {again:?}");
        assert_eq!(row[2], 1.0);
    }
}
