//! Keeps secrets off the screen: values whose names sound like secrets are shown as `…`.

/// Ends of names whose values are not for anybody's eyes.
const ENDINGS: [&str; 4] = ["key", "token", "secret", "password"];

/// Returns a line `name<separator>value` with the value masked where the name sounds like a secret's.
pub(crate) fn masked(line: &str, separator: char) -> String {
    match line.split_once(separator) {
        Some((name, value)) if is_secret(name) && has_value(value) => format!("{name}{separator}…"),
        _ => line.into(),
    }
}

/// Tells whether a name sounds like a secret's.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.trim().trim_matches('"').to_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn has_value(value: &str) -> bool {
    !matches!(value.trim().trim_end_matches(','), "" | "\"\"" | "''" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_masked() {
        for (line, separator, shown) in [
            ("train.encryption_key=abc", '=', "train.encryption_key=…"),
            ("  \"api_key\": \"abc\",", ':', "  \"api_key\":…"),
            ("encryption_key: ''", ':', "encryption_key: ''"),
            ("train.lr=0.1", '=', "train.lr=0.1"),
            ("keys:", ':', "keys:"),
        ] {
            assert_eq!(masked(line, separator), shown);
        }
    }
}
