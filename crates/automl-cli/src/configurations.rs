//! Configurations as users give them: typed, or in files. Tables of finished trials, too.

use crate::exit::{Exit, Failure};
use crate::render::value::count;
use automl::ForeignTrial;
use automl_config::{read_assignments, read_value};
use automl_core::{Further, Params, SearchSpace, StudySettings};
use std::path::Path;

/// Column of an exported table that tells a trial's state.
const STATE: &str = "state";

/// Reads configurations: `name=value,…`, a JSON object, or a file of them. Parameters left out get their
/// defaults.
///
/// # Errors
/// What cannot be read, or does not fit the space, with its place.
pub(crate) fn read_configurations(
    text: &str,
    space: &SearchSpace,
    flag: &str,
) -> Result<Vec<Params>, Failure> {
    let path = Path::new(text);
    let given = if path.is_file() {
        read_file(path)?
    } else if !text.contains('=') && !text.trim_start().starts_with('{') {
        return Err(usage(format!(
            "{flag}: there is no file `{text}`, and it is no configuration: write name=value,name=value or a JSON object"
        )));
    } else {
        let read = read_assignments(text).map_err(|why| usage(format!("{flag}: {why}")))?;
        vec![(format!("{flag} '{text}'"), read)]
    };
    let complete = |(place, params): (String, Params)| {
        space.complete(&params).map_err(|problems| Failure {
            exit: Exit::Usage,
            messages: problems.iter().map(|problem| format!("{place}: {problem}")).collect(),
        })
    };
    given.into_iter().map(complete).collect()
}

/// Reads a table of finished trials: columns for parameters, objectives and constraints, and `state`
/// where it has one. Other columns come along as parameters; whoever takes the trials sees which are
/// unknown.
///
/// # Errors
/// If the file cannot be read, or lacks the objective's column.
pub(crate) fn read_results(path: &Path, settings: &StudySettings) -> Result<Vec<ForeignTrial>, Failure> {
    let (headings, rows) = read_table(path)?;
    let metric = &settings.objective.metric;
    if !headings.contains(metric) {
        let found = headings.join(", ");
        return Err(usage(format!("{}:1: no column `{metric}`; the columns are {found}", path.display())));
    }
    let trial = |(line, row): (u64, Vec<String>)| {
        let cell = |name: &str| {
            let at = headings.iter().position(|heading| heading == name);
            at.and_then(|at| row.get(at)).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
        };
        let number = |name: &str| match cell(name) {
            None => Ok(None),
            Some(text) => text.parse::<f64>().map(Some).map_err(|_| {
                usage(format!("{}:{line}: column `{name}`: `{text}` is no number", path.display()))
            }),
        };
        let failed = cell(STATE).is_some_and(|state| state == "failed");
        let value = number(metric)?.filter(|_| !failed);
        // Neither a result nor a failure: a trial that was still running when the table was made.
        if value.is_none() && !failed {
            return Ok(None);
        }
        let all = settings.metrics().map(&number).collect::<Result<Option<Vec<f64>>, _>>()?;
        let further = all.map_or_else(Further::default, |mut all| {
            let constraints = all.split_off(1 + settings.further_objectives.len());
            Further { objectives: all.split_off(1), constraints }
        });
        let is_result = |name: &str| settings.metrics().any(|metric| metric == name) || is_bookkeeping(name);
        let named = headings.iter().filter(|name| settings.space.get(name).is_some() || !is_result(name));
        let params = named.filter_map(|name| Some((name.clone(), read_value(cell(name)?)))).collect();
        Ok(Some(ForeignTrial { params, value, further }))
    };
    rows.into_iter().map(trial).filter_map(Result::transpose).collect()
}

/// Columns of an exported table that are no parameters.
pub(crate) const BOOKKEEPING: [&str; 9] =
    ["trial", STATE, "fidelity", "attempts", "started", "ended", "model", "source", "reason"];

fn is_bookkeeping(name: &str) -> bool {
    BOOKKEEPING.contains(&name)
}

fn read_file(path: &Path) -> Result<Vec<(String, Params)>, Failure> {
    let place = |line: u64| format!("{}:{line}", path.display());
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            let (headings, rows) = read_table(path)?;
            let params = |(line, row): (u64, Vec<String>)| {
                let cells = headings.iter().zip(&row).filter(|(_, cell)| !cell.trim().is_empty());
                (place(line), cells.map(|(name, cell)| (name.clone(), read_value(cell.trim()))).collect())
            };
            Ok(rows.into_iter().map(params).collect())
        }
        Some("json" | "jsonl" | "ndjson") => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))?;
            read_json(path, &text)
        }
        _ => Err(usage(format!("{}: configurations are read from .json, .jsonl and .csv", path.display()))),
    }
}

/// Reads one object, a list of objects, or one object a line.
fn read_json(path: &Path, text: &str) -> Result<Vec<(String, Params)>, Failure> {
    let place = |at: usize| format!("{}: configuration {}", path.display(), at + 1);
    let numbered = |all: Vec<Params>| all.into_iter().enumerate().map(|(i, p)| (place(i), p)).collect();
    if let Ok(list) = serde_json::from_str::<Vec<Params>>(text) {
        return Ok(numbered(list));
    }
    let objects = serde_json::Deserializer::from_str(text).into_iter::<Params>();
    objects.collect::<Result<Vec<_>, _>>().map(numbered).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        usage(format!("{}:{line}:{column}: no configuration: {error}", path.display()))
    })
}

/// Headings, and rows with their line numbers.
type Rows = (Vec<String>, Vec<(u64, Vec<String>)>);

fn read_table(path: &Path) -> Result<Rows, Failure> {
    let mut reader = csv::Reader::from_path(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let broken = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let (cells, headings) = (count(*len, "cell"), count(*expected_len, "heading"));
            usage(format!("{}:{line}: {cells} under {headings}", path.display()))
        }
        _ => usage(format!("{}: {error}", path.display())),
    };
    let headings: Vec<String> =
        reader.headers().map_err(broken)?.iter().map(|name| name.trim().to_string()).collect();
    if headings.is_empty() {
        return Err(usage(format!("{} is empty: a table begins with a line of headings", path.display())));
    }
    let twice = headings.iter().enumerate().find(|(i, name)| headings[..*i].contains(name));
    if let Some((_, name)) = twice {
        return Err(usage(format!("{}:1: two columns are called `{name}`", path.display())));
    }
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        Ok((line, record.iter().map(String::from).collect()))
    };
    Ok((headings, reader.records().map(row).collect::<Result<_, Failure>>()?))
}

fn unreadable(path: &Path, why: &str) -> Failure {
    usage(format!("cannot read {}: {why}", path.display()))
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn in_file(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn configurations(name: &str, text: &str) -> Result<Vec<String>, Vec<String>> {
        let (_dir, path) = in_file(name, text);
        let space = fixture::study().settings.space;
        let read = read_configurations(path.to_str().unwrap(), &space, "enqueue");
        read.map(|all| all.iter().map(ToString::to_string).collect()).map_err(|failure| failure.messages)
    }

    #[test]
    fn files_of_every_form_are_read() {
        let expected = Ok(vec!["act=relu lr=0.01".to_string(), "act=gelu lr=0.1".to_string()]);
        let list = r#"[{"lr": 0.01, "act": "relu"}, {"lr": 0.1, "act": "gelu"}]"#;
        assert_eq!(configurations("a.json", list), expected);
        let lines = "{\"lr\": 0.01, \"act\": \"relu\"}\n{\"lr\": 0.1, \"act\": \"gelu\"}\n";
        assert_eq!(configurations("a.jsonl", lines), expected);
        assert_eq!(configurations("a.csv", "lr, act\n1e-2,relu\n0.1,gelu\n"), expected);
    }

    #[test]
    fn misfits_are_located() {
        let csv = configurations("a.csv", "lr,act\n1e-2,relu\n7,tanh\n").unwrap_err();
        assert_eq!(csv.len(), 2);
        assert!(csv[0].contains("a.csv:3: `lr`: 7"), "{csv:?}");
        let json = configurations("a.json", "[{\"lr\": {}}]").unwrap_err();
        assert!(json[0].contains("a.json:1:"), "{json:?}");
        for (table, words) in [
            ("lr,act\n0.1\n", "a.csv:2: 1 cell under 2 headings"),
            ("lr,act,lr\n0.1,relu,1\n", "a.csv:1: two columns are called `lr`"),
            ("", "a.csv is empty"),
        ] {
            let refused = configurations("a.csv", table).unwrap_err();
            assert!(refused[0].contains(words), "{refused:?}");
        }
        assert!(configurations("a.txt", "lr=1").unwrap_err()[0].contains(".json, .jsonl and .csv"));
    }

    #[test]
    fn results_are_told_from_parameters() {
        let text = "trial,state,lr,act,wd,loss\n1,complete,0.01,relu,1,0.5\n2,failed,0.02,gelu,1,\n3,running,0.03,gelu,1,\n";
        let (_dir, path) = in_file("r.csv", text);
        let settings = fixture::study().settings;
        let trials = read_results(&path, &settings).unwrap();
        assert_eq!(trials.len(), 2, "a trial that was running has no result");
        assert_eq!(trials[0].params.to_string(), "act=relu lr=0.01 wd=1");
        assert_eq!((trials[0].value, trials[1].value), (Some(0.5), None));
        let (_dir, path) = in_file("r.csv", "lr,act,acc\n0.1,relu,1\n");
        let failure = read_results(&path, &settings).unwrap_err();
        assert!(failure.messages[0].contains("no column `loss`; the columns are lr, act, acc"));
    }
}
