//! One attempt, from a recipe and a context: files as texts, an argument vector, variables.

use super::container::ContainerCall;
use super::origin::Origins;
use super::template::{Placeholder, Segment};
use super::{Parts, TrialRecipe, env_name};
use crate::spec::{SpecFormat, variable};
use automl_core::Params;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// File name of a trial's parameters, beside its spec in the trial's folder.
pub const PARAMS_FILE: &str = "params.json";
/// File name of the same as YAML, where the program wants it.
const PARAMS_YAML: &str = "params.yaml";
/// Variable that names the folder of the files fetched for the action.
const DOWNLOADS_VARIABLE: &str = "AUTOML_DOWNLOADS";

/// What is known of an attempt before it starts.
#[derive(Clone, Copy, Debug)]
pub struct AttemptContext<'a> {
    /// Name of the study.
    pub study: &'a str,
    /// Number of the trial, from 1.
    pub trial: u64,
    /// Number of the attempt within the trial, from 1.
    pub attempt: u32,
    /// Values of the active parameters.
    pub params: &'a Params,
    /// Folder of the trial, absolute; the spec and the parameters are written there.
    pub trial_dir: &'a Path,
    /// Folder that the program writes its results to, absolute.
    pub results_dir: &'a Path,
    /// Folder of the files fetched for the action, absolute.
    pub downloads_dir: &'a Path,
    /// Fidelity at which this attempt shall end, counted from the trial's start.
    pub until: u64,
    /// Fidelity of a full training.
    pub max_fidelity: u64,
    /// Checkpoint to carry on from.
    pub resume_from: Option<&'a Path>,
    /// Seed of the trial. Programs get its lowest 31 bits, which every library accepts.
    pub seed: u64,
    /// Numbers of the GPUs reserved for the attempt.
    pub gpus: &'a [u32],
}

/// What an attempt needs before it can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptFiles {
    /// File name (within the trial's folder) and text of the spec. May hold secrets.
    pub spec: Option<(String, String)>,
    /// File names (within the trial's folder) and texts of the parameters: as a JSON object and, where the
    /// program wants it, as YAML.
    pub params_files: Vec<(String, String)>,
    /// File name (within the trial's folder) and text of the script that stands before the program.
    pub adapter: Option<(String, String)>,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables to set on top of the engine's own.
    pub env: BTreeMap<String, String>,
    /// Folder to start in; the caller's choice where absent.
    pub workdir: Option<PathBuf>,
}

/// Why an attempt cannot be prepared.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RecipeError {
    /// A path that cannot be put into an argument or a spec.
    #[error("path {} is not valid UTF-8 and cannot be passed on; rename it", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A secret that was given to an earlier process and is kept nowhere.
    #[error("the value of `{key}` is a secret and was not kept; set the environment variable {variable}")]
    SecretMissing {
        /// Spec key.
        key: String,
        /// Variable that supplies it.
        variable: String,
    },
    /// A folder that a container cannot be given.
    #[error("path {} cannot be mounted into a container: rename it (no commas, no quotes)", path.display())]
    Mount {
        /// The path.
        path: PathBuf,
    },
    /// The values break a rule of the program.
    #[error("the spec breaks a rule of the program: {message}")]
    Rule {
        /// The key, its value, what it must be, and the rule.
        message: String,
    },
    /// The spec cannot be written in the network's format.
    #[error("cannot write {file}: {reason}")]
    Write {
        /// Name of the spec file.
        file: String,
        /// What the format cannot hold.
        reason: String,
    },
}

impl AttemptContext<'_> {
    /// Returns the seed in the range that every library accepts.
    pub(super) fn short_seed(&self) -> u64 {
        self.seed & 0x7fff_ffff
    }
}

impl TrialRecipe {
    /// Prepares an attempt. The same context always gives the same files.
    ///
    /// # Errors
    /// A path that is not UTF-8, a secret that this process does not know, a spec that the format
    /// cannot hold.
    pub fn realise(&self, context: &AttemptContext<'_>) -> Result<AttemptFiles, RecipeError> {
        let spec = self.spec.as_ref().map(|recipe| {
            let file = recipe.format.file_name().to_string();
            let text = recipe.format.write(&recipe.build(context, self.fidelity_parts)?);
            text.map(|text| (file.clone(), text)).map_err(|reason| RecipeError::Write { file, reason })
        });
        let params_files = self.params_files(context)?;
        let values = Values::new(self, context)?;
        let downloads = self.downloads_dir(context).map(path_text).transpose()?;
        let environment =
            self.environment.iter().map(|(name, template)| (name.clone(), values.fill(template)));
        let mut env = self.own_variables(context, &values);
        env.extend(downloads.map(|folder| (DOWNLOADS_VARIABLE.into(), folder)));
        env.extend(environment);
        let command: Vec<String> = self.argv.iter().map(|template| values.fill(template)).collect();
        Ok(AttemptFiles {
            argv: self.in_container(command, &env, context)?,
            spec: spec.transpose()?,
            params_files,
            adapter: self.adapter.clone(),
            env,
            // Within a container it is the command's business, and `docker` itself starts anywhere.
            workdir: self.workdir.clone().filter(|_| self.container.is_none()),
        })
    }

    fn params_files(&self, context: &AttemptContext<'_>) -> Result<Vec<(String, String)>, RecipeError> {
        let params = serde_json::to_value(context.params).expect("plain values always serialise");
        let templates = self.argv.iter().chain(self.environment.iter().map(|(_, template)| template));
        let wants_yaml = templates.clone().any(|template| template.uses(Placeholder::ConfigYaml));
        let wanted = [(SpecFormat::Json, PARAMS_FILE, true), (SpecFormat::Yaml, PARAMS_YAML, wants_yaml)];
        let write = |(format, file, _): (SpecFormat, &str, bool)| match format.write(&params) {
            Ok(text) => Ok((file.to_owned(), text.trim_end().to_owned() + "\n")),
            Err(reason) => Err(RecipeError::Write { file: file.into(), reason }),
        };
        wanted.into_iter().filter(|(.., is_wanted)| *is_wanted).map(write).collect()
    }

    /// Returns the spec of an attempt as [`TrialRecipe::realise`] writes it, and where each of its values
    /// came from. Only a recipe that was resolved in this process knows the origins of its base.
    ///
    /// # Errors
    /// As [`TrialRecipe::realise`].
    pub fn explain(&self, context: &AttemptContext<'_>) -> Result<Option<(Value, Origins)>, RecipeError> {
        let explained = self.spec.as_ref().map(|recipe| {
            let mut origins = Origins::default();
            recipe.build_traced(context, self.fidelity_parts, &mut origins).map(|spec| (spec, origins))
        });
        explained.transpose()
    }

    /// Returns the folder of the fetched files, where there are any.
    fn downloads_dir<'a>(&self, context: &AttemptContext<'a>) -> Option<&'a Path> {
        (!self.downloads.is_empty()).then_some(context.downloads_dir)
    }

    fn in_container(
        &self,
        argv: Vec<String>,
        env: &BTreeMap<String, String>,
        context: &AttemptContext<'_>,
    ) -> Result<Vec<String>, RecipeError> {
        let Some(container) = &self.container else { return Ok(argv) };
        let call = ContainerCall {
            name: format!("automl-{}-{}-{}", context.study, context.trial, context.attempt),
            argv: &argv,
            env,
            workdir: self.workdir.as_deref(),
            outputs: [context.results_dir, context.trial_dir],
            downloads: self.downloads_dir(context),
            gpus: context.gpus,
        };
        container.argv(&call).map_err(|path| RecipeError::Mount { path })
    }

    fn own_variables(&self, context: &AttemptContext<'_>, values: &Values<'_>) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> = [
            ("AUTOML_STUDY", Placeholder::Study),
            ("AUTOML_TRIAL", Placeholder::Trial),
            ("AUTOML_ATTEMPT", Placeholder::Attempt),
            ("AUTOML_RESULTS_DIR", Placeholder::ResultsDir),
            ("AUTOML_CONFIG", Placeholder::Config),
            ("AUTOML_SEED", Placeholder::Seed),
            ("AUTOML_FIDELITY", Placeholder::Fidelity),
            ("AUTOML_RESUME", Placeholder::Resume),
        ]
        .map(|(name, placeholder)| (name.to_string(), values.of(placeholder)))
        .into();
        match &self.spec {
            Some(spec) => {
                let stop = spec.stop_after_env.as_ref();
                env.extend(stop.map(|name| (name.clone(), values.of(Placeholder::Fidelity))));
            }
            None => {
                let variable = |name: &str| format!("AUTOML_PARAM_{}", env_name(name));
                env.extend(context.params.iter().map(|(name, value)| (variable(name), value.to_string())));
            }
        }
        env
    }
}

/// The placeholders' values.
struct Values<'a> {
    context: &'a AttemptContext<'a>,
    parts: Parts,
    paths: BTreeMap<Placeholder, String>,
    secrets: BTreeMap<&'a str, String>,
}

impl<'a> Values<'a> {
    fn new(recipe: &'a TrialRecipe, context: &'a AttemptContext<'a>) -> Result<Self, RecipeError> {
        let spec_file = recipe.spec.as_ref().map_or(PARAMS_FILE, |spec| spec.format.file_name());
        let adapter = recipe.adapter.as_ref().map_or("", |(name, _)| name);
        let paths = [
            (Placeholder::Adapter, context.trial_dir.join(adapter)),
            (Placeholder::Spec, context.trial_dir.join(spec_file)),
            (Placeholder::Config, context.trial_dir.join(PARAMS_FILE)),
            (Placeholder::ConfigYaml, context.trial_dir.join(PARAMS_YAML)),
            (Placeholder::TrialDir, context.trial_dir.into()),
            (Placeholder::ResultsDir, context.results_dir.into()),
            (Placeholder::Resume, context.resume_from.unwrap_or(Path::new("")).into()),
        ];
        let texts = paths.into_iter().map(|(placeholder, path)| Ok((placeholder, path_text(&path)?)));
        let secret = |name: &'a str| {
            let missing = || RecipeError::SecretMissing { key: name.into(), variable: variable(name) };
            Ok((name, recipe.secrets.text(name).ok_or_else(missing)?))
        };
        Ok(Values {
            context,
            parts: recipe.fidelity_parts,
            paths: texts.collect::<Result<_, _>>()?,
            secrets: recipe.secret_arguments().map(secret).collect::<Result<_, _>>()?,
        })
    }

    fn fill(&self, template: &super::Template) -> String {
        template.fill(|segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Value(placeholder) => self.of(*placeholder),
            Segment::Param(name) => {
                self.context.params.get(name).map(ToString::to_string).unwrap_or_default()
            }
            Segment::Secret(name) => self.secrets.get(name.as_str()).cloned().unwrap_or_default(),
        })
    }

    fn of(&self, placeholder: Placeholder) -> String {
        let context = self.context;
        match placeholder {
            Placeholder::Spec
            | Placeholder::Config
            | Placeholder::ConfigYaml
            | Placeholder::TrialDir
            | Placeholder::ResultsDir
            | Placeholder::Resume
            | Placeholder::Adapter => self.paths[&placeholder].clone(),
            Placeholder::Study => context.study.into(),
            Placeholder::Trial => context.trial.to_string(),
            Placeholder::Attempt => context.attempt.to_string(),
            Placeholder::Fidelity => self.parts.value(context.until).to_string(),
            Placeholder::MaxFidelity => self.parts.value(context.max_fidelity).to_string(),
            Placeholder::Seed => context.short_seed().to_string(),
            Placeholder::Gpus => context.gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Placeholder::NumGpus => context.gpus.len().to_string(),
        }
    }
}

/// Returns a path as text.
pub(super) fn path_text(path: &Path) -> Result<String, RecipeError> {
    path.to_str().map(String::from).ok_or_else(|| RecipeError::NotUtf8 { path: path.into() })
}
