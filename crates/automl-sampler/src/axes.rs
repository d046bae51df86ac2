//! The search space as a Parzen estimator sees it: coordinates that may be inactive, in groups that are
//! active together.
//!
//! Values are read strictly: a configuration that does not belong to the space (one added from elsewhere,
//! or made before bounds were changed) has no row. It is never moved into the bounds, which would put its
//! result where it was not measured.

use automl_core::{Condition, Distribution, Encoding, Params, Scale, SearchSpace};
use automl_surrogate::{Axis, Group, Parzen};

/// Values up to which a numeric parameter is a row of cells; more are as good as a continuum.
const CELLS_MAX: u64 = 64;

/// Coordinates and groups of a space.
pub(crate) struct Axes<'a> {
    space: &'a SearchSpace,
    /// Index of the parameter behind every coordinate.
    parameters: Vec<usize>,
    axes: Vec<Axis>,
    groups: Vec<Group>,
    /// For every parameter of the space, in the order of their names: index and coordinate.
    by_name: Vec<(usize, Option<usize>)>,
}

impl<'a> Axes<'a> {
    pub(crate) fn new(space: &'a SearchSpace) -> Self {
        let all = space.parameters();
        let coordinates = all.iter().enumerate().filter_map(|(i, p)| Some((i, axis(&p.distribution)?)));
        let (parameters, axes): (Vec<usize>, Vec<Axis>) = coordinates.unzip();
        let mut by_name: Vec<_> =
            (0..all.len()).map(|i| (i, parameters.iter().position(|&p| p == i))).collect();
        by_name.sort_by_key(|&(i, _)| &all[i].name);
        let groups = groups(space, &parameters);
        Self { space, parameters, axes, groups, by_name }
    }

    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the row of some values, NaN where a coordinate is inactive; `None` if they do not belong
    /// to the space.
    pub(crate) fn row(&self, params: &Params) -> Option<Vec<f64>> {
        let mut row = vec![f64::NAN; self.axes.len()];
        let mut values = params.iter().peekable();
        for &(i, coordinate) in &self.by_name {
            let parameter = &self.space.parameters()[i];
            let value = values.next_if(|(name, _)| *name == parameter.name);
            if value.is_some() != parameter.is_active(params) {
                return None;
            }
            if let Some((_, value)) = value {
                if !parameter.distribution.contains(value) {
                    return None;
                }
                if let Some(j) = coordinate {
                    row[j] = parameter.distribution.to_unit(value)?;
                }
            }
        }
        values.next().is_none().then_some(row)
    }

    /// Returns the values that a row stands for.
    pub(crate) fn params(&self, row: &[f64]) -> Params {
        let mut whole: Vec<f64> =
            self.space.parameters().iter().map(|p| p.distribution.inactive_code()).collect();
        for (&i, &value) in self.parameters.iter().zip(row) {
            if !value.is_nan() {
                whole[i] = value;
            }
        }
        self.space.decode(&whole)
    }

    /// Draws a row from a mixture over these coordinates, parents before their children.
    pub(crate) fn draw(&self, mixture: &Parzen, uniform: impl Fn(u64) -> f64) -> Vec<f64> {
        let mut row = vec![f64::NAN; self.axes.len()];
        for (g, group) in self.groups.iter().enumerate() {
            let parameter = &self.space.parameters()[self.parameters[group.axes[0]]];
            if parameter.conditions.is_empty() || parameter.is_active(&self.params(&row)) {
                mixture.draw(g, &mut row, &uniform);
            }
        }
        row
    }
}

fn axis(distribution: &Distribution) -> Option<Axis> {
    match (distribution.encoding(), distribution) {
        (Encoding::Constant, _) => None,
        (Encoding::Categorical { choices }, Distribution::Categorical { weights, .. }) => {
            let uniform = || vec![1.0; choices as usize];
            let weights = weights.clone().unwrap_or_else(uniform);
            let total: f64 = weights.iter().sum();
            Some(Axis::Categorical { prior: weights.iter().map(|weight| weight / total).collect() })
        }
        (Encoding::Grid { levels }, _) if levels <= CELLS_MAX => Some(Axis::grid(levels as u32)),
        (Encoding::Continuous, Distribution::Int { low, high, scale: Scale::Log, .. })
            if high.abs_diff(*low) < CELLS_MAX =>
        {
            Some(logarithmic_cells(*low, *high))
        }
        (Encoding::Grid { .. } | Encoding::Continuous | Encoding::Categorical { .. }, _) => {
            Some(Axis::Continuous)
        }
    }
}

/// Cells between `ln(k − ½)` and `ln(k + ½)`, scaled to the unit interval.
fn logarithmic_cells(low: i64, high: i64) -> Axis {
    let least = low as f64 - 0.5;
    let range = libm::log((high as f64 + 0.5) / least);
    let inner = (low + 1..=high).map(|k| libm::log((k as f64 - 0.5) / least) / range);
    Axis::Cells { edges: std::iter::once(0.0).chain(inner).chain(std::iter::once(1.0)).collect() }
}

/// Groups of coordinates with equal conditions, parents before children.
fn groups(space: &SearchSpace, parameters: &[usize]) -> Vec<Group> {
    let conditions = |j: usize| &space.parameters()[parameters[j]].conditions;
    let mut different: Vec<(usize, Vec<usize>)> = Vec::new();
    for j in 0..parameters.len() {
        match different.iter_mut().find(|(_, axes)| conditions(axes[0]) == conditions(j)) {
            Some((_, axes)) => axes.push(j),
            None => different.push((depth(space, conditions(j)), vec![j])),
        }
    }
    different.sort_by_key(|(depth, _)| *depth);
    let all: Vec<Vec<usize>> = different.into_iter().map(|(_, axes)| axes).collect();
    let mut groups: Vec<Group> = Vec::new();
    for axes in &all {
        let mut ancestors: Vec<usize> = Vec::new();
        for name in parents(space, conditions(axes[0])) {
            let of =
                |group: &Vec<usize>| group.iter().any(|&j| space.parameters()[parameters[j]].name == name);
            ancestors.extend(all[..groups.len()].iter().position(of));
        }
        ancestors.sort_unstable();
        ancestors.dedup();
        groups.push(Group { axes: axes.clone(), ancestors });
    }
    groups
}

/// Names of all parameters that decide about conditions, directly or not.
fn parents<'a>(space: &'a SearchSpace, conditions: &'a [Condition]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = conditions.iter().map(|c| c.parent.as_str()).collect();
    while let Some(name) = open.pop() {
        if !names.contains(&name) {
            names.push(name);
            let above = space.get(name).map_or(&[][..], |parent| &parent.conditions);
            open.extend(above.iter().map(|c| c.parent.as_str()));
        }
    }
    names
}

/// Length of the longest chain of parents above some conditions.
fn depth(space: &SearchSpace, conditions: &[Condition]) -> usize {
    let of_parent = |condition: &Condition| {
        let parent = space.get(&condition.parent);
        1 + parent.map_or(0, |parent| depth(space, &parent.conditions))
    };
    conditions.iter().map(of_parent).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{ParamValue, Parameter};

    fn int(name: &str, low: i64, high: i64, scale: Scale) -> Parameter {
        Parameter::new(name, Distribution::Int { low, high, step: 1, scale })
    }

    fn under(parameter: Parameter, parent: &str, value: i64) -> Parameter {
        let conditions = vec![Condition { parent: parent.into(), values: vec![ParamValue::Int(value)] }];
        Parameter { conditions, ..parameter }
    }

    /// `a` decides about `b`, and `b` about `c` and `d`; declared bottom up.
    fn nested() -> SearchSpace {
        SearchSpace::new(vec![
            under(int("d", 1, 1000, Scale::Log), "b", 1),
            under(int("c", 1, 8, Scale::Log), "b", 1),
            under(int("b", 0, 1, Scale::Linear), "a", 3),
            int("a", 1, 4, Scale::Linear),
            int("fixed", 2, 2, Scale::Linear),
        ])
        .unwrap()
    }

    fn params(values: &[(&str, i64)]) -> Params {
        values.iter().map(|&(name, value)| (name.to_string(), ParamValue::Int(value))).collect()
    }

    #[test]
    fn groups_come_top_down_with_all_their_ancestors() {
        let space = nested();
        let groups = Axes::new(&space).groups;
        let plain: Vec<_> = groups.iter().map(|g| (g.axes.as_slice(), g.ancestors.as_slice())).collect();
        assert_eq!(plain, [(&[3][..], &[][..]), (&[2], &[0]), (&[0, 1], &[0, 1])]);
    }

    #[test]
    fn rows_survive_the_way_to_values_and_back() {
        let space = nested();
        let axes = Axes::new(&space);
        for values in [
            params(&[("a", 3), ("b", 1), ("c", 5), ("d", 77), ("fixed", 2)]),
            params(&[("a", 3), ("b", 0), ("fixed", 2)]),
            params(&[("a", 1), ("fixed", 2)]),
        ] {
            let row = axes.row(&values).unwrap();
            assert_eq!(axes.params(&row), values);
        }
    }

    #[test]
    fn values_outside_the_space_have_no_row() {
        let space = nested();
        let axes = Axes::new(&space);
        for values in [
            params(&[("a", 5), ("fixed", 2)]),
            params(&[("a", 1)]),
            params(&[("a", 1), ("b", 1), ("fixed", 2)]),
            params(&[("a", 1), ("fixed", 2), ("z", 0)]),
            params(&[("a", 1), ("fixed", 3)]),
            params(&[("a", 3), ("fixed", 2)]),
        ] {
            assert_eq!(axes.row(&values), None, "{values}");
        }
    }
}
