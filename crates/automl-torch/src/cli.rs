//! Command line: `automl-torch <network> <action> -e SPEC.yaml [key.path=value ...]`.
//!
//! Turns arguments into a [`Command`] and does nothing else: no file is opened here. The grammar is
//! that of the container's entry points, so that one network config launches either.

use std::ffi::OsString;
use std::path::PathBuf;

/// One line for those who got the command line wrong, below the error.
pub(crate) const HINT: &str = "\
Usage: automl-torch <mal|action_recognition> <ACTION> -e SPEC.yaml [key.path=value ...]; more with --help";

/// Help text of `automl-torch --help`.
pub(crate) const HELP: &str = "\
Usage: automl-torch mal                <train|evaluate|inference>        -e SPEC.yaml [key.path=value ...]
       automl-torch action_recognition <train|evaluate|inference|export> -e SPEC.yaml [key.path=value ...]
       automl-torch devices      print the libtorch version and the CUDA devices as JSON
       automl-torch --version | --help

  -e, --experiment_spec SPEC.yaml   the experiment spec
  key.path=value                    overrides a key of the spec; the value is YAML

Keys without a default, to be set in the spec or as overrides:
  all         results_dir; results go to its folder named like the action
 mal
  train       dataset.train_ann_path, dataset.train_img_dir,
              dataset.val_ann_path, dataset.val_img_dir
  evaluate    evaluate.checkpoint, dataset.val_ann_path, dataset.val_img_dir
  inference   inference.checkpoint, .ann_path, .img_dir, .label_dump_path
 action_recognition
  all         dataset.label_map
  train       dataset.train_dataset_dir, dataset.val_dataset_dir
  evaluate    evaluate.checkpoint, evaluate.test_dataset_dir
  inference   inference.checkpoint, inference.inference_dataset_dir
  export      export.checkpoint

Examples:
  automl-torch mal train -e spec.yaml results_dir=out train.lr=1e-4 model.arch=vit-mae-tiny/16
  automl-torch action_recognition export -e spec.yaml results_dir=out export.checkpoint=out/train/\
model_epoch_009_step_00060.safetensors export.onnx_file=out/network.onnx

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
    /// Run one action of a network.
    Run(Arguments),
}

/// One action of a network with its spec and overrides.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    /// Which network.
    pub(crate) network: Network,
    /// What to do; one of the network's actions.
    pub(crate) action: Action,
    /// The experiment spec.
    pub(crate) spec: PathBuf,
    /// `key.path` and YAML text of the value, in the given order.
    pub(crate) overrides: Vec<(String, String)>,
}

/// The networks this program trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// Instance masks learned from boxes.
    Mal,
    /// Classes of actions in short clips.
    ActionRecognition,
}

/// What can be done with a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Train, validating and writing checkpoints.
    Train,
    /// Measure a checkpoint.
    Evaluate,
    /// Apply a checkpoint to data without labels.
    Inference,
    /// Write a checkpoint's network for other programs.
    Export,
}

impl Network {
    const ALL: [Self; 2] = [Self::Mal, Self::ActionRecognition];

    /// Name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mal => "mal",
            Self::ActionRecognition => "action_recognition",
        }
    }

    /// Name in messages.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Mal => "MAL",
            Self::ActionRecognition => "Action recognition",
        }
    }

    fn actions(self) -> &'static [Action] {
        match self {
            Self::Mal => &[Action::Train, Action::Evaluate, Action::Inference],
            Self::ActionRecognition => &Action::ALL,
        }
    }

    fn parse_action(self, word: &str) -> Result<Action, UsageError> {
        let found = self.actions().iter().find(|action| action.name() == word);
        found.copied().ok_or_else(|| UsageError::UnknownAction {
            network: self.name(),
            action: word.to_owned(),
            known: action_names(self.actions()),
        })
    }
}

impl Action {
    const ALL: [Self; 4] = [Self::Train, Self::Evaluate, Self::Inference, Self::Export];

    /// Name on the command line, in the spec and in the results folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Inference => "inference",
            Self::Export => "export",
        }
    }
}

fn action_names(actions: &[Action]) -> String {
    actions.iter().map(|action| action.name()).collect::<Vec<_>>().join(", ")
}

/// A command line that cannot be understood.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum UsageError {
    /// Nothing was asked for.
    #[error("no command: give `mal`, `action_recognition` or `devices`")]
    NoCommand,
    /// The first word is unknown.
    #[error("unknown command: {0}: give `mal`, `action_recognition` or `devices`")]
    UnknownCommand(String),
    /// An action was given where the network's name belongs.
    #[error("no network named: {0}: write `automl-torch mal {0}` or `automl-torch action_recognition {0}`")]
    NoNetwork(&'static str),
    /// The action is missing.
    #[error("no action: {network}: give one of {known}")]
    NoAction {
        /// The network.
        network: &'static str,
        /// Its actions.
        known: String,
    },
    /// The network has no such action.
    #[error("unknown action: {network} {action}: give one of {known}")]
    UnknownAction {
        /// The network.
        network: &'static str,
        /// The word given.
        action: String,
        /// The network's actions.
        known: String,
    },
    /// No spec was given.
    #[error("no experiment spec: {0} {1}: add `-e SPEC.yaml`")]
    NoSpec(&'static str, &'static str),
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
        "--help" | "-h" | "help" => return Ok(Command::Help),
        "--version" | "-V" => return Ok(Command::Version),
        "devices" => return Ok(Command::Devices),
        _ => {}
    }
    match Network::ALL.into_iter().find(|network| network.name() == first) {
        Some(_) if rest.iter().any(|word| word == "--help" || word == "-h") => Ok(Command::Help),
        Some(network) => parse_action(network, rest).map(Command::Run),
        None => Err(match Action::ALL.into_iter().find(|action| action.name() == first) {
            Some(action) => UsageError::NoNetwork(action.name()),
            None => UsageError::UnknownCommand(first.to_owned()),
        }),
    }
}

fn parse_action(network: Network, arguments: &[String]) -> Result<Arguments, UsageError> {
    let (action, rest) = match arguments.split_first() {
        Some((word, rest)) => (network.parse_action(word)?, rest),
        None => {
            let known = action_names(network.actions());
            return Err(UsageError::NoAction { network: network.name(), known });
        }
    };
    let no_spec = || UsageError::NoSpec(network.name(), action.name());
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
            spec = Some(path.ok_or_else(no_spec)?);
        } else {
            overrides.push(parse_override(word)?);
        }
    }
    let spec = PathBuf::from(spec.ok_or_else(no_spec)?);
    Ok(Arguments { network, action, spec, overrides })
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
        let expected = Arguments {
            network: Network::Mal,
            action: Action::Train,
            spec: PathBuf::from("s.yaml"),
            overrides: vec![
                ("train.lr".into(), "1e-4".into()),
                ("dataset.train_img_dir".into(), "/data/a=b".into()),
            ],
        };
        let parsed = parse_line("mal train train.lr=1e-4 -e s.yaml dataset.train_img_dir=/data/a=b");
        assert_eq!(parsed, Ok(Command::Run(expected)));
    }

    #[test]
    fn every_way_to_name_the_spec_works() {
        for line in ["-e s.yaml", "-e=s.yaml", "--experiment_spec s.yaml", "--experiment-spec=s.yaml"] {
            let Ok(Command::Run(parsed)) = parse_line(&format!("mal train {line}")) else { panic!("{line}") };
            assert_eq!(parsed.spec, PathBuf::from("s.yaml"), "{line}");
        }
    }

    #[test]
    fn networks_have_their_own_actions() {
        let action = |line: &str| match parse_line(line) {
            Ok(Command::Run(arguments)) => Ok((arguments.network, arguments.action)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(
            action("action_recognition export -e s"),
            Ok((Network::ActionRecognition, Action::Export))
        );
        let refused = "unknown action: mal export: give one of train, evaluate, inference";
        assert_eq!(action("mal export -e s"), Err(refused.to_owned()));
    }

    #[test]
    fn wrong_lines_name_the_word() {
        for (line, message) in [
            ("", "no command: give"),
            ("mal", "no action: mal: give one of train, evaluate, inference"),
            ("train -e s", "no network named: train: write `automl-torch mal train`"),
            ("mal train -e=", "no experiment spec: mal train: add"),
            ("mal train train.lr=1", "no experiment spec: mal train: add"),
            ("action_recognition export -e", "no experiment spec: action_recognition export: add"),
            ("mal train s.yaml", "cannot read argument: s.yaml: "),
            ("mal train -e s lr", "cannot read argument: lr: "),
            ("mal train -e s --x=1", "cannot read argument: --x=1: "),
            ("dino train", "unknown command: dino: give"),
            ("mal prune -e s", "unknown action: mal prune: give"),
        ] {
            let error = parse_line(line).expect_err(line).to_string();
            assert!(error.starts_with(message), "{line}: {error}");
        }
    }
}
