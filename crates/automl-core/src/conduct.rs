//! How trials are treated while and after they run: which reading counts, when one is stopped early,
//! and what is kept of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How trials are treated; a part of a study's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conduct {
    /// Which of a trial's readings is its value.
    #[serde(skip_serializing_if = "is_default")]
    pub reading: Reading,
    /// When a running trial is stopped.
    #[serde(skip_serializing_if = "is_default")]
    pub early_stop: EarlyStop,
    /// Whose checkpoints are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_checkpoints: KeepCheckpoints,
    /// Bytes that checkpoints may take together; what no decision needs is deleted beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Whether the plain text of the log is kept beside the database.
    #[serde(skip_serializing_if = "is_default")]
    pub journal: Journal,
}

impl Conduct {
    /// Tells whether everything is as without being said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Conduct::default()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which of the readings up to a step is the value there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The last one: that of the checkpoint a trial leaves.
    #[default]
    Last,
    /// The best one: for programs that keep their best checkpoint.
    Best,
}

/// Rule by which a running trial is stopped because it is not going to win.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyStop {
    /// Trials run to their end.
    #[default]
    None,
    /// At each rung only the best of those that got there before go on.
    Asha,
    /// Stopped when its best reading is worse than the median of the others' averages.
    Median,
    /// Stopped when its extrapolated curve does not come near the best finished trial.
    Curve,
}

/// Whose checkpoints are kept once no decision can need them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepCheckpoints {
    /// Everybody's.
    #[default]
    All,
    /// The best trial's.
    Best,
    /// Nobody's.
    None,
    /// Those of so many of the best trials.
    Top(u32),
}

/// Whether the plain text of the event log is kept when nobody works on the study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Journal {
    /// It is there for good: a second copy, which anybody can read.
    #[default]
    On,
    /// It is there for the time of the work only; the database is the one copy of a study at rest.
    Off,
}

impl Journal {
    /// All of them with their names.
    pub const NAMES: [(Journal, &'static str); 2] = [(Journal::On, "on"), (Journal::Off, "off")];
}

impl Reading {
    /// All of them with their names.
    pub const NAMES: [(Reading, &'static str); 2] = [(Reading::Last, "last"), (Reading::Best, "best")];
}

impl EarlyStop {
    /// All of them with their names.
    pub const NAMES: [(EarlyStop, &'static str); 4] = [
        (EarlyStop::None, "none"),
        (EarlyStop::Asha, "asha"),
        (EarlyStop::Median, "median"),
        (EarlyStop::Curve, "curve"),
    ];
}

impl KeepCheckpoints {
    /// Returns how many of the best trials keep theirs; `None` for all.
    #[must_use]
    pub fn best(self) -> Option<usize> {
        match self {
            KeepCheckpoints::All => None,
            KeepCheckpoints::Best => Some(1),
            KeepCheckpoints::None => Some(0),
            KeepCheckpoints::Top(n) => Some(n as usize),
        }
    }
}

fn name_of<T: Copy + PartialEq>(names: &[(T, &'static str)], value: T) -> &'static str {
    names.iter().find(|(known, _)| *known == value).map_or("?", |(_, name)| name)
}

fn of_name<T: Copy>(names: &[(T, &'static str)], text: &str) -> Result<T, String> {
    let found = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(value, _)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        format!("unknown value `{text}`; known are {}", known.join(", "))
    })
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Reading::NAMES, *self))
    }
}

impl FromStr for Reading {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        of_name(&Reading::NAMES, text)
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Journal::NAMES, *self))
    }
}

impl FromStr for Journal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        of_name(&Journal::NAMES, text)
    }
}

impl fmt::Display for EarlyStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&EarlyStop::NAMES, *self))
    }
}

impl FromStr for EarlyStop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        of_name(&EarlyStop::NAMES, text)
    }
}

impl fmt::Display for KeepCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepCheckpoints::All => f.write_str("all"),
            KeepCheckpoints::Best => f.write_str("best"),
            KeepCheckpoints::None => f.write_str("none"),
            KeepCheckpoints::Top(n) => write!(f, "top:{n}"),
        }
    }
}

impl FromStr for KeepCheckpoints {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(KeepCheckpoints::All),
            "best" => Ok(KeepCheckpoints::Best),
            "none" => Ok(KeepCheckpoints::None),
            _ => match text.strip_prefix("top:").and_then(|n| n.parse().ok()) {
                Some(n) if n > 0 => Ok(KeepCheckpoints::Top(n)),
                _ => Err(format!("`{text}` is not known: write all, best, none or top:N")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (rule, name) in EarlyStop::NAMES {
            assert_eq!((name.parse(), rule.to_string().as_str()), (Ok(rule), name));
        }
        for text in ["all", "best", "none", "top:3"] {
            assert_eq!(text.parse::<KeepCheckpoints>().unwrap().to_string(), text);
        }
        assert!("top:0".parse::<KeepCheckpoints>().unwrap_err().contains("top:N"));
        assert!("mean".parse::<Reading>().unwrap_err().contains("last, best"));
        assert_eq!("off".parse::<Journal>().unwrap().to_string(), "off");
    }

    #[test]
    fn plain_conduct_is_not_stored() {
        assert_eq!(serde_json::to_string(&Conduct::default()).unwrap(), "{}");
        let conduct = Conduct { keep_checkpoints: KeepCheckpoints::Top(2), ..Conduct::default() };
        let text = serde_json::to_string(&conduct).unwrap();
        assert_eq!(text, r#"{"keep_checkpoints":{"top":2}}"#);
        assert_eq!(serde_json::from_str::<Conduct>(&text).unwrap(), conduct);
    }
}
