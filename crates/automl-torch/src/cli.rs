//! Command line: `automl-torch mal train|evaluate|inference -e SPEC.yaml [key.path=value ...]`.
//!
//! Turns arguments into a [`Command`] and does nothing else: no file is opened here. The grammar is
//! that of the container's entry points, so that one network config launches either.

use std::ffi::OsString;
use std::path::PathBuf;

/// One line for those who got the command line wrong, below the error.
pub(crate) const HINT: &str = "\
Usage: automl-torch mal <train|evaluate|inference> -e SPEC.yaml [key.path=value ...]; more with --help";

/// Help text of `automl-torch --help`.
pub(crate) const HELP: &str = "\
Usage: automl-torch mal <train|evaluate|inference> -e SPEC.yaml [key.path=value ...]
       automl-torch devices      print the libtorch version and the CUDA devices as JSON
       automl-torch --version | --help

  -e, --experiment_spec SPEC.yaml   the experiment spec
  key.path=value                    overrides a key of the spec; the value is YAML

Keys without a default, to be set in the spec or as overrides:
  all         results_dir; results go to its folder named like the action
  train       dataset.train_ann_path, dataset.train_img_dir,
              dataset.val_ann_path, dataset.val_img_dir
  evaluate    evaluate.checkpoint, dataset.val_ann_path, dataset.val_img_dir
  inference   inference.checkpoint, .ann_path, .img_dir, .label_dump_path

Example:
  automl-torch mal train -e spec.yaml results_dir=out train.lr=1e-4 model.arch=vit-mae-tiny/16

Environment:
  EARLY_STOP_EPOCH=N     stop after N completed epochs with a checkpoint and exit code 0
  CUDA_VISIBLE_DEVICES   devices this process may use
  OMP_NUM_THREADS        threads on the CPU

Exit codes: 0 done or paused, 1 failed, 2 wrong usage, 17 out of device memory, 143 terminated.";

/// Ways to name the spec.
const SPEC_OPTIONS: [&str; 3] = ["-e", "--experiment_spec", "--experiment-spec"];

/// What the user asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Print name and version.
    Version,
    /// Print what libtorch sees, as JSON.
    Devices,
    /// Run one action of MAL.
    Mal(MalArguments),
}

/// One action of MAL with its spec and overrides.
#[derive(Debug, PartialEq)]
pub(crate) struct MalArguments {
    /// What to do.
    pub(crate) action: Action,
    /// The experiment spec.
    pub(crate) spec: PathBuf,
    /// `key.path` and YAML text of the value, in the given order.
    pub(crate) overrides: Vec<(String, String)>,
}

/// The actions of MAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Train, validating and writing checkpoints.
    Train,
    /// Measure mask IoU of a checkpoint.
    Evaluate,
    /// Write masks for annotated boxes.
    Inference,
}

impl Action {
    /// Name on the command line, in the spec and in the results folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Inference => "inference",
        }
    }
}

/// A command line that cannot be understood.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum UsageError {
    /// Nothing was asked for.
    #[error("no command: give `mal` or `devices`")]
    NoCommand,
    /// The first word is unknown.
    #[error("unknown command: {0}: give `mal` or `devices`")]
    UnknownCommand(String),
    /// An action was given where the network's name belongs.
    #[error("no network named: {0}: write `automl-torch mal {0}`")]
    NoNetwork(&'static str),
    /// The action is missing.
    #[error("no action: mal: give train, evaluate or inference")]
    NoAction,
    /// The action is unknown.
    #[error("unknown action: mal {0}: give train, evaluate or inference")]
    UnknownAction(String),
    /// No spec was given.
    #[error("no experiment spec: mal {0}: add `-e SPEC.yaml`")]
    NoSpec(&'static str),
    /// An argument is neither an option nor an override.
    #[error("cannot read argument: {0}: write `-e` before the spec, and overrides as key.path=value")]
    NotAnOverride(String),
    /// An argument is no text.
    #[error("argument is not UTF-8: {0}: rename the file or correct the value")]
    NotText(String),
}

/// The arguments as text.
pub(crate) fn texts(arguments: impl Iterator<Item = OsString>) -> Result<Vec<String>, UsageError> {
    let not_text = |word: OsString| UsageError::NotText(word.display().to_string());
    arguments.map(|word| word.into_string().map_err(not_text)).collect()
}

/// Parses the arguments after the program's name.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, UsageError> {
    let Some((first, rest)) = arguments.split_first() else {
        return Err(UsageError::NoCommand);
    };
    match first.as_str() {
        "--help" | "-h" | "help" => Ok(Command::Help),
        "--version" | "-V" => Ok(Command::Version),
        "devices" => Ok(Command::Devices),
        "mal" if rest.iter().any(|word| word == "--help" || word == "-h") => Ok(Command::Help),
        "mal" => parse_mal(rest).map(Command::Mal),
        other => Err(match parse_action(other) {
            Ok(action) => UsageError::NoNetwork(action.name()),
            Err(_) => UsageError::UnknownCommand(other.to_owned()),
        }),
    }
}

fn parse_mal(arguments: &[String]) -> Result<MalArguments, UsageError> {
    let (action, rest) = match arguments.split_first() {
        Some((word, rest)) => (parse_action(word)?, rest),
        None => return Err(UsageError::NoAction),
    };
    let mut spec = None;
    let mut overrides = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word.as_str(), None),
        };
        if SPEC_OPTIONS.contains(&option) {
            let path = value.or_else(|| words.next().map(String::as_str)).filter(|path| !path.is_empty());
            spec = Some(path.ok_or(UsageError::NoSpec(action.name()))?);
        } else {
            overrides.push(parse_override(word)?);
        }
    }
    let spec = spec.ok_or(UsageError::NoSpec(action.name()))?;
    Ok(MalArguments { action, spec: PathBuf::from(spec), overrides })
}

fn parse_action(word: &str) -> Result<Action, UsageError> {
    [Action::Train, Action::Evaluate, Action::Inference]
        .into_iter()
        .find(|action| action.name() == word)
        .ok_or_else(|| UsageError::UnknownAction(word.to_owned()))
}

fn parse_override(word: &str) -> Result<(String, String), UsageError> {
    match word.split_once('=') {
        Some((key, value)) if is_key_path(key) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(UsageError::NotAnOverride(word.to_owned())),
    }
}

fn is_key_path(key: &str) -> bool {
    !key.starts_with('-') && key.split('.').all(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, UsageError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn train_takes_spec_and_overrides() {
        let expected = MalArguments {
            action: Action::Train,
            spec: PathBuf::from("s.yaml"),
            overrides: vec![
                ("train.lr".into(), "1e-4".into()),
                ("dataset.train_img_dir".into(), "/data/a=b".into()),
            ],
        };
        let parsed = parse_line("mal train train.lr=1e-4 -e s.yaml dataset.train_img_dir=/data/a=b");
        assert_eq!(parsed, Ok(Command::Mal(expected)));
    }

    #[test]
    fn every_way_to_name_the_spec_works() {
        for line in ["-e s.yaml", "-e=s.yaml", "--experiment_spec s.yaml", "--experiment-spec=s.yaml"] {
            let Ok(Command::Mal(parsed)) = parse_line(&format!("mal train {line}")) else { panic!("{line}") };
            assert_eq!(parsed.spec, PathBuf::from("s.yaml"), "{line}");
        }
    }

    #[test]
    fn wrong_lines_name_the_word() {
        assert_eq!(parse_line(""), Err(UsageError::NoCommand));
        assert_eq!(parse_line("mal"), Err(UsageError::NoAction));
        assert_eq!(parse_line("train -e s"), Err(UsageError::NoNetwork("train")));
        assert_eq!(parse_line("mal train -e="), Err(UsageError::NoSpec("train")));
        assert_eq!(parse_line("mal train s.yaml"), Err(UsageError::NotAnOverride("s.yaml".into())));
        assert_eq!(parse_line("dino train"), Err(UsageError::UnknownCommand("dino".into())));
        assert_eq!(parse_line("mal prune -e s"), Err(UsageError::UnknownAction("prune".into())));
        assert_eq!(parse_line("mal train train.lr=1"), Err(UsageError::NoSpec("train")));
        assert_eq!(parse_line("mal train -e"), Err(UsageError::NoSpec("train")));
        assert_eq!(parse_line("mal train -e s lr"), Err(UsageError::NotAnOverride("lr".into())));
        assert_eq!(parse_line("mal train -e s --x=1"), Err(UsageError::NotAnOverride("--x=1".into())));
    }
}
