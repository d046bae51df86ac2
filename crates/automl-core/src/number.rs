//! Metric values in JSON: full double precision, with NaN and infinities as strings.
//!
//! JSON has no token for them, and a diverged trial's NaN is a fact that must survive the log.

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use std::collections::BTreeMap;
use std::fmt;

/// Returns the JSON form of a metric value: a number, or one of `"NaN"`, `"Infinity"`, `"-Infinity"`.
#[must_use]
pub fn as_json(value: f64) -> serde_json::Value {
    match non_finite_name(value) {
        Some(name) => name.into(),
        None => value.into(),
    }
}

/// Reads a number as people and programs write it, including `nan`, `inf` and `-Infinity`.
#[must_use]
pub fn from_text(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn non_finite_name(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

/// A metric value with the stored form described in the module header.
#[derive(Clone, Copy)]
struct Number(f64);

impl serde::Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match non_finite_name(self.0) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> de::Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }
            fn visit_f64<E>(self, v: f64) -> Result<Number, E> {
                Ok(Number(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Number, E> {
                from_text(v).map(Number).ok_or_else(|| E::invalid_value(de::Unexpected::Str(v), &self))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// `#[serde(with = "number::map")]` for metric name → value.
pub(crate) mod map {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        values: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, value)| (name, Number(*value))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let values: BTreeMap<String, Number> = de::Deserialize::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(name, Number(value))| (name, value)).collect())
    }
}
