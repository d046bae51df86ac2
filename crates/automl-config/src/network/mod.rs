//! Network configs: how a network is launched, which data it needs, which metric counts.
//!
//! One file reads one section. The section `launch` is this project's own addition to the format and
//! is documented in its module. Sections that are known but not acted upon yet are named in
//! [`LATER_SECTIONS`]; unknown ones are kept out with a warning, since real configs hold more than
//! any list of sections says.

mod actions_mapping;
mod additional_download;
mod api_params;
mod data_sources;
mod dataset_validation;
mod dynamic_config;
mod launch;
mod metrics;
mod package;
mod source_parts;
mod spec_params;
mod upload;

pub(crate) use actions_mapping::ActionsMapping;
pub(crate) use additional_download::ExtraFile;
pub(crate) use api_params::ApiParams;
pub(crate) use data_sources::{By, DataSource, DatasetRules, MappingValue, MetadataValue, Origin, Transform};
pub(crate) use dataset_validation::{Check, DatasetValidation, Rule};
pub(crate) use dynamic_config::{
    Condition as RuleCondition, DynamicConfig, ParentRule, SpecTransform, Subject,
};
pub(crate) use launch::Launch;
pub(crate) use metrics::Metrics;
pub(crate) use source_parts::{Condition, ConvertPath, SourceName, case_of, pick};
pub(crate) use spec_params::{Expression, Function};
pub(crate) use upload::Uploads;

use crate::fields::Fields;
use crate::node::Node;
use crate::problem::{Code, Position, Report};
use crate::recipe::PackageRule;

/// Sections of the format that are read by nobody yet; their presence is remarked upon.
const LATER_SECTIONS: [&str; 4] =
    ["preserve_source_path_params", "companion_onnx_bin_download", "checkpoint", "cli_params"];

/// A read network config.
#[derive(Clone, Debug)]
pub(crate) struct NetworkConfig {
    pub(crate) api_params: ApiParams,
    /// Spec keys filled from datasets, by action, in file order.
    pub(crate) data_sources: Vec<(String, Vec<DataSource>)>,
    pub(crate) dataset_validation: DatasetValidation,
    /// Further files to have in place, by action.
    pub(crate) additional_download: Vec<(String, Vec<ExtraFile>)>,
    pub(crate) uploads: Uploads,
    /// Spec key that tells the model's type.
    pub(crate) model_type_key: Option<String>,
    /// Spec keys filled for a plain job, by action, in file order.
    pub(crate) spec_params: Vec<(String, Vec<(String, Expression)>)>,
    /// Spec keys filled for each trial of a search, in file order, which has meaning.
    pub(crate) automl_spec_params: Vec<(String, Expression)>,
    pub(crate) metrics: Metrics,
    /// The installed package that it is about.
    pub(crate) package: Option<PackageRule>,
    /// Rules that change a spec.
    pub(crate) dynamic: DynamicConfig,
    /// Actions that other networks carry out.
    pub(crate) mapping: ActionsMapping,
    /// How to run each action.
    pub(crate) launch: Vec<(String, Launch)>,
}

impl NetworkConfig {
    /// Reads a config; problems go to the report. `None` where it is no object at all.
    pub(crate) fn read(root: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(root, "", report)?;
        let api_params = fields.required("api_params", report);
        let dynamic = fields.node("dynamic_config");
        let config = NetworkConfig {
            api_params: api_params.and_then(|n| ApiParams::read(n, report)).unwrap_or_default(),
            data_sources: data_sources::read(fields.node("data_sources"), report),
            dataset_validation: fields
                .node("dataset_validation")
                .and_then(|n| DatasetValidation::read(n, report))
                .unwrap_or_default(),
            additional_download: additional_download::read(fields.node("additional_download"), report),
            uploads: Uploads::read(fields.node("cloud_upload"), fields.node("upload_strategy"), report),
            model_type_key: model_type_key(root),
            spec_params: spec_params::read_by_action(fields.node("spec_params"), report),
            automl_spec_params: spec_params::read(
                fields.node("automl_spec_params"),
                "automl_spec_params",
                report,
            ),
            metrics: fields.node("metrics").and_then(|n| Metrics::read(n, report)).unwrap_or_default(),
            package: fields.node("package").and_then(|n| package::read(n, report)),
            dynamic: dynamic.and_then(|n| DynamicConfig::read(n, report)).unwrap_or_default(),
            mapping: ActionsMapping::read(fields.node("actions_mapping"), report),
            launch: launch::read(fields.node("launch"), report),
        };
        for section in LATER_SECTIONS {
            if let Some(node) = fields.node(section) {
                let message = format!("section `{section}` is not acted upon yet");
                report.warning(node.at, section, Code::Unsupported, message);
            }
        }
        fields.close_leniently(report);
        config.check_actions(root, report);
        config.warn_of_oddities(root, report);
        Some(config)
    }

    /// Returns how to run an action.
    pub(crate) fn launch(&self, action: &str) -> Option<&Launch> {
        self.launch.iter().find(|(name, _)| name == action).map(|(_, launch)| launch)
    }

    /// Returns the functions that fill an action's spec, in file order.
    pub(crate) fn spec_params(&self, action: &str) -> Option<&[(String, Expression)]> {
        self.spec_params.iter().find(|(name, _)| name == action).map(|(_, params)| params.as_slice())
    }

    /// Returns the data sources of an action, in file order.
    pub(crate) fn data_sources(&self, action: &str) -> &[DataSource] {
        self.data_sources.iter().find(|(name, _)| name == action).map_or(&[], |(_, sources)| sources)
    }

    /// Returns the further files of an action.
    pub(crate) fn extra_files(&self, action: &str) -> &[ExtraFile] {
        self.additional_download.iter().find(|(name, _)| name == action).map_or(&[], |(_, files)| files)
    }

    /// Legal contents that do nothing, or not what they seem to: known from real configs, never mended.
    fn warn_of_oddities(&self, root: &Node, report: &mut Report) {
        let at = |path: [&str; 2]| root.get(path[0]).and_then(|n| n.get(path[1])).map_or(root.at, |n| n.at);
        for (action, sources) in &self.data_sources {
            if !self.api_params.actions.contains(action) {
                let message = format!("`{action}` is not among api_params.actions");
                report.warning(at(["data_sources", action]), "data_sources", Code::UnknownName, message);
            }
            for source in sources {
                self.warn_of_condition(action, source, at(["data_sources", action]), report);
            }
        }
        let formats = &self.api_params.formats;
        let section = root.get("dataset_validation").and_then(|n| n.get("required_files"));
        for format in self.dataset_validation.formats().filter(|f| !["default", "*"].contains(f)) {
            if !formats.iter().any(|known| known == format) {
                let at = section.and_then(|n| n.get(format)).map_or(root.at, |n| n.at);
                let message = format!("format `{format}` is not among api_params.formats");
                report.warning(at, "dataset_validation", Code::UnknownName, message);
            }
        }
    }

    /// A condition that compares a dataset's type with the name of a format never holds.
    fn warn_of_condition(&self, action: &str, source: &DataSource, at: Position, report: &mut Report) {
        let Origin::Datasets(rules) = &source.origin else { return };
        let Some(condition) = rules.condition.as_ref().filter(|c| c.key == "type") else { return };
        let wanted = case_of(&condition.value);
        let other_type = self.api_params.dataset_type.as_ref().is_some_and(|kind| *kind != wanted);
        if other_type && self.api_params.formats.contains(&wanted) {
            let path = format!("data_sources.{action}.{}", source.key);
            let message =
                format!("compares the dataset's type with the format `{wanted}`, which never holds");
            report.warning(at, &path, Code::BadValue, message).hint("was `metadata_key: format` meant?");
        }
    }

    /// A launch of an action that the network does not have is a slip of the pen.
    fn check_actions(&self, root: &Node, report: &mut Report) {
        for (action, _) in &self.launch {
            if !self.api_params.actions.contains(action) {
                let at = root.get("launch").and_then(|n| n.get(action)).map_or(root.at, |n| n.at);
                let message = format!("`{action}` is not among api_params.actions");
                report.error(at, "launch", Code::UnknownName, message);
            }
        }
    }
}

/// Returns the spec key with the model's type, which section `dynamic_config` names.
fn model_type_key(root: &Node) -> Option<String> {
    root.get("dynamic_config")?.get("model_type_key")?.as_str().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    fn problems(text: &str) -> Vec<String> {
        let mut report = Report::new("n.json");
        let node = read_json(text, &mut report).unwrap();
        NetworkConfig::read(&node, &mut report);
        report.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn foreign_sections_are_warnings() {
        let text = r#"{"api_params": {"actions": [], "image": "X", "spec_backend": "yaml"},
            "cli_params": {}, "novelty": {}}"#;
        assert_eq!(
            problems(text),
            [
                "n.json:2:27: warning: cli_params: section `cli_params` is not acted upon yet",
                "n.json:2:31: warning: unknown key `novelty` is ignored",
            ]
        );
    }

    #[test]
    fn every_section_reports_its_errors() {
        let text = r#"{"api_params": {"actions": ["train"], "spec_backend": "xml"},
          "data_sources": {"train": {"a": {"source": "trainn", "path": 1}, "b": {}}},
          "automl_spec_params": {"a": Infinity, "b": "assign_const_value"},
          "metrics": {"monitoring_metric": 5, "dynamic_metric_patterns": ["("]},
          "launch": {"trian": {"command": ["x", "{spce}"], "stop_file": "../stop"}}}"#;
        assert_eq!(
            problems(text),
            [
                "n.json:1:55: warning: api_params.spec_backend: specs cannot be written as `xml` (known: `yaml`, `json`, `toml`)",
                "n.json:2:54: error: data_sources.train.a.source: unknown source `trainn` (known: `train_datasets`, `eval_dataset`, `inference_dataset`, `calibration_dataset`, `id`)",
                "n.json:2:72: error: data_sources.train.a.path: expected a text, found the whole number 1",
                "n.json:2:81: error: data_sources.train.b: key `source` is missing",
                "n.json:3:39: error: automl_spec_params.a: expected the name of a function, or a finite value, found the number inf",
                "n.json:3:54: error: automl_spec_params.b: `assign_const_value` needs one or two spec keys after it (write assign_const_value,train.num_epochs)",
                "n.json:4:44: error: metrics.monitoring_metric: expected a text, a list of texts or null, found the whole number 5",
                "n.json:4:75: error: metrics.dynamic_metric_patterns[0]: not a regular expression: unclosed group",
                "n.json:5:31: error: launch: `trian` is not among api_params.actions",
                "n.json:5:49: error: launch.trian.command[1]: unknown placeholder `{spce}` (did you mean `spec`?)",
                "n.json:5:73: error: launch.trian.stop_file: `../stop` is no file within the trial's results folder: write a relative path, such as stop",
            ]
        );
    }
}
