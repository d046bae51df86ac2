//! Reads TensorBoard event files while they grow.
//!
//! Each record with a scalar under a wanted tag gives one measurement, placed by the record's step.
//! Memory is bounded: a record longer than [`PAYLOAD_BYTES_MAX`], which holds images or histograms,
//! is passed over without being kept. A damaged record ends the reading, because nothing tells where
//! the next one starts; what was read before stays true.

use std::sync::Arc;

use prost::Message;

use crate::event_record::{self, Event, FOOT_BYTES, HEAD_BYTES};
use crate::notes::Notes;
use crate::resolve::{LineValues, Resolver};
use crate::rules::Metrics;
use crate::scraper::Measurement;

/// Longest payload that is read, in bytes; scalars need a few hundred.
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

/// Reads the scalars of one event file.
#[derive(Debug)]
pub(crate) struct EventFileScraper {
    metrics: Arc<Metrics>,
    resolver: Resolver,
    notes: Notes,
    state: State,
    /// Bytes of the head, or of the payload and its foot, that have come so far.
    held: Vec<u8>,
    records_read: u64,
    /// Records still to come that were read before the file was written anew.
    records_known: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// A payload of so many bytes and its foot.
    Payload(usize),
    /// So many bytes still to pass over.
    Skip(u64),
    Damaged,
}

impl EventFileScraper {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            resolver: Resolver::default(),
            notes: Notes::default(),
            state: State::Head,
            held: Vec::new(),
            records_read: 0,
            records_known: 0,
        }
    }

    /// Takes the next bytes and appends the measurements of the records they complete to `out`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Measurement>) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Damaged => return,
                State::Skip(left) => self.skip(bytes, left),
                State::Head => self.hold(bytes, HEAD_BYTES, out),
                State::Payload(length) => self.hold(bytes, length + FOOT_BYTES, out),
            };
        }
    }

    pub(crate) fn begin_again(&mut self) {
        self.state = State::Head;
        self.held.clear();
        self.records_known = self.records_read;
        self.records_read = 0;
    }

    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64) -> &'a [u8] {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - taken as u64;
        self.state = if left == 0 { State::Head } else { State::Skip(left) };
        &bytes[taken..]
    }

    /// Collects up to `wanted` bytes; with all of them there, acts on them.
    fn hold<'a>(&mut self, bytes: &'a [u8], wanted: usize, out: &mut Vec<Measurement>) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(wanted - self.held.len()));
        self.held.extend_from_slice(taken);
        if self.held.len() == wanted {
            let held = std::mem::take(&mut self.held);
            self.state = match self.state {
                State::Payload(length) => self.end_record(&held[..length], &held[length..], out),
                _ => self.after_head(&held),
            };
            self.held = held;
            self.held.clear();
        }
        rest
    }

    fn after_head(&mut self, head: &[u8]) -> State {
        let head: [u8; HEAD_BYTES] = head.try_into().expect("a whole head is held");
        match event_record::payload_length(head) {
            Some(length) if length <= PAYLOAD_BYTES_MAX => State::Payload(length as usize),
            Some(length) => {
                self.records_read += 1;
                State::Skip(length.saturating_add(FOOT_BYTES as u64))
            }
            None => State::Damaged,
        }
    }

    fn end_record(&mut self, payload: &[u8], foot: &[u8], out: &mut Vec<Measurement>) -> State {
        if !event_record::is_sound(payload, foot) {
            return State::Damaged;
        }
        self.records_read += 1;
        if self.records_read > self.records_known
            && let Ok(event) = Event::decode(payload)
        {
            out.extend(self.read(&event));
        }
        State::Head
    }

    fn read(&mut self, event: &Event) -> Option<Measurement> {
        let mut values = LineValues::default();
        for value in event.summary.iter().flat_map(|summary| &summary.value) {
            let Some(scalar) = value.scalar() else { continue };
            match self.resolver.whole(&self.metrics, value.tag.as_bytes()) {
                Some(found) => values.offer(found, scalar),
                None => self.notes.see(value.tag.as_bytes(), self.records_read),
            }
        }
        let values = self.resolver.settle(values);
        let step = u64::try_from(event.step).ok();
        (!values.is_empty()).then_some(Measurement { step, values, line: self.records_read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_record::{Summary, Value, masked_crc};
    use crate::rules::MetricRules;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u64).to_le_bytes();
        let mut frame = length.to_vec();
        frame.extend(masked_crc(&length).to_le_bytes());
        frame.extend(payload);
        frame.extend(masked_crc(payload).to_le_bytes());
        frame
    }

    fn scalar(step: i64, tag: &str, value: f32) -> Vec<u8> {
        let value = Value { tag: tag.into(), simple_value: Some(value), tensor: None };
        frame(&Event { step, summary: Some(Summary { value: vec![value] }) }.encode_to_vec())
    }

    fn scraper() -> EventFileScraper {
        let rules = MetricRules { monitoring: vec!["val/loss".into()], ..MetricRules::default() };
        EventFileScraper::new(&Arc::new(Metrics::compile(&rules).unwrap()))
    }

    fn read(scraper: &mut EventFileScraper, bytes: &[u8], chunk: usize) -> Vec<(u64, Option<u64>, f64)> {
        let mut out = Vec::new();
        for chunk in bytes.chunks(chunk) {
            scraper.push(chunk, &mut out);
        }
        out.iter().map(|found| (found.line, found.step, found.values["val/loss"])).collect()
    }

    #[test]
    fn every_size_of_chunk_gives_the_same() {
        let mut file = frame(b"");
        file.extend(scalar(1, "val/loss", 0.5));
        file.extend(scalar(1, "lr", 0.1));
        file.extend(frame(&vec![7; PAYLOAD_BYTES_MAX as usize + 1]));
        file.extend(scalar(2, "val/loss", 0.25));
        let expected = [(2, Some(1), 0.5), (5, Some(2), 0.25)];
        for chunk in [1, 7, 4096, file.len()] {
            assert_eq!(read(&mut scraper(), &file, chunk), expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn other_tags_are_noted() {
        let mut scraper = scraper();
        read(&mut scraper, &scalar(1, "train/loss_step", 0.5), 100);
        assert!(scraper.notes().seen_names.contains_key("train/loss_step"));
    }

    #[test]
    fn nothing_is_read_behind_damage() {
        let mut file = scalar(1, "val/loss", 0.5);
        let at = file.len() - 6;
        file[at] ^= 1;
        file.extend(scalar(2, "val/loss", 0.25));
        assert_eq!(read(&mut scraper(), &file, 64), []);
        assert_eq!(read(&mut scraper(), b"no event file at all, but long enough", 64), []);
    }

    #[test]
    fn file_written_anew_tells_its_new_records_only() {
        let (one, two) = (scalar(1, "val/loss", 0.5), scalar(2, "val/loss", 0.25));
        let mut scraper = scraper();
        assert_eq!(read(&mut scraper, &one, 64).len(), 1);
        scraper.begin_again();
        assert_eq!(read(&mut scraper, &[one, two].concat(), 64), [(2, Some(2), 0.25)]);
    }
}
