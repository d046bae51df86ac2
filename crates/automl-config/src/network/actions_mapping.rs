//! Section `actions_mapping`: actions that another network, or another action, carries out.

use crate::fields::{Fields, join, wrong_type};
use crate::node::Node;
use crate::problem::{Code, Report};

/// Stands for every action that has no entry of its own.
const ANY: &str = "*";

/// Where actions lead to, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionsMapping(Vec<(String, Target)>);

/// What an action leads to; what is absent stays the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Target {
    network: Option<String>,
    action: Option<String>,
}

impl ActionsMapping {
    pub(super) fn read(section: Option<&Node>, report: &mut Report) -> Self {
        let Some(section) = section else { return ActionsMapping::default() };
        let Some(entries) = section.entries() else {
            return wrong_type(section, "actions_mapping", "an object", report).unwrap_or_default();
        };
        let mut targets = Vec::new();
        for entry in entries {
            let path = join("actions_mapping", &entry.key);
            targets.extend(Target::read(&entry.value, &path, report).map(|t| (entry.key.clone(), t)));
        }
        ActionsMapping(targets)
    }

    /// Returns the network and the action that carry out an action of a network: its own entry, else
    /// that of `*`, else the pair itself.
    pub(crate) fn follow(&self, network: &str, action: &str) -> (String, String) {
        let entry = |name: &str| self.0.iter().find(|(key, _)| key == name).map(|(_, target)| target);
        let target = entry(action).or_else(|| entry(ANY)).cloned().unwrap_or_default();
        (target.network.unwrap_or_else(|| network.into()), target.action.unwrap_or_else(|| action.into()))
    }
}

impl Target {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let target =
            Target { network: fields.string("network", report), action: fields.string("action", report) };
        fields.close_leniently(report);
        if target == Target::default() {
            let message = "a mapping needs `network`, `action` or both";
            report.error(node.at, path, Code::MissingKey, message);
        }
        Some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    fn read(text: &str) -> (ActionsMapping, Vec<String>) {
        let mut report = Report::new("f");
        let node = read_json(text, &mut report);
        let mapping = ActionsMapping::read(node.as_ref(), &mut report);
        (mapping, report.into_problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn own_entry_wins_over_the_wildcard() {
        let (mapping, problems) = read(
            r#"{"*": {"network": "other"}, "a": {"action": "b"}, "c": {"network": "n", "action": "d"}}"#,
        );
        assert_eq!(problems, [""; 0]);
        let follow = |action| mapping.follow("own", action);
        assert_eq!(follow("a"), ("own".into(), "b".into()));
        assert_eq!(follow("c"), ("n".into(), "d".into()));
        assert_eq!(follow("train"), ("other".into(), "train".into()));
    }

    #[test]
    fn empty_targets_are_refused() {
        assert_eq!(
            read(r#"{"a": {}}"#).1,
            ["f:1:7: error: actions_mapping.a: a mapping needs `network`, `action` or both"]
        );
    }
}
