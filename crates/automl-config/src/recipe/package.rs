//! The installed package that a recipe's program comes from, and what is known of its versions.

use serde::{Deserialize, Serialize};

/// A package that has to be installed before a trial can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRule {
    /// Name of the package, as its installer knows it.
    pub name: String,
    /// A program that it brings; looked for on the PATH.
    pub program: String,
    /// Versions that the network's config was tried with.
    pub versions: Vec<String>,
    /// Command that installs it.
    pub install: String,
    /// What is different in other versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
}

/// Keys that a version of a package has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// First version in which it is so.
    pub since: String,
    /// The keys and where they went, in words.
    pub keys: Vec<String>,
}

impl PackageRule {
    /// Returns what to say of an installed version: nothing of a known one, else a warning with the keys that
    /// moved between the known versions and it.
    #[must_use]
    pub fn warning(&self, installed: &str) -> Option<String> {
        if self.versions.iter().any(|known| known == installed) {
            return None;
        }
        let newest = self.versions.iter().max_by_key(|version| order(version))?;
        let (low, high) = if order(installed) < order(newest) {
            (installed, newest.as_str())
        } else {
            (newest.as_str(), installed)
        };
        let between = |moved: &&Moved| order(&moved.since) > order(low) && order(&moved.since) <= order(high);
        let moved: Vec<&str> =
            self.moved.iter().filter(between).flat_map(|m| m.keys.iter().map(String::as_str)).collect();
        let what = match moved.is_empty() {
            true => "no key is known to have moved".to_string(),
            false => format!("keys that moved: {}", moved.join("; ")),
        };
        Some(format!(
            "{} {installed} is installed; the network is known to work with {}; {what}",
            self.name,
            self.versions.join(", ")
        ))
    }
}

/// A version's numbers in order; what is no number counts as 0.
fn order(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_versions_come_with_the_keys_that_moved() {
        let moved = |since: &str, key: &str| Moved { since: since.into(), keys: vec![key.into()] };
        let rule = PackageRule {
            name: "p".into(),
            program: "p".into(),
            versions: vec!["0.3.5".into()],
            install: "pip install p".into(),
            moved: vec![moved("0.3.0", "a -> b"), moved("0.4.0", "c -> d")],
        };
        assert_eq!(rule.warning("0.3.5"), None);
        let warning = |version| rule.warning(version).unwrap();
        assert!(warning("0.2.9").ends_with("0.3.5; keys that moved: a -> b"), "{}", warning("0.2.9"));
        assert!(warning("0.4.1").ends_with("keys that moved: c -> d"), "{}", warning("0.4.1"));
        assert!(warning("0.3.10").ends_with("no key is known to have moved"), "{}", warning("0.3.10"));
    }
}
