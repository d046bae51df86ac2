//! Section `additional_download`: files that an action needs beside those of `data_sources`.

use super::source_parts::{
    Condition, ConvertPath, SourceName, read_condition, read_convert_path, read_source,
};
use crate::fields::{Fields, join, string, wrong_type};
use crate::node::{Data, Node};
use crate::problem::{Code, Report};

/// One file, for each dataset of its source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExtraFile {
    /// Datasets that the placeholders are about; absent for a path that stands by itself.
    pub(crate) source: Option<SourceName>,
    pub(crate) condition: Option<Condition>,
    /// Path or URL, with `{dataset_convert_job_id}` and `{dataset_path}`.
    pub(crate) path: String,
    pub(crate) convert: Option<ConvertPath>,
}

pub(super) fn read(section: Option<&Node>, report: &mut Report) -> Vec<(String, Vec<ExtraFile>)> {
    let Some(section) = section else { return Vec::new() };
    let Some(entries) = section.entries() else {
        return wrong_type(section, "additional_download", "an object", report).unwrap_or_default();
    };
    let mut actions = Vec::new();
    for entry in entries {
        let path = join("additional_download", &entry.key);
        let Some(items) = entry.value.items() else {
            let _: Option<()> = wrong_type(&entry.value, &path, "a list of files", report);
            continue;
        };
        let with_index = items.iter().enumerate();
        let files = with_index.filter_map(|(i, item)| read_file(item, &format!("{path}[{i}]"), report));
        actions.push((entry.key.clone(), files.collect()));
    }
    actions
}

fn read_file(node: &Node, path: &str, report: &mut Report) -> Option<ExtraFile> {
    if let Data::Str(_) = &node.data {
        let path = string(node, path, report)?;
        return Some(ExtraFile { source: None, condition: None, path, convert: None });
    }
    let mut fields = Fields::open(node, path, report)?;
    let source = fields.node("source").and_then(|_| read_source(&mut fields, None, report));
    let file = ExtraFile {
        source,
        condition: read_condition(&mut fields, report),
        path: fields.string("path", report).unwrap_or_default(),
        convert: read_convert_path(&mut fields, report),
    };
    fields.close_leniently(report);
    if file.path.is_empty() && file.convert.is_none() {
        report.error(node.at, path, Code::MissingKey, "needs `path` or `path_from_convert_job_spec`");
        return None;
    }
    Some(file)
}
