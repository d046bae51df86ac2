//! Arguments with placeholders: `--lr={lr}`, `{results_dir}/log`, `{{` for a brace.
//!
//! A template fills one argument. Whatever a value contains, it stays within that argument.

use crate::nearest::did_you_mean;
use crate::spec::logins;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A parsed text with placeholders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Template(Vec<Segment>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Segment {
    Text(String),
    /// A value of the attempt.
    Value(Placeholder),
    /// A parameter's value; empty where the parameter is inactive.
    Param(String),
    /// A value that is kept nowhere, by the name that the environment supplies it under.
    Secret(String),
}

/// A value of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Placeholder {
    Spec,
    Config,
    ConfigYaml,
    ResultsDir,
    TrialDir,
    Study,
    Trial,
    Attempt,
    Resume,
    Fidelity,
    MaxFidelity,
    Seed,
    Gpus,
    NumGpus,
    Adapter,
}

impl Placeholder {
    pub(crate) const NAMES: [(&'static str, Placeholder); 15] = [
        ("spec", Placeholder::Spec),
        ("config", Placeholder::Config),
        ("config_yaml", Placeholder::ConfigYaml),
        ("results_dir", Placeholder::ResultsDir),
        ("trial_dir", Placeholder::TrialDir),
        ("study", Placeholder::Study),
        ("trial", Placeholder::Trial),
        ("attempt", Placeholder::Attempt),
        ("resume", Placeholder::Resume),
        ("fidelity", Placeholder::Fidelity),
        ("max_fidelity", Placeholder::MaxFidelity),
        ("seed", Placeholder::Seed),
        ("gpus", Placeholder::Gpus),
        ("num_gpus", Placeholder::NumGpus),
        ("adapter", Placeholder::Adapter),
    ];

    fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, placeholder)| *placeholder)
    }
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TemplateError {
    /// Column of the brace, from 1.
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// Tells whether braces hold what may be meant for a name, and not a piece of JSON.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Stands for a placeholder where URLs are looked for: it is a part of them like any letter.
const ANYTHING: &str = "\u{1}";
const BRACES: &str = "write `{{` and `}}` for braces";

impl Template {
    /// Parses a text. Parameters win over the attempt's values of the same name.
    pub(crate) fn parse(text: &str, params: &[&str]) -> Result<Self, TemplateError> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        let error = |rest: &str, message: String, hint: String| {
            let column = text[..text.len() - rest.len()].chars().count() + 1;
            Err(TemplateError { column, message, hint })
        };
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let Some(end) = rest.find('}').filter(|end| *end > 0) else {
                return error(rest, format!("`{}` is not paired", &rest[..1]), BRACES.into());
            };
            let name = &rest[1..end];
            let segment = if params.contains(&name) {
                Segment::Param(name.into())
            } else if let Some(placeholder) = Placeholder::of_name(name) {
                Segment::Value(placeholder)
            } else {
                let known = params.iter().copied().chain(Placeholder::NAMES.iter().map(|(name, _)| *name));
                let hint = match did_you_mean(name, known.clone()) {
                    near if !near.is_empty() => near,
                    _ if is_name(name) => {
                        format!("known are {}; {BRACES}", known.collect::<Vec<_>>().join(", "))
                    }
                    _ => BRACES.into(),
                };
                return error(rest, format!("unknown placeholder `{{{name}}}`"), hint);
            };
            if !literal.is_empty() {
                segments.push(Segment::Text(std::mem::take(&mut literal)));
            }
            segments.push(segment);
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() || segments.is_empty() {
            segments.push(Segment::Text(literal));
        }
        Ok(Template(segments))
    }

    /// Fills the placeholders.
    pub(crate) fn fill(&self, value: impl Fn(&Segment) -> String) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            other => value(other),
        };
        self.0.iter().map(part).collect()
    }

    /// Returns the template with its literal end, from a byte on, taken for a secret; `None` where that part has
    /// placeholders or is empty.
    pub(crate) fn with_secret(&self, from: usize, name: &str) -> Option<(Self, String)> {
        let [Segment::Text(text)] = self.0.as_slice() else { return None };
        let (kept, secret) = text.split_at_checked(from).filter(|(_, secret)| !secret.is_empty())?;
        let kept = (!kept.is_empty()).then(|| Segment::Text(kept.into()));
        let segments = kept.into_iter().chain([Segment::Secret(name.into())]).collect();
        Some((Template(segments), secret.into()))
    }

    /// Returns the template with the secrets of URLs in its literal parts taken out, each under a name of its own, and
    /// these secrets by their names.
    pub(crate) fn without_logins(&self, mut name: impl FnMut() -> String) -> (Self, Vec<(String, String)>) {
        let text = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Value(_) | Segment::Param(_) | Segment::Secret(_) => ANYTHING.into(),
        };
        let found = logins(&self.0.iter().map(text).collect::<String>());
        let (mut segments, mut secrets, mut at) = (Vec::new(), Vec::new(), 0);
        for segment in &self.0 {
            let Segment::Text(text) = segment else {
                segments.push(segment.clone());
                at += ANYTHING.len();
                continue;
            };
            let mut from = 0;
            let here =
                |range: &Range<usize>| range.start.max(at) - at..range.end.min(at + text.len()).max(at) - at;
            for Range { start, end } in found.iter().map(here).filter(|range| !range.is_empty()) {
                let name = name();
                segments.extend((start > from).then(|| Segment::Text(text[from..start].into())));
                segments.push(Segment::Secret(name.clone()));
                secrets.push((name, text[start..end].into()));
                from = end;
            }
            segments.extend((from < text.len()).then(|| Segment::Text(text[from..].into())));
            at += text.len();
        }
        (Template(segments), secrets)
    }

    /// Returns the text of a template without placeholders.
    pub(crate) fn literal(&self) -> Option<&str> {
        if let [Segment::Text(text)] = self.0.as_slice() { Some(text) } else { None }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Tells whether the template has a placeholder.
    pub(crate) fn uses(&self, placeholder: Placeholder) -> bool {
        self.0.contains(&Segment::Value(placeholder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Result<String, TemplateError> {
        Template::parse(text, &["lr", "seed"]).map(|t| {
            t.fill(|segment| match segment {
                Segment::Param(name) => format!("<param {name}>"),
                other => format!("<{other:?}>"),
            })
        })
    }

    #[test]
    fn placeholders_are_found() {
        for (text, expected) in [
            ("", ""),
            ("--lr={lr}", "--lr=<param lr>"),
            ("{results_dir}/x{trial}", "<Value(ResultsDir)>/x<Value(Trial)>"),
            ("{{lr}}", "{lr}"),
            ("{{{lr}}}", "{<param lr>}"),
            ("{seed}", "<param seed>"),
            ("a b", "a b"),
        ] {
            assert_eq!(shown(text).unwrap(), expected, "{text}");
        }
    }

    /// All secrets of a URL are taken out, on both sides of a placeholder, too.
    #[test]
    fn secrets_of_urls_are_taken_out() {
        let text = "https://u:p@h/{lr}?sig=s&x=1&token={lr}t {seed} s3://{lr}:z@b";
        let template = Template::parse(text, &["lr", "seed"]).unwrap();
        let mut names = ["a", "b", "c", "d"].iter();
        let (without, secrets) = template.without_logins(|| names.next().unwrap().to_string());
        let found: Vec<&str> = secrets.iter().map(|(_, secret)| secret.as_str()).collect();
        assert_eq!(found, ["u:p", "s", "t", ":z"]);
        let filled = |template: &Template| {
            template.fill(|segment| match segment {
                Segment::Secret(name) => secrets.iter().find(|(known, _)| known == name).unwrap().1.clone(),
                other => format!("<{other:?}>"),
            })
        };
        assert_eq!(filled(&without), filled(&template));
        let kept =
            without.segments().iter().any(|segment| matches!(segment, Segment::Text(t) if t.contains("u:p")));
        assert!(!kept, "{without:?}");
        assert_eq!(without.without_logins(|| unreachable!()).1, []);
    }

    #[test]
    fn bad_braces_are_located() {
        let names = Placeholder::NAMES.map(|(name, _)| name).join(", ");
        let known = format!("known are lr, seed, {names}; {BRACES}");
        for (text, column, message, hint) in [
            ("ä{rl}", 2, "unknown placeholder `{rl}`", "did you mean `lr`?"),
            ("{foo}", 1, "unknown placeholder `{foo}`", known.as_str()),
            ("x{lr", 2, "`{` is not paired", BRACES),
            ("x}", 2, "`}` is not paired", BRACES),
            ("{\"a\": 1}", 1, "unknown placeholder `{\"a\": 1}`", BRACES),
        ] {
            let error = shown(text).unwrap_err();
            assert_eq!(
                (error.column, error.message.as_str(), error.hint.as_str()),
                (column, message, hint),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn escaped_text_comes_back(text in "[a{}ä ]{0,12}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&escaped, &[]).unwrap().fill(|_| unreachable!()), text.clone());
            drop(Template::parse(&text, &["a"]));
        }
    }
}
