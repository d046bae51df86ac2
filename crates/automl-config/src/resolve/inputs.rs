//! The files that a request refers to, read, and which of them speaks for what: an action may be carried
//! out by another network than the one that was asked for.

use super::data;
use crate::catalog::{Catalog, ModelInfo};
use crate::check::check_file_against;
use crate::files;
use crate::nearest::did_you_mean;
use crate::network::{DynamicConfig, Expression, Launch, Metrics, NetworkConfig};
use crate::problem::{Code, Problem, Problems, Report, Severity};
use crate::recipe::{PackageRule, UploadRules};
use crate::request::NetworkRequest;
use crate::schema::Schema;
use crate::spec::read_spec;
use serde_json::Value;
use std::path::Path;

/// Everything read.
pub(super) struct Inputs {
    pub(super) config: NetworkConfig,
    pub(super) carried_out: CarriedOut,
    pub(super) schema: Schema,
    pub(super) model: ModelInfo,
    /// Default spec.
    pub(super) template: Value,
    /// Where the default spec is from.
    pub(super) template_origin: &'static str,
    /// The user's own spec.
    pub(super) own_spec: Option<Value>,
    pub(super) warnings: Vec<Problem>,
    pub(super) notes: Vec<String>,
    /// File name and text of the script that the launch names.
    pub(super) adapter: Option<(String, String)>,
    action: String,
}

/// Who carries an action out.
pub(super) struct CarriedOut {
    pub(super) network: String,
    pub(super) action: String,
    /// Its config where it is another network that has one.
    config: Option<NetworkConfig>,
}

impl Inputs {
    pub(super) fn load(catalog: &Catalog, request: &NetworkRequest) -> Result<Self, Problems> {
        let (config, mut warnings) = load_config(catalog, request)?;
        let carried_out = follow(catalog, request, &config)?;
        let CarriedOut { network, action, .. } = &carried_out;
        let mut notes = Vec::new();
        if (network, action) != (&request.network, &request.action) {
            notes.push(format!("{}: carried out by network {network}, action {action}", request.action));
        }
        let (mut schema, more) = match &request.schema {
            None => {
                catalog.schema(network, action).map_err(|problems| named(problems, request, &carried_out))?
            }
            Some(path) => {
                let node = files::require_tree(path)?;
                let mut report = Report::new(path.display().to_string());
                let schema = Schema::read(&node, &mut report);
                let warnings = report.finish()?;
                (schema.expect("a file without errors gives a schema"), warnings)
            }
        };
        warnings.extend(more);
        // A schema of the user's own brings its own defaults.
        let template = match &request.schema {
            None => catalog.spec_template(network, action)?,
            Some(_) => None,
        };
        let template_origin = if template.is_some() { "template" } else { "schema default" };
        let template = template.unwrap_or_else(|| schema.default.clone());
        let own_spec =
            request.spec.as_ref().map(|path| own_spec(path, &schema, &mut warnings)).transpose()?;
        own_spec.iter().for_each(|spec| schema.adopt(spec));
        let model = catalog.model_info(network);
        let action = request.action.clone();
        let adapter = None;
        let mut inputs = Inputs {
            config,
            carried_out,
            schema,
            model,
            template,
            template_origin,
            own_spec,
            warnings,
            notes,
            adapter,
            action,
        };
        inputs.adapter = inputs.read_adapter(catalog, request)?;
        Ok(inputs)
    }

    /// Reads the script that the launch names: beside a config of the user's own, else a packaged one.
    fn read_adapter(
        &self,
        catalog: &Catalog,
        request: &NetworkRequest,
    ) -> Result<Option<(String, String)>, Problems> {
        let Some(name) = self.launch().and_then(|launch| launch.adapter.clone()) else { return Ok(None) };
        let beside = request.network_config.as_ref().and_then(|config| config.parent());
        let own = beside.and_then(|folder| files::read_text(&folder.join(&name)).ok());
        let Some(text) = own.or_else(|| catalog.script(&name)) else {
            let message = format!("there is no script `{name}` beside the network config");
            let problem = Problem::plain("--network-config", "launch.adapter", Code::Unreadable, message);
            return Err(Problems(vec![problem]));
        };
        let file = name.rsplit('/').next().unwrap_or(&name).to_string();
        Ok(Some((file, text)))
    }

    /// Returns what is said of the action by the network that was asked for, else by the one that carries
    /// it out.
    fn said<'a, T>(&'a self, find: impl Fn(&'a NetworkConfig, &str) -> Option<T>) -> Option<T> {
        let other = || {
            let CarriedOut { action, config, .. } = &self.carried_out;
            find(config.as_ref().unwrap_or(&self.config), action)
        };
        find(&self.config, &self.action).or_else(other)
    }

    /// Returns the problem with an action that no config names: a misspelt one would be started all the same.
    pub(super) fn unknown_action(&self) -> Option<Problem> {
        let actions = &self.config.api_params.actions;
        if actions.contains(&self.action) || self.launch().is_some() || self.carried_out.action != self.action
        {
            return None;
        }
        let message = format!("`{}` is not among the network's actions", self.action);
        let hint = did_you_mean(&self.action, actions.iter().map(String::as_str));
        Some(Problem::plain("--action", "api_params.actions", Code::UnknownName, message).with_hint(hint))
    }

    /// Returns how the action is launched, where a config says so.
    pub(super) fn launch(&self) -> Option<&Launch> {
        self.said(NetworkConfig::launch)
    }

    /// Returns the config that says which data the action needs, and the action's name in it.
    fn of_data(&self) -> (&NetworkConfig, &str) {
        match &self.carried_out.config {
            Some(other) if self.config.data_sources(&self.action).is_empty() => {
                (other, &self.carried_out.action)
            }
            _ => (&self.config, &self.action),
        }
    }

    /// Returns what datasets are turned into spec keys with.
    pub(super) fn data<'a>(
        &'a self,
        request: &'a NetworkRequest,
        configured: &'a [String],
    ) -> data::Context<'a> {
        let (config, action) = self.of_data();
        let parent_spec = request.parent.as_ref().map(|parent| &parent.spec);
        data::Context { config, action, datasets: &request.datasets, parent_spec, configured }
    }

    /// Returns how the action's results are uploaded.
    pub(super) fn upload_rules(&self) -> UploadRules {
        self.config.uploads.of(&self.action)
    }

    /// Returns the section and the functions that fill the spec: those of `automl_spec_params` for the
    /// training of a search, where there are any.
    pub(super) fn functions(&self, searched: bool) -> (&'static str, &[(String, Expression)]) {
        let filled = |config: &'_ NetworkConfig| !config.automl_spec_params.is_empty();
        let configs = std::iter::once(&self.config).chain(&self.carried_out.config);
        if let (Some(config), true) =
            (configs.into_iter().find(|c| filled(c)), searched && self.action == "train")
        {
            return ("automl_spec_params", &config.automl_spec_params);
        }
        ("spec_params", self.said(NetworkConfig::spec_params).unwrap_or_default())
    }

    pub(super) fn dynamic(&self) -> &DynamicConfig {
        let own = Some(&self.config.dynamic).filter(|rules| **rules != DynamicConfig::default());
        own.or(self.carried_out.config.as_ref().map(|config| &config.dynamic)).unwrap_or(&self.config.dynamic)
    }

    /// Returns the installed package that the network is about.
    pub(super) fn package(&self) -> Option<&PackageRule> {
        let other = self.carried_out.config.as_ref();
        self.config.package.as_ref().or_else(|| other.and_then(|config| config.package.as_ref()))
    }

    pub(super) fn metrics(&self) -> &Metrics {
        let own = Some(&self.config.metrics).filter(|metrics| **metrics != Metrics::default());
        own.or(self.carried_out.config.as_ref().map(|config| &config.metrics)).unwrap_or(&self.config.metrics)
    }

    /// Returns the name of the container image that the action runs in.
    pub(super) fn image(&self) -> Option<&str> {
        let own = self.config.api_params.image(&self.action);
        let other = self.carried_out.config.as_ref();
        other.and_then(|config| config.api_params.image(&self.carried_out.action)).or(own)
    }
}

/// Reads the user's own spec, which has to be one that the program takes.
fn own_spec(path: &Path, schema: &Schema, warnings: &mut Vec<Problem>) -> Result<Value, Problems> {
    let spec = read_spec(path)?;
    let found = check_file_against(path, Some(schema));
    let (more, errors): (Vec<_>, Vec<_>) = found.into_iter().partition(|p| p.severity == Severity::Warning);
    warnings.extend(more);
    if errors.is_empty() { Ok(spec) } else { Err(Problems(errors)) }
}

/// Reads the config of a request's network.
pub(super) fn load_config(
    catalog: &Catalog,
    request: &NetworkRequest,
) -> Result<(NetworkConfig, Vec<Problem>), Problems> {
    let Some(path) = &request.network_config else { return catalog.network(&request.network) };
    let node = files::require_tree(path)?;
    let mut report = Report::new(path.display().to_string());
    let config = NetworkConfig::read(&node, &mut report);
    let warnings = report.finish()?;
    Ok((config.expect("a file without errors gives a config"), warnings))
}

/// Follows `actions_mapping` from network to network until an action stays where it is.
fn follow(
    catalog: &Catalog,
    request: &NetworkRequest,
    config: &NetworkConfig,
) -> Result<CarriedOut, Problems> {
    let known = catalog.names();
    let mut at = (request.network.clone(), request.action.clone());
    let mut passed = vec![at.clone()];
    let mut other: Option<NetworkConfig> = None;
    loop {
        let next = other.as_ref().unwrap_or(config).mapping.follow(&at.0, &at.1);
        if next == at {
            break;
        }
        let known_already = passed.contains(&next);
        passed.push(next.clone());
        if known_already {
            return Err(Problems(vec![circle(&passed)]));
        }
        let moved = next.0 != at.0;
        at = next;
        if moved && !known.contains(&at.0) {
            other = None;
            break;
        }
        if moved {
            other = Some(catalog.network(&at.0)?.0);
        }
    }
    Ok(CarriedOut { network: at.0, action: at.1, config: other })
}

fn circle(passed: &[(String, String)]) -> Problem {
    let steps: Vec<String> = passed.iter().map(|(network, action)| format!("{network} {action}")).collect();
    let message = format!("actions lead round in a circle: {}", steps.join(" -> "));
    Problem::plain("network configs", "actions_mapping", Code::BadValue, message)
        .with_hint("let one of them name a network that carries the action out itself")
}

/// Says who asked for a schema that is missing.
fn named(problems: Problems, request: &NetworkRequest, carried_out: &CarriedOut) -> Problems {
    let CarriedOut { network, action, .. } = carried_out;
    if (network, action) == (&request.network, &request.action) {
        return problems;
    }
    let message = format!(
        "action `{}` of `{}` is carried out by network `{network}`, action `{action}`, which has no parameter schema here",
        request.action, request.network
    );
    let hint = "give one: --schema FILE, or a catalogue folder in AUTOML_CATALOG";
    Problems(vec![Problem::plain("--action", "actions_mapping", Code::UnknownName, message).with_hint(hint)])
}
