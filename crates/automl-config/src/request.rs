//! What a caller asks for: the raw form of flags and settings, not yet checked.

use crate::parent::ParentJob;
use crate::recipe::{LogFormat, LogOrigin, LogSource};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A search (or a plain job) over a network of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkRequest {
    /// Name of the network.
    pub network: String,
    /// Network config to use in place of the catalogue's.
    pub network_config: Option<PathBuf>,
    /// Parameter schema to use in place of the catalogue's.
    pub schema: Option<PathBuf>,
    /// Action, usually `train`.
    pub action: String,
    /// Parameters to search; the schema's default list where `None`.
    pub params: Option<Vec<String>>,
    /// Ranges in short form, for example `train.lr=1e-7..1e-5:log`.
    pub bounds: Vec<String>,
    /// A spec in the program's own shape, whose values stand for the network's defaults.
    pub spec: Option<PathBuf>,
    /// Spec settings `key=value`, the value in YAML. Later ones win.
    pub set: Vec<String>,
    /// How many of the first settings come from the project's settings file.
    pub set_by_project: usize,
    /// Where the data is.
    pub datasets: Datasets,
    /// `NAME[:min|:max]`; the network's monitoring metric where `None`.
    pub metric: Option<String>,
    /// Further objectives beside it, in the same form.
    pub further_metrics: Vec<String>,
    /// Path or URI of the model to start from.
    pub pretrained: Option<String>,
    /// Job whose results this one uses.
    pub parent: Option<ParentJob>,
    /// Run the command in the network's container, where one is wanted.
    pub container: Option<ContainerRequest>,
}

/// A wish to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Image references that stand for symbols of network configs, such as `TAO_PYTORCH`.
    pub images: Vec<(String, String)>,
    /// `UID:GID` to run as.
    pub user: Option<String>,
}

impl NetworkRequest {
    /// Returns the plainest request: train the network over its default parameters.
    pub fn new(network: impl Into<String>) -> Self {
        NetworkRequest {
            network: network.into(),
            network_config: None,
            schema: None,
            action: "train".into(),
            params: None,
            bounds: Vec::new(),
            spec: None,
            set: Vec::new(),
            set_by_project: 0,
            datasets: Datasets::default(),
            metric: None,
            further_metrics: Vec::new(),
            pretrained: None,
            parent: None,
            container: None,
        }
    }
}

/// Datasets: folders, archives, or URIs that are passed on as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datasets {
    /// Training data, possibly several.
    pub train: Vec<PathBuf>,
    /// Validation data.
    pub eval: Option<PathBuf>,
    /// Data to run inference on.
    pub inference: Option<PathBuf>,
    /// Data to calibrate a quantised model with.
    pub calibration: Option<PathBuf>,
    /// The dataset that the action itself works on, for example to convert it.
    pub own: Option<PathBuf>,
    /// Folders that archives were unpacked to, by the archive's absolute path.
    pub unpacked: BTreeMap<PathBuf, PathBuf>,
}

/// A search over any program.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRequest {
    /// Parameters in short form, for example `lr=1e-5..1e-1:log`.
    pub params: Vec<String>,
    /// File with further parameters.
    pub space: Option<PathBuf>,
    /// `NAME[:min|:max]`.
    pub metric: String,
    /// Program and arguments, with placeholders.
    pub argv: Vec<String>,
    /// Logs to read; standard output and error as text unless changed.
    pub logs: Vec<LogSource>,
    /// Regular expressions of text lines, whose named groups give metrics.
    pub line_patterns: Vec<String>,
    /// Fidelity of a full run; 1 (a run is all or nothing) where `None`.
    pub max_fidelity: Option<u64>,
    /// What the fidelity counts; epochs where `None`.
    pub fidelity: Option<FidelityName>,
    /// Regular expression of checkpoint paths relative to the results folder, with a group `epoch`
    /// where names say how far they are (counted from 1). Makes trials resumable.
    pub checkpoints: Option<String>,
    /// File, relative to the results folder, that asks the program to end by itself.
    pub stop_file: Option<String>,
}

impl CommandRequest {
    /// Returns a request without parameters that reads standard output and error.
    pub fn new(metric: impl Into<String>, argv: Vec<String>) -> Self {
        let text = |origin| LogSource { origin, format: LogFormat::Text };
        CommandRequest {
            params: Vec::new(),
            space: None,
            metric: metric.into(),
            argv,
            logs: vec![text(LogOrigin::Stdout), text(LogOrigin::Stderr)],
            line_patterns: Vec::new(),
            max_fidelity: None,
            fidelity: None,
            checkpoints: None,
            stop_file: None,
        }
    }
}

/// What a program's fidelity counts: `step`, `image_size`, or `fraction/100` for hundredths of a fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FidelityName {
    /// Name of what is counted.
    pub name: String,
    /// Parts that one unit is cut into; 1 for whole numbers.
    pub parts: u64,
}

/// Most parts of a unit: fractions stay exact.
const PARTS_MAX: u64 = 1_000_000;

impl FromStr for FidelityName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no fidelity: write a name such as step, or fraction/100 for hundredths");
        let (name, parts) = match text.split_once('/') {
            Some((name, parts)) => (name, parts.parse().map_err(|_| wrong())?),
            None => (text, 1),
        };
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
        let fits = !name.is_empty() && name.chars().all(sound) && (1..=PARTS_MAX).contains(&parts);
        if fits { Ok(FidelityName { name: name.into(), parts }) } else { Err(wrong()) }
    }
}

impl fmt::Display for FidelityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts {
            1 => f.write_str(&self.name),
            parts => write!(f, "{}/{parts}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fidelities_are_named_with_their_parts() {
        for text in ["step", "image_size", "fraction/100"] {
            assert_eq!(text.parse::<FidelityName>().unwrap().to_string(), text);
        }
        for text in ["", "/100", "fraction/", "fraction/0", "fraction/x", "a.b", "f/99999999"] {
            assert!(text.parse::<FidelityName>().unwrap_err().contains("fraction/100"), "{text}");
        }
    }
}
