//! `automl check --log`: what would be read from an existing log, and why a metric is not found in it.

use super::check::USUAL_ACTION;
use crate::args::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, stdout_paint};
use crate::project::Project;
use crate::render::paint::Style;
use crate::render::value;
use automl::{LineMeaning, LogReader, Measurement};
use automl_config::{LogFormat, LogOrigin, LogRules, LogSource, NetworkRequest, nearest};
use automl_core::number_as_json;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

/// Longest part of a line that is shown, in characters.
const SHOWN_CHARS: usize = 120;
/// Most names that are listed where the metric is not found.
const NAMES_SHOWN: usize = 12;
/// Bytes read at a time of a log that has no lines, and of one whose lines have no end.
const CHUNK_BYTES: usize = 64 * 1024;

/// What has been read of one metric.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    readings: u64,
    first_line: u64,
    last_line: u64,
    last_step: Option<u64>,
    last_value: f64,
}

/// Reads the log as an engine would and shows every reading.
pub(super) fn run(
    log: &LogSource,
    args: &CheckArgs,
    project: impl FnOnce() -> Result<Project, Failure>,
    output: Output,
) -> Result<Exit, Failure> {
    let LogOrigin::File(path) = &log.origin else {
        return Err(Failure::new(Exit::Usage, "--log needs a file; `stdout` is no file here"));
    };
    let path = PathBuf::from(path);
    let rules = rules(args, project)?;
    let monitored = rules.metrics.monitoring.clone();
    let mut reader = LogReader::new(&rules, vec![monitored.clone()], log.format)?;
    let mut seen = BTreeMap::new();
    let unreadable =
        |error: std::io::Error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display()));
    let file = File::open(&path).map_err(unreadable)?;
    if log.format == LogFormat::TensorBoard {
        read_records(file, &mut reader, &mut seen, output)?;
    } else {
        read_lines(file, &mut reader, &mut seen, output)?;
    }
    conclude(&reader, &monitored, &seen, output)
}

fn rules(args: &CheckArgs, project: impl FnOnce() -> Result<Project, Failure>) -> Result<LogRules, Failure> {
    if let Some(network) = &args.network {
        let catalog = project()?.catalog_with(&args.skill)?;
        let request = NetworkRequest {
            network_config: args.network_config.clone(),
            action: args.action.clone().unwrap_or_else(|| USUAL_ACTION.into()),
            metric: args.metric.clone(),
            ..NetworkRequest::new(network)
        };
        return Ok(LogRules::of_network(&catalog, &request)?);
    }
    match &args.metric {
        Some(metric) => Ok(LogRules::of_program(metric, &args.metric_pattern)?),
        None => Err(Failure::new(Exit::Usage, "--log needs `--metric NAME`, or `--network NAME`")),
    }
}

fn read_lines(
    file: File,
    reader: &mut LogReader,
    seen: &mut BTreeMap<String, Seen>,
    output: Output,
) -> Result<(), Failure> {
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read =
            file.by_ref().take(CHUNK_BYTES as u64).read_until(b'\n', &mut line).map_err(cannot_read)?;
        // The second byte of a line end in UTF-16.
        if line.ends_with(b"\n") && file.fill_buf().map_err(cannot_read)?.first() == Some(&0) {
            line.push(0);
            file.consume(1);
        }
        let meaning = match read {
            0 => LineMeaning::Measured(reader.finish()),
            _ => reader.read_line(&line),
        };
        let text = shown(&line);
        match meaning {
            LineMeaning::Nothing => {}
            LineMeaning::Measured(found) => {
                found.iter().try_for_each(|m| show(m, text.trim(), seen, output))?;
            }
            LineMeaning::Failure { line } => show_failure(line, text.trim(), output)?,
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Returns a line for people. Of UTF-16, which the reader decodes by itself, the zero bytes are in the way.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).replace(['\0', '\u{fffd}'], "")
}

fn read_records(
    mut file: File,
    reader: &mut LogReader,
    seen: &mut BTreeMap<String, Seen>,
    output: Output,
) -> Result<(), Failure> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).map_err(cannot_read)? {
            0 => return Ok(()),
            read => reader.read(&chunk[..read]).iter().try_for_each(|m| show(m, "", seen, output))?,
        }
    }
}

fn cannot_read(error: std::io::Error) -> Failure {
    Failure::new(Exit::Environment, format!("cannot read the log: {error}"))
}

/// Shows one reading and remembers it.
fn show(
    measurement: &Measurement,
    text: &str,
    seen: &mut BTreeMap<String, Seen>,
    output: Output,
) -> Result<(), Failure> {
    let Measurement { step, values, line } = measurement;
    for (name, value) in values {
        let metric = seen.entry(name.clone()).or_default();
        if metric.readings == 0 {
            metric.first_line = *line;
        }
        metric.readings += 1;
        (metric.last_line, metric.last_step, metric.last_value) = (*line, step.or(metric.last_step), *value);
    }
    if output.json {
        let values: Map<String, Value> =
            values.iter().map(|(name, value)| (name.clone(), number_as_json(*value))).collect();
        return output.object(&json!({"line": line, "step": step, "values": values, "text": text}));
    }
    let step = step.map_or_else(String::new, |step| format!(" step {step}"));
    let values: Vec<String> =
        values.iter().map(|(name, value)| format!("{name}={}", value::number(*value))).collect();
    let read = stdout_paint().paint(Style::Good, &values.join(" "));
    output.data(&format!("{line}:{step} {read}{}", quoted(text)))
}

fn show_failure(line: u64, text: &str, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.object(&json!({"line": line, "failure": true, "text": text}));
    }
    output.data(&format!("{line}: {}{}", stdout_paint().paint(Style::Bad, "failure"), quoted(text)))
}

fn quoted(text: &str) -> String {
    let text: String = text.chars().take(SHOWN_CHARS).collect();
    if text.is_empty() {
        text
    } else {
        format!("  {}", stdout_paint().paint(Style::Dim, &format!("| {text}")))
    }
}

/// Sums up; a monitored metric that was never read is an error.
fn conclude(
    reader: &LogReader,
    monitored: &str,
    seen: &BTreeMap<String, Seen>,
    output: Output,
) -> Result<Exit, Failure> {
    let symptom = reader.symptom();
    let others: Vec<(&str, u64)> = reader.other_names().collect();
    if output.json {
        let metrics: Map<String, Value> =
            seen.iter().map(|(name, seen)| (name.clone(), seen.json())).collect();
        let others: Map<String, Value> =
            others.iter().map(|(name, line)| ((*name).into(), (*line).into())).collect();
        output.object(&json!({
            "monitored": monitored,
            "found": seen.contains_key(monitored),
            "metrics": metrics,
            "other_names": others,
            "symptom": symptom.as_ref().map(|symptom| &symptom.line),
            "advice": symptom.as_ref().and_then(|symptom| symptom.advice.as_ref()),
        }))?;
    } else {
        for (name, seen) in seen {
            output.say(&format!("{name}: {}", seen.told()));
        }
        if let Some(symptom) = &symptom {
            output.say(&format!("a failure would be told as: {}", symptom.line));
            symptom.advice.iter().for_each(|advice| output.say(&format!("  advice: {advice}")));
        }
    }
    if seen.contains_key(monitored) {
        return Ok(Exit::Done);
    }
    let known = others.iter().map(|(name, _)| *name).chain(seen.keys().map(String::as_str));
    let names: Vec<&str> = known.collect();
    let near = nearest(monitored, names.iter().copied());
    let hint = match (near.is_empty(), names.is_empty()) {
        (false, _) => format!("\n  hint: did you mean `--metric {}`?", near[0]),
        (true, false) => {
            format!("\n  hint: names with a value: {}", names[..names.len().min(NAMES_SHOWN)].join(", "))
        }
        (true, true) => {
            "\n  hint: no name with a value was found at all; is the format right (`--log FILE:FORMAT`)? \
             `--metric-pattern` reads lines of any form"
                .into()
        }
    };
    Err(Failure::new(Exit::Usage, format!("`{monitored}` is never reported in this log{hint}")))
}

impl Seen {
    fn told(&self) -> String {
        let readings = value::count(self.readings, "reading");
        let step = self.last_step.map_or_else(String::new, |step| format!(" at step {step}"));
        let last = value::number(self.last_value);
        format!("{readings}, lines {} to {}, last {last}{step}", self.first_line, self.last_line)
    }

    fn json(&self) -> Value {
        json!({
            "readings": self.readings,
            "first_line": self.first_line,
            "last_line": self.last_line,
            "last_step": self.last_step,
            "last_value": number_as_json(self.last_value),
        })
    }
}
