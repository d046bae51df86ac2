//! Numbers on the command line, refused in the words of people.

use std::num::IntErrorKind;

/// Returns a reader of whole numbers from this one on.
pub(crate) fn whole<T: TryFrom<u64>>(least: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let parsed = text.trim().parse::<u64>();
        let number = parsed.map_err(|error| match error.kind() {
            IntErrorKind::PosOverflow => "the number is too large".to_string(),
            _ => expected(least),
        })?;
        if number < least {
            return Err(expected(least));
        }
        T::try_from(number).map_err(|_| "the number is too large".into())
    }
}

/// Reads a number with or without decimals.
///
/// # Errors
/// What is expected instead.
pub(crate) fn decimal(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "expected a number, such as 1 or 0.5".into())
}

fn expected(least: u64) -> String {
    format!("expected a whole number of at least {least}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_bounds() {
        assert_eq!(whole::<u64>(1)("7"), Ok(7));
        for wrong in ["0", "-1", "abc", "", "2.5", "1e3"] {
            let refused = whole::<u64>(1)(wrong);
            assert_eq!(refused, Err("expected a whole number of at least 1".into()), "{wrong}");
        }
        assert_eq!(whole::<u32>(0)("4294967296"), Err("the number is too large".into()));
        assert_eq!(whole::<u64>(0)("99999999999999999999"), Err("the number is too large".into()));
    }
}
