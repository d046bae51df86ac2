//! Values that must not be stored or shown: which keys hold them, and where they come from later.
//!
//! A recipe is kept in the study's log, so a secret is taken out of it. Within the process that was
//! given the secret it is remembered here; a resumed study reads it from the environment.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// What stands in the place of a secret.
const HIDDEN: &str = "…";
/// Length from which a secret is looked for within words, too, in characters.
const SECRET_LENGTH_MIN: usize = 4;

/// Ends of key names (last path segment, lower case) that hold secrets.
const SECRET_ENDINGS: [&str; 7] =
    ["encryption_key", "api_key", "access_key", "secret_key", "password", "token", "secret"];

/// Tells whether a spec key or variable holds a secret, by its last words: `encryption_key`,
/// `api_key`, `token`, `password` and the like.
#[must_use]
pub fn is_secret(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    SECRET_ENDINGS.iter().any(|ending| last == *ending || last.ends_with(&format!("_{ending}")))
}

/// Schemes whose user names alone may be tokens, as in `https://ghp_…@github.com`.
const TOKEN_SCHEMES: [&str; 2] = ["http", "https"];
/// What ends a URL's part before its path.
const AUTHORITY_ENDS: [char; 8] = ['/', '?', '#', '"', '\'', '`', '<', '>'];
/// What ends a URL within a text.
const URL_ENDS: [char; 5] = ['"', '\'', '`', '<', '>'];
/// Ends of the names of query parameters (lower case) that hold secrets, beside those of keys: what signs a URL opens what it
/// names.
const QUERY_ENDINGS: [&str; 3] = ["sig", "signature", "credential"];
/// Whole names of such query parameters, which as ends of names say nothing.
const QUERY_NAMES: [&str; 5] = ["key", "apikey", "auth", "pwd", "passwd"];

/// Returns where the secrets of URLs in a text stand: `user:password` of `s3://user:password@host`, the user of an HTTP
/// URL, the value of a query parameter such as `sig` or `token`.
pub(crate) fn logins(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + "://".len();
        let is_end = |c: char| c.is_whitespace() || AUTHORITY_ENDS.contains(&c);
        let authority = text[start..].split(is_end).next().unwrap_or_default();
        let scheme = text[..start - "://".len()].rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
        let scheme = scheme.unwrap_or_default().to_ascii_lowercase();
        from = start;
        if let Some((user, _)) = authority.rsplit_once('@')
            && (user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
                || (TOKEN_SCHEMES.contains(&scheme.as_str()) && !user.is_empty()))
            && user != HIDDEN
        {
            found.push(start..start + user.len());
        }
        for range in query_secrets(&text[start..]) {
            found.push(start + range.start..start + range.end);
        }
        // What stands within a secret is hidden with it.
        from = found.last().map_or(from, |range| from.max(range.end));
    }
    found
}

/// Returns where the secrets in the query of the URL stand that a text begins with.
fn query_secrets(text: &str) -> Vec<Range<usize>> {
    let url = text.split(|c: char| c.is_whitespace() || URL_ENDS.contains(&c)).next().unwrap_or_default();
    let url = url.split('#').next().unwrap_or_default();
    let Some(query) = url.find('?').map(|at| at + 1) else { return Vec::new() };
    let (mut found, mut at) = (Vec::new(), query);
    for pair in url[query..].split('&') {
        if let Some((name, value)) = pair.split_once('=')
            && opens(name)
            && !value.is_empty()
            && value != HIDDEN
        {
            let start = at + name.len() + 1;
            found.push(start..start + value.len());
        }
        at += pair.len() + 1;
    }
    found
}

/// Tells whether a query parameter of that name holds a secret.
fn opens(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    let ends = |ending: &str| name == ending || name.ends_with(&format!("_{ending}"));
    is_secret(&name)
        || QUERY_NAMES.contains(&name.as_str())
        || QUERY_ENDINGS.iter().any(|ending| ends(ending))
}

/// Tells whether a value has a text with such a login anywhere.
pub(crate) fn holds_login(value: &Value) -> bool {
    match value {
        Value::String(text) => !logins(text).is_empty(),
        Value::Array(items) => items.iter().any(holds_login),
        Value::Object(map) => map.values().any(holds_login),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Returns a text with the logins and other secrets of all URLs hidden.
#[must_use]
pub fn hide_logins(text: &str) -> String {
    let mut hidden = text.to_string();
    logins(text).into_iter().rev().for_each(|range| hidden.replace_range(range, HIDDEN));
    hidden
}

/// Returns a text with a secret hidden. A short one stands in any text by chance, and is hidden where it stands by
/// itself, between anything but letters and digits.
pub(crate) fn hide(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.into();
    }
    if secret.chars().count() >= SECRET_LENGTH_MIN {
        return text.replace(secret, HIDDEN);
    }
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let preceding = before.chars().next_back().or(hidden.chars().next_back());
        hidden.push_str(before);
        let stands_alone = !is_part(preceding) && !is_part(after.chars().next());
        hidden.push_str(if stands_alone { HIDDEN } else { secret });
        rest = after;
    }
    hidden + rest
}

/// Reads a secret of the environment: lists and the like as JSON, as [`Secrets::text`] writes them.
fn read(text: String) -> Value {
    let list = text.starts_with(['[', '{']).then(|| serde_json::from_str(&text).ok()).flatten();
    list.unwrap_or(Value::String(text))
}

/// Secret values by spec path. Never serialised, never printed.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Secrets(BTreeMap<String, Value>);

impl Secrets {
    pub(crate) fn insert(&mut self, path: &str, value: Value) {
        self.0.insert(path.into(), value);
    }

    /// Returns the value given to this process, else the environment's.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let from_environment = || std::env::var(variable(path)).ok().map(read);
        self.0.get(path).cloned().or_else(from_environment)
    }
}

impl Secrets {
    /// Returns a secret as it stands in texts.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.get(path).map(|value| value.as_str().map_or_else(|| value.to_string(), String::from))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

/// Returns the environment variable that supplies a secret: `AUTOML_SECRET_<PATH>`.
pub(crate) fn variable(path: &str) -> String {
    format!("AUTOML_SECRET_{}", crate::recipe::env_name(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_keys_are_recognised() {
        for path in ["encryption_key", "train.encryption_key", "wandb.api_key", "hf_token", "PASSWORD"] {
            assert!(is_secret(path), "{path}");
        }
        for path in ["train.lr", "model.num_tokens", "tokenizer", "key_metric", "token_size"] {
            assert!(!is_secret(path), "{path}");
        }
    }

    #[test]
    fn logins_of_urls_are_hidden() {
        for (text, shown) in [
            ("https://user:pass@host/x?y=1", "https://…@host/x?y=1"),
            ("s3://key:se/cret@bucket", "s3://key:se/cret@bucket"),
            ("s3://key:secret@bucket/a, gs://a:b@c", "s3://…@bucket/a, gs://…@c"),
            ("cannot read \"postgresql://u:p@db:5432/x\"", "cannot read \"postgresql://…@db:5432/x\""),
            ("https://ghp_token@github.com/a.git", "https://…@github.com/a.git"),
            ("HTTPS://a:b@c@host", "HTTPS://…@host"),
            ("git+https://x:y@host", "git+https://…@host"),
            ("ssh://git@host/x abfss://container@account", "ssh://git@host/x abfss://container@account"),
            ("https://host:8080/a@b and c://", "https://host:8080/a@b and c://"),
            (
                "az://c/a?sv=2022&sig=a%2Bb%3D&se=1#sig=x, https://h/x?X-Amz-Signature=ab12",
                "az://c/a?sv=2022&sig=…&se=1#sig=x, https://h/x?X-Amz-Signature=…",
            ),
            (
                "'s3://b/k?X-Amz-Credential=AK/1&X-Amz-Security-Token=t&versionId=3'",
                "'s3://b/k?X-Amz-Credential=…&X-Amz-Security-Token=…&versionId=3'",
            ),
            ("https://u:p@h/a?access_token=x y", "https://…@h/a?access_token=… y"),
            ("https://h/a?sort_key=x&key=AIza1&KEY=b", "https://h/a?sort_key=x&key=…&KEY=…"),
            (
                "https://h/a?token= b?sig=c https://h/?design=1&q",
                "https://h/a?token= b?sig=c https://h/?design=1&q",
            ),
        ] {
            assert_eq!(hide_logins(text), shown);
            assert_eq!(hide_logins(shown), shown);
        }
        assert!(holds_login(&serde_json::json!({"a": [1, {"b": "x://u:p@h"}]})));
        assert!(!holds_login(&serde_json::json!({"a": [1, {"b": "x://h"}], "u": "p@h"})));
    }

    #[test]
    fn short_secrets_are_hidden_where_they_stand_alone() {
        for (text, secret, shown) in [
            ("cannot use abcd, xabcdx", "abcd", "cannot use …, x…x"),
            ("cannot use abc, xabc abcx \"abc\"", "abc", "cannot use …, xabc abcx \"…\""),
            ("aaaa a a", "a", "aaaa … …"),
            ("ä äh", "ä", "… äh"),
            ("x", "", "x"),
        ] {
            assert_eq!(hide(text, secret), shown, "{secret}");
        }
    }

    #[test]
    fn debug_output_hides_values() {
        let mut secrets = Secrets::default();
        secrets.insert("encryption_key", "swordfish".into());
        assert_eq!(format!("{secrets:?}"), "Secrets(1 hidden)");
        assert_eq!(secrets.get("encryption_key"), Some("swordfish".into()));
        assert_eq!(variable("wandb.api_key"), "AUTOML_SECRET_WANDB_API_KEY");
    }
}
