//! Numbers as programs print them.
//!
//! Accepted: sign, digits, fraction, exponent, `nan`, `inf`, `infinity`, a trailing `%` or unit
//! (dropped, nothing is converted), a whole-number ratio such as `9809/10000` (divided), and the
//! wrappers of array libraries such as `tensor(0.5)`. Refused, because the first digits would be a
//! wrong value: times `12:30`, dates `2026-03-07`, versions `1.2.3`, hashes `3fa9`,
//! grouped digits and decimal commas `1,234`.

/// A number at the start of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    /// Its value; may be NaN or infinite.
    pub(crate) value: f64,
    /// Whether it looks measured rather than counted: a fraction, exponent, `%`, NaN or infinity.
    pub(crate) fractional: bool,
    /// Bytes read, without what follows it.
    pub(crate) length: usize,
}

/// Units that may stand right behind a number.
const UNITS: [&str; 16] =
    ["ms", "s", "us", "ns", "sec", "min", "h", "m", "it", "fps", "px", "dB", "MB", "GB", "MiB", "GiB"];

/// Calls that array libraries print around a number.
const WRAPPERS: [&str; 6] = ["tensor(", "np.float64(", "np.float32(", "np.float16(", "array(", "float("];

/// Reads the number that `text` starts with, behind an opening quote or wrapper if there is one.
pub(crate) fn number_after_separator(text: &[u8]) -> Option<Number> {
    let mut skipped = usize::from(matches!(text.first(), Some(b'"' | b'\'')));
    if text.get(skipped).is_some_and(u8::is_ascii_alphabetic) {
        let wrapper = WRAPPERS.iter().find(|wrapper| text[skipped..].starts_with(wrapper.as_bytes()));
        skipped += wrapper.map_or(0, |wrapper| wrapper.len());
    }
    let number = number_at_start(&text[skipped..])?;
    Some(Number { length: number.length + skipped, ..number })
}

/// Reads the number that `text` starts with.
pub(crate) fn number_at_start(text: &[u8]) -> Option<Number> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    match text.get(sign)? {
        b'0'..=b'9' | b'.' => decimal(text, sign),
        b'n' | b'N' | b'i' | b'I' => special(text, sign),
        _ => None,
    }
}

/// Reads a whole text as one number, for values kept in strings.
pub(crate) fn number_from_str(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = number_at_start(text.as_bytes())?;
    let rest = &text[number.length..];
    matches!(rest, "" | "%").then_some(number.value)
}

fn decimal(text: &[u8], sign: usize) -> Option<Number> {
    let whole = digits(text, sign);
    let mut end = sign + whole;
    let mut fractional = false;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(text, end + 1);
        if whole + fraction == 0 {
            return None;
        }
        fractional = true;
        end += 1 + fraction;
    }
    if let Some(exponent) = exponent_length(text, end) {
        fractional = true;
        end += exponent;
    }
    if let Some(ratio) = ratio(text, end).filter(|_| !fractional) {
        return Some(ratio);
    }
    if !fractional && is_grouped(&text[end..]) {
        return None;
    }
    if !ends_here(&text[end..]) {
        return None;
    }
    let fractional = fractional || text.get(end) == Some(&b'%');
    Some(Number { value: parse(&text[..end])?, fractional, length: end })
}

/// Tells whether a comma and a digit follow: `1,234` may be a thousand or a decimal comma.
fn is_grouped(rest: &[u8]) -> bool {
    matches!(rest, [b',', digit, ..] if digit.is_ascii_digit())
}

fn digits(text: &[u8], from: usize) -> usize {
    text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn exponent_length(text: &[u8], at: usize) -> Option<usize> {
    if !matches!(text.get(at), Some(b'e' | b'E')) {
        return None;
    }
    let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
    let count = digits(text, (at + 1 + sign).min(text.len()));
    (count > 0).then_some(1 + sign + count)
}

fn parse(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a whole number that ends at `at` and `/10000` behind it, as in `Accuracy: 9809/10000`.
fn ratio(text: &[u8], at: usize) -> Option<Number> {
    if text.get(at) != Some(&b'/') {
        return None;
    }
    let end = at + 1 + digits(text, at + 1);
    let (numerator, denominator) = (parse(&text[..at])?, parse(&text[at + 1..end])?);
    let fits = denominator > 0.0 && ends_here(&text[end..]);
    fits.then_some(Number { value: numerator / denominator, fractional: true, length: end })
}

fn special(text: &[u8], sign: usize) -> Option<Number> {
    let word = &text[sign..];
    let length = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = &word[..length];
    let magnitude = if word.eq_ignore_ascii_case(b"nan") {
        f64::NAN
    } else if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") {
        f64::INFINITY
    } else {
        return None;
    };
    let end = sign + length;
    let value = if text[0] == b'-' && magnitude.is_infinite() { -magnitude } else { magnitude };
    let goes_on = text.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (!goes_on).then_some(Number { value, fractional: true, length: end })
}

/// Whether a number may end where `rest` starts.
fn ends_here(rest: &[u8]) -> bool {
    let digit_follows = rest.get(1).is_some_and(u8::is_ascii_digit);
    match rest.first() {
        None => true,
        Some(b'.' | b':' | b'-' | b'/' | b'+') => !digit_follows,
        Some(b'_') => false,
        Some(byte) if byte.is_ascii_alphanumeric() => starts_with_unit(rest),
        Some(_) => true,
    }
}

fn starts_with_unit(rest: &[u8]) -> bool {
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    UNITS.iter().any(|unit| unit.as_bytes() == &rest[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<f64>) {
        let found = number_after_separator(text.as_bytes()).map(|number| number.value);
        assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{text}");
    }

    #[test]
    fn printed_numbers_are_read() {
        check("0.25", Some(0.25));
        check("-1.5e-3, next", Some(-0.0015));
        check("+.5)", Some(0.5));
        check("3.", Some(3.0));
        check("1E5|", Some(1e5));
        check("98.2%", Some(98.2));
        check("12.5ms", Some(12.5));
        check("'0.5'", Some(0.5));
        check("\"7\",", Some(7.0));
        check("0.93 (+/- 0.02)", Some(0.93));
        check("0.93+/-0.02", Some(0.93));
        check("0.5-val_acc", Some(0.5));
        check("0.5(0.6)", Some(0.5));
        check("1e999", Some(f64::INFINITY));
    }

    #[test]
    fn special_values_are_read() {
        check("nan", Some(f64::NAN));
        check("NaN,", Some(f64::NAN));
        check("-inf", Some(f64::NEG_INFINITY));
        check("Infinity}", Some(f64::INFINITY));
        check("-nan", Some(f64::NAN));
    }

    #[test]
    fn ratios_are_divided() {
        check("9809/10000 (98%)", Some(0.9809));
        check("3/0", None);
        check("3/7/2026", None);
    }

    #[test]
    fn wrapped_numbers_are_read() {
        check("tensor(0.5, device='cuda:0')", Some(0.5));
        check("np.float64(0.53)", Some(0.53));
    }

    #[test]
    fn other_things_are_refused() {
        for text in [
            "1,234",
            "0,5",
            "12:30:45",
            "2026-03-07",
            "1.2.3",
            "3fa9",
            "0x1F",
            "1_000",
            "none",
            "nancy",
            "-",
            ".",
            "",
            "inf2",
            "e5",
            "tensor(",
            "--5",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn strings_must_be_a_number_alone() {
        assert_eq!(number_from_str(" 0.5 "), Some(0.5));
        assert_eq!(number_from_str("50%"), Some(50.0));
        assert_eq!(number_from_str("0:01:12.5"), None);
        assert_eq!(number_from_str("0.5 or so"), None);
    }
}
