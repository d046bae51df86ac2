//! How one attempt of a trial is started: everything that a study must remember to run trials
//! without reading any config file again.
//!
//! A [`TrialRecipe`] is stored in the study's log and has no secrets in it. [`TrialRecipe::realise`]
//! turns it and an [`AttemptContext`] into texts and arguments; writing the files and starting the
//! program is the caller's business.

mod checkpoint;
mod container;
mod origin;
mod package;
mod parts;
mod realise;
mod rules;
mod source;
mod spec;
mod success;
mod template;
mod transfer;

pub use checkpoint::CheckpointRule;
pub use container::Container;
pub use origin::Origins;
pub use package::{Moved, PackageRule};
pub(crate) use parts::Parts;
pub use realise::{AttemptContext, AttemptFiles, PARAMS_FILE, RecipeError};
pub(crate) use rules::{ModelTypeRules, SpecRules};
pub use source::{ErrorPattern, FailurePolicy, LogFormat, LogOrigin, LogSource, MetricRules, parse_log};
pub(crate) use spec::{ParentResults, SpecRecipe};
pub use success::SuccessRule;
pub(crate) use template::{Placeholder, Segment, Template};
pub use transfer::{Download, Selection, UploadRules, UploadStrategy};

use crate::schema::Leaf;
use crate::spec::{Secrets, hide, hide_logins};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// How to start, follow and carry on an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecipe {
    pub(crate) argv: Vec<Template>,
    pub(crate) environment: Vec<(String, Template)>,
    pub(crate) workdir: Option<PathBuf>,
    /// Present for networks; other programs get their parameters as arguments, variables and JSON.
    pub(crate) spec: Option<SpecRecipe>,
    /// What the network's schema says of the parameters that are searched, as far as they can be bounded anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) logs: Vec<LogSource>,
    pub(crate) checkpoints: Option<CheckpointRule>,
    /// What the program is given for a fidelity.
    #[serde(default, skip_serializing_if = "Parts::is_whole")]
    pub(crate) fidelity_parts: Parts,
    /// File in the results folder that asks the program to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stop_file: Option<String>,
    pub(crate) error_patterns: Vec<ErrorPattern>,
    pub(crate) metrics: MetricRules,
    /// What a good end takes beside exit code 0.
    #[serde(default, skip_serializing_if = "SuccessRule::is_plain")]
    pub(crate) success: SuccessRule,
    /// Script that stands between the engine and the program: file name and text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adapter: Option<(String, String)>,
    /// What has to be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) package: Option<PackageRule>,
    /// What is run, where it is an action of a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<JobName>,
    /// How the command runs in a container, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<Container>,
    /// Files to fetch before the first trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) downloads: Vec<Download>,
    #[serde(default, skip_serializing_if = "UploadRules::are_plain")]
    pub(crate) upload_rules: UploadRules,
    /// Folder or URL that results are uploaded to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload_to: Option<String>,
    /// Secrets among the arguments, in the process that was given them.
    #[serde(skip)]
    pub(crate) secrets: Secrets,
}

/// An action of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobName {
    /// Network that was asked for.
    pub network: String,
    /// Action that was asked for.
    pub action: String,
}

impl TrialRecipe {
    /// Returns what is run, where it is an action of a network and the recipe says so.
    #[must_use]
    pub fn job(&self) -> Option<&JobName> {
        self.job.as_ref()
    }

    /// Returns what the network's schema says of a parameter that is searched.
    pub(crate) fn leaf(&self, name: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.name == name)
    }

    /// Returns the checkpoint of another job that the spec refers to.
    #[must_use]
    pub fn parent_checkpoint(&self) -> Option<&Path> {
        self.spec.as_ref()?.parent.as_ref()?.checkpoint.as_deref()
    }

    /// Returns the image that the command runs in, where it runs in one.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.container.as_ref().map(|container| container.image.as_str())
    }

    /// Takes over the secrets of the recipe that this one was stored from. Storing a recipe drops them;
    /// the process that was given them need not ask the environment.
    pub fn keep_secrets_of(&mut self, original: &TrialRecipe) {
        if let (Some(own), Some(original)) = (&mut self.spec, &original.spec) {
            own.secrets.clone_from(&original.secrets);
        }
        self.secrets.clone_from(&original.secrets);
    }

    /// Returns a text with every secret of the recipe that this process knows, and every login of a URL, as `…`.
    #[must_use]
    pub fn hide_secrets(&self, text: &str) -> String {
        let of_spec = self.spec.iter().flat_map(SpecRecipe::known_secrets);
        let known = of_spec.chain(self.secret_arguments().filter_map(|name| self.secrets.text(name)));
        let mut known: Vec<String> = known.collect();
        // One may be a part of another.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        hide_logins(&known.iter().fold(text.to_string(), |text, secret| hide(&text, secret)))
    }

    /// Returns the names of the secrets among the arguments and variables.
    pub(crate) fn secret_arguments(&self) -> impl Iterator<Item = &str> {
        let variables = self.environment.iter().map(|(_, template)| template);
        self.argv.iter().chain(variables).flat_map(Template::segments).filter_map(|segment| match segment {
            Segment::Secret(name) => Some(name.as_str()),
            Segment::Text(_) | Segment::Value(_) | Segment::Param(_) => None,
        })
    }

    /// Returns which metrics are read and which one counts.
    #[must_use]
    pub fn metric_rules(&self) -> &MetricRules {
        &self.metrics
    }

    /// Returns the logs to read.
    #[must_use]
    pub fn logs(&self) -> &[LogSource] {
        &self.logs
    }

    /// Returns which files are checkpoints; `None` where an attempt cannot be carried on.
    #[must_use]
    pub fn checkpoints(&self) -> Option<&CheckpointRule> {
        self.checkpoints.as_ref()
    }

    /// Tells whether the program's fidelity is a fraction, counted in parts, so that the steps it reports are
    /// something else.
    #[must_use]
    pub fn fidelity_is_fraction(&self) -> bool {
        !self.fidelity_parts.is_whole()
    }

    /// Returns the file, relative to the results folder, that asks the program to end by itself; `None`
    /// where it only knows signals.
    #[must_use]
    pub fn stop_file(&self) -> Option<&str> {
        self.stop_file.as_deref()
    }

    /// Tells whether the program is told how far an attempt shall go, so that a trial can be run to a
    /// rung even where it cannot be carried on from there.
    #[must_use]
    pub fn stops_where_told(&self) -> bool {
        let told = |template: &Template| template.uses(Placeholder::Fidelity);
        let spec = self.spec.as_ref().is_some_and(|spec| spec.fidelity_key.is_some());
        spec || self.argv.iter().any(told) || self.environment.iter().any(|(_, template)| told(template))
    }

    /// Returns what a good end takes beside exit code 0.
    #[must_use]
    pub fn success(&self) -> &SuccessRule {
        &self.success
    }

    /// Returns what has to be installed, where the network says so and no container brings it.
    #[must_use]
    pub fn package(&self) -> Option<&PackageRule> {
        self.package.as_ref().filter(|_| self.container.is_none())
    }

    /// Returns the files to have in place before the first trial.
    #[must_use]
    pub fn downloads(&self) -> &[Download] {
        &self.downloads
    }

    /// Returns what of a trial's results is uploaded.
    #[must_use]
    pub fn upload_rules(&self) -> &UploadRules {
        &self.upload_rules
    }

    /// Returns the folder or URL that results are uploaded to, where anything is uploaded.
    #[must_use]
    pub fn upload_to(&self) -> Option<&str> {
        self.upload_to.as_deref()
    }

    /// Has results uploaded to a folder or URL.
    pub fn set_upload_to(&mut self, destination: Option<String>) {
        self.upload_to = destination;
    }

    /// Returns the known failures to look for in logs.
    #[must_use]
    pub fn error_patterns(&self) -> &[ErrorPattern] {
        &self.error_patterns
    }
}

/// Tells what is wrong with the name of a stop file: one outside of the results folder would be that of all
/// trials together, and the first to be stopped would end the others.
pub(crate) fn wrong_stop_file(file: &str) -> Option<String> {
    let mut parts = Path::new(file).components().peekable();
    let inside = parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)));
    (!inside).then(|| {
        format!("`{file}` is no file within the trial's results folder: write a relative path, such as stop")
    })
}

/// Returns a name in the form of an environment variable: upper case, anything odd as `_`.
pub(crate) fn env_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
