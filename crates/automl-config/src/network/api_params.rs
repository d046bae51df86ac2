//! Section `api_params`: what the network is, which actions it has and which data they take.

use super::source_parts::read_cases;
use crate::fields::{Fields, string};
use crate::node::Node;
use crate::problem::{Code, Report};
use crate::spec::SpecFormat;

/// Identity of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ApiParams {
    /// Kind of data it works on, for example `segmentation`; some networks state none.
    pub(crate) dataset_type: Option<String>,
    /// Actions it has, in file order.
    pub(crate) actions: Vec<String>,
    /// Dataset formats it accepts; the first is assumed of a folder that fits none better.
    pub(crate) formats: Vec<String>,
    /// What datasets may be meant for; anything where empty.
    pub(crate) accepted_intents: Vec<String>,
    /// Container image that has the network's programs.
    pub(crate) image: Option<String>,
    /// Images of single actions.
    pub(crate) action_images: Vec<(String, String)>,
    /// Program's own name of each action, where it has another.
    pub(crate) pipes: Vec<(String, String)>,
    /// Files of a dataset name further files that belong to it.
    pub(crate) follows_dataset_files: bool,
    /// `None` where specs cannot be written in the network's format.
    pub(crate) spec_format: Option<SpecFormat>,
}

/// Keys that matter to services around the format and not to a search.
const KEPT: [&str; 4] = ["classwise", "version", "realtime_infer_support", "chaining_rules"];

impl ApiParams {
    pub(super) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "api_params", report)?;
        let params = ApiParams {
            dataset_type: fields.string("dataset_type", report),
            actions: fields.strings("actions", report),
            formats: fields.strings("formats", report),
            accepted_intents: fields.strings("accepted_ds_intents", report),
            image: fields.string("image", report),
            action_images: read_by_action(&mut fields, "image_override_per_action", report),
            pipes: read_by_action(&mut fields, "actions_pipe", report),
            follows_dataset_files: fields.bool("recursive_dataset_file_download", report).unwrap_or(false),
            spec_format: spec_format(&mut fields, report),
        };
        for (key, table) in
            [("image_override_per_action", &params.action_images), ("actions_pipe", &params.pipes)]
        {
            params.warn_of_foreign(node, key, table, report);
        }
        for key in KEPT {
            fields.node(key);
        }
        fields.close_leniently(report);
        Some(params)
    }

    /// Returns the container image of an action.
    pub(crate) fn image(&self, action: &str) -> Option<&str> {
        let own = self.action_images.iter().find(|(name, _)| name == action).map(|(_, image)| image);
        own.or(self.image.as_ref()).map(String::as_str)
    }

    fn warn_of_foreign(&self, node: &Node, key: &str, table: &[(String, String)], report: &mut Report) {
        for (action, _) in table.iter().filter(|(action, _)| !self.actions.contains(action)) {
            let at = node.get(key).and_then(|n| n.get(action)).map_or(node.at, |n| n.at);
            let message = format!("`{action}` is not among api_params.actions");
            report.warning(at, &format!("api_params.{key}"), Code::UnknownName, message);
        }
    }
}

fn read_by_action(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Vec<(String, String)> {
    let path = fields.path_of(key);
    fields.node(key).map(|node| read_cases(node, &path, report, string)).unwrap_or_default()
}

/// An unknown format is no obstacle to reading the config, only to running the network.
fn spec_format(fields: &mut Fields<'_>, report: &mut Report) -> Option<SpecFormat> {
    let Some(name) = fields.string("spec_backend", report) else { return Some(SpecFormat::Yaml) };
    let format = SpecFormat::of_backend(&name);
    if format.is_none() {
        let at = fields.node("spec_backend").map_or(fields.at(), |n| n.at);
        let message = format!("specs cannot be written as `{name}`");
        let problem = report.warning(at, &fields.path_of("spec_backend"), Code::Unsupported, message);
        problem.hint("known: `yaml`, `json`, `toml`");
    }
    format
}
