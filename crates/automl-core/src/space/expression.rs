//! Arithmetic over the values of other parameters, as relations between parameters need it.
//!
//! ```text
//! expression = term (("+" | "-") term)*          term = factor (("*" | "/") factor)*
//! factor = number | name | "-" factor | "(" expression ")" | floor(e) | min(e, e…) | max(e, e…)
//! ```
//!
//! A name is a parameter's name; one with other characters than letters, digits, `_`, `.` and `[…]` stands
//! between back quotes. The text is also the stored form.

use std::fmt;

/// Nesting beyond which an expression is refused, so that no input can exhaust the stack.
const MAX_DEPTH: usize = 32;

/// A number computed from other parameters' values.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A constant, finite.
    Number(f64),
    /// The value of a parameter.
    Value(String),
    /// Left plus right.
    Sum(Box<Expression>, Box<Expression>),
    /// Left minus right.
    Difference(Box<Expression>, Box<Expression>),
    /// Left times right.
    Product(Box<Expression>, Box<Expression>),
    /// Left divided by right.
    Quotient(Box<Expression>, Box<Expression>),
    /// Largest whole number that is not above the inner value.
    Floor(Box<Expression>),
    /// Smallest of several, at least one.
    Min(Vec<Expression>),
    /// Largest of several, at least one.
    Max(Vec<Expression>),
}

impl Expression {
    /// Parses a whole text.
    ///
    /// # Errors
    /// What was expected where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim_start(), depth: 0 };
        let expression = parser.sum()?;
        match parser.rest {
            "" => Ok(expression),
            rest => Err(format!("expected an operator, found `{rest}`")),
        }
    }

    /// Returns the names of the parameters it reads, in order of appearance.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Expression::Number(_) => Vec::new(),
            Expression::Value(name) => vec![name],
            Expression::Sum(a, b)
            | Expression::Difference(a, b)
            | Expression::Product(a, b)
            | Expression::Quotient(a, b) => [a.names(), b.names()].concat(),
            Expression::Floor(inner) => inner.names(),
            Expression::Min(items) | Expression::Max(items) => {
                items.iter().flat_map(Expression::names).collect()
            }
        }
    }

    /// Returns it with parameters replaced by what `with` gives for their names; the others stay.
    #[must_use]
    pub fn replaced(&self, with: &dyn Fn(&str) -> Option<Expression>) -> Expression {
        let inner = |e: &Expression| Box::new(e.replaced(with));
        let all = |items: &[Expression]| items.iter().map(|e| e.replaced(with)).collect();
        match self {
            Expression::Number(_) => self.clone(),
            Expression::Value(name) => with(name).unwrap_or_else(|| self.clone()),
            Expression::Sum(a, b) => Expression::Sum(inner(a), inner(b)),
            Expression::Difference(a, b) => Expression::Difference(inner(a), inner(b)),
            Expression::Product(a, b) => Expression::Product(inner(a), inner(b)),
            Expression::Quotient(a, b) => Expression::Quotient(inner(a), inner(b)),
            Expression::Floor(a) => Expression::Floor(inner(a)),
            Expression::Min(items) => Expression::Min(all(items)),
            Expression::Max(items) => Expression::Max(all(items)),
        }
    }

    /// Evaluates it; `None` where a parameter has no value.
    #[must_use]
    pub fn evaluate(&self, value: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
        self.interval(&|name| value(name).map(|v| (v, v))).map(|(low, _)| low)
    }

    /// Returns bounds of its value from bounds of the parameters'; `None` where a parameter has none or
    /// a divisor may be 0.
    ///
    /// Every step rounds monotonically, so the value for any point of the box lies within.
    #[must_use]
    pub fn interval(&self, bounds: &dyn Fn(&str) -> Option<(f64, f64)>) -> Option<(f64, f64)> {
        let both = |a: &Expression, b: &Expression| Some((a.interval(bounds)?, b.interval(bounds)?));
        match self {
            Expression::Number(v) => Some((*v, *v)),
            Expression::Value(name) => bounds(name),
            Expression::Sum(a, b) => both(a, b).map(|((al, ah), (bl, bh))| (al + bl, ah + bh)),
            Expression::Difference(a, b) => both(a, b).map(|((al, ah), (bl, bh))| (al - bh, ah - bl)),
            Expression::Product(a, b) => {
                both(a, b).map(|((al, ah), (bl, bh))| hull([al * bl, al * bh, ah * bl, ah * bh]))
            }
            Expression::Quotient(a, b) => both(a, b)
                .filter(|(_, (bl, bh))| *bl > 0.0 || *bh < 0.0)
                .map(|((al, ah), (bl, bh))| hull([al / bl, al / bh, ah / bl, ah / bh])),
            Expression::Floor(inner) => inner.interval(bounds).map(|(low, high)| (low.floor(), high.floor())),
            Expression::Min(items) => fold(items, bounds, f64::min),
            Expression::Max(items) => fold(items, bounds, f64::max),
        }
    }

    /// Tells whether it is a whole number whenever the parameters named by `whole` are.
    #[must_use]
    pub fn is_whole(&self, whole: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Expression::Number(v) => v.fract() == 0.0,
            Expression::Value(name) => whole(name),
            Expression::Sum(a, b) | Expression::Difference(a, b) | Expression::Product(a, b) => {
                a.is_whole(whole) && b.is_whole(whole)
            }
            Expression::Quotient(..) => false,
            Expression::Floor(_) => true,
            Expression::Min(items) | Expression::Max(items) => items.iter().all(|item| item.is_whole(whole)),
        }
    }

    /// How tightly the outermost operator binds: sums 0, products 1, everything else 2.
    fn rank(&self) -> u8 {
        match self {
            Expression::Sum(..) | Expression::Difference(..) => 0,
            Expression::Product(..) | Expression::Quotient(..) => 1,
            Expression::Number(_)
            | Expression::Value(_)
            | Expression::Floor(_)
            | Expression::Min(_)
            | Expression::Max(_) => 2,
        }
    }

    /// Writes the expression, in parentheses where it binds less tightly than asked.
    fn write(&self, f: &mut fmt::Formatter<'_>, least_rank: u8) -> fmt::Result {
        if self.rank() < least_rank {
            return write!(f, "({self})");
        }
        let binary = |f: &mut fmt::Formatter<'_>, a: &Expression, sign: &str, b: &Expression| {
            a.write(f, self.rank())?;
            write!(f, " {sign} ")?;
            // Subtraction and division group to the left.
            b.write(f, self.rank() + 1)
        };
        match self {
            Expression::Number(v) => write!(f, "{v:?}"),
            Expression::Value(name) if is_plain(name) => f.write_str(name),
            Expression::Value(name) => write!(f, "`{name}`"),
            Expression::Sum(a, b) => binary(f, a, "+", b),
            Expression::Difference(a, b) => binary(f, a, "-", b),
            Expression::Product(a, b) => binary(f, a, "*", b),
            Expression::Quotient(a, b) => binary(f, a, "/", b),
            Expression::Floor(inner) => write!(f, "floor({inner})"),
            Expression::Min(items) => write_call(f, "min", items),
            Expression::Max(items) => write_call(f, "max", items),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

fn write_call(f: &mut fmt::Formatter<'_>, name: &str, items: &[Expression]) -> fmt::Result {
    write!(f, "{name}(")?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
    }
    f.write_str(")")
}

fn hull(corners: [f64; 4]) -> (f64, f64) {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    corners.iter().fold(ends, |(low, high), corner| (low.min(*corner), high.max(*corner)))
}

fn fold(
    items: &[Expression],
    bounds: &dyn Fn(&str) -> Option<(f64, f64)>,
    pick: fn(f64, f64) -> f64,
) -> Option<(f64, f64)> {
    let mut ends = items.iter().map(|item| item.interval(bounds));
    let first = ends.next()??;
    ends.try_fold(first, |(low, high), next| next.map(|(l, h)| (pick(low, l), pick(high, h))))
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_plain(name: &str) -> bool {
    name.starts_with(starts_name) && name_end(name) == name.len() && !["floor", "min", "max"].contains(&name)
}

/// Length of the name at the start of a text; brackets belong to it where they hold digits.
fn name_end(text: &str) -> usize {
    let mut end = 0;
    loop {
        let rest = &text[end..];
        end += rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        let index = text[end..].strip_prefix('[').and_then(|inner| inner.split_once(']'));
        match index.filter(|(digits, _)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())) {
            Some((digits, _)) => end += digits.len() + 2,
            None => return end,
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            let build = match self.rest.chars().next() {
                Some('+') => Expression::Sum,
                Some('-') => Expression::Difference,
                _ => return Ok(left),
            };
            self.advance(1);
            left = build(Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.factor()?;
        loop {
            let build = match self.rest.chars().next() {
                Some('*') => Expression::Product,
                Some('/') => Expression::Quotient,
                _ => return Ok(left),
            };
            self.advance(1);
            left = build(Box::new(left), Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested more than {MAX_DEPTH} deep"));
        }
        let factor = self.unguarded_factor();
        self.depth -= 1;
        factor
    }

    fn unguarded_factor(&mut self) -> Result<Expression, String> {
        match self.rest.chars().next() {
            Some('(') => {
                self.advance(1);
                let inner = self.sum()?;
                self.expect(')')?;
                Ok(inner)
            }
            Some('-') => {
                self.advance(1);
                Ok(match self.factor()? {
                    Expression::Number(v) => Expression::Number(-v),
                    other => Expression::Product(Box::new(Expression::Number(-1.0)), Box::new(other)),
                })
            }
            Some('`') => {
                let quoted = &self.rest[1..];
                let end = quoted.find('`').ok_or("a back quote is not closed")?;
                self.advance(end + 2);
                Ok(Expression::Value(quoted[..end].into()))
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if starts_name(c) => self.name(),
            Some(c) => Err(format!("expected a number or a parameter, found `{c}`")),
            None => Err("expected a number or a parameter, found the end".into()),
        }
    }

    fn number(&mut self) -> Result<Expression, String> {
        let mut end = 0;
        for (i, c) in self.rest.char_indices() {
            let after_exponent = i > 0 && matches!(self.rest.as_bytes()[i - 1], b'e' | b'E');
            let sign = matches!(c, '+' | '-') && after_exponent;
            if !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || sign) {
                break;
            }
            end = i + c.len_utf8();
        }
        let text = &self.rest[..end];
        let number = text.parse::<f64>().ok().filter(|v| v.is_finite());
        self.advance(end);
        number.map(Expression::Number).ok_or_else(|| format!("`{text}` is no finite number"))
    }

    fn name(&mut self) -> Result<Expression, String> {
        let end = name_end(self.rest);
        let name = &self.rest[..end];
        self.advance(end);
        if !self.rest.starts_with('(') {
            return Ok(Expression::Value(name.into()));
        }
        self.advance(1);
        let mut items = vec![self.sum()?];
        while self.rest.starts_with(',') {
            self.advance(1);
            items.push(self.sum()?);
        }
        self.expect(')')?;
        match (name, items.len()) {
            ("floor", 1) => Ok(Expression::Floor(Box::new(items.remove(0)))),
            ("floor", n) => Err(format!("`floor` takes one value, found {n}")),
            ("min", _) => Ok(Expression::Min(items)),
            ("max", _) => Ok(Expression::Max(items)),
            _ => Err(format!("no function `{name}`; known: `floor`, `min`, `max`")),
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.rest.chars().next() {
            Some(c) if c == wanted => {
                self.advance(c.len_utf8());
                Ok(())
            }
            Some(c) => Err(format!("expected `{wanted}`, found `{c}`")),
            None => Err(format!("expected `{wanted}`, found the end")),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<f64> {
        let known = |name: &str| match name {
            "a" => Some(3.0),
            "b.c[0]" => Some(0.5),
            "odd name" => Some(7.0),
            _ => None,
        };
        Expression::parse(text).unwrap().evaluate(&known)
    }

    #[test]
    fn arithmetic_follows_the_usual_rules() {
        for (text, expected) in [
            ("1 + 2*3", Some(7.0)),
            ("2*(a - 1) - 1", Some(3.0)),
            ("10 - 3 - 2", Some(5.0)),
            ("a / b.c[0]", Some(6.0)),
            ("-a + 1e-1", Some(-2.9)),
            ("floor(a / 2)", Some(1.0)),
            ("min(a, max(1, a*2 - 1))", Some(3.0)),
            ("`odd name`", Some(7.0)),
            ("missing + 1", None),
            ("1 / (a - 3)", None),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_survive_reading_and_writing() {
        for text in
            ["a - (b - c) - d", "2.0 * (a + 1.0) / b.c[0]", "max(a, floor(b / 2.0))", "`odd name` * -1.0"]
        {
            assert_eq!(Expression::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, why) in [
            ("", "expected a number or a parameter, found the end"),
            ("a +", "expected a number or a parameter, found the end"),
            ("(a", "expected `)`, found the end"),
            ("a b", "expected an operator, found `b`"),
            ("sin(a)", "no function `sin`; known: `floor`, `min`, `max`"),
            ("1e999", "`1e999` is no finite number"),
            ("`a", "a back quote is not closed"),
            ("floor(1, 2)", "`floor` takes one value, found 2"),
        ] {
            assert_eq!(Expression::parse(text).unwrap_err(), why, "{text}");
        }
        let deep = "(".repeat(100_000);
        assert!(Expression::parse(&deep).unwrap_err().contains("nested"), "no stack overflow");
        assert!(Expression::parse(&"-".repeat(100_000)).is_err());
    }

    #[test]
    fn bounds_hold_over_the_box() {
        let bounds = |name: &str| (name == "a").then_some((-1.0, 2.0));
        for (text, expected) in [
            ("a*a", Some((-2.0, 4.0))),
            ("3 - a", Some((1.0, 4.0))),
            ("1 / a", None),
            ("4 / (a + 2)", Some((1.0, 4.0))),
            ("max(a, 0)", Some((0.0, 2.0))),
        ] {
            assert_eq!(Expression::parse(text).unwrap().interval(&bounds), expected, "{text}");
        }
    }
}
