//! Numbers and parameters short enough for tables. Programs get the exact values as JSON instead.

use automl_core::{Distribution, ParamValue, Parameter, Params, Scale};

/// Digits of a number that people look at.
const DIGITS: i32 = 6;

/// Writes a number with six significant digits: `0.123457`, `1.5e-7`, `NaN`.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-4..=9).contains(&magnitude) {
        let text = format!("{value:.*e}", (DIGITS - 1) as usize);
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", without_zeros(digits)),
            None => text,
        };
    }
    without_zeros(&format!("{value:.*}", (DIGITS - 1 - magnitude).max(0) as usize)).to_string()
}

/// Writes a parameter's value with numbers shortened.
pub(crate) fn param(value: &ParamValue) -> String {
    match value {
        ParamValue::Float(v) => number(*v),
        ParamValue::Bool(_) | ParamValue::Int(_) | ParamValue::Text(_) | ParamValue::List(_) => {
            visible(&value.to_string())
        }
    }
}

/// Writes control characters as their escapes: what others have named or told must not steer a terminal, nor
/// break a line.
pub(crate) fn visible(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_string();
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Writes `name=value` pairs with numbers shortened.
pub(crate) fn params(params: &Params) -> String {
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", visible(name), param(value))).collect();
    pairs.join(" ")
}

/// Writes what values a parameter may take: `1e-7 .. 1e-5, log`, `relu | gelu`, `1 .. 9, whole, > low`.
pub(crate) fn domain(parameter: &Parameter) -> String {
    let scale = |scale: Scale| match scale {
        Scale::Linear => "",
        Scale::Log => ", log",
    };
    let mut text = match &parameter.distribution {
        Distribution::Float { low, high, scale: s, step } => {
            let step = step.map_or_else(String::new, |step| format!(", step {}", number(step)));
            format!("{} .. {}{}{step}", number(*low), number(*high), scale(*s))
        }
        Distribution::Int { low, high, step, scale: s } => {
            let step = if *step == 1 { String::new() } else { format!(", step {step}") };
            format!("{low} .. {high}, whole{}{step}", scale(*s))
        }
        Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
            choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
        }
    };
    for relation in &parameter.relations {
        text.push_str(&format!(", {relation}"));
    }
    text
}

/// Writes a word as a shell would need it, for reading and pasting only: no shell is ever used.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes a count with its noun: `1 trial`, `2 trials`; of a fidelity that counts parts of something, `fraction 10/100`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    match noun.split_once('/') {
        Some((whole, parts)) => format!("{whole} {n}/{parts}"),
        None if n == 1 => format!("1 {noun}"),
        None => format!("{n} {noun}s"),
    }
}

/// Writes the name of many units: `epochs`; that of parts stays as it is.
pub(crate) fn plural(unit: &str) -> String {
    if unit.contains('/') { unit.into() } else { format!("{unit}s") }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Returns a label filled up to a column's width; a longer one is set off from what follows all the same.
pub(crate) fn padded(label: &str, width: usize) -> String {
    let width = width.max(label.chars().count() + 2);
    format!("{label:<width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        let told = ParamValue::Text("a\u{1b}[31m\nb\tü".into());
        assert_eq!(param(&told), r"a\u{1b}[31m\nb\tü");
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell_word("--lr=1e-5"), "--lr=1e-5");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn parts_of_something_are_counted_as_a_fraction() {
        let told = [count(1, "epoch"), count(3, "epoch"), count(10, "fraction/100")];
        assert_eq!(told, ["1 epoch", "3 epochs", "fraction 10/100"]);
        assert_eq!([plural("epoch"), plural("fraction/100")], ["epochs", "fraction/100"]);
    }

    #[test]
    fn numbers_keep_six_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_456_789, "0.123457"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1.5e-7, "1.5e-7"),
            (3.162_277_660_168e-4, "0.000316228"),
            (123_456_789.0, "123456789"),
            (1e12, "1e12"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn domains_read_like_their_flags() {
        let float = Distribution::Float { low: 1e-7, high: 1e-5, scale: Scale::Log, step: None };
        assert_eq!(domain(&Parameter::new("lr", float)), "1e-7 .. 1e-5, log");
        let int = Distribution::Int { low: 1, high: 9, step: 2, scale: Scale::Linear };
        let mut n = Parameter::new("n", int);
        assert_eq!(domain(&n), "1 .. 9, whole, step 2");
        n.relations = vec!["> low".parse().unwrap()];
        assert_eq!(domain(&n), "1 .. 9, whole, step 2, > low");
        assert_eq!(domain(&Parameter::new("b", Distribution::bool())), "false | true");
    }

    #[test]
    fn long_labels_are_set_off() {
        assert_eq!(padded("lr", 4), "lr  ");
        assert_eq!(padded("model.dropout", 4), "model.dropout  ");
    }
}
