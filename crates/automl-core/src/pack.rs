//! A study's state as bytes, to be put away and taken up again faster than its log is folded.
//!
//! This is no format: the bytes mean something only to the build of the program that wrote them, and whoever
//! keeps them sees to it that no other one reads them. Nothing here is a fact of its own; the log is.
//!
//! Numbers are packed seven bits a byte, lists with their length in front, and structs field by field; a field
//! that is added must be named here, or the program does not compile.

use crate::event::{AttemptEnd, EndReason, FailureKind, GpuUse, Origin, Outcome};
use crate::further::Further;
use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::index::Index;
use crate::progress::Arrival;
use crate::settings::StudySettings;
use crate::space::SearchSpace;
use crate::study::{Rebound, Study};
use crate::trial::{Attempt, Dropped, Foreign, Inherited, Metric, Series, Trial, TrialState};
use crate::value::{ParamValue, Params};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

impl Study {
    /// Returns the state as bytes for [`Study::from_snapshot`] of the same build of the program.
    #[must_use]
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.pack(&mut out);
        out
    }

    /// Takes a state up again; `None` where the bytes are not those of a state.
    #[must_use]
    pub fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let study = Study::unpack(&mut rest)?;
        rest.is_empty().then_some(study)
    }
}

/// A part of the state.
pub(crate) trait Pack: Sized {
    fn pack(&self, out: &mut Vec<u8>);
    fn unpack(from: &mut &[u8]) -> Option<Self>;
}

impl Pack for u64 {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = from.split_first()?;
            *from = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// Packs smaller numbers as `u64`.
macro_rules! pack_as_u64 {
    ($($number:ty),*) => {$(
        impl Pack for $number {
            fn pack(&self, out: &mut Vec<u8>) {
                u64::from(*self).pack(out);
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                u64::unpack(from)?.try_into().ok()
            }
        }
    )*};
}

pack_as_u64!(u8, u16, u32);

impl Pack for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        match u8::unpack(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Pack for f64 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(f64::from_le_bytes(*bytes))
    }
}

impl Pack for String {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u64).pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(u64::unpack(from)?).ok()?;
        let (text, rest) = from.split_at_checked(len)?;
        *from = rest;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.is_some().pack(out);
        if let Some(value) = self {
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        if bool::unpack(from)? { T::unpack(from).map(Some) } else { Some(None) }
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        T::unpack(from).map(Box::new)
    }
}

impl<T: Pack> Pack for Arc<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        T::unpack(from).map(Arc::new)
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?))
    }
}

fn pack_items<'a, T: Pack + 'a>(items: impl ExactSizeIterator<Item = &'a T>, out: &mut Vec<u8>) {
    (items.len() as u64).pack(out);
    items.for_each(|item| item.pack(out));
}

fn unpack_items<T: Pack, C: FromIterator<T>>(from: &mut &[u8]) -> Option<C> {
    let len = u64::unpack(from)?;
    // Every item takes a byte, so a length beyond that is none.
    (len <= from.len() as u64).then(|| (0..len).map(|_| T::unpack(from)).collect())?
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_items(self.iter(), out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(u64::unpack(from)?).ok().filter(|len| *len <= from.len())?;
        // Exactly as much room as it takes: most of these lists never grow again.
        let mut list = Vec::with_capacity(len);
        for _ in 0..len {
            list.push(T::unpack(from)?);
        }
        Some(list)
    }
}

impl<T: Pack> Pack for VecDeque<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_items(self.iter(), out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        unpack_items(from)
    }
}

impl<T: Pack + Ord> Pack for BTreeSet<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_items(self.iter(), out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        unpack_items(from)
    }
}

impl<K: Pack + Ord, V: Pack> Pack for BTreeMap<K, V> {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u64).pack(out);
        for (key, value) in self {
            key.pack(out);
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        unpack_items::<(K, V), Self>(from)
    }
}

/// Packs structs field by field.
macro_rules! pack_fields {
    ($($name:ident { $($field:tt),* })*) => {$(
        impl Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                $(self.$field.pack(out);)*
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                Some($name { $($field: Pack::unpack(from)?),* })
            }
        }
    )*};
}

pack_fields! {
    TrialId { 0 }
    AttemptNumber { 0 }
    Fidelity { 0 }
    Params { 0 }
    Further { objectives, constraints }
    Origin { model, reason, observations, acquisition, theta, parent }
    GpuUse { ms, peak_mib }
    AttemptEnd { outcome, cpu_ms, max_rss_kib, memory_peak_kib, gpu }
    Arrival { step, order }
    Metric { name, source, readings }
    Series { metrics, last_line, arrivals }
    Attempt {
        number, until, resume_from, slot, log_offsets, worker, why, started_at, ended_at, series, end
    }
    Dropped { keep, reason }
    Inherited { from, fidelity, source }
    Rebound { first_space, since }
    Foreign { source, comparable }
    Trial {
        id, params, bracket, origin, state, attempts, reached, further, foreign, checkpoint, inherited, checkpoint_lost,
        checkpoint_bytes,
        stopping, dropped, reason, failures, losses, suggested_at, ended_at
    }
}

/// Packs what has a stored form of its own and is rare as that.
macro_rules! pack_as_json {
    ($($name:ident),*) => {$(
        impl Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                serde_json::to_string(self).expect("it is stored as JSON in the log, too").pack(out);
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                serde_json::from_str(&String::unpack(from)?).ok()
            }
        }
    )*};
}

pack_as_json!(StudySettings, SearchSpace, EndReason, FailureKind);

impl Pack for TrialState {
    fn pack(&self, out: &mut Vec<u8>) {
        (*self as u8).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let number = u8::unpack(from)?;
        TrialState::ALL.into_iter().find(|state| *state as u8 == number)
    }
}

impl Pack for ParamValue {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            ParamValue::Bool(value) => (0_u8, *value).pack(out),
            ParamValue::Int(value) => (1_u8, value.cast_unsigned()).pack(out),
            ParamValue::Float(value) => (2_u8, *value).pack(out),
            ParamValue::Text(value) => {
                out.push(3);
                value.pack(out);
            }
            ParamValue::List(value) => {
                out.push(4);
                value.pack(out);
            }
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::unpack(from)? {
            0 => ParamValue::Bool(Pack::unpack(from)?),
            1 => ParamValue::Int(u64::unpack(from)?.cast_signed()),
            2 => ParamValue::Float(Pack::unpack(from)?),
            3 => ParamValue::Text(Pack::unpack(from)?),
            4 => ParamValue::List(Pack::unpack(from)?),
            _ => return None,
        })
    }
}

impl Pack for Outcome {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Outcome::Reached { fidelity, value, checkpoint, further } => {
                out.push(0);
                fidelity.pack(out);
                value.pack(out);
                checkpoint.pack(out);
                further.pack(out);
            }
            Outcome::Infeasible { reason } => {
                out.push(1);
                reason.pack(out);
            }
            Outcome::Failed { kind, reason } => {
                out.push(2);
                kind.pack(out);
                reason.pack(out);
            }
            Outcome::Interrupted { reason, by_request } => {
                out.push(3);
                reason.pack(out);
                by_request.pack(out);
            }
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::unpack(from)? {
            0 => Outcome::Reached {
                fidelity: Pack::unpack(from)?,
                value: Pack::unpack(from)?,
                checkpoint: Pack::unpack(from)?,
                further: Pack::unpack(from)?,
            },
            1 => Outcome::Infeasible { reason: Pack::unpack(from)? },
            2 => Outcome::Failed { kind: Pack::unpack(from)?, reason: Pack::unpack(from)? },
            3 => Outcome::Interrupted { reason: Pack::unpack(from)?, by_request: Pack::unpack(from)? },
            _ => return None,
        })
    }
}

impl Pack for Study {
    fn pack(&self, out: &mut Vec<u8>) {
        // The index follows from the trials.
        let Study {
            settings,
            algorithms,
            rebound,
            outside,
            trials,
            queue,
            wishes,
            engine_epoch,
            slots,
            reports,
            ended,
            consecutive_failures,
            setup_failures,
            gpu_ms,
            created_at,
            engine_started_at,
            earlier_engines_ms,
            updated_at,
            worked_until,
            index: _,
        } = self;
        settings.pack(out);
        algorithms.pack(out);
        rebound.pack(out);
        outside.pack(out);
        pack_items(trials.values(), out);
        queue.pack(out);
        wishes.pack(out);
        ended.pack(out);
        [slots, consecutive_failures, setup_failures].into_iter().for_each(|number| number.pack(out));
        let numbers = [
            engine_epoch,
            reports,
            gpu_ms,
            created_at,
            engine_started_at,
            earlier_engines_ms,
            updated_at,
            worked_until,
        ];
        numbers.into_iter().for_each(|number| number.pack(out));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let settings = StudySettings::unpack(from)?;
        let (algorithms, rebound, outside) = (Pack::unpack(from)?, Pack::unpack(from)?, Pack::unpack(from)?);
        let trials: Vec<Trial> = Pack::unpack(from)?;
        let (queue, wishes, ended) = (Pack::unpack(from)?, Pack::unpack(from)?, Pack::unpack(from)?);
        let (slots, consecutive_failures, setup_failures) =
            (Pack::unpack(from)?, Pack::unpack(from)?, Pack::unpack(from)?);
        let mut index = Index::default();
        trials.iter().for_each(|trial| index.learn(trial, &settings));
        Some(Study {
            settings,
            algorithms,
            rebound,
            outside,
            trials: trials.into_iter().map(|trial| (trial.id, trial)).collect(),
            queue,
            wishes,
            slots,
            ended,
            consecutive_failures,
            setup_failures,
            engine_epoch: Pack::unpack(from)?,
            reports: Pack::unpack(from)?,
            gpu_ms: Pack::unpack(from)?,
            created_at: Pack::unpack(from)?,
            engine_started_at: Pack::unpack(from)?,
            earlier_engines_ms: Pack::unpack(from)?,
            updated_at: Pack::unpack(from)?,
            worked_until: Pack::unpack(from)?,
            index,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_take_little_room() {
        for (number, len) in [(0, 1), (127, 1), (128, 2), (u64::from(u32::MAX), 5), (u64::MAX, 10)] {
            let mut out = Vec::new();
            number.pack(&mut out);
            let mut rest = out.as_slice();
            assert_eq!((out.len(), u64::unpack(&mut rest), rest), (len, Some(number), &[][..]));
        }
        assert_eq!(u32::unpack(&mut [0xff; 5].as_slice()), None);
        assert_eq!(u64::unpack(&mut [0xff; 20].as_slice()), None);
    }

    #[test]
    fn values_of_every_kind_come_back() {
        let list = ParamValue::List(vec![ParamValue::Float(-0.0), ParamValue::Text("ä".into())]);
        for value in [ParamValue::Bool(true), ParamValue::Int(i64::MIN), list] {
            let mut out = Vec::new();
            value.pack(&mut out);
            assert_eq!(ParamValue::unpack(&mut out.as_slice()), Some(value));
        }
        for state in TrialState::ALL {
            let mut out = Vec::new();
            state.pack(&mut out);
            assert_eq!(TrialState::unpack(&mut out.as_slice()), Some(state));
        }
    }
}
