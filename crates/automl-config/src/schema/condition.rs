//! The small language of `math_cond` and `depends_on`.
//!
//! Comparisons with constants (`> 0`, `>=0`, `> 0.0 <= 1.0`) can be checked against a range once and
//! for all. Everything else (powers, multiples, comparisons with another parameter) restricts single
//! values; it is kept with the leaf, and a search over such a parameter says that it is not enforced.

use super::Leaf;
use automl_core::Distribution;

/// Returns the part of a leaf's restrictions that a search over `distribution` would not respect.
pub(crate) fn unenforced(leaf: &Leaf, distribution: &Distribution) -> Option<String> {
    let (low, high) = match distribution {
        Distribution::Float { low, high, .. } => (*low, *high),
        Distribution::Int { low, high, .. } => (*low as f64, *high as f64),
        Distribution::Categorical { .. } | Distribution::Ordinal { .. } => return None,
    };
    if let Some(other) = &leaf.depends_on {
        return Some(format!("`{} {other}`", leaf.math_cond.as_deref().unwrap_or("depends on")));
    }
    let text = leaf.math_cond.as_deref()?;
    let holds = comparisons(text).is_some_and(|all| all.iter().all(|c| c.holds(low, high)));
    (!holds).then(|| format!("`{text}`"))
}

struct Comparison<'t> {
    operator: &'t str,
    value: f64,
}

impl Comparison<'_> {
    /// Tells whether every number of the interval satisfies the comparison.
    fn holds(&self, low: f64, high: f64) -> bool {
        match self.operator {
            ">" => low > self.value,
            ">=" => low >= self.value,
            "<" => high < self.value,
            "<=" => high <= self.value,
            "!=" => self.value < low || self.value > high,
            _ => false,
        }
    }
}

/// Splits `> 0.0 <= 1.0` into its comparisons; `None` where it is something else.
fn comparisons(text: &str) -> Option<Vec<Comparison<'_>>> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(|c| !matches!(c, '<' | '>' | '=' | '!')).unwrap_or(rest.len());
        let (operator, tail) = rest.split_at(end);
        let tail = tail.trim_start();
        let end =
            tail.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '!')).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        found.push(Comparison { operator, value: number.parse().ok()? });
        rest = tail.trim_start();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::{schema_of, search_range};
    use super::*;

    fn left_over(leaf: &str) -> Option<String> {
        let schema = schema_of(&format!(r#"{{"properties": {{"p": {leaf}}}}}"#));
        let leaf = &schema.leaves[0];
        unenforced(leaf, &search_range(leaf).unwrap().0)
    }

    #[test]
    fn satisfied_comparisons_are_silent() {
        for condition in ["> 0.0", ">0", "> 0.0 <= 1.0", ">=0.5", "!= 0"] {
            let leaf =
                format!(r#"{{"type": "float", "minimum": 0.5, "maximum": 1, "math_cond": "{condition}"}}"#);
            assert_eq!(left_over(&leaf), None, "{condition}");
        }
    }

    #[test]
    fn other_restrictions_are_named() {
        for (condition, depends, expected) in [
            ("> 0.5", "", "`> 0.5`"),
            ("^ 2", "", "`^ 2`"),
            ("/ 8", "", "`/ 8`"),
            ("> depends_on", "a.b", "`> depends_on a.b`"),
        ] {
            let leaf = format!(
                r#"{{"type": "float", "minimum": 0.5, "maximum": 1, "math_cond": "{condition}", "depends_on": "{depends}"}}"#
            );
            assert_eq!(left_over(&leaf).as_deref(), Some(expected), "{condition}");
        }
    }
}
