//! The short form of a parameter, shared by `--param`, `--bound` and search space files.
//!
//! ```text
//! name=low..high[:log|:linear][:step=q][:int|:float][:RELATION][@default]     lr=1e-5..1e-1:log@1e-3
//! name=a|b|c[@default]                                             act=relu|gelu
//! name=value                                                       seed=7 (fixed)
//! ```
//!
//! A relation compares with other parameters: `heads=1..16:<=2*layers` (`<`, `<=`, `>`, `>=`, `==`).
//! Bounds written as whole numbers (`1..8`) make a whole-number parameter. Blanks around a part do not
//! count (`1e-5 .. 1e-1`, `relu | gelu`). A backslash takes the meaning from the next character. This module parses; what a domain means for a parameter that a
//! schema knows is decided in `schema`.

use automl_core::{Distribution, ParamValue, Parameter, Relation, Scale, log_scale_by_rule};

/// A parsed short form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShortForm {
    pub(crate) name: String,
    pub(crate) domain: Domain,
    pub(crate) default: Option<ParamValue>,
    /// Column of the domain's first character, from 1.
    pub(crate) domain_at: usize,
    /// Column of the default's first character, from 1; the domain's where there is none.
    pub(crate) default_at: usize,
}

/// The values a short form allows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Domain {
    Range(Range),
    Options(Vec<ParamValue>),
    Fixed(ParamValue),
}

/// An interval with its modifiers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) scale: Option<Scale>,
    pub(crate) step: Option<f64>,
    /// Whole numbers only, as `:int` says or, without `:int` and `:float`, as the bounds are written.
    pub(crate) whole: bool,
    /// Comparisons with other parameters.
    pub(crate) relations: Vec<Relation>,
}

/// Where a short form is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GrammarError {
    /// Column of the offending character, from 1.
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

const SHAPE: &str = "write name=low..high, name=a|b|c or name=value";
const MODIFIERS: &str = "modifiers are :log, :linear, :int, :float, :step=N and relations such as :<=2*other";

impl ShortForm {
    /// Parses `name=domain`.
    pub(crate) fn parse(text: &str) -> Result<Self, GrammarError> {
        let whole = Piece { text, column: 1 };
        let Some((name, rest)) = whole.split_once('=') else {
            return Err(whole.error(format!("`{text}` has no `=`"), SHAPE));
        };
        if name.text.trim().is_empty() {
            return Err(name.error("the name before `=` is empty".into(), SHAPE));
        }
        Self::parse_domain(name.text.trim(), rest)
    }

    /// Parses the part after `=` for a name that is known already.
    pub(crate) fn parse_named(name: &str, domain: &str) -> Result<Self, GrammarError> {
        Self::parse_domain(name, Piece { text: domain, column: 1 })
    }

    fn parse_domain(name: &str, text: Piece<'_>) -> Result<Self, GrammarError> {
        let (domain, default) = match text.rsplit_once('@') {
            Some((domain, default)) => (domain.trimmed(), Some(default.trimmed())),
            None => (text.trimmed(), None),
        };
        if domain.text.is_empty() {
            return Err(domain.error(format!("`{name}` has no values"), SHAPE));
        }
        Ok(ShortForm {
            name: name.into(),
            domain: Domain::parse(domain)?,
            default: default.map(Piece::scalar),
            domain_at: domain.column,
            default_at: default.map_or(domain.column, |d| d.column),
        })
    }

    /// Returns the parameter that the short form declares on its own, and a remark where something
    /// was decided for the user.
    pub(crate) fn to_parameter(&self) -> (Parameter, Option<String>) {
        let (distribution, note) = self.domain.to_distribution();
        let note = note.map(|note| format!("{}: {note}", self.name));
        let default = self.default.clone().map(|value| match (&distribution, value) {
            (Distribution::Float { .. }, ParamValue::Int(v)) => ParamValue::Float(v as f64),
            (_, value) => value,
        });
        let relations = self.relations().to_vec();
        (Parameter { default, relations, ..Parameter::new(&self.name, distribution) }, note)
    }

    /// Returns the comparisons with other parameters.
    pub(crate) fn relations(&self) -> &[Relation] {
        match &self.domain {
            Domain::Range(range) => &range.relations,
            Domain::Options(_) | Domain::Fixed(_) => &[],
        }
    }
}

impl Domain {
    fn parse(text: Piece<'_>) -> Result<Self, GrammarError> {
        let options: Vec<Piece<'_>> = text.split('|').into_iter().map(Piece::trimmed).collect();
        if options.len() > 1 {
            return match options.iter().find(|o| o.text.is_empty()) {
                Some(empty) => Err(empty.error("an option is empty".into(), SHAPE)),
                None => Ok(Domain::Options(options.into_iter().map(Piece::scalar).collect())),
            };
        }
        match text.text.find("..").filter(|at| *at > 0 && !text.text[..*at].ends_with('\\')) {
            Some(at) => Range::parse(text, at).map(Domain::Range),
            None => Ok(Domain::Fixed(text.scalar())),
        }
    }

    fn to_distribution(&self) -> (Distribution, Option<String>) {
        match self {
            Domain::Range(range) => range.to_distribution(),
            Domain::Options(choices) => (options(choices.clone()), None),
            Domain::Fixed(ParamValue::Int(v)) => (Range::fixed(*v as f64, true).to_distribution().0, None),
            Domain::Fixed(ParamValue::Float(v)) => (Range::fixed(*v, false).to_distribution().0, None),
            Domain::Fixed(value) => {
                (Distribution::Categorical { choices: vec![value.clone()], weights: None }, None)
            }
        }
    }
}

/// Rising numbers are an ordered set, truth values the usual pair, anything else unordered.
fn options(choices: Vec<ParamValue>) -> Distribution {
    let numbers: Option<Vec<f64>> = choices.iter().map(ParamValue::as_f64).collect();
    let rising = numbers.is_some_and(|n| n.is_sorted_by(|a, b| a < b));
    let both = choices.len() == 2
        && choices.iter().all(|c| matches!(c, ParamValue::Bool(_)))
        && choices[0] != choices[1];
    match (both, rising) {
        (true, _) => Distribution::bool(),
        (_, true) => Distribution::Ordinal { choices, weights: None },
        _ => Distribution::Categorical { choices, weights: None },
    }
}

impl Range {
    fn fixed(value: f64, whole: bool) -> Self {
        Range {
            low: value,
            high: value,
            scale: Some(Scale::Linear),
            step: None,
            whole,
            relations: Vec::new(),
        }
    }

    fn parse(text: Piece<'_>, dots: usize) -> Result<Self, GrammarError> {
        let low = text.slice(0, dots).trimmed();
        let rest = text.slice(dots + 2, text.text.len()).split(':');
        let mut rest = rest.into_iter().map(Piece::trimmed);
        let high = rest.next().expect("splitting gives at least one piece");
        let (low_value, high_value) = (low.number()?, high.number()?);
        let whole = [low, high].iter().all(|p| p.text.parse::<i64>().is_ok());
        let mut range =
            Range { low: low_value, high: high_value, scale: None, step: None, whole, relations: Vec::new() };
        for modifier in rest {
            range.modify(modifier)?;
        }
        let fractional = [low_value, high_value].into_iter().chain(range.step).find(|v| v.fract() != 0.0);
        match fractional.filter(|_| range.whole) {
            Some(v) => Err(text.error(format!("{v} is no whole number"), "drop `:int` or round it")),
            None => Ok(range),
        }
    }

    fn modify(&mut self, modifier: Piece<'_>) -> Result<(), GrammarError> {
        if modifier.text.starts_with(['<', '>', '=']) {
            let relation = unescape(modifier.text).parse();
            self.relations.push(relation.map_err(|why| modifier.error(why, MODIFIERS))?);
            return Ok(());
        }
        match modifier.text.split_once('=') {
            None if modifier.text == "log" => self.scale = Some(Scale::Log),
            None if modifier.text == "linear" => self.scale = Some(Scale::Linear),
            None if modifier.text == "int" => self.whole = true,
            None if modifier.text == "float" => self.whole = false,
            Some((name, _)) if name.trim() == "step" => {
                let step = modifier.slice(name.len() + 1, modifier.text.len()).trimmed();
                self.step = Some(step.number()?);
                self.whole &= step.text.parse::<i64>().is_ok();
            }
            _ => return Err(modifier.error(format!("unknown modifier `:{}`", modifier.text), MODIFIERS)),
        }
        Ok(())
    }

    /// Returns the scale asked for, else the one by rule with a remark where that is logarithmic.
    pub(crate) fn choose_scale(&self, whole: bool) -> (Scale, Option<String>) {
        match self.scale {
            Some(scale) => (scale, None),
            None if self.step.is_none() && log_scale_by_rule(self.low, self.high, whole) => {
                let interval = interval(self.low, self.high, whole);
                let note = format!("log scale, because {interval} spans decades; say :linear for the other");
                (Scale::Log, Some(note))
            }
            None => (Scale::Linear, None),
        }
    }

    fn to_distribution(&self) -> (Distribution, Option<String>) {
        let (scale, note) = self.choose_scale(self.whole);
        let distribution = if self.whole {
            let step = self.step.map_or(1, |s| s as i64);
            Distribution::Int { low: self.low as i64, high: self.high as i64, step, scale }
        } else {
            Distribution::Float { low: self.low, high: self.high, scale, step: self.step }
        };
        (distribution, note)
    }
}

/// Returns an interval as it is written in short forms.
pub(crate) fn interval(low: f64, high: f64, whole: bool) -> String {
    let shown = |v: f64| if whole { ParamValue::Int(v as i64) } else { ParamValue::Float(v) };
    format!("{}..{}", shown(low), shown(high))
}

/// A part of the text that knows its column.
#[derive(Clone, Copy)]
struct Piece<'t> {
    text: &'t str,
    column: usize,
}

impl<'t> Piece<'t> {
    fn slice(self, from: usize, to: usize) -> Piece<'t> {
        Piece { text: &self.text[from..to], column: self.column + self.text[..from].chars().count() }
    }

    /// Returns the piece without blanks around it; one behind a backslash stays.
    fn trimmed(self) -> Piece<'t> {
        let from = self.text.len() - self.text.trim_start().len();
        let mut to = self.text.trim_end().len().max(from);
        let escapes = self.text[..to].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if escapes % 2 == 1 {
            to += self.text[to..].chars().next().map_or(0, char::len_utf8);
        }
        self.slice(from, to)
    }

    /// Byte offsets of a character that no backslash precedes.
    fn offsets(self, separator: char) -> Vec<usize> {
        let mut escaped = false;
        let mut found = Vec::new();
        for (at, c) in self.text.char_indices() {
            if c == separator && !escaped {
                found.push(at);
            }
            escaped = c == '\\' && !escaped;
        }
        found
    }

    fn split(self, separator: char) -> Vec<Piece<'t>> {
        let mut from = 0;
        let mut pieces = Vec::new();
        for at in self.offsets(separator) {
            pieces.push(self.slice(from, at));
            from = at + separator.len_utf8();
        }
        pieces.push(self.slice(from, self.text.len()));
        pieces
    }

    fn split_once(self, separator: char) -> Option<(Piece<'t>, Piece<'t>)> {
        let at = *self.offsets(separator).first()?;
        Some((self.slice(0, at), self.slice(at + 1, self.text.len())))
    }

    fn rsplit_once(self, separator: char) -> Option<(Piece<'t>, Piece<'t>)> {
        let at = *self.offsets(separator).last()?;
        Some((self.slice(0, at), self.slice(at + 1, self.text.len())))
    }

    fn number(self) -> Result<f64, GrammarError> {
        match self.text.parse::<f64>() {
            Ok(v) if v.is_finite() => Ok(v),
            Ok(v) => Err(self.error(format!("bounds must be finite, found {v}"), "give a number")),
            Err(_) => Err(self.error(format!("expected a number, found `{}`", self.text), SHAPE)),
        }
    }

    fn scalar(self) -> ParamValue {
        scalar(self.text)
    }

    fn error(self, message: String, hint: &'static str) -> GrammarError {
        GrammarError { column: self.column, message, hint }
    }
}

/// Reads a plain word: a whole number, a finite number, `true`, `false`, else a text (backslashes
/// removed).
pub(crate) fn scalar(text: &str) -> ParamValue {
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let float = || text.parse::<f64>().ok().filter(|v| numeric && v.is_finite());
    match (text, text.parse::<i64>()) {
        ("true", _) => ParamValue::Bool(true),
        ("false", _) => ParamValue::Bool(false),
        (_, Ok(whole)) => ParamValue::Int(whole),
        _ => float().map_or_else(|| ParamValue::Text(unescape(text)), ParamValue::Float),
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameter(text: &str) -> Parameter {
        ShortForm::parse(text).unwrap().to_parameter().0
    }

    fn text(values: &[&str]) -> Vec<ParamValue> {
        values.iter().map(|v| ParamValue::Text((*v).into())).collect()
    }

    #[test]
    fn ranges_are_read() {
        let float = |low, high, scale, step| Distribution::Float { low, high, scale, step };
        let int = |low, high, step, scale| Distribution::Int { low, high, step, scale };
        for (given, expected) in [
            ("lr=1e-5..1e-1:log", float(1e-5, 1e-1, Scale::Log, None)),
            ("lr=1e-5..1e-1", float(1e-5, 1e-1, Scale::Log, None)),
            ("lr=1e-5..1e-1:linear", float(1e-5, 1e-1, Scale::Linear, None)),
            ("x=-1.5..2", float(-1.5, 2.0, Scale::Linear, None)),
            ("x=0.0..1.0:step=0.25", float(0.0, 1.0, Scale::Linear, Some(0.25))),
            ("layers=1..8", int(1, 8, 1, Scale::Linear)),
            ("layers=1..256", int(1, 256, 1, Scale::Log)),
            ("layers=-8..8:step=4", int(-8, 8, 4, Scale::Linear)),
            ("n=1e0..1e3:int:linear", int(1, 1000, 1, Scale::Linear)),
            ("p=0..1:float", float(0.0, 1.0, Scale::Linear, None)),
            ("p=0..1:step=0.1", float(0.0, 1.0, Scale::Linear, Some(0.1))),
            ("seed=7", int(7, 7, 1, Scale::Linear)),
        ] {
            assert_eq!(parameter(given).distribution, expected, "{given}");
        }
    }

    #[test]
    fn options_are_read() {
        let unordered = |choices| Distribution::Categorical { choices, weights: None };
        for (given, expected) in [
            ("act=relu|gelu", unordered(text(&["relu", "gelu"]))),
            ("amp=true|false", Distribution::bool()),
            (
                "bs=16|32",
                Distribution::Ordinal {
                    choices: vec![ParamValue::Int(16), ParamValue::Int(32)],
                    weights: None,
                },
            ),
            ("bs=32|16", unordered(vec![ParamValue::Int(32), ParamValue::Int(16)])),
            (r"x=a\|b|c\@d|inf", unordered(text(&["a|b", "c@d", "inf"]))),
            ("dir=../data", unordered(text(&["../data"]))),
        ] {
            assert_eq!(parameter(given).distribution, expected, "{given}");
        }
    }

    #[test]
    fn blanks_around_parts_do_not_count() {
        for (spaced, plain) in [
            ("lr = 1e-5 .. 1e-1 : log @ 1e-3", "lr=1e-5..1e-1:log@1e-3"),
            ("x= 0.0..1.0 : step = 0.25 ", "x=0.0..1.0:step=0.25"),
            ("n=1 .. 8 :<= 2*m", "n=1..8:<= 2*m"),
            ("act=relu | gelu @ gelu", "act=relu|gelu@gelu"),
            ("bs= 16 | 32", "bs=16|32"),
            ("seed= 7 ", "seed=7"),
        ] {
            assert_eq!(parameter(spaced), parameter(plain), "{spaced}");
        }
        let kept = parameter(r"x=\ a|b\ |c d").distribution;
        let expected = Distribution::Categorical { choices: text(&[" a", "b ", "c d"]), weights: None };
        assert_eq!(kept, expected);
        assert_eq!(ShortForm::parse("x= |a").unwrap_err().message, "an option is empty");
    }

    #[test]
    fn defaults_follow_the_type() {
        assert_eq!(parameter("lr=1e-5..1e-1:log@1e-3").default, Some(ParamValue::Float(1e-3)));
        assert_eq!(parameter("x=0.0..2.0@1").default, Some(ParamValue::Float(1.0)));
        assert_eq!(parameter("n=1..8@4").default, Some(ParamValue::Int(4)));
        assert_eq!(parameter("a=x|y@y").default, Some(ParamValue::Text("y".into())));
    }

    #[test]
    fn errors_point_at_the_character() {
        for (given, column, message) in [
            ("lr", 1, "`lr` has no `=`"),
            ("=1..2", 1, "the name before `=` is empty"),
            ("lr=", 4, "`lr` has no values"),
            ("lr=1..b", 7, "expected a number, found `b`"),
            ("lr=a..2", 4, "expected a number, found `a`"),
            ("lr=1..inf", 7, "bounds must be finite, found inf"),
            ("lr=1..2:lgo", 9, "unknown modifier `:lgo`"),
            ("lr=1..2:step=x", 14, "expected a number, found `x`"),
            ("n=1..2.5:int", 3, "2.5 is no whole number"),
            ("ä=x||y", 5, "an option is empty"),
        ] {
            let error = ShortForm::parse(given).unwrap_err();
            assert_eq!((error.column, error.message.as_str()), (column, message), "{given}");
        }
    }

    #[test]
    fn log_by_rule_is_remarked() {
        let note = ShortForm::parse("lr=1e-5..1e-1").unwrap().to_parameter().1.unwrap();
        assert_eq!(note, "lr: log scale, because 1e-5..0.1 spans decades; say :linear for the other");
        assert_eq!(ShortForm::parse("lr=1e-5..1e-1:log").unwrap().to_parameter().1, None);
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in "[a-c=.|:@\\\\ä0-9e-]{0,16}") {
            match ShortForm::parse(&text) {
                Ok(parsed) => drop(parsed.to_parameter()),
                Err(error) => prop_assert!(error.column <= text.chars().count() + 1),
            }
        }
    }
}
