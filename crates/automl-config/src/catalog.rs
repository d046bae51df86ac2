//! The packaged networks, and a folder that may override them.
//!
//! A catalogue is two folders: `network_configs/<network>.config.json` and
//! `search_spaces/<network>/{<action>.schema.json, spec_template_<action>.yaml, model_info.yaml}`.
//! The packaged ones are part of the binary, so that it works without its source tree.

use crate::fields::Fields;
use crate::files;
use crate::nearest::did_you_mean;
use crate::network::NetworkConfig;
use crate::node::Node;
use crate::problem::{Code, Position, Problem, Problems, Report};
use crate::read::Format;
use crate::recipe::PackageRule;
use crate::schema::{Kind, Leaf, Schema, search_range};
use automl_core::{Distribution, ParamValue, Scale};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Name and text of each packaged file.
static PACKAGED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/packaged.rs"));

/// What a skill's folder says of its model.
const SKILL_INFO: &str = "references/skill_info.yaml";
/// Keys of that file, and of ours, that other readers need.
const KEPT: [&str; 19] = [
    "network_arch",
    "minimum_gpus",
    "data_format",
    "data_sources",
    "name",
    "version",
    "image",
    "actions",
    "spec_params",
    "spec_shorthand_keys",
    "inputs",
    "outputs",
    "metrics",
    "formats",
    "dataset_type",
    "accepted_ds_intents",
    "automl_spec_params",
    "upload_excludes",
    "config_format",
];

/// Where network configs and schemas come from.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    folder: Option<PathBuf>,
    /// Folder of one model's skill, whose schemas, templates and facts win.
    skill: Option<PathBuf>,
}

/// One network in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkSummary {
    /// Name, for `--network`.
    pub name: String,
    /// What it is, in a few words; empty where nothing says so.
    pub description: String,
    /// Kind of data it works on, where its config says so.
    pub dataset_type: Option<String>,
    /// Actions that it has.
    pub actions: Vec<String>,
    /// Actions whose parameters can be searched.
    pub searchable: Vec<String>,
    /// Metric that counts unless the user says otherwise.
    pub metric: Option<String>,
}

/// The parameters of one action of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterTable {
    /// Network.
    pub network: String,
    /// Action.
    pub action: String,
    /// Rows in the schema's order.
    pub parameters: Vec<ParameterRow>,
}

/// One parameter in a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterRow {
    /// Dotted path in the spec.
    pub name: String,
    /// Type, for example `float` or `categorical`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Lower bound; absent or infinite where it is open.
    pub minimum: Option<f64>,
    /// Upper bound; absent or infinite where it is open.
    pub maximum: Option<f64>,
    /// Default value, null where there is none.
    pub default: serde_json::Value,
    /// Options, empty where any value of the type will do.
    pub options: Vec<ParamValue>,
    /// Whether AutoML may search it; absent where the schema does not say.
    pub automl: Option<bool>,
    /// Among the parameters that users change most.
    pub popular: bool,
    /// Searched where the user names no parameters.
    pub searched_by_default: bool,
    /// Scale that a search uses unless told otherwise; absent for options and unsearchable types.
    pub scale: Option<Scale>,
    /// What it does.
    pub description: String,
}

/// What is true of a model whatever the action.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelInfo {
    pub(crate) description: String,
    /// `false` where searches over this model are known not to work.
    pub(crate) automl_enabled: Option<bool>,
    /// Spec key with the number of GPUs.
    pub(crate) gpu_spec_key: Option<String>,
}

impl Catalog {
    /// Returns the catalogue of the packaged networks.
    #[must_use]
    pub fn embedded() -> Self {
        Catalog::default()
    }

    /// Returns the packaged catalogue with a folder whose files win over the packaged ones.
    #[must_use]
    pub fn with_folder(folder: PathBuf) -> Self {
        Catalog { folder: Some(folder), skill: None }
    }

    /// Returns the catalogue with a skill's folder in front: `schemas/<action>.schema.json`,
    /// `references/spec_template_<action>.yaml` and `references/skill_info.yaml` in it, as the model skills
    /// are laid out, stand for the files of whatever network is asked for.
    ///
    /// # Errors
    /// If there is no such folder, or it holds none of these files.
    pub fn with_skill(self, skill: PathBuf) -> Result<Self, Problems> {
        let known = ["schemas", "references"].iter().any(|inner| files::is_dir(&skill.join(inner)));
        if known {
            return Ok(Catalog { skill: Some(skill), ..self });
        }
        let message = format!("{} has neither a folder `schemas` nor `references`", skill.display());
        Err(Problems(vec![Problem::plain("--skill-dir", "", Code::Unreadable, message)]))
    }

    /// Returns the network that the skill is about, where one is given and says so.
    #[must_use]
    pub fn skill_network(&self) -> Option<String> {
        let (node, _) = files::read_tree(&self.skill.as_ref()?.join(SKILL_INFO));
        Some(node?.get("network_arch")?.as_str()?.into())
    }

    /// Returns a summary of every network, by name. Networks whose config is broken are left out;
    /// checking the file tells why.
    #[must_use]
    pub fn networks(&self) -> Vec<NetworkSummary> {
        self.names().iter().filter_map(|name| self.summary(name)).collect()
    }

    /// Returns the parameters of an action.
    ///
    /// # Errors
    /// An unknown network or action, or what is wrong with the schema.
    pub fn parameters(&self, network: &str, action: &str) -> Result<ParameterTable, Problems> {
        self.network(network)?;
        let (schema, _) = self.schema(network, action)?;
        let parameters = schema.leaves.iter().map(|leaf| row(leaf, &schema)).collect();
        Ok(ParameterTable { network: network.into(), action: action.into(), parameters })
    }

    /// Returns the names of all networks, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let configs = self.list("network_configs");
        configs.iter().filter_map(|f| f.strip_suffix(".config.json")).map(String::from).collect()
    }

    /// Returns the config of a network with its warnings.
    pub(crate) fn network(&self, name: &str) -> Result<(NetworkConfig, Vec<Problem>), Problems> {
        self.check_folder()?;
        let Some((node, mut report)) = self.tree(&format!("network_configs/{name}.config.json")) else {
            let names = self.names();
            let problem = Problem::plain("--network", "", Code::UnknownName, format!("no network `{name}`"));
            return Err(Problems(vec![
                problem.with_hint(did_you_mean(name, names.iter().map(String::as_str))),
            ]));
        };
        let config = node.and_then(|node| NetworkConfig::read(&node, &mut report));
        let warnings = report.finish()?;
        Ok((config.expect("a file without errors gives a config"), warnings))
    }

    /// Returns the schema of an action with its warnings.
    pub(crate) fn schema(&self, network: &str, action: &str) -> Result<(Schema, Vec<Problem>), Problems> {
        let Some((node, mut report)) = self.tree(&format!("search_spaces/{network}/{action}.schema.json"))
        else {
            return Err(Problems(vec![self.no_schema(network, action)]));
        };
        let schema = node.and_then(|node| Schema::read(&node, &mut report));
        let warnings = report.finish()?;
        Ok((schema.expect("a file without errors gives a schema"), warnings))
    }

    /// Returns the packaged default spec of an action, where there is one.
    pub(crate) fn spec_template(
        &self,
        network: &str,
        action: &str,
    ) -> Result<Option<serde_json::Value>, Problems> {
        let Some((node, mut report)) =
            self.tree(&format!("search_spaces/{network}/spec_template_{action}.yaml"))
        else {
            return Ok(None);
        };
        let spec = node.as_ref().and_then(Node::to_json).filter(serde_json::Value::is_object);
        if spec.is_none() && !report.has_errors() {
            report.error(Position::default(), "", Code::WrongType, "a spec is an object of finite values");
        }
        report.finish()?;
        Ok(spec)
    }

    /// Returns what is known of a network's model; nothing where the file is missing or broken.
    pub(crate) fn model_info(&self, network: &str) -> ModelInfo {
        let Some((Some(node), mut report)) = self.tree(&format!("search_spaces/{network}/model_info.yaml"))
        else {
            return ModelInfo::default();
        };
        ModelInfo::read(&node, &mut report).unwrap_or_default()
    }

    /// Returns the text of a script in the folder of the network configs.
    pub(crate) fn script(&self, name: &str) -> Option<String> {
        let name = format!("network_configs/{name}");
        let own = self.folder.as_ref().and_then(|folder| files::read_text(&folder.join(&name)).ok());
        let packaged =
            || PACKAGED.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_string());
        own.or_else(packaged)
    }

    /// Returns the installed packages that networks are about, by network.
    #[must_use]
    pub fn packages(&self) -> Vec<(String, PackageRule)> {
        let package = |name: &String| Some((name.clone(), self.network(name).ok()?.0.package?));
        self.names().iter().filter_map(package).collect()
    }

    fn no_schema(&self, network: &str, action: &str) -> Problem {
        let actions = self.described(network);
        let hint = match actions.is_empty() {
            true => "give one: --schema FILE".into(),
            false => did_you_mean(action, actions.iter().map(String::as_str)),
        };
        let message = format!("network `{network}` has no parameter schema for action `{action}`");
        Problem::plain("--action", "", Code::UnknownName, message).with_hint(hint)
    }

    /// A mistyped folder must not silently mean the packaged files.
    fn check_folder(&self) -> Result<(), Problems> {
        match self.folder.as_ref().filter(|folder| !files::is_dir(folder)) {
            None => Ok(()),
            Some(folder) => {
                let message = format!("catalogue folder {} does not exist", folder.display());
                Err(Problems(vec![Problem::plain("AUTOML_CATALOG", "", Code::Unreadable, message)]))
            }
        }
    }

    fn summary(&self, name: &str) -> Option<NetworkSummary> {
        // In a list, what a skill says is about its own network only.
        if self.skill_network().is_some_and(|network| network != name) {
            return Catalog { skill: None, ..self.clone() }.summary(name);
        }
        let (config, _) = self.network(name).ok()?;
        Some(NetworkSummary {
            name: name.into(),
            description: self.model_info(name).description,
            dataset_type: config.api_params.dataset_type,
            actions: config.api_params.actions,
            searchable: self.searchable(name),
            metric: config.metrics.monitoring,
        })
    }

    /// Returns the actions whose parameters a schema marks as fit for a search; a training always is.
    fn searchable(&self, network: &str) -> Vec<String> {
        let marked = |action: &String| {
            action == "train" || self.schema(network, action).is_ok_and(|(schema, _)| schema.is_marked())
        };
        self.described(network).into_iter().filter(marked).collect()
    }

    /// Returns the actions that have a schema.
    fn described(&self, network: &str) -> Vec<String> {
        let files = self.list(&format!("search_spaces/{network}"));
        files.iter().filter_map(|f| f.strip_suffix(".schema.json")).map(String::from).collect()
    }

    /// Reads a file of the catalogue; `None` where there is none of that name.
    fn tree(&self, name: &str) -> Option<(Option<Node>, Report)> {
        let own = self.folder.as_ref().map(|folder| folder.join(name)).filter(|path| files::exists(path));
        if let Some(path) = self.skill_file(name).or(own) {
            return Some(files::read_tree(&path));
        }
        let (_, text) = PACKAGED.iter().find(|(packaged, _)| *packaged == name)?;
        let mut report = Report::new(format!("{name} (packaged)"));
        let node = Format::of_name(name).read(text, &mut report);
        Some((node, report))
    }

    /// Returns the skill's file that stands for a file of the catalogue.
    fn skill_file(&self, name: &str) -> Option<PathBuf> {
        let (_, file) = name.strip_prefix("search_spaces/")?.split_once('/')?;
        let inner = match file {
            "model_info.yaml" => SKILL_INFO.into(),
            _ if file.ends_with(".schema.json") => format!("schemas/{file}"),
            _ => format!("references/{file}"),
        };
        Some(self.skill.as_ref()?.join(inner)).filter(|path| files::exists(path))
    }

    /// Returns the file names in a folder of the catalogue, sorted.
    fn list(&self, folder: &str) -> BTreeSet<String> {
        let packaged = PACKAGED.iter().filter_map(|(name, _)| Path::new(name).strip_prefix(folder).ok());
        let packaged = packaged.filter_map(|name| name.to_str()).map(String::from);
        let own = self.folder.as_ref().map(|own| files::list(&own.join(folder))).unwrap_or_default();
        let skill = self.skill.as_ref().filter(|_| folder.starts_with("search_spaces/"));
        let skill = skill.map(|skill| files::list(&skill.join("schemas"))).unwrap_or_default();
        packaged.chain(own).chain(skill).filter(|name| !name.contains('/')).collect()
    }
}

impl ModelInfo {
    pub(crate) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "", report)?;
        let info = ModelInfo {
            description: fields.string("description", report).unwrap_or_default(),
            automl_enabled: fields.bool("automl_enabled", report),
            gpu_spec_key: fields.string("gpu_spec_key", report),
        };
        fields.keep(&KEPT);
        fields.close_leniently(report);
        Some(info)
    }
}

fn row(leaf: &Leaf, schema: &Schema) -> ParameterRow {
    let scale = match search_range(leaf) {
        Ok((Distribution::Float { scale, .. } | Distribution::Int { scale, .. }, _)) => Some(scale),
        Ok(_) | Err(_) => None,
    };
    ParameterRow {
        name: leaf.name.clone(),
        kind: Kind::name(&leaf.kind).into(),
        minimum: leaf.minimum,
        maximum: leaf.maximum,
        default: leaf.default.clone().unwrap_or_default(),
        options: leaf.options.clone(),
        automl: leaf.automl,
        popular: leaf.popular,
        searched_by_default: schema.default_parameters.contains(&leaf.name),
        scale,
        description: leaf.description.clone(),
    }
}
