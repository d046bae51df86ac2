//! The small language of `math_cond` and `depends_on`: what a schema says about single values.
//!
//! `math_cond` is a row of conditions, with or without blanks: comparisons (`> 0`, `>=0`, `> 0.0 <= 1.0`,
//! `!= 0`), `^ f` (one of `f, f², …`) and `/ f` (a multiple of f). What is compared with is a number, the
//! word `depends_on` for the parameter of that key, or arithmetic over both and other parameters
//! (`<= 2*model.depth - 1`).
//!
//! `depends_on` names a parameter, or holds a comparison itself (`> train.min`). Beside `/ f` it asks for
//! the whole part of that parameter's f-th (`/ 2` of the epochs). Alone it states no condition, except for
//! the format's `num_select`, which never exceeds the number of queries that it depends on.

use automl_core::{Comparison, Expression, ParamValue, Relation};
use serde::{Deserialize, Serialize};

/// What the values of one parameter must satisfy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Restrictions {
    /// Comparisons with constants.
    pub(crate) limits: Vec<(Comparison, f64)>,
    /// Numbers left out.
    pub(crate) excluded: Vec<f64>,
    /// Every value is a multiple of this.
    pub(crate) multiple_of: Option<f64>,
    /// Every value is a power of this, with an exponent of at least 1.
    pub(crate) power_of: Option<f64>,
    /// Comparisons with other parameters, named as the file names them.
    pub(crate) relations: Vec<Relation>,
}

/// Slack when telling whether a float is a multiple, relative to the factor.
const MULTIPLE_SLACK: f64 = 1e-9;
/// Smallest base of powers; those of a smaller one are too many to list.
const LEAST_BASE: f64 = 1.5;
/// Part of a parameter's name that makes a bare `depends_on` an upper limit.
const AT_MOST_ITS_PARENT: &str = "num_select";

/// The word that stands for the parameter of the key `depends_on`.
const PARENT: &str = "depends_on";

impl Restrictions {
    /// Tells whether nothing is asked of the values.
    pub(crate) fn is_none(&self) -> bool {
        *self == Restrictions::default()
    }

    /// Reads the two keys of the parameter `name`.
    ///
    /// # Errors
    /// What is not understood.
    pub(crate) fn read(name: &str, math_cond: &str, depends_on: &str) -> Result<Self, String> {
        let mut restrictions = Restrictions::default();
        let parents: Vec<&str> = depends_on.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        // Two parents are an input's sizes; what follows from them is not in the file.
        let parent = if let [one] = parents[..] { one } else { "" };
        let (own, parent) = match Comparison::strip(parent) {
            Some((_, name)) => (parent, name.trim()),
            None => ("", parent),
        };
        if parent.contains('`') {
            return Err(format!("`depends_on` cannot name `{parent}`"));
        }
        if !own.is_empty() {
            restrictions.relations.push(own.parse()?);
        }
        let mut rest = math_cond.trim();
        while !rest.is_empty() {
            rest = restrictions.read_one(rest, parent)?;
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if restrictions == Restrictions::default() && !parent.is_empty() && last.contains(AT_MOST_ITS_PARENT)
        {
            let bound = Expression::Value(parent.into());
            restrictions.relations.push(Relation { comparison: Comparison::AtMost, bound });
        }
        Ok(restrictions)
    }

    /// Reads the first condition of a text and returns what follows it.
    fn read_one<'t>(&mut self, text: &'t str, parent: &str) -> Result<&'t str, String> {
        let operand = |tail: &'t str| {
            let end = tail.find(['<', '>', '=', '!', '^']).unwrap_or(tail.len());
            (tail[..end].trim(), tail[end..].trim_start())
        };
        if let Some((comparison, tail)) = Comparison::strip(text) {
            let (bound, rest) = operand(tail);
            match substitute(&Expression::parse(bound)?, parent)? {
                Expression::Number(v) => self.limits.push((comparison, v)),
                bound => self.relations.push(Relation { comparison, bound }),
            }
            return Ok(rest);
        }
        let signs = ["!=", "^", "/"];
        let Some((sign, tail)) = signs.iter().find_map(|s| Some((*s, text.strip_prefix(s)?))) else {
            return Err(format!("expected a comparison, `^` or `/`, found `{text}`"));
        };
        let (number, rest) = operand(tail);
        let value = number.parse::<f64>().ok().filter(|v| v.is_finite());
        let value = value.ok_or_else(|| format!("`{sign}` needs a number, found `{number}`"))?;
        match sign {
            "!=" => self.excluded.push(value),
            "^" if value >= LEAST_BASE => self.power_of = Some(value),
            "/" if value > 0.0 && parent.is_empty() => self.multiple_of = Some(value),
            "/" if value > 0.0 => {
                let share = Expression::Quotient(
                    Box::new(Expression::Value(parent.into())),
                    Box::new(Expression::Number(value)),
                );
                let bound = Expression::Floor(Box::new(share));
                self.relations.push(Relation { comparison: Comparison::Equal, bound });
            }
            _ => return Err(format!("`{sign} {number}` makes no sense")),
        }
        Ok(rest)
    }

    /// Tells whether a number satisfies everything that does not depend on other parameters.
    pub(crate) fn admits(&self, value: f64) -> bool {
        let within = |(comparison, limit): &(Comparison, f64)| comparison.holds(value, *limit);
        let multiple = |factor: f64| {
            let quotient = value / factor;
            (quotient - quotient.round()).abs() <= MULTIPLE_SLACK * quotient.abs().max(1.0)
        };
        self.limits.iter().all(within)
            && self.excluded.iter().all(|excluded| *excluded != value)
            && self.multiple_of.is_none_or(multiple)
            && self.power_of.is_none_or(|base| powers(base, value, value).next().is_some())
    }

    /// Returns what is asked for, in words for messages, where it does not depend on other parameters.
    pub(crate) fn describe(&self) -> String {
        let number = |v: &f64| ParamValue::Float(*v).to_string();
        let limits = self.limits.iter().map(|(comparison, limit)| {
            Relation { comparison: *comparison, bound: Expression::Number(*limit) }.to_string()
        });
        let excluded = self.excluded.iter().map(|v| format!("not {}", number(v)));
        let multiple = self.multiple_of.iter().map(|v| format!("a multiple of {}", number(v)));
        let power = self.power_of.iter().map(|v| format!("a power of {}", number(v)));
        limits.chain(excluded).chain(multiple).chain(power).collect::<Vec<_>>().join(", ")
    }
}

/// Returns the powers of `base`, from the first on, within `[low, high]`; by multiplication, so that they
/// are exact.
pub(crate) fn powers(base: f64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let all = std::iter::successors(Some(base), move |power| Some(power * base));
    all.skip_while(move |power| *power < low).take_while(move |power| *power <= high)
}

/// Puts the parameter of the key `depends_on` in place of that word.
fn substitute(expression: &Expression, parent: &str) -> Result<Expression, String> {
    if parent.is_empty() && expression.names().contains(&PARENT) {
        return Err("the key `depends_on` names no parameter".into());
    }
    Ok(expression.replaced(&|name| (name == PARENT).then(|| Expression::Value(parent.into()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(math_cond: &str, depends_on: &str) -> Restrictions {
        Restrictions::read("a.p", math_cond, depends_on).unwrap()
    }

    #[test]
    fn every_condition_of_real_files_is_understood() {
        for (text, admitted, refused) in [
            ("> 0.0", 0.1, 0.0),
            (">0", 1.0, -1.0),
            ("> 0", 1.0, 0.0),
            ("!= 0", -1.0, 0.0),
            ("^ 2", 64.0, 1.0),
            (">= 1", 1.0, 0.5),
            ("> 0.0 <= 1.0", 1.0, 1.1),
            ("<20", 19.0, 20.0),
            ("/ 8", 24.0, 20.0),
            (">=0<=1", 0.0, 2.0),
        ] {
            let restrictions = read(text, "");
            assert!(restrictions.admits(admitted) && !restrictions.admits(refused), "{text}");
        }
    }

    #[test]
    fn powers_are_exact() {
        assert_eq!(powers(5.0, 1.0, 700.0).collect::<Vec<_>>(), [5.0, 25.0, 125.0, 625.0]);
        assert!(read("^ 5", "").admits(125.0));
        assert_eq!(powers(2.0, 3.0, 3.0).count(), 0);
    }

    #[test]
    fn other_parameters_make_relations() {
        for (math_cond, depends_on, expected) in [
            ("> depends_on", "a.min", "> a.min"),
            ("<= 2*depends_on - 1", "a.min", "<= 2.0 * a.min - 1.0"),
            ("", "> a.min", "> a.min"),
            (">= a.x + a.y", "", ">= a.x + a.y"),
            ("/ 2", "train.epoch", "== floor(train.epoch / 2.0)"),
        ] {
            let found: Vec<String> =
                read(math_cond, depends_on).relations.iter().map(ToString::to_string).collect();
            assert_eq!(found, [expected], "{math_cond} {depends_on}");
        }
        assert_eq!(read("", "model.height,model.width"), Restrictions::default());
        assert_eq!(read("", "model.num_queries"), Restrictions::default());
        let selected = Restrictions::read("model.num_select", "", "model.num_queries").unwrap();
        assert_eq!(selected.relations[0].to_string(), "<= model.num_queries");
    }

    #[test]
    fn the_rest_is_refused_with_a_reason() {
        for (math_cond, why) in [
            ("about 3", "expected a comparison, `^` or `/`, found `about 3`"),
            ("^ x", "`^` needs a number, found `x`"),
            ("^ 1", "`^ 1` makes no sense"),
            ("> depends_on", "the key `depends_on` names no parameter"),
            (">", "expected a number or a parameter, found the end"),
        ] {
            assert_eq!(Restrictions::read("p", math_cond, "").unwrap_err(), why, "{math_cond}");
        }
    }
}
