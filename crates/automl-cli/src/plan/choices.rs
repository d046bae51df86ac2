//! Which layer a setting comes from: flag, environment, settings file, or a default.

use crate::exit::{Exit, Failure};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A setting, its value for people, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Name of its flag without dashes.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) source: String,
}

/// Chooses each setting from the first layer that has it, and remembers which that was.
pub(crate) struct Choices<'a> {
    matches: &'a ArgMatches,
    file: Option<PathBuf>,
    /// A further settings file that was laid over the first, and the names that it sets.
    over: Option<(PathBuf, Vec<&'static str>)>,
    /// Line and column of the settings file's keys.
    places: BTreeMap<String, String>,
    made: Vec<Choice>,
}

impl<'a> Choices<'a> {
    /// Begins with the parsed command line and the settings file, if there is one.
    pub(crate) fn new(matches: &'a ArgMatches, file: Option<&Path>) -> Self {
        let file = file.map(Path::to_path_buf);
        Choices { matches, file, over: None, places: BTreeMap::new(), made: Vec::new() }
    }

    /// Says where in the settings file its keys are.
    pub(crate) fn placed(mut self, places: &BTreeMap<String, String>) -> Self {
        self.places.clone_from(places);
        self
    }

    /// Says which names another file has laid over the settings file.
    pub(crate) fn laid_over(mut self, file: Option<&Path>, names: Vec<&'static str>) -> Self {
        self.over = file.map(|file| (file.to_path_buf(), names));
        self
    }

    /// Returns the path of the file that a setting comes from, for messages.
    pub(crate) fn file_of(&self, name: &str) -> String {
        match &self.over {
            Some((file, names)) if names.contains(&name) => file.display().to_string(),
            _ => self.file_name(),
        }
    }

    /// Chooses the given value (of a flag or variable), else the file's, else the default.
    pub(crate) fn or_default<T: Display>(
        &mut self,
        name: &str,
        given: Option<T>,
        file: Option<T>,
        default: T,
    ) -> T {
        self.optional(name, given, file, T::to_string).unwrap_or_else(|| {
            self.note(name, default.to_string(), "default");
            default
        })
    }

    /// Chooses the given value, else the file's, else none.
    pub(crate) fn optional<T>(
        &mut self,
        name: &str,
        given: Option<T>,
        file: Option<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let source = if given.is_some() { self.given_by(name) } else { self.file_of(name) };
        let chosen = given.or(file)?;
        self.note(name, show(&chosen), &source);
        Some(chosen)
    }

    /// Remembers a setting that was chosen elsewhere.
    pub(crate) fn note(&mut self, name: &str, value: String, source: &str) {
        self.made.push(Choice { name: name.into(), value, source: source.into() });
    }

    /// Reads a value of the settings file that has the form of a flag.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub(crate) fn parse_file<T>(
        &self,
        key: &str,
        text: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let parsed = text.map(parse).transpose();
        parsed.map_err(|why| {
            let file = self.file_of(&key.replace('_', "-"));
            let place = if file == self.file_name() { self.place_of(key) } else { format!("{file}: {key}") };
            Failure::new(Exit::Usage, format!("{place}: {why}"))
        })
    }

    /// Returns the place of a key of the settings file, with the key.
    pub(crate) fn place_of(&self, key: &str) -> String {
        let place = self.places.get(key).map_or_else(String::new, |place| format!(":{place}"));
        format!("{}{place}: run.{key}", self.file_name())
    }

    /// Returns how a given value was given: `--trials` or `AUTOML_TRIALS`.
    pub(crate) fn given_by(&self, name: &str) -> String {
        match self.matches.value_source(&name.replace('-', "_")) {
            Some(ValueSource::EnvVariable) => format!("AUTOML_{}", name.replace('-', "_").to_uppercase()),
            _ => format!("--{name}"),
        }
    }

    /// Tells whether a flag was typed.
    pub(crate) fn is_typed(&self, name: &str) -> bool {
        self.matches.value_source(&name.replace('-', "_")) == Some(ValueSource::CommandLine)
    }

    /// Returns the path of the settings file for messages.
    pub(crate) fn file_name(&self) -> String {
        self.file.as_deref().map_or_else(|| "automl.toml".into(), |file| file.display().to_string())
    }

    /// Returns all choices in the order they were made.
    pub(crate) fn into_made(self) -> Vec<Choice> {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    #[test]
    fn first_layer_that_speaks_wins() {
        let matches = Cli::command().get_matches_from(["automl", "run", "--trials", "3", "--", "x"]);
        let matches = matches.subcommand_matches("run").unwrap();
        let mut choices = Choices::new(matches, Some(Path::new("/p/automl.toml")));
        assert_eq!(choices.or_default("trials", Some(3), Some(5), 20), 3);
        assert_eq!(choices.or_default("eta", None, Some(5), 3), 5);
        assert_eq!(choices.or_default("retry", None, None, 1), 1);
        assert_eq!(choices.optional::<u64>("timeout", None, None, u64::to_string), None);
        let sources: Vec<String> = choices.into_made().into_iter().map(|c| c.source).collect();
        assert_eq!(sources, ["--trials", "/p/automl.toml", "default"]);
    }

    #[test]
    fn wrong_file_values_name_the_file() {
        let matches = Cli::command().get_matches_from(["automl", "run"]);
        let choices =
            Choices::new(matches.subcommand_matches("run").unwrap(), Some(Path::new("/p/automl.toml")))
                .placed(&[("timeout".into(), "2:11".into())].into());
        let wrong = choices.parse_file("timeout", Some("90"), crate::render::time::parse_duration);
        assert!(wrong.unwrap_err().messages[0].starts_with("/p/automl.toml:2:11: run.timeout: `90`"));
    }
}
