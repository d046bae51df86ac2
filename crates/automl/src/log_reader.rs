//! Reads a log as an engine does, for people who want to see what it sees in it.

use crate::engine::failures::{Diagnosis, Failures};
use crate::engine::launch::kind;
use crate::study::{StudyError, metric_rules};
use automl_config::{LogFormat, LogRules, TrialRecipe};
use automl_core::StudySettings;
use automl_scrape::{Measurement, Metrics, Scraper};
use std::sync::Arc;

/// Reads one log from its beginning.
#[derive(Debug)]
pub struct LogReader {
    scraper: Scraper,
    failures: Failures,
}

/// What a line means to an engine.
#[derive(Clone, Debug, PartialEq)]
pub enum LineMeaning {
    /// Nothing.
    Nothing,
    /// It gives values of metrics; several times where a progress bar is redrawn on it.
    Measured(Vec<Measurement>),
    /// It tells of a failure, if the program ended badly.
    Failure {
        /// Its number, as measurements count lines.
        line: u64,
    },
}

/// What a log tells of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// The line that tells best.
    pub line: String,
    /// What could be done about it, where that is known.
    pub advice: Option<String>,
}

impl LogReader {
    /// Begins to read a log of this format; `monitored` are the metrics that count.
    ///
    /// # Errors
    /// A pattern that cannot be searched for.
    pub fn new(rules: &LogRules, monitored: Vec<String>, format: LogFormat) -> Result<Self, StudyError> {
        let metrics = Metrics::compile(&metric_rules(rules, monitored))?;
        let scraper = Scraper::new(&Arc::new(metrics), kind(format));
        Ok(LogReader { scraper, failures: Failures::of(&rules.error_patterns) })
    }

    /// Begins to read a log of a study's trial; none where the study runs no program.
    ///
    /// # Errors
    /// A recipe that cannot be read.
    pub fn of_study(
        settings: &StudySettings,
        format: impl FnOnce(&TrialRecipe) -> LogFormat,
    ) -> Result<Option<Self>, StudyError> {
        if settings.recipe.is_null() {
            return Ok(None);
        }
        let recipe: TrialRecipe =
            serde_json::from_value(settings.recipe.clone()).map_err(StudyError::Recipe)?;
        let monitored = settings.metrics().map(String::from).collect();
        LogReader::new(&LogRules::of_recipe(&recipe), monitored, format(&recipe)).map(Some)
    }

    /// Reads on, any number of bytes at a time.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Measurement> {
        let mut found = Vec::new();
        self.scraper.push(bytes, &mut found);
        found
    }

    /// Reads one line, its end included.
    pub fn read_line(&mut self, line: &[u8]) -> LineMeaning {
        let before = self.last_sign();
        let found = self.read(line);
        if !found.is_empty() {
            return LineMeaning::Measured(found);
        }
        let line = self.last_sign();
        if line > before { LineMeaning::Failure { line } } else { LineMeaning::Nothing }
    }

    /// Reads the last line, if nothing ended it.
    pub fn finish(&mut self) -> Vec<Measurement> {
        let mut found = Vec::new();
        self.scraper.finish(&mut found);
        found
    }

    /// Skips lines that are gone.
    pub fn skip_lines(&mut self, lines: u64) {
        self.scraper.skip_lines(lines);
    }

    /// Returns names that had a value and were not asked for, with the line that showed each last.
    pub fn other_names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.scraper.notes().seen_names.iter().map(|(name, line)| (name.as_str(), *line))
    }

    /// Returns what the log tells of a failure.
    #[must_use]
    pub fn symptom(&self) -> Option<Symptom> {
        let Diagnosis { headline, advice, .. } = self.failures.diagnose(&[self.scraper.notes()]);
        headline.map(|line| Symptom { line, advice })
    }

    fn last_sign(&self) -> u64 {
        self.scraper.notes().signs.values().map(|sign| sign.last.line).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_metrics_failures_or_nothing() {
        let rules = LogRules::of_program("val_loss", &[]).unwrap();
        let mut reader = LogReader::new(&rules, vec!["val_loss".into()], LogFormat::Text).unwrap();
        assert_eq!(reader.read_line(b"starting\n"), LineMeaning::Nothing);
        let LineMeaning::Measured(found) = reader.read_line(b"epoch 2 val_loss: 0.5 val_acc: 0.25\n") else {
            panic!("not measured")
        };
        assert_eq!((found[0].line, found[0].step, found[0].values["val_loss"]), (2, Some(2), 0.5));
        assert_eq!(reader.symptom(), None);
        assert_eq!(reader.read_line(b"CUDA out of memory\n"), LineMeaning::Failure { line: 3 });
        assert_eq!(reader.symptom().unwrap().line, "CUDA out of memory");
    }

    #[test]
    fn names_that_were_not_asked_for_are_kept() {
        let rules = LogRules::of_program("val_loss", &[]).unwrap();
        let mut reader = LogReader::new(&rules, vec!["val_loss".into()], LogFormat::Text).unwrap();
        reader.read(b"valid_los: 0.5\n");
        assert!(reader.finish().is_empty());
        assert_eq!(reader.other_names().collect::<Vec<_>>(), [("valid_los", 1)]);
    }
}
