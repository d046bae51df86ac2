//! Reads events from their stored form, fast.
//!
//! The general reader has to keep all fields of a record until it knows the kind of event. The kinds that make up
//! every long log are read directly instead; whatever is not exactly as it is written here is left to the
//! general one, so that both ways give the same.

use crate::event::{Asked, AttemptEnd, Event, Origin, Record};
use crate::fold_error::FoldError;
use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::study::Study;
use crate::value::Params;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a stored event cannot be applied.
#[derive(Debug, Error)]
pub enum StoredError {
    /// It cannot be understood.
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
    /// It is impossible in the state before it.
    #[error(transparent)]
    Impossible(#[from] FoldError),
}

impl Study {
    /// Applies a stored event to a study, which is `None` before its first event.
    ///
    /// # Errors
    /// If the event cannot be read, or is impossible in this state; the state is then unchanged.
    pub fn apply_stored(study: &mut Option<Study>, json: &[u8]) -> Result<(), StoredError> {
        match study {
            None => *study = Some(Study::create(&Record::from_json(json)?)?),
            Some(study) => match Reading::parse(json) {
                Some(reading) => study.measure(&reading)?,
                None => study.apply(&Record::from_json(json)?)?,
            },
        }
        Ok(())
    }
}

impl Record {
    /// Reads a record from its stored form.
    ///
    /// # Errors
    /// What the parser finds.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        if let Some(reading) = Reading::parse(json) {
            return Ok(reading.into());
        }
        let direct = match kind(json) {
            Some(b"trial_suggested") => direct::<Suggested>(json),
            Some(b"attempt_started") => direct::<Started>(json),
            Some(b"attempt_ended") => direct::<Ended>(json),
            _ => None,
        };
        direct.map_or_else(|| serde_json::from_slice(json), Ok)
    }
}

/// Returns the kind of an event whose record begins as records are written.
fn kind(json: &[u8]) -> Option<&[u8]> {
    let (_, rest) = whole_number(json.strip_prefix(b"{\"at\":")?)?;
    let rest = rest.strip_prefix(b",\"event\":\"")?;
    Some(&rest[..rest.iter().position(|byte| *byte == b'"')?])
}

fn direct<T: DeserializeOwned + Into<Record>>(json: &[u8]) -> Option<Record> {
    serde_json::from_slice::<T>(json).ok().map(Into::into)
}

#[derive(Deserialize)]
struct Suggested {
    at: u64,
    trial: TrialId,
    params: Params,
    #[serde(default)]
    bracket: Option<u32>,
    origin: Origin,
}

impl From<Suggested> for Record {
    fn from(stored: Suggested) -> Self {
        let Suggested { at, trial, params, bracket, origin } = stored;
        Record { at, event: Event::TrialSuggested { trial, params, bracket, origin } }
    }
}

#[derive(Deserialize)]
struct Started {
    at: u64,
    trial: TrialId,
    attempt: AttemptNumber,
    until: Fidelity,
    #[serde(default)]
    resume_from: Option<String>,
    slot: u32,
    #[serde(default)]
    log_offsets: Vec<u64>,
    #[serde(default)]
    worker: Option<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    asked: Option<Asked>,
}

impl From<Started> for Record {
    fn from(stored: Started) -> Self {
        let Started { at, trial, attempt, until, resume_from, slot, log_offsets, worker, why, asked } =
            stored;
        let event = Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from,
            slot,
            log_offsets,
            worker,
            why,
            asked,
        };
        Record { at, event }
    }
}

#[derive(Deserialize)]
struct Ended {
    at: u64,
    trial: TrialId,
    attempt: AttemptNumber,
    end: AttemptEnd,
}

impl From<Ended> for Record {
    fn from(stored: Ended) -> Self {
        let Ended { at, trial, attempt, end } = stored;
        Record { at, event: Event::AttemptEnded { trial, attempt, end } }
    }
}

/// [`Event::Measured`] as it lies in the log: most records of every long one. Names are not copied.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading<'a> {
    pub(crate) at: u64,
    pub(crate) trial: TrialId,
    pub(crate) attempt: AttemptNumber,
    pub(crate) source: u16,
    pub(crate) line: u64,
    pub(crate) step: Option<u64>,
    /// By name, in the order of names.
    pub(crate) values: Vec<(&'a str, f64)>,
}

impl<'a> Reading<'a> {
    /// Reads a record that is written byte for byte as this program writes readings, with finite values and
    /// plain names; `None` for any other.
    fn parse(json: &'a [u8]) -> Option<Self> {
        let (at, rest) = whole_number(json.strip_prefix(b"{\"at\":")?)?;
        let (trial, rest) = whole_number(rest.strip_prefix(b",\"event\":\"measured\",\"trial\":")?)?;
        let (attempt, rest) = whole_number(rest.strip_prefix(b",\"attempt\":")?)?;
        let (source, rest) = whole_number(rest.strip_prefix(b",\"source\":")?)?;
        let (line, rest) = whole_number(rest.strip_prefix(b",\"line\":")?)?;
        let (step, rest) = match rest.strip_prefix(b",\"step\":") {
            Some(rest) => whole_number(rest).map(|(step, rest)| (Some(step), rest))?,
            None => (None, rest),
        };
        let mut rest = rest.strip_prefix(b",\"values\":{")?;
        let mut values: Vec<(&str, f64)> = Vec::with_capacity(1);
        while !rest.starts_with(b"}") {
            if !values.is_empty() {
                rest = rest.strip_prefix(b",")?;
            }
            let text = rest.strip_prefix(b"\"")?;
            let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
            let name = std::str::from_utf8(&text[..end]).ok()?;
            let (value, after) = number(text[end..].strip_prefix(b"\":")?)?;
            // Names that are not in order may come twice.
            if values.last().is_some_and(|(last, _)| *last >= name) {
                return None;
            }
            values.push((name, value));
            rest = after;
        }
        (rest == b"}}").then_some(())?;
        Some(Reading {
            at,
            trial: TrialId(trial),
            attempt: AttemptNumber(u32::try_from(attempt).ok()?),
            source: u16::try_from(source).ok()?,
            line,
            step,
            values,
        })
    }
}

impl From<Reading<'_>> for Record {
    fn from(reading: Reading<'_>) -> Self {
        let Reading { at, trial, attempt, source, line, step, values } = reading;
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Record { at, event: Event::Measured { trial, attempt, source, line, step, values } }
    }
}

/// Takes a whole number as JSON has it off the front of a text.
fn whole_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let number = digits
        .iter()
        .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    let plain = digits.len() == 1 || digits.first().is_some_and(|first| *first != b'0');
    plain.then_some((number, rest))
}

/// Takes a finite number as JSON has it off the front of a text.
fn number(text: &[u8]) -> Option<(f64, &[u8])> {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let digits = |from: usize| text[from..].iter().take_while(|byte| is_digit(byte)).count();
    let mut end = usize::from(text.first() == Some(&b'-'));
    let whole = digits(end);
    if whole == 0 || (whole > 1 && text[end] == b'0') {
        return None;
    }
    end += whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        end += 1 + fraction;
        (fraction > 0).then_some(())?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        end += 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end);
        end += exponent;
        (exponent > 0).then_some(())?;
    }
    let value: f64 = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    value.is_finite().then_some((value, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{FailureKind, Outcome};
    use crate::further::Further;
    use crate::value::ParamValue;
    use std::collections::BTreeMap;

    fn read_both_ways(text: &str) -> Result<Record, String> {
        let general = serde_json::from_str::<Record>(text).map_err(|error| error.to_string());
        let direct = Record::from_json(text.as_bytes()).map_err(|error| error.to_string());
        // NaN is not equal to itself.
        assert_eq!(format!("{direct:?}"), format!("{general:?}"), "{text}");
        general
    }

    fn measured(values: &[(&str, f64)], step: Option<u64>) -> Event {
        let values: BTreeMap<String, f64> =
            values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Event::Measured { trial: TrialId(3), attempt: AttemptNumber(1), source: 2, line: 7, step, values }
    }

    #[test]
    fn readings_as_they_are_written_are_read_directly() {
        let odd = [
            0.1 + 0.2,
            -0.0,
            0.0,
            1.0,
            -17.0,
            1e-300,
            1.5e300,
            f64::MAX,
            f64::MIN_POSITIVE / 4.0,
            123456789.125,
        ];
        for value in odd {
            for step in [None, Some(0), Some(u64::MAX)] {
                let event = measured(&[("acc", value), ("val loss/µ", -value)], step);
                let text = serde_json::to_string(&Record { at: 17, event }).unwrap();
                let reading = Reading::parse(text.as_bytes()).expect("it is of the written form");
                let record = read_both_ways(&text).unwrap();
                let Event::Measured { values, .. } = &record.event else { panic!("other kind") };
                assert_eq!(values["acc"].to_bits(), value.to_bits());
                assert_eq!(Record::from(reading), record);
            }
        }
    }

    #[test]
    fn other_readings_are_left_to_the_general_reader() {
        let with = |values: &str| {
            format!(
                r#"{{"at":1,"event":"measured","trial":3,"attempt":1,"source":0,"line":7,"values":{values}}}"#
            )
        };
        let values = [
            "{}",
            "{\"a\":1}",
            "{\"a\":\"NaN\"}",
            "{\"a\":\"-Infinity\"}",
            "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":1e999}",
            "{\"a\":-}",
            "{\"a\": 1}",
            "{\"\\u0041\":1}",
            "{\"a\":1,}",
            "{,\"a\":1}",
            "{\"a\":12345678901234567890123}",
            "{\"a\":1}x",
            "{\"a\":null}",
            "{\"a\":1",
        ];
        values.iter().for_each(|values| drop(read_both_ways(&with(values))));
        let odd = [
            r#"{"at":1,"event":"measured","trial":3,"attempt":1,"source":0,"line":7,"step":null,"values":{"a":1},"new":[]}"#,
            r#"{"at":1,"event":"measured","trial":3,"attempt":1,"source":0,"values":{"a":1}}"#,
            r#"{"at":1,"event":"measured","trial":3,"attempt":4294967296,"source":0,"line":7,"values":{"a":1}}"#,
            r#"{"at":1,"event":"measured","trial":3,"attempt":1,"source":65536,"line":7,"values":{"a":1}}"#,
            r#"{"at":01,"event":"measured","trial":3,"attempt":1,"source":0,"line":7,"values":{"a":1}}"#,
            r#"{"at":1,"event":"measured","event":"study_ended","reason":"budget"}"#,
            r#"{"event":"measured","at":1,"trial":3,"attempt":1,"source":2,"line":7,"values":{"a":"-Infinity"}}"#,
        ];
        odd.iter().for_each(|text| drop(read_both_ways(text)));
    }

    #[test]
    fn other_frequent_events_are_read_alike_both_ways() {
        let trial = TrialId(3);
        let list = ParamValue::List(vec![ParamValue::Float(0.5), ParamValue::Int(2)]);
        let params = [("a".to_owned(), list), ("b".to_owned(), ParamValue::Bool(true))].into_iter().collect();
        let origin = Origin { acquisition: Some(0.1 + 0.2), theta: vec![1e-7], ..Origin::enqueued() };
        let attempt = AttemptNumber(2);
        let reached = Outcome::Reached {
            fidelity: Fidelity(9),
            value: 0.1 + 0.2,
            checkpoint: Some("c".into()),
            further: Further { objectives: vec![2.0], constraints: vec![-1.0] },
        };
        let failed = Outcome::Failed { kind: FailureKind::Exit, reason: "\"quoted\"\n".into() };
        let events = [
            Event::TrialSuggested { trial, params, bracket: Some(1), origin },
            Event::AttemptStarted {
                trial,
                attempt,
                until: Fidelity(9),
                resume_from: Some("x".into()),
                slot: 1,
                log_offsets: vec![1, 2],
                worker: None,
                why: Some("w".into()),
                asked: Some(Asked { after: 7, free: 2 }),
            },
            Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(reached) },
            Event::AttemptEnded {
                trial,
                attempt,
                end: AttemptEnd { cpu_ms: Some(3), ..AttemptEnd::unmeasured(failed) },
            },
        ];
        for event in events {
            let record = Record { at: 5, event };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(read_both_ways(&text).as_ref(), Ok(&record));
            let _ = read_both_ways(&text.replace("\"trial\":3", "\"trial\":-3"));
            let _ = read_both_ways(&text.replacen(":5,", ":5,\"new\":{},", 1));
        }
    }
}
