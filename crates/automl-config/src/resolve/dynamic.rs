//! Section `dynamic_config` of a network, for one job: what a parent asks for is done at once, the rest
//! becomes rules of the recipe.

use super::data::DataFacts;
use super::draft::Draft;
use crate::network::{DynamicConfig, ParentRule, RuleCondition, SpecTransform, Subject};
use crate::parent::ParentJob;
use crate::recipe::{ModelTypeRules, SpecRules};
use crate::spec::SpecPath;
use serde_json::Value;

/// Stands in values for the parent job.
const PARENT_ID: &str = "{parent_id}";

/// Applies the rules for the parent's action; returns the keys that they set, which datasets then leave
/// alone.
pub(super) fn apply_parent(
    rules: &DynamicConfig,
    parent: Option<&ParentJob>,
    action: &str,
    known: &DataFacts,
    draft: &mut Draft,
) -> Vec<String> {
    let Some(parent) = parent else { return Vec::new() };
    let Some((_, rule)) = rules.parent_actions.iter().find(|(name, _)| *name == parent.action) else {
        return Vec::new();
    };
    let mut wanted: Vec<&(String, Value)> = Vec::new();
    if rule.condition.as_ref().is_none_or(|condition| holds(condition, known, draft)) {
        wanted.extend(&rule.set_value);
    }
    wanted.extend(matched(rule, parent));
    let allowed = wanted.into_iter().filter(|(key, _)| rule.restriction.allows(key, action));
    let mut configured = Vec::new();
    for (key, value) in allowed {
        let origin = format!("dynamic_config.parent_action_rules.{}", parent.action);
        draft.set(key, for_parent(value, parent), &origin);
        configured.push(key.clone());
    }
    configured
}

/// Returns the values to set because the parent's spec says what is expected.
fn matched<'r>(rule: &'r ParentRule, parent: &ParentJob) -> &'r [(String, Value)] {
    let Some(check) = &rule.check else { return &[] };
    let says = |(key, expected): &(String, Value)| {
        key.parse::<SpecPath>().is_ok_and(|path| path.get(&parent.spec) == Some(expected))
    };
    if check.expected.iter().any(says) { &check.set_value } else { &[] }
}

fn holds(condition: &RuleCondition, known: &DataFacts, draft: &Draft) -> bool {
    let found = match &condition.subject {
        Subject::Metadata(key) => known.get(key),
        Subject::Spec(key) => draft.get(key).cloned(),
    };
    (found.as_ref() == Some(&condition.value)) == condition.equal
}

/// Returns a value in which `results/{parent_id}` is the parent's folder, and `{parent_id}` its name.
fn for_parent(value: &Value, parent: &ParentJob) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    let folder = parent.results_dir.to_string_lossy();
    let (absolute, relative) = (format!("/results/{PARENT_ID}"), format!("results/{PARENT_ID}"));
    text.replace(&absolute, &folder).replace(&relative, &folder).replace(PARENT_ID, &parent.id).into()
}

/// Returns the rules of an action that a recipe applies to each spec.
pub(super) fn rules_for(config: &DynamicConfig, action: &str) -> SpecRules {
    let own = config.actions.iter().find(|(name, _)| name == action).map(|(_, rule)| rule.clone());
    let own = own.unwrap_or_default();
    let model_types = config.model_types.iter().map(|(name, rule)| {
        let here = rule.remove_if_action.iter().filter(|(name, _)| name == action).flat_map(|(_, keys)| keys);
        let rules = ModelTypeRules {
            remove: rule.remove.iter().chain(here).cloned().collect(),
            split_pretrained_paths: rule.transform == Some(SpecTransform::SplitPretrainedPaths),
        };
        (name.clone(), rules)
    });
    SpecRules {
        set: own.set_value,
        remove: own.remove,
        model_type_key: config.model_type_key.clone(),
        model_types: model_types.collect(),
        defaults: config.defaults.clone(),
    }
}
