//! Runs as records: kept in memory, written to and read from JSON.

use crate::race::Outcome;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// One run and what identifies it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) sampler: String,
    pub(crate) problem: String,
    pub(crate) family: String,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) outcome: Outcome,
}

impl Outcome {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "finished": self.finished, "failed": self.failed, "seconds": self.seconds,
            "trace": self.trace.iter().map(|(count, regret)| json!([count, regret])).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        let point = |point: &Value| Some((point.get(0)?.as_u64()?, point.get(1)?.as_f64()?));
        Some(Outcome {
            trace: json["trace"].as_array()?.iter().map(point).collect::<Option<_>>()?,
            finished: json["finished"].as_u64()?,
            failed: json["failed"].as_u64()?,
            seconds: json["seconds"].as_f64()?,
        })
    }
}

impl Run {
    fn to_json(&self) -> Value {
        json!({
            "sampler": self.sampler, "problem": self.problem, "family": self.family, "seed": self.seed,
            "workers": self.workers, "outcome": self.outcome.to_json(),
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let text = |key: &str| json[key].as_str().map(String::from);
        Some(Run {
            sampler: text("sampler")?,
            problem: text("problem")?,
            family: text("family")?,
            seed: json["seed"].as_u64()?,
            workers: json["workers"].as_u64()? as usize,
            outcome: Outcome::from_json(&json["outcome"])?,
        })
    }
}

/// Writes all runs, one a line.
pub(crate) fn write(path: &Path, evaluations: u64, runs: &[Run]) -> Result<(), String> {
    let lines: Vec<String> = runs.iter().map(|run| run.to_json().to_string()).collect();
    let text = format!("{{\"evaluations\": {evaluations}, \"runs\": [\n{}\n]}}\n", lines.join(",\n"));
    fs::write(path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))
}

/// Reads what [`write`] wrote, if its runs are long enough; samplers are renamed `NAME@FILE`.
pub(crate) fn read(path: &Path, evaluations: u64) -> Result<Vec<Run>, String> {
    let text = fs::read_to_string(path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    let json: Value = serde_json::from_str(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    let runs =
        json["runs"].as_array().and_then(|runs| runs.iter().map(Run::from_json).collect::<Option<_>>());
    let runs: Vec<Run> = runs.ok_or_else(|| format!("{}: no runs of this benchmark", path.display()))?;
    let found = json["evaluations"].as_u64().unwrap_or(0);
    if found < evaluations {
        return Err(format!("{}: runs of {found} evaluations, {evaluations} are needed", path.display()));
    }
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    Ok(runs.into_iter().map(|run| Run { sampler: format!("{}@{stem}", run.sampler), ..run }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_survive_a_file() {
        let outcome = Outcome { trace: vec![(0, 7.5), (3, 0.1)], finished: 9, failed: 2, seconds: 0.125 };
        let run = Run {
            sampler: "gp".into(),
            problem: "bowl-5".into(),
            family: "numeric".into(),
            seed: 4,
            workers: 2,
            outcome,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("before.json");
        write(&path, 9, std::slice::from_ref(&run)).unwrap();
        assert!(read(&path, 10).unwrap_err().contains("9 evaluations, 10 are needed"));
        assert_eq!(read(&path, 9).unwrap(), [Run { sampler: "gp@before".into(), ..run }]);
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.json");
        assert!(read(&path, 1).unwrap_err().contains("cannot read"));
        fs::write(&path, "{\"runs\": [1]}").unwrap();
        let message = read(&path, 1).unwrap_err();
        assert!(message.contains("other.json") && message.contains("no runs"), "{message}");
    }
}
