//! A configuration as people type it: `lr=1e-3,act=relu`.

use crate::grammar::scalar;
use automl_core::Params;

/// Reads `name=value` pairs separated by commas, or a JSON object. A backslash takes the meaning from a
/// comma.
///
/// # Errors
/// What is expected instead.
pub fn read_assignments(text: &str) -> Result<Params, String> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("`{text}` is no JSON object: {error}"));
    }
    let mut params = Params::default();
    for pair in split(text) {
        let shape = || format!("`{pair}` is no assignment: write name=value, several separated by commas");
        let (name, value) = pair.split_once('=').ok_or_else(shape)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || value.is_empty() {
            return Err(shape());
        }
        if params.insert(name.into(), scalar(value)).is_some() {
            return Err(format!("`{name}` is given twice"));
        }
    }
    Ok(params)
}

/// Reads one value as people type it: a whole number, a number, `true`, `false`, else a text.
#[must_use]
pub fn read_value(text: &str) -> automl_core::ParamValue {
    scalar(text)
}

fn split(text: &str) -> Vec<String> {
    let mut pairs = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let pair = pairs.last_mut().expect("there is always one");
        match c {
            '\\' => {
                let next = chars.next();
                // The value's own reader removes the backslash, except before a comma.
                pair.extend(Some('\\').filter(|_| next != Some(',')));
                pair.extend(next);
            }
            ',' => pairs.push(String::new()),
            c => pair.push(c),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_take_the_type_of_their_value() {
        let params = read_assignments(r"lr=1e-3, n=4,act=relu,amp=true,tag=a\,b").unwrap();
        assert_eq!(params.to_string(), "act=relu amp=true lr=0.001 n=4 tag=a,b");
        assert_eq!(read_assignments(r#"{"lr": 0.5}"#).unwrap().to_string(), "lr=0.5");
    }

    #[test]
    fn what_is_no_pair_is_quoted() {
        for (text, words) in [
            ("", "`` is no assignment"),
            ("lr", "`lr` is no assignment"),
            ("lr=", "`lr=` is no assignment"),
            ("=3", "`=3` is no assignment"),
            ("a=1,,b=2", "`` is no assignment"),
            ("a=1,a=2", "`a` is given twice"),
            ("{", "is no JSON object"),
        ] {
            assert!(read_assignments(text).unwrap_err().contains(words), "{text}");
        }
    }
}
