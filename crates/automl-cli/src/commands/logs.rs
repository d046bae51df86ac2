//! `automl logs`: what a trial's program printed, on the streams it printed it to.

use super::{find_trial, locate, unusable};
use crate::args::LogsArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Output};
use crate::project::Project;
use crate::render::paint::{Paint, Style};
use crate::render::size::size;
use automl::{LineMeaning, LogReader, View, Watch};
use automl_config::{LogFormat, LogOrigin, TrialRecipe};
use automl_core::{Attempt, AttemptNumber, Study, TrialId, number_as_json};
use automl_exec::{Cut, STDERR_LOG, STDOUT_LOG};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Time between two looks at growing logs.
const FOLLOW: Duration = Duration::from_millis(200);

/// Prints an attempt's standard output and standard error, once or until its program ends.
///
/// On a terminal, lines that metrics are read from stand out, and those that tell of a failure.
pub(super) fn run(args: &LogsArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let (study, trial) = which(args)?;
    let dir = locate(project, study, output)?;
    let trial = TrialId(trial);
    let mut watch = Watch::new(&dir);
    let view = watch.look().map_err(|error| unusable(error, &dir))?;
    let attempt = find_attempt(view, trial, args.attempt)?;
    let folder = dir.attempt(trial, attempt);
    let mut streams = [
        Stream::new(&view.study, "stdout", folder.join(STDOUT_LOG), LogOrigin::Stdout)?,
        Stream::new(&view.study, "stderr", folder.join(STDERR_LOG), LogOrigin::Stderr)?,
    ];
    loop {
        // Asked before reading: what was printed before the end is then read for certain.
        let over = !args.follow || {
            let view = watch.look().map_err(|error| unusable(error, &dir))?;
            is_over(view, trial, attempt)
        };
        for stream in &mut streams {
            stream.show_news(output)?;
            if over {
                stream.show_half_line(output)?;
            }
        }
        if over {
            return Ok(Exit::Done);
        }
        thread::sleep(FOLLOW);
    }
}

/// Returns the study, where one is named, and the trial.
fn which(args: &LogsArgs) -> Result<(Option<&str>, u64), Failure> {
    let (study, trial) = args.trial.parts().map_err(|message| Failure::new(Exit::Usage, message))?;
    match (study, args.study.as_deref()) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("`{}` and `--study {other}` name two studies", args.trial.trial);
            Err(Failure::new(Exit::Usage, message))
        }
        (one, other) => Ok((one.or(other), trial)),
    }
}

fn find_attempt(view: &View, trial: TrialId, wanted: Option<u32>) -> Result<AttemptNumber, Failure> {
    let known = find_trial(&view.study, trial.0)?;
    if view.study.settings.recipe.is_null() {
        let message = format!(
            "study {} has no logs: its trials are run by whoever asks for them",
            view.study.settings.study
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let attempts = known.attempts.len();
    if attempts == 0 {
        let message =
            format!("trial {trial} has printed nothing: it is {} and was never started", known.state);
        return Err(Failure::new(Exit::Usage, message));
    }
    let number = wanted.unwrap_or(attempts as u32);
    if number == 0 || number as usize > attempts {
        let message = format!("trial {trial} has no attempt {number}; it has {attempts}");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(AttemptNumber(number))
}

/// Tells whether nothing will be added: the attempt has ended, or nobody works on the study.
fn is_over(view: &View, trial: TrialId, attempt: AttemptNumber) -> bool {
    let running = view.study.trials.get(&trial).and_then(|trial| trial.running_attempt());
    view.engine.is_none() || running.is_none_or(|running: &Attempt| running.number != attempt)
}

/// One stream of the program, on its way to the same stream of this one.
struct Stream {
    name: &'static str,
    log: Growing,
    /// None where nothing is known of the program, or it writes records.
    reader: Option<LogReader>,
    lines: u64,
    half_line: Vec<u8>,
}

impl Stream {
    fn new(study: &Study, name: &'static str, path: PathBuf, origin: LogOrigin) -> Result<Self, Failure> {
        let format = |recipe: &TrialRecipe| {
            let known = recipe.logs().iter().find(|log| log.origin == origin);
            known.map_or(LogFormat::Text, |log| log.format)
        };
        let reader = LogReader::of_study(&study.settings, format)?;
        Ok(Stream { name, log: Growing::new(path), reader, lines: 0, half_line: Vec::new() })
    }

    fn paint(&self) -> Paint {
        if self.name == "stdout" { output::stdout_paint() } else { output::stderr_paint() }
    }

    /// Shows what was added since the last call.
    fn show_news(&mut self, output: Output) -> Result<(), Failure> {
        for news in self.log.read()? {
            match news {
                News::Gone(cut) => self.pass(&cut),
                News::Bytes(bytes) if !output.json && !self.paint().is_on() => self.write(&bytes, output)?,
                News::Bytes(bytes) => {
                    self.half_line.extend(bytes);
                    let whole = self.half_line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    let rest = self.half_line.split_off(whole);
                    let lines = std::mem::replace(&mut self.half_line, rest);
                    lines
                        .split_inclusive(|byte| *byte == b'\n')
                        .try_for_each(|line| self.line(line, output))?;
                }
            }
        }
        Ok(())
    }

    fn show_half_line(&mut self, output: Output) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.half_line);
        if line.is_empty() { Ok(()) } else { self.line(&line, output) }
    }

    fn pass(&mut self, cut: &Cut) {
        self.lines += cut.lines;
        self.reader.iter_mut().for_each(|reader| reader.skip_lines(cut.lines));
        output::to_stderr(&format!("\n[{} of this log were dropped to keep it short]\n", size(cut.bytes())));
    }

    fn line(&mut self, line: &[u8], output: Output) -> Result<(), Failure> {
        self.lines += 1;
        let meaning = self.reader.as_mut().map_or(LineMeaning::Nothing, |reader| reader.read_line(line));
        if output.json {
            return output.object(&self.object(line, &meaning));
        }
        let style = match meaning {
            LineMeaning::Nothing => return self.write(line, output),
            LineMeaning::Measured(_) => Style::Good,
            LineMeaning::Failure { .. } => Style::Bad,
        };
        let text = String::from_utf8_lossy(line);
        let (content, end) = text.split_at(text.trim_end_matches(['\n', '\r']).len());
        self.write(format!("{}{end}", self.paint().paint(style, content)).as_bytes(), output)
    }

    fn object(&self, line: &[u8], meaning: &LineMeaning) -> Value {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        let (mut step, mut values) = (None, Map::new());
        if let LineMeaning::Measured(found) = meaning {
            step = found.iter().rev().find_map(|measurement| measurement.step);
            let all = found.iter().flat_map(|measurement| &measurement.values);
            values = all.map(|(name, value)| (name.clone(), number_as_json(*value))).collect();
        }
        json!({
            "stream": self.name,
            "line": self.lines,
            "text": text,
            "step": step,
            "values": (!values.is_empty()).then_some(values),
            "failure": matches!(meaning, LineMeaning::Failure { .. }),
        })
    }

    fn write(&self, bytes: &[u8], output: Output) -> Result<(), Failure> {
        if self.name == "stdout" {
            return output.raw(bytes);
        }
        output::to_stderr(&String::from_utf8_lossy(bytes));
        Ok(())
    }
}

/// A file that grows, read piece by piece.
struct Growing {
    path: PathBuf,
    position: u64,
}

/// A piece of a growing file.
#[derive(Debug, PartialEq)]
enum News {
    Bytes(Vec<u8>),
    /// A part that was dropped.
    Gone(Cut),
}

impl Growing {
    fn new(path: PathBuf) -> Self {
        Growing { path, position: 0 }
    }

    /// Returns what was added since the last call; nothing where there is no file yet.
    fn read(&mut self) -> Result<Vec<News>, Failure> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(Vec::new()) };
        let mut news = Vec::new();
        if let Some(cut) = Cut::of(&self.path).filter(|cut| self.position < cut.to) {
            let before = cut.from.saturating_sub(self.position);
            news.extend(self.bytes(&mut file, before)?);
            news.push(News::Gone(cut));
            self.position = cut.to;
        }
        news.extend(self.bytes(&mut file, u64::MAX)?);
        Ok(news)
    }

    fn bytes(&mut self, file: &mut File, at_most: u64) -> Result<Option<News>, Failure> {
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(self.position))
            .and_then(|_| file.take(at_most).read_to_end(&mut bytes));
        read.map_err(|error| {
            Failure::new(Exit::Environment, format!("cannot read {}: {error}", self.path.display()))
        })?;
        self.position += bytes.len() as u64;
        Ok((!bytes.is_empty()).then_some(News::Bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(log: &mut Growing) -> String {
        let piece = |news| match news {
            News::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            News::Gone(cut) => format!("[{}]", cut.bytes()),
        };
        log.read().unwrap().into_iter().map(piece).collect()
    }

    #[test]
    fn growing_files_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        let mut log = Growing::new(path.clone());
        assert_eq!(text(&mut log), "");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(text(&mut log), "one");
        std::fs::write(&path, "one two").unwrap();
        assert_eq!(text(&mut log), " two");
        assert_eq!(text(&mut log), "");
    }

    #[test]
    fn dropped_parts_are_passed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        std::fs::write(&path, "one\n\0\0\0\0two\n").unwrap();
        std::fs::write(dir.path().join("stdout.log.cut"), r#"{"from": 4, "to": 8, "lines": 2}"#).unwrap();
        assert_eq!(text(&mut Growing::new(path)), "one\n[4]two\n");
    }
}
