//! Sizes of files as people write and read them.

/// Units of a written size, the largest first.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads `50GiB`, `1.5TB` or `200MiB` as bytes.
///
/// # Errors
/// What is expected instead.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write 50GiB, 200MiB or 1.5TB");
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim();
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
    let bytes = number * *factor as f64;
    if bytes >= 1.0 { Ok(bytes as u64) } else { Err(wrong()) }
}

/// Writes bytes with one decimal of the largest binary unit they fill: `512 B`, `1.5 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let binary = UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
    match binary.into_iter().find(|(_, factor)| bytes >= *factor) {
        Some((name, factor)) => format!("{:.1} {name}", bytes as f64 / *factor as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in
            [("50GiB", 50 << 30), ("1.5 kB", 1500), ("200MB", 200_000_000), ("1tib", 1 << 40), ("7B", 7)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "50", "GiB", "1XB", "-1GiB", "0B", "1..5GB"] {
            assert!(parse_size(text).unwrap_err().contains("write 50GiB"), "{text}");
        }
    }

    #[test]
    fn sizes_show_one_decimal() {
        assert_eq!(
            [size(0), size(1023), size(1536), size(50 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "50.0 GiB"]
        );
    }
}
