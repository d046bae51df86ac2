//! Keeps secrets off the screen: values whose names sound like secrets, and logins of URLs, are shown as `…`.

/// Returns a line `name<separator>value` with the value masked where the name sounds like a secret's, and the secrets of its
/// URLs.
pub(crate) fn masked(line: &str, separator: char) -> String {
    match line.split_once(separator) {
        Some((name, value)) if is_secret(name) && has_value(value) => format!("{name}{separator}…"),
        _ => automl_config::hide_logins(line),
    }
}

/// Tells whether a name, bare or quoted, is a secret's.
pub(crate) fn is_secret(name: &str) -> bool {
    automl_config::is_secret(name.trim().trim_matches('"'))
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
