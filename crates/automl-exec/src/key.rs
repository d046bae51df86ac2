//! The name of one attempt at a trial.
//!
//! It is the idempotency key of every submission and the marker in the environment of every process
//! that belongs to the attempt. It knows nothing about folders, processes or results.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of hexadecimal digits that name a study.
const STUDY_DIGITS: usize = 8;

/// Names one attempt at one trial of one study.
///
/// Its text, and its stored form, is `am-<study>-t<trial>-a<attempt>`: lower-case letters, digits and
/// dashes, at most 45 characters, so that it fits the job names of cluster engines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AttemptKey {
    /// Study identifier, eight lower-case hexadecimal digits.
    pub study: String,
    /// Trial number within the study.
    pub trial: u64,
    /// Attempt number within the trial, raised by one for every new attempt.
    pub attempt: u32,
}

/// A text that is not the name of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an attempt key: expected `am-<8 hex digits>-t<trial>-a<attempt>`")]
pub struct KeyError {
    /// The text that was found.
    pub text: String,
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "am-{}-t{}-a{}", self.study, self.trial, self.attempt)
    }
}

impl FromStr for AttemptKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse(text).ok_or_else(|| KeyError { text: text.to_owned() })
    }
}

impl TryFrom<String> for AttemptKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<AttemptKey> for String {
    fn from(key: AttemptKey) -> String {
        key.to_string()
    }
}

fn parse(text: &str) -> Option<AttemptKey> {
    let (study, rest) = text.strip_prefix("am-")?.split_once("-t")?;
    let (trial, attempt) = rest.split_once("-a")?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if study.len() != STUDY_DIGITS || !study.bytes().all(hex) {
        return None;
    }
    let key =
        AttemptKey { study: study.to_owned(), trial: trial.parse().ok()?, attempt: attempt.parse().ok()? };
    // `+7` and `007` parse as numbers but are other texts, and a key has one text only.
    (key.to_string() == text).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_survives_its_text() {
        let key = AttemptKey { study: "00c0ffee".into(), trial: 7, attempt: 2 };
        assert_eq!(key.to_string(), "am-00c0ffee-t7-a2");
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, "\"am-00c0ffee-t7-a2\"");
        assert_eq!(serde_json::from_str::<AttemptKey>(&json).unwrap(), key);
    }

    #[test]
    fn largest_key_fits_a_job_name() {
        let key = AttemptKey { study: "ffffffff".into(), trial: u64::MAX, attempt: u32::MAX };
        assert_eq!(key.to_string().len(), 45);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "am-",
            "am-00c0ffee-t7",
            "am-00c0ffee-t7-a",
            "am-00c0ffee-t-a1",
            "am-00C0FFEE-t7-a1",
            "am-c0ffee-t7-a1",
            "am-00c0ffee-t+7-a1",
            "am-00c0ffee-t007-a1",
            "xx-00c0ffee-t7-a1",
            "am-00c0ffee-t7-a1 ",
        ] {
            assert_eq!(text.parse::<AttemptKey>(), Err(KeyError { text: text.into() }), "{text}");
        }
    }
}
