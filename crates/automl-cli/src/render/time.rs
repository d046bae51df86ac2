//! Times and durations as people write and read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Units of a written duration, the longest first.
const UNITS: [(char, u64); 4] = [('d', DAY), ('h', HOUR), ('m', MINUTE), ('s', SECOND)];

/// Reads `90s`, `15m`, `1.5h`, `2d` or a sum such as `1h30m` as milliseconds.
///
/// # Errors
/// What is expected instead.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration: write 90s, 15m, 12h, 2d or 1h30m");
    let (mut rest, mut total) = (text.trim(), 0.0);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        let unit = rest[end..].chars().next().ok_or_else(wrong)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total += number * *factor as f64;
        rest = &rest[end + unit.len_utf8()..];
    }
    if total < 1.0 {
        Err(format!("`{text}` is too short: a duration is at least 0.001s"))
    } else {
        Ok(total as u64)
    }
}

/// Writes milliseconds with their two leading units: `0.4s`, `12s`, `3m 5s`, `2h 10m`, `4d 3h`.
pub(crate) fn duration(ms: u64) -> String {
    let pair = |big: u64, big_name: char, small: u64, small_name: char| match ms % big / small {
        0 => format!("{}{big_name}", ms / big),
        rest => format!("{}{big_name} {rest}{small_name}", ms / big),
    };
    match ms {
        0..10_000 => format!("{}.{}s", ms / SECOND, ms % SECOND / 100),
        10_000..MINUTE => format!("{}s", ms / SECOND),
        MINUTE..HOUR => pair(MINUTE, 'm', SECOND, 's'),
        HOUR..DAY => pair(HOUR, 'h', MINUTE, 'm'),
        _ => pair(DAY, 'd', HOUR, 'h'),
    }
}

/// Writes milliseconds since 1970 in the local time zone, for people.
pub(crate) fn local(ms: u64) -> String {
    timestamp(ms).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Returns the present time in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// A time beyond the calendar (a damaged clock's) becomes 1970.
fn timestamp(ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(0);
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        for (text, ms) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("1.5h", 5_400_000),
            ("2d", 172_800_000),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
        for text in ["", "90", "s", "1x", "1h30", "-5s", "0s", "1..5s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_show_two_units() {
        for (ms, text) in [
            (0, "0.0s"),
            (450, "0.4s"),
            (12_900, "12s"),
            (60_000, "1m"),
            (185_000, "3m 5s"),
            (7_800_000, "2h 10m"),
            (356_400_000, "4d 3h"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
