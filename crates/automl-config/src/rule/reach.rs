//! Which values of a spec a pattern of paths reaches.
//!
//! A pattern is a dotted path in which `*` stands for every key of an object and every item of a list. A last
//! segment `length` is the length of the list before it.

use serde_json::Value;

/// Marks every key or item.
const ANY: &str = "*";
/// Last segment that stands for a list's length.
const LENGTH: &str = ".length";

/// Returns the full paths and the values that a pattern reaches, in the spec's order. Nulls on the way end it.
pub(crate) fn reach<'v>(spec: &'v Value, pattern: &str) -> Vec<(String, &'v Value)> {
    let mut reached = vec![(String::new(), spec)];
    for segment in pattern.split('.') {
        reached = reached.into_iter().flat_map(|(path, value)| step(&path, value, segment)).collect();
    }
    reached
}

fn step<'v>(path: &str, value: &'v Value, segment: &str) -> Vec<(String, &'v Value)> {
    let at = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match (value, segment) {
        (Value::Object(map), ANY) => map.iter().map(|(key, inner)| (at(key), inner)).collect(),
        (Value::Object(map), key) => map.get(key).map(|inner| (at(key), inner)).into_iter().collect(),
        (Value::Array(items), ANY) => {
            items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)).collect()
        }
        (Value::Array(items), index) => {
            let item = index.parse().ok().and_then(|i: usize| items.get(i));
            item.map(|item| (format!("{path}[{index}]"), item)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the full paths and the values that a pattern reaches, lengths of lists among them.
pub(super) fn values(spec: &Value, pattern: &str) -> Vec<(String, Value)> {
    let plain = reach(spec, pattern).into_iter().map(|(path, value)| (path, value.clone()));
    let lists = pattern.strip_suffix(LENGTH).map(|list| reach(spec, list)).unwrap_or_default();
    let lengths = lists
        .into_iter()
        .filter_map(|(path, list)| Some((format!("{path}{LENGTH}"), Value::from(list.as_array()?.len()))));
    plain.chain(lengths).collect()
}

/// Returns the least and the greatest of the numbers that a pattern reaches; `None` where there is none.
pub(super) fn bounds(spec: &Value, pattern: &str) -> Option<(f64, f64)> {
    let numbers = values(spec, pattern).into_iter().filter_map(|(_, value)| value.as_f64());
    numbers.fold(None, |found: Option<(f64, f64)>, number| {
        let (low, high) = found.unwrap_or((number, number));
        Some((low.min(number), high.max(number)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stars_reach_every_branch_and_item() {
        let spec = json!({"a": {"x": {"n": 1}, "y": null, "z": {"n": 3}}, "l": ["p", "q"], "s": 5});
        let paths = |pattern: &str| -> Vec<String> {
            reach(&spec, pattern).into_iter().map(|(path, _)| path).collect()
        };
        assert_eq!(paths("a.*.n"), ["a.x.n", "a.z.n"]);
        assert_eq!(paths("a.y"), ["a.y"]);
        assert_eq!(paths("a.y.n"), [""; 0]);
        assert_eq!(paths("l.*"), ["l[0]", "l[1]"]);
        assert_eq!(paths("l.1"), ["l[1]"]);
        assert_eq!(bounds(&spec, "a.*.n"), Some((1.0, 3.0)));
        assert_eq!(bounds(&spec, "l.length"), Some((2.0, 2.0)));
        assert_eq!(bounds(&spec, "s.length"), None);
        assert_eq!(bounds(&spec, "l"), None);
    }
}
