//! Section `api_params`: what the network is and which actions it has.

use crate::fields::{Fields, join, string};
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
    /// Dataset formats it accepts; the first is assumed of a folder.
    pub(crate) formats: Vec<String>,
    /// Container image, by name or by symbol; some actions have one of their own.
    pub(crate) image: Option<String>,
    pub(crate) image_by_action: Vec<(String, String)>,
    /// `None` where specs cannot be written in the network's format.
    pub(crate) spec_format: Option<SpecFormat>,
}

/// Keys that matter to services around the format and not to a search.
const KEPT: [&str; 7] = [
    "accepted_ds_intents",
    "actions_pipe",
    "recursive_dataset_file_download",
    "classwise",
    "version",
    "realtime_infer_support",
    "chaining_rules",
];

impl ApiParams {
    pub(super) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "api_params", report)?;
        let params = ApiParams {
            dataset_type: fields.string("dataset_type", report),
            actions: fields.strings("actions", report),
            formats: fields.strings("formats", report),
            image: fields.string("image", report),
            image_by_action: read_images(&mut fields, report),
            spec_format: spec_format(&mut fields, report),
        };
        for key in KEPT {
            fields.node(key);
        }
        fields.close_leniently(report);
        Some(params)
    }

    /// Returns the container image of an action.
    pub(crate) fn image(&self, action: &str) -> Option<&str> {
        let own = self.image_by_action.iter().find(|(name, _)| name == action).map(|(_, image)| image);
        own.or(self.image.as_ref()).map(String::as_str)
    }
}

fn read_images(fields: &mut Fields<'_>, report: &mut Report) -> Vec<(String, String)> {
    let path = fields.path_of("image_override_per_action");
    let entries = fields.node("image_override_per_action").and_then(Node::entries).unwrap_or_default();
    let image = |e: &crate::node::Entry| {
        string(&e.value, &join(&path, &e.key), report).map(|image| (e.key.clone(), image))
    };
    entries.iter().filter_map(image).collect()
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
