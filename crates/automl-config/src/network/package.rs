//! Section `package`: the installed package that a network is about, and the versions that are known.

use crate::fields::Fields;
use crate::node::Node;
use crate::problem::Report;
use crate::recipe::{Moved, PackageRule};

pub(super) fn read(node: &Node, report: &mut Report) -> Option<PackageRule> {
    let mut fields = Fields::open(node, "package", report)?;
    let name = fields.required_string("name", report);
    let program = fields.required_string("program", report);
    let versions = fields.strings("versions", report);
    let install = fields.required_string("install", report);
    let items = fields.node("moved").and_then(Node::items).unwrap_or_default();
    let moved = items.iter().enumerate().filter_map(|(i, item)| read_moved(item, i, report)).collect();
    fields.close(report);
    Some(PackageRule { name: name?, program: program?, versions, install: install?, moved })
}

fn read_moved(node: &Node, i: usize, report: &mut Report) -> Option<Moved> {
    let mut fields = Fields::open(node, &format!("package.moved[{i}]"), report)?;
    let since = fields.required_string("since", report);
    let keys = fields.strings("keys", report);
    fields.close(report);
    Some(Moved { since: since?, keys })
}
