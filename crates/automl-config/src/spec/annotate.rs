//! A spec for people: YAML with the origin of each value as a comment.

use super::secret::{hide_logins, is_secret};
use super::write::SpecFormat;
use crate::fields::join;
use crate::recipe::Origins;
use serde_json::{Map, Value};

/// Comments stand in one column, unless lines reach beyond this one.
const LAST_COLUMN: usize = 60;

/// Returns the lines of a spec as YAML, each value followed by where it came from. Secrets are masked.
#[must_use]
pub fn annotated_yaml(spec: &Value, origins: &Origins) -> Vec<String> {
    let mut rows = Vec::new();
    if let Value::Object(map) = spec {
        collect(map, "", 0, origins, &mut rows);
    }
    let widths = rows.iter().filter(|(_, origin)| origin.is_some()).map(|(text, _)| text.chars().count());
    let column = widths.filter(|width| *width <= LAST_COLUMN).max().unwrap_or(0);
    let line = |(text, origin): (String, Option<String>)| match origin {
        Some(origin) => format!("{text:<column$}  # {origin}"),
        None => text,
    };
    rows.into_iter().map(line).collect()
}

fn collect(
    map: &Map<String, Value>,
    path: &str,
    indent: usize,
    origins: &Origins,
    rows: &mut Vec<(String, Option<String>)>,
) {
    for (key, value) in map {
        let path = join(path, key);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                rows.push((format!("{:indent$}{}", "", yaml(key, &Value::Null).replace(" null", "")), None));
                collect(inner, &path, indent + 2, origins, rows);
            }
            value => {
                let masked = is_secret(&path) && !matches!(value, Value::Null) && value != "";
                let text = yaml(key, if masked { &Value::Null } else { value });
                let text = if masked { text.replace(" null", " …") } else { text };
                for (i, line) in hide_logins(&text).lines().enumerate() {
                    let origin = (i == 0).then(|| origins.of(&path)).flatten().map(String::from);
                    rows.push((format!("{:indent$}{line}", ""), origin));
                }
            }
        }
    }
}

fn yaml(key: &str, value: &Value) -> String {
    let one = Value::Object(Map::from_iter([(key.to_string(), value.clone())]));
    SpecFormat::Yaml
        .write(&one)
        .map_or_else(|_| format!("{key}: {value}"), |text| text.trim_end().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comments_stand_beside_values() {
        let spec = json!({"train": {"lr": 1e-7, "steps": [1, 2], "api_key": "swordfish"}, "map": {}});
        let mut origins = Origins::default();
        origins.mark("", &spec, "template");
        origins.mark("train.lr", &json!(1e-7), "sampler");
        assert_eq!(
            annotated_yaml(&spec, &origins).join("\n"),
            "train:\n  lr: 1.0e-7  # sampler\n  steps:      # template\n  - 1\n  - 2\n  api_key: …  # template\nmap: {}       # template"
        );
    }
}
