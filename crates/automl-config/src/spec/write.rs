//! Specs as text, in a form that the programs' own readers read back as the same values.
//!
//! For YAML the measure is PyYAML, whose rules are of YAML 1.1: a float needs a point and a signed
//! exponent, and texts such as `yes` or `1e-4` need quotes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Text format of a spec file, by the network config's `spec_backend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SpecFormat {
    #[default]
    Yaml,
    Json,
    Toml,
}

impl SpecFormat {
    /// Returns the format of a `spec_backend`, where it is supported.
    pub(crate) fn of_backend(name: &str) -> Option<Self> {
        match name {
            "yaml" => Some(SpecFormat::Yaml),
            "json" => Some(SpecFormat::Json),
            "toml" => Some(SpecFormat::Toml),
            _ => None,
        }
    }

    /// Returns the name of a trial's spec file.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            SpecFormat::Yaml => "spec.yaml",
            SpecFormat::Json => "spec.json",
            SpecFormat::Toml => "spec.toml",
        }
    }

    /// Writes a spec; the error says what the format cannot hold.
    pub(crate) fn write(self, spec: &Value) -> Result<String, String> {
        match self {
            SpecFormat::Yaml => yaml(spec),
            SpecFormat::Json => serde_json::to_string_pretty(spec).map_err(|e| e.to_string()),
            SpecFormat::Toml => toml::to_string(&without_nulls(spec)).map_err(|e| e.to_string()),
        }
    }
}

/// TOML has no null: a key without a value is left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect()
        }
        Value::Array(items) => items.iter().filter(|v| !v.is_null()).map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

/// Writes YAML with every text on one line: a path folded over several is hard to find and to copy.
fn yaml(spec: &Value) -> Result<String, String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(spec, options).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Report;
    use crate::read::Format;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    use serde_json::json;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn read_back(format: Format, text: &str) -> Value {
        let mut report = Report::new("spec");
        let node = format.read(text, &mut report);
        assert!(!report.has_errors(), "{:?}\n{text}", report.into_problems());
        node.unwrap().to_json().unwrap()
    }

    /// What PyYAML makes of several texts, as JSON; `None` where there is no Python with yaml.
    fn through_python(texts: &[String]) -> Option<Vec<Value>> {
        let script = "import sys, json, yaml; \
                      print(json.dumps([yaml.safe_load(text) for text in json.load(sys.stdin)]))";
        let run = |script: &str, input: &[u8]| {
            let mut child = Command::new("python3")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .ok()?;
            child.stdin.take()?.write_all(input).ok()?;
            child.wait_with_output().ok()
        };
        run("import yaml", b"").filter(|output| output.status.success())?;
        let output = run(script, &serde_json::to_vec(texts).unwrap())?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn awkward() -> Value {
        json!({
            "floats": [1e-7, 1e-05, 1e20, 1.5e-300, 0.1, 3.0, -0.0, 1e16, 123456789.0, 1e100],
            "ints": [0, -1, 9007199254740993_i64],
            "texts": ["yes", "on", "010", "1e-4", "null", "1:30", "2024-01-01", "~", "0x1f", "1_000", "", " x ",
                      "a: b", "# no", "line\nbreak\n", "tab\t", "ö", "-", "?", "*a", "&a", "!t", "%d", "@", "`", "[x", "{x",
                      "'", "\"", "\\", "1.0e-07", ".inf", "=", "<<", "y", "N"],
            "key: odd": {"": null, "yes": true, "1": false},
            "empty": {"list": [], "map": {}},
            "nested": [[1, [2, 3]], {"x": [{"y": null}]}],
        })
    }

    #[test]
    fn python_reads_the_same_values_back() {
        let spec = awkward();
        let text = SpecFormat::Yaml.write(&spec).unwrap();
        assert_eq!(read_back(Format::Yaml, &text), spec, "{text}");
        if let Some(python) = through_python(&[text]) {
            assert_eq!(python, [spec]);
        }
    }

    #[test]
    fn python_agrees_on_arbitrary_specs() {
        let mut runner = TestRunner::deterministic();
        let specs: Vec<Value> =
            (0..300).map(|_| any_spec().new_tree(&mut runner).unwrap().current()).collect();
        let texts: Vec<String> = specs.iter().map(|spec| SpecFormat::Yaml.write(spec).unwrap()).collect();
        for ((python, spec), text) in
            through_python(&texts).unwrap_or_default().iter().zip(&specs).zip(&texts)
        {
            assert_eq!(python, spec, "{text}");
        }
    }

    #[test]
    fn small_floats_have_point_and_sign() {
        assert_eq!(SpecFormat::Yaml.write(&json!({"lr": 1e-7})).unwrap(), "lr: 1.0e-7\n");
    }

    #[test]
    fn toml_leaves_nulls_out() {
        let text =
            SpecFormat::Toml.write(&json!({"a": null, "b": {"c": 1e-7, "d": null}, "e": [1]})).unwrap();
        assert_eq!(read_back(Format::Toml, &text), json!({"b": {"c": 1e-7}, "e": [1]}));
    }

    fn any_spec() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            proptest::num::f64::NORMAL.prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[-+0-9eE._:xn~ ]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z0-9_.: ]{0,6}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_spec_survives_yaml_and_json(spec in any_spec()) {
            for (format, reader) in [(SpecFormat::Yaml, Format::Yaml), (SpecFormat::Json, Format::Json)] {
                let text = format.write(&spec).unwrap();
                prop_assert_eq!(&read_back(reader, &text), &spec, "{}", text);
            }
        }
    }
}
